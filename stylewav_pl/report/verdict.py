"""One sentence for the reader who reads one sentence."""

from collections.abc import Sequence

from stylewav_pl.evaluation.diversity import Diversity
from stylewav_pl.evaluation.guide_view import Retrieval
from stylewav_pl.evaluation.records import Between, Comparison, Evaluation
from stylewav_pl.evaluation.statistics import Interval, NotComputable, Welch

ALPHA = 0.05


def verdict(evaluation: Evaluation) -> str:
    """Says whether the trait shows in the faces.

    Judged by the tests between populations after Holm's correction.
    """
    trait, between = evaluation.trait, computable(evaluation.observed.between)
    if not between:
        return (
            f"Whether {trait} shows in the faces cannot be computed: "
            f"{_reasons(evaluation.observed.between)[0]}."
        )
    right, wrong = _significant(between, 1), _significant(between, -1)
    end = "; ".join([accuracy_sentence(evaluation), *_untested(evaluation.observed.between)])
    if len(right) == len(between):
        return (
            f"The voices' {trait} shows in the faces: every prompt scores higher on its own population "
            f"(Holm {p_text(_largest_p(right))}); {end}."
        )
    if wrong:
        beside = f", in the right one for {_quoted(right)}" if right else ""
        return (
            f"The voices' {trait} shows in the wrong direction for {_quoted(wrong)} (Holm "
            f"{p_text(_largest_p(wrong))}){beside}; {end}."
        )
    if right:
        return (
            f"The voices' {trait} shows in part: {_quoted(right)} scores higher on its own population, "
            f"the other prompts do not; {end}."
        )
    return (
        f"No sign that the voices' {trait} shows in the faces (smallest Holm "
        f"{p_text(min(map(_p, between)))}); {end}."
    )


def computable(between: Sequence[Between]) -> list[Between]:
    """The prompts that could be tested.

    One of an empty population cannot, and says nothing about the others.
    """
    return [answer for answer in between if isinstance(answer.welch, Welch)]


def accuracy_sentence(evaluation: Evaluation) -> str:
    """Tells how many faces are nearest to the right prompt, beside chance.

    Where speakers have several faces, speakers are counted.
    """
    accuracy = evaluation.observed.accuracy
    clips = sum(population.clips for population in evaluation.populations.values())
    noun = "faces" if clips == accuracy.total else "speakers"
    if isinstance(accuracy.share, NotComputable):
        return f"no accuracy, for {accuracy.share.reason}"
    share: Interval = accuracy.share
    return (
        f"{share.value:.0%} of {accuracy.total} {noun} are nearest to the right prompt "
        f"(95% interval {share.low:.0%} to {share.high:.0%}; chance "
        f"{1 / len(evaluation.prompts):.0%}{_balance(evaluation)})"
    )


def _balance(evaluation: Evaluation) -> str:
    """Of unequal populations the share alone says little.

    Naming the largest one always would be right often.
    """
    balanced, sizes = (
        evaluation.observed.balanced_accuracy,
        {population.speakers for population in evaluation.populations.values()},
    )
    return (
        f", balanced over the populations {balanced:.0%}"
        if isinstance(balanced, float) and len(sizes) > 1
        else ""
    )


def where_lost(evaluation: Evaluation) -> str:
    """Follows the trait from the voice to the judge and says where it gets lost."""
    stages = [
        ("the audio encoder hears it", evaluation.heard),
        ("the guide sees it in the images", evaluation.seen_by_guide),
    ]
    said = []
    for stage, comparison in [*stages, ("the judge sees it in the images", evaluation.observed)]:
        said.append(f"{stage}: {shown(comparison)}")
    heard, seen = shown(evaluation.heard), shown(evaluation.observed)
    if isinstance(evaluation.heard, NotComputable):
        return f"Where {evaluation.trait} gets lost is not computable: {evaluation.heard.reason}."
    if heard.startswith("not computable") or seen.startswith("not computable"):
        end = "so where it gets lost cannot be said"
    elif heard == "no":
        end = (
            "it is lost before the first image is made"
            if seen == "no"
            else "what the images show is not what the prompts find in the targets"
        )
    elif seen == "no":
        end = (
            "it is lost between target and image"
            if shown(evaluation.seen_by_guide) == "no"
            else "it is lost between guide and judge"
        )
    else:
        end = "nothing of it is lost" if heard == seen == "yes" else "it is there in part"
    return f"Where {evaluation.trait} gets lost: {'; '.join(said)}; {end}."


def shown(comparison: Comparison | NotComputable) -> str:
    """Returns ``yes`` where every prompt scores higher on its own population.

    Else ``in part``, ``no``, or why it cannot be said.
    """
    if isinstance(comparison, NotComputable):
        return f"not computable, for {comparison.reason}"
    between = computable(comparison.between)
    if not between:
        return f"not computable, for {_reasons(comparison.between)[0]}"
    right = len(_significant(between, 1))
    return "yes" if right == len(between) else "in part" if right else "no"


def trend_sentence(evaluation: Evaluation) -> str | None:
    """Tells whether the faces follow the order of the populations; None where there is no order."""
    trend, permuted = evaluation.observed.trend, evaluation.trend_permutation_p
    if trend is None:
        return None
    welch, rho = trend.welch, trend.spearman
    if isinstance(welch, NotComputable):
        return f"Trend over {evaluation.trait}: not computable, for {welch.reason}."
    if isinstance(rho, NotComputable):
        return f"Trend over {evaluation.trait}: not computable, for {rho.reason}."
    strength = f"Spearman's rho {rho.value:.2f} [{rho.low:.2f}, {rho.high:.2f}], {p_text(welch.p)}"
    strength += f", {p_text(permuted)} by permutation" if isinstance(permuted, float) else ""
    if welch.p >= ALPHA:
        return f"No sign that the faces follow the order of {evaluation.trait} ({strength})."
    return (
        f"The faces {'follow' if welch.t > 0 else 'run against'} the order of {evaluation.trait} "
        f"({strength})."
    )


def retrieval_sentence(retrieval: Retrieval | NotComputable) -> str:
    """Tells how often an image's nearest target is its own audio."""
    if isinstance(retrieval, NotComputable):
        return f"Whether images find their own audio is not computable: {retrieval.reason}."
    found = [
        f"{'the nearest' if hits.k == 1 else f'among the nearest {hits.k}'} for {hits.share.value:.0%} of "
        "them "
        f"[{hits.share.low:.0%}, {hits.share.high:.0%}] (chance {hits.chance:.1%})"
        for hits in retrieval.hits
        if isinstance(hits.share, Interval)
    ]
    ranks = f"its median rank is {retrieval.median_rank:g} (chance {(retrieval.audios + 1) / 2:g})"
    return f"Do images find their own audio among all {retrieval.audios}? It is {', '.join(found)}; {ranks}."


def diversity_sentence(diversity: Diversity) -> str:
    """Tells how much the faces of one voice differ, beside those of different voices."""
    beside = "" if diversity.between is None else f", from one of another voice by {diversity.between:.2f}"
    have = "voice has" if diversity.voices == 1 else "voices have"
    return (
        f"{diversity.voices} {have} {diversity.faces} faces: one differs from another of its voice by "
        f"{diversity.within:.2f} on average{beside} (1 - cosine, by the guide)."
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
    return [
        answer
        for answer in between
        if isinstance(answer.welch, Welch) and answer.welch.t * sign > 0 and _p(answer) < ALPHA
    ]


def _reasons(between: Sequence[Between]) -> list[str]:
    return [answer.welch.reason for answer in between if isinstance(answer.welch, NotComputable)]


def _untested(between: Sequence[Between]) -> list[str]:
    """Tells what a verdict about the other prompts leaves out."""
    without = [
        (answer.label, answer.welch.reason) for answer in between if isinstance(answer.welch, NotComputable)
    ]
    return [
        f"no test for {', '.join(label for label, why in without if why == reason)}: {reason}"
        for reason in dict.fromkeys(_reasons(between))
    ]


def _largest_p(between: Sequence[Between]) -> float:
    return max(map(_p, between))


def _p(answer: Between) -> float:
    return 1.0 if isinstance(answer.p_holm, NotComputable) else answer.p_holm


def _quoted(between: Sequence[Between]) -> str:
    return ", ".join(f'"{answer.prompt}"' for answer in between)
