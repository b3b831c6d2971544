"""e4e's encoder from its weights by name, one operation after the other; it shares nothing with the package.

Source: the layout of the published state dict, and Tov et al. 2021, arXiv:2102.02766.
"""

import torch
from slow_ir_se50 import block, normalised, rectified
from torch.nn import functional


def enlarged(x, side):
    """Bilinear, corners on corners, as a product with one matrix for each axis."""
    before = x.shape[-1]
    matrix = torch.zeros(side, before)
    for row in range(side):
        place = row * (before - 1) / (side - 1)
        left = min(int(place), before - 2)
        matrix[row, left] = 1 - (place - left)
        matrix[row, left + 1] = place - left
    return torch.einsum("ai,ncij,bj->ncab", matrix, x, matrix)


def head(x, weights, index):
    """A map to a vector."""
    for layer in range(0, 100, 2):
        name = f"styles.{index}.convs.{layer}"
        if f"{name}.weight" not in weights:
            break
        x = functional.conv2d(x, weights[f"{name}.weight"], weights[f"{name}.bias"], stride=2, padding=1)
        x = torch.where(x > 0, x, 0.01 * x)
    assert x.shape[-2:] == (1, 1)
    matrix = weights[f"styles.{index}.linear.weight"]
    return x[:, :, 0, 0] @ (matrix / matrix.shape[1] ** 0.5).T + weights[f"styles.{index}.linear.bias"]


def slow_e4e(images, weights, mean):
    """W+ [clip, layer, width] of images [clip, 3, 256, 256] in [-1, 1]."""
    x = functional.conv2d(images, weights["input_layer.0.weight"], padding=1)
    x = rectified(normalised(x, weights, "input_layer.1"), weights, "input_layer.2.weight")
    maps = {}
    for index in range(24):
        maps[index] = x = block(x, weights, index)
    coarse = maps[23]
    lateral = [weights[f"latlayer{number}.{part}"] for number in (1, 2) for part in ("weight", "bias")]
    middle = functional.conv2d(maps[20], *lateral[:2]) + enlarged(coarse, 32)
    fine = functional.conv2d(maps[6], *lateral[2:]) + enlarged(middle, 64)
    rows = []
    for index in range(len(mean)):
        seen = coarse if index < 3 else middle
        answer = head(seen if index < 7 else fine, weights, index)
        rows.append(answer if index == 0 else rows[0] + answer)
    return torch.stack(rows, dim=1) + mean
