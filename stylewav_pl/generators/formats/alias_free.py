"""NVIDIA's pickles of StyleGAN3, configurations T and R.

The filters are tensors of the file, and every size is read from the layers themselves. What a layer's sizes
would have to be for its sampling rates is not asked: a network whose layers fit together is used as it is.
"""

from typing import Any

import numpy as np
from torch import Tensor

from stylewav_pl.errors import WeightsError
from stylewav_pl.generators.formats.base import Format, Published, common, require
from stylewav_pl.generators.formats.persistent import Layer, modules_of
from stylewav_pl.weights.pickles import InertObject, Numbers, brief

TENSORS = ("weight", "bias", "magnitude_ema")


class AliasFreePickle(Format):
    """A dictionary with ``G_ema``, or a bare generator, that starts with Fourier features."""

    name = "NVIDIA pickle of PyTorch (stylegan3)"

    def read(self, contents: Any) -> Published | None:
        """See :meth:`Format.read`."""
        generator = contents.get("G_ema") if isinstance(contents, dict) else contents
        if not isinstance(generator, InertObject) or "input" not in modules_of(generator, "synthesis"):
            return None
        _check_variant(generator)
        mapping, synthesis = Layer(generator, "mapping"), Layer(generator, "synthesis")
        tensors, config = _mapping(mapping)
        start = synthesis.child("input")
        tensors |= start.tensors("input", "weight", "transform", "freqs", "phases") | _style(start, "input")
        layers = [synthesis.child(name) for name in synthesis.children if name != "input"]
        for index, layer in enumerate(layers):
            tensors |= _layer_tensors(layer, f"layers.{index}")
        config |= {
            "layers": [_layer_config(layer) for layer in layers],
            "input_channels": tensors["input.weight"].shape[0],
            "input_size": _integers(start, "size", 2)[0],
            "input_sampling_rate": _number(start, "sampling_rate"),
            "input_bandwidth": _number(start, "bandwidth"),
            "output_scale": _number(synthesis, "output_scale"),
        }
        return Published(self.name, "stylegan3", config, tensors)


def _check_variant(generator: InertObject) -> None:
    labels = generator.state.get("c_dim", 0)
    if labels or "embed" in modules_of(generator, "mapping"):
        raise WeightsError(
            f"It holds a conditional StyleGAN3 (labels of width {brief(labels)}). Expected a network "
            "without labels."
        )
    require(generator.state.get("img_channels", 3), 3, "image channels")
    names = list(modules_of(generator, "synthesis"))
    if names[0] != "input" or not all(isinstance(name, str) and name.startswith("L") for name in names[1:]):
        raise WeightsError(
            f"Its synthesis network has the modules {brief(names)}, expected input, L0_..., L1_..., of a "
            "StyleGAN3."
        )


def _mapping(mapping: Layer) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Tensors and sizes of the mapping network."""
    layers = [mapping.child(f"fc{index}") for index in range(len(mapping.children))]
    if not layers:
        raise WeightsError("Its mapping network has no layers. Expected a StyleGAN3 network.")
    tensors = {"w_mean": mapping.tensor("w_avg")} if "w_avg" in mapping.values else {}
    for index, layer in enumerate(layers):
        require(layer.attribute("activation"), "lrelu", "activation of the mapping network")
        tensors |= layer.tensors(f"mapping.layers.{index}", "weight", "bias")
    first, last = (tensors[f"mapping.layers.{index}.weight"] for index in (0, len(layers) - 1))
    if first.ndim != 2 or last.ndim != 2:
        raise WeightsError("Its mapping network has weights that are no matrices. Fetch the file again.")
    gains = {layer.name: layer.attribute("bias_gain") for layer in layers}
    return tensors, {
        "z_dim": first.shape[1],
        "w_dim": last.shape[0],
        "mapping_depth": len(layers),
        "mapping_width": first.shape[0],
        "mapping_learning_rate_multiplier": float(common(gains, "bias_gain")),
    }


def _style(layer: Layer, prefix: str) -> dict[str, Tensor]:
    affine = layer.child("affine")
    require(affine.attribute("bias_gain"), 1, "bias_gain of the styles")
    require(affine.attribute("activation"), "linear", "activation of the styles")
    return affine.tensors(f"{prefix}.affine", "weight", "bias")


def _layer_tensors(layer: Layer, prefix: str) -> dict[str, Tensor]:
    filters = [name for name in ("up_filter", "down_filter") if name in layer.values]
    return layer.tensors(prefix, *TENSORS, *filters) | _style(layer, prefix)


def _layer_config(layer: Layer) -> dict[str, Any]:
    """Arguments of :class:`~stylewav_pl.generators.stylegan3_layers.LayerShape`."""
    weight, clamp = layer.tensor("weight"), layer.attribute("conv_clamp")
    if weight.ndim != 4:
        raise WeightsError(
            f"Its layer {layer.name} has a weight of shape {list(weight.shape)}. Fetch it again."
        )
    taps = {}
    for name in ("up_filter", "down_filter"):
        taps[name] = tuple(layer.tensor(name).shape) if name in layer.values else (0,)
    return {
        "channels": weight.shape[0],
        "kernel": weight.shape[2],
        "up": _integer(layer, "up_factor"),
        "down": _integer(layer, "down_factor"),
        "padding": _integers(layer, "padding", 4),
        "up_taps": taps["up_filter"][0],
        "down_taps": taps["down_filter"][0],
        "radial": len(taps["down_filter"]) == 2,
        "clamp": None if clamp is None else float(clamp),
    }


def _number(layer: Layer, name: str) -> float:
    value = layer.attribute(name)
    if not isinstance(value, int | float):
        raise WeightsError(f"Its layer {layer.name} has {brief(value)} as {name}. Expected a number.")
    return float(value)


def _integer(layer: Layer, name: str) -> int:
    value = _number(layer, name)
    if not value.is_integer():
        raise WeightsError(f"Its layer {layer.name} has {brief(value)} as {name}. Expected an integer.")
    return int(value)


def _integers(layer: Layer, name: str, count: int) -> list[int]:
    """A setting of several integers: a list, or an array."""
    value = layer.record.state.get(name)
    if isinstance(value, Numbers) and value.array is not None and value.array.dtype.kind in "iu":
        value = value.array.astype(np.int64).ravel().tolist() if value.array.size == count else value
    if not isinstance(value, list | tuple) or len(value) != count:
        raise WeightsError(f"Its layer {layer.name} has {brief(value)} as {name}. Expected {count} integers.")
    if not all(isinstance(number, int) for number in value):
        raise WeightsError(f"Its layer {layer.name} has {brief(value)} as {name}. Expected {count} integers.")
    return [int(number) for number in value]
