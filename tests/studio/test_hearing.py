"""What the encoders hear, in words."""

import pytest
import torch

from stylewav_pl.data import BuiltinVoices, Window
from stylewav_pl.embedders import load_audio_embedder, load_image_text_embedder
from stylewav_pl.studio.hearing import excerpts, hear


def test_excerpts_cover_the_recording_and_a_short_one_stays_whole() -> None:
    waveform = torch.arange(80_000.0)
    parts = excerpts(waveform, 16_000)
    assert len(parts) == 5
    assert parts[0][0] == 0 and parts[-1][-1] == 79_999
    assert {len(part) for part in parts} == {24_000}
    assert [len(part) for part in excerpts(waveform[:30_000], 16_000)] == [30_000]


@pytest.mark.parametrize(("speaker", "word"), [("f000", "female"), ("m000", "male")])
def test_a_voice_is_heard_as_what_it_is(speaker: str, word: str) -> None:
    source = BuiltinVoices(1)
    audio, guide = load_audio_embedder("pocket"), load_image_text_embedder("pocket")
    clip = next(clip for clip in source.list_clips() if clip.speaker == speaker)
    heard = hear(source.read(clip, audio.sample_rate, Window()), audio, guide)
    assert max(heard["sex"], key=lambda answer: answer.share).word == word
    for answers in heard.values():
        assert sum(answer.share for answer in answers) == pytest.approx(1, abs=1e-4)
        assert all(answer.low <= answer.share <= answer.high for answer in answers)
