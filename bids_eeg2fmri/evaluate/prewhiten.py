"""Make series of long memory such that least squares weigh them rightly (Cochrane & Orcutt 1949).

Each volume of BOLD resembles the one before. Ordinary least squares take such volumes for
independent and follow slow fluctuations, of which a run has few, so that they agree with those of
anything else by chance. What is new in each volume has no such memory.
"""

import numpy as np
from jaxtyping import Bool, Float, Float64

LONGEST = 0.95
"""Largest autocorrelation that is taken out: more would leave nothing but differences."""
GAP = 1.5
"""Pairs that are further apart than this many usual steps do not follow each other."""


def first_autocorrelation(
    series: Float[np.ndarray, "pairs voxels"], onset: Float64[np.ndarray, " pairs"]
) -> float:
    r"""Measure how much a volume resembles the one before, in one number for all voxels.

    .. math:: \phi = \sum_v \sum_t y_v(t) y_v(t-1) / \sum_v \sum_t y_v(t-1)^2

    Parameters
    ----------
    series
        Each voxel about its mean, in any unit.
    onset
        Of each volume in seconds; sums are over those that follow another without a hole.

    Returns
    -------
    From 0 to ``LONGEST``; 0 where nothing varies.
    """
    after = np.flatnonzero(_follows(onset))
    before = series[after - 1].astype(np.float64)
    size = np.sum(before**2)
    return float(np.clip(np.sum(series[after] * before) / (size or 1.0), 0.0, LONGEST))


def prewhiten(
    values: Float[np.ndarray, "pairs columns"], onset: Float64[np.ndarray, " pairs"], phi: float
) -> Float[np.ndarray, "pairs columns"]:
    r"""Keep what is new in each row, :math:`z(t) = y(t) - \phi y(t-1)`.

    A row that follows no other, the first one or the first after a hole, is kept and multiplied by
    :math:`\sqrt{1 - \phi^2}`, so that all have one variance (Prais & Winsten 1954).

    Parameters
    ----------
    values
        Columns about their mean.
    onset
        Of each row in seconds.
    phi
        Autocorrelation, from 0 to below 1.
    """
    after = _follows(onset)
    factor = values.dtype.type(phi)
    new = values * np.where(after, 1, np.sqrt(1 - phi**2)).astype(values.dtype)[:, None]
    new[1:] -= np.where(after[1:, None], factor * values[:-1], 0)
    return np.asarray(new)


def _follows(onset: Float64[np.ndarray, " pairs"]) -> Bool[np.ndarray, " pairs"]:
    """Tell which volumes come right after the one before."""
    step = np.diff(onset)
    usual = np.median(step) if len(step) else 0.0
    return np.concatenate([[False], step < GAP * usual])
