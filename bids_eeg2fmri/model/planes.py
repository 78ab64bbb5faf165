"""Convolutions of few channels, made fast on a processor; the numbers stay what they are.

oneDNN lays channels side by side, 8 or 16 at a time. The encoders have 1 to 8, so most of that is
padding: worst where a strided convolution brings gradients back to its input.
"""

import math
from collections.abc import Sequence
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.grad import conv2d_input

LANES = 16
"""Channels that are computed at a time, be there as many or not."""


def convolve(
    layer: nn.Conv3d, x: Float[Tensor, "batch channels i j k"]
) -> Float[Tensor, "batch filters o p q"]:
    """Convolve, and on a processor bring gradients back to the input by `input_gradient`."""
    total: Tensor
    if not (layer.training and x.requires_grad and x.device.type == "cpu"):
        total = layer(x)
        return total
    total = layer(x.detach())
    total = _ByPlanes.apply(total, x, layer.weight, layer.stride)  # type: ignore[no-untyped-call]
    return total


def with_filters_last(x: Float[Tensor, "batch filters i j k"]) -> Tensor:
    """Lay the filters of a voxel side by side in memory, as poolings are five times as fast then.

    Nothing else changes. On a GPU they stay where they are.
    """
    return x.contiguous(memory_format=torch.channels_last_3d) if x.device.type == "cpu" else x


def input_gradient(
    gradient: Float[Tensor, "batch filters o p q"],
    weight: Float[Tensor, "filters channels a b c"],
    shape: Sequence[int],
    stride: tuple[int, ...],
) -> Float[Tensor, "batch channels i j k"]:
    """Bring the gradient of a convolution without padding back to its input.

    One axis is taken apart: what the taps of its kernel pass on is found plane by plane, by a
    convolution in the two other axes with a channel for each tap, and then added up.

    Parameters
    ----------
    shape
        Of the input.
    stride
        Along each axis.
    """
    axis = axis_apart(gradient.shape[2:], weight.shape, shape)
    taps, steps = weight.shape[2 + axis], gradient.shape[2 + axis]
    planes = [i for i in range(3) if i != axis]
    by_tap = weight.movedim(2 + axis, 2).flatten(1, 2)
    passed: Tensor = conv2d_input(  # type: ignore[no-untyped-call]
        (shape[0] * steps, shape[1] * taps, *(shape[2 + i] for i in planes)),
        by_tap,
        gradient.movedim(2 + axis, 1).flatten(0, 1).contiguous(),
        [stride[i] for i in planes],
    ).view(shape[0], steps, shape[1], taps, *(shape[2 + i] for i in planes))
    found = gradient.new_zeros(shape)
    by_step = found.movedim(2 + axis, 1)
    for tap in range(taps):
        reached = slice(tap, tap + stride[axis] * (steps - 1) + 1, stride[axis])
        by_step[:, reached] += passed[:, :, :, tap]
    return found


def axis_apart(steps: Sequence[int], weight: Sequence[int], shape: Sequence[int]) -> int:
    """Choose the axis that leaves least to be computed, with channels padded and taps repeated."""

    def work(axis: int) -> float:
        channels = weight[1] * weight[2 + axis]
        return steps[axis] * math.ceil(channels / LANES) * LANES / shape[2 + axis]

    return min(range(3), key=work)


class _ByPlanes(torch.autograd.Function):
    """Give back what was convolved; its gradient goes to the input by `input_gradient`."""

    @staticmethod
    def forward(
        ctx: Any, total: Tensor, x: Tensor, weight: Tensor, stride: tuple[int, ...]
    ) -> Tensor:
        ctx.save_for_backward(weight)
        ctx.shape, ctx.stride, ctx.dtype = tuple(x.shape), stride, x.dtype
        return total.view_as(total)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, Tensor, None, None]:
        (weight,) = ctx.saved_tensors
        found = input_gradient(gradients[0].to(weight.dtype), weight, ctx.shape, ctx.stride)
        return gradients[0], found.to(ctx.dtype), None, None
