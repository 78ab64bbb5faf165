"""Effective volumes and memory of series against closed forms of autoregressive noise."""

import numpy as np
import pytest
from scipy.signal import detrend, lfilter

from bids_eeg2fmri.evaluate.effective import autocorrelation_length, effective_size
from bids_eeg2fmri.evaluate.metrics import pearsoncorrelation
from bids_eeg2fmri.evaluate.series import autocorrelation
from bids_eeg2fmri.evaluate.statistics import fisher_interval


def noise(seed: int, phi: float, n: int, voxels: int) -> np.ndarray:
    """Autoregressive noise of order one."""
    white = np.random.default_rng(seed).standard_normal((n + 100, voxels))
    return lfilter([1], [1, -phi], white, axis=0)[100:]


def test_autocorrelation_equals_sums_written_out():
    series = noise(0, 0.5, 30, 3)
    z = detrend(series, axis=0)
    expected = [(z[: 30 - k] * z[k:]).sum(axis=0) / (z**2).sum(axis=0) for k in range(30)]
    np.testing.assert_allclose(autocorrelation(series), expected, atol=1e-12)


@pytest.mark.parametrize(("phi", "theta"), [(0.6, 0.6), (0.8, 0.5), (0.9, 0.0)])
def test_effective_volumes_of_autoregressive_noise_follow_bartlett(phi, theta):
    n = 3000
    size = effective_size(noise(0, phi, n, 40), noise(1, theta, n, 40))
    assert np.median(size) == pytest.approx(n * (1 - phi * theta) / (1 + phi * theta), rel=0.1)


def test_no_test_is_worth_more_volumes_than_it_has():
    size = effective_size(noise(0, -0.7, 200, 50), noise(1, 0.7, 200, 50))
    assert (size == 200).all()


def test_a_constant_voxel_has_no_effective_volumes():
    series = noise(0, 0.5, 50, 3)
    flat = series.copy()
    flat[:, 1] = 4
    np.testing.assert_array_equal(np.isnan(effective_size(series, flat)), [False, True, False])


def test_the_interval_of_a_correlation_covers_zero_as_often_as_it_says():
    y, y_hat = noise(0, 0.7, 200, 3000), noise(1, 0.7, 200, 3000)
    r = pearsoncorrelation(y, y_hat)
    low, high = fisher_interval(r, effective_size(y, y_hat))
    assert np.mean((low < 0) & (high > 0)) == pytest.approx(0.95, abs=0.02)
    low, high = fisher_interval(r, np.full(3000, 200.0))
    assert np.mean((low < 0) & (high > 0)) < 0.8  # what taking all volumes as independent does


@pytest.mark.parametrize(("phi", "length"), [(0.0, 1), (0.5, 2), (0.8, 5), (0.9, 10)])
def test_an_autoregressive_series_forgets_after_minus_one_over_log_phi(phi, length):
    assert autocorrelation_length(noise(0, phi, 2000, 60)) == length


def test_a_series_that_never_changes_remembers_nothing():
    assert autocorrelation_length(np.ones((20, 3))) == 0
