"""The first instructions of the command ``stylewav-pl``, before it can answer anything in its own words."""

import gc
import signal
from types import ModuleType


def main() -> int:
    """Runs the command line; returns the exit code.

    Ctrl-C while it is still being loaded ends it as it ends other programs, without a traceback.
    """
    cli = _loaded()
    code: int = cli.main()
    gc.freeze()  # the process ends with all that it loaded: to look for garbage there takes a second or two
    return code


def _loaded() -> ModuleType:
    from stylewav_pl.commands.collector import collect_seldom

    collect_seldom()
    before = signal.getsignal(signal.SIGINT)
    if before is not signal.default_int_handler:  # ignored: started with nohup, or beside a shell
        from stylewav_pl import cli

        return cli
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    from stylewav_pl import cli

    signal.signal(signal.SIGINT, before)
    return cli
