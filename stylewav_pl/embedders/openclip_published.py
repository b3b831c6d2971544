"""CLIP models as others publish them.

Every architecture of ``open_clip``, with weights from the hub or from a file.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from open_clip import get_model_config, get_tokenizer, list_openai_models
from open_clip.coca_model import CoCa
from open_clip.convert import convert_state_dict
from open_clip.factory import convert_to_custom_text_state_dict
from open_clip.model import CLIP, CustomTextCLIP, resize_pos_embed, resize_text_pos_embed
from open_clip.pretrained import get_pretrained_cfg, list_pretrained_tags_by_model
from torch import Tensor

from stylewav_pl.embedders.base import Space, tower_mark
from stylewav_pl.embedders.openclip import OpenClipEmbedder
from stylewav_pl.embedders.preprocess import TrainingData
from stylewav_pl.errors import WeightsError, one_line
from stylewav_pl.weights.open_clip_name import PREFIX, QUICKGELU, OpenClipName
from stylewav_pl.weights.state_dict import load_into, read_state_dict

# Beside the weights OpenAI's files hold these facts, and older versions of transformers a table of positions;
# masks are constants.
OPENAI_FACTS = frozenset({"input_resolution", "context_length", "vocab_size"})
RESNET_KERNEL = 3  # of the first convolution, which in a ViT is as large as a patch
NO_WEIGHTS = OPENAI_FACTS | {"text.transformer.embeddings.position_ids"}

# AudioCLIP's files hold a CLIP model of this architecture beside the ear.
AUDIOCLIP_MARK, AUDIOCLIP_MODEL = "audio.conv1.weight", f"RN50{QUICKGELU}"


def load_published_clip(name: OpenClipName | None, path: Path, preprocess: str) -> OpenClipEmbedder:
    """A frozen CLIP model.

    The activation follows the weights, whichever of a model's two names is written: OpenAI's need QuickGELU.

    Args:
        name: The model; ``None`` to find it out, which only OpenAI's own files allow.
        path: The weight file.
        preprocess: See :mod:`stylewav_pl.embedders.preprocess`.

    Raises:
        WeightsError: The file is damaged, belongs to another model, or does not tell which model it is.
    """
    tensors = read_state_dict(path)
    by_openai = tensors.keys() >= OPENAI_FACTS
    if AUDIOCLIP_MARK in tensors:
        tensors = _without_ear(tensors)
        name = name or OpenClipName(AUDIOCLIP_MODEL, "", path)
    if name is None:
        name = _recognise(tensors, path, by_openai)
    elif by_openai and not name.tag:
        name = OpenClipName(name.model, "openai", path)
    network = _build(name)
    _load(network, tensors, name, path)
    towers = tower_mark(tensors) if name.model in (AUDIOCLIP_MODEL, "RN50") else ""
    space = Space(name.model.removesuffix(QUICKGELU), name.tag, towers)
    return OpenClipEmbedder(network, _tokenizer(name), preprocess, _training(name), space)


def _without_ear(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The CLIP model of an AudioCLIP file."""
    other = ("audio.", "logit_scale_a")
    return {name: tensor for name, tensor in tensors.items() if not name.startswith(other)}


def model_config(name: OpenClipName) -> dict[str, Any]:
    """Returns the arguments of the network's class.

    With the activation that the weights were trained with, and without downloads for its parts.
    """
    config: dict[str, Any] = get_model_config(name.model)
    config["quick_gelu"] = (
        config.get("quick_gelu", False) or name.tag == "openai" or name.facts.get("quick_gelu", False)
    )
    if "hf_model_name" in config["text_cfg"]:
        config["text_cfg"]["hf_model_pretrained"] = False
    return config


def _build(name: OpenClipName) -> CLIP | CustomTextCLIP | CoCa:
    config = model_config(name)
    custom = config.pop("custom_text", False) or "hf_model_name" in config["text_cfg"]
    kind = (CoCa if "multimodal_cfg" in config else CustomTextCLIP) if custom else CLIP
    try:
        return kind(**config)
    except Exception as error:  # towers of other libraries, which fetch their own configurations
        raise WeightsError(
            f"open_clip cannot build {name.model}: {one_line(error)}. Choose another CLIP model, or fetch "
            "what it needs."
        ) from error


def _tokenizer(name: OpenClipName) -> Any:
    try:
        return get_tokenizer(name.model)
    except Exception as error:  # the same
        raise WeightsError(
            f"The tokenizer of {name.model} cannot be had: {one_line(error)}. Install what is missing; if "
            "it must be fetched, run once "
            f"with a network: python -c \"import open_clip; open_clip.get_tokenizer('{name.model}')\""
        ) from error


def _load(
    network: CLIP | CustomTextCLIP | CoCa, tensors: Mapping[str, Tensor], name: OpenClipName, path: Path
) -> None:
    try:
        weights = {
            key: tensor
            for key, tensor in tensors.items()
            if key not in NO_WEIGHTS and not key.endswith("attn_mask")
        }
        state = convert_state_dict(network, weights)
        if not isinstance(network, CLIP):
            state = convert_to_custom_text_state_dict(state)
        for scalar in {"logit_scale", "logit_bias"} & state.keys():
            state[scalar] = state[scalar].reshape(getattr(network, scalar).shape)
        if name.tag and name.file is None:  # some published pairs mean weights of another image size
            resize_pos_embed(state, network)
            resize_text_pos_embed(state, network)
    except (AttributeError, KeyError, RuntimeError, ValueError) as error:
        raise WeightsError(
            f"{path} does not fit the CLIP model {name.model}: {one_line(error)}. Use the file that belongs "
            "to it."
        ) from error
    load_into(network, state, path, f"the CLIP model {name.model}")


def _training(name: OpenClipName) -> TrainingData:
    """How images were prepared.

    For weights without a tag as for all published ones of the model, if these agree.
    """
    tags = [name.tag] if name.tag else list_pretrained_tags_by_model(name.model)
    facts = [get_pretrained_cfg(name.model, tag) for tag in tags]
    found = {
        TrainingData(tuple(each["mean"]), tuple(each["std"]), each["interpolation"]) for each in facts if each
    }
    return found.pop() if len(found) == 1 else TrainingData()


def _recognise(tensors: Mapping[str, Tensor], path: Path, by_openai: bool) -> OpenClipName:
    """Which of OpenAI's models a file of theirs is.

    Width, image size and patch size are different for each.
    """
    if by_openai and {"text_projection", "visual.conv1.weight", "input_resolution"} <= tensors.keys():
        width, size = tensors["text_projection"].shape[-1], int(tensors["input_resolution"])
        found = (width, size, tensors["visual.conv1.weight"].shape[-1])
        for model in list_openai_models():
            config = get_model_config(model)
            vision = config["vision_cfg"]
            patch = vision.get("patch_size") or RESNET_KERNEL
            if found == (config["embed_dim"], vision["image_size"], patch):
                return OpenClipName(model, "openai", path)
    raise WeightsError(
        f"{path} does not tell which CLIP model it is (tensors such as {', '.join(list(tensors)[:4])}). "
        f"Write {PREFIX}MODEL@{path} "
        f"or {PREFIX}MODEL/TAG@{path}, e.g. {PREFIX}ViT-B-32-quickgelu/openai@{path}."
    )
