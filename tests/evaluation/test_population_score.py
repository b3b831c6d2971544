"""The mean score of populations: the same over clips, batches, processes with a group and processes
without."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from group_of_two import answer
from torch import Tensor

from stylewav_pl.evaluation.evaluate import evaluate
from stylewav_pl.evaluation.population_score import PopulationScore
from stylewav_pl.evaluation.prompts import PromptSet
from stylewav_pl.runs import journal
from stylewav_pl.runs.directory import RunDirectory
from stylewav_pl.runs.journal import ClipRecord, CohortRecord
from stylewav_pl.runs.plan import Plan
from stylewav_pl.runs.results import merge
from stylewav_pl.runs.rows import read_results

REPOSITORY = Path(__file__).parents[2]
AGES = {"young": "a child", "grown": "an adult", "old": "an old person"}


def clips(count: int, seed: int = 0) -> tuple[Tensor, Tensor]:
    """Scores with three prompts, and to which of three populations each clip belongs; every fourth to
    none."""
    random = torch.Generator().manual_seed(seed)
    members = torch.nn.functional.one_hot(torch.randint(4, (count,), generator=random), 4)[:, :3].bool()
    return torch.rand(count, 3, generator=random) * 2 - 1, members


def by_hand(scores: Tensor, members: Tensor) -> np.ndarray:
    return np.array(
        [
            [np.mean(scores.double().numpy()[members[:, population].numpy(), prompt]) for prompt in range(3)]
            for population in range(3)
        ]
    )


def measured(scores: Tensor, members: Tensor, batch: int) -> PopulationScore:
    metric = PopulationScore(3, 3, sync_on_compute=False)
    for start in range(0, len(scores), batch):
        metric.update(scores[start : start + batch], members[start : start + batch])
    return metric


@pytest.mark.parametrize("batch", [1, 7, 100])
def test_means_do_not_depend_on_batches(batch: int) -> None:
    scores, members = clips(100)
    np.testing.assert_allclose(
        measured(scores, members, batch).compute(), by_hand(scores, members), atol=1e-12
    )


def test_a_clip_counts_once_for_each_of_its_traits() -> None:
    metric = PopulationScore(4, 1)
    metric.update(
        torch.tensor([[0.5], [0.1]]), torch.tensor([[True, False, True, False], [False, True, True, False]])
    )
    assert metric.compute().flatten().tolist()[:3] == pytest.approx([0.5, 0.1, 0.3])
    assert metric.compute()[3].isnan(), "no clip, no number"


def test_a_million_clips_keep_their_digits() -> None:
    metric = PopulationScore(1, 1)
    scores, everybody = torch.full((100_000, 1), 0.241), torch.ones(100_000, 1, dtype=torch.bool)
    for _ in range(20):
        metric.update(scores, everybody)
    assert float(metric.compute()) == pytest.approx(float(torch.tensor(0.241)), abs=1e-12)


def test_reset_forgets() -> None:
    metric = measured(*clips(10), batch=10)
    metric.reset()
    scores, members = clips(40, seed=1)
    metric.update(scores, members)
    np.testing.assert_allclose(metric.compute(), by_hand(scores, members), atol=1e-12)


def test_processes_without_a_group_are_put_together_by_their_sums() -> None:
    scores, members = clips(40)
    total = measured(scores[:31], members[:31], 8)  # unequal shares: a mean of means would show
    total.merge_state(measured(scores[31:], members[31:], 8))
    np.testing.assert_allclose(total.compute(), by_hand(scores, members), atol=1e-12)


def test_totals_of_a_run_are_those_of_the_merged_records_of_all_ranks(tmp_path: Path) -> None:
    """Two processes that never meet: each has its own means, the run's tables have those of all clips."""
    scores, members = clips(40)
    plan = Plan(4).extended(f"{number:02}" for number in range(40))
    run = RunDirectory(tmp_path)
    for cohort in plan.cohorts:
        records = tuple(record(int(id), scores[int(id)], members[int(id)]) for id in cohort.ids)
        journal.append(run.journal_path, int(cohort.index > 6), CohortRecord(cohort.index, records, ()))
    merge(run, plan, run.finished())
    means = evaluate(read_results(tmp_path), PromptSet("age", AGES), permutations=1).observed.means
    found = [[means[prompt][label] for prompt in AGES.values()] for label in AGES]
    np.testing.assert_allclose(found, by_hand(scores, members), atol=1e-6)
    alone = measured(scores[:28], members[:28], 4).compute()
    assert np.abs(alone.numpy() - by_hand(scores, members)).max() > 0.01, (
        "one rank's own means are something else"
    )


def record(number: int, scores: Tensor, members: Tensor) -> ClipRecord:
    labels = {} if not members.any() else {"age": list(AGES)[int(members.int().argmax())]}
    return ClipRecord(
        f"{number:02}",
        "",
        "",
        labels,
        0,
        0.0,
        0.0,
        dict(zip(AGES.values(), scores.tolist(), strict=True)),
        (0.0,),
    )


# The other process of the group: the first is the one that runs the tests, which has imported everything.
OTHER = """
import gc, sys
gc.disable()  # an import makes no garbage
sys.path.insert(0, sys.argv[3])
from pathlib import Path
from group_of_two import answer
answer(Path(sys.argv[1]), int(sys.argv[2]))
gc.freeze()  # nor does it look for any at its end
"""


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_two_processes_of_a_group_agree_on_the_mean_over_all_clips(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scores, members = clips(40)
    shares = [(scores[:31], members[:31]), (scores[31:], members[31:])]
    for rank, (some, whose) in enumerate(shares):
        torch.save({"scores": some, "members": whose}, tmp_path / f"rank-{rank}.pt")
    monkeypatch.setenv("GLOO_SOCKET_IFNAME", "lo")
    search = os.pathsep.join([str(REPOSITORY), os.environ.get("PYTHONPATH", "")])
    monkeypatch.setenv("PYTHONPATH", search)
    doubles = REPOSITORY / "tests" / "doubles"
    with subprocess.Popen([sys.executable, "-c", OTHER, str(tmp_path), "1", str(doubles)]) as other:
        try:
            answer(tmp_path, 0)
            assert other.wait(timeout=1100) == 0
        finally:
            other.kill()
    for rank, share in enumerate(shares):
        answers = json.loads((tmp_path / f"rank-{rank}.json").read_text())
        np.testing.assert_allclose(answers["shared"], by_hand(scores, members), atol=1e-12)
        np.testing.assert_allclose(answers["own"], measured(*share, batch=40).compute(), atol=1e-12)
