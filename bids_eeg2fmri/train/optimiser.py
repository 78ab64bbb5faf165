"""Adam with decoupled weight decay, which moves the decoder's weights block by block on a CPU."""

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor
from torch.nn import Parameter
from torch.optim.adamw import AdamW, adamw

from bids_eeg2fmri.model.decoder import Decoder

BLOCK = 4096
"""Rows of weights whose gradient is made at a time, about 5 MB at the shape of NODDI. A multiple of
all widths of vectors, so that blocks round as the whole does."""


class BlockwiseAdamW(AdamW):
    r"""`torch.optim.AdamW`, of which the gradient of a decoder's weights never stands in memory.

    It takes the factors that a `Decoder` leaves, :math:`G^\top F`, makes some rows of their product
    at a time and moves these weights while they are at hand. Moments, numbers and what
    ``state_dict`` gives are those of the class that it extends. Without decoders, as on a GPU,
    where the gradient is whole, it does just what that does.

    Parameters
    ----------
    groups
        Of parameters, as torch takes them; those of the decoders' weights among them.
    decoders
        Whose weights are to be moved so; from now on they leave factors.
    settings
        Of torch's own.
    """

    def __init__(
        self, groups: Iterable[dict[str, Any]], decoders: Iterable[Decoder], **settings: Any
    ) -> None:
        super().__init__(groups, fused=True, **settings)
        self._decoders = {decoder.weight: decoder for decoder in decoders}
        for decoder in self._decoders.values():
            decoder.factors = []

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Move all that has a gradient, in whichever form."""
        loss = super().step(closure)  # which passes over what has none of torch's own form
        for group in self.param_groups:
            for weight in group["params"]:
                if weight in self._decoders and self._decoders[weight].factors:
                    self._move(weight, group)
        return loss

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Forget all gradients."""
        super().zero_grad(set_to_none)
        for decoder in self._decoders.values():
            decoder.factors = []

    def _move(self, weight: Parameter, group: dict[str, Any]) -> None:
        gradients, features = (
            torch.cat(parts) for parts in zip(*(self._decoders[weight].factors or []), strict=True)
        )
        by_row, state = gradients.T.contiguous(), self._moments(weight)
        product = weight.new_empty(min(BLOCK, len(weight)), weight.shape[1])
        for first in range(0, len(weight), BLOCK):
            rows = slice(first, first + BLOCK)
            moved = (weight[rows], state["exp_avg"][rows], state["exp_avg_sq"][rows])
            gradient = torch.mm(by_row[rows], features, out=product[: len(moved[0])])
            _adamw(*moved, gradient, state["step"].clone(), group)
        state["step"] += 1

    def _moments(self, weight: Parameter) -> dict[str, Tensor]:
        """Give what is kept of a parameter; at first what torch begins with."""
        state: dict[str, Tensor] = self.state[weight]
        if not state:
            state["step"] = torch.zeros((), dtype=torch.float32)
            state["exp_avg"] = torch.zeros_like(weight)
            state["exp_avg_sq"] = torch.zeros_like(weight)
        return state


def _adamw(
    weight: Tensor,
    mean: Tensor,
    square: Tensor,
    gradient: Tensor,
    step: Tensor,
    group: dict[str, Any],
) -> None:
    beta1, beta2 = group["betas"]
    adamw(
        [weight],
        [gradient],
        [mean],
        [square],
        [],
        [step],
        fused=True,
        amsgrad=False,
        beta1=beta1,
        beta2=beta2,
        lr=group["lr"],
        weight_decay=group["weight_decay"],
        eps=group["eps"],
        maximize=False,
    )
