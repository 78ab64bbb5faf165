"""What a prediction scores by chance: the same model with its EEG shifted in time.

A volume is predicted from the EEG that precedes it and from nothing else, so the predictions from
circularly shifted EEG are the circularly shifted predictions, and the null costs no further run of
the model. A shift keeps the autocorrelation of both series, which shuffling would destroy.

What the model does by chance is told by the shifts beyond the autocorrelation. p counts the shorter
ones too: all together, the shifts of two unrelated series are exchangeable with none, and without
the shorter ones they are not. The true order then stands alone among neighbours that are alike, and
is the best of all too often: in 8 of 100 tests at p < .05 for two series of autocorrelation .9.

The volumes are taken as equally spaced: where some are missing, a shift counts the others. A slow
drift that both series share is not stationary and looks like a true coupling: linear ones are taken
out, remove others before asking for a p-value.
"""

import math

import numpy as np
from jaxtyping import Float, Float64, Int64

from bids_eeg2fmri.evaluate.effective import autocorrelation_length
from bids_eeg2fmri.evaluate.series import blocks, standardise, without_trend

TIE = 1e-9
"""Two scores that differ by less are equal."""


def least_shift(
    observed: Float[np.ndarray, "volumes voxels"],
    predicted: Float[np.ndarray, "volumes _"],
    window: int,
) -> int:
    """Choose the smallest shift, in volumes, after which a prediction is as good as another's.

    It carries the EEG out of its window and the haemodynamic response behind it (``window``, in
    volumes), and either signal beyond its own autocorrelation.
    """
    return max(window, autocorrelation_length(observed), autocorrelation_length(predicted))


def admissible_shifts(
    n: int, min_shift: int, max_draws: int, seed: int
) -> Int64[np.ndarray, " draws"]:
    """List the circular shifts of ``n`` volumes that are ``min_shift`` or more away from none.

    Parameters
    ----------
    n
        Volumes in the series.
    min_shift
        Smallest shift in volumes, in either direction, see ``least_shift``.
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


def range_of_shifted(
    predicted: Float[np.ndarray, " volumes"], shifts: Int64[np.ndarray, " draws"]
) -> Float64[np.ndarray, "2 volumes"]:
    """Give the 5th and 95th percentile at each volume of a prediction under shifts of its EEG."""
    shifted = [np.roll(predicted, shift) for shift in shifts]
    return np.asarray(np.percentile(shifted, [5, 95], axis=0))


def shuffled_shifts(n: int, min_shift: int, seed: int) -> Int64[np.ndarray, " draws"]:
    """List every admissible shift in volumes once, in an order that follows from the seed.

    Parameters
    ----------
    n, min_shift
        As in ``admissible_shifts``; a series that is too short for any is shifted by half.
    """
    shifts = admissible_shifts(n, min(min_shift, n // 2), n, seed)
    return np.random.default_rng(seed).permutation(shifts)


def correlation_by_shift(
    observed: Float[np.ndarray, "volumes voxels"],
    predicted: Float[np.ndarray, "volumes voxels"],
) -> Float64[np.ndarray, " shifts"]:
    """Temporal correlation with the prediction from shifted EEG, mean over the voxels.

    Voxels where either series is constant are left out, as in ``metrics.score``.

    Returns
    -------
    One for each shift of 0 to n − 1 volumes, the true one first; NaN where no voxel is left.
    """
    total, voxels = np.zeros(len(observed)), 0
    for block in blocks(observed.shape[1]):
        r = _circular_correlation(observed[:, block], predicted[:, block])
        defined = np.isfinite(r[0])
        total += r[:, defined].sum(axis=1)
        voxels += int(defined.sum())
    return np.asarray(total / (voxels or np.nan))


def skill_by_shift(
    observed: Float[np.ndarray, "volumes voxels"],
    predicted: Float[np.ndarray, "volumes voxels"],
    reference: Float[np.ndarray, " voxels"],
) -> Float64[np.ndarray, " shifts"]:
    r"""Skill of the prediction from shifted EEG, pooled over the voxels.

    .. math:: S_0 - 2 \left(C_0 - C_s\right) / \sum (y - \bar y_\mathrm{train})^2, \qquad
        C_s = \sum_{v, t} y'_v(t)\, \hat y'_v(t - s)

    with the series :math:`y'` and :math:`\hat y'` free of their linear trends. Only what fluctuates
    about these is shifted, so that a drift that both happen to have tells nothing.

    Parameters
    ----------
    reference
        Mean of the training volumes, as in ``metrics.score``.

    Returns
    -------
    One for each shift of 0 to n − 1 volumes, that of ``metrics.score`` first; NaN where the
    reference is perfect.
    """
    cross, total, error = np.zeros(len(observed)), 0.0, 0.0
    for block in blocks(observed.shape[1]):
        y, y_hat = observed[:, block], predicted[:, block]
        total += float(np.sum(np.subtract(y, reference[block], dtype=np.float64) ** 2))
        error += float(np.sum(np.subtract(y, y_hat, dtype=np.float64) ** 2))
        cross += _circular_products(without_trend(y), without_trend(y_hat)).sum(axis=1)
    return np.asarray(1 - (error + 2 * (cross[0] - cross)) / (total or np.nan))


def shift_p(by_shift: Float64[np.ndarray, " shifts"], min_shift: int) -> float:
    """One-sided p of a score among those of all shifts of the EEG.

    Parameters
    ----------
    by_shift
        Score by shift, the true one first.
    min_shift
        See ``least_shift``: p is NaN where the test is shorter than twice that. So it is where the
        score is undefined.
    """
    long_enough = len(by_shift) >= 2 * min_shift
    return p_value(float(by_shift[0]), by_shift[1:]) if long_enough else math.nan


def shifted_p(
    observed: Float[np.ndarray, "volumes voxels"],
    predicted: Float[np.ndarray, "volumes voxels"],
    min_shift: int,
) -> Float64[np.ndarray, " voxels"]:
    """One-sided p of each voxel's temporal correlation among all shifts of the EEG; uncorrected.

    NaN where either series is constant, and everywhere where the test is shorter than twice
    ``min_shift``. ``statistics.false_discovery_q`` makes q of it, in the mask or out of a map.
    """
    p = np.full(observed.shape[1], np.nan)
    if len(observed) < 2 * min_shift:
        return p
    for block in blocks(len(p)):
        r = _circular_correlation(observed[:, block], predicted[:, block])
        p[block] = p_values(r[0], r[1:])
    return p


def p_value(true: float, null: Float64[np.ndarray, " draws"]) -> float:
    r"""One-sided p of a score against its null, :math:`(1 + \#\{r_0 \ge r\}) / (1 + n)`.

    The true order is one of those that could have been (Phipson & Smyth 2010), so p is never 0.
    NaN where the null is empty or the score undefined.
    """
    return float(p_values(np.array([true]), null[:, None])[0])


def p_values(
    true: Float64[np.ndarray, " voxels"], null: Float64[np.ndarray, "draws voxels"]
) -> Float64[np.ndarray, " voxels"]:
    """Give ``p_value`` of each voxel."""
    p = (1 + np.sum(null >= true - TIE, axis=0)) / (1 + len(null))
    return np.where(np.isfinite(true) & (len(null) > 0), p, np.nan)


def smallest_p(n_draws: int) -> float:
    """Smallest p that ``n_draws`` draws of a null can give; 1 where there are none."""
    return 1 / (1 + n_draws)


def resolution(n_draws: int, alpha: float) -> str:
    """Say in words whether ``n_draws`` draws of a null can make p fall below ``alpha``."""
    if not n_draws:
        return "the test is too short for any draw of the null, so nothing can be shown"
    draws, floor = f"{n_draws} draw{'s' * (n_draws > 1)}", f"{smallest_p(n_draws):.2g}"
    if smallest_p(n_draws) < alpha:
        return f"with {draws} of the null p can fall to {floor}"
    return (
        f"with {draws} of the null p cannot fall below {floor}, so nothing can be shown at "
        f"{alpha:g}: that takes {math.floor(1 / alpha)} draws, hence more or a longer test"
    )


def _circular_correlation(
    observed: Float[np.ndarray, "volumes voxels"],
    predicted: Float[np.ndarray, "volumes voxels"],
) -> Float64[np.ndarray, "shifts voxels"]:
    """Correlation of each voxel at every circular shift of the prediction."""
    return _circular_products(standardise(observed), standardise(predicted)) / len(observed)


def _circular_products(
    y: Float64[np.ndarray, "volumes voxels"], y_hat: Float64[np.ndarray, "volumes voxels"]
) -> Float64[np.ndarray, "shifts voxels"]:
    r"""Multiply two series at every circular shift, :math:`\sum_t y(t) \hat y(t - s)`, by FFT."""
    spectrum = np.fft.rfft(y, axis=0) * np.fft.rfft(y_hat, axis=0).conj()
    return np.asarray(np.fft.irfft(spectrum, len(y), axis=0))
