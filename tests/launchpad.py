"""Real processes for tests of crashes, without the ten seconds that each start of the program takes to import
its libraries.

Run as a script: imports the program once, then forks a process for each line of JSON on standard input.
"""

import atexit
import gc
import json
import os
import signal
import sys
import threading
from contextlib import redirect_stdout, suppress
from importlib import import_module
from io import StringIO
from typing import NoReturn


def serve() -> None:
    """Answers ``{"start": ...}`` with a process id and ``{"poll": id}`` with an exit code, or null while it
    runs."""
    gc.disable()  # an import makes no garbage
    for name in ("stylewav_pl.commands.engines", "stylewav_pl.report.figures", "stylewav_pl.cli", "attrs"):
        import_module(name)
    import_module("stylewav_pl.report.html")._environment().get_template("report.html.j2")
    import_module("PIL.Image").init()
    prepare_parser()
    gc.enable()
    gc.freeze()  # or every child looks through all that was imported, again and again
    print("ready", flush=True)
    for line in sys.stdin:
        request = json.loads(line)
        if "poll" in request:
            found, status = os.waitpid(request["poll"], os.WNOHANG)
            print(json.dumps(os.waitstatus_to_exitcode(status) if found else None), flush=True)
        elif (child := os.fork()) == 0:
            become(**request["start"])
        else:
            print(child, flush=True)


def prepare_parser() -> None:
    """Makes the parser that every child would make."""
    from stylewav_pl.commands.experiment import ExperimentCLI

    with redirect_stdout(StringIO()), suppress(SystemExit):
        ExperimentCLI("fit", ["--print_config"])


def become(words: list[str], environment: dict[str, str], log: str, prelude: str) -> None:
    """What a start of the program does, in this process; ``prelude`` is Python that breaks something
    first."""
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs ignore it
    os.environ.update(environment)
    output = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    for descriptor, target in ((os.open(os.devnull, os.O_RDONLY), 0), (output, 1), (output, 2)):
        os.dup2(descriptor, target)
    exec(prelude, {})
    from stylewav_pl.cli import main

    sys.argv = ["stylewav-pl", *words]
    end(main())


def end(code: int) -> NoReturn:
    """Ends this process as Python does, except that it takes nothing apart: memory that it shares with its
    parent would have to be copied for that, which takes as long as half of what the program does."""
    threading._shutdown()  # waits for the threads
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


if __name__ == "__main__":
    serve()
