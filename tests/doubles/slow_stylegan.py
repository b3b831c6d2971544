"""The first StyleGAN as its paper describes it, slowly, and small files of both layouts.

Source: Karras et al., "A Style-Based Generator Architecture for Generative Adversarial Networks" (2019).
Nothing here is shared with the package. Tests use float64.
"""

import math
import pickle
from dataclasses import dataclass

import numpy as np
import torch
from published_stylegan2 import SOURCE, published_classes
from slow_stylegan3 import convolved
from torch import Tensor


@dataclass
class Styled:
    weight: Tensor | None  # [out, in, 3, 3]; the first layer has none
    bias: Tensor
    strength: Tensor
    noise: Tensor | None  # [R, R]
    style_weight: Tensor  # [2 out, w]
    style_bias: Tensor


@dataclass
class StyleGANValues:
    """Everything that a network is made of."""

    mapping: list[tuple[Tensor, Tensor]]
    mean: Tensor | None
    constant: Tensor
    layers: list[Styled]
    rgb_weight: Tensor  # [3, in, 1, 1]
    rgb_bias: Tensor
    fused: bool = False


def stylegan_values(channels=(6, 5, 4), w=7, z=5, width=8, depth=3, seed=0, fused=False):
    random = torch.Generator().manual_seed(seed)

    def draw(*shape):
        return torch.randn(shape, generator=random)

    layers = []
    for index in range(2 * len(channels)):
        level = index // 2
        out, size = channels[level], 4 << level
        inputs = channels[max(level - 1, 0)] if index % 2 == 0 else out
        weight = draw(out, inputs, 3, 3) if index else None
        layers.append(Styled(weight, draw(out), draw(out), draw(size, size), draw(2 * out, w), draw(2 * out)))
    widths = [z] + [width] * (depth - 1) + [w]
    mapping = [(100 * draw(widths[i + 1], widths[i]), 10 * draw(widths[i + 1])) for i in range(depth)]
    constant, colours = draw(channels[0], 4, 4), (draw(3, channels[-1], 1, 1), draw(3))
    return StyleGANValues(mapping, draw(w), constant, layers, *colours, fused)


def exact(part):
    """The same in float64."""
    if isinstance(part, Tensor):
        return part.double()
    if isinstance(part, list | tuple):
        return type(part)(exact(each) for each in part)
    if isinstance(part, Styled | StyleGANValues):
        return type(part)(**{name: exact(value) for name, value in vars(part).items()})
    return part


def slow_w(values, z):
    z = z / (z.square().mean(dim=1, keepdim=True) + 1e-8).sqrt()
    for weight, bias in values.mapping:
        z = z @ (math.sqrt(2) * 0.01 * weight / math.sqrt(weight.shape[1])).T + 0.01 * bias
        z = torch.where(z > 0, z, 0.2 * z)
    return z


def _repeated(x):
    return x.repeat_interleave(2, dim=1).repeat_interleave(2, dim=2)


def slow_layer(values, index, x, w, noise):
    layer = values.layers[index]
    if layer.weight is not None:
        weight = layer.weight * math.sqrt(2 / layer.weight[0].numel())
        enlarges = index % 2 == 0
        if enlarges:
            x = _repeated(x)
            weight = weight.flip(2, 3) if values.fused else weight
        x = convolved(x, weight, padding=1)
        if enlarges:
            blur = torch.outer(*(x.new_tensor([0.25, 0.5, 0.25]),) * 2)
            x = torch.stack([convolved(each[None], blur[None, None], padding=1)[0] for each in x])
    if noise == "const":
        x = x + layer.strength[:, None, None] * layer.noise
    x = x + layer.bias[:, None, None]
    x = torch.where(x > 0, x, 0.2 * x)
    style = layer.style_weight @ w / math.sqrt(len(w)) + layer.style_bias
    maps = []
    for channel, feature in enumerate(x):
        feature = feature - feature.mean()
        feature = feature / (feature.square().mean() + 1e-8).sqrt()
        maps.append(feature * (1 + style[channel]) + style[len(x) + channel])
    return torch.stack(maps)


def slow_stylegan(values, ws, noise="const"):
    """``[layer, w]`` to ``[3, R, R]``."""
    x = values.constant
    for index in range(len(values.layers)):
        x = slow_layer(values, index, x, ws[index], noise)
    weight = values.rgb_weight / math.sqrt(len(x))
    return convolved(x, weight) + values.rgb_bias[:, None, None]


def _names(index):
    size = 4 << index // 2
    return f"{size}x{size}/" + (("Const", "Conv") if index < 2 else ("Conv0_up", "Conv1"))[index % 2]


def write_stylegan_tensorflow(path, values, protocol=4, settings=None, extra=()):
    """NVIDIA's pickle: ``(G, D, Gs)``, colours of coarser resolutions included."""
    synthesis = [("lod", np.float32(0)), ("4x4/Const/const", values.constant[None].numpy())]
    for index, layer in enumerate(values.layers):
        scope = _names(index)
        if layer.noise is not None:
            synthesis.append((f"noise{index}", layer.noise[None, None].numpy()))
        if layer.weight is not None:
            synthesis.append((f"{scope}/weight", layer.weight.permute(2, 3, 1, 0).numpy()))
        synthesis += [
            (f"{scope}/Noise/weight", layer.strength.numpy()),
            (f"{scope}/bias", layer.bias.numpy()),
            (f"{scope}/StyleMod/weight", layer.style_weight.T.numpy()),
            (f"{scope}/StyleMod/bias", layer.style_bias.numpy()),
        ]
    synthesis += [
        ("ToRGB_lod0/weight", values.rgb_weight.permute(2, 3, 1, 0).numpy()),
        ("ToRGB_lod0/bias", values.rgb_bias.numpy()),
        ("ToRGB_lod1/weight", np.zeros((1, 1, 4, 3), np.float32)),
        ("ToRGB_lod1/bias", np.zeros(3, np.float32)),
        *extra,
    ]
    mapping = []
    for index, (weight, bias) in enumerate(values.mapping):
        mapping += [(f"Dense{index}/weight", weight.T.numpy()), (f"Dense{index}/bias", bias.numpy())]
    kwargs = {"num_channels": 3, "label_size": 0, "fused_scale": values.fused, **(settings or {})}
    with published_classes() as classes, path.open("wb") as file:

        def network(name, function, variables, components):
            one = classes.Network()
            one.version, one.name, one.static_kwargs = 3, name, kwargs
            one.components, one.variables = components, variables
            one.build_module_src, one.build_func_name = SOURCE, function
            return one

        parts = {
            "synthesis": network("G_synthesis", "G_synthesis", synthesis, {}),
            "mapping": network("G_mapping", "G_mapping", mapping, {}),
        }
        mean = [] if values.mean is None else [("dlatent_avg", values.mean.numpy())]
        whole = network("Gs", "G_style", [("lod", np.float32(0)), *mean], parts)
        pickle.dump((whole, network("D", "D_basic", [], {}), whole), file, protocol)


def conversion_state(values):
    """The state of a generator as conversions to PyTorch have it."""
    state = {}
    for index, (weight, bias) in enumerate(values.mapping):
        state |= {f"mapping.dense{index}.weight": weight, f"mapping.dense{index}.bias": bias}
    if values.mean is not None:
        state["truncation.w_avg"] = values.mean
    state |= {"synthesis.lod": torch.zeros(()), "synthesis.layer0.const": values.constant[None]}
    for index, layer in enumerate(values.layers):
        scope = f"synthesis.layer{index}"
        if layer.weight is not None:
            state[f"{scope}.weight"] = layer.weight
        if layer.noise is not None:
            state[f"{scope}.apply_noise.noise"] = layer.noise[None, None]
        if index and index % 2 == 0:
            state[f"{scope}.blur.kernel"] = torch.ones(len(layer.bias), 1, 3, 3)
        state |= {
            f"{scope}.bias": layer.bias,
            f"{scope}.apply_noise.weight": layer.strength,
            f"{scope}.style.weight": layer.style_weight,
            f"{scope}.style.bias": layer.style_bias,
        }
    last = len(values.layers) // 2 - 1
    state |= {"synthesis.output0.weight": torch.zeros(3, 6, 1, 1), "synthesis.output0.bias": torch.zeros(3)}
    state |= {f"synthesis.output{last}.weight": values.rgb_weight}
    return state | {f"synthesis.output{last}.bias": values.rgb_bias}


def write_stylegan_conversion(path, values):
    """The ``.pth`` file."""
    state = conversion_state(values)
    torch.save({"generator": {}, "discriminator": {}, "generator_smooth": state}, path)
