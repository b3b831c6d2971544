"""The work behind the studio's page."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from stylewav_pl import generate
from stylewav_pl.errors import ConfigError
from stylewav_pl.studio import desk as module
from stylewav_pl.studio.beginning import KEPT, MEAN, PHOTO, Beginning
from stylewav_pl.studio.desk import CONTROL_TITLE, Desk, Settings, Shown
from stylewav_pl.studio.morph import on_the_way
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
    assert all(one.other == "" and one.own.count("<figure>") == 2 for one in shown)
    assert "download" not in shown[0].own and shown[-1].own.count("download=") == 6
    faces = generate(voice, count=2, steps=2, seed=3, device="cpu", audio_encoder="pocket")
    assert not shown[0].faces
    for face, kept in zip(faces, shown[-1].faces, strict=True):
        assert f"similarity {face.similarity:.2f}" in shown[-1].own
        assert torch.equal(face.latent, kept.latent)


def last(desk: Desk, voice: Path, **settings: object) -> Shown:
    *_, shown = desk.grow(str(voice), Settings(**{"count": 2, "steps": 1, "seed": 0, **settings}))
    return shown


def test_words_are_those_of_the_python_call(desk: Desk, voice: Path) -> None:
    shown = last(desk, voice, count=1, words=" a person with glasses ", weight=2.0, negative="a beard")
    about = {"text": "a person with glasses", "text_weight": 2.0, "negative": "a beard"}
    face = generate(voice, steps=1, device="cpu", audio_encoder="pocket", **about)
    assert torch.equal(shown.faces[0].latent, face.latent)


def test_a_kept_face_is_where_others_begin(desk: Desk, voice: Path) -> None:
    first = last(desk, voice).faces[1]
    moved = last(desk, voice, steps=1, beginning=Beginning(KEPT, face=first)).faces
    assert len(moved) == 1  # all would begin at the same place
    start = np.asarray(moved[0].frames[0], dtype=float)
    assert np.abs(start - np.asarray(first.image, dtype=float)).mean() < 1


def test_a_photo_is_where_others_begin(desk: Desk, voice: Path, tmp_path: Path) -> None:
    picture = last(desk, voice).faces[0].image
    picture.save(tmp_path / "photo.png")
    (face,) = last(desk, voice, steps=1, beginning=Beginning(PHOTO, photo=str(tmp_path / "photo.png"))).faces
    start = np.asarray(face.frames[0], dtype=float)
    assert np.abs(start - np.asarray(picture, dtype=float)).mean() < 12


@pytest.mark.parametrize("place", [PHOTO, KEPT])
def test_what_is_not_there_is_no_place_to_begin(place: str, desk: Desk, voice: Path) -> None:
    with pytest.raises(ConfigError, match="yet"):
        last(desk, voice, beginning=Beginning(place))


def test_a_morph_leads_from_one_face_to_the_other(desk: Desk, voice: Path) -> None:
    first, second = last(desk, voice).faces
    way = on_the_way(desk.prepare(), first, second, frames=5)
    for end, face in ((way[0], first), (way[-1], second)):
        assert np.abs(np.asarray(end, dtype=float) - np.asarray(face.image, dtype=float)).max() <= 1
    assert "download=" in desk.morph(first, second)
    other = replace(second, about={**second.about, "generator_sha256": "another"})
    with pytest.raises(ConfigError, match="different networks"):
        desk.morph(first, other)


def test_as_many_steps_as_needed(desk: Desk) -> None:
    alone = desk.steps_of(Settings(1, None, 0))
    assert desk.steps_of(Settings(1, None, 0, words="glasses")) > alone
    assert desk.steps_of(Settings(1, None, 0, beginning=Beginning(MEAN))) > alone
    assert desk.steps_of(Settings(1, 5, 0, words="glasses")) == 5


def test_a_control_follows_the_faces_and_leaves_no_file(
    desk: Desk, voice: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module.TemporaryDirectory, "__init__", _in(tmp_path))
    *_, shown = desk.grow(str(voice), Settings(count=1, steps=1, seed=0, control=True))
    assert CONTROL_TITLE in shown.other and shown.other.count("download=") == 3
    assert shown.own.count("download=") == 3 and shown.own != shown.other
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
