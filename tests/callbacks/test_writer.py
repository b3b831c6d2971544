"""The results writer: files first, then the line that makes them count."""

import io
import os
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import numpy as np
import pytest
import torch
from lightning.pytorch import LightningModule, Trainer
from PIL import Image
from safetensors import safe_open

import stylewav_pl.callbacks.writer as writer_module
from stylewav_pl.callbacks import ResultsWriter
from stylewav_pl.callbacks.writer import cohort_record
from stylewav_pl.errors import OutputError
from stylewav_pl.pictures.images import IMAGE_NOTICE, to_bytes
from stylewav_pl.pictures.sheets import read_tile
from stylewav_pl.runs.directory import RunDirectory
from stylewav_pl.runs.embeddings import all_embeddings
from stylewav_pl.runs.plan import stem_of
from stylewav_pl.runs.stores import STRIP
from stylewav_pl.types import Clip, ClipBatch, CohortResult, ScoreRow, Skip, SkipReason

MODULE = Mock(LightningModule, latent_metadata={"space": "WPlus"})
BATCH = ClipBatch(5, (), ())
SKIP = Skip("c", "c.wav", SkipReason.EMPTY, "nothing in it")


def result(ids: tuple[str, ...] = ("a", "Ä/b"), cohort: int = 5) -> CohortResult:
    random = torch.Generator().manual_seed(0)
    count = len(ids)
    return CohortResult(
        cohort=cohort,
        clips=tuple(Clip(id, f"{id}.wav", "s", {"sex": "male"}) for id in ids),
        skips=(SKIP,),
        images=torch.rand(count, 3, 8, 8, generator=random) * 2.4 - 1.2,
        latents=torch.randn(count, 4, 6, generator=random),
        curves=torch.rand(count, 3, generator=random),
        targets=torch.zeros(count, 4),
        frames=torch.rand(count, 2, 3, 8, 8, generator=random),
        frame_steps=(0, 2),
        seeds=tuple(range(11, 11 + count)),
        embeddings=torch.randn(count, 4, generator=random),
        starts=torch.rand(count, 3, 8, 8, generator=random) * 2.4 - 1.2,
    )


def write(path: Path, outputs: dict[str, Any], **settings: Any) -> RunDirectory:
    path.mkdir(exist_ok=True)
    writer, trainer = prepared(path, **settings)
    writer.on_train_batch_end(trainer, MODULE, outputs, BATCH, 0)
    writer.on_train_end(trainer, MODULE)
    return RunDirectory(path)


def prepared(path: Path, **settings: Any) -> tuple[ResultsWriter, Trainer]:
    """A writer as the third process of a run has it."""
    RunDirectory(path).write_manifest({"weights": {"generator": {"sha256": "abc123"}}})
    writer, trainer = ResultsWriter(**settings), Mock(Trainer, global_rank=3, default_root_dir=str(path))
    writer.setup(trainer, MODULE, "fit")
    return writer, trainer


def latent_path(run: RunDirectory, id: str) -> Path:
    return run.path / "latents" / f"{stem_of(id)}.safetensors"


def test_a_writer_whose_place_is_gone_says_so(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="gone"):
        ResultsWriter().setup(Mock(Trainer, default_root_dir=str(tmp_path / "gone")), MODULE, "fit")


def test_images_are_those_of_the_result_and_say_what_they_are(tmp_path: Path) -> None:
    run = write(tmp_path, {"result": result()})
    for index, id in enumerate(("a", "Ä/b")):
        with Image.open(run.image_path(id)) as picture:
            assert np.array_equal(np.asarray(picture), to_bytes(result().images[index]).numpy())
            assert picture.info["Comment"] == IMAGE_NOTICE
            assert (picture.info["Clip"], picture.info["Seed"]) == (id, str(11 + index))


def test_latents_have_one_tensor_and_say_whose_they_are(tmp_path: Path) -> None:
    run = write(tmp_path, {"result": result()})
    for index, id in enumerate(("a", "Ä/b")):
        with safe_open(latent_path(run, id), framework="pt") as file:
            assert list(file.keys()) == ["latent"]
            assert torch.equal(file.get_tensor("latent"), result().latents[index])
            assert file.metadata() == {"id": id, "space": "WPlus", "generator_sha256": "abc123"}


def test_what_is_not_wanted_is_not_written(tmp_path: Path) -> None:
    write(tmp_path / "lean", {"result": result()}, latents=False)
    assert not (tmp_path / "lean" / "latents").exists()
    assert not (tmp_path / "lean" / "strips").exists()
    run = write(tmp_path / "rich", {"result": result()}, strips=True)
    with Image.open(io.BytesIO(run.store.read("a", STRIP))) as picture:
        assert picture.info["Comment"] == IMAGE_NOTICE
        assert picture.width > picture.height


def test_a_result_that_another_process_was_first_with_leaves_nothing(tmp_path: Path) -> None:
    writer, trainer = prepared(tmp_path)
    writer.wins = lambda cohort: cohort != 5
    writer.on_train_batch_end(trainer, MODULE, {"result": result()}, BATCH, 0)
    writer.on_train_batch_end(trainer, MODULE, {"result": result(("d",), cohort=6)}, BATCH, 1)
    writer.on_train_end(trainer, MODULE)
    assert list(RunDirectory(tmp_path).finished()) == [6]
    assert [path.name for path in (tmp_path / "images").iterdir()] == ["d.png"]


def test_the_journal_of_the_rank_has_the_whole_record(tmp_path: Path) -> None:
    scores = (ScoreRow("a", {"a boy": 0.25}), ScoreRow("Ä/b", {"a boy": -0.5}))
    run = write(tmp_path, {"result": result(), "scores": scores})
    assert sorted(path.name for path in run.journal_path.glob("rank-*")) == [
        "rank-00003.index",
        "rank-00003.jsonl",
    ]
    record = run.finished()[5]
    assert record.skips == (SKIP,)
    assert [(clip.id, clip.path, clip.speaker, clip.labels, clip.seed) for clip in record.clips] == [
        ("a", "a.wav", "s", {"sex": "male"}, 11),
        ("Ä/b", "Ä/b.wav", "s", {"sex": "male"}, 12),
    ]
    curve = result().curves[1].tolist()
    assert (
        record.clips[1].similarity_start,
        record.clips[1].similarity_end,
        list(record.clips[1].curve),
    ) == (curve[0], curve[-1], curve)
    assert record.clips[1].scores == {"a boy": -0.5}


def test_what_was_heard_and_seen_lies_beside_the_journal(tmp_path: Path) -> None:
    run = write(tmp_path, {"result": result()})
    ((index, found),) = all_embeddings(tmp_path)
    assert (index, found.ids) == (5, ("a", "Ä/b"))
    assert np.array_equal(found.targets, result().targets.numpy())
    assert np.array_equal(found.images, result().embeddings.numpy())
    with Image.open(run.starts_path(5)) as sheet:
        brightness = [np.asarray(read_tile(sheet, index)).mean() for index in range(2)]
    assert brightness == pytest.approx(
        [to_bytes(start).float().mean().item() for start in result().starts], abs=2
    )


def test_the_journal_says_how_long_a_cohort_took(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Mock(monotonic=Mock(return_value=100.0))
    monkeypatch.setattr(writer_module, "time", clock)
    (writer, trainer), run = prepared(tmp_path), RunDirectory(tmp_path)
    writer.on_train_batch_start(trainer, MODULE, None, 0)
    clock.monotonic.return_value = 107.25
    writer.on_train_batch_end(trainer, MODULE, {"result": result()}, BATCH, 0)
    writer.on_train_end(trainer, MODULE)
    assert run.finished()[5].seconds == 7.25


def test_a_cohort_of_skips_alone_still_counts_as_done(tmp_path: Path) -> None:
    run = write(tmp_path, {"result": result(ids=())})
    assert run.finished()[5].clips == ()
    assert run.finished()[5].skips == (SKIP,)


def test_the_journal_line_comes_after_every_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any) -> None:
        raise OSError("No space left on device")

    writer, trainer = prepared(tmp_path)
    before = {path for path in tmp_path.rglob("*") if path.is_file()}
    monkeypatch.setattr(os, "replace", fail)
    monkeypatch.setattr(Path, "replace", fail)
    with pytest.raises(OutputError, match=r"No space left.*start the same command again"):
        writer.on_train_batch_end(trainer, MODULE, {"result": result()}, BATCH, 0)
        writer.on_train_end(trainer, MODULE)
    assert len(RunDirectory(tmp_path).finished()) == 0
    assert {path for path in tmp_path.rglob("*") if path.is_file()} == before, "what was begun is gone"


def test_names_that_are_no_utf8_are_written_too(tmp_path: Path) -> None:
    run = write(tmp_path, {"result": result(ids=("caf\udce9",))}, strips=True)
    assert run.finished()[5].clips[0].id == "caf\udce9"
    assert run.image_path("caf\udce9").exists()
    assert latent_path(run, "caf\udce9").exists()


def test_half_precision_curves_are_recorded_as_numbers() -> None:
    small = result()
    record = cohort_record(
        CohortResult(
            **{
                **{name: getattr(small, name) for name in small.__dataclass_fields__},
                "curves": small.curves.half(),
            }
        ),
        (),
    )
    assert record.clips[0].similarity_end == float(small.curves.half()[0, -1])
    assert record.clips[0].scores == {}
