"""Cohorts as batches: padding, skips, and the same bytes from any number of workers."""

from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from lightning.pytorch import LightningModule, Trainer

from stylewav_pl.data import ClipDataModule, Files, Folder
from stylewav_pl.errors import ConfigError
from stylewav_pl.runs.plan import Cohort, Plan
from stylewav_pl.types import ClipBatch, Skip, SkipReason


@pytest.fixture
def voices(tmp_path: Path) -> Path:
    """Ten short files; number 3 is silent, number 7 is text."""
    for number in range(10):
        wave = np.random.default_rng(number).uniform(-0.3, 0.3, 8000 + 100 * number)
        soundfile.write(tmp_path / f"{number}.wav", wave * (number != 3), 16_000)
    (tmp_path / "7.wav").write_text("no sound")
    return tmp_path


def _module(voices: Path, num_workers: int = 0) -> ClipDataModule:
    module = ClipDataModule([Folder(voices)], cohort_size=4, num_workers=num_workers)
    module.assign(Plan(4).extended([clip.id for clip in module.list_clips()]).cohorts)
    return module


def test_batches_are_cohorts_with_padding_and_skips(voices: Path) -> None:
    batches = list(_module(voices).train_dataloader())
    assert [batch.cohort for batch in batches] == [0, 1, 2]
    assert [[clip and clip.id for clip in batch.slots] for batch in batches] == [
        ["0", "1", "2", None],
        ["4", "5", "6", None],
        ["8", "9", None, None],
    ]
    assert [[len(waveform) for waveform in batch.waveforms] for batch in batches] == [
        [8000, 8100, 8200],
        [8400, 8500, 8600],
        [8800, 8900],
    ]
    assert [[(skip.id, skip.reason) for skip in batch.skips] for batch in batches] == [
        [("3", SkipReason.SILENT)],
        [("7", SkipReason.UNREADABLE)],
        [],
    ]
    assert batches[0].skips[0].path == (voices / "3.wav").as_posix()


def test_workers_change_nothing(voices: Path) -> None:
    for alone, together in zip(
        _module(voices, 0).train_dataloader(), _module(voices, 2).train_dataloader(), strict=True
    ):
        assert (alone.cohort, alone.slots, alone.skips) == (together.cohort, together.slots, together.skips)
        assert all(
            torch.equal(one, other) for one, other in zip(alone.waveforms, together.waveforms, strict=True)
        )


def test_a_cohort_does_not_depend_on_the_others(voices: Path) -> None:
    module = _module(voices)
    _, _, last = module.train_dataloader()
    module.assign([module.cohorts[2], module.cohorts[0]])
    batches = list(module.train_dataloader())
    assert [batch.cohort for batch in batches] == [2, 0]
    assert all(
        torch.equal(one, other) for one, other in zip(batches[0].waveforms, last.waveforms, strict=True)
    )


def test_planned_clips_that_vanished_are_skips(voices: Path) -> None:
    module = _module(voices)
    module.assign([Cohort(5, ("gone", "0"), 3)])
    (batch,) = module.train_dataloader()
    assert [clip and clip.id for clip in batch.slots] == [None, "0", None]
    assert [(skip.id, skip.reason) for skip in batch.skips] == [("gone", SkipReason.MISSING)]


def test_a_file_removed_after_listing_is_a_skip(voices: Path) -> None:
    module = _module(voices)
    (voices / "0.wav").unlink()
    assert next(iter(module.train_dataloader())).skips[0].reason is SkipReason.MISSING


def test_cohorts_without_clips(voices: Path) -> None:
    module = _module(voices)
    module.assign([Cohort(0, (), 2)])
    assert [batch.slots for batch in module.train_dataloader()] == [(None, None)]
    module.assign([])
    assert list(module.train_dataloader()) == []
    assert len(module.train_dataloader()) == 0


def test_first_of_equal_ids_counts(voices: Path, tmp_path: Path) -> None:
    soundfile.write(tmp_path / "0.flac", np.random.default_rng(0).uniform(-0.3, 0.3, 9000), 16_000)
    module = ClipDataModule([Files([voices / "1.wav"]), Folder(voices)])
    clips = module.list_clips()
    assert len({clip.id for clip in clips}) == len(clips) == 10
    assert {(skip.id, Path(skip.path).name) for skip in module.early_skips} == {
        ("0", "0.wav"),
        ("1", "1.wav"),
    }
    assert all(skip.reason is SkipReason.DUPLICATE_ID for skip in module.early_skips)


def test_load_gives_a_waveform_or_the_skip(voices: Path) -> None:
    module = _module(voices)
    module.sample_rate = 8000
    waveform = module.load("0")
    assert isinstance(waveform, torch.Tensor)
    assert waveform.shape == (4000,)
    skip = module.load("3")
    assert isinstance(skip, Skip)
    assert skip.reason is SkipReason.SILENT


@pytest.mark.parametrize("place", ["center", "first", "loudest", "mean-of-windows"])
def test_only_the_mean_of_windows_is_embedded_in_pieces(tmp_path: Path, place: str) -> None:
    for name, seconds in (("long", 3.0), ("short", 0.5)):
        soundfile.write(
            tmp_path / f"{name}.wav", np.random.default_rng(0).uniform(-0.3, 0.3, int(seconds * 8000)), 8000
        )
    module = ClipDataModule([Folder(tmp_path)], cohort_size=2, num_workers=0, seconds=1.0, window=place)
    module.assign([Cohort(0, ("long", "short"), 2)])
    (batch,) = module.train_dataloader()
    averaged = place == "mean-of-windows"
    assert batch.averaged == (16_000 if averaged else None)
    assert [len(waveform) for waveform in batch.waveforms] == [48_000 if averaged else 16_000, 8000], (
        "resampled, never padded"
    )


def test_loading_does_not_touch_the_global_chance(voices: Path) -> None:
    torch.manual_seed(0)
    expected = torch.rand(3)
    torch.manual_seed(0)
    list(_module(voices).train_dataloader())
    assert torch.equal(torch.rand(3), expected)


@pytest.mark.parametrize(
    "settings",
    [{"cohort_size": 0}, {"num_workers": -1}, {"window": "middle"}, {"sources": []}, {"min_seconds": 9.0}],
)
def test_impossible_settings_are_refused(voices: Path, settings: dict[str, object]) -> None:
    with pytest.raises(ConfigError, match=r"found|expected"):
        ClipDataModule(**{"sources": [Folder(voices)], **settings})  # type: ignore[arg-type]


class _Listener(LightningModule):
    """Writes down what it gets."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(1))
        self.automatic_optimization = False
        self.seen: list[ClipBatch] = []

    def training_step(self, batch: ClipBatch, batch_index: int) -> None:
        self.seen.append(batch)

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.parameters(), lr=0.1)


# Lightning 2.6 asks an old question of torch 2.15's pytrees; its own matter:
# https://github.com/Lightning-AI/pytorch-lightning
@pytest.mark.filterwarnings("ignore:.*LeafSpec:FutureWarning")
@pytest.mark.parametrize("num_workers", [0, 1])
def test_lightning_takes_it_without_a_warning(voices: Path, tmp_path: Path, num_workers: int) -> None:
    listener = _Listener()
    trainer = Trainer(
        accelerator="cpu", max_epochs=1, logger=False, enable_checkpointing=False,
        enable_progress_bar=False, enable_model_summary=False,
        use_distributed_sampler=False, default_root_dir=tmp_path, log_every_n_steps=1,
    )  # fmt: skip
    trainer.fit(listener, datamodule=_module(voices, num_workers))
    assert [batch.cohort for batch in listener.seen] == [0, 1, 2]
    assert listener.seen[0].waveforms[0].shape == (8000,)
