"""The modulated convolution of a network whose weights do not change, with a backward pass of its own.

The same numbers as :class:`~stylewav_pl.generators.stylegan2_layers.ModulatedConvolution`. Automatic
differentiation would keep five feature maps of each layer; the latent's gradient needs only the output, from
which everything else follows: for
``y = leaky_relu(c d + t)`` with the convolution ``c``, the demodulation ``d`` and the shift ``t`` (bias and
noise), and ``g`` the gradient of ``y``, the pre-activation's gradient is ``h = g leaky_relu'(y)``, and as
leaky ReLU has slope only, ``h (c d + t) = g y``; so
``dL/dd = sum(h c) = (sum(g y) - sum(h t)) / d``, a difference of sums instead of a third feature map.

On a GPU the filter that follows a transposed convolution is multiplied into its kernel (:func:`with_filter`):
four times the products of matrices, which a GPU has to spare, instead of a convolution of each channel by
itself, which it does badly. In compiled steps element-wise operations and sums are written so that the
compiler can join them.
"""

import math
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional

SLOPE = 0.2
GAIN = math.sqrt(2)
EPSILON = 1e-8
HALF = (torch.float16, torch.bfloat16)


class FrozenWeights(NamedTuple):
    """What a frozen modulated convolution computes with; its gains are multiplied in.

    Attributes:
        weight: ``[out, in, 3, 3]``, or ``[in, out, kernel, kernel]`` for a transposed convolution.
        bias: ``[out]``.
        noise: ``[height, width]`` or ``None``.
        filter: ``[out, 1, taps, taps]``, follows a transposed convolution, which doubles the resolution;
            ``None`` for an ordinary one, and for one whose kernel has the filter in it and is larger than 3.
        clamp: Bound of the output's magnitude, or ``None``.
    """

    weight: Tensor
    bias: Tensor
    noise: Tensor | None
    filter: Tensor | None
    clamp: float | None

    def convolve(self, x: Tensor) -> Tensor:
        """Convolves, nothing else.

        ``[clip, in, h, w]`` becomes ``[clip, out, h, w]`` or ``[clip, out, 2 h, 2 w]``.
        """
        if self._crop:
            return functional.conv_transpose2d(x, self.weight, stride=2, padding=self._crop)
        if self.filter is None:
            return functional.conv2d(x, self.weight, padding=1)
        enlarged = functional.conv_transpose2d(x, self.weight, stride=2)  # [clip, out, 2 h + 1, 2 w + 1]
        return functional.conv2d(enlarged, self.filter, padding=self._border, groups=len(self.filter))

    def convolve_back(self, gradient: Tensor, x: Tensor) -> Tensor:
        """The adjoint of :meth:`convolve`; of ``x``, its input, only the shape counts."""
        if self._crop:
            return functional.conv2d(gradient, self.weight, stride=2, padding=self._crop)
        if self.filter is not None:
            # the filter's adjoint is the mirrored filter, a transposed convolution's an ordinary one
            mirrored = self.filter.flip(2, 3)
            gradient = functional.conv2d(
                gradient, mirrored, padding=self._border + 1, groups=len(self.filter)
            )  # [clip, out, 2 h + 1, 2 w + 1]
            return functional.conv2d(gradient, self.weight, stride=2)  # [clip, in, h, w]
        arguments = ([1, 1], [1, 1], [1, 1], False, [0, 0], 1, [True, False, False])
        gradients = torch.ops.aten.convolution_backward(gradient, x, self.weight, None, *arguments)
        return gradients[0]  # type: ignore[no-any-return]

    @property
    def _crop(self) -> int:
        """Pixels at each edge that a transposed convolution with the filter in it has too many; else 0."""
        return (int(self.weight.shape[-1]) - 2) // 2

    @property
    def _border(self) -> int:
        assert self.filter is not None
        return int(self.filter.shape[-1]) // 2 - 1

    def activate(self, y: Tensor, scale: Tensor) -> Tensor:
        """Scales, shifts, bends and bounds a convolution's output, in its place.

        Compiled it is not in its place: the compiler finds that out by itself, stops at such an ``out``, and
        that of torch 2.11 lost gradients over such operations.
        """
        if torch.compiler.is_compiling():
            y = functional.leaky_relu(self.shift(y.dtype) + y * scale, SLOPE)
            return y if self.clamp is None else y.clamp(-self.clamp, self.clamp)
        y = functional.leaky_relu_(torch.addcmul(self.shift(y.dtype), y, scale, out=y), SLOPE)
        return y if self.clamp is None else y.clamp_(-self.clamp, self.clamp)

    def shift(self, dtype: torch.dtype) -> Tensor:
        """Returns what is added before the activation.

        ``[out, height or 1, width or 1]``, with the channels last in memory.
        """
        shift = self.bias if self.noise is None else self.noise[:, :, None] + self.bias
        return shift.to(dtype).expand(*shift.shape[:-1] or (1, 1), -1).permute(2, 0, 1)

    def shift_sums(self, gradient: Tensor) -> Tensor:
        """``sum(gradient * shift)`` over the pixels, ``[clip, out]``."""
        flat = gradient.flatten(2)
        sums = self.bias * flat.sum(dim=2, dtype=self.bias.dtype)
        if self.noise is None:
            return sums
        return sums + torch.matmul(flat, self.noise.to(gradient.dtype).flatten())


class FrozenConvolution(torch.autograd.Function):
    """``leaky_relu(demodulation * convolve(style * x) + shift)``.

    Differentiable once, in ``x``, ``style`` and ``demodulation``.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, style: Tensor, demodulation: Tensor, *weights: Any) -> Tensor:
        """``x`` ``[clip, in, h, w]`` is kept as it comes.

        It is the output that the layer before keeps, too.
        """
        layer = FrozenWeights(*weights)
        y = layer.convolve(x * _over_pixels(style, x))  # [clip, out, height, width]
        y = layer.activate(y, _over_pixels(demodulation, y))
        tensors = [part if isinstance(part, Tensor) else None for part in weights]
        ctx.save_for_backward(x, y, style, demodulation, *tensors)
        ctx.clamp = layer.clamp
        return y

    @staticmethod
    @once_differentiable  # type: ignore[misc,untyped-decorator,unused-ignore]
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        """See the module's docstring; ``style`` and ``demodulation`` get sums over the pixels."""
        x, y, style, demodulation, *tensors = ctx.saved_tensors
        weight, bias, noise, taps, _ = tensors
        layer = FrozenWeights(weight, bias, noise, taps, ctx.clamp)
        grad_y = gradients[0]  # [clip, out, height, width]
        if layer.clamp is not None:
            grad_y = grad_y.masked_fill(y.abs() >= layer.clamp, 0)
        grad_preactivation = torch.ops.aten.leaky_relu_backward(grad_y, y, SLOPE, True)
        # sum(g y) - sum(h t), see the module's docstring: [clip, out]
        grad_demodulation = (_pixel_sums(grad_y, y) - layer.shift_sums(grad_preactivation)) / demodulation
        # from here on it is the gradient of the convolution's output
        grad_convolved = _multiplied(grad_preactivation, demodulation)
        grad_scaled = layer.convolve_back(grad_convolved, x)  # of style * x: [clip, in, h, w]
        del grad_preactivation, grad_convolved, grad_y  # feature maps that nothing needs any more
        grad_style = _pixel_sums(grad_scaled, x)  # [clip, in]
        grad_x = None
        if ctx.needs_input_grad[0]:
            grad_x = _multiplied(grad_scaled, style)
        return grad_x, grad_style, grad_demodulation, *(None for _ in FrozenWeights._fields)


def demodulation(style: Tensor, squares: Tensor) -> Tensor:
    """The factor ``[clip, out]`` that brings each output channel back to unit variance.

    ``1 / sqrt(sum_ik (s_i w_oik)^2 + 1e-8)``.

    Args:
        style: ``[clip, in]``.
        squares: ``[in, out]``, the sums of the squared weights over the kernel.
    """
    return (style.square() @ squares + EPSILON).rsqrt()


def frozen_convolution(x: Tensor, style: Tensor, squares: Tensor, weights: FrozenWeights) -> Tensor:
    """A whole layer: the demodulation, then :class:`FrozenConvolution`.

    The demodulation is ``sqrt(2) / sqrt(style^2 @ squares + 1e-8)``.

    Args:
        x: ``[clip, in, h, w]``, in any precision.
        style: ``[clip, in]``, in float32 whatever the precision of the feature maps is.
        squares: See :func:`demodulation`.
        weights: The constants; the feature maps have the precision of their weight.
    """
    x = x.to(weights.weight.dtype)
    if x.dtype in HALF:  # the demodulation undoes any factor of the style, and large styles would overflow
        style = style / style.detach().abs().amax(dim=1, keepdim=True).clamp(min=EPSILON)
    factors = GAIN * demodulation(style, squares)
    return FrozenConvolution.apply(x, style, factors, *weights)  # type: ignore[no-any-return]


def with_filter(weight: Tensor, kernel: Tensor) -> Tensor:
    """Multiplies the filter that follows a transposed convolution into its weights.

    Args:
        weight: ``[in, out, 3, 3]``.
        kernel: ``[taps, taps]``, with an even number of taps.

    Returns:
        ``[in, out, taps + 2, taps + 2]``.
    """
    size = weight.shape[-1] + len(kernel) - 1
    found = weight.new_zeros(*weight.shape[:2], size, size)
    for row, factors in enumerate(kernel):
        for column, factor in enumerate(factors):  # sums, as a GPU may round the inputs of a convolution
            found[..., row : row + 3, column : column + 3] += factor * weight
    return found


class FrozenToRGB(torch.autograd.Function):
    """A 1x1 convolution with weights of each clip's own, ``[clip, 3, in]``.

    It is made of products of matrices, which keep no scaled feature map.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor) -> Tensor:
        """``x`` ``[clip, in, h, w]`` to ``[clip, 3, h, w]``."""
        ctx.save_for_backward(x, weight)
        if joins(x):
            return torch.stack([(x * _over_pixels(colour, x)).sum(1) for colour in weight.unbind(1)], dim=1)
        return _as_image(torch.bmm(_as_pixels(x), weight.transpose(1, 2)), x)

    @staticmethod
    @once_differentiable  # type: ignore[misc,untyped-decorator,unused-ignore]
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, Tensor]:
        """The order of the factors matters: the transposed product takes ten times as long on a CPU."""
        x, weight = ctx.saved_tensors
        if joins(x):
            colours = [gradients[0][:, index, None] for index in range(weight.shape[1])]
            parts = [part * _over_pixels(row, x) for part, row in zip(colours, weight.unbind(1), strict=True)]
            sums = [_pixel_sums(part, x).to(weight.dtype) for part in colours]
            return sum(parts[1:], parts[0]), torch.stack(sums, dim=1)
        gradient = _as_pixels(gradients[0])
        return _as_image(torch.bmm(gradient, weight), x), torch.bmm(gradient.transpose(1, 2), _as_pixels(x))


def frozen_to_rgb(x: Tensor, weight: Tensor) -> Tensor:
    """See :class:`FrozenToRGB`."""
    return FrozenToRGB.apply(x, weight)  # type: ignore[no-any-return]


def joins(x: Tensor) -> bool:
    """Tells whether a compiler will join element-wise steps on ``x`` and sums over it: on a GPU."""
    return x.is_cuda and torch.compiler.is_compiling()


def _as_pixels(image: Tensor) -> Tensor:
    """``[clip, pixel, channel]``."""
    return image.permute(0, 2, 3, 1).flatten(1, 2)


def _as_image(pixels: Tensor, like: Tensor) -> Tensor:
    """The inverse of :func:`_as_pixels` for an image of the height and width of ``like``."""
    return pixels.view(len(pixels), *like.shape[2:], pixels.shape[2]).permute(0, 3, 1, 2)


def _multiplied(x: Tensor, factors: Tensor) -> Tensor:
    """``x`` times factors ``[clip, channel]``, in its place unless compiled (see :meth:`activate`)."""
    over = _over_pixels(factors, x)
    return x * over if torch.compiler.is_compiling() else x.mul_(over)


def _over_pixels(factors: Tensor, like: Tensor) -> Tensor:
    return factors.to(like.dtype)[:, :, None, None]


def _pixel_sums(one: Tensor, other: Tensor) -> Tensor:
    """``[clip, channel]``, the sum over the pixels of a product, in float32."""
    return (one * other).sum(dim=(2, 3), dtype=torch.float32 if one.dtype in HALF else one.dtype)
