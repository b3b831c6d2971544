"""Files of the first StyleGAN: NVIDIA's TensorFlow pickles, and their conversions to PyTorch (``.pth``).

Weights of a TensorFlow pickle are ``[height, width, in, out]``; those of a conversion lie as PyTorch has
them. Both store them without the factor ``gain / sqrt(fan in)``. Coarser ToRGB layers are left over from
progressive growing, and not read.
"""

from collections.abc import Callable, Mapping
from typing import Any

from torch import Tensor

from stylewav_pl.errors import WeightsError
from stylewav_pl.generators.formats.base import Format, Published, Variables, require, size
from stylewav_pl.generators.formats.tensorflow import network_of
from stylewav_pl.weights.pickles import brief

SETTINGS = {
    "num_channels": (3, "image channels"),
    "nonlinearity": ("lrelu", "activation"),
    "mapping_nonlinearity": ("lrelu", "activation of the mapping network"),
    "normalize_latents": (True, "normalize_latents"),
    "use_styles": (True, "use_styles"),
    "use_instance_norm": (True, "use_instance_norm"),
    "use_pixel_norm": (False, "use_pixel_norm"),
    "use_noise": (True, "use_noise"),
    "use_wscale": (True, "use_wscale"),
    "const_input_layer": (True, "const_input_layer"),
    "label_size": (0, "label_size"),
}
"""Settings that change what the network computes, with the usable value, which is also the default."""

FUSED = {"auto": 128, True: 8, False: None}
"""From which height on resolutions are doubled by transposed convolutions, by the setting ``fused_scale``."""

STYLE_MARK = "/StyleMod/"
CONVERTED_MARK = "synthesis.layer0.const"


class StyleGANTensorFlow(Format):
    """A tuple of TensorFlow networks, of which the last is the averaged generator, or a bare one."""

    name = "NVIDIA pickle of TensorFlow (stylegan)"

    def read(self, contents: Any) -> Published | None:
        """See :meth:`Format.read`."""
        found = network_of(contents)
        if found is None or not any(STYLE_MARK in name for name in found[2]):
            return None
        _, settings, variables = found
        for name, (usable, what) in SETTINGS.items():
            require(settings.get(name, usable), usable, what, "StyleGAN")
        blur = settings.get("blur_filter", [1, 2, 1])
        require(list(blur) if isinstance(blur, list | tuple) else blur, [1, 2, 1], "blur_filter", "StyleGAN")
        fused = settings.get("fused_scale", "auto")
        if not isinstance(fused, bool) and fused != "auto":
            raise WeightsError(
                f"It is a StyleGAN with fused_scale = {brief(fused)}; expected auto or a truth value."
            )
        reader = Variables(variables, "a StyleGAN generator")
        tensors = _from_tensorflow(reader)
        return published(self.name, tensors, settings.get("mapping_lrmul", 0.01), FUSED[fused])


class StyleGANConversion(Format):
    """A dictionary with ``generator_smooth``, or the bare state of a generator."""

    name = "StyleGAN converted to PyTorch (.pth)"

    def read(self, contents: Any) -> Published | None:
        """See :meth:`Format.read`."""
        if not isinstance(contents, dict):
            return None
        state = contents.get("generator_smooth", contents)
        if not isinstance(state, dict) or CONVERTED_MARK not in state:
            return None
        reader = Variables(state, "a StyleGAN generator")
        return published(self.name, _from_conversion(reader), 0.01, FUSED["auto"])


def published(name: str, tensors: Mapping[str, Tensor], multiplier: Any, fused_from: int | None) -> Published:
    """The result of both formats, with all sizes read from the shapes of the tensors."""
    depth = sum(key.startswith("mapping.layers.") and key.endswith(".weight") for key in tensors)
    levels = sum(key.startswith("layers.") and key.endswith(".affine.weight") for key in tensors) // 2
    return Published(
        name,
        "stylegan",
        {
            "channels": {
                str(4 << level): size(tensors, f"layers.{2 * level}.bias", 0) for level in range(levels)
            },
            "z_dim": size(tensors, "mapping.layers.0.weight", 1),
            "w_dim": size(tensors, "layers.0.affine.weight", 1),
            "mapping_depth": depth,
            "mapping_width": size(tensors, "mapping.layers.0.weight", 0),
            "mapping_learning_rate_multiplier": float(multiplier),
            "fused_from": fused_from,
        },
        tensors,
    )


def _from_tensorflow(reader: Variables) -> dict[str, Tensor]:
    levels = reader.count("x", "/Conv1/weight") + 1
    tensors = {"constant": reader.take("4x4/Const/const").squeeze(0)}
    if "dlatent_avg" in reader.values:
        tensors["w_mean"] = reader.take("dlatent_avg")
    for index in range(reader.count("Dense", "/weight")):
        tensors[f"mapping.layers.{index}.weight"] = reader.take(f"Dense{index}/weight").T.contiguous()
        tensors[f"mapping.layers.{index}.bias"] = reader.take(f"Dense{index}/bias")
    for index in range(2 * levels):
        scope = _scope(index)
        prefix = f"layers.{index}"
        tensors |= _epilogue(reader, prefix, scope, transposed=True)
        if index:
            tensors[f"{prefix}.weight"] = _kernel(reader.take(f"{scope}/weight"))
        if (noise := f"noise{index}") in reader.values:
            tensors[f"{prefix}.noise_const"] = reader.take(noise).squeeze((0, 1))
    tensors["to_rgb.weight"] = _kernel(reader.take("ToRGB_lod0/weight"))
    tensors["to_rgb.bias"] = reader.take("ToRGB_lod0/bias")
    reader.done(lambda name: name == "lod" or name.startswith("ToRGB_lod"))
    return tensors


def _scope(index: int) -> str:
    """The name of a layer of TensorFlow: ``4x4/Const``, ``4x4/Conv``, ``8x8/Conv0_up``, ``8x8/Conv1``, ..."""
    size = 4 << index // 2
    names = ("Const", "Conv") if index < 2 else ("Conv0_up", "Conv1")
    return f"{size}x{size}/{names[index % 2]}"


def _kernel(weight: Tensor) -> Tensor:
    return weight.permute(3, 2, 0, 1).contiguous()


def _epilogue(reader: Variables, prefix: str, scope: str, transposed: bool) -> dict[str, Tensor]:
    """What follows a layer's convolution: bias, noise, style."""
    names = ("Noise/weight", "StyleMod/weight", "StyleMod/bias")
    if not transposed:
        names = ("apply_noise.weight", "style.weight", "style.bias")
    join: Callable[[str], str] = (
        (lambda name: f"{scope}/{name}") if transposed else (lambda name: f"{scope}.{name}")
    )
    noise, weight, bias = (reader.take(join(name)) for name in names)
    return {
        f"{prefix}.bias": reader.take(join("bias")),
        f"{prefix}.noise_strength": noise,
        f"{prefix}.affine.weight": weight.T.contiguous() if transposed else weight,
        f"{prefix}.affine.bias": bias,
    }


def _from_conversion(reader: Variables) -> dict[str, Tensor]:
    layers = reader.count("synthesis.layer", ".style.weight")
    tensors = {"constant": reader.take(CONVERTED_MARK).squeeze(0)}
    if "truncation.w_avg" in reader.values:
        tensors["w_mean"] = reader.take("truncation.w_avg")
    for index in range(reader.count("mapping.dense", ".weight")):
        for part in ("weight", "bias"):
            tensors[f"mapping.layers.{index}.{part}"] = reader.take(f"mapping.dense{index}.{part}")
    for index in range(layers):
        scope, prefix = f"synthesis.layer{index}", f"layers.{index}"
        tensors |= _epilogue(reader, prefix, scope, transposed=False)
        if index:
            tensors[f"{prefix}.weight"] = reader.take(f"{scope}.weight")
        if f"{scope}.apply_noise.noise" in reader.values:
            tensors[f"{prefix}.noise_const"] = reader.take(f"{scope}.apply_noise.noise").squeeze((0, 1))
    last = layers // 2 - 1
    tensors["to_rgb.weight"] = reader.take(f"synthesis.output{last}.weight")
    tensors["to_rgb.bias"] = reader.take(f"synthesis.output{last}.bias")
    reader.done(
        lambda name: (
            name.startswith(("synthesis.lod", "synthesis.output", "truncation."))
            or name.endswith(".blur.kernel")
        )
    )
    return tensors
