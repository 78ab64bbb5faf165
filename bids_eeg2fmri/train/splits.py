"""Which pairs train, which choose the epoch, and which are kept for the test."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from jaxtyping import Float64, Int64

from bids_eeg2fmri.config import SplitConfig
from bids_eeg2fmri.errors import DataError

Index = Int64[np.ndarray, " _"]
"""Some pairs of a run, in ascending order."""
_EMPTY = np.arange(0)


@dataclass(frozen=True)
class Split:
    """Indices into the pairs of each run, run by run."""

    train: tuple[Index, ...]
    """Those that networks are fitted to."""
    valid: tuple[Index, ...]
    """Those that choose the epoch."""
    test: tuple[Index, ...]
    """Those that nobody looks at before the test."""

    @property
    def before_test(self) -> tuple[Index, ...]:
        """What searches may look at: the training and validation pairs of each run."""
        return tuple(map(np.concatenate, zip(self.train, self.valid, strict=True)))


def extents(index: Sequence[Index]) -> list[list[int]]:
    """Give first, last and number of each run's pairs: enough to tell parts from each other."""
    return [[int(i[0]), int(i[-1]), len(i)] if len(i) else [] for i in index]


def split_in_time(
    onsets: Sequence[Float64[np.ndarray, " _"]],
    tasks: Sequence[str],
    cfg: SplitConfig,
    gap: float,
) -> Split:
    """Divide the runs of each task into an earlier part for training and later ones for the rest.

    Blocked, not shuffled: neighbouring pairs share up to 18 s of EEG at a repetition time of 2 s.

    Parameters
    ----------
    onsets
        Onset of each pair in seconds on its run's own clock; runs in order.
    tasks
        Task of each run. A task too short to be divided serves training alone.
    cfg
        Shares of the parts.
    gap
        Seconds left out where one part follows another within a run.

    Raises
    ------
    DataError
        If no task is long enough to be divided.
    """
    parts = [[_EMPTY] * len(onsets) for _ in range(3)]
    for task in dict.fromkeys(tasks):
        runs = [i for i, other in enumerate(tasks) if other == task]
        cut = _cut([onsets[i] for i in runs], (cfg.test + cfg.valid, cfg.test), gap)
        if min(sum(map(len, part)) for part in cut) == 0:
            cut = [[np.arange(len(onsets[i])) for i in runs], *[[_EMPTY] * len(runs)] * 2]
        for part, divided in zip(parts, cut, strict=True):
            for run, index in zip(runs, divided, strict=True):
                part[run] = index
    if sum(map(len, parts[2])) == 0:
        total = sum(map(len, onsets))
        raise DataError(
            f"{total} pairs cannot be divided into training, validation and test with gaps of "
            f"{gap:g} s between them. Record longer runs, or change split.test, split.valid or "
            "split.gap."
        )
    return Split(*map(tuple, parts))


def hold_back(
    onsets: Sequence[Float64[np.ndarray, " _"]], share: float, gap: float
) -> tuple[tuple[Index, ...], tuple[Index, ...]]:
    """Keep the last ``share`` of each run for validation; a run too short for it only trains.

    Raises
    ------
    DataError
        If all of them are too short.
    """
    kept, held = [], []
    for onset in onsets:
        (first,), (last,) = _cut([onset], (share,), gap)
        whole = not (len(first) and len(last))
        kept.append(np.arange(len(onset)) if whole else first)
        held.append(_EMPTY if whole else last)
    if not any(map(len, held)):
        raise DataError(
            f"No run is long enough to keep {share:.0%} of it, after a gap of {gap:g} s, to choose "
            "the epoch. Give four or more training participants, longer runs, or change "
            "split.valid or split.gap."
        )
    return tuple(kept), tuple(held)


def fold_participants(labels: Sequence[str], folds: int, seed: int) -> tuple[tuple[str, ...], ...]:
    """Divide participants into parts, each of which is to be held out once; sizes differ by one.

    Raises
    ------
    DataError
        If there are more parts than participants.
    """
    if folds > len(labels):
        raise DataError(
            f"{len(labels)} usable participants cannot be divided into {folds} folds. "
            "Give --folds fewer."
        )
    drawn = np.random.default_rng(seed).permutation(sorted(labels))
    return tuple(tuple(sorted(part.tolist())) for part in np.array_split(drawn, folds))


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
            "The group level needs at least two; for one, run the participant level."
        )
    n_valid = len(rest) // 4
    return tuple(sorted(rest[n_valid:])), tuple(sorted(rest[:n_valid])), tuple(sorted(test))


def _cut(
    onsets: Sequence[Float64[np.ndarray, " _"]], shares: Sequence[float], gap: float
) -> list[list[Index]]:
    """Cut runs laid end to end where these shares of all pairs are left; gaps lie within runs."""
    starts = np.cumsum([0, *map(len, onsets)])
    cuts = [round(starts[-1] * (1 - share)) for share in shares]
    parts: list[list[Index]] = [[] for _ in range(len(cuts) + 1)]
    for onset, start in zip(onsets, starts[:-1], strict=True):
        bounds = [0, *(int(np.clip(cut - start, 0, len(onset))) for cut in cuts), len(onset)]
        for part, (first, last) in zip(parts, pairwise(bounds), strict=True):
            index = np.arange(first, last)
            if first > 0:  # the part before it ends inside this run
                index = index[onset[index] >= onset[first - 1] + gap]
            part.append(index)
    return parts
