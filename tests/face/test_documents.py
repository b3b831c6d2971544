"""The Python that the documents show runs as it stands there."""

import re
from pathlib import Path

import numpy as np
import pytest
import soundfile
from PIL import Image

from stylewav_pl.face import Face
from stylewav_pl.pocket.voices import held_out_speakers, speak

REPOSITORY = Path(__file__).resolve().parents[2]
RATE = 16_000


def test_what_the_documents_show_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    voices = [speak(speaker, 0, 1.0, RATE) for speaker in held_out_speakers(1)]
    for name, voice in zip(("a.wav", "voice.wav"), voices, strict=True):
        soundfile.write(tmp_path / name, voice, RATE)
    soundfile.write(tmp_path / "b.mp3", voices[0], RATE)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(Image.Image, "show", lambda image: None)
    known: dict[str, object] = {"array": np.asarray(voices[1]), "show": lambda *_: None}
    for block in re.findall(
        r"^```py\n(.*?)^```$", (REPOSITORY / "README.md").read_text("utf-8"), re.M | re.S
    ):
        exec(compile(block, "README.md", "exec"), known)
    assert [face.id for face in known["faces"]][3:6] == ["a#4", "recording#1", "recording#2"]
    text = (REPOSITORY / "docs/direct.md").read_text("utf-8")
    for block in re.findall(r"^```python\n(.*?)^```$", text, re.M | re.S):
        exec(compile(block, "direct.md", "exec"), known)
    assert (tmp_path / "out/images/voice.png").is_file()
    assert len(known["faces"]) == 8 and all(isinstance(face, Face) for face in known["faces"])
