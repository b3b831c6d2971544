"""Sources by name and by path."""

from pathlib import Path

import pytest

from stylewav_pl.embedders import LinearAudioEmbedder, LinearImageTextEmbedder, load_audio_embedder, load_image_text_embedder
from stylewav_pl.types import WeightsError


def test_linear_doubles_have_a_name_and_fit_each_other() -> None:
    audio, image_text = load_audio_embedder("linear"), load_image_text_embedder("linear")
    assert isinstance(audio, LinearAudioEmbedder)
    assert isinstance(image_text, LinearImageTextEmbedder)
    assert audio.embed_dim == image_text.embed_dim


def test_missing_files_are_named(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="nothing-here"):
        load_audio_embedder(tmp_path / "nothing-here")
    with pytest.raises(WeightsError, match="no-such-name"):
        load_image_text_embedder("no-such-name")
