"""statistics.json says the same as the records, in finite numbers."""

import json
from pathlib import Path

import numpy as np
import pytest

from stylewav_pl.errors import RunDirectoryError
from stylewav_pl.evaluation.evaluate import evaluate
from stylewav_pl.evaluation.guide_view import retrieval
from stylewav_pl.evaluation.prompts import SEX
from stylewav_pl.evaluation.settings import read_settings
from stylewav_pl.report.statistics_file import as_json, write_statistics
from stylewav_pl.runs.finished import FinishedRun
from stylewav_pl.runs.rows import ResultRow
from stylewav_pl.types import Clip


def rows(count: int) -> list[ResultRow]:
    found = []
    for index in range(count):
        label = SEX.labels[index % 2]
        scores = {prompt: 0.1 * (own == label) + 0.01 * (index % 7) for own, prompt in SEX.prompts.items()}
        found.append(ResultRow(Clip(f"{index}", "", f"s{index}", {"sex": label}), True, 0.1, 0.5, scores))
    return found


def refuse(constant: str) -> None:
    raise AssertionError(f"{constant} in statistics.json")


def test_the_file_holds_the_numbers(tmp_path: Path) -> None:
    evaluation = evaluate(rows(20), SEX, permutations=99, notes=["judge = guide"])
    path = write_statistics(FinishedRun(tmp_path), [evaluation])
    content = json.loads(path.read_text(), parse_constant=refuse)
    entry = content["traits"]["sex"]
    assert content["format"] == 1
    assert entry["populations"]["male"] == {"clips": 10, "speakers": 10}
    assert entry["observed"]["between"][0]["welch"]["t"] == evaluation.observed.between[0].welch.t
    assert entry["observed"]["accuracy"]["right"] == 20
    assert "shows in the faces" in entry["verdict"]
    assert [found.name for found in tmp_path.iterdir()] == ["statistics.json"]


def test_the_keys_are_stable(tmp_path: Path) -> None:
    content = json.loads(
        write_statistics(FinishedRun(tmp_path), [evaluate(rows(8), SEX, permutations=9)]).read_text()
    )["traits"]["sex"]
    counts = ["populations", "speakers_known", "shared_speakers", "unlabelled", "unscored", "faces_right"]
    answers = [
        "observed",
        "permuted",
        "permutation_p",
        "trend_permutation_p",
        "heard",
        "seen_by_guide",
        "seed",
        "permutations",
        "notes",
    ]
    assert list(content) == ["verdict", "where_lost", "trait", "prompts", *counts, *answers]
    assert list(content["observed"]) == [
        "means",
        "within",
        "between",
        "accuracy",
        "accuracy_by_label",
        "balanced_accuracy",
        "omnibus",
        "trend",
    ]
    assert list(content["observed"]["between"][0]) == [
        "label",
        "prompt",
        "welch",
        "p_holm",
        "hedges_g",
        "auc",
    ]
    assert list(content["observed"]["between"][0]["welch"]) == ["t", "df", "p", "difference"]


def test_retrieval_is_in_the_file(tmp_path: Path) -> None:
    path = write_statistics(FinishedRun(tmp_path), [], retrieval(np.eye(6), np.eye(6)))
    found = json.loads(path.read_text())["retrieval"]
    assert (found["audios"], found["median_rank"]) == (6, 1.0)
    assert [(hits["k"], hits["right"], hits["share"]["value"]) for hits in found["hits"]] == [
        (1, 6, 1.0),
        (5, 6, 1.0),
    ]
    assert json.loads(write_statistics(FinishedRun(tmp_path), []).read_text())["retrieval"] == {
        "not_computable": "the run recorded no targets"
    }


def test_what_has_no_answer_says_why(tmp_path: Path) -> None:
    content = json.loads(
        write_statistics(FinishedRun(tmp_path), [evaluate(rows(1), SEX)]).read_text(), parse_constant=refuse
    )["traits"]["sex"]
    assert content["observed"]["between"][0]["welch"] == {"not_computable": "a population is empty"}
    assert content["permutation_p"][SEX.sentences[0]] == {"not_computable": "a population is empty"}


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_number_that_is_not_finite_is_refused(value: float) -> None:
    with pytest.raises(ValueError, match="finite"):
        as_json({"p": [value]})


def test_settings_come_back(tmp_path: Path) -> None:
    assert read_settings(FinishedRun(tmp_path)) == []
    write_statistics(FinishedRun(tmp_path), [evaluate(rows(8), SEX, seed=5, permutations=99, notes=["a"])])
    ((prompts, seed, permutations, notes),) = read_settings(FinishedRun(tmp_path))
    assert (prompts.trait, dict(prompts.prompts), seed, permutations, notes) == (
        "sex",
        dict(SEX.prompts),
        5,
        99,
        ("a",),
    )


@pytest.mark.parametrize("content", ["", "[]", '{"traits": {"sex": {}}}', '{"traits": 3}'])
def test_a_damaged_file_is_named(tmp_path: Path, content: str) -> None:
    (tmp_path / "statistics.json").write_text(content)
    with pytest.raises(RunDirectoryError, match="Delete the file"):
        read_settings(FinishedRun(tmp_path))
