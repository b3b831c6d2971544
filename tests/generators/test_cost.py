"""What a step costs, in operations and in memory: counts instead of times."""

import pytest
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import FlopCounterMode

from stylewav_pl.generators import StyleGAN2

CHANNELS = {4: 8, 8: 8, 16: 6, 32: 4}


def frozen() -> StyleGAN2:
    torch.manual_seed(0)
    return StyleGAN2(CHANNELS, z_dim=6, w_dim=9, mapping_depth=2).freeze()


def test_the_backward_pass_costs_no_more_than_the_forward_one() -> None:
    """A gradient of a weight would double it; the sum is that of the convolutions, counted by hand."""
    generator, w = frozen(), torch.randn(2, 9, requires_grad=True)
    with FlopCounterMode(display=False) as forward:
        image = generator.synthesize(w)
    with FlopCounterMode(display=False) as backward:
        image.sum().backward()
    widths = list(CHANNELS.values())
    plain = sum(2 * 9 * width**2 * size**2 for size, width in CHANNELS.items())
    doubling = sum(
        2 * 9 * before * width * (size // 2) ** 2
        for before, width, size in zip(widths, widths[1:], list(CHANNELS)[1:], strict=False)
    )
    filters = sum(2 * 16 * width * size**2 for size, width in list(CHANNELS.items())[1:])
    assert forward.get_total_flops() / 2 == pytest.approx(
        plain + doubling + filters, rel=0.15
    )  # colours and styles come on top
    assert backward.get_total_flops() < 1.15 * forward.get_total_flops()


class Operations(TorchDispatchMode):
    """Counts operations, and those that make a map of the largest size."""

    def __init__(self, largest: int) -> None:
        super().__init__()
        self.largest, self.names, self.maps = largest, [], 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        made = func(*args, **(kwargs or {}))
        self.names.append(func.__name__)
        aliases = any(result.alias_info for result in func._schema.returns)
        self.maps += isinstance(made, Tensor) and made.numel() == self.largest and not aliases
        return made


def test_the_numbers_of_convolutions_and_of_large_maps_stay() -> None:
    generator, w = frozen(), torch.randn(2, 9, requires_grad=True)
    largest = 2 * CHANNELS[32] * 32**2
    with Operations(largest) as forward:
        image = generator.synthesize(w)
    convolutions = sum(name.startswith("convolution.") for name in forward.names)
    assert convolutions == 7 + 3 + 3, (
        "seven layers, a filter for each doubled one, and the colours' own doubling"
    )
    assert forward.maps <= 5
    with Operations(largest) as backward:
        image.sum().backward()
    assert backward.maps <= 9
    assert not any("copy" in name for name in backward.names)
