"""Leaky ReLU between two resamplings, the activation of alias-free networks, in plain PyTorch.

Source: Karras et al., "Alias-Free Generative Adversarial Networks" (2021), section 3.2 and appendix B. A
pointwise nonlinearity makes frequencies that the grid cannot hold; applied at twice the resolution and
low-passed on the way back, it does not. The intermediate maps are four to sixteen times as large as the
input, so they are made for a few channels at a time, and for the backward pass only their signs are kept,
one byte each.
"""

from typing import Any, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional

LARGEST_CHUNK = 1 << 25  # numbers of an intermediate map that exist at a time: 128 MB in float32
LARGEST_MATRIX = (
    160  # pixels up to which products of matrices are faster than convolutions, measured on a CPU
)


class Resampling(NamedTuple):
    """How a map is enlarged, activated and made smaller again.

    Attributes:
        up_filter: ``[taps]``; ``None``: nothing is filtered.
        down_filter: ``[taps]`` or, if not separable, ``[taps, taps]``; ``None``: nothing is filtered.
        up: Factor of the enlargement.
        down: Factor by which it is made smaller.
        padding: Zeros around the enlarged map: left, right, top, bottom; a negative number cuts off.
        slope: Of the leaky ReLU for negative values.
        gain: Factor after it.
        clamp: Bound of the magnitude after it; ``None`` for no bound.
    """

    up_filter: Tensor | None
    down_filter: Tensor | None
    up: int
    down: int
    padding: tuple[int, int, int, int]
    slope: float
    gain: float
    clamp: float | None

    def enlarged_size(self, size: int, axis: int) -> int:
        """The length of an axis (0: height, 1: width) between the two filters."""
        before, after = self.padding[2 - 2 * axis : 4 - 2 * axis]
        return size * self.up + before + after - _taps(self.up_filter) + 1

    def output_size(self, size: int, axis: int) -> int:
        """The length of an axis at the end."""
        return (self.enlarged_size(size, axis) - _taps(self.down_filter)) // self.down + 1


def _taps(kernel: Tensor | None) -> int:
    return 1 if kernel is None else int(kernel.shape[0])


def filtered_leaky_relu(
    x: Float[Tensor, "clip channel height width"], resampling: Resampling
) -> Float[Tensor, "clip channel height2 width2"]:
    """Enlarges, applies leaky ReLU, and makes smaller; differentiable once.

    >>> plain = Resampling(None, None, 1, 1, (0, 0, 0, 0), 0.2, 2.0, 1.5)
    >>> filtered_leaky_relu(torch.tensor([[[[-1.0, 0.5, 9.0]]]]), plain).tolist()
    [[[[-0.4000000059604645, 1.0, 1.5]]]]
    """
    return FilteredLeakyReLU.apply(x, resampling)  # type: ignore[no-any-return]


class FilteredLeakyReLU(torch.autograd.Function):
    """See :func:`filtered_leaky_relu`."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, how: Resampling) -> Tensor:
        """``[clip, channel, h, w]`` to ``[clip, channel, h2, w2]``."""
        up, down = _Up(how, x), _Down(how, x)
        keep = ctx.needs_input_grad[0]
        outputs, signs = [], []
        for part in torch.split(x, _channels_at_a_time(x, how), dim=1):
            enlarged = functional.leaky_relu_(up.apply(part), how.slope)
            kept = enlarged > 0 if keep else None
            enlarged = enlarged.mul_(how.gain) if how.gain != 1 else enlarged
            if how.clamp is not None:
                if kept is not None:  # 0: negative, 1: positive, 2: beyond the bound
                    kept = kept.to(torch.uint8).masked_fill_(enlarged.abs() > how.clamp, 2)
                enlarged = enlarged.clamp_(-how.clamp, how.clamp)
            outputs.append(down.apply(enlarged))
            signs += [] if kept is None else [kept.to(torch.uint8)]
        ctx.how, ctx.size, ctx.dtype = how, x.shape[2:], x.dtype
        ctx.save_for_backward(*signs)
        return torch.cat(outputs, dim=1) if outputs else x.new_empty(0)

    @staticmethod
    @once_differentiable  # type: ignore[misc,untyped-decorator,unused-ignore]
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        """The adjoints of the two resamplings, and between them a factor by sign."""
        how, gradient = ctx.how, gradients[0]
        like = gradient.new_empty(*gradient.shape[:2], *ctx.size)
        up, down = _Up(how, like), _Down(how, like)
        factors = gradient.new_tensor([how.slope * how.gain, how.gain, 0.0])
        parts, first = [], 0
        for signs in ctx.saved_tensors:
            part = down.adjoint(gradient[:, first : first + signs.shape[1]])
            parts.append(up.adjoint(part.mul_(factors[signs.int()])))
            first += signs.shape[1]
        return torch.cat(parts, dim=1), None


def _channels_at_a_time(x: Tensor, how: Resampling) -> int:
    pixels = how.enlarged_size(x.shape[2], 0) * how.enlarged_size(x.shape[3], 1)
    return max(LARGEST_CHUNK // max(pixels * len(x), 1), 1)


class _Up:
    """Zeros between the pixels and around them, then the filter with gain ``up`` along each axis."""

    def __init__(self, how: Resampling, like: Tensor) -> None:
        self.how, self.sizes = how, like.shape[2:]
        self.filter = None if how.up_filter is None else (how.up_filter * how.up).to(like)
        self.matrices: list[Tensor] = []
        if self.filter is not None and max(self.sizes) <= LARGEST_MATRIX:
            self.matrices = [self._matrix(self.filter, axis) for axis in (0, 1)]

    def _first(self, axis: int) -> int:
        """Which entry of the full convolution comes first."""
        return _taps(self.filter) - 1 - self.how.padding[2 - 2 * axis]

    def _matrix(self, kernel: Tensor, axis: int) -> Tensor:
        """``[enlarged, size]``: entry (m, i) is tap ``m + first - i up``."""
        rows = torch.arange(self.how.enlarged_size(self.sizes[axis], axis), device=kernel.device)
        columns = torch.arange(self.sizes[axis], device=kernel.device)
        taps = rows[:, None] + self._first(axis) - self.how.up * columns
        return _looked_up(kernel, taps)

    def _crop(self) -> list[int]:
        """What ``functional.pad`` adds to the full convolution: left, right, top, bottom."""
        borders = []
        for axis in (1, 0):
            full = (self.sizes[axis] - 1) * self.how.up + _taps(self.filter)
            first = self._first(axis)
            borders += [-first, first + self.how.enlarged_size(self.sizes[axis], axis) - full]
        return borders

    def apply(self, x: Tensor) -> Tensor:
        if self.filter is None:
            return functional.pad(x, self.how.padding).clone()
        if self.matrices:
            return self.matrices[0] @ x @ self.matrices[1].T
        channels, up = x.shape[1], self.how.up
        row = self.filter.expand(channels, 1, 1, -1)
        x = functional.conv_transpose2d(x, row, stride=(1, up), groups=channels)
        x = functional.conv_transpose2d(x, row.transpose(2, 3), stride=(up, 1), groups=channels)
        return functional.pad(x, self._crop())

    def adjoint(self, gradient: Tensor) -> Tensor:
        if self.filter is None:
            return functional.pad(gradient, [-border for border in self.how.padding])
        if self.matrices:
            return self.matrices[0].T @ gradient @ self.matrices[1]
        channels, up = gradient.shape[1], self.how.up
        row = self.filter.expand(channels, 1, 1, -1)
        gradient = functional.pad(gradient, [-border for border in self._crop()])
        gradient = functional.conv2d(gradient, row.transpose(2, 3), stride=(up, 1), groups=channels)
        return functional.conv2d(gradient, row, stride=(1, up), groups=channels)


class _Down:
    """The filter, then every ``down``-th pixel."""

    def __init__(self, how: Resampling, like: Tensor) -> None:
        self.how = how
        self.sizes = [how.enlarged_size(like.shape[2 + axis], axis) for axis in (0, 1)]
        self.outputs = [how.output_size(like.shape[2 + axis], axis) for axis in (0, 1)]
        self.filter = None if how.down_filter is None else how.down_filter.to(like)
        self.matrices: list[Tensor] = []
        separable = self.filter is not None and self.filter.ndim == 1
        if self.filter is not None and separable and max(self.outputs) <= LARGEST_MATRIX:
            self.matrices = [self._matrix(self.filter, axis) for axis in (0, 1)]

    def _matrix(self, kernel: Tensor, axis: int) -> Tensor:
        """``[output, enlarged]``: entry (m, j) is tap ``m down + taps - 1 - j``."""
        rows = torch.arange(self.outputs[axis], device=kernel.device)
        columns = torch.arange(self.sizes[axis], device=kernel.device)
        return _looked_up(kernel, rows[:, None] * self.how.down + len(kernel) - 1 - columns)

    def _kernels(self, channels: int) -> list[Tensor]:
        """One convolution in two dimensions, or one along each axis; flipped, as ``conv2d`` correlates."""
        assert self.filter is not None
        if self.filter.ndim == 2:
            return [self.filter.flip(0, 1).expand(channels, 1, -1, -1)]
        row = self.filter.flip(0).expand(channels, 1, 1, -1)
        return [row, row.transpose(2, 3)]

    def _stride(self, kernel: Tensor) -> tuple[int, int]:
        """Only the axes that a kernel extends along get smaller by it."""
        if self.filter is not None and self.filter.ndim == 2:
            return self.how.down, self.how.down
        return (1, self.how.down) if kernel.shape[2] == 1 else (self.how.down, 1)

    def apply(self, x: Tensor) -> Tensor:
        if self.filter is None:
            return x[:, :, :: self.how.down, :: self.how.down]
        if self.matrices:
            return self.matrices[0] @ x @ self.matrices[1].T
        for kernel in self._kernels(x.shape[1]):
            x = functional.conv2d(x, kernel, stride=self._stride(kernel), groups=x.shape[1])
        return x

    def adjoint(self, gradient: Tensor) -> Tensor:
        if self.matrices:
            return self.matrices[0].T @ gradient @ self.matrices[1]
        if self.filter is None:
            whole = gradient.new_zeros(*gradient.shape[:2], *self.sizes)
            whole[:, :, :: self.how.down, :: self.how.down] = gradient
            return whole
        channels = gradient.shape[1]
        for kernel in reversed(self._kernels(channels)):
            stride = self._stride(kernel)
            gradient = functional.conv_transpose2d(gradient, kernel, stride=stride, groups=channels)
        borders = (self.sizes[1] - gradient.shape[3], self.sizes[0] - gradient.shape[2])
        return functional.pad(gradient, (0, borders[0], 0, borders[1]))  # pixels that no filter reached


def _looked_up(kernel: Tensor, taps: Tensor) -> Tensor:
    """The taps at these places, zero beyond the filter."""
    inside = (taps >= 0) & (taps < len(kernel))
    return torch.where(inside, kernel[taps.clamp(0, len(kernel) - 1)], kernel.new_zeros(()))
