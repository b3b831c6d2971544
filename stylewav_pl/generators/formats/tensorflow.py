"""NVIDIA's TensorFlow pickles of StyleGAN2: the networks ``(G, D, Gs)`` with their variables as NumPy arrays.

Weights are ``[height, width, in, out]``; the bias of a style is stored without its 1; kernels of layers that
enlarge are stored turned by 180 degrees. Equalised learning rates work as in the paper: the stored weight
times ``multiplier / sqrt(fan in)``.
"""

from collections.abc import Mapping
from typing import Any

from torch import Tensor

from stylewav_pl.errors import WeightsError
from stylewav_pl.generators.formats.base import Format, Published, Variables, as_tensor, require, taps_of
from stylewav_pl.generators.stylegan2 import ARCHITECTURES
from stylewav_pl.generators.upsampling import BINOMIAL
from stylewav_pl.weights.pickles import InertObject, brief

SETTINGS = {
    "num_channels": (3, "image channels"),
    "nonlinearity": ("lrelu", "activation"),
    "mapping_nonlinearity": ("lrelu", "activation of the mapping network"),
    "normalize_latents": (True, "normalize_latents"),
}
"""Settings that change what the network computes, with the value that this version can use, which is also the
default."""

NEAREST = (1, 1)
"""What the filter is where the setting is explicitly none."""


class TensorFlowPickle(Format):
    """Recognises a tuple of ``dnnlib.tflib.network.Network``, or a bare one.

    The last of a tuple is the averaged generator.
    """

    name = "NVIDIA pickle of TensorFlow (stylegan2, stylegan2-ada)"

    def read(self, contents: Any) -> Published | None:
        """See :meth:`Format.read`."""
        found = network_of(contents)
        if found is None:
            return None
        network, settings, variables = found
        settings = {"resample_kernel": BINOMIAL, **settings}
        _check_architecture(network, settings, variables)
        architecture = settings.get("architecture", "skip")
        return self.published(
            Reader(variables, settings.get("use_noise", True), architecture).tensors(),
            architecture=architecture,
            mapping_learning_rate_multiplier=settings.get("mapping_lrmul", 0.01),
            conv_clamp=settings.get("conv_clamp"),
            resample_taps=taps_of(
                as_tensor(settings.get("resample_kernel") or NEAREST, "resample_kernel"), "resample_kernel"
            ),
        )


def network_of(contents: Any) -> tuple[InertObject, dict[str, Any], dict[str, Any]] | None:
    """The averaged generator of a file, its settings and its variables; ``None`` if there is none."""
    network = contents[-1] if isinstance(contents, tuple | list) and contents else contents
    if not isinstance(network, InertObject) or network.kind != "Network":
        return None
    components = [
        part for part in _dictionary(network, "components").values() if isinstance(part, InertObject)
    ]
    settings: dict[str, Any] = {}
    variables: dict[str, Any] = {}
    for part in (*components, network):  # the settings of the whole count more than those of its parts
        settings |= _dictionary(part, "static_kwargs")
        variables |= _variables(part)
    return network, settings, variables


class Reader(Variables):
    """Takes the variables of a generator under our names.

    Args:
        variables: By name, such as ``8x8/Conv0_up/weight``.
        use_noise: Whether its layers add noise.
        architecture: How the blocks are joined, see :class:`StyleGAN2`.
    """

    def __init__(self, variables: Mapping[str, Any], use_noise: bool, architecture: str) -> None:
        super().__init__(variables, "a StyleGAN2 generator")
        self.use_noise = use_noise
        self.architecture = architecture

    def tensors(self) -> dict[str, Tensor]:
        """All of them.

        Raises:
            WeightsError: One is missing, or one is left over.
        """
        self.values.pop("lod", None)  # the level of detail of progressive growing
        tensors = {"constant": self.take("4x4/Const/const").squeeze(0)}
        if "dlatent_avg" in self.values:
            tensors["w_mean"] = self.take("dlatent_avg")
        for index in range(
            sum(name.startswith("Dense") and name.endswith("/weight") for name in self.values)
        ):
            tensors[f"mapping.layers.{index}.weight"] = self.take(f"Dense{index}/weight").T.contiguous()
            tensors[f"mapping.layers.{index}.bias"] = self.take(f"Dense{index}/bias")
        levels = sum(name.endswith(("/Conv/weight", "/Conv1/weight")) for name in self.values)
        for level in range(levels):
            tensors |= self.block(level)
        for index, level in enumerate(range(levels) if self.architecture == "skip" else [levels - 1]):
            tensors |= self.layer(f"{4 << level}x{4 << level}/ToRGB", f"to_rgbs.{index}")
        self.done()
        return tensors

    def block(self, level: int) -> dict[str, Tensor]:
        """The layers of one resolution."""
        scope = f"{4 << level}x{4 << level}"
        tensors: dict[str, Tensor] = {}
        if level and self.architecture == "resnet":
            tensors[f"shortcuts.{level - 1}.weight"] = (
                self.take(f"{scope}/Skip/weight").permute(3, 2, 0, 1).contiguous()
            )
        names = {2 * level: "Conv1", 2 * level - 1: "Conv0_up"} if level else {0: "Conv"}
        for index, name in names.items():
            prefix = f"convolutions.{index}"
            tensors |= self.layer(f"{scope}/{name}", prefix) | self.noise(
                f"{scope}/{name}", prefix, index, 4 << level
            )
            if name == "Conv0_up":
                tensors[f"{prefix}.weight"] = tensors[f"{prefix}.weight"].flip(2, 3)
        return tensors

    def layer(self, scope: str, prefix: str) -> dict[str, Tensor]:
        """A modulated convolution."""
        return {
            f"{prefix}.weight": self.take(f"{scope}/weight").permute(3, 2, 0, 1).contiguous(),
            f"{prefix}.bias": self.take(f"{scope}/bias"),
            f"{prefix}.affine.weight": self.take(f"{scope}/mod_weight").T.contiguous(),
            f"{prefix}.affine.bias": self.take(f"{scope}/mod_bias") + 1,
        }

    def noise(self, scope: str, prefix: str, index: int, resolution: int) -> dict[str, Tensor]:
        """Noise map and strength."""
        if not self.use_noise:
            return {
                f"{prefix}.noise_strength": as_tensor(0, scope),
                f"{prefix}.noise_const": as_tensor(0, scope).expand(resolution, resolution),
            }
        tensors = {f"{prefix}.noise_strength": self.take(f"{scope}/noise_strength").reshape(())}
        if (noise := f"noise{index}") in self.values:
            tensors[f"{prefix}.noise_const"] = self.take(noise).squeeze((0, 1))
        return tensors


def _dictionary(record: InertObject, name: str) -> dict[str, Any]:
    found = record.state.get(name)
    return found if isinstance(found, dict) else {}


def _variables(network: InertObject) -> dict[str, Any]:
    """The variables of one network by their names within it."""
    pairs = network.state.get("variables")
    if not isinstance(pairs, list | tuple) or not all(
        isinstance(pair, tuple) and len(pair) == 2 and isinstance(pair[0], str) for pair in pairs
    ):
        raise WeightsError(
            "Its variables are not pairs of name and array. Expected a TensorFlow network as dnnlib stores "
            "it."
        )
    return {name.removeprefix("G_mapping/").removeprefix("G_synthesis/"): value for name, value in pairs}


def _check_architecture(
    network: InertObject, settings: Mapping[str, Any], variables: Mapping[str, Any]
) -> None:
    function = brief(network.state.get("build_func_name")).strip("'")
    if "4x4/Const/const" not in variables:
        raise WeightsError(
            f"It holds a TensorFlow network built by {function}, with the variables "
            f"{brief(list(variables))}. Expected a StyleGAN2 generator."
        )
    labels = settings.get("label_size") or 0
    if labels or any(name.startswith(("LabelConcat/", "LabelEmbed/")) for name in variables):
        raise WeightsError(
            f"It holds a conditional StyleGAN2 (labels of width {brief(labels)}). Expected a network without "
            "labels."
        )
    if (architecture := settings.get("architecture", "skip")) not in ARCHITECTURES:
        raise WeightsError(
            f"It is a StyleGAN2 with architecture = {brief(architecture)}; this version can use "
            f"{', '.join(ARCHITECTURES)}."
        )
    for name, (usable, what) in SETTINGS.items():
        require(settings.get(name, usable), usable, what)
