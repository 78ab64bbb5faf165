"""Time series of voxels: brought to one scale, and how long they remember."""

import numpy as np
from jaxtyping import Float, Float64

CONSTANT = 1e-6
"""Deviation over mean below which a series is constant: single precision promises no more."""
BLOCK = 4096
"""Voxels that are transformed at a time."""


def blocks(n: int) -> list[slice]:
    """Part ``n`` voxels into blocks, so that transforms of all of them never stand in memory."""
    return [slice(start, start + BLOCK) for start in range(0, n, BLOCK)]


def without_trend(
    series: Float[np.ndarray, "volumes voxels"],
) -> Float64[np.ndarray, "volumes voxels"]:
    """Take each voxel's mean and linear trend out.

    A trend that two series happen to have would look like a coupling that shifted EEG lacks.
    """
    detrended = series - series.mean(axis=0, dtype=np.float64)
    time = np.arange(len(series)) - (len(series) - 1) / 2
    detrended -= np.outer(time, time @ detrended / max(time @ time, 1))
    return np.asarray(detrended)


def standardise(
    series: Float[np.ndarray, "volumes voxels"],
) -> Float64[np.ndarray, "volumes voxels"]:
    """Bring each voxel to mean 0 and deviation 1 without its trend; NaN where it is constant."""
    detrended = without_trend(series)
    sd, mean = detrended.std(axis=0), series.mean(axis=0, dtype=np.float64)
    z: Float64[np.ndarray, "volumes voxels"] = np.full_like(detrended, np.nan)
    np.divide(detrended, sd, out=z, where=sd > CONSTANT * np.abs(mean))
    return z


def autocorrelation(
    series: Float[np.ndarray, "volumes voxels"],
) -> Float64[np.ndarray, "lags voxels"]:
    r"""Autocorrelation of each voxel, :math:`\rho_k = \frac{1}{n} \sum_t z_t z_{t+k}`, by FFT.

    Returns
    -------
    Lags of 0 to n − 1 volumes, linear trends taken out; NaN where the series is constant.
    """
    return lagged_products(standardise(series)) / len(series)


def lagged_products(
    series: Float64[np.ndarray, "volumes voxels"],
) -> Float64[np.ndarray, "lags voxels"]:
    r"""Multiply each voxel with itself at every lag, :math:`\sum_t y(t)\, y(t + k)`, by FFT."""
    n = len(series)
    # Twice as long, as the end must not meet the beginning.
    power = np.abs(np.fft.rfft(series, 2 * n, axis=0)) ** 2
    return np.asarray(np.fft.irfft(power, 2 * n, axis=0)[:n])
