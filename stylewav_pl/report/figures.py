"""The figures of the report: effect sizes, scores by population, and how near the faces came step by step."""

from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np
from markupsafe import Markup

from stylewav_pl.evaluation.records import Between, Evaluation
from stylewav_pl.evaluation.sampling import evenly_spaced
from stylewav_pl.evaluation.statistics import Interval
from stylewav_pl.report.svg import (
    LEFT,
    RIGHT,
    WIDTH,
    Number,
    Scale,
    across,
    axis,
    drawing,
    element,
    line,
    minus,
    series,
    text,
    ticks,
)
from stylewav_pl.runs.rows import ResultRow

MAX_DOTS = 400
ROW, SMALL_ROW = 44, 30  # heights, in units of the drawing
AXIS = 42  # room for an axis, its numbers and its title
CURVES_HEIGHT = 180


def forest_plot(evaluation: Evaluation) -> Markup | None:
    """Draws Hedges' g of each population's own prompt with its interval; None where there is no effect."""
    shown = [
        (answer, answer.hedges_g)
        for answer in evaluation.observed.between
        if isinstance(answer.hedges_g, Interval)
    ]
    if not shown:
        return None
    values = [0.0, *(value for _, effect in shown for value in (effect.low, effect.high))]
    scale = across(min(values), max(values))
    order = list(evaluation.prompts)
    rows = [
        _effect(scale, 30 + ROW * place, answer, effect, order.index(answer.label))
        for place, (answer, effect) in enumerate(shown)
    ]
    bottom = 12 + ROW * len(shown)
    title = "Hedges' g, own population minus the rest"
    said = "; ".join(f"{answer.label} {effect.value:.2f}" for answer, effect in shown)
    return drawing(bottom + AXIS, f"{title}: {said}", [axis(scale, bottom, 4, title), *rows])


def distributions(evaluation: Evaluation, rows: Sequence[ResultRow]) -> Markup | None:
    """Draws the scores of each prompt by population: a dot for each face, a bar at their mean."""
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
    values = [row.scores[prompt] for row in used for prompt in prompts]
    scale = across(min(values), max(values))
    parts, y = list[Markup](), 0
    for prompt in prompts:
        parts.append(text(0, y + 14, _short(prompt, 44), "title", "start"))
        for place, label in enumerate(labels):
            scores = [row.scores[prompt] for row in used if row.clip.labels[evaluation.trait] == label]
            parts.append(_dots(scale, y + 36 + SMALL_ROW * place, label, scores, place))
        y += 28 + SMALL_ROW * len(labels)
    title = "cosine similarity of the face with the prompt"
    said = f"{title}, for {', '.join(labels)}"
    return drawing(y + AXIS, said, [axis(scale, y, 20, title), *parts])


def mean_curves(groups: Mapping[str, Sequence[Sequence[float]]]) -> Markup | None:
    """Draws the mean similarity of each population over the steps, with the middle 80 % of its clips.

    Args:
        groups: Population to the curves of its clips; those of another length than most are left out.
    """
    lengths = Counter(len(curve) for curves in groups.values() for curve in curves)
    if not lengths or (length := lengths.most_common(1)[0][0]) < 2:
        return None
    kept = {
        label: np.array([curve for curve in curves if len(curve) == length])
        for label, curves in groups.items()
        if any(len(curve) == length for curve in curves)
    }
    bands = {label: np.quantile(curves, (0.1, 0.9), axis=0) for label, curves in kept.items()}
    low = min(float(band.min()) for band in bands.values())
    high = max(float(band.max()) for band in bands.values())
    left = 48
    x = Scale(0, length - 1, left, WIDTH - RIGHT)
    y = Scale(low, high, CURVES_HEIGHT, 14)
    parts = [_vertical_axis(y, left), axis(x, CURVES_HEIGHT, CURVES_HEIGHT, "step")]
    for place, label in enumerate(groups):
        if label in kept:
            parts += [_band(x, y, bands[label], place), _curve(x, y, kept[label].mean(axis=0), place)]
    said = "mean similarity to what was heard: " + "; ".join(
        f"{label or 'others'} from {curves[:, 0].mean():.2f} to {curves[:, -1].mean():.2f}"
        for label, curves in kept.items()
    )
    return drawing(CURVES_HEIGHT + AXIS, said, parts)


def _effect(scale: Scale, y: Number, answer: Between, effect: Interval, place: int) -> Markup:
    low, value, high = scale(effect.low), scale(effect.value), scale(effect.high)
    colour = series(place)
    return Markup("").join(
        [
            text(LEFT - 12, y + 4, _short(answer.label), "name", "end"),
            line(low, y, high, y, f"{colour} interval"),
            element("circle", cx=value, cy=y, r=5, class_=f"{colour} dot"),
            text(value, y - 10, minus(f"{effect.value:.2f}"), "number"),
        ]
    )


def _dots(scale: Scale, y: Number, label: str, scores: Sequence[float], place: int) -> Markup:
    name = text(LEFT - 12, y + 4, _short(label), "name", "end")
    if not scores:
        return name
    shown = evenly_spaced(sorted(scores), MAX_DOTS)
    spread = np.random.default_rng(0).uniform(-9, 9, len(shown))  # beside each other, not on each other
    dots = [
        element("circle", cx=scale(score), cy=float(y + beside), r=2.6, class_=f"{series(place)} faint")
        for score, beside in zip(shown, spread, strict=True)
    ]
    mean = scale(float(np.mean(scores)))
    return Markup("").join([name, *dots, line(mean, y - 12, mean, y + 12, f"{series(place)} mean")])


def _vertical_axis(y: Scale, left: Number) -> Markup:
    places = ticks(y.low, y.high, 4)
    lines = [line(left, y(place), WIDTH - RIGHT, y(place), "grid") for place in places]
    numbers = [text(left - 8, y(place) + 4, minus(f"{place:g}"), "number", "end") for place in places]
    return Markup("").join([*lines, *numbers])


def _band(x: Scale, y: Scale, band: "np.ndarray", place: int) -> Markup:
    there = [f"{x(step):.1f},{y(float(value)):.1f}" for step, value in enumerate(band[0])]
    back = [f"{x(step):.1f},{y(float(value)):.1f}" for step, value in enumerate(band[1])]
    return element("polygon", points=" ".join([*there, *reversed(back)]), class_=f"{series(place)} band")


def _curve(x: Scale, y: Scale, means: "np.ndarray", place: int) -> Markup:
    points = " ".join(f"{x(step):.1f},{y(float(value)):.1f}" for step, value in enumerate(means))
    return element("polyline", points=points, class_=f"{series(place)} curve-line")


def _short(text: str, width: int = 14) -> str:
    """Cut in the middle: prompts of one trait begin alike and differ at their ends.

    >>> _short("this is a photo of a person who speaks German", 30)
    'this is a photo…o speaks German'
    """
    return text if len(text) <= width + 1 else f"{text[: width // 2]}…{text[-(width - width // 2) :]}"
