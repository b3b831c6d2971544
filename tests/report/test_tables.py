"""The terminal's tables: the paper's layout within 100 columns."""

from dataclasses import replace

import numpy as np
import pytest

from stylewav_pl.evaluation.evaluate import evaluate
from stylewav_pl.evaluation.prompts import SEX, PromptSet
from stylewav_pl.evaluation.records import Evaluation
from stylewav_pl.evaluation.statistics import Interval, Welch
from stylewav_pl.report.tables import WIDTH, between_table, paper_table, summary
from stylewav_pl.report.verdict import verdict
from stylewav_pl.runs.rows import ResultRow
from stylewav_pl.types import Clip


def made_up(prompts: PromptSet, count: int, speaker: str = "s") -> Evaluation:
    generator = np.random.default_rng(0)
    rows = []
    for index in range(count):
        own = prompts.labels[index % len(prompts.labels)]
        scores = {
            prompt: 0.25 + 0.1 * (label == own) + float(generator.normal(0, 0.05))
            for label, prompt in prompts.prompts.items()
        }
        rows.append(
            ResultRow(
                Clip(f"{index}", "", speaker and f"{speaker}{index}", {prompts.trait: own}),
                True,
                0.1,
                0.5,
                scores,
            )
        )
    return evaluate(rows, prompts, permutations=99, notes=["not a portrait"])


def test_the_papers_layout() -> None:
    evaluation = made_up(SEX, 80)
    head, _, boy, girl, welch = paper_table(evaluation.observed, evaluation).splitlines()
    assert head.split() == ["mean", "similarity", "male", "photos", "female", "photos"]
    assert boy.startswith("this is a photo of a boy") and girl.startswith("this is a photo of a girl")
    means = evaluation.observed.means[SEX.sentences[0]]
    assert [float(cell) for cell in boy.split()[-2:]] == pytest.approx(
        [means["male"], means["female"]], abs=1e-4
    )
    assert welch.count("true (p = ") == 2


@pytest.mark.parametrize("count", [0, 1, 3, 80])
@pytest.mark.parametrize(
    "prompts",
    [
        SEX,
        PromptSet(
            "locale",
            {
                f"a-rather-long-locale-{i}": "this is a photo of a person from a country with a long name "
                f"{i}"
                for i in range(9)
            },
        ),
    ],
)
def test_nothing_is_wider_than_the_terminal(prompts: PromptSet, count: int) -> None:
    text = summary(made_up(prompts, count))
    assert max(map(len, text.splitlines())) <= WIDTH
    assert "nan" not in text.replace("\n", " ").split()


def test_the_summary_says_everything() -> None:
    evaluation = made_up(SEX, 80, speaker="")
    text = " ".join(summary(evaluation).split())
    unknown, control = "speaker of some clips is unknown", "labels permuted between speakers (seed 0)"
    for expected in ["male 40 speakers", control, "not a portrait", unknown, verdict(evaluation)]:
        assert expected in text


def test_what_is_not_computable_is_said_in_its_place() -> None:
    evaluation = made_up(SEX, 1)
    assert "not computable: a population is empty" in between_table(evaluation)
    assert paper_table(evaluation.observed, evaluation).splitlines()[-1].count("not computable") == 2


@pytest.mark.parametrize("size", [0.01, 9.32, -12.34, 123.4, -99999.9, 1e12])
def test_long_numbers_never_touch_the_column_before(size: float) -> None:
    """A cell that is wider than its head takes its room from the prompt; every row keeps all seven cells
    apart."""
    evaluation = made_up(SEX, 80)
    interval = Interval(size, size - abs(size) / 5, size + abs(size) / 5)
    between = tuple(
        replace(answer, welch=Welch(size, 12345.67, 1e-300, interval), p_holm=1e-300, hedges_g=interval)
        for answer in evaluation.observed.between
    )
    long = replace(evaluation, observed=replace(evaluation.observed, between=between))
    head, rule, *rows = between_table(long).splitlines()
    assert len(rows) == 2 and max(map(len, (head, rule, *rows))) <= WIDTH
    for row in rows:
        low, high = row.rpartition("[")[2].partition("]")[0].split(", ")
        difference, t, df, p_holm, p_permuted, g = row.rpartition(" [")[0].split()[-6:]
        assert [float(cell) for cell in (low, t, g, high)] == pytest.approx(
            [interval.low, size, size, interval.high], rel=0.01, abs=0.005
        )
        assert (float(difference), df, float(p_holm)) == (pytest.approx(size, abs=1e-4), "12345.7", 1e-300)
        assert float(p_permuted) == pytest.approx(0.01)


def test_user_text_cannot_move_the_cursor() -> None:
    text = summary(made_up(PromptSet("sex", {"a\x1b[2J": "first\rprompt", "b": "second"}), 8))
    assert "\x1b" not in text and "\r" not in text
