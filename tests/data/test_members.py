"""Several faces of one voice in the data: listed side by side, decoded once."""

from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from stylewav_pl.data import ClipDataModule, Folder
from stylewav_pl.data.folder import FileSource
from stylewav_pl.embedders.linear import LinearAudioEmbedder
from stylewav_pl.errors import ConfigError
from stylewav_pl.optimisation.targets import embed_targets
from stylewav_pl.runs.plan import Plan
from stylewav_pl.types import SkipReason


@pytest.fixture
def voices(tmp_path: Path) -> Path:
    """Three short files; b is silent."""
    for name in "abc":
        wave = np.random.default_rng(ord(name)).uniform(-0.3, 0.3, 8000)
        soundfile.write(tmp_path / f"{name}.wav", wave * (name != "b"), 16_000)
    return tmp_path


def module_of(voices: Path, cohort_size: int, **settings: int) -> ClipDataModule:
    module = ClipDataModule([Folder(voices)], cohort_size, **{"num_workers": 0, **settings})
    module.assign(Plan(cohort_size).extended([clip.id for clip in module.list_clips()]).cohorts)
    return module


def test_members_are_listed_side_by_side_and_decoded_once(
    voices: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    decoded: list[str] = []
    read = FileSource.read

    def counting(source: FileSource, clip, *others):
        decoded.append(clip.id)
        return read(source, clip, *others)

    monkeypatch.setattr(FileSource, "read", counting)
    module = module_of(voices, 4, count=2)
    assert [clip.id for clip in module.list_clips()] == ["a#1", "a#2", "b#1", "b#2", "c#1", "c#2"]
    first, second = module.train_dataloader()
    assert decoded == ["a", "b", "c"]
    assert [clip and clip.id for clip in first.slots] == ["a#1", "a#2", None, None]
    assert torch.equal(*first.waveforms) and len(first.recordings) == 1
    assert [(skip.id, skip.reason) for skip in first.skips] == [
        ("b#1", SkipReason.SILENT),
        ("b#2", SkipReason.SILENT),
    ]
    assert [clip and clip.id for clip in second.slots] == ["c#1", "c#2", None, None]
    assert module.file_of("c#2") == voices / "c.wav"
    assert torch.equal(module.load("a#2"), first.waveforms[0])


def test_cohorts_that_part_members_and_workers_change_nothing(voices: Path) -> None:
    for workers in (0, 2):
        batches = list(module_of(voices, 2, count=3, num_workers=workers).train_dataloader())
        found = {
            clip.id: wave
            for batch in batches
            for clip, wave in zip(batch.clips, batch.waveforms, strict=True)
        }
        assert list(found) == ["a#1", "a#2", "a#3", "c#1", "c#2", "c#3"]
        assert torch.equal(found["a#1"], found["a#3"]) and torch.equal(found["c#1"], found["c#3"])


def test_a_voice_is_embedded_once(voices: Path) -> None:
    class Counting(LinearAudioEmbedder):
        heard = 0

        def embed_audio(self, waveforms):
            self.heard += len(waveforms)
            return super().embed_audio(waveforms)

    module, audio = module_of(voices, 6, count=2), Counting()
    (batch,) = module.train_dataloader()
    _, targets = embed_targets(batch, audio, torch.zeros(()))
    assert audio.heard == 2
    expected = LinearAudioEmbedder().embed_audio([module.load("a#1"), module.load("c#1")])
    torch.testing.assert_close(targets[[0, 1, 4, 5]], expected[[0, 0, 1, 1]])
    assert not targets[2:4].any()


def test_a_quick_run_takes_voices_and_a_wrong_number_is_refused(voices: Path) -> None:
    taken = module_of(voices, 4, count=3, max_clips=2)
    assert len(taken.list_clips()) == 6
    assert len({clip.path for clip in taken.list_clips()}) == 2
    with pytest.raises(ConfigError, match=r"data\.count"):
        module_of(voices, 4, count=0)
