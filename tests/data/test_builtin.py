"""The built-in voices as clips."""

import pytest
import torch

from stylewav_pl.data import BuiltinVoices, Window
from stylewav_pl.errors import ConfigError


def test_clips_name_their_speaker() -> None:
    clips = BuiltinVoices(per_sex=3).list_clips()
    assert [clip.labels["sex"] for clip in clips].count("female") == 3
    assert len({clip.speaker for clip in clips}) == 6
    for clip in clips:
        assert clip.id == f"builtin/{clip.speaker}"
        assert clip.path == f"builtin:{clip.speaker}"
        assert clip.labels["age"] in {"10s", "20s", "30s", "40s", "50s", "60s", "70s", "80s"}


def test_sound_is_cut_to_the_window_and_repeats_exactly() -> None:
    voices = BuiltinVoices(per_sex=1, seconds=1.25)
    clip = voices.list_clips()[0]
    waveform = voices.read(clip, 16_000, Window(1.0))
    assert waveform.shape == (16_000,)
    assert 0.05 < waveform.abs().max() <= 1
    assert torch.equal(waveform, BuiltinVoices(per_sex=1, seconds=1.25).read(clip, 16_000, Window(1.0)))
    assert voices.read(clip, 8000, Window(1.0)).shape == (8000,)


def test_another_seed_gives_other_voices() -> None:
    one, other = BuiltinVoices(1, seed=0, seconds=1.0), BuiltinVoices(1, seed=1, seconds=1.0)
    clip = one.list_clips()[0]
    assert not torch.equal(one.read(clip, 16_000, Window()), other.read(clip, 16_000, Window()))


def test_more_voices_keep_the_first_ones() -> None:
    few, many = BuiltinVoices(2, seconds=1.0).list_clips(), BuiltinVoices(4, seconds=1.0).list_clips()
    assert {clip.id: clip for clip in few}.items() <= {clip.id: clip for clip in many}.items()


def test_children_come_beside_the_others_and_without_a_sex() -> None:
    grown, all_of_them = BuiltinVoices(3).list_clips(), BuiltinVoices(3, children=2).list_clips()
    children = [clip for clip in all_of_them if clip not in grown]
    assert [clip.id for clip in children] == [
        f"builtin/child-{name}" for name in ("f000", "f001", "m000", "m001")
    ]
    assert all(clip.labels["age_group"] == "child" and "sex" not in clip.labels for clip in children)
    assert {clip.labels["age_group"] for clip in BuiltinVoices(40).list_clips()} == {"adult", "old"}
    with pytest.raises(ConfigError, match=r"BuiltinVoices\.children"):
        BuiltinVoices(1, children=-1)


@pytest.mark.parametrize(("per_sex", "seconds"), [(0, 5.0), (1, 0.1), (1, 1e6)])
def test_impossible_settings_are_refused(per_sex: int, seconds: float) -> None:
    with pytest.raises(ConfigError, match=r"BuiltinVoices\.(per_sex|seconds)"):
        BuiltinVoices(per_sex, seconds=seconds)
