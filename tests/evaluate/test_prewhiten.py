"""Prewhitened series have no memory, and least squares on them err less."""

import numpy as np
import pytest
from scipy.signal import lfilter

from bids_eeg2fmri.evaluate.cross_validation import Design
from bids_eeg2fmri.evaluate.prewhiten import LONGEST, first_autocorrelation, prewhiten
from bids_eeg2fmri.evaluate.ridge import fit_ridge


def series(phi, n=2000, voxels=50, seed=0):
    """Stationary, of variance 1 and first-order autocorrelation ``phi``."""
    new = np.random.default_rng(seed).normal(size=(n, voxels)) * np.sqrt(1 - phi**2)
    new[0] /= np.sqrt(1 - phi**2)
    return lfilter([1], [1, -phi], new, axis=0)


def times(n):
    return 2.0 * np.arange(n)


@pytest.mark.parametrize("phi", [0.0, 0.5, 0.9])
def test_the_autocorrelation_is_that_of_the_process(phi):
    assert first_autocorrelation(series(phi), times(2000)) == pytest.approx(phi, abs=0.02)


def test_the_autocorrelation_stays_within_its_limits():
    alternating = np.tile([[1.0], [-1.0]], (20, 1))
    assert first_autocorrelation(alternating, times(40)) == 0
    assert first_autocorrelation(np.linspace(-1, 1, 40)[:, None], times(40)) == LONGEST
    assert first_autocorrelation(np.zeros((40, 3)), times(40)) == 0


def test_what_is_left_is_what_was_new():
    phi, new = 0.8, np.random.default_rng(1).normal(size=(100, 3))
    made = lfilter([1], [1, -phi], new, axis=0)
    np.testing.assert_allclose(prewhiten(made, times(100), phi)[1:], new[1:], atol=1e-12)


def test_a_volume_after_a_hole_has_nothing_before_it():
    onset = np.array([0.0, 2, 4, 20, 22])
    values = np.array([[1.0], [2], [3], [4], [5]])
    first = np.sqrt(1 - 0.25)
    expected = [[first], [1.5], [2.0], [4 * first], [3.0]]
    np.testing.assert_allclose(prewhiten(values, onset, 0.5), expected)
    apart = first_autocorrelation(values, onset)
    assert apart == pytest.approx(min((2 * 1 + 3 * 2 + 5 * 4) / (1 + 4 + 16), LONGEST))


def test_all_rows_have_one_variance():
    many = np.stack([series(0.8, n=5, voxels=1, seed=i)[:, 0] for i in range(4000)], axis=1)
    variance = prewhiten(many, times(5), 0.8).var(axis=1)
    np.testing.assert_allclose(variance, 1 - 0.8**2, rtol=0.1)


def test_weights_are_found_more_closely_in_noise_of_long_memory():
    errors = {False: 0.0, True: 0.0}
    for seed in range(20):
        rng = np.random.default_rng(seed)
        x, planted = rng.normal(size=(200, 5)), rng.normal(size=(5, 8))
        y = x @ planted + 3 * series(0.9, n=200, voxels=8, seed=100 + seed)
        design = [Design(x, times(200), "sub-01")]
        volumes = y.astype(np.float32).reshape(200, 2, 2, 2)
        for whiten in errors:
            ridge = fit_ridge(
                design, [volumes], np.ones((2, 2, 2), bool), 10.0, seed=0, whiten=whiten
            )
            found = ridge.weights.reshape(5, 8) / ridge.sd[:, None]
            errors[whiten] += float(np.mean((found - planted) ** 2))
    assert errors[True] < 0.5 * errors[False]
