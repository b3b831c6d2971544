"""The experiment on made-up scores: effects are found, and nothing else."""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from stylewav_pl.errors import ConfigError
from stylewav_pl.evaluation.evaluate import evaluate
from stylewav_pl.evaluation.guide_view import GuideView
from stylewav_pl.evaluation.multigroup import Anova
from stylewav_pl.evaluation.prompts import SEX, PromptSet
from stylewav_pl.evaluation.statistics import Interval, NotComputable, Welch, holm
from stylewav_pl.report.verdict import trend_sentence, verdict, where_lost
from stylewav_pl.runs.rows import ResultRow
from stylewav_pl.types import Clip

BOY, GIRL = SEX.sentences


def row(
    id: str, label: str, scores: Mapping[str, float], speaker: str | None = None, done: bool = True
) -> ResultRow:
    labels = {"sex": label} if label else {}
    return ResultRow(
        Clip(id, f"{id}.wav", id if speaker is None else speaker, labels), done, 0.1, 0.6, scores
    )


def population(label: str, count: int, boy: float, girl: float, seed: int = 0) -> list[ResultRow]:
    generator = np.random.default_rng(seed)
    draws = generator.normal([boy, girl], 0.05, (count, 2))
    return [row(f"{label}-{i:03}", label, {BOY: float(a), GIRL: float(b)}) for i, (a, b) in enumerate(draws)]


def both(effect: float = 0.1, count: int = 40) -> list[ResultRow]:
    return population("male", count, 0.2 + effect, 0.2, seed=1) + population(
        "female", count, 0.2, 0.2 + effect, seed=2
    )


def values(rows: list[ResultRow], label: str, prompt: str) -> list[float]:
    return [entry.scores[prompt] for entry in rows if entry.clip.labels.get("sex") == label]


def test_tables_agree_with_scipy() -> None:
    rows = both()
    result = evaluate(rows, SEX, permutations=99)
    boys = {label: values(rows, label, BOY) for label in SEX.labels}
    girls = {label: values(rows, label, GIRL) for label in SEX.labels}
    assert result.observed.means[BOY]["male"] == pytest.approx(np.mean(boys["male"]))
    assert result.observed.means[GIRL]["male"] == pytest.approx(np.mean(girls["male"]))
    within = {answer.label: answer for answer in result.observed.within}
    between = {answer.prompt: answer for answer in result.observed.between}
    for answer, first, second in [
        (within["male"], boys["male"], girls["male"]),
        (within["female"], girls["female"], boys["female"]),
        (between[BOY], boys["male"], boys["female"]),
        (between[GIRL], girls["female"], girls["male"]),
    ]:
        expected = stats.ttest_ind(first, second, equal_var=False)
        assert isinstance(answer.welch, Welch)
        assert [answer.welch.t, answer.welch.p] == pytest.approx(
            [expected.statistic, expected.pvalue], rel=1e-8
        )


def test_an_effect_is_found_and_gone_after_permuting_labels() -> None:
    result = evaluate(both(), SEX, permutations=999)
    for answer in result.observed.between:
        assert (
            isinstance(answer.welch, Welch)
            and isinstance(answer.hedges_g, Interval)
            and isinstance(answer.p_holm, float)
        )
        assert answer.welch.t > 3.5 and answer.p_holm < 0.001 and answer.hedges_g.low > 0
        assert answer.p_holm >= answer.welch.p
    assert all(p == pytest.approx(0.001) for p in result.permutation_p.values())
    for answer in result.permuted.between:
        assert isinstance(answer.welch, Welch) and abs(answer.welch.t) < 2.5
    assert "shows in the faces" in verdict(result)


def test_the_direction_matters() -> None:
    swapped = population("male", 40, 0.2, 0.3) + population("female", 40, 0.3, 0.2)
    result = evaluate(swapped, SEX, permutations=99)
    assert all(isinstance(answer.welch, Welch) and answer.welch.t < 0 for answer in result.observed.between)
    assert "wrong direction" in verdict(result)


def test_no_effect_is_said() -> None:
    assert verdict(evaluate(both(effect=0.0), SEX, permutations=99)).startswith("No sign")


def test_a_partial_effect_is_said() -> None:
    rows = population("male", 40, 0.3, 0.2, seed=1) + population("female", 40, 0.2, 0.2, seed=2)
    assert f'in part: "{BOY}"' in verdict(evaluate(rows, SEX, permutations=99))


def test_accuracy_counts_by_hand_and_a_tie_is_not_right() -> None:
    rows = [
        row("a", "male", {BOY: 0.3, GIRL: 0.2}),
        row("b", "male", {BOY: 0.2, GIRL: 0.2}),
        row("c", "female", {BOY: 0.2, GIRL: 0.3}),
        row("d", "female", {BOY: 0.1, GIRL: 0.3}),
    ]
    observed = evaluate(rows, SEX, permutations=9).observed
    assert (observed.accuracy.right, observed.accuracy.total) == (3, 4)
    assert {label: answer.right for label, answer in observed.accuracy_by_label.items()} == {
        "male": 1,
        "female": 2,
    }
    assert isinstance(observed.accuracy.share, Interval) and observed.accuracy.share.value == 0.75


def test_unlabelled_skipped_and_unscored_clips_enter_nothing() -> None:
    rows = both(count=10)
    extra = [
        row("visitor", "", {BOY: 9.0, GIRL: -9.0}),
        row("other", "unknown", {BOY: 9.0, GIRL: -9.0}),
        row("late", "male", {BOY: 0.4}),
        row("bad", "male", {}, done=False),
    ]
    expected, result = evaluate(rows, SEX, permutations=99), evaluate(extra + rows, SEX, permutations=99)
    assert (result.unlabelled, result.unscored) == (2, 1)
    assert replace(result, unlabelled=0, unscored=0) == expected


def test_statistics_count_speakers() -> None:
    rows = both(effect=0.03, count=12)
    doubled = rows + [replace(entry, clip=replace(entry.clip, id=f"{entry.clip.id}-again")) for entry in rows]
    once, twice = evaluate(rows, SEX, permutations=99), evaluate(doubled, SEX, permutations=99)
    assert twice.observed == once.observed
    assert (twice.populations["male"].clips, twice.populations["male"].speakers) == (24, 12)
    assert twice.faces_right == 2 * once.faces_right
    assert "speakers are nearest" in verdict(twice) or "of 24 speakers" in verdict(twice)
    assert once.speakers_known


def test_unknown_speakers_are_separate_and_stated() -> None:
    rows = [replace(entry, clip=replace(entry.clip, speaker="")) for entry in both(count=5)]
    result = evaluate(rows, SEX, permutations=99)
    assert not result.speakers_known
    assert result.populations["male"].speakers == 5


def test_a_speaker_in_both_populations_is_stated() -> None:
    rows = both(count=4)
    rows[0] = replace(rows[0], clip=replace(rows[0].clip, speaker=rows[-1].clip.speaker))
    assert evaluate(rows, SEX, permutations=9).shared_speakers == 1


def test_the_order_of_rows_does_not_matter() -> None:
    rows = both(count=6)
    assert evaluate(rows[::-1], SEX, permutations=99).permuted.between == pytest.approx(
        evaluate(rows, SEX, permutations=99).permuted.between
    )


@pytest.mark.parametrize(
    ("rows", "reason"),
    [
        ([], "empty"),
        (population("male", 5, 0.2, 0.2), "empty"),
        (population("male", 1, 0.2, 0.2) + population("female", 5, 0.2, 0.2), "one speaker"),
        (
            [row(f"{label}{i}", label, {BOY: 0.2, GIRL: 0.2}) for label in SEX.labels for i in range(3)],
            "do not vary",
        ),
    ],
)
def test_degenerate_runs_are_not_computable(rows: list[ResultRow], reason: str) -> None:
    result = evaluate(rows, SEX, permutations=9)
    for answer in result.observed.between:
        assert isinstance(answer.welch, NotComputable) and reason in answer.welch.reason
        assert isinstance(answer.p_holm, NotComputable)
    assert all(isinstance(p, NotComputable) for p in result.permutation_p.values())
    assert "cannot be computed" in verdict(result) and reason in verdict(result)


def test_an_empty_population_leaves_the_verdict_on_the_others() -> None:
    rows = [entry for entry in aged(effect=0.1) if entry.clip.labels["age"] != "80s"]
    result = evaluate(rows, AGES, permutations=99)
    said = verdict(result)
    assert said.startswith("The voices' age shows") and said.endswith(
        "; no test for 80s: a population is empty."
    )


def test_each_population_without_a_test_has_its_own_reason() -> None:
    rows = [entry for entry in aged(effect=0.1) if entry.clip.labels["age"] != "80s"]
    lone = next(entry for entry in rows if entry.clip.labels["age"] == "20s")
    result = evaluate(
        [entry for entry in rows if entry is lone or entry.clip.labels["age"] != "20s"], AGES, permutations=99
    )
    end = (
        "; no test for 20s: a population has one speaker only; a variance needs two; no test for 80s: a "
        "population is empty."
    )
    assert verdict(result).endswith(end)


def test_one_wrong_direction_does_not_hide_the_right_ones() -> None:
    rows = population("male", 40, 0.3, 0.3) + population("female", 40, 0.2, 0.2)
    assert f'wrong direction for "{GIRL}"' in verdict(evaluate(rows, SEX, permutations=99))
    assert f'in the right one for "{BOY}"' in verdict(evaluate(rows, SEX, permutations=99))


def test_prompts_that_were_never_scored_are_an_error() -> None:
    with pytest.raises(ConfigError, match=r"a cat.*found scores for"):
        evaluate(both(count=3), PromptSet("sex", {"male": "a cat", "female": "a dog"}))


def test_three_populations_compare_each_with_the_rest() -> None:
    ages = PromptSet("age", {"child": "a child", "adult": "an adult", "old": "an old person"})
    generator = np.random.default_rng(0)
    rows = []
    for index in range(60):
        own = ages.labels[index % 3]
        scores = {
            prompt: float(generator.normal(0.2 + 0.1 * (label == own), 0.03))
            for label, prompt in ages.prompts.items()
        }
        rows.append(ResultRow(Clip(f"{index}", "", f"{index}", {"age": own}), True, 0.1, 0.5, scores))
    result = evaluate(rows, ages, permutations=99)
    child = [entry.scores["a child"] for entry in rows]
    expected = stats.ttest_ind(child[0::3], child[1::3] + child[2::3], equal_var=False)
    found = result.observed.between[0].welch
    assert isinstance(found, Welch) and found.t == pytest.approx(expected.statistic)
    assert "chance 33%" in verdict(result)


# More than two populations


AGES = PromptSet("age", {"20s": "young", "40s": "middle-aged", "60s": "old", "80s": "very old"})


def aged(per_decade: int = 12, effect: float = 0.03, prompts: PromptSet = AGES) -> list[ResultRow]:
    """A face resembles a prompt the less the more decades it is away; ``young`` scores high on all faces."""
    generator, rows = np.random.default_rng(0), []
    for index in range(per_decade * len(prompts.labels)):
        own = index % len(prompts.labels)
        scores = {
            prompt: 0.2 + 0.1 * (other == 0) - effect * abs(own - other) + float(generator.normal(0, 0.02))
            for other, prompt in enumerate(prompts.sentences)
        }
        rows.append(
            ResultRow(
                Clip(f"{index}", "", f"s{index}", {prompts.trait: prompts.labels[own]}),
                True,
                0.1,
                0.5,
                scores,
            )
        )
    return rows


def test_faces_that_follow_the_order_are_found() -> None:
    result = evaluate(aged(), AGES, permutations=999)
    trend = result.observed.trend
    assert trend is not None and isinstance(trend.welch, Welch) and isinstance(trend.spearman, Interval)
    assert trend.labels == AGES.labels
    assert trend.welch.p < 1e-6 and trend.welch.difference.low > 0 and trend.spearman.low > 0.5
    assert result.trend_permutation_p == 0.001
    assert "follow the order of age" in str(trend_sentence(result))


def test_the_trends_measure_is_the_slope_over_the_prompts() -> None:
    rows = aged()
    result = evaluate(rows, AGES, permutations=9)
    slopes = [np.polyfit(range(4), list(row.scores.values()), 1)[0] for row in rows]
    means = [np.mean(slopes[decade::4]) for decade in range(4)]
    trend = result.observed.trend
    assert trend is not None and isinstance(trend.welch, Welch) and isinstance(trend.spearman, Interval)
    assert trend.welch.difference.value == pytest.approx(np.polyfit(range(4), means, 1)[0])
    assert trend.spearman.value == pytest.approx(
        stats.spearmanr([int(row.clip.id) % 4 for row in rows], slopes).statistic
    )


def test_without_an_effect_there_is_no_trend_and_backwards_is_said() -> None:
    assert str(trend_sentence(evaluate(aged(effect=0), AGES, permutations=99))).startswith("No sign")
    assert "run against" in str(trend_sentence(evaluate(aged(effect=-0.03), AGES, permutations=99)))


def test_a_decade_of_one_speaker_is_left_out_of_the_trend() -> None:
    rows = [entry for entry in aged() if entry.clip.labels["age"] != "40s" or entry.clip.id == "1"]
    trend = evaluate(rows, AGES, permutations=9).observed.trend
    assert trend is not None and trend.labels == ("20s", "60s", "80s") and isinstance(trend.welch, Welch)


def test_two_decades_with_speakers_have_no_trend() -> None:
    result = evaluate(
        [entry for entry in aged() if entry.clip.labels["age"] in ("20s", "40s")], AGES, permutations=9
    )
    assert result.observed.trend is not None and isinstance(result.observed.trend.welch, NotComputable)
    assert isinstance(result.trend_permutation_p, NotComputable)
    assert "not computable" in str(trend_sentence(result))


def test_what_has_no_order_has_no_trend_but_an_analysis_of_variance() -> None:
    locales = PromptSet("locale", {"en": "e", "fr": "f", "ja": "j", "sw": "s"})
    result = evaluate(aged(prompts=locales), locales, permutations=9)
    assert (
        result.observed.trend is None
        and result.trend_permutation_p is None
        and trend_sentence(result) is None
    )
    assert [answer.prompt for answer in result.observed.omnibus] == list(locales.sentences)
    assert all(
        isinstance(answer.anova, Anova) and answer.anova.df_between == 3 for answer in result.observed.omnibus
    )
    ps = [answer.anova.p for answer in result.observed.omnibus if isinstance(answer.anova, Anova)]
    assert [answer.p_holm for answer in result.observed.omnibus] == holm(ps)
    assert evaluate(both(count=5), SEX, permutations=9).observed.omnibus == ()


def test_balanced_accuracy_of_one_prompt_for_all_is_chance() -> None:
    rows = population("male", 30, 0.5, 0.2) + population("female", 6, 0.5, 0.2)
    result = evaluate(rows, SEX, permutations=9)
    assert isinstance(result.observed.accuracy.share, Interval) and result.observed.accuracy.share.value > 0.8
    assert result.observed.balanced_accuracy == pytest.approx(0.5)
    assert "balanced over the populations 50%" in verdict(result)


# Where a trait gets lost


def view(rows: list[ResultRow], heard: float, seen: float) -> GuideView:
    """Targets and images that tell the sex as strongly as said."""
    generator = np.random.default_rng(4)
    own = np.array([[entry.clip.labels["sex"] == label for label in SEX.labels] for entry in rows])
    noise = generator.normal(0, 0.05, (2, len(rows), 2))
    return GuideView(
        {entry.clip.id: index for index, entry in enumerate(rows)},
        SEX.sentences,
        heard * own + noise[0],
        seen * own + noise[1],
    )


@pytest.mark.parametrize(
    ("heard", "seen", "judged", "end"),
    [
        (0.1, 0.1, 0.1, "nothing of it is lost"),
        (0.1, 0.0, 0.0, "it is lost between target and image"),
        (0.1, 0.1, 0.0, "it is lost between guide and judge"),
        (0.0, 0.0, 0.0, "it is lost before the first image is made"),
        (0.0, 0.1, 0.1, "what the images show is not what the prompts find in the targets"),
    ],
)
def test_the_place_where_a_trait_gets_lost_is_named(
    heard: float, seen: float, judged: float, end: str
) -> None:
    rows = both(effect=judged)
    result = evaluate(rows, SEX, permutations=9, guide_view=view(rows, heard, seen))
    assert where_lost(result).endswith(f"{end}.")


def test_targets_are_compared_over_the_clips_that_were_judged() -> None:
    rows = both(count=6)
    guide_view = view(rows, 0.1, 0.1)
    result = evaluate(
        [*rows, row("visitor", "", {BOY: 0.1, GIRL: 0.1})], SEX, permutations=9, guide_view=guide_view
    )
    assert not isinstance(result.heard, NotComputable)
    assert result.heard.means[BOY]["male"] == pytest.approx(guide_view.audio_similarities[:6, 0].mean())


def test_what_was_not_recorded_is_said() -> None:
    rows = both(count=6)
    partly = view(rows[:4], 0.1, 0.1)
    for guide_view, reason in [
        (partly, "8 of 12 clips"),
        (replace(partly, prompts=("a", "b")), "has not embedded the prompt"),
        (NotComputable("gone"), "gone"),
    ]:
        result = evaluate(rows, SEX, permutations=9, guide_view=guide_view)
        assert isinstance(result.heard, NotComputable) and reason in result.heard.reason
        assert "not computable" in where_lost(result)
