"""Go on where memory is short: a batch in parts, one after the other."""

import copy
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import Module

from bids_eeg2fmri.errors import MemoryShortageError, is_shortage


@dataclass(frozen=True)
class Before:
    """What a step changes before its gradient is there: draws, and the statistics of batches."""

    drawn: Tensor
    drawn_on_device: Tensor | None
    buffers: list[Tensor]

    @classmethod
    def of(cls, model: Module) -> "Before":
        """Remember how things stand."""
        own = next(model.parameters()).device
        on_device = torch.cuda.get_rng_state(own) if own.type == "cuda" else None
        return cls(torch.get_rng_state(), on_device, copy.deepcopy([*model.buffers()]))

    def restore(self, model: Module) -> None:
        """Undo what a step that failed has changed."""
        torch.set_rng_state(self.drawn)
        if self.drawn_on_device is not None:
            torch.cuda.set_rng_state(self.drawn_on_device, next(model.parameters()).device)
        for buffer, value in zip(model.buffers(), self.buffers, strict=True):
            buffer.copy_(value)


def halve(parts: int, pairs: int, reason: str) -> int:
    """Tell in how many parts to take a batch for which memory did not suffice in so many.

    Raises
    ------
    MemoryShortageError
        If single pairs need too much.
    """
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
    if parts >= pairs:
        raise MemoryShortageError(
            f"The memory does not suffice for a single pair ({' '.join(reason.split())[:150]}). "
            "Lower model.latent or spectrogram.fmax, or use --device cpu."
        )
    return min(2 * parts, pairs)


def in_halves(predict: Callable[[Tensor], Tensor], eeg: Tensor) -> Tensor:
    """Predict from a batch at once or, where memory is short, from halves of it.

    Raises
    ------
    MemoryShortageError
        If single pairs need too much.
    """
    try:
        return predict(eeg)
    except (MemoryError, RuntimeError) as error:
        if not is_shortage(error):
            raise
        reason = str(error)
    halve(1, len(eeg), reason)
    return torch.cat([in_halves(predict, half) for half in eeg.tensor_split(2)])
