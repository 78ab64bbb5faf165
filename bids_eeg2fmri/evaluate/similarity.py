"""How close two volumes come: errors, and structural similarity, ours and the public code's."""

from collections.abc import Callable
from functools import partial

import numpy as np
from jaxtyping import Float, Float32, Float64
from scipy.ndimage import gaussian_filter, uniform_filter

EVERY = 3
"""The public code looks at every third axial slice."""
RADIUS = 5
"""Voxels on either side that its window reaches; 11 in all."""
SIGMA = 1.5
"""Standard deviation of that window in voxels."""


def mse(
    observed: Float[np.ndarray, "volumes voxels"],
    predicted: Float[np.ndarray, "volumes voxels"],
    axis: int,
) -> Float64[np.ndarray, " scores"]:
    r"""Mean squared error, :math:`\frac{1}{n} \sum (y - \hat y)^2`, over time or over voxels."""
    return np.asarray(np.mean(np.subtract(observed, predicted, dtype=np.float64) ** 2, axis=axis))


def mae(
    observed: Float[np.ndarray, "volumes voxels"],
    predicted: Float[np.ndarray, "volumes voxels"],
    axis: int,
) -> Float64[np.ndarray, " scores"]:
    r"""Mean absolute error, :math:`\frac{1}{n} \sum |y - \hat y|`, over time or over voxels.

    Over time it is the mean absolute residual of Fig. 2: the mean of absolute values, not the
    absolute value of the mean, which is zero for whoever gets the mean volume right.
    """
    return np.asarray(
        np.mean(np.abs(np.subtract(observed, predicted, dtype=np.float64)), axis=axis)
    )


def psnr(
    rmse: Float64[np.ndarray, " volumes"], data_range: float
) -> Float64[np.ndarray, " volumes"]:
    r"""Peak signal-to-noise ratio, :math:`20 \log_{10} (R / \mathrm{RMSE})` in decibels.

    Infinite where the prediction is perfect.
    """
    with np.errstate(divide="ignore"):
        return 20 * np.log10(data_range / rmse)


def ssim(
    observed: Float32[np.ndarray, "x y z"],
    predicted: Float32[np.ndarray, "x y z"],
    data_range: float,
) -> tuple[float, Float64[np.ndarray, "x y z"]]:
    """Structural similarity (Wang et al. 2004) in three dimensions, and its local map.

    The window is a cube of 7 voxels, or the largest odd number that the grid holds.
    """
    window = min(7, (min(observed.shape) - 1) // 2 * 2 + 1)
    y, y_hat = (volume.astype(np.float64) for volume in (observed, predicted))
    samples = window**3
    local = _similarity(
        y, y_hat, partial(uniform_filter, size=window), data_range, samples / (samples - 1)
    )
    whole = slice(window // 2, -(window // 2) or None)
    return float(local[whole, whole, whole].mean()), local


def ssim_slices(
    observed: Float32[np.ndarray, "x y z"],
    predicted: Float32[np.ndarray, "x y z"],
    mean: float,
    sd: float,
) -> float:
    """Structural similarity as the public code of Calhas & Henriques 2022 takes it.

    In two dimensions, with a Gaussian window of 11 pixels (less where the grid is smaller), on
    every third axial slice of volumes in z units; the range is the largest value of either slice.

    Parameters
    ----------
    mean, sd
        What brings volumes to z units: mean and standard deviation of training volumes.

    Notes
    -----
    Only for comparison with Tables 1 and 2: z units are negative in places, so that the largest
    value is no range, and it follows from the prediction too.
    """
    radius = min(RADIUS, (min(observed.shape[:2]) - 1) // 2)
    count = max(observed.shape[2] // EVERY, 1)
    y, y_hat = (
        (volume[:, :, : count * EVERY : EVERY].astype(np.float64) - mean) / sd
        for volume in (observed, predicted)
    )
    sigma = SIGMA * radius / RADIUS
    smooth = partial(gaussian_filter, sigma=(sigma, sigma, 0), radius=(radius, radius, 0))
    local = _similarity(y, y_hat, smooth, np.maximum(y, y_hat).max(axis=(0, 1)), 1.0)
    whole = slice(radius, -radius or None)
    return float(local[whole, whole].mean())


def _similarity(
    y: Float64[np.ndarray, "x y z"],
    y_hat: Float64[np.ndarray, "x y z"],
    smooth: Callable[[np.ndarray], np.ndarray],
    data_range: float | Float64[np.ndarray, " z"],
    bias: float,
) -> Float64[np.ndarray, "x y z"]:
    r"""Structural similarity in each window (Wang et al. 2004).

    .. math:: \frac{(2 \mu_y \mu_{\hat y} + c_1) (2 \sigma_{y \hat y} + c_2)}
        {(\mu_y^2 + \mu_{\hat y}^2 + c_1) (\sigma_y^2 + \sigma_{\hat y}^2 + c_2)},
        \qquad c_1 = (0.01 R)^2, \quad c_2 = (0.03 R)^2

    Of the two variances the sum alone is needed, so that four filters do.

    Parameters
    ----------
    smooth
        Gives the mean over the window around each voxel.
    data_range
        R, of all or of each slice.
    bias
        What variances over the window are multiplied by.
    """
    c1, c2 = (0.01 * data_range) ** 2, (0.03 * data_range) ** 2
    mean, mean_hat = smooth(y), smooth(y_hat)
    product, squares = mean * mean_hat, mean**2 + mean_hat**2
    covariance = bias * (smooth(y * y_hat) - product)
    variances = bias * (smooth(y**2 + y_hat**2) - squares)
    return np.asarray(
        (2 * product + c1) * (2 * covariance + c2) / ((squares + c1) * (variances + c2))
    )
