"""IR-SE50 from its weights by name, one operation after the other; nothing here is shared with the package.

Source: the layout of the published state dict, and Hu et al. 2018, "Squeeze-and-Excitation Networks".
"""

import torch
from torch.nn import functional

BLOCKS = 24
WIDENING = {3, 7, 21}
HALVING = {0, 3, 7, 21}


def normalised(x, weights, name):
    """Batch normalisation with stored statistics."""
    shape = (1, -1) + (1,) * (x.ndim - 2)
    mean, variance = (weights[f"{name}.running_{what}"].view(shape) for what in ("mean", "var"))
    scale, shift = (weights[f"{name}.{what}"].view(shape) for what in ("weight", "bias"))
    return (x - mean) / (variance + 1e-5).sqrt() * scale + shift


def rectified(x, weights, name):
    """A slope of each channel's own below zero."""
    return torch.where(x > 0, x, x * weights[name].view(1, -1, 1, 1))


def block(x, weights, index):
    """One residual block."""
    stride, name = (2 if index in HALVING else 1), f"body.{index}"
    beside = x[:, :, ::stride, ::stride]
    if index in WIDENING:
        beside = functional.conv2d(x, weights[f"{name}.shortcut_layer.0.weight"], stride=stride)
        beside = normalised(beside, weights, f"{name}.shortcut_layer.1")
    x = normalised(x, weights, f"{name}.res_layer.0")
    x = functional.conv2d(x, weights[f"{name}.res_layer.1.weight"], padding=1)
    x = rectified(x, weights, f"{name}.res_layer.2.weight")
    x = functional.conv2d(x, weights[f"{name}.res_layer.3.weight"], padding=1, stride=stride)
    x = normalised(x, weights, f"{name}.res_layer.4")
    first, second = (weights[f"{name}.res_layer.5.fc{number}.weight"][:, :, 0, 0] for number in (1, 2))
    scales = torch.sigmoid((x.mean(dim=(2, 3)) @ first.T).clamp(min=0) @ second.T)
    return x * scales[:, :, None, None] + beside


def slow_identity(images, weights):
    """Unit vectors [clip, 512] of images [clip, 3, R, R] in [-1, 1]."""
    if images.shape[-1] != 256:
        images = functional.adaptive_avg_pool2d(images, 256)
    x = functional.adaptive_avg_pool2d(images[:, :, 35:223, 32:220], 112)
    x = functional.conv2d(x, weights["input_layer.0.weight"], padding=1)
    x = rectified(normalised(x, weights, "input_layer.1"), weights, "input_layer.2.weight")
    for index in range(BLOCKS):
        x = block(x, weights, index)
    x = normalised(x, weights, "output_layer.0").flatten(1)
    x = x @ weights["output_layer.3.weight"].T + weights["output_layer.3.bias"]
    x = normalised(x, weights, "output_layer.4")
    return x / x.norm(dim=1, keepdim=True)
