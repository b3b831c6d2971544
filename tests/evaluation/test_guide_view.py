"""What was heard and seen, by hand on few dimensions."""

from pathlib import Path

import numpy as np
import pytest

from stylewav_pl.evaluation.guide_view import GuideView, Retrieval, read_guide_view, read_retrieval, retrieval
from stylewav_pl.evaluation.statistics import Interval, NotComputable
from stylewav_pl.runs.directory import RunDirectory
from stylewav_pl.runs.embeddings import CohortEmbeddings, write_embeddings, write_prompts
from stylewav_pl.runs.finished import FinishedRun
from stylewav_pl.runs.rows import ResultRow
from stylewav_pl.types import Clip


def unit(vectors: np.ndarray) -> np.ndarray:
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def row(id: str, speaker: str = "") -> ResultRow:
    return ResultRow(Clip(id, "", speaker), True, 0.1, 0.5, {})


def recorded(
    folder: Path, cohorts: list[list[str]], noise: float = 0.0
) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Writes made-up cohorts; returns target and image of each clip."""
    run, generator = RunDirectory(folder), np.random.default_rng(0)
    found = {}
    for index, ids in enumerate(cohorts):
        targets = unit(generator.normal(size=(len(ids), 6))).astype(np.float32)
        images = unit(targets + noise * generator.normal(size=targets.shape)).astype(np.float32)
        write_embeddings(run.embeddings_path(index), CohortEmbeddings(tuple(ids), targets, images))
        found |= {id: (targets[position], images[position]) for position, id in enumerate(ids)}
    return found


def test_the_view_holds_cosines_of_targets_and_images_over_all_cohorts(tmp_path: Path) -> None:
    clips = recorded(tmp_path, [["a", "b"], ["c"]], noise=0.5)
    prompts = dict(zip(("boy", "girl"), unit(np.random.default_rng(1).normal(size=(2, 6))), strict=True))
    write_prompts(RunDirectory(tmp_path).prompts_path, prompts)
    view = read_guide_view(FinishedRun(tmp_path))
    assert isinstance(view, GuideView) and view.prompts == ("boy", "girl")
    for id, (target, image) in clips.items():
        assert view.audio_similarities[view.rows[id]] == pytest.approx(
            [float(target @ prompt) for prompt in prompts.values()], abs=1e-6
        )
        assert view.image_similarities[view.rows[id]] == pytest.approx(
            [float(image @ prompt) for prompt in prompts.values()], abs=1e-6
        )


def test_a_run_without_records_says_so(tmp_path: Path) -> None:
    view = read_guide_view(FinishedRun(tmp_path))
    assert isinstance(view, NotComputable) and "no prompts" in view.reason
    found = read_retrieval(FinishedRun(tmp_path), [row("a")])
    assert isinstance(found, NotComputable) and "no targets" in found.reason


def test_ranks_are_counted_by_hand() -> None:
    """Six targets; the images of 0 to 3 are their own, those of 4 and 5 are exchanged."""
    targets = np.eye(6)
    found = retrieval(targets[[0, 1, 2, 3, 5, 4]], targets)
    assert isinstance(found, Retrieval) and found.audios == 6
    assert [(hits.k, hits.right, hits.chance) for hits in found.hits] == [(1, 4, 1 / 6), (5, 4, 5 / 6)]
    assert isinstance(found.hits[0].share, Interval) and found.hits[0].share.value == pytest.approx(4 / 6)
    assert found.median_rank == 1


def test_equal_targets_are_no_hit() -> None:
    found = retrieval(np.eye(3), np.ones((3, 3)) / 3**0.5)
    assert isinstance(found, Retrieval) and found.hits[0].right == 0 and found.median_rank == 3


def test_images_without_relation_find_their_audio_by_chance() -> None:
    generator = np.random.default_rng(0)
    found = retrieval(unit(generator.normal(size=(500, 64))), unit(generator.normal(size=(500, 64))))
    assert isinstance(found, Retrieval)
    assert found.hits[1].right <= 15 and 200 < found.median_rank < 300


def test_one_audio_is_no_question() -> None:
    assert isinstance(retrieval(np.eye(1), np.eye(1)), NotComputable)


def test_of_a_speaker_the_first_clip_counts_and_large_runs_are_sampled(tmp_path: Path) -> None:
    ids = [f"{index}" for index in range(30)]
    recorded(tmp_path, [ids[:20], ids[20:]])
    found = read_retrieval(FinishedRun(tmp_path), [row(id, speaker=f"s{int(id) // 2}") for id in ids])
    assert isinstance(found, Retrieval) and found.audios == 15 and found.hits[0].right == 15
    sampled = read_retrieval(FinishedRun(tmp_path), [row(id) for id in ids], most=7)
    assert isinstance(sampled, Retrieval) and sampled.audios == 7
