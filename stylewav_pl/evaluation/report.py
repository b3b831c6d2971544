"""``report.html``: one self-contained page about a run, from its files alone."""

import base64
import hashlib
from pathlib import Path
from typing import Any

from stylewav_pl.evaluation.page import SPARK_HEIGHT, SPARK_WIDTH, gather
from stylewav_pl.evaluation.prompts import SEX
from stylewav_pl.evaluation.statistics import Interval, NotComputable
from stylewav_pl.evaluation.tables import caveats, means_differ
from stylewav_pl.evaluation.verdict import p_text, verdict
from stylewav_pl.runs.files import write_whole

TEMPLATES = Path(__file__).parent / "templates"

# J. Ngo, StyleWav: Guiding Image Synthesis Using Audio; 100 + 100 Common Voice clips, FFHQ 1024.
PAPER = {
    "this is a photo of a boy": {"male": 0.26, "female": 0.241},
    "this is a photo of a girl": {"male": 0.252, "female": 0.256},
}


def write_report(run_directory: Path) -> Path:
    """Writes ``report.html`` into a run directory of any age and returns its path.

    Only ``results.csv`` must be there. Ids, labels, prompts and all other text are escaped, and the page's
    Content-Security-Policy lets no script run but its own.

    Raises:
        RunDirectoryError: If there are no results, or a file that is there is damaged.
    """
    script = (TEMPLATES / "report.js").read_text("utf-8")
    html = _template().render(
        page=gather(run_directory),
        paper=PAPER,
        paper_prompts=SEX,
        spark_size=(SPARK_WIDTH, SPARK_HEIGHT),
        script=script,
        script_hash="sha256-" + base64.b64encode(hashlib.sha256(script.encode("utf-8")).digest()).decode("ascii"),
        style=(TEMPLATES / "report.css").read_text("utf-8"),
    )
    path = run_directory / "report.html"
    write_whole(path, lambda file: file.write(html.encode("utf-8", "replace")))
    return path


def _template() -> Any:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined  # here, since only the report needs it

    environment = Environment(loader=FileSystemLoader(TEMPLATES), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.filters.update(
        number=_number, interval=_interval, p=_p, verdict=verdict, caveats=caveats, means_differ=means_differ, share=_share, is_missing=_is_missing
    )
    return environment.get_template("report.html.j2")


def _is_missing(value: object) -> bool:
    return isinstance(value, NotComputable)


def _number(value: float | NotComputable | None, digits: int = 3) -> str:
    return "–" if value is None or isinstance(value, NotComputable) else f"{value:.{digits}f}"  # noqa: RUF001 - the dash of an empty cell


def _interval(value: Interval | NotComputable, digits: int = 2) -> str:
    if isinstance(value, NotComputable):
        return "not computable"
    return f"{value.value:.{digits}f} [{value.low:.{digits}f}, {value.high:.{digits}f}]"


def _share(value: Interval | NotComputable) -> str:
    return "not computable" if isinstance(value, NotComputable) else f"{value.value:.0%} [{value.low:.0%}, {value.high:.0%}]"


def _p(value: float | NotComputable) -> str:
    return "not computable" if isinstance(value, NotComputable) else p_text(value).removeprefix("p ").removeprefix("= ")
