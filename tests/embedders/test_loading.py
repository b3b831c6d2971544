"""Sources by name and by path."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from stylewav_pl.embedders import (
    LinearAudioEmbedder,
    LinearImageTextEmbedder,
    load_audio_embedder,
    load_image_text_embedder,
)
from stylewav_pl.errors import WeightsError
from stylewav_pl.weights.store import save_weights


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


SMALL_TEXT = {"context_length": 5, "width": 64, "heads": 1, "layers": 1}
SMALL_VISION = {"image_size": 64, "patch_size": 16, "width": 64, "layers": 1}


def _clip(vision: dict[str, object], text: dict[str, object]) -> dict[str, object]:
    model = {"embed_dim": 8, "vision_cfg": SMALL_VISION | vision, "text_cfg": SMALL_TEXT | text}
    return {"model": model, "words": ["a"]}


ABSURD = {
    "wide": _clip({"width": 1 << 24}, {}),
    "deep": _clip({}, {"layers": 1 << 40}),
    "deep-resnet": _clip({"layers": [1, 1, 1 << 40, 1]}, {}),
    "no-heads": _clip({}, {"heads": 0, "width": 0}),
    "no-size": _clip({"patch_size": 0}, {}),
    "words": {"model": "x", "words": 3},
}


@pytest.mark.parametrize("config", ABSURD.values(), ids=ABSURD)
def test_absurd_configurations_of_a_clip_model_cost_nothing(
    config: dict[str, object], tmp_path: Path
) -> None:
    save_weights(
        tmp_path / "clip",
        kind="image_text",
        architecture="openclip",
        config=config,
        tensors={"a": torch.zeros(1)},
    )
    _refused(lambda: load_image_text_embedder(tmp_path / "clip"), "do not fit their configuration")


@pytest.mark.parametrize("config", [{"width": 1 << 24}, {"width": -1}, {"embed_dim": "x"}], ids=str)
def test_absurd_configurations_of_an_audio_encoder_cost_nothing(
    config: dict[str, object], tmp_path: Path
) -> None:
    save_weights(
        tmp_path / "audio",
        kind="audio",
        architecture="wav2clip",
        config=config,
        tensors={"a": torch.zeros(1)},
    )
    _refused(lambda: load_audio_embedder(tmp_path / "audio"), "do not fit the Wav2CLIP layout")


def _refused(load: Callable[[], object], reason: str) -> None:
    with pytest.raises(WeightsError, match=reason) as caught:
        load()
    assert len(str(caught.value)) < 600


def test_a_configuration_that_is_no_dictionary_is_named(tmp_path: Path) -> None:
    path = tmp_path / "audio"
    save_weights(path, kind="audio", architecture="wav2clip", config={}, tensors={"a": torch.zeros(1)})
    path.write_bytes(path.read_bytes().replace(b'"config":"{}"', b'"config":"[]"'))
    with pytest.raises(WeightsError, match=r"damaged: .*config is a list"):
        load_audio_embedder(path)
