"""Embeddings come back as they were, and damage is named."""

from pathlib import Path

import numpy as np
import pytest

from stylewav_pl.errors import RunDirectoryError
from stylewav_pl.runs.directory import RunDirectory
from stylewav_pl.runs.embeddings import (
    CohortEmbeddings,
    all_embeddings,
    read_prompts,
    write_embeddings,
    write_prompts,
)


def cohort(seed: int, *ids: str) -> CohortEmbeddings:
    targets, images = np.random.default_rng(seed).normal(size=(2, len(ids), 4)).astype(np.float32)
    return CohortEmbeddings(ids, targets, images)


def test_cohorts_come_back_in_order_with_their_ids(tmp_path: Path) -> None:
    run = RunDirectory(tmp_path)
    written = {10: cohort(1, "caf\udce9", "b"), 2: cohort(2, "Ä/1")}
    for index, embeddings in written.items():
        write_embeddings(run.embeddings_path(index), embeddings)
    found = list(all_embeddings(tmp_path))
    assert [index for index, _ in found] == [2, 10]
    for index, embeddings in found:
        assert embeddings.ids == written[index].ids
        assert np.array_equal(embeddings.targets, written[index].targets)
        assert np.array_equal(embeddings.images, written[index].images)


def test_the_same_embeddings_are_the_same_bytes(tmp_path: Path) -> None:
    paths = [tmp_path / "one", tmp_path / "two"]
    for path in paths:
        write_embeddings(path, cohort(0, "a", "b"))
    assert paths[0].read_bytes() == paths[1].read_bytes()


def test_prompts_come_back_and_none_removes_the_old_ones(tmp_path: Path) -> None:
    path = RunDirectory(tmp_path).prompts_path
    assert read_prompts(path) == {}
    write_prompts(path, {"a girl": np.array([1.0, 0.0]), "ein Bär": np.array([0.0, 1.0])})
    found = read_prompts(path)
    assert list(found) == ["a girl", "ein Bär"] and found["ein Bär"].tolist() == [0.0, 1.0]
    write_prompts(path, {})
    assert read_prompts(path) == {} and not path.exists()


def test_a_run_without_embeddings_has_none(tmp_path: Path) -> None:
    assert list(all_embeddings(tmp_path)) == []


def test_damage_is_named(tmp_path: Path) -> None:
    path = RunDirectory(tmp_path).embeddings_path(0)
    path.parent.mkdir()
    path.write_bytes(b"not a tensor")
    with pytest.raises(RunDirectoryError, match="Expected embeddings"):
        list(all_embeddings(tmp_path))
