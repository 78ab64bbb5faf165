"""The tests that comparisons rest on, for one score or for all voxels at once."""

import numpy as np
from jaxtyping import Float, Float64
from scipy import stats

IDENTICAL = 1e-9
"""Deviation over mean below which differences are the same but for rounding."""


def paired_t(
    differences: Float[np.ndarray, "observations ..."],
) -> tuple[Float64[np.ndarray, "..."], Float64[np.ndarray, "..."]]:
    r"""Paired t-test (Student 1908), :math:`t = \bar d \sqrt n / s_d` at n − 1 degrees of freedom.

    Parameters
    ----------
    differences
        First minus second, one row an observation; the unit does not matter.

    Returns
    -------
    t and the two-sided p of each test; NaN with fewer than two observations, where one is
    undefined, and where all differences are the same, which leaves nothing to judge them by.
    """
    n, rest = len(differences), differences.shape[1:]
    if n < 2:
        return np.full(rest, np.nan), np.full(rest, np.nan)
    mean, sd = differences.mean(axis=0, dtype=float), differences.std(axis=0, ddof=1, dtype=float)
    error = np.where(sd > IDENTICAL * np.abs(mean), sd / np.sqrt(n), np.nan)
    t = np.asarray(mean / error)
    return t, np.asarray(2 * stats.t.sf(np.abs(t), n - 1))


def signed_rank_p(differences: Float64[np.ndarray, " observations"]) -> float:
    """Two-sided p of the signed-rank test (Wilcoxon 1945).

    NaN with fewer than two observations and where all differences are zero.
    """
    if len(differences) < 2 or not differences.any():
        return np.nan
    return float(stats.wilcoxon(differences).pvalue)


def false_discovery_q(p: Float[np.ndarray, "..."]) -> Float64[np.ndarray, "..."]:
    """Adjust p-values for the share of false discoveries (Benjamini & Hochberg 1995).

    Undefined ones stay undefined and do not count as tests.
    """
    q = np.full(p.shape, np.nan)
    defined = np.isfinite(p)
    if defined.any():
        q[defined] = stats.false_discovery_control(p[defined])
    return q
