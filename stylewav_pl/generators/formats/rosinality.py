"""Rosinality's checkpoints of StyleGAN2.

``{"g_ema": state, "latent_avg": mean w}``, the file that StyleCLIP and StyleWav use.

The mapping network's learning-rate multiplier is not in the file; it is 0.01 wherever this format is written.
"""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from stylewav_pl.errors import WeightsError
from stylewav_pl.generators.formats.base import Format, Published, as_tensor, common, taps_of

MAPPING_LEARNING_RATE_MULTIPLIER = 0.01
FIRST_CONVOLUTION = "conv1.conv.weight"


class Rosinality(Format):
    """A dictionary with ``g_ema``, or the bare state of a generator."""

    name = "rosinality checkpoint"

    def read(self, contents: Any) -> Published | None:
        """See :meth:`Format.read`."""
        if not isinstance(contents, dict):
            return None
        state = contents.get("g_ema", contents)
        if not isinstance(state, dict) or FIRST_CONVOLUTION not in state or "input.input" not in state:
            return None
        reader = Reader(state)
        tensors = reader.tensors()
        if contents.get("latent_avg") is not None:
            tensors["w_mean"] = _mean(contents["latent_avg"])
        taps = reader.resampling()
        return self.published(
            tensors,
            mapping_learning_rate_multiplier=MAPPING_LEARNING_RATE_MULTIPLIER,
            conv_clamp=None,
            architecture="skip",
            **({"resample_taps": taps} if taps else {}),
        )


class Reader:
    """Takes the tensors of a generator's state under our names."""

    def __init__(self, state: Mapping[str, Any]) -> None:
        self.state = dict(state)

    def tensors(self) -> dict[str, Tensor]:
        """All of them.

        Raises:
            WeightsError: One is missing.
        """
        tensors = {"constant": self.take("input.input").squeeze(0)}
        for index in range(
            sum(name.startswith("style.") and name.endswith(".weight") for name in self.state)
        ):
            for part in ("weight", "bias"):
                tensors[f"mapping.layers.{index}.{part}"] = self.take(f"style.{index + 1}.{part}")
        levels = 1 + sum(name.startswith("to_rgbs.") and name.endswith(".conv.weight") for name in self.state)
        for level in range(levels):
            name = f"to_rgbs.{level - 1}" if level else "to_rgb1"
            tensors |= self.modulated(name, f"to_rgbs.{level}") | {
                f"to_rgbs.{level}.bias": self.take(f"{name}.bias").flatten()
            }
        for index in range(2 * levels - 1):
            tensors |= self.convolution(index)
        return tensors

    def convolution(self, index: int) -> dict[str, Tensor]:
        """A modulated convolution with noise and bias."""
        name, prefix = f"convs.{index - 1}" if index else "conv1", f"convolutions.{index}"
        tensors = self.modulated(name, prefix) | {
            f"{prefix}.bias": self.take(f"{name}.activate.bias"),
            f"{prefix}.noise_strength": self.take(f"{name}.noise.weight").reshape(()),
        }
        if (noise := f"noises.noise_{index}") in self.state:  # older versions did not keep the maps
            tensors[f"{prefix}.noise_const"] = self.take(noise).squeeze((0, 1))
        return tensors

    def modulated(self, name: str, prefix: str) -> dict[str, Tensor]:
        """Weight and style."""
        return {
            f"{prefix}.weight": self.take(f"{name}.conv.weight").squeeze(0),
            f"{prefix}.affine.weight": self.take(f"{name}.conv.modulation.weight"),
            f"{prefix}.affine.bias": self.take(f"{name}.conv.modulation.bias"),
        }

    def resampling(self) -> list[float] | None:
        """The filter, where the state holds it; call it last.

        Raises:
            WeightsError: Filters differ, or something is left over that no StyleGAN2 generator has.
        """
        names = [name for name in self.state if name.endswith((".blur.kernel", ".upsample.kernel"))]
        filters = {name: taps_of(self.take(name), name) for name in names}
        if self.state:
            raise WeightsError(
                "Its state holds what no StyleGAN2 generator has: "
                f"{', '.join(map(str, list(self.state)[:5]))}."
            )
        return common(filters, "resampling filters") if filters else None

    def take(self, name: str) -> Tensor:
        """A tensor as float32; no second time."""
        if name not in self.state:
            raise WeightsError(f"Its state lacks {name}. Expected a StyleGAN2 generator.")
        return as_tensor(self.state.pop(name), name)


def _mean(latent: Any) -> Tensor:
    """Mean w ``[w_dim]``; some files repeat it for every layer."""
    rows = as_tensor(latent, "latent_avg")
    rows = rows.reshape(-1, rows.shape[-1]) if rows.ndim else rows.reshape(1, 1)
    if not torch.equal(rows, rows[:1].expand_as(rows)):
        raise WeightsError(
            f"latent_avg has the shape {list(rows.shape)} with different rows. Expected one mean w."
        )
    return rows[0]
