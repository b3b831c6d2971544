"""The figures of the report, as SVG in data URIs.

Self-contained, sharp on any screen, and unable to run anything.
"""

import base64
import io
import warnings
from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING

import numpy as np

from stylewav_pl.evaluation.records import Between, Evaluation
from stylewav_pl.evaluation.sampling import evenly_spaced
from stylewav_pl.evaluation.statistics import Interval
from stylewav_pl.runs.rows import ResultRow

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLOURS = (
    "#0072B2",
    "#D55E00",
    "#009E73",
    "#CC79A7",
    "#56B4E9",
    "#E69F00",
)  # Okabe and Ito: distinct for all eyes
WIDTH_INCHES = 5.4
MAX_DOTS = 400


def forest_plot(evaluation: Evaluation) -> str | None:
    """Hedges' g of each population's own prompt with its interval.

    None where no effect could be computed. Returns a data URI.
    """
    shown = [
        (answer, answer.hedges_g)
        for answer in evaluation.observed.between
        if isinstance(answer.hedges_g, Interval)
    ]
    if not shown:
        return None
    with _style():
        figure, axes = _figure(1.1 + 0.5 * len(shown))
        for row, (answer, effect) in enumerate(shown):
            _effect(
                axes,
                row,
                answer,
                effect,
                COLOURS[list(evaluation.prompts).index(answer.label) % len(COLOURS)],
            )
        axes.axvline(0, color="#555555", linewidth=1)
        axes.set_yticks(range(len(shown)), [_short(answer.label) for answer, _ in shown])
        axes.set_ylim(len(shown) - 0.4, -0.6)
        figure.supxlabel(
            "Hedges' g, own population minus the rest\n(right of 0: the right direction)", fontsize=11
        )
        return _data_uri(figure)


def distributions(evaluation: Evaluation, rows: Sequence[ResultRow]) -> str | None:
    """Scores of each prompt by population.

    A dot per face, a bar at the mean of the faces. Returns a data URI.
    """
    labels, prompts = list(evaluation.prompts), list(evaluation.prompts.values())
    used = [
        row
        for row in rows
        if row.done
        and row.clip.labels.get(evaluation.trait) in labels
        and all(prompt in row.scores for prompt in prompts)
    ]
    if not used:
        return None
    with _style():
        figure, all_axes = _figure(0.7 + (0.5 + 0.38 * len(labels)) * len(prompts), len(prompts))
        for axes, prompt in zip(np.atleast_1d(np.asarray(all_axes)), prompts, strict=True):
            for row, label in enumerate(labels):
                scores = [
                    entry.scores[prompt] for entry in used if entry.clip.labels[evaluation.trait] == label
                ]
                _dots(axes, row, scores, COLOURS[row % len(COLOURS)])
            axes.set_yticks(range(len(labels)), [_short(label) for label in labels])
            axes.set_ylim(len(labels) - 0.5, -0.5)
            axes.set_title(_short(prompt, 40), fontsize=11, loc="left")
        figure.supxlabel("cosine similarity of the face with the prompt", fontsize=11)
        return _data_uri(figure)


def _style() -> AbstractContextManager[None]:
    from matplotlib import rc_context

    # No formulas: prompts and labels are the user's, and a dollar sign in them is a dollar sign. The salt
    # makes ids repeat.
    return rc_context(
        {
            "text.parse_math": False,
            "svg.hashsalt": "stylewav-pl",
            "font.size": 11,
            "axes.spines.top": False,
            "axes.spines.right": False,
        }
    )


def _figure(height: float, rows: int = 1) -> "tuple[Figure, Axes]":
    from matplotlib.figure import Figure

    figure = Figure(figsize=(WIDTH_INCHES, height), layout="constrained")
    return figure, figure.subplots(rows, 1, sharex=True)


def _effect(axes: "Axes", row: int, answer: Between, effect: Interval, colour: str) -> None:
    errors = [[effect.value - effect.low], [effect.high - effect.value]]
    axes.errorbar(
        [effect.value], [row], xerr=errors, fmt="o", color=colour, capsize=4, linewidth=2, markersize=7
    )
    axes.annotate(
        f"{effect.value:.2f}",
        (effect.value, row),
        (0, 9),
        textcoords="offset points",
        ha="center",
        fontsize=10,
    )


def _dots(axes: "Axes", row: int, scores: Sequence[float], colour: str) -> None:
    if scores:
        shown = evenly_spaced(sorted(scores), MAX_DOTS)
        spread = np.random.default_rng(0).uniform(
            -0.26, 0.26, len(shown)
        )  # dots beside each other, not on each other
        axes.scatter(shown, row + spread, s=14, color=colour, alpha=0.45, linewidths=0)
        axes.plot([float(np.mean(scores))] * 2, [row - 0.38, row + 0.38], color=colour, linewidth=3)


def _short(text: str, width: int = 16) -> str:
    """Cut in the middle: prompts of one trait begin alike and differ at their ends.

    >>> _short("this is a photo of a person who speaks German", 30)
    'this is a photo…o speaks German'
    """
    return text if len(text) <= width + 1 else f"{text[: width // 2]}…{text[-(width - width // 2) :]}"


def _data_uri(figure: "Figure") -> str:
    buffer = io.BytesIO()
    with warnings.catch_warnings():
        warnings.filterwarnings(
            "ignore", message="Glyph .* missing from font", category=UserWarning
        )  # a label in a script the font lacks: boxes
        figure.savefig(
            buffer, format="svg", metadata={"Date": None}
        )  # no date: the same run gives the same page
    return "data:image/svg+xml;base64," + base64.b64encode(buffer.getvalue()).decode("ascii")
