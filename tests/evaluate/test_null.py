"""The time-shifted null against shifts written out, and its error rate."""

import numpy as np
import pytest
from scipy.signal import detrend
from scipy.stats import kstest

from bids_eeg2fmri.evaluate.null import (
    admissible_shifts,
    p_value,
    shifted_correlation,
    shifted_p,
)

ALL = 10**6


def noise(seed: int, n: int = 40, voxels: int = 6) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((n, voxels)).astype(np.float32)


def correlation(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Pearson's r of each column."""
    return np.array([np.corrcoef(x, y)[0, 1] for x, y in zip(a.T, b.T, strict=True)])


def detrended(series: np.ndarray) -> np.ndarray:
    return detrend(series.astype(np.float64), axis=0)


def test_the_null_is_the_correlation_with_the_rolled_prediction():
    observed, predicted = noise(0), noise(1)
    expected = [
        correlation(detrended(observed), np.roll(detrended(predicted), shift, axis=0)).mean()
        for shift in range(5, 36)
    ]
    np.testing.assert_allclose(shifted_correlation(observed, predicted, 5, ALL, 0), expected)


def test_voxelwise_p_counts_the_rolled_predictions_that_do_as_well():
    observed, predicted = noise(0), noise(1)
    true = correlation(detrended(observed), detrended(predicted))
    null = np.array(
        [
            correlation(detrended(observed), np.roll(detrended(predicted), shift, axis=0))
            for shift in range(5, 36)
        ]
    )
    expected = (1 + (null >= true).sum(axis=0)) / (1 + len(null))
    np.testing.assert_allclose(shifted_p(observed, predicted, 5, ALL, 0), expected)


def test_many_voxels_give_what_few_at_a_time_give():
    observed, predicted = noise(0, voxels=5000), noise(1, voxels=5000)
    whole = shifted_p(observed, predicted, 5, ALL, 0)
    parts = [
        shifted_p(observed[:, i], predicted[:, i], 5, ALL, 0)
        for i in (slice(0, 1700), slice(1700, 5000))
    ]
    np.testing.assert_array_equal(whole, np.concatenate(parts))


def test_shifts_keep_their_distance_on_both_sides():
    np.testing.assert_array_equal(admissible_shifts(10, 3, ALL, 0), [3, 4, 5, 6, 7])


def test_the_true_order_is_never_in_its_own_null():
    assert 0 not in admissible_shifts(10, 0, ALL, 0)


def test_more_shifts_than_asked_for_are_drawn_without_repetition():
    drawn = admissible_shifts(500, 10, 100, seed=3)
    assert len(set(drawn.tolist())) == 100
    assert drawn.min() >= 10
    assert drawn.max() <= 490
    np.testing.assert_array_equal(drawn, admissible_shifts(500, 10, 100, seed=3))


def test_a_planted_coupling_has_the_smallest_p_that_the_shifts_allow():
    observed = noise(0)
    predicted = observed + noise(1)
    true = float(correlation(observed, predicted).mean())
    null = shifted_correlation(observed, predicted, 5, ALL, 0)
    assert p_value(true, null) == 1 / (1 + len(null))


def test_p_is_uniform_where_there_is_no_coupling():
    p = shifted_p(noise(0, 400, 1000), noise(1, 400, 1000), 10, ALL, 0)
    assert kstest(p, "uniform").pvalue > 0.01


def test_a_smooth_series_does_not_inflate_the_error_rate():
    kernel = np.hanning(9)[:, None] / np.hanning(9).sum()
    # The sum over taps of the rolled noise is a circular moving average: stationary on the circle.
    observed, predicted = (
        sum(w * np.roll(noise(seed, 300, 800), tap, axis=0) for tap, w in enumerate(kernel))
        for seed in (0, 1)
    )
    p = shifted_p(observed, predicted, 12, ALL, 0)
    assert 0.03 < np.mean(p <= 0.05) < 0.07


def test_a_block_too_short_for_any_shift_has_no_null_and_no_p():
    observed, predicted = noise(0, n=9), noise(1, n=9)
    null = shifted_correlation(observed, predicted, 5, ALL, 0)
    assert null.size == 0
    assert np.isnan(p_value(0.5, null))
    assert np.isnan(shifted_p(observed, predicted, 5, ALL, 0)).all()


def test_constant_voxels_have_no_p_and_do_not_enter_the_null():
    observed, predicted = noise(0), noise(1)
    predicted[:, 2] = 3
    others = [0, 1, 3, 4, 5]
    p = shifted_p(observed, predicted, 5, ALL, 0)
    assert np.isnan(p[2])
    assert np.isfinite(p[others]).all()
    np.testing.assert_allclose(
        shifted_correlation(observed, predicted, 5, ALL, 0),
        shifted_correlation(observed[:, others], predicted[:, others], 5, ALL, 0),
    )


def test_a_wholly_constant_prediction_has_an_undefined_null():
    null = shifted_correlation(noise(0), np.ones((40, 6), np.float32), 5, ALL, 0)
    assert np.isnan(null).all()
    assert np.isnan(p_value(np.nan, null))


def test_a_shift_that_does_equally_well_counts_against_the_prediction():
    # A cycle without a trend over four of its periods, which a shift by one period meets again.
    period = np.tile(noise(0, n=10), (4, 1))
    time = np.arange(40) - 19.5
    period[:, 0] = np.cos(2 * np.pi * time / 10)
    period = period[:, :1]
    assert shifted_p(period, period, 5, ALL, 0) == pytest.approx((1 + 3) / (1 + 31))
