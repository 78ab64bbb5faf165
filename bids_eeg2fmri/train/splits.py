"""Which pairs train, which choose the epoch, and which are kept for the test."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from jaxtyping import Float64, Int64

from bids_eeg2fmri.config import SplitConfig
from bids_eeg2fmri.errors import DataError

Index = Int64[np.ndarray, " chosen"]


@dataclass(frozen=True)
class Split:
    """Indices into the pairs of each run, run by run."""

    train: tuple[Index, ...]
    valid: tuple[Index, ...]
    test: tuple[Index, ...]


def split_in_time(
    onsets: Sequence[Float64[np.ndarray, " pairs"]], cfg: SplitConfig, gap: float
) -> Split:
    """Divide consecutive runs into an earlier part for training and later ones for the rest.

    Blocked, not shuffled: neighbouring pairs share up to 18 s of EEG at a repetition time of 2 s.

    Parameters
    ----------
    onsets
        Onset of each pair in seconds on its run's own clock; runs of one task, in order.
    cfg
        Shares of the parts.
    gap
        Seconds left out where one part follows another within a run.

    Raises
    ------
    DataError
        If a part would be left without a pair.
    """
    sizes = [len(onset) for onset in onsets]
    starts = np.cumsum([0, *sizes])
    total = int(starts[-1])
    cuts = (round(total * (1 - cfg.test - cfg.valid)), round(total * (1 - cfg.test)))
    parts: list[list[Index]] = [[], [], []]
    for onset, start in zip(onsets, starts[:-1], strict=True):
        bounds = [0, *(int(np.clip(cut - start, 0, len(onset))) for cut in cuts), len(onset)]
        for part, (first, last) in enumerate(pairwise(bounds)):
            index = np.arange(first, last)
            if first > 0:  # the part before it ends inside this run
                index = index[onset[index] >= onset[first - 1] + gap]
            parts[part].append(index.astype(np.int64))
    split = Split(*(tuple(part) for part in parts))
    _refuse_empty(split, total, gap)
    return split


def split_participants(
    labels: Sequence[str], test: Sequence[str], cfg: SplitConfig, seed: int
) -> tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...]]:
    """Hold participants out for the test, and of the others one in four to choose the epoch.

    Parameters
    ----------
    labels
        All participants.
    test
        Those to hold out; if none is named, a share of ``cfg.test_participants`` is drawn.
    cfg
        The share.
    seed
        Makes the draw repeatable.

    Returns
    -------
    Training, validation and test participants. With fewer than four for training none is set aside
    for validation, and the epoch is chosen on later volumes of the training participants.

    Raises
    ------
    DataError
        If nobody is left to train on.
    """
    drawn = np.random.default_rng(seed).permutation(sorted(labels)).tolist()
    if not test:
        test = drawn[: max(1, round(len(labels) * cfg.test_participants))]
    rest = [label for label in drawn if label not in test]
    if not rest:
        raise DataError(
            f"No participant is left to train on: {len(labels)} usable, {len(test)} held out. "
            "The group level needs at least two."
        )
    n_valid = len(rest) // 4
    return tuple(sorted(rest[n_valid:])), tuple(sorted(rest[:n_valid])), tuple(sorted(test))


def _refuse_empty(split: Split, total: int, gap: float) -> None:
    for name in ("train", "valid", "test"):
        if sum(map(len, getattr(split, name))) == 0:
            raise DataError(
                f"The {name} part is left without a pair: {total} pairs cannot be divided with "
                f"gaps of {gap:g} s. Record longer runs, or change split.test, split.valid or "
                "split.gap."
            )
