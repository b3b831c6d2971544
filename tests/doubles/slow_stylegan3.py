"""StyleGAN3 as the paper describes it, slowly, and small files as NVIDIA writes them.

Source: Karras et al., "Alias-Free Generative Adversarial Networks" (2021). Weights are modulated for each
sample, zeros are inserted, every sum is written out; nothing here is shared with the package. The filters
are random and not symmetric, so that a flip would be seen. Tests use float64.
"""

import math
from dataclasses import dataclass

import numpy as np
import torch
from published_stylegan2 import Persistent, dump
from torch import Tensor


@dataclass
class Layer:
    weight: Tensor  # [out, in, kernel, kernel]
    bias: Tensor
    style_weight: Tensor  # [in, w]
    style_bias: Tensor
    magnitude: Tensor
    up_filter: Tensor | None
    down_filter: Tensor | None
    up: int
    down: int
    padding: list[int]
    to_rgb: bool = False
    clamp: float | None = 256.0


@dataclass
class Values:
    """Everything that a network is made of."""

    mapping: list[tuple[Tensor, Tensor]]
    mean: Tensor | None
    input_weight: Tensor
    input_style_weight: Tensor
    input_style_bias: Tensor
    transform: Tensor
    freqs: Tensor
    phases: Tensor
    size: int
    sampling_rate: float
    bandwidth: float
    layers: list[Layer]


def random_values(kernel=3, radial=False, w=7, z=5, depth=2, seed=0, clamp=256.0):
    """A network of 8 px with one layer that doubles the rate; nothing of it is zero or symmetric."""
    random = torch.Generator().manual_seed(seed)

    def draw(*shape):
        return torch.randn(shape, generator=random)

    def layer(inputs, outputs, kernel, up, down, taps, padding, radial=False, to_rgb=False):
        filters = [None if count == 0 else draw(count) / count + 1 / count for count in taps]
        if radial:
            filters[1] = draw(taps[1], taps[1]) / taps[1] ** 2 + 1 / taps[1] ** 2
        return Layer(
            draw(outputs, inputs, kernel, kernel), draw(outputs) / 4, draw(inputs, w), 1 + draw(inputs) / 4,
            draw().square() + 0.5, *filters, up, down, padding, to_rgb, clamp,
        )  # fmt: skip

    layers = [
        layer(6, 5, kernel, 2, 2, (4, 6), [3, 4, 4, 3], radial),
        layer(5, 4, kernel, 4, 2, (8, 6), [1, -2, -1, 0], radial),
        layer(4, 4, kernel, 2, 2, (4, 6), [-9, -8, -9, -8] if kernel == 3 else [1, 2, 1, 2]),
        layer(4, 3, 1, 1, 1, (0, 0), [0, 0, 0, 0], to_rgb=True),
    ]
    widths = [z] + [w] * depth
    mapping = [(100 * draw(widths[i + 1], widths[i]), 10 * draw(widths[i + 1])) for i in range(depth)]
    transform = torch.tensor([[0.9, -0.2, 0.1], [0.3, 1.1, -0.2], [0.0, 0.0, 1.0]])
    return Values(
        mapping, draw(w) / 4, draw(6, 6), draw(4, w) / 4, torch.tensor([1.0, 0.3, 0.1, -0.2]), transform,
        draw(6, 2), draw(6) / 2, 8, 8.0, 2.0, layers,
    )  # fmt: skip


def doubled(part):
    """The same in float64."""
    if isinstance(part, Tensor):
        return part.double()
    if isinstance(part, list | tuple):
        return type(part)(doubled(each) for each in part)
    if isinstance(part, Layer | Values):
        return type(part)(**{name: doubled(value) for name, value in vars(part).items()})
    return part


def slow_map(values, z):
    z = z / (z.square().mean(dim=1, keepdim=True) + 1e-8).sqrt()
    for weight, bias in values.mapping:
        z = z @ (0.01 * weight / math.sqrt(weight.shape[1])).T + 0.01 * bias
        z = torch.where(z > 0, z, 0.2 * z) * math.sqrt(2)
    return z


def slow_style(weight, bias, w):
    return weight @ w / math.sqrt(len(w)) + bias


def slow_input(values, w):
    turn = slow_style(values.input_style_weight, values.input_style_bias, w)
    cosine, sine, right, down = turn / (turn[0] ** 2 + turn[1] ** 2).sqrt()
    rotation = torch.eye(3, dtype=w.dtype)
    rotation[0, 0], rotation[0, 1], rotation[1, 0], rotation[1, 1] = cosine, -sine, sine, cosine
    shift = torch.eye(3, dtype=w.dtype)
    shift[0, 2], shift[1, 2] = -right, -down
    matrix = rotation @ shift @ values.transform
    places = (torch.arange(values.size, dtype=w.dtype) + 0.5 - values.size / 2) / values.sampling_rate
    waves = []
    for freq, phase in zip(values.freqs, values.phases, strict=True):
        turned, moved = freq @ matrix[:2, :2], phase + freq @ matrix[:2, 2]
        excess = (turned.norm() - values.bandwidth) / (values.sampling_rate / 2 - values.bandwidth)
        angle = places[None, :] * turned[0] + places[:, None] * turned[1] + moved
        waves.append((2 * math.pi * angle).sin() * (1 - excess).clamp(0, 1))
    return torch.einsum("oc,chw->ohw", values.input_weight / math.sqrt(len(waves)), torch.stack(waves))


def convolved(x, kernel, padding=0):
    """``[C, H, W]`` with ``[O, C, k, k]``: every sum by its definition, not flipped."""
    size = kernel.shape[-1]
    x = torch.nn.functional.pad(x, (padding,) * 4)
    return torch.einsum("chwyx,ocyx->ohw", x.unfold(1, size, 1).unfold(2, size, 1), kernel)


def filtered(x, kernel):
    """Each channel convolved (flipped) with one kernel."""
    if kernel is None:
        return x
    kernel = torch.outer(kernel, kernel) if kernel.ndim == 1 else kernel
    turned = kernel.flip(0, 1)
    return torch.stack([convolved(each[None], turned[None, None])[0] for each in x])


def slow_layer(layer, x, w):
    style = slow_style(layer.style_weight, layer.style_bias, w)
    weight = layer.weight
    if layer.to_rgb:
        weight = weight * (style / math.sqrt(weight[0].numel()))[:, None, None]
    else:
        weight = weight / weight.square().mean(dim=(1, 2, 3), keepdim=True).sqrt()
        weight = weight * (style / style.square().mean().sqrt())[:, None, None]
        weight = weight / (weight.square().sum(dim=(1, 2, 3), keepdim=True) + 1e-8).sqrt()
    x = convolved(x, weight / layer.magnitude.sqrt(), padding=weight.shape[-1] - 1)
    x = x + layer.bias[:, None, None]
    wide = x.new_zeros(len(x), x.shape[1] * layer.up, x.shape[2] * layer.up)
    wide[:, :: layer.up, :: layer.up] = x
    wide = filtered(torch.nn.functional.pad(wide, layer.padding), layer.up_filter) * layer.up**2
    if not layer.to_rgb:
        wide = torch.where(wide > 0, wide, 0.2 * wide) * math.sqrt(2)
    if layer.clamp is not None:
        wide = wide.clamp(-layer.clamp, layer.clamp)
    return filtered(wide, layer.down_filter)[:, :: layer.down, :: layer.down]


def slow_image(values, ws):
    """``[layer, w]`` to ``[3, R, R]``."""
    x = slow_input(values, ws[0])
    for layer, w in zip(values.layers, ws[1:], strict=True):
        x = slow_layer(layer, x, w)
    return 0.25 * x


def _dense(weight, bias, activation, gain):
    facts = {"activation": activation, "bias_gain": gain, "weight_gain": gain / weight.shape[1] ** 0.5}
    return Persistent("FullyConnectedLayer", {"weight": weight, "bias": bias}, **facts)


def _layer(layer):
    return Persistent(
        "SynthesisLayer",
        {"weight": layer.weight, "bias": layer.bias},
        {
            "magnitude_ema": layer.magnitude,
            "up_filter": layer.up_filter,
            "down_filter": layer.down_filter,
        },
        {"affine": _dense(layer.style_weight, layer.style_bias, "linear", 1)},
        conv_clamp=layer.clamp,
        is_torgb=layer.to_rgb,
        up_factor=np.int64(layer.up),
        down_factor=layer.down,
        padding=[np.int64(border) for border in layer.padding],
    )


def generator_of(values, c_dim=0, **attributes):
    """The persistent object; ``attributes`` are added to its first layer."""
    start = Persistent(
        "SynthesisInput",
        {"weight": values.input_weight},
        {"transform": values.transform, "freqs": values.freqs, "phases": values.phases},
        {"affine": _dense(values.input_style_weight, values.input_style_bias, "linear", 1)},
        size=np.array([values.size, values.size]),
        sampling_rate=values.sampling_rate,
        bandwidth=values.bandwidth,
    )
    layers = {f"L{i}_x_{len(layer.weight)}": _layer(layer) for i, layer in enumerate(values.layers)}
    next(iter(layers.values())).meta["state"].update(attributes)
    synthesis = Persistent("SynthesisNetwork", modules={"input": start, **layers}, output_scale=0.25)
    dense = {f"fc{i}": _dense(*pair, "lrelu", 0.01) for i, pair in enumerate(values.mapping)}
    mean = {} if values.mean is None else {"w_avg": values.mean}
    mapping = Persistent("MappingNetwork", {}, mean, dense)
    return Persistent(
        "Generator", modules={"synthesis": synthesis, "mapping": mapping}, c_dim=c_dim, img_channels=3
    )


def write_alias_free(path, values, protocol=4, **attributes):
    """``G, D, G_ema`` as the training of StyleGAN3 stores them."""
    contents = {"G": None, "D": Persistent("Discriminator"), "G_ema": generator_of(values, **attributes)}
    dump(path, contents, protocol)
