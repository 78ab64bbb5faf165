"""Pairs as a network sees them: in the model's units, batch by batch."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float32, Int64
from torch import Tensor

from bids_eeg2fmri.preprocess.scale import scale_eeg, to_model
from bids_eeg2fmri.train.splits import Index
from bids_eeg2fmri.types import Pairs, Scale


@dataclass(frozen=True)
class Examples:
    """Chosen pairs of several runs, seen in the model's units; read from disk batch by batch."""

    runs: Sequence[Pairs]
    """The runs, with all their pairs."""
    index: Sequence[Index]
    """The chosen pairs of each run."""
    scale: Scale
    """What brings them to the model's units."""

    def __len__(self) -> int:
        return sum(map(len, self.index))

    def take(self, chosen: Int64[np.ndarray, " batch"], device: str) -> tuple[Tensor, Tensor]:
        """Return the spectrograms and volumes of some examples, counted over all runs."""
        return self.take_eeg(chosen, device), self.take_bold(chosen, device)

    def take_eeg(self, chosen: Int64[np.ndarray, " batch"], device: str) -> Tensor:
        """Return the spectrograms alone, for which no volume is read."""
        found = ((self.runs[r], j) for r, j in self._find(chosen))
        eeg = np.stack([scale_eeg(run.eeg[j], self.scale, run.run) for run, j in found])
        return _send(eeg, device)

    def take_bold(self, chosen: Int64[np.ndarray, " batch"], device: str) -> Tensor:
        """Return the volumes alone."""
        found = ((self.runs[r], j) for r, j in self._find(chosen))
        bold = np.stack([to_model(run.bold[j], self.scale, run.run) for run, j in found])
        return _send(bold, device)

    def batches(
        self, size: int, device: str, order: Int64[np.ndarray, " chosen"] | None = None
    ) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield spectrograms and volumes batch by batch, of all examples unless some are chosen."""
        for chosen in in_parts(np.arange(len(self)) if order is None else order, size):
            yield self.take(chosen, device)

    def _find(self, chosen: Int64[np.ndarray, " batch"]) -> list[tuple[int, int]]:
        """Tell the run and the pair of examples that are counted over all runs."""
        ends = np.cumsum([len(index) for index in self.index])
        run_of = np.searchsorted(ends, chosen, side="right")
        within = chosen - np.concatenate([[0], ends])[run_of]
        return [(int(r), int(self.index[r][i])) for r, i in zip(run_of, within, strict=True)]


class Reconstructions(Examples):
    """Examples whose input is their target: what an `Autoencoder` is trained on."""

    def take(self, chosen: Int64[np.ndarray, " batch"], device: str) -> tuple[Tensor, Tensor]:
        """Return the volumes of some examples twice."""
        bold = self.take_bold(chosen, device)
        return bold, bold

    def take_eeg(self, chosen: Int64[np.ndarray, " batch"], device: str) -> Tensor:
        """Return the volumes in the place of spectrograms."""
        return self.take_bold(chosen, device)


def in_parts(
    order: Int64[np.ndarray, " chosen"], size: int
) -> Iterator[Int64[np.ndarray, " batch"]]:
    """Yield a row of numbers in parts of so many, of which the last may be shorter."""
    for first in range(0, len(order), size):
        yield order[first : first + size]


def _send(values: Float32[np.ndarray, "..."], device: str) -> Tensor:
    """Make a tensor on a device; to a GPU it is copied while the processor goes on."""
    tensor = torch.from_numpy(values)
    if not device.startswith("cuda"):
        return tensor.to(device)
    return tensor.pin_memory().to(device, non_blocking=True)
