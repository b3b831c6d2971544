"""StyleGAN2 as the paper writes it, slowly: weights modulated for each sample, zeros inserted, every sum by
its definition.

Source: Karras et al., "Analyzing and Improving the Image Quality of StyleGAN" (2020), section 2 and appendix
B. Nothing here is shared with the package. Works in any precision; tests use float64.
"""

from dataclasses import dataclass, field
from itertools import pairwise

import torch
from torch import Tensor

BINOMIAL = (1.0, 3.0, 3.0, 1.0)


@dataclass
class Modulated:
    weight: Tensor  # [out, in, kernel, kernel], as learned: with unit variance at the start
    bias: Tensor
    style_weight: Tensor  # [in, w]
    style_bias: Tensor  # with its 1
    noise_strength: Tensor = field(default_factory=lambda: torch.zeros(()))
    noise: Tensor | None = None


@dataclass
class Values:
    """Everything that a network is made of, in no format's order."""

    mapping: list[tuple[Tensor, Tensor]]
    multiplier: float
    mean: Tensor | None
    constant: Tensor
    convolutions: list[Modulated]
    to_rgbs: list[Modulated]
    taps: tuple[float, ...] = BINOMIAL
    clamp: float | None = None
    design: str = "skip"
    shortcuts: list[Tensor] = field(default_factory=list)  # [out, in, 1, 1], as learned

    @property
    def w_dim(self) -> int:
        return self.to_rgbs[0].style_weight.shape[1]


def random_values(
    channels,
    *,
    z=6,
    w=9,
    hidden=None,
    depth=3,
    multiplier=0.01,
    taps=BINOMIAL,
    clamp=None,
    seed=0,
    design="skip",
):
    """A network of feature channels ``channels`` from 4 px up; everything that starts at zero is made to
    count."""
    random = torch.Generator().manual_seed(seed)

    def normal(*shape):
        return torch.randn(*shape, generator=random)

    def modulated(inputs, outputs, kernel, size=None):
        styles = (normal(inputs, w), 1 + 0.3 * normal(inputs))
        noise = {} if size is None else {"noise_strength": 0.3 * normal(()), "noise": normal(size, size)}
        return Modulated(normal(outputs, inputs, kernel, kernel), 0.3 * normal(outputs), *styles, **noise)

    widths = [z] + [hidden or w] * (depth - 1) + [w]
    mapping = [(normal(b, a) / multiplier, 0.3 * normal(b) / multiplier) for a, b in pairwise(widths)]
    convolutions = []
    for level, width in enumerate(channels):
        if level:
            convolutions.append(modulated(channels[level - 1], width, 3, 4 << level))
        convolutions.append(modulated(width, width, 3, 4 << level))
    to_rgbs = [modulated(width, 3, 1) for width in channels][0 if design == "skip" else -1 :]
    mean, constant = 0.5 * normal(w), normal(channels[0], 4, 4)
    shortcuts = [normal(b, a, 1, 1) for a, b in pairwise(channels)] if design == "resnet" else []
    return Values(
        mapping, multiplier, mean, constant, convolutions, to_rgbs, tuple(taps), clamp, design, shortcuts
    )


def activation(x):
    return torch.where(x >= 0, x, 0.2 * x) * 2**0.5


def bounded(x, clamp):
    return x if clamp is None else torch.minimum(torch.maximum(x, torch.tensor(-clamp)), torch.tensor(clamp))


def filtered(image, taps, gain):
    """A convolution with the outer product of the taps, term by term; the image loses ``taps - 1`` pixels."""
    taps = torch.tensor(taps, dtype=image.dtype)
    taps = gain * taps / taps.sum()
    count, size = len(taps), image.shape[-1] - len(taps) + 1
    return sum(
        taps[count - 1 - row]
        * taps[count - 1 - column]
        * image[..., row : row + size, column : column + size]
        for row in range(count)
        for column in range(count)
    )


def filtered_up(image, taps=BINOMIAL):
    """Zeros between the pixels and behind the last, a border, then the filter with gain 4; odd filters have
    more border in front."""
    size = image.shape[-1]
    zeros = image.new_zeros(*image.shape[:-2], 2 * size, 2 * size)
    zeros[..., ::2, ::2] = image
    return filtered(torch.nn.functional.pad(zeros, ((len(taps) + 1) // 2, len(taps) // 2 - 1) * 2), taps, 2)


def correlated(image, weight):
    """A 3x3 correlation of one image [in, H, W] with zero borders, tap by tap."""
    size = image.shape[-1]
    padded = torch.nn.functional.pad(image, (1, 1, 1, 1))
    return sum(
        torch.einsum(
            "oi,ihw->ohw", weight[:, :, row, column], padded[:, row : row + size, column : column + size]
        )
        for row in range(3)
        for column in range(3)
    )


def convolved_up(image, weight, taps=BINOMIAL):
    """The weights stamped at every other pixel, then the filter: a transposed convolution by its
    definition."""
    size = image.shape[-1]
    stamped = image.new_zeros(weight.shape[0], 2 * size + 1, 2 * size + 1)
    for row in range(3):
        for column in range(3):
            stamp = torch.einsum("oi,ihw->ohw", weight[:, :, row, column], image)
            stamped = stamped + torch.zeros_like(stamped).index_put(
                (
                    torch.arange(weight.shape[0])[:, None, None],
                    (torch.arange(size) * 2 + row)[None, :, None],
                    (torch.arange(size) * 2 + column)[None, None, :],
                ),
                stamp,
            )
    return filtered(
        torch.nn.functional.pad(stamped, ((len(taps) + 1) // 2 - 1, len(taps) // 2 - 1) * 2), taps, 2
    )


def slow_style(layer, w):
    return layer.style_weight @ w / layer.style_weight.shape[1] ** 0.5 + layer.style_bias


def slow_styles(values, ws):
    """The styles of ws [layer, w_dim]: convolution and ToRGB at 4 px, then two convolutions and a ToRGB per
    resolution."""
    styles, last = [], len(values.convolutions) // 2
    for block in range(last + 1):
        for index in [0] if block == 0 else [2 * block - 1, 2 * block]:
            styles.append(slow_style(values.convolutions[index], ws[index]))
        if values.design == "skip" or block == last:
            to_rgb = values.to_rgbs[block if values.design == "skip" else 0]
            styles.append(slow_style(to_rgb, ws[2 * block + 1]))
    return styles


def slow_image(values, ws, noise):
    """One image [3, R, R] from ws [layer, w_dim]."""
    return slow_image_of_styles(values, slow_styles(values, ws), noise)


def slow_image_of_styles(values, styles, noise):
    """One image [3, R, R] from the styles of all layers."""
    x, image, styles = values.constant, None, iter(styles)
    last = len(values.convolutions) // 2
    for block in range(last + 1):
        before = x
        for index in [0] if block == 0 else [2 * block - 1, 2 * block]:
            layer = values.convolutions[index]
            weight = layer.weight / (9 * layer.weight.shape[1]) ** 0.5 * next(styles)[None, :, None, None]
            weight = weight / (weight.square().sum(dim=(1, 2, 3), keepdim=True) + 1e-8).sqrt()
            x = (
                convolved_up(x, weight, values.taps)
                if block > 0 and index == 2 * block - 1
                else correlated(x, weight)
            )
            if noise == "const":
                x = x + layer.noise_strength * layer.noise
            x = bounded(activation(x + layer.bias[:, None, None]), values.clamp)
        if values.shortcuts and block > 0:
            shortcut = values.shortcuts[block - 1][:, :, 0, 0] / before.shape[0] ** 0.5
            x = (x + torch.einsum("oi,ihw->ohw", shortcut, filtered_up(before, values.taps))) / 2**0.5
        if values.design != "skip" and block < last:
            continue
        to_rgb = values.to_rgbs[block if values.design == "skip" else 0]
        weight = to_rgb.weight[:, :, 0, 0] / to_rgb.weight.shape[1] ** 0.5 * next(styles)
        colours = bounded(torch.einsum("oi,ihw->ohw", weight, x) + to_rgb.bias[:, None, None], values.clamp)
        image = colours if image is None else filtered_up(image, values.taps) + colours
    return image


def slow_map(values, z):
    """w [clip, w_dim] from z."""
    x = z / (z.square().mean(dim=1, keepdim=True) + 1e-8).sqrt()
    for weight, bias in values.mapping:
        x = activation((x @ weight.T) * values.multiplier / x.shape[1] ** 0.5 + values.multiplier * bias)
    return x


def doubled(values):
    """The same network in float64."""

    def layer(one):
        return Modulated(*(None if part is None else part.double() for part in vars(one).values()))

    return Values(
        [(weight.double(), bias.double()) for weight, bias in values.mapping],
        values.multiplier,
        None if values.mean is None else values.mean.double(),
        values.constant.double(),
        [layer(one) for one in values.convolutions],
        [layer(one) for one in values.to_rgbs],
        values.taps,
        values.clamp,
        values.design,
        [weight.double() for weight in values.shortcuts],
    )


def values_of(network):
    """The values of the package's own network of skip design."""

    def layer(one):
        noise = (one.noise_strength, one.noise_const) if hasattr(one, "noise_const") else ()
        return Modulated(one.weight, one.bias, one.affine.weight, one.affine.bias, *noise)

    return Values(
        [(one.weight, one.bias) for one in network.mapping.layers],
        network.mapping_learning_rate_multiplier,
        network.w_mean,
        network.constant,
        [layer(one) for one in network.convolutions],
        [layer(one) for one in network.to_rgbs],
        network.resample_taps,
        network.conv_clamp,
    )
