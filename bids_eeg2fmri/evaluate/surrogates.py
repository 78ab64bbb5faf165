"""Nulls beside the shifted EEG, of which the one that needs nothing but predictions is made here.

Each breaks the link of EEG and BOLD in another way: blocks in another order, random phases (see
``phases``), other people's EEG (see ``exchange``), or EEG of another time that the model learnt
from too. The shifted EEG of ``null`` decides; what these say is told beside it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import islice, permutations

import numpy as np
from jaxtyping import Float, Float64, Int64

from bids_eeg2fmri.evaluate.series import blocks, standardise


@dataclass(frozen=True)
class Null:
    """One way to break the link of EEG and BOLD, for sidecars and reports."""

    title: str
    """What the model is given, in plain words."""
    description: str
    """How it is made, and what it keeps."""
    by_run: bool = True
    """Whether each test run has draws of its own; the p of several are then combined."""


NULLS: Mapping[str, Null] = {
    "shifted-eeg": Null(
        "shifted EEG",
        "The EEG is shifted circularly in time, beyond its window and the autocorrelation of both "
        "signals. Keeps all of either signal but their timing.",
    ),
    "block-permutation": Null(
        "EEG in blocks of another order",
        "The predictions are cut into blocks, each longer than the autocorrelation, which come in "
        "another order. Keeps each signal within a block.",
    ),
    "phase-randomised-eeg": Null(
        "EEG with random phases",
        "All channels of the EEG get the same random phases (Prichard & Theiler 1994). Keeps the "
        "spectra of the channels and how they go together, and no moment of the recording; rhythms "
        "that wax and wane more slowly than chance has it do so no longer.",
    ),
    "other-participants": Null(
        "the EEG of other participants",
        "The volumes of each test participant are predicted from the EEG of another one in the "
        "same fold. Keeps what all participants share, such as the timing of a task.",
        by_run=False,
    ),
    "retrained": Null(
        "models trained on shifted EEG",
        "The whole training is repeated with the EEG of every run shifted circularly in time, in "
        "training, validation and test alike. Keeps all of either signal but their timing, and "
        "what a network makes of BOLD whatever its EEG.",
    ),
}
"""The nulls, first the one that decides."""


def block_orders(
    n: int, block: int, max_draws: int, seed: int
) -> Int64[np.ndarray, "draws blocks"]:
    """List orders of the blocks that ``n`` volumes are cut into.

    Parameters
    ----------
    n
        Volumes in the series.
    block
        Smallest block in volumes, see ``null.least_shift``; as many are cut as there are room for,
        of equal length.
    max_draws
        Largest number of orders. All but the true one where they are no more, else so many drawn
        at random, each from all.
    seed
        From which the draw follows.

    Returns
    -------
    One order a row; none where the series is shorter than two blocks. Few blocks have few orders: 4
    have 23, so that p is never below 1/24.
    """
    k = max(n // max(block, 1), 1)
    every = np.array([*islice(permutations(range(k)), 1, max_draws + 2)], np.int64).reshape(-1, k)
    if len(every) <= max_draws:
        return every
    true = np.tile(np.arange(k, dtype=np.int64), (max_draws, 1))
    return np.random.default_rng(seed).permuted(true, axis=1)


def permuted_correlation(
    observed: Float[np.ndarray, "volumes voxels"],
    predicted: Float[np.ndarray, "volumes voxels"],
    block: int,
    max_draws: int,
    seed: int,
) -> Float64[np.ndarray, " draws"]:
    """Temporal correlation with the predictions in blocks of another order, mean over the voxels.

    The volumes that are left over, fewer than there are blocks, stay in their place. Voxels where
    either series is constant are left out. See ``block_orders`` for ``block``, ``max_draws`` and
    ``seed``; empty where the series is shorter than two blocks.
    """
    orders = block_orders(len(observed), block, max_draws, seed)
    total, voxels = np.zeros(len(orders)), 0
    for part in blocks(observed.shape[1]):
        r = _reordered(observed[:, part], predicted[:, part], orders)
        defined = np.isfinite(r[0])
        total += r[1:, defined].sum(axis=1)
        voxels += int(defined.sum())
    return np.asarray(total / (voxels or np.nan))


def _reordered(
    observed: Float[np.ndarray, "volumes voxels"],
    predicted: Float[np.ndarray, "volumes voxels"],
    orders: Int64[np.ndarray, "draws blocks"],
) -> Float64[np.ndarray, "_ voxels"]:
    """Correlate in the true order, which is the first row, and in each other."""
    y, y_hat = standardise(observed), standardise(predicted)
    n, k = len(y), orders.shape[1]
    length = n // k
    cut = length * k
    r = np.empty((1 + len(orders), y.shape[1]))
    r[0] = np.mean(y * y_hat, axis=0)
    left = (y[cut:] * y_hat[cut:]).sum(axis=0)
    # Each block with each: an order then only chooses k of these k² sums.
    a, b = (series[:cut].reshape(k, length, -1) for series in (y, y_hat))
    products = np.einsum("itv,jtv->ijv", a, b)
    for row, order in enumerate(orders, start=1):
        r[row] = (products[np.arange(k), order].sum(axis=0) + left) / n
    return r


class Correlator:
    """Temporal correlation with the same observed volumes, mean over the voxels.

    Parameters
    ----------
    observed
        In any unit.
    """

    def __init__(self, observed: Float[np.ndarray, "volumes voxels"]) -> None:
        self._blocks = blocks(observed.shape[1])
        self._standardised = [standardise(observed[:, block]) for block in self._blocks]

    def __call__(self, predicted: Float[np.ndarray, "volumes voxels"]) -> float:
        """Correlate over the voxels where neither series is constant.

        0 where there is no such voxel, for that prediction tells nothing.
        """
        total, voxels = 0.0, 0
        for block, z in zip(self._blocks, self._standardised, strict=True):
            r = np.mean(z * standardise(predicted[:, block]), axis=0)
            total += float(np.nansum(r))
            voxels += int(np.isfinite(r).sum())
        return total / max(voxels, 1)


def mean_correlation(
    observed: Float[np.ndarray, "volumes voxels"],
    predicted: Float[np.ndarray, "volumes voxels"],
) -> float:
    """Correlate one prediction with what was observed, see ``Correlator``."""
    return Correlator(observed)(predicted)
