"""Go on where memory is short: a batch in parts, one after the other."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import BatchNorm1d, BatchNorm2d, BatchNorm3d, Module

from bids_eeg2fmri.errors import MemoryShortageError, is_shortage


@dataclass(frozen=True)
class Before:
    """What a step changes before its gradient is there: draws, and the statistics of batches."""

    drawn: Tensor
    """State from which torch draws on the processor."""
    drawn_on_device: Tensor | None
    """State from which it draws on the GPU; none without one."""
    statistics: list[Tensor]
    """What batch normalisation has seen so far."""

    @classmethod
    def of(cls, model: Module) -> "Before":
        """Remember how things stand."""
        own = next(model.parameters()).device
        on_device = torch.cuda.get_rng_state(own) if own.type == "cuda" else None
        statistics = [buffer.clone() for buffer in _statistics(model)]
        return cls(torch.get_rng_state(), on_device, statistics)

    def restore(self, model: Module) -> None:
        """Undo what a step that failed has changed."""
        torch.set_rng_state(self.drawn)
        if self.drawn_on_device is not None:
            torch.cuda.set_rng_state(self.drawn_on_device, next(model.parameters()).device)
        for buffer, value in zip(_statistics(model), self.statistics, strict=True):
            buffer.copy_(value)


def _statistics(model: Module) -> list[Tensor]:
    """List what is kept of batches; other buffers, which may be large, stay as they are."""
    kinds = (BatchNorm1d, BatchNorm2d, BatchNorm3d)
    layers = [module for module in model.modules() if isinstance(module, kinds)]
    return [buffer for layer in layers for buffer in layer.buffers()]


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


def needs_several(error: ValueError) -> bool:
    """Tell whether batch normalisation got a single value of each channel, which has no spread."""
    return "more than 1 value per channel" in str(error)


def single_pairs(error: ValueError) -> MemoryShortageError:
    """Say that memory suffices only for parts of which batch normalisation can make nothing."""
    return MemoryShortageError(
        f"The memory suffices for single pairs alone, and batch normalisation needs several "
        f"({' '.join(str(error).split())[:150]}). Lower model.latent or spectrogram.fmax, set "
        "model.batch_norm=false, or use --device cpu."
    )


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
