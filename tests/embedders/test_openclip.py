"""The open_clip wrapper, the pocket model and its weight file."""

import copy
from pathlib import Path
from typing import Any

import pytest
import torch

from stylewav_pl.embedders import load_image_text_embedder
from stylewav_pl.embedders.openclip import (
    OpenClipEmbedder,
    build_pocket_clip,
    pocket_vocabulary,
    read_pocket_clip,
)
from stylewav_pl.errors import ConfigError, WeightsError
from stylewav_pl.weights.store import save_weights

CONFIG: dict[str, Any] = {
    "model": {
        "embed_dim": 12,
        "vision_cfg": {"image_size": 64, "patch_size": 16, "width": 16, "layers": 1, "head_width": 8},
        "text_cfg": {"context_length": 8, "width": 16, "heads": 2, "layers": 1},
    },
    "words": ["a", "boy", "girl", "of", "photo"],
}


def _embedder() -> OpenClipEmbedder:
    torch.manual_seed(0)
    return OpenClipEmbedder(build_pocket_clip(CONFIG), pocket_vocabulary(CONFIG))


def test_embedding_table_holds_only_the_words() -> None:
    assert build_pocket_clip(CONFIG).token_embedding.weight.shape == (8, 16)


def test_padding_does_not_change_a_text() -> None:
    embedder = _embedder()
    embedder.network.token_embedding.weight[0] = 100.0
    changed = embedder.embed_text(["a boy"])
    torch.testing.assert_close(changed, _embedder().embed_text(["a boy"]), atol=1e-6, rtol=0)


def test_each_prompt_is_encoded_once(monkeypatch: pytest.MonkeyPatch) -> None:
    embedder, calls = _embedder(), []
    encode = embedder.network.encode_text
    monkeypatch.setattr(embedder.network, "encode_text", lambda ids: calls.append(len(ids)) or encode(ids))
    for _ in range(3):
        embedder.embed_text(["a boy", "a girl", "a boy"])
    assert len(calls) == 2


def test_unknown_words_reach_the_user() -> None:
    with pytest.raises(ConfigError, match="zebra"):
        _embedder().embed_text(["a photo of a zebra"])


def test_contradicting_table_size_is_refused() -> None:
    config = copy.deepcopy(CONFIG)
    config["model"]["text_cfg"]["vocab_size"] = 9
    with pytest.raises(ConfigError, match="need 8 rows"):
        build_pocket_clip(config)


def test_unknown_preprocess_is_refused() -> None:
    with pytest.raises(ConfigError, match="expected one of clip, reference"):
        OpenClipEmbedder(build_pocket_clip(CONFIG), pocket_vocabulary(CONFIG), "clips")


def test_weight_file_round_trip(tmp_path: Path) -> None:
    embedder, path = _embedder(), tmp_path / "weights"
    save_weights(
        path, kind="image_text", architecture="openclip", config=CONFIG, tensors=embedder.network.state_dict()
    )
    again = load_image_text_embedder(path)
    images = torch.rand(2, 3, 64, 64) * 2 - 1
    torch.testing.assert_close(again.embed_image(images), embedder.embed_image(images))
    torch.testing.assert_close(again.embed_text(["a girl"]), embedder.embed_text(["a girl"]))


def test_unfitting_weights_are_refused() -> None:
    with pytest.raises(WeightsError, match="do not fit"):
        read_pocket_clip({**CONFIG, "words": ["a"]}, build_pocket_clip(CONFIG).state_dict())
    with pytest.raises(WeightsError, match="do not fit"):
        read_pocket_clip({"words": []}, {})
