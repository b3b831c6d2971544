"""The work behind the studio's page."""

from dataclasses import replace
from functools import partial
from itertools import pairwise
from math import inf
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pytest
import soundfile
import torch
from torch import Tensor

from stylewav_pl import generate
from stylewav_pl.callbacks.writer import latent_file
from stylewav_pl.errors import ConfigError
from stylewav_pl.face.defaults import PRIOR_START
from stylewav_pl.generators.style_based import StyleBasedGenerator
from stylewav_pl.optimisation import photo_start
from stylewav_pl.optimisation.inversion import Inversion
from stylewav_pl.studio.beginning import KEPT, MEAN, PHOTO, SAMPLES, SAVED, Beginning
from stylewav_pl.studio.desk import CONTROL_TITLE, Desk, Shown
from stylewav_pl.studio.growing import threads
from stylewav_pl.studio.morph import on_the_way
from stylewav_pl.studio.settings import NEAR, Settings, parts_of
from stylewav_pl.studio.voices import built_in
from stylewav_pl.types import AudioError


@pytest.fixture(scope="module")
def voice(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("voice") / "voice.wav"
    rate, samples = built_in("f000")
    soundfile.write(path, samples, rate)
    return path


@pytest.fixture(scope="module")
def desk() -> Desk:
    return Desk(audio_encoder="pocket", device="cpu")


def last(desk: Desk, voice: Path, **settings: object) -> Shown:
    *_, shown = desk.grow(str(voice), Settings(**{"count": 2, "steps": 1, "seed": 0, **settings}))
    return shown


@pytest.fixture(scope="module")
def made(desk: Desk, voice: Path) -> Shown:
    """Two faces after a step."""
    return last(desk, voice)


def pixels(picture: object) -> np.ndarray:
    return np.asarray(picture, dtype=float)


def test_faces_grow_step_by_step_into_those_of_the_python_call(desk: Desk, voice: Path) -> None:
    shown = list(desk.grow(str(voice), Settings(count=2, steps=2, seed=3)))
    assert all(one.other == "" and one.own.count("<figure>") == 2 for one in shown)
    assert "download" not in shown[0].own and shown[-1].own.count("download=") == 6
    assert "<button" not in shown[0].own and shown[-1].own.count('data-act="keep"') == 2
    faces = generate(voice, count=2, steps=2, seed=3, device="cpu", audio_encoder="pocket")
    assert not shown[0].faces
    for face, kept in zip(faces, shown[-1].faces, strict=True):
        assert f"similarity {face.similarity:.2f}" in shown[-1].own
        assert torch.equal(face.latent, kept.latent)


def test_words_bounds_and_layers_are_those_of_the_python_call(desk: Desk, voice: Path) -> None:
    shown = last(
        desk, voice, count=1, words=" a person with glasses ", weight=2.0, negative="a beard",
        layers="0-3", reach=0.25,
    )  # fmt: skip
    face = generate(
        voice, steps=1, device="cpu", audio_encoder="pocket", text="a person with glasses", text_weight=2.0,
        negative="a beard", layers=["0-3"], latent_space="WPlus", reach=0.25,
    )  # fmt: skip
    assert torch.equal(shown.faces[0].latent, face.latent)


def test_a_kept_face_is_where_others_begin(desk: Desk, voice: Path, made: Shown) -> None:
    first = made.faces[1]
    moved = last(desk, voice, beginning=Beginning(KEPT, first)).faces
    assert len(moved) == 1  # all would begin at the same place
    assert np.abs(pixels(moved[0].frames[0]) - pixels(first.image)).mean() < 1
    detailed = last(desk, voice, beginning=Beginning(KEPT, first), layers="8-11").faces[0]
    again = last(desk, voice, beginning=Beginning(KEPT, detailed)).faces[0]  # a W+ stays one
    assert torch.equal(detailed.latent[:8], first.latent.expand(8, -1))
    assert again.latent.shape == detailed.latent.shape


def test_a_latent_that_was_saved_is_where_others_begin(
    desk: Desk, voice: Path, made: Shown, tmp_path: Path
) -> None:
    (first, _), file = made.faces, tmp_path / "saved.safetensors"
    file.write_bytes(latent_file(first.latent, first.id, first.about))
    (moved,) = last(desk, voice, beginning=Beginning(SAVED, file=str(file))).faces
    assert np.abs(pixels(moved.frames[0]) - pixels(first.image)).mean() < 1


def test_a_photo_is_where_others_begin(
    desk: Desk, voice: Path, made: Shown, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    picture = made.faces[0].image
    picture.save(tmp_path / "photo.png")
    monkeypatch.setattr(photo_start, "Inversion", partial(Inversion, steps=10, candidates=32, perceptual=0.0))
    found = desk.of_photo(str(voice), str(tmp_path / "photo.png"))
    other = made.faces[1].image
    assert (
        np.abs(pixels(found.image) - pixels(picture)).mean()
        < np.abs(pixels(other) - pixels(picture)).mean() / 2
    )
    (face,) = last(desk, voice, beginning=Beginning(PHOTO, found)).faces
    assert np.abs(pixels(face.frames[0]) - pixels(found.image)).mean() < 1


@pytest.mark.parametrize("place", [PHOTO, KEPT, SAVED])
def test_what_is_not_there_is_no_place_to_begin(place: str, desk: Desk, voice: Path) -> None:
    with pytest.raises(ConfigError, match="yet"):
        last(desk, voice, beginning=Beginning(place))


def test_a_given_face_is_not_left_too_far_behind(made: Shown, tmp_path: Path) -> None:
    def reach(**settings: object) -> object:
        with Settings(**{"count": 1, "steps": 1, "seed": 0, **settings}).asked() as asked:
            return asked.get("reach")

    kept = Beginning(KEPT, made.faces[0])
    assert reach(beginning=kept) == NEAR
    assert reach(beginning=kept, reach=inf) is None
    assert reach(beginning=Beginning(SAMPLES)) is None
    in_s = replace(made.faces[0], about={**made.faces[0].about, "space": "s"})
    assert reach(beginning=Beginning(KEPT, in_s)) is None  # a bound on w


def test_a_morph_leads_from_one_face_to_the_other(desk: Desk, voice: Path, made: Shown) -> None:
    first = made.faces[0]
    second = last(desk, voice, count=1, layers="4-7", seed=1).faces[0]  # in another space
    way = on_the_way(desk.prepare(), first, second, frames=5)
    for end, face in ((way[0], first), (way[-1], second)):
        assert np.abs(pixels(end) - pixels(face.image)).max() <= 1
    steps = [np.abs(pixels(one) - pixels(other)).mean() for one, other in pairwise(way)]
    assert max(steps) < np.abs(pixels(way[0]) - pixels(way[-1])).mean()
    assert "download=" in desk.morph(first, second)
    other = replace(second, about={**second.about, "generator_sha256": "another"})
    with pytest.raises(ConfigError, match="different networks"):
        desk.morph(first, other)


def test_as_many_steps_as_needed(desk: Desk) -> None:
    alone = desk.steps_of(Settings(1, None, 0))
    assert desk.steps_of(Settings(1, None, 0, words="glasses")) > alone
    assert desk.steps_of(Settings(1, None, 0, beginning=Beginning(MEAN))) > alone
    assert desk.steps_of(Settings(1, 5, 0, words="glasses")) == 5


def test_other_networks_have_no_prior_to_begin_at(desk: Desk, voice: Path) -> None:
    other = Desk(generator="linear", audio_encoder="pocket", device="cpu")
    assert {*desk.places().values()} - {*other.places().values()} == {"prior"}
    assert other.steps_of(Settings(1, None, 0)) == desk.steps_of(Settings(1, None, 0, words="glasses"))
    assert len(last(other, voice, beginning=Beginning(SAMPLES)).faces) == 2


def test_layers_are_parted_as_far_as_there_are_any(desk: Desk) -> None:
    generator = desk.prepare().generator
    assert list(parts_of(generator).values()) == [None, "0-3", "4-7", "8-11"]
    linear = Desk(generator="linear", audio_encoder="pocket", device="cpu").prepare().generator
    assert list(parts_of(linear).values()) == [None]


def test_a_control_follows_the_faces_and_leaves_no_file(
    desk: Desk, voice: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    original = TemporaryDirectory.__init__
    monkeypatch.setattr(TemporaryDirectory, "__init__", lambda self: original(self, dir=tmp_path))
    *_, shown = desk.grow(str(voice), Settings(count=1, steps=1, seed=0, control=True))
    assert CONTROL_TITLE in shown.other and shown.other.count("download=") == 3
    assert "<button" not in shown.other  # what is kept are the visitor's own
    assert shown.own.count("download=") == 3 and shown.own != shown.other
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("place", "words"), [(PRIOR_START, ""), (SAMPLES, "a person with glasses")])
def test_a_control_begins_at_the_same_samples(
    desk: Desk, voice: Path, place: str, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither drawn again nor chosen by the voice, which is another one."""
    samples: list[Tensor] = []
    drawn = StyleBasedGenerator.map

    def seen(self: StyleBasedGenerator, z: Tensor, **settings: Any) -> Tensor:
        samples.append(drawn(self, z, **settings))
        return samples[-1]

    monkeypatch.setattr(StyleBasedGenerator, "map", seen)
    asked = Settings(3, 1, 0, control=True, beginning=Beginning(place), words=words)
    *_, shown = desk.grow(str(voice), asked)
    assert shown.other
    own, control = [one for one in samples if len(one) == 3]
    torch.testing.assert_close(own, control, rtol=0, atol=0)


def test_faces_stay_as_they_are_where_the_visitor_wants_it(desk: Desk, voice: Path) -> None:
    wants_end = iter([False, False, True])
    *_, shown = desk.grow(str(voice), Settings(count=1, steps=200, seed=0), lambda: next(wants_end, True))
    assert len(shown.faces[0].curve) == 3
    assert "download=" in shown.own


def test_whoever_leaves_ends_the_work(desk: Desk, voice: Path) -> None:
    growing = desk.grow(str(voice), Settings(count=1, steps=200, seed=0))
    next(growing)
    growing.close()
    for thread in threads():
        # two hundred steps would take minutes, and the time limit of tests ends a wait for ever
        thread.join()
    assert threads() == []


def test_what_cannot_be_heard_is_said(desk: Desk, tmp_path: Path) -> None:
    (tmp_path / "text.wav").write_text("nothing")
    with pytest.raises(AudioError):
        desk.hear(str(tmp_path / "text.wav"))
    with pytest.raises(AudioError):
        list(desk.grow(str(tmp_path / "text.wav"), Settings(1, 1, 0)))
