"""VQGAN checkpoints: taming-transformers' ``last.ckpt`` (f16, f8, Gumbel), and others of the same layout.

Every size is read from the names and shapes of the tensors. Only the size of the pictures it was trained on
is not among them; it is taken from ``model.yaml`` beside the file, else 256, and any multiple of the
network's factor can be rendered.
"""

import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import yaml
from torch import Tensor

from stylewav_pl import bounded_yaml
from stylewav_pl.errors import WeightsError, one_line
from stylewav_pl.generators.formats.base import Format, Published, as_tensor, size

RESOLUTION = 256
CONFIGURATION = "model.yaml"
LARGEST_CONFIGURATION = 1 << 20  # bytes
CODEBOOKS = ("quantize.embedding.weight", "quantize.embed.weight")
DECODER = "decoder.conv_in.weight"
KEPT = ("encoder.", "decoder.", "quant_conv.", "post_quant_conv.")
_LEVEL = re.compile(r"decoder\.up\.(\d+)\.block\.(\d+)\.conv1\.weight")


class TamingCheckpoint(Format):
    """A Lightning checkpoint with ``state_dict``, or the bare state of a network."""

    name = "VQGAN checkpoint (taming-transformers)"

    def read(self, contents: Any) -> Published | None:
        """See :meth:`Format.read`."""
        if not isinstance(contents, dict):
            return None
        state = contents.get("state_dict", contents)
        if not isinstance(state, dict) or DECODER not in state:
            return None
        codebooks = [name for name in CODEBOOKS if name in state]
        if len(codebooks) != 1:
            raise WeightsError(
                f"It holds no codebook ({' or '.join(CODEBOOKS)}). Expected a VQGAN, not another autoencoder."
            )
        named = {
            name: value for name, value in state.items() if isinstance(name, str) and name.startswith(KEPT)
        }
        tensors = {name: as_tensor(value, name) for name, value in named.items()}
        tensors["codebook.weight"] = as_tensor(state[codebooks[0]], codebooks[0])
        gumbel = codebooks[0] == CODEBOOKS[1]
        for part in ("weight", "bias") if gumbel else ():
            name = f"quantize.proj.{part}"
            if name not in state:
                raise WeightsError(f"It lacks {name}. Expected a Gumbel VQGAN.")
            tensors[f"logits.{part}"] = as_tensor(state[name], name)
        return Published(self.name, "vqgan", _sizes(tensors, gumbel), tensors)


def _sizes(tensors: Mapping[str, Tensor], gumbel: bool) -> dict[str, Any]:
    """Arguments of the network, from its tensors."""
    blocks: dict[int, int] = {}
    for name in tensors:
        if found := _LEVEL.fullmatch(name):
            blocks[int(found[1])] = blocks.get(int(found[1]), 0) + 1
    if sorted(blocks) != list(range(len(blocks))) or not blocks:
        raise WeightsError(
            f"Its decoder has the levels {sorted(blocks)[:8]}. Expected a VQGAN with levels 0, 1, ..."
        )
    names = ("encoder.conv_in.weight", "post_quant_conv.weight")
    for name in names:
        if name not in tensors:
            raise WeightsError(f"It lacks {name}. Expected a VQGAN with encoder and decoder.")
    levels = range(len(blocks))
    return {
        "first_channels": size(tensors, names[0], 0),
        "channels": [size(tensors, f"decoder.up.{level}.block.0.conv1.weight", 0) for level in levels],
        "attends": [f"decoder.up.{level}.attn.0.norm.weight" in tensors for level in levels],
        "res_blocks": blocks[0] - 1,
        "z_channels": size(tensors, DECODER, 1),
        "code_width": size(tensors, "codebook.weight", 1),
        "codes": size(tensors, "codebook.weight", 0),
        "gumbel": gumbel,
        "resolution": RESOLUTION,
    }


def with_resolution(path: Path, published: Published) -> Published:
    """Returns a VQGAN with the image size that ``model.yaml`` beside its file tells, where there is one.

    Raises:
        WeightsError: It cannot be read.
    """
    file = path.with_name(CONFIGURATION)
    if published.family != "vqgan" or not file.is_file():
        return published
    try:
        if file.stat().st_size > LARGEST_CONFIGURATION:
            raise ValueError("it is too large")
        content = bounded_yaml.load(file.read_text("utf-8"))
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise WeightsError(
            f"{file} cannot be read ({one_line(error)}). Correct it, or move it away."
        ) from error
    for name in ("model", "params", "ddconfig", "resolution"):
        content = content.get(name) if isinstance(content, dict) else None
    if content is None:
        return published
    if not isinstance(content, int) or isinstance(content, bool):
        raise WeightsError(f"{file} tells of images of {content!r:.50} px. Correct it, or move it away.")
    return replace(published, config={**published.config, "resolution": content})
