"""Published CLIP models: small ones with random weights, and the settings of the real ones."""

import copy
from pathlib import Path
from typing import Any

import open_clip
import pytest
import torch
from open_clip import factory, pretrained
from open_clip.model import CLIP
from open_clip.tokenizer import HFTokenizer
from torch import Tensor
from torch.nn import functional as F
from torchvision.transforms import functional as transforms

from stylewav_pl.cli import main
from stylewav_pl.embedders import Space, load_image_text_embedder
from stylewav_pl.embedders.openclip import number_of_tokens
from stylewav_pl.embedders.openclip_published import _recognise, model_config
from stylewav_pl.errors import WeightsError
from stylewav_pl.weights.open_clip_name import OpenClipName

TEXT = {"context_length": 77, "vocab_size": 49408, "width": 16, "heads": 2, "layers": 1}
MODELS: dict[str, dict[str, Any]] = {
    "tiny-vit": {
        "embed_dim": 12,
        "vision_cfg": {"image_size": 64, "patch_size": 16, "width": 64, "layers": 1},
        "text_cfg": TEXT,
    },
    "tiny-resnet": {
        "embed_dim": 24,
        "vision_cfg": {"image_size": 96, "layers": [1, 1, 1, 1], "width": 8, "patch_size": None},
        "text_cfg": TEXT,
    },
    "tiny-custom": {
        "embed_dim": 16,
        "init_logit_bias": -10,
        "custom_text": True,
        "vision_cfg": {"image_size": 64, "patch_size": 16, "width": 64, "layers": 1},
        "text_cfg": TEXT,
    },
}
MODELS["tiny-vit-quickgelu"] = {**MODELS["tiny-vit"], "quick_gelu": True}
TAGS = {
    "openai": {
        "mean": (0.4, 0.5, 0.6),
        "std": (0.2, 0.3, 0.4),
        "interpolation": "bicubic",
        "hf_hub": "test/tiny/",
        "quick_gelu": True,
    },
    "halves": {
        "mean": (0.5, 0.5, 0.5),
        "std": (0.5, 0.5, 0.5),
        "interpolation": "bilinear",
        "hf_hub": "test/halves/",
    },
}
FACTS = {
    "input_resolution": torch.tensor(64),
    "context_length": torch.tensor(77),
    "vocab_size": torch.tensor(49408),
}


@pytest.fixture(autouse=True)
def small_models(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(factory, "_MODEL_CONFIGS", {**factory._MODEL_CONFIGS, **MODELS})
    for model in ("tiny-vit", "tiny-resnet", "tiny-custom"):
        monkeypatch.setitem(pretrained._PRETRAINED, model, TAGS)
    monkeypatch.setitem(pretrained._PRETRAINED, "tiny-vit-quickgelu", {"openai": TAGS["openai"]})


def _network(model: str, quick_gelu: bool = False) -> torch.nn.Module:
    """open_clip's own construction, which is the oracle here."""
    torch.manual_seed(0)
    network = factory.create_model(model, force_quick_gelu=quick_gelu).eval()
    for name, tensor in network.state_dict().items():
        if name.endswith(("running_mean", "running_var")):
            tensor.add_(torch.randn_like(tensor).clamp(-2, 2) * 0.05)
    return network


def _weights(network: torch.nn.Module, path: Path, **more: Tensor) -> Path:
    torch.save({**network.state_dict(), **more}, path)
    return path


def _images(size: int = 64) -> Tensor:
    return torch.rand(2, 3, size, size, generator=torch.Generator().manual_seed(0)) * 2 - 1


def _expected(network: torch.nn.Module, images: Tensor, tag: str) -> Tensor:
    prepared = transforms.normalize((images + 1) / 2, TAGS[tag]["mean"], TAGS[tag]["std"])
    with torch.no_grad():
        return F.normalize(network.encode_image(prepared), dim=-1)


@pytest.mark.parametrize("model", ["tiny-vit", "tiny-resnet", "tiny-custom"])
@pytest.mark.parametrize("tag", ["openai", "halves"])
def test_it_equals_open_clip(tmp_path: Path, model: str, tag: str) -> None:
    network = _network(model, quick_gelu=tag == "openai")
    embedder = load_image_text_embedder(f"open_clip:{model}/{tag}@{_weights(network, tmp_path / 'weights')}")
    assert embedder.image_size == MODELS[model]["vision_cfg"]["image_size"]
    assert embedder.embed_dim == MODELS[model]["embed_dim"]
    assert embedder.space == Space(model, tag)
    images, texts = _images(embedder.image_size), ["a photo of a boy", "a photo of a girl"]
    torch.testing.assert_close(
        embedder.embed_image(images), _expected(network, images, tag), atol=1e-5, rtol=0
    )
    with torch.no_grad():
        expected = F.normalize(network.encode_text(open_clip.tokenize(texts)), dim=-1)
    torch.testing.assert_close(embedder.embed_text(texts), expected, atol=1e-5, rtol=0)
    assert not any(parameter.requires_grad for parameter in embedder.parameters())
    assert not any(module.training for module in embedder.train().modules())


def test_the_activation_follows_the_weights_under_either_name(tmp_path: Path) -> None:
    quick = _network("tiny-vit", quick_gelu=True)
    file = _weights(quick, tmp_path / "weights")
    plain = load_image_text_embedder(f"open_clip:tiny-vit/openai@{file}")
    named = load_image_text_embedder(f"open_clip:tiny-vit-quickgelu/openai@{file}")
    torch.testing.assert_close(
        plain.embed_image(_images()), _expected(quick, _images(), "openai"), atol=1e-5, rtol=0
    )
    torch.testing.assert_close(named.embed_image(_images()), plain.embed_image(_images()))
    assert named.space == plain.space == Space("tiny-vit", "openai")
    other = load_image_text_embedder(f"open_clip:tiny-vit@{file}")
    assert (other.embed_image(_images()) - plain.embed_image(_images())).abs().max() > 1e-4, (
        "GELU and QuickGELU differ"
    )


@pytest.mark.parametrize("model", open_clip.list_openai_models())
def test_openai_weights_get_quickgelu_and_their_input_size(model: str) -> None:
    config = model_config(OpenClipName(model, "openai"))
    assert config["quick_gelu"] is True
    sizes = {"RN50x4": 288, "RN50x16": 384, "RN50x64": 448, "ViT-L-14-336": 336}
    assert config["vision_cfg"]["image_size"] == sizes.get(model.removesuffix("-quickgelu"), 224)


def test_laion_weights_keep_the_activation_that_they_were_trained_with() -> None:
    quick = {
        tag
        for model, tag in open_clip.list_pretrained()
        if model == "ViT-B-32" and model_config(OpenClipName(model, tag))["quick_gelu"]
    }
    assert quick == {"openai", "laion400m_e31", "laion400m_e32", "metaclip_400m", "metaclip_fullcc"}
    assert model_config(OpenClipName("ViT-B-32"))["quick_gelu"] is False
    assert model_config(OpenClipName("ViT-B-32-quickgelu"))["quick_gelu"] is True


@pytest.mark.parametrize("archive", [False, True])
# Torch deprecates what OpenAI's files were written with: https://github.com/openai/CLIP
@pytest.mark.filterwarnings("ignore:.torch.jit")
def test_openais_own_files_need_no_name(
    tmp_path: Path, archive: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    network = _network("tiny-vit", quick_gelu=True)
    file = tmp_path / "weights"
    if archive:
        _write_archive({**network.state_dict(), **FACTS}, file)
    else:
        _weights(network.half(), file, **FACTS)
        network.float()
    embedder = load_image_text_embedder(file)
    assert embedder.space == Space("tiny-vit", "openai")
    torch.testing.assert_close(
        embedder.embed_image(_images()), _expected(network, _images(), "openai"), atol=1e-5, rtol=0
    )
    named = load_image_text_embedder(f"open_clip:tiny-vit@{file}")
    assert torch.equal(named.embed_image(_images()), embedder.embed_image(_images()))
    assert main(["weights", "inspect", str(file)]) == 0
    facts = dict(
        line.split(maxsplit=1)
        for line in capsys.readouterr().out.splitlines()[1:]
        if not line.startswith(" ")
    )
    assert (facts["kind"], facts["architecture"], facts["image_size"], facts["embed_dim"]) == (
        "image_text",
        "tiny-vit",
        "64",
        "12",
    )


def _write_archive(tensors: dict[str, Tensor], path: Path) -> None:
    root = torch.nn.Module()
    for name, tensor in tensors.items():
        *folders, last = name.split(".")
        node = root
        for folder in folders:
            if folder not in node._modules:
                node.add_module(folder, torch.nn.Module())
            node = node.get_submodule(folder)
        node.register_buffer(last, tensor)
    torch.jit.save(torch.jit.script(root), str(path))


@pytest.mark.parametrize("model", open_clip.list_openai_models())
def test_each_of_openais_models_is_recognised_by_its_shapes(model: str) -> None:
    config = open_clip.get_model_config(model)
    with torch.device("meta"):
        network = CLIP(**config)
    size = config["vision_cfg"]["image_size"]
    found = _recognise(
        {**network.state_dict(), **FACTS, "input_resolution": torch.tensor(size)},
        Path("file"),
        by_openai=True,
    )
    assert (found.model.removesuffix("-quickgelu"), found.tag) == (model.removesuffix("-quickgelu"), "openai")


def test_files_that_do_not_tell_their_model_are_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = _weights(_network("tiny-vit"), tmp_path / "weights")
    with pytest.raises(
        WeightsError, match=r"does not tell which CLIP model it is.*Write open_clip:MODEL@.*weights"
    ):
        load_image_text_embedder(file)
    assert main(["weights", "inspect", str(file)]) == 2
    assert "does not tell which CLIP model it is" in capsys.readouterr().err
    odd = _weights(_network("tiny-vit"), tmp_path / "odd", **{**FACTS, "input_resolution": torch.tensor(65)})
    with pytest.raises(WeightsError, match="does not tell which CLIP model"):
        load_image_text_embedder(odd)


def test_files_of_another_model_or_damaged_ones_are_refused(tmp_path: Path) -> None:
    file = _weights(_network("tiny-vit"), tmp_path / "weights")
    with pytest.raises(
        WeightsError,
        match=r"weights does not fit the CLIP model tiny-resnet: .*Use the file that belongs to it",
    ):
        load_image_text_embedder(f"open_clip:tiny-resnet@{file}")
    broken = copy.deepcopy(_network("tiny-vit"))
    broken.visual.proj.data[0, 0] = torch.nan
    with pytest.raises(WeightsError, match=r"not finite in visual\.proj"):
        load_image_text_embedder(f"open_clip:tiny-vit@{_weights(broken, tmp_path / 'nan')}")


def test_weights_without_a_tag_are_prepared_as_all_published_ones_if_these_agree(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    network = _network("tiny-vit")
    file = _weights(network, tmp_path / "weights")
    disagreeing = load_image_text_embedder(f"open_clip:tiny-vit@{file}")
    assert disagreeing.training_data.mean == (0.48145466, 0.4578275, 0.40821073)
    assert disagreeing.space == Space("tiny-vit")
    monkeypatch.setitem(pretrained._PRETRAINED, "tiny-vit", {"halves": TAGS["halves"]})
    agreeing = load_image_text_embedder(f"open_clip:tiny-vit@{file}")
    torch.testing.assert_close(
        agreeing.embed_image(_images()), _expected(network, _images(), "halves"), atol=1e-5, rtol=0
    )


def test_reference_preprocessing_reaches_any_model(tmp_path: Path) -> None:
    network = _network("tiny-resnet")
    embedder = load_image_text_embedder(
        f"open_clip:tiny-resnet@{_weights(network, tmp_path / 'weights')}", preprocess="reference"
    )
    enlarged = F.avg_pool2d(F.interpolate(_images(64), scale_factor=3), 2)
    with torch.no_grad():
        expected = F.normalize(network.encode_image(enlarged), dim=-1)
    torch.testing.assert_close(embedder.embed_image(_images(64)), expected, atol=1e-5, rtol=0)


def test_half_precision_around_it_still_gives_a_full_precision_similarity(tmp_path: Path) -> None:
    embedder = load_image_text_embedder(
        f"open_clip:tiny-vit@{_weights(_network('tiny-vit'), tmp_path / 'weights')}"
    )
    with torch.autocast("cpu", dtype=torch.bfloat16):
        embedded = embedder.embed_image(_images())
    assert embedded.dtype == torch.float32
    torch.testing.assert_close(embedded.norm(dim=-1), torch.ones(2))


def test_text_towers_are_built_without_downloads() -> None:
    assert (
        model_config(OpenClipName("roberta-ViT-B-32", "laion2b_s12b_b32k"))["text_cfg"]["hf_model_pretrained"]
        is False
    )


def test_a_prompt_longer_than_the_context_is_told_once_and_read_as_open_clip_does(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    network = _network("tiny-vit")
    embedder = load_image_text_embedder(f"open_clip:tiny-vit/halves@{_weights(network, tmp_path / 'w')}")
    fits, long = " ".join(["face"] * 75), " ".join(["face"] * 90)
    for _ in range(2):
        found = embedder.embed_text([fits, long])
    (told,) = [record.getMessage() for record in caplog.records if record.name.startswith("stylewav_pl")]
    assert "'face face face" in told and "92 tokens" in told and "reads 77" in told
    with torch.no_grad():
        expected = F.normalize(network.encode_text(open_clip.tokenize([fits, long])), dim=-1)
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=0)


class Words:
    """A tokenizer in the manner of transformers: a number for each word, and marks around them."""

    def __call__(self, text: str, add_special_tokens: bool) -> dict[str, list[int]]:
        assert not add_special_tokens
        return {"input_ids": [1] * len(text.split())}

    def num_special_tokens_to_add(self) -> int:
        return 1


@pytest.mark.parametrize(("mode", "marks"), [("", 1), ("clips", 3)])
def test_tokens_of_other_libraries_are_counted_too(mode: str, marks: int) -> None:
    tokenizer = HFTokenizer.__new__(HFTokenizer)
    tokenizer.tokenizer, tokenizer.tokenizer_mode = Words(), mode
    tokenizer.clean_fn = lambda text: text.strip("!")
    assert number_of_tokens("a face !!!", tokenizer) == 2 + marks
    assert number_of_tokens("a face", lambda texts: torch.zeros(len(texts), 8)) == 0, (
        "unknown: nothing is said"
    )
