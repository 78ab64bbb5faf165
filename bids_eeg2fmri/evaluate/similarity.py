"""How close two volumes come: errors, and structural similarity, ours and the public code's."""

import numpy as np
from jaxtyping import Float, Float32, Float64
from skimage.metrics import structural_similarity

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
    r"""Mean absolute error, :math:`\frac{1}{n} \sum |y - \hat y|`, over time or over voxels."""
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
    mean, local = structural_similarity(
        observed.astype(np.float64),
        predicted.astype(np.float64),
        win_size=window,
        data_range=data_range,
        full=True,
    )
    return float(mean), local


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
    slices = [slice_ * EVERY for slice_ in range(max(observed.shape[2] // EVERY, 1))]
    scores = []
    for z in slices:
        y, y_hat = ((v[:, :, z].astype(np.float64) - mean) / sd for v in (observed, predicted))
        scores.append(
            structural_similarity(
                y,
                y_hat,
                gaussian_weights=True,
                sigma=SIGMA * radius / RADIUS,
                use_sample_covariance=False,
                data_range=max(y.max(), y_hat.max()),
            )
        )
    return float(np.mean(scores))
