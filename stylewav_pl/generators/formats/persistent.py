"""NVIDIA's PyTorch pickles.

Stylegan2-ada-pytorch, and the StyleGAN2 networks written by the code base of StyleGAN3.

Each network is an object stored with its attributes; both code bases use the same names. The values are taken
from the layers themselves, not from the constructor's arguments, whose defaults differ between the two
(``conv_clamp``: none and 256). Neither scales the weights of a demodulated convolution, so there the 1e-8 of
the demodulation weighs less than here by the fan-in; for styles of any practical size both are far below the
rounding of float32.
"""

from collections.abc import Iterator
from typing import Any

from torch import Tensor

from stylewav_pl.errors import WeightsError
from stylewav_pl.generators.formats.base import Format, Published, as_tensor, common, require, taps_of
from stylewav_pl.generators.stylegan2 import ARCHITECTURES
from stylewav_pl.weights.pickles import InertObject, brief


class PersistentPickle(Format):
    """A dictionary with ``G_ema``, or a bare generator."""

    name = "NVIDIA pickle of PyTorch (stylegan2-ada-pytorch, stylegan3)"

    def read(self, contents: Any) -> Published | None:
        """See :meth:`Format.read`."""
        generator = contents.get("G_ema") if isinstance(contents, dict) else contents
        if not isinstance(generator, InertObject) or generator.kind == "Network":
            return None
        _check_architecture(generator)
        mapping, synthesis = Layer(generator, "mapping"), Layer(generator, "synthesis")
        architecture = _architecture(synthesis)
        tensors: dict[str, Tensor] = {}
        layers = [mapping.child(f"fc{index}") for index in range(len(mapping.children))]
        for index, layer in enumerate(layers):
            require(layer.attribute("activation"), "lrelu", "activation of the mapping network")
            tensors |= layer.tensors(f"mapping.layers.{index}", "weight", "bias")
        if "w_avg" in mapping.values:
            tensors |= {"w_mean": mapping.tensor("w_avg")}
        for layer, prefix in _modulated(synthesis):
            tensors |= _modulated_tensors(layer, prefix)
        for index, layer in enumerate(_shortcuts(synthesis)):
            tensors |= layer.tensors(f"shortcuts.{index}", "weight")
        tensors["constant"] = synthesis.child("b4").tensor("const")
        return self.published(
            tensors,
            mapping_learning_rate_multiplier=common(
                {layer.name: layer.attribute("bias_gain") for layer in layers}, "bias_gain"
            )
            if layers
            else 1.0,
            conv_clamp=common(
                {layer.name: layer.attribute("conv_clamp") for layer, _ in _modulated(synthesis)},
                "conv_clamp",
            ),
            architecture=architecture,
            **_resampling(synthesis),
        )


class Layer:
    """A module of the file, by its path.

    Raises:
        WeightsError: There is no such module.
    """

    def __init__(self, parent: InertObject, name: str, path: str = "") -> None:
        self.name = f"{path}{name}"
        record = _dictionary(parent, "_modules").get(name)
        if not isinstance(record, InertObject):
            raise WeightsError(
                f"Its generator lacks the module {self.name}. Expected a StyleGAN2 or StyleGAN3 network."
            )
        self.record = record

    @property
    def children(self) -> dict[str, Any]:
        """The modules in it."""
        return _dictionary(self.record, "_modules")

    @property
    def values(self) -> dict[str, Any]:
        """Its parameters and buffers; layers frozen during training keep their weights as buffers."""
        return {
            name: value
            for part in ("_parameters", "_buffers")
            for name, value in _dictionary(self.record, part).items()
            if value is not None
        }

    def child(self, name: str) -> "Layer":
        """The module of that name."""
        return Layer(self.record, name, f"{self.name}.")

    def tensor(self, name: str) -> Tensor:
        """A parameter or buffer as float32."""
        if name not in self.values:
            raise WeightsError(
                f"Its layer {self.name} lacks {name}. Expected a StyleGAN2 or StyleGAN3 network."
            )
        return as_tensor(self.values[name], f"{self.name}.{name}")

    def tensors(self, prefix: str, *names: str) -> dict[str, Tensor]:
        """Several of them, under our names."""
        return {f"{prefix}.{name}": self.tensor(name) for name in names}

    def attribute(self, name: str) -> Any:
        """A setting of the layer: a number, a text, or none; larger values could take forever to compare."""
        if name not in self.record.state:
            raise WeightsError(
                f"Its layer {self.name} does not tell its {name}. Expected a StyleGAN2 or StyleGAN3 network."
            )
        value = self.record.state[name]
        if not isinstance(value, int | float | str | None):
            raise WeightsError(
                f"Its layer {self.name} has {brief(value)} as {name}. Expected a StyleGAN2 or StyleGAN3 "
                "network."
            )
        return value


def _dictionary(record: InertObject, name: str) -> dict[str, Any]:
    found = record.state.get(name)
    return found if isinstance(found, dict) else {}


def modules_of(generator: InertObject, part: str) -> dict[str, Any]:
    """The modules of a part of a generator; empty where there is no such part."""
    record = _dictionary(generator, "_modules").get(part)
    return _dictionary(record, "_modules") if isinstance(record, InertObject) else {}


def _check_architecture(generator: InertObject) -> None:
    modules, synthesis = _dictionary(generator, "_modules"), modules_of(generator, "synthesis")
    if "b4" not in synthesis:
        raise WeightsError(
            f"It holds a {generator.kind} with the modules {sorted(map(str, modules))} and "
            f"{sorted(map(str, synthesis))[:6]}. "
            "Expected a StyleGAN2 generator, with a mapping and a synthesis network of blocks b4, b8, ..."
        )
    labels = generator.state.get("c_dim", 0)
    if labels or "embed" in Layer(generator, "mapping").children:
        raise WeightsError(
            f"It holds a conditional StyleGAN2 (labels of width {brief(labels)}). Expected a network without "
            "labels."
        )
    require(generator.state.get("img_channels", 3), 3, "image channels")


def _blocks(synthesis: Layer) -> list[Layer]:
    """The blocks from coarse to fine."""
    names = [f"b{4 << level}" for level in range(len(synthesis.children))]
    if set(names) != set(synthesis.children):
        raise WeightsError(
            f"Its synthesis network has the blocks {sorted(map(str, synthesis.children))}, expected {names}."
        )
    return [synthesis.child(name) for name in names]


def _architecture(synthesis: Layer) -> str:
    """Tells how the blocks are joined.

    Raises:
        WeightsError: In a way that this version cannot use.
    """
    blocks = _blocks(synthesis)
    architecture = common({block.name: block.attribute("architecture") for block in blocks}, "architecture")
    if architecture not in ARCHITECTURES:
        raise WeightsError(
            f"It is a StyleGAN2 with architecture = {brief(architecture)}; this version can use "
            f"{', '.join(ARCHITECTURES)}."
        )
    for block in blocks:
        colours = {"torgb"} if architecture == "skip" or block.name == blocks[-1].name else set()
        shortcut = {"skip"} if architecture == "resnet" and block.name != blocks[0].name else set()
        require(set(block.children) - {"conv0", "conv1"} - colours - shortcut, set(), "further layers")
    return str(architecture)


def _modulated(synthesis: Layer) -> Iterator[tuple[Layer, str]]:
    """Every modulated layer with our name for it."""
    blocks = _blocks(synthesis)
    for level, block in enumerate(blocks):
        if level:
            yield block.child("conv0"), f"convolutions.{2 * level - 1}"
        yield block.child("conv1"), f"convolutions.{2 * level}"
    coloured = blocks if _architecture(synthesis) == "skip" else blocks[-1:]
    for level, block in enumerate(coloured):
        yield block.child("torgb"), f"to_rgbs.{level}"


def _shortcuts(synthesis: Layer) -> Iterator[Layer]:
    """The layers beside the blocks, if the network has any."""
    if _architecture(synthesis) == "resnet":
        for block in _blocks(synthesis)[1:]:
            layer = block.child("skip")
            require(
                set(layer.values) - {"weight", "resample_filter"}, set(), "further tensors in its shortcuts"
            )
            require(layer.record.state.get("conv_clamp"), None, "conv_clamp of the shortcuts")
            yield layer


def _modulated_tensors(layer: Layer, prefix: str) -> dict[str, Tensor]:
    affine = layer.child("affine")
    require(affine.attribute("bias_gain"), 1, "bias_gain of the styles")
    tensors = layer.tensors(prefix, "weight", "bias") | affine.tensors(f"{prefix}.affine", "weight", "bias")
    if prefix.startswith("to_rgbs"):
        return tensors
    require(layer.attribute("activation"), "lrelu", "activation")
    if not layer.attribute("use_noise"):
        resolution = layer.attribute("resolution")
        return tensors | {
            f"{prefix}.noise_strength": as_tensor(0, prefix),
            f"{prefix}.noise_const": as_tensor(0, prefix).expand(resolution, resolution),
        }
    return tensors | layer.tensors(prefix, "noise_strength", "noise_const")


def _resampling(synthesis: Layer) -> dict[str, list[float]]:
    """The filter of the layers that enlarge; a network of 4 px has none."""
    filters: dict[str, Any] = {}
    for block in _blocks(synthesis)[1:]:
        for layer in (block, block.child("conv0")):
            filters[layer.name] = taps_of(layer.tensor("resample_filter"), f"{layer.name}.resample_filter")
    filters |= {
        layer.name: taps_of(layer.tensor("resample_filter"), f"{layer.name}.resample_filter")
        for layer in _shortcuts(synthesis)
    }
    return {"resample_taps": common(filters, "resampling filters")} if filters else {}
