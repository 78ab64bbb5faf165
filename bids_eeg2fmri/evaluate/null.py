"""What a prediction scores by chance: the same model with its EEG shifted in time.

A volume is predicted from the EEG that precedes it and from nothing else, so the predictions from
circularly shifted EEG are the circularly shifted predictions, and the null costs no further run of
the model. A shift keeps the autocorrelation of both series, which shuffling would destroy.

The volumes are taken as equally spaced: where some are missing, a shift counts the others. A slow
drift that both series share is not stationary and looks like a true coupling: remove drifts before
asking for a p-value.
"""

import numpy as np
from jaxtyping import Float, Float64, Int64

from bids_eeg2fmri.evaluate.metrics import standardise

BLOCK = 4096
"""Voxels that are transformed at a time."""
TIE = 1e-9
"""Two correlations that differ by less are equal."""


def admissible_shifts(
    n: int, min_shift: int, max_draws: int, seed: int
) -> Int64[np.ndarray, " draws"]:
    """List the circular shifts of ``n`` volumes that are ``min_shift`` or more away from none.

    Parameters
    ----------
    n
        Volumes in the series.
    min_shift
        Smallest shift in volumes, in either direction; long enough for the EEG window and the
        haemodynamic response to have passed.
    max_draws
        Largest number of shifts; where there are more, as many are drawn at random.
    seed
        From which the draw follows.

    Returns
    -------
    Shifts in volumes in ascending order; none where the series is shorter than twice ``min_shift``.
    """
    shifts = np.arange(max(min_shift, 1), n - max(min_shift, 1) + 1, dtype=np.int64)
    if len(shifts) > max_draws:
        shifts = np.random.default_rng(seed).choice(shifts, max_draws, replace=False)
    return np.sort(shifts)


def shifted_correlation(
    observed: Float[np.ndarray, "volumes voxels"],
    predicted: Float[np.ndarray, "volumes voxels"],
    min_shift: int,
    max_draws: int,
    seed: int,
) -> Float64[np.ndarray, " draws"]:
    """Temporal correlation with the prediction from shifted EEG, mean over the voxels.

    Voxels where either series is constant are left out, as in ``metrics.score``. See
    ``admissible_shifts`` for ``min_shift``, ``max_draws`` and ``seed``; empty where no shift is
    admissible.
    """
    total, voxels = np.zeros(len(observed)), 0
    for block in _blocks(observed.shape[1]):
        r = _circular_correlation(observed[:, block], predicted[:, block])
        defined = np.isfinite(r[0])
        total += r[:, defined].sum(axis=1)
        voxels += int(defined.sum())
    shifts = admissible_shifts(len(observed), min_shift, max_draws, seed)
    return np.asarray(total[shifts] / (voxels or np.nan))


def shifted_p(
    observed: Float[np.ndarray, "volumes voxels"],
    predicted: Float[np.ndarray, "volumes voxels"],
    min_shift: int,
    max_draws: int,
    seed: int,
) -> Float64[np.ndarray, " voxels"]:
    """One-sided p of each voxel's temporal correlation against shifted EEG; uncorrected.

    NaN where either series is constant, and everywhere where no shift is admissible.
    """
    shifts = admissible_shifts(len(observed), min_shift, max_draws, seed)
    p = np.full(observed.shape[1], np.nan)
    for block in _blocks(len(p)):
        r = _circular_correlation(observed[:, block], predicted[:, block])
        p[block] = _p(r[0], r[shifts])
    return p


def p_value(true: float, null: Float64[np.ndarray, " draws"]) -> float:
    r"""One-sided p of a score against its null, :math:`(1 + \#\{r_0 \ge r\}) / (1 + n)`.

    The true order is one of those that could have been (Phipson & Smyth 2010), so p is never 0.
    NaN where the null is empty or the score undefined.
    """
    return float(_p(np.array([true]), null[:, None])[0])


def _p(
    true: Float64[np.ndarray, " voxels"], null: Float64[np.ndarray, "draws voxels"]
) -> Float64[np.ndarray, " voxels"]:
    p = (1 + np.sum(null >= true - TIE, axis=0)) / (1 + len(null))
    return np.where(np.isfinite(true) & (len(null) > 0), p, np.nan)


def _blocks(n: int) -> list[slice]:
    return [slice(start, start + BLOCK) for start in range(0, n, BLOCK)]


def _circular_correlation(
    observed: Float[np.ndarray, "volumes voxels"],
    predicted: Float[np.ndarray, "volumes voxels"],
) -> Float64[np.ndarray, "volumes voxels"]:
    """Correlation of each voxel at every circular shift of the prediction, by FFT."""
    n = len(observed)
    y, y_hat = (np.fft.rfft(standardise(series), axis=0) for series in (observed, predicted))
    return np.fft.irfft(y * y_hat.conj(), n, axis=0) / n
