"""The state of work under way, in one file each, which a kill leaves as it was before."""

import logging
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from torch import Tensor

from bids_eeg2fmri.bids import models
from bids_eeg2fmri.bids.write import sweep
from bids_eeg2fmri.errors import DataError
from bids_eeg2fmri.runtime import log

SMALL = 64_000_000
"""Bytes of a state that takes no time to write."""
SHARE = 0.1
"""Largest part of the time that goes into writing larger ones."""
ABANDONED = 3600.0
"""Seconds for which nobody writes to a file that is still written."""


def write_checkpoint(path: Path, tensors: Mapping[str, Tensor], history: Any) -> None:
    """Keep tensors, wherever they are, and what JSON knows of how they came about.

    Raises
    ------
    OutputError
        If the file cannot be written.
    """
    models.write_checkpoint(path, on_cpu(tensors), history)


def read_checkpoint(path: Path) -> tuple[dict[str, Tensor], Any]:
    """Read back what :func:`write_checkpoint` kept.

    Raises
    ------
    DataError
        If it is damaged.
    TemporaryError
        If it cannot be read.
    """
    return models.read_checkpoint(path)


@dataclass
class Keeper:
    """Keep the state of a work as often as its size allows.

    Small states are kept whenever they are offered. Large ones, of some 500 MB at the shape of
    NODDI, only once the work since the last one took ten times as long as that took to write; who
    goes on from an earlier one comes to the same end.
    """

    path: Path
    seconds: float = 0.0
    """What the last large one took to write."""
    since: float = field(default_factory=time.monotonic)
    """When it was there."""

    def keep(self, tensors: Mapping[str, Tensor], history: Any) -> None:
        """Write down a state, or leave it.

        Raises
        ------
        OutputError
            If the file cannot be written.
        """
        is_small = sum(tensor.nbytes for tensor in tensors.values()) < SMALL
        began = time.monotonic()
        if not is_small and began - self.since < self.seconds / SHARE:
            return
        write_checkpoint(self.path, tensors, history)
        self.since = time.monotonic()
        self.seconds = self.since - began


def drop_if_damaged(files: Sequence[Path], owner: str, what: str) -> None:
    """Remove the files that keep the state of something, all of them if one is damaged.

    Parameters
    ----------
    owner, what
        Whose work it is and how the log calls it.

    Raises
    ------
    TemporaryError
        If one cannot be read; all stay.
    """
    try:
        for path in files:
            if path.exists():
                read_checkpoint(path)
    except DataError:
        _drop(files, owner, what)


def read_if_whole(path: Path, owner: str, what: str) -> tuple[dict[str, Tensor], Any] | None:
    """Read a state, if there is one; remove it if it is damaged. See :func:`drop_if_damaged`."""
    if not path.exists():
        return None
    try:
        return read_checkpoint(path)
    except DataError:
        _drop([path], owner, what)
        return None


def _drop(files: Sequence[Path], owner: str, what: str) -> None:
    told = f"{what}  begins anew: its state at the interruption was damaged on the disk"
    log.tell(owner, "damaged", told, logging.WARNING)
    for path in files:
        path.unlink(missing_ok=True)


def sweep_half_written(folder: Path) -> None:
    """Remove the states that killed processes were writing; one that is at work now may be too."""
    sweep(folder, ["*"], age=ABANDONED)


def on_cpu(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Bring tensors to where they can be written."""
    return {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
