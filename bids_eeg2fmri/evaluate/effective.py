"""How many independent volumes a test amounts to, when both signals are autocorrelated."""

import numpy as np
from jaxtyping import Float, Float64

from bids_eeg2fmri.evaluate.series import autocorrelation, blocks

NOISE = 1.96
"""Standard deviations of a white series' autocorrelation within which it counts as none."""


def effective_size(
    observed: Float[np.ndarray, "volumes voxels"],
    predicted: Float[np.ndarray, "volumes voxels"],
) -> Float64[np.ndarray, " voxels"]:
    r"""Volumes that a correlation is worth (Bartlett 1935; Bayley & Hammersley 1946).

    .. math:: n / \left(1 + 2 \sum_{k=1}^{K} (1 - k / n)\, \rho_y(k)\, \rho_{\hat y}(k)\right)

    Returns
    -------
    Independent volumes for each voxel, at most n; NaN where either series is constant.

    Notes
    -----
    The sum ends before the first lag at which either autocorrelation lies within
    :math:`\pm 1.96 / \sqrt n`, as in the adaptive truncation of Afyouni et al. (2019): what comes
    later is mostly noise. It holds for weak coupling; r by itself makes the true error smaller, as
    ``statistics.fisher_interval`` knows.
    """
    n, size = len(observed), np.full(observed.shape[1], np.nan)
    weight = 1 - np.arange(n)[:, None] / n
    for block in blocks(observed.shape[1]):
        rho = [autocorrelation(series[:, block]) for series in (observed, predicted)]
        faint = np.minimum(*np.abs(rho)) <= NOISE / np.sqrt(n)
        product = np.where(np.cumsum(faint, axis=0) > 0, 0, weight * rho[0] * rho[1])
        variance = 2 * product.sum(axis=0) - 1  # lag 0 stands in the sum once and weighs 1
        defined = np.isfinite(rho[0][0] + rho[1][0])
        size[block] = np.where(defined, n / np.maximum(variance, 1), np.nan)
    return size


def autocorrelation_length(series: Float[np.ndarray, "volumes voxels"]) -> int:
    """Lag in volumes from which on a series has mostly forgotten itself.

    The first at which the autocorrelation, mean over the voxels that vary, is 1/e or less; the
    length of the series where there is none, and 0 where no voxel varies.
    """
    total = np.zeros(len(series))
    for block in blocks(series.shape[1]):
        total += np.nansum(autocorrelation(series[:, block]), axis=1)
    forgotten = np.flatnonzero(total <= total[0] / np.e)
    return int(forgotten[0]) if forgotten.size else len(series)
