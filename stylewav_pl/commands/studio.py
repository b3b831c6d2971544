"""``studio``: a page on which a voice is recorded and faces grow from it."""

import argparse

from stylewav_pl.commands.options import Options
from stylewav_pl.errors import ConfigError

LOCAL = "127.0.0.1"
PORT = 7860
LARGEST = "50mb"
WAITING_VISITORS = 20


def parser() -> argparse.ArgumentParser:
    """The options of ``studio``."""
    options = Options(
        prog="stylewav-pl studio",
        description="Opens a page to record a voice on and to watch faces grow from it. Only this computer "
        "can see it, unless --host says otherwise.",
        epilog="Browsers give microphones to pages of this computer (http://localhost) and to https pages "
        "only: for others give a certificate.",
    )
    options.add_argument(
        "--host", default=LOCAL, metavar="ADDRESS", help=f"where to listen (default: {LOCAL})"
    )
    options.add_argument("--port", type=int, default=PORT, metavar="N", help=f"(default: {PORT})")
    options.add_argument("--ssl-certfile", metavar="FILE", help="certificate, for https")
    options.add_argument("--ssl-keyfile", metavar="FILE", help="its key")
    options.add_argument("--open", action="store_true", help="open the page in a browser")
    options.add_argument(
        "--device", choices=("auto", "cpu", "cuda"), default="auto", help="where to compute (default: auto)"
    )
    for name, what in (
        ("generator", "generator"),
        ("audio-encoder", "audio encoder"),
        ("guide", "CLIP model"),
    ):
        options.add_argument(
            f"--{name}",
            metavar="SOURCE",
            help=f"registry name or weight file of the {what} (default: pocket's)",
        )
    return options


def run(command: str, options: list[str]) -> int:
    """Serves the page until Ctrl-C.

    Raises:
        ConfigError: The page's library is not installed, the port is taken, or the certificate cannot be
            read.
        WeightsError: A network cannot be loaded.
    """
    asked = parser().parse_args(options)
    if bool(asked.ssl_certfile) != bool(asked.ssl_keyfile):
        raise ConfigError("Expected --ssl-certfile and --ssl-keyfile together. Give both, or neither.")
    try:
        import gradio  # noqa: F401 - asked for before anything slow
    except ImportError as error:
        raise ConfigError(
            "The studio needs gradio, which is not installed. Run: pip install 'stylewav-pl[studio]' (from a "
            "clone: pip install '.[studio]')."
        ) from error

    from stylewav_pl.commands.collector import collect_as_usual
    from stylewav_pl.studio.desk import Desk
    from stylewav_pl.studio.look import style, theme
    from stylewav_pl.studio.page import build_page

    desk = Desk(asked.generator, asked.guide, asked.audio_encoder, asked.device)
    desk.warm_up()
    collect_as_usual()
    page = build_page(desk)
    page.queue(max_size=WAITING_VISITORS, default_concurrency_limit=1)
    try:
        page.launch(
            server_name=asked.host,
            server_port=asked.port,
            ssl_certfile=asked.ssl_certfile,
            ssl_keyfile=asked.ssl_keyfile,
            ssl_verify=False,  # gradio asks its own page whether it is there; own certificates are fine
            inbrowser=asked.open,
            share=False,
            max_file_size=LARGEST,
            footer_links=[],
            theme=theme(),
            css=style(),
        )
    except OSError as error:
        raise ConfigError(
            f"The page cannot be served at {asked.host}:{asked.port}: {error}. Choose another --port."
        ) from error
    return 0
