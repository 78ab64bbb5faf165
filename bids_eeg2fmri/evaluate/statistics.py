"""The tests and intervals that comparisons rest on, for one score or for all voxels at once."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Float64
from scipy import stats

MIN_PARTICIPANTS = 3
"""Test participants from which on intervals and p are over participants, and so tell of other
people; with fewer they tell of what was tested alone."""
IDENTICAL = 1e-9
"""Deviation over mean below which differences are the same but for rounding."""
PERFECT = np.nextafter(1, 0)
"""The largest correlation of which Fisher's z is finite."""


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


@dataclass(frozen=True)
class Interval:
    """A mean and where it lies with a given confidence."""

    mean: float
    """The estimate; NaN where undefined."""
    low: float
    """Lower end; NaN where nothing can be said."""
    high: float
    """Upper end."""


def fisher_z(r: Float[np.ndarray, "..."]) -> Float64[np.ndarray, "..."]:
    """Bring correlations to a scale on which they are normal (Fisher 1921), artanh r.

    Perfect ones stay finite.
    """
    return np.asarray(np.arctanh(np.clip(r, -PERFECT, PERFECT), dtype=np.float64))


def fisher_interval(
    r: Float64[np.ndarray, "..."], n_effective: Float64[np.ndarray, "..."], level: float = 0.95
) -> tuple[Float64[np.ndarray, "..."], Float64[np.ndarray, "..."]]:
    r"""Confidence interval of a correlation (Fisher 1921).

    .. math:: \tanh\left(\operatorname{artanh} r \pm z / \sqrt{n_\mathrm{eff} - 3}\right)

    Parameters
    ----------
    n_effective
        Independent observations, see ``effective.effective_size``.
    level
        Confidence.

    Returns
    -------
    Lower and upper end; −1 and 1 with three observations or fewer, NaN where r is.
    """
    freedom = np.maximum(np.asarray(n_effective) - 3, 0)
    with np.errstate(divide="ignore"):
        half = stats.norm.ppf((1 + level) / 2) / np.sqrt(freedom)
    z = fisher_z(r)
    return np.asarray(np.tanh(z - half)), np.asarray(np.tanh(z + half))


def mean_interval(values: Float64[np.ndarray, " participants"], level: float = 0.95) -> Interval:
    r"""Confidence interval of a mean (Student 1908), :math:`\bar x \pm t_{n-1} s / \sqrt n`.

    Undefined values are left out; the ends are NaN with fewer than two.
    """
    defined = values[np.isfinite(values)]
    n = len(defined)
    if n < 2:
        return Interval(float(defined[0]) if n else np.nan, np.nan, np.nan)
    half = stats.t.ppf((1 + level) / 2, n - 1) * defined.std(ddof=1) / np.sqrt(n)
    mean = float(defined.mean())
    return Interval(mean, mean - float(half), mean + float(half))


def mean_correlation_interval(
    r: Float64[np.ndarray, " participants"], level: float = 0.95
) -> Interval:
    """Confidence interval of the mean correlation of participants, on the scale of Fisher's z.

    The mean is that of z brought back to r. Undefined values are left out; the ends are NaN with
    fewer than two.
    """
    z = mean_interval(fisher_z(r), level)
    return Interval(*(float(np.tanh(end)) for end in (z.mean, z.low, z.high)))
