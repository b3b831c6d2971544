"""One sentence for the reader who reads one sentence."""

from collections.abc import Sequence

from stylewav_pl.evaluation.experiment import Between, Evaluation
from stylewav_pl.evaluation.statistics import Interval, NotComputable, Welch

ALPHA = 0.05


def verdict(evaluation: Evaluation) -> str:
    """Says whether the trait shows in the faces, judged by the tests between populations after Holm's correction."""
    trait, between = evaluation.trait, evaluation.observed.between
    for answer in between:
        if isinstance(answer.welch, NotComputable):
            return f"Whether {trait} shows in the faces cannot be computed: {answer.welch.reason}."
    right, wrong = _significant(between, 1), _significant(between, -1)
    hits = accuracy_sentence(evaluation)
    if len(right) == len(between):
        return f"The voices' {trait} shows in the faces: every prompt scores higher on its own population (Holm {p_text(_largest_p(right))}); {hits}."
    if wrong:
        return f"The voices' {trait} shows in the wrong direction for {_quoted(wrong)} (Holm {p_text(_largest_p(wrong))}); {hits}."
    if right:
        return f"The voices' {trait} shows in part: {_quoted(right)} scores higher on its own population, the other prompts do not; {hits}."
    return f"No sign that the voices' {trait} shows in the faces (smallest Holm {p_text(min(map(_p, between)))}); {hits}."


def accuracy_sentence(evaluation: Evaluation) -> str:
    """How many faces (or speakers, where some have several faces) are nearest to the right prompt, beside chance."""
    accuracy = evaluation.observed.accuracy
    clips = sum(population.clips for population in evaluation.populations.values())
    noun = "faces" if clips == accuracy.total else "speakers"
    if isinstance(accuracy.share, NotComputable):
        return f"no accuracy, for {accuracy.share.reason}"
    share: Interval = accuracy.share
    return (
        f"{share.value:.0%} of {accuracy.total} {noun} are nearest to the right prompt "
        f"(95% interval {share.low:.0%} to {share.high:.0%}; chance {1 / len(evaluation.prompts):.0%})"
    )


def p_text(p: float) -> str:
    """A p value for reading.

    >>> p_text(0.0432), p_text(3.2e-08), p_text(0.0)
    ('p = 0.043', 'p = 3e-08', 'p < 1e-300')
    """
    if p < 1e-300:
        return "p < 1e-300"
    return f"p = {p:.2g}" if p >= 0.001 else f"p = {p:.0e}"


def _significant(between: Sequence[Between], sign: int) -> list[Between]:
    return [answer for answer in between if isinstance(answer.welch, Welch) and answer.welch.t * sign > 0 and _p(answer) < ALPHA]


def _largest_p(between: Sequence[Between]) -> float:
    return max(map(_p, between))


def _p(answer: Between) -> float:
    return 1.0 if isinstance(answer.p_holm, NotComputable) else answer.p_holm


def _quoted(between: Sequence[Between]) -> str:
    return ", ".join(f'"{answer.prompt}"' for answer in between)
