"""The numbers as plain text for a terminal of 100 columns, in the paper's layout."""

import textwrap
from collections.abc import Sequence

from stylewav_pl.errors import printable
from stylewav_pl.evaluation.records import Between, Comparison, Evaluation, Omnibus
from stylewav_pl.evaluation.statistics import Interval, NotComputable, Welch
from stylewav_pl.report.verdict import ALPHA, p_text, trend_sentence, verdict, where_lost

WIDTH = 100
_FIRST = 31
_CELL = 18


def summary(evaluation: Evaluation) -> str:
    """Everything a terminal should say after a run.

    The tables, the control, what to know, and the verdict.
    """
    control = (
        f"Control: labels permuted between speakers (seed {evaluation.seed}); between populations "
        "nothing may show now."
    )
    parts = [
        f"Statistics for {evaluation.trait}: {_counts(evaluation)}",
        f"The paper's table\n{paper_table(evaluation.observed, evaluation)}",
        "The test that counts: each prompt on its own population minus the "
        f"rest\n{between_table(evaluation)}",
        _several(evaluation),
        where_lost(evaluation),
        f"{control}\n{paper_table(evaluation.permuted, evaluation)}\n{control_line(evaluation.permuted)}",
        "\n".join(f"Note: {note}" for note in caveats(evaluation)),
        f"=> {verdict(evaluation)}",
    ]
    return "\n\n".join(wrapped(part) for part in parts if part)


def paper_table(comparison: Comparison, evaluation: Evaluation) -> str:
    """Makes a table: rows are prompts, columns are populations.

    The last row is Welch's test of the two prompts within a population.
    """
    labels = list(evaluation.populations)
    per_block = (WIDTH - _FIRST) // _CELL
    blocks = [labels[start : start + per_block] for start in range(0, len(labels), per_block)]
    return "\n\n".join(_block(comparison, block) for block in blocks)


def between_table(evaluation: Evaluation) -> str:
    """One row per prompt: its own population minus the rest, positive when the direction is right."""
    answers = evaluation.observed.between
    cells = [_between_cells(answer, evaluation.permutation_p[answer.prompt]) for answer in answers]
    widths = [
        max(map(len, column)) for column in zip(_HEADS, *(found for found in cells if found), strict=True)
    ]
    first = (
        WIDTH - sum(widths) - _GAP * len(widths)
    )  # long numbers take room from the prompt, never from each other
    lines = [_row("between populations", _HEADS, widths, first), "-" * WIDTH]
    for answer, found in zip(answers, cells, strict=True):
        lines.append(_row(answer.prompt, found, widths, first) if found else _not_computable(answer))
    return "\n".join(lines)


def control_line(comparison: Comparison) -> str:
    """The tests between populations in short."""
    found = [
        f"t = {answer.welch.t:.2f}" if isinstance(answer.welch, Welch) else answer.welch.reason
        for answer in comparison.between
    ]
    return f"between populations: {', '.join(found)}"


def _several(evaluation: Evaluation) -> str:
    """The tests over all populations at once; empty where there are two."""
    lines = [f"{answer.prompt}: {anova_text(answer)}" for answer in evaluation.observed.omnibus]
    head = ["All populations at once (Welch's analysis of variance)"] if lines else []
    return "\n".join([*head, *lines, *filter(None, [trend_sentence(evaluation)])])


def anova_text(answer: Omnibus) -> str:
    """Welch's analysis of variance in short."""
    if isinstance(answer.anova, NotComputable) or isinstance(answer.p_holm, NotComputable):
        return f"not computable: {answer.anova.reason if isinstance(answer.anova, NotComputable) else ''}"
    found = answer.anova
    test = f"F({found.df_between}, {found.df_within:.1f}) = {_compact(found.f)}"
    return f"{test}, {p_text(found.p)}, Holm {p_text(answer.p_holm)}, omega squared {found.omega_squared:.2f}"


def caveats(evaluation: Evaluation) -> list[str]:
    """Tells what must be known beside the numbers.

    About speakers, about clips left out, and the notes of the run.
    """
    found = []
    if not evaluation.speakers_known:
        found.append(
            "the speaker of some clips is unknown; each of these clips is counted as a speaker of its own."
        )
    if evaluation.shared_speakers:
        found.append(
            f"{evaluation.shared_speakers} speakers appear in more than one population and count once in "
            "each."
        )
    if evaluation.unlabelled:
        found.append(
            f"{evaluation.unlabelled} clips without one of the labels got a face and enter no statistic."
        )
    if evaluation.unscored:
        found.append(f"{evaluation.unscored} labelled clips have no scores and enter no statistic.")
    return [*found, *evaluation.notes]


def means_differ(answer: Welch | NotComputable) -> str:
    """The paper's last row in words.

    >>> means_differ(NotComputable("a population is empty"))
    'not computable'
    """
    if isinstance(answer, NotComputable):
        return "not computable"
    return f"{'true' if answer.p < ALPHA else 'false'} ({p_text(answer.p)})"


_HEADS = ("own - rest", "t", "df", "p Holm", "p permuted", "g [95% interval]", "AUC")
_GAP = 2  # spaces between columns, at least


def _counts(evaluation: Evaluation) -> str:
    parts = [
        f"{label} {found.speakers} speakers, {found.clips} clips"
        for label, found in evaluation.populations.items()
    ]
    return "; ".join(parts)


def _block(comparison: Comparison, labels: Sequence[str]) -> str:
    within = {answer.label: answer.welch for answer in comparison.within}
    lines = [
        _line("mean similarity", [f"{label} photos" for label in labels]),
        "-" * (_FIRST + _CELL * len(labels)),
    ]
    lines += [
        _line(prompt, [_mean_text(by_label[label]) for label in labels])
        for prompt, by_label in comparison.means.items()
    ]
    return "\n".join(
        [*lines, _line("means differ (Welch, p < 0.05)", [means_differ(within[label]) for label in labels])]
    )


def _line(first: str, cells: Sequence[str]) -> str:
    return _cut(first, _FIRST - 1).ljust(_FIRST) + "".join(
        _cut(cell, _CELL - 1).rjust(_CELL) for cell in cells
    )


def _between_cells(answer: Between, permuted: float | NotComputable) -> tuple[str, ...]:
    """One cell for each of the heads; none where there is no test."""
    if isinstance(answer.welch, NotComputable):
        return ()
    test = answer.welch
    return (
        f"{test.difference.value:+.4f}",
        _compact(test.t),
        f"{test.df:.1f}",
        _number(answer.p_holm, ".1g"),
        _number(permuted, ".1g"),
        _interval(answer.hedges_g),
        "-" if isinstance(answer.auc, NotComputable) else f"{answer.auc.value:.2f}",
    )


def _row(first: str, cells: Sequence[str], widths: Sequence[int], width: int) -> str:
    return _cut(first, width).ljust(width) + "".join(
        " " * _GAP + cell.rjust(wide) for cell, wide in zip(cells, widths, strict=True)
    )


def _not_computable(answer: Between) -> str:
    reason = answer.welch.reason if isinstance(answer.welch, NotComputable) else ""
    return f"{_cut(answer.prompt, _FIRST - 1).ljust(_FIRST)}  not computable: {reason}"


def _mean_text(mean: float | NotComputable) -> str:
    return "-" if isinstance(mean, NotComputable) else f"{mean:.4f}"


def _number(value: float | NotComputable, form: str) -> str:
    return "-" if isinstance(value, NotComputable) else format(value, form)


def _interval(value: Interval | NotComputable) -> str:
    return (
        "-"
        if isinstance(value, NotComputable)
        else f"{_compact(value.value)} [{_compact(value.low)}, {_compact(value.high)}]"
    )


def _compact(value: float) -> str:
    """Writes two decimals of small numbers, three digits of large ones.

    So populations without spread do not fill the line.

    >>> _compact(-3.456), _compact(42.123), _compact(-123456.7)
    ('-3.46', '42.1', '-1.23e+05')
    """
    size = abs(value)
    return f"{value:.2f}" if size < 10 else f"{value:.1f}" if size < 100 else f"{value:.3g}"


def _cut(text: str, width: int) -> str:
    clean = printable(text)
    return clean if len(clean) <= width else clean[: width - 1] + "…"


def wrapped(text: str) -> str:
    """Sentences are folded at the width; tables have none longer."""
    lines = map(printable, text.split("\n"))
    return "\n".join("\n".join(textwrap.wrap(line, WIDTH)) if len(line) > WIDTH else line for line in lines)
