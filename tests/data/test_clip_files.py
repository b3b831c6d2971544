"""Releases whose files are not those of their tables: copied in part, damaged, transcoded."""

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import torch

from stylewav_pl.data import ClipDataModule, CommonVoice, Population
from stylewav_pl.errors import ConfigError

SEXES = {"male": Population(2), "female": Population(2)}


def counts(source: CommonVoice) -> dict[tuple[str, str], int]:
    return {(stage.stage, stage.population): stage.count for stage in source.funnel}


def put(files: dict[str, bytes], folder: Path) -> None:
    for name, content in files.items():
        (folder / name).write_bytes(content)


def test_clips_that_are_absent_or_empty_are_replaced(
    release: Any, recording: Any, spoken: dict[str, Path], tmp_path: Path
) -> None:
    """Whatever order the draw has, only the files that are there can be in the sample."""
    names = {f"{sex}{place}": sex for sex in ("male", "female") for place in range(6)}
    new = release(tmp_path, 25)
    new.write([recording(name, name, sex) for name, sex in names.items()])
    clips = new.folder() / "clips"
    good = {name: f"{name}.mp3" for name in ("male2", "male5", "female0", "female1", "female3")}
    sound = spoken["male.mp3"].read_bytes()
    put({**dict.fromkeys(good.values(), sound), "male0.mp3": b"", "female2.mp3": b""}, clips)
    (clips / "male3.mp3").mkdir()
    source = CommonVoice(tmp_path, "sex", {"male": Population(2), "female": Population(3)})
    assert {clip.id: clip.path for clip in source.list_clips()} == {
        name: (clips / file).as_posix() for name, file in good.items()
    }
    with pytest.raises(ConfigError, match=r"male has 2 of 3[\s\S]*not on disk.*clips holds 8 \.mp3\. Ask"):
        CommonVoice(tmp_path, "sex", {"male": Population(3), "female": Population(3)}).list_clips()


def test_every_absent_clip_is_counted(release: Any, recording: Any, tmp_path: Path) -> None:
    new = release(tmp_path, 25)
    new.write([recording(str(place), str(place), "male") for place in range(4)])
    put({"2.mp3": b"sound", "1.mp3": b""}, new.folder() / "clips")
    with pytest.raises(ConfigError) as caught:
        CommonVoice(tmp_path, "sex", {"male": Population(2)}).list_clips()
    assert "2 are not on disk and 1 have 0 bytes" in str(caught.value)
    assert "replaced: no such file                      2" in str(caught.value)


def test_files_that_are_no_sound_or_of_another_duration_are_counted(
    release: Any, recording: Any, spoken: dict[str, Path], tmp_path: Path
) -> None:
    new = release(tmp_path, 25)
    new.write([recording(str(place), str(place), "male") for place in range(3)])
    put({"0.mp3": b"no sound", "1.mp3": spoken["male.mp3"].read_bytes()}, new.folder() / "clips")
    soundfile.write(new.folder() / "clips" / "2.wav", np.full(16_000, 0.1), 16_000)
    with pytest.raises(ConfigError) as caught:
        CommonVoice(tmp_path, "sex", {"male": Population(2)}).list_clips()
    lines = dict(
        line.strip().rsplit(maxsplit=1) for line in str(caught.value).splitlines() if "replaced" in line
    )
    assert lines == {
        "replaced: a file that cannot be read": "1",
        "replaced: a duration other than the table's": "1",
    }


@pytest.mark.parametrize("suffix", [".wav", ".opus", ".FLAC"])
@pytest.mark.parametrize("number", [13, 25])
def test_transcoded_clips_are_found(
    release: Any, rows: list[Any], spoken: dict[str, Path], tmp_path: Path, suffix: str, number: float
) -> None:
    old = release(tmp_path, number)
    old.write(rows)
    for row in rows:
        if row.name.startswith("common_voice_en_"):
            os.link(spoken[f"{row.gender}.wav"], old.folder() / "clips" / f"{row.name}{suffix}")
    (old.folder() / "clips" / f"{rows[0].name}.txt").write_text("what is said")
    source = CommonVoice(tmp_path, "sex", {"male": Population(3), "female": Population(3)})
    clips = source.list_clips()
    assert {Path(clip.path).name for clip in clips} == {f"{clip.id}{suffix}" for clip in clips}
    assert counts(source)["found with another suffix", ""] == 6
    assert isinstance(ClipDataModule([source]).load(clips[0].id), torch.Tensor)


def test_what_lies_there_instead_is_told(release: Any, rows: list[Any], tmp_path: Path) -> None:
    new = release(tmp_path, 25)
    new.write(rows)
    put({"a.npy": b"1", "b.npy": b"1", "README": b"1"}, new.folder() / "clips")
    with pytest.raises(ConfigError, match=r"en/clips holds 2 \.npy, 1 without suffix\."):
        CommonVoice(tmp_path, "sex", SEXES).list_clips()
