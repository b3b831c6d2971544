"""``report.html``: one self-contained page about a run, from its files alone."""

import base64
import hashlib
from functools import cache
from pathlib import Path
from typing import Any

from stylewav_pl.evaluation.findings import Findings
from stylewav_pl.evaluation.prompts import SEX
from stylewav_pl.evaluation.statistics import Interval, NotComputable
from stylewav_pl.files import write_whole
from stylewav_pl.report.clips import SPARK_HEIGHT, SPARK_WIDTH, Sounds
from stylewav_pl.report.page import MAX_SKIPS, build_page
from stylewav_pl.report.svg import minus
from stylewav_pl.report.tables import anova_text, means_differ
from stylewav_pl.report.verdict import (
    diversity_sentence,
    p_text,
    retrieval_sentence,
    shown,
    trend_sentence,
    verdict,
    where_lost,
)
from stylewav_pl.runs.finished import PAGE, FinishedRun

TEMPLATES = Path(__file__).parent / "templates"

# J. Ngo, StyleWav: Guiding Image Synthesis Using Audio; 100 + 100 Common Voice clips, FFHQ 1024.
PAPER = {
    "this is a photo of a boy": {"male": 0.26, "female": 0.241},
    "this is a photo of a girl": {"male": 0.252, "female": 0.256},
}


def write_report(
    run: FinishedRun,
    findings: Findings | None = None,
    sounds: Sounds = lambda _: None,
) -> Path:
    """Writes ``report.html`` into a run directory of any age and returns its path.

    Only ``results.csv`` must be there. Ids, labels, prompts and all other text are escaped, and the page's
    Content-Security-Policy lets no script and no style work but its own, and nothing be loaded from anywhere.

    Args:
        run: The run.
        findings: What was computed about it; computed here when None.
        sounds: Where the clips' audio is to be had.

    Raises:
        RunDirectoryError: If there are no results, or a file that is there is damaged.
    """
    script = (TEMPLATES / "report.js").read_text("utf-8")
    html = render_page(
        "report.html.j2",
        page=build_page(run, findings, sounds),
        paper=PAPER,
        paper_prompts=SEX,
        spark_size=(SPARK_WIDTH, SPARK_HEIGHT),
        most_skips=MAX_SKIPS,
        script=script,
        script_hash=_hash(script),
    )
    path = run.path / PAGE
    write_whole(path, lambda file: file.write(html.encode("utf-8", "replace")))
    return path


def render_page(template: str, *styles: str, **content: Any) -> str:
    """Returns a page in the style of the report.

    Args:
        template: Its name among the templates.
        styles: Names of style sheets beside that of the report.
        content: What the template needs; the style and its hash are added.
    """
    style = "".join((TEMPLATES / name).read_text("utf-8") for name in ("report.css", *styles))
    html: str = _environment().get_template(template).render(style=style, style_hash=_hash(style), **content)
    return html


def _hash(text: str) -> str:
    """As a Content-Security-Policy names what it allows."""
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode("utf-8")).digest()).decode("ascii")


@cache  # it keeps the templates compiled, which takes longer than to fill them in
def _environment() -> Any:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined  # here, since only the report needs it

    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    sentences = {
        "verdict": verdict,
        "where_lost": where_lost,
        "trend": trend_sentence,
        "retrieval": retrieval_sentence,
        "diversity": diversity_sentence,
        "shown": shown,
    }
    numbers = {"number": _number, "interval": _interval, "p": _p, "share": _share, "anova": anova_text}
    environment.filters.update(**sentences, **numbers, means_differ=means_differ, rounded=_rounded)
    environment.tests["missing"] = _is_missing
    return environment


def _is_missing(value: object) -> bool:
    return isinstance(value, NotComputable)


def _number(value: float | NotComputable | None, digits: int = 3) -> str:
    if value is None or isinstance(value, NotComputable):
        return "–"  # noqa: RUF001 - a dash
    return minus(f"{value:.{digits}f}")


def _rounded(value: float | NotComputable) -> str:
    """Writes three digits, however large or small the number is."""
    return "–" if isinstance(value, NotComputable) else minus(f"{value:.3g}")  # noqa: RUF001 - a dash


def _interval(value: Interval | NotComputable, digits: int = 2) -> str:
    if isinstance(value, NotComputable):
        return f"not computable: {value.reason}"
    return f"{_number(value.value, digits)} [{_number(value.low, digits)}, {_number(value.high, digits)}]"


def _share(value: Interval | NotComputable) -> str:
    return (
        f"not computable: {value.reason}"
        if isinstance(value, NotComputable)
        else f"{value.value:.0%} [{value.low:.0%}, {value.high:.0%}]"
    )


def _p(value: float | NotComputable) -> str:
    return (
        "not computable"
        if isinstance(value, NotComputable)
        else p_text(value).removeprefix("p ").removeprefix("= ")
    )
