"""Examples that reside in the memory of the GPU on which networks are trained, if there is room."""

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float32, Int64
from torch import Tensor

from bids_eeg2fmri.errors import is_shortage
from bids_eeg2fmri.train.examples import Examples

BLOCK = 64
"""Pairs that are scaled and moved at a time."""
SHARE = 0.5
"""Largest part of a GPU's free memory that examples may take; networks need the rest."""


@dataclass(frozen=True)
class Resident(Examples):
    """Examples in the model's units, in the memory of the device that trains."""

    eeg: Float32[Tensor, "pairs ..."]
    """Spectrograms, or what stands for them."""
    bold: Float32[Tensor, "pairs x y z"]
    """Volumes, or deviations."""

    def take_eeg(self, chosen: Int64[np.ndarray, " batch"], device: str) -> Tensor:
        """Return the spectrograms of some examples, counted over all runs."""
        return self.eeg[torch.from_numpy(chosen).to(self.eeg.device)].to(device)

    def take_bold(self, chosen: Int64[np.ndarray, " batch"], device: str) -> Tensor:
        """Return their volumes."""
        return self.bold[torch.from_numpy(chosen).to(self.bold.device)].to(device)


def keep_on_gpu(examples: Examples, device: torch.device) -> Examples:
    """Keep examples on the GPU that they are for, if they fit; the same numbers either way.

    On a processor they stay on disk, so that memory does not grow with their number.
    """
    if device.type != "cuda":
        return examples
    free, _ = torch.cuda.mem_get_info(device)
    return reside_if_possible(examples, device) if _size(examples) < SHARE * free else examples


def reside_if_possible(examples: Examples, device: torch.device) -> Examples:
    """Keep examples in the memory of a device, or leave them where they are if it is short."""
    try:
        return reside(examples, device)
    except (MemoryError, RuntimeError) as error:
        if not is_shortage(error):
            raise
    # Outside of the clause, whose error holds on to all that was moved.
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
    return examples


def reside(examples: Examples, device: torch.device) -> Resident:
    """Scale all examples and keep them in the memory of a device."""
    parts = zip(*examples.batches(BLOCK, str(device)), strict=True)
    eeg, bold = (torch.cat(some) for some in parts)
    return Resident(examples.runs, examples.index, examples.scale, eeg, bold)


def _size(examples: Examples) -> int:
    """Count the bytes that examples take, and as much again while they are put together."""
    one = examples.take(np.arange(1), "cpu")
    return 2 * len(examples) * sum(part.nbytes for part in one)
