"""The dense layer that makes volumes of features, nine tenths of all that is trained."""

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from bids_eeg2fmri.model.voxels import Voxels

Factors = list[tuple[Tensor, Tensor]]
"""Gradients of the output and the features that led to it, both by member of a batch."""


class Decoder(nn.Linear):
    """Lead features to the voxels of a volume by one dense layer, which starts at zero.

    Parameters
    ----------
    features
        Numbers that a volume is made of.
    voxels
        Of the volume, those of them that are computed.

    Notes
    -----
    The gradient of its weights is the sum over a batch of products of two vectors. It is as large
    as the weights are, and most of a step went into writing it down and reading it again: where
    ``factors`` is a list, the backward pass leaves the vectors there instead, for an optimiser that
    knows what to do with them (`train.optimiser`). So it is on a processor; on a GPU, where one
    large product costs less than many small ones, the gradient is whole.
    """

    def __init__(self, features: int, voxels: Voxels) -> None:
        super().__init__(features, len(voxels))
        self.voxels = voxels
        self.factors: Factors | None = None
        nn.init.zeros_(self.weight)
        nn.init.zeros_(self.bias)

    def forward(self, features: Float[Tensor, "batch features"]) -> Float[Tensor, "batch x y z"]:
        """Make a volume of the features of each member of a batch."""
        values: Tensor
        if self.factors is None or not (torch.is_grad_enabled() and self.weight.requires_grad):
            values = super().forward(features)
        else:
            given = (features, self.weight, self.bias, self.factors)
            values = _LinearInFactors.apply(*given)  # type: ignore[no-untyped-call]
        volumes: Tensor = self.voxels(values)
        return volumes

    @torch.no_grad()
    def start_at(self, volume: Float[Tensor, "x y z"]) -> None:
        """Make ``volume`` the offset."""
        self.bias.copy_(self.voxels.take(volume))


class _LinearInFactors(torch.autograd.Function):
    """A dense layer that leaves the gradient of its weights in factors."""

    @staticmethod
    def forward(
        ctx: Any, features: Tensor, weight: Tensor, bias: Tensor, factors: Factors
    ) -> Tensor:
        ctx.save_for_backward(features, weight)
        ctx.factors = factors
        return nn.functional.linear(features, weight, bias)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, Tensor, None]:
        features, weight = ctx.saved_tensors
        ctx.factors.append((gradients[0], features.detach()))
        return gradients[0] @ weight, None, gradients[0].sum(dim=0), None
