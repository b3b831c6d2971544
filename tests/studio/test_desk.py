"""The work behind the studio's page."""

from pathlib import Path

import pytest
import soundfile

from stylewav_pl import generate
from stylewav_pl.studio import desk as module
from stylewav_pl.studio.desk import CONTROL_TITLE, Desk, Settings
from stylewav_pl.types import AudioError


@pytest.fixture(scope="module")
def voice(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("voice") / "voice.wav"
    rate, samples = Desk().built_in("f000")
    soundfile.write(path, samples, rate)
    return path


@pytest.fixture
def desk() -> Desk:
    return Desk(audio_encoder="pocket", device="cpu")


def test_faces_grow_step_by_step_into_those_of_the_python_call(desk: Desk, voice: Path) -> None:
    shown = list(desk.grow(str(voice), Settings(count=2, steps=2, seed=3)))
    assert all(other == "" and own.count("<figure>") == 2 for own, other in shown)
    assert "download" not in shown[0][0] and shown[-1][0].count("download=") == 6
    faces = generate(voice, count=2, steps=2, seed=3, device="cpu", audio_encoder="pocket")
    for face in faces:
        assert f"similarity {face.similarity:.2f}" in shown[-1][0]


def test_a_control_follows_the_faces_and_leaves_no_file(
    desk: Desk, voice: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module.TemporaryDirectory, "__init__", _in(tmp_path))
    *_, (own, other) = desk.grow(str(voice), Settings(count=1, steps=1, seed=0, control=True))
    assert CONTROL_TITLE in other and other.count("download=") == 3
    assert own.count("download=") == 3 and own != other
    assert list(tmp_path.iterdir()) == []


def _in(folder: Path):  # type: ignore[no-untyped-def]
    original = module.TemporaryDirectory.__init__
    return lambda self: original(self, dir=folder)


def test_whoever_leaves_ends_the_work(desk: Desk, voice: Path) -> None:
    growing = desk.grow(str(voice), Settings(count=1, steps=200, seed=0))
    next(growing)
    growing.close()
    for thread in module.threads():
        # two hundred steps would take minutes, and the time limit of tests ends a wait for ever
        thread.join()
    assert module.threads() == []


def test_what_cannot_be_heard_is_said(desk: Desk, tmp_path: Path) -> None:
    (tmp_path / "text.wav").write_text("nothing")
    with pytest.raises(AudioError):
        desk.hear(str(tmp_path / "text.wav"))
    with pytest.raises(AudioError):
        list(desk.grow(str(tmp_path / "text.wav"), Settings(1, 1, 0)))
