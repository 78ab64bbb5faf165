"""Blocked cross-validation of ridge regression, as neighbouring pairs share EEG."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool, Float64, Int64
from scipy.linalg import eigh
from scipy.stats import t

from bids_eeg2fmri.types import typed

FOLDS = 5
"""Parts of the training pairs of which each is predicted once from the others."""
SURE = 0.05
"""One-sided p below which a gain is clear."""
APART = 4
"""Participants from which on some of them are predicted from the others; of fewer, times are."""

Fold = tuple[Int64[np.ndarray, " _"], Int64[np.ndarray, " _"]]
"""The pairs that are fitted and those that are predicted."""


@typed
class Design:
    """What the volumes of one run are predicted from."""

    values: Float64[np.ndarray, "pairs features"]
    """Features in any unit."""
    onset: Float64[np.ndarray, " pairs"]
    """Onset of each volume in seconds on the run's own clock."""
    participant: str
    """Whose run it is."""


def blocked_folds(designs: Sequence[Design], gap: float) -> list[Fold]:
    """Divide pairs, laid end to end, into parts to be predicted from pairs that share no EEG.

    Of ``APART`` participants or more, some are predicted from the others. Of fewer, a stretch of
    time is, and the pairs of its run less than ``gap`` seconds away from it are left out.

    Returns
    -------
    Up to ``FOLDS``, each with what is fitted and what is predicted; fewer, or none, where the pairs
    are too few for the gaps.
    """
    run = run_of(designs)
    onset = np.concatenate([design.onset for design in designs])
    people, person = np.unique([design.participant for design in designs], return_inverse=True)
    stretch = np.arange(len(run)) * FOLDS // len(run)
    part = person[run] % FOLDS if len(people) >= APART else stretch
    folds = [
        (np.flatnonzero(_apart(part == k, run, onset, gap)), np.flatnonzero(part == k))
        for k in range(FOLDS)
    ]
    return [(fitted, predicted) for fitted, predicted in folds if len(fitted) and len(predicted)]


def validation_error(
    x: Float64[np.ndarray, "pairs features"],
    y: Float64[np.ndarray, "pairs voxels"],
    run: Int64[np.ndarray, " pairs"],
    folds: Sequence[Fold],
    penalties: Float64[np.ndarray, " penalties"],
) -> Float64[np.ndarray, "folds penalties"]:
    """Sum the squared error of each penalty over the pairs and voxels that each fold predicts.

    ``run`` numbers the run of each pair: in each fold, features and volumes are taken about the
    mean of what is fitted of it.
    """
    error = np.zeros((len(folds), len(penalties)))
    for of_fold, (fitted, predicted) in zip(error, folds, strict=True):
        # Not about the mean of all: it would tell a drift where the predicted pairs lie.
        design, wanted = (_about_runs(values, run, fitted) for values in (x, y))
        power, axes = principal_axes(design[fitted])
        coupling = axes.T @ (design[fitted].T @ wanted[fitted])
        z = design[predicted] @ axes
        for i, penalty in enumerate(penalties):
            shrunk = z / (power + len(fitted) * penalty)
            of_fold[i] = np.sum((wanted[predicted] - shrunk @ coupling) ** 2)
    return error


def principal_axes(
    x: Float64[np.ndarray, "pairs features"],
) -> tuple[Float64[np.ndarray, " axes"], Float64[np.ndarray, "features axes"]]:
    r"""Find the axes along which features vary, and their sums of squares over the pairs.

    .. math:: X^\top X = V \Lambda V^\top, \qquad X X^\top = U \Lambda U^\top, \qquad
        V = X^\top U \Lambda^{-1/2}

    Of the two the smaller matrix is taken apart: a run has fewer pairs than features, and the time
    goes with the cube. Axes without variance are left out then; a ridge regression is nought there.
    """
    n, p = x.shape
    if p <= n:
        power, axes = eigh(x.T @ x)
        return power, axes
    power, sides = eigh(x @ x.T)
    kept = power > n * np.finfo(float).eps * max(power[-1], 0)
    return power[kept], x.T @ sides[:, kept] / np.sqrt(power[kept])


def is_clear(gain: Float64[np.ndarray, " parts"]) -> bool:
    """Tell whether a gain is above zero over the parts it is from, by Student's t at ``SURE``."""
    n = len(gain)
    return n > 1 and bool(gain.mean() > t.ppf(1 - SURE, n - 1) * gain.std(ddof=1) / np.sqrt(n))


def run_of(designs: Sequence[Design]) -> Int64[np.ndarray, " pairs"]:
    """Tell by number which run each pair is of, all laid end to end."""
    return np.repeat(np.arange(len(designs)), [len(design.onset) for design in designs])


def _about_runs(
    values: Float64[np.ndarray, "pairs columns"],
    run: Int64[np.ndarray, " pairs"],
    fitted: Int64[np.ndarray, " _"],
) -> Float64[np.ndarray, "pairs columns"]:
    """Subtract the mean of each run's fitted pairs, or where it has none, of all its pairs."""
    centred = values.copy()
    for one in np.unique(run):
        own = np.flatnonzero(run == one)
        known = np.intersect1d(own, fitted)
        centred[own] -= values[known if len(known) else own].mean(axis=0)
    return centred


def _apart(
    held: Bool[np.ndarray, " pairs"],
    run: Int64[np.ndarray, " pairs"],
    onset: Float64[np.ndarray, " pairs"],
    gap: float,
) -> Bool[np.ndarray, " pairs"]:
    """Find the pairs ``gap`` seconds or more from a stretch of time, in each run that it is in."""
    apart = ~held
    for one in np.unique(run[held]):
        times = onset[held & (run == one)]
        near = (onset > times[0] - gap) & (onset < times[-1] + gap)
        apart &= ~(near & (run == one))
    return apart
