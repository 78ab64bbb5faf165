"""The time-shifted null against shifts written out, and its error rate."""

import numpy as np
import pytest
from scipy.signal import detrend, lfilter
from scipy.stats import kstest

from bids_eeg2fmri.evaluate.metrics import score
from bids_eeg2fmri.evaluate.null import (
    admissible_shifts,
    correlation_by_shift,
    least_shift,
    p_value,
    range_of_shifted,
    resolution,
    shift_p,
    shifted_p,
    shuffled_shifts,
    skill_by_shift,
    smallest_p,
)

ALL = 10**6


def noise(seed: int, n: int = 40, voxels: int = 6) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((n, voxels)).astype(np.float32)


def autoregressive(seed: int, phi: float, n: int, voxels: int) -> np.ndarray:
    white = np.random.default_rng(seed).standard_normal((n + 100, voxels))
    return lfilter([1], [1, -phi], white, axis=0)[100:]


def correlation(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Pearson's r of each column."""
    return np.array([np.corrcoef(x, y)[0, 1] for x, y in zip(a.T, b.T, strict=True)])


def detrended(series: np.ndarray) -> np.ndarray:
    return detrend(series.astype(np.float64), axis=0)


def rolled(observed: np.ndarray, predicted: np.ndarray) -> np.ndarray:
    """Correlation of each voxel at each shift."""
    y, y_hat = detrended(observed), detrended(predicted)
    return np.array([correlation(y, np.roll(y_hat, shift, axis=0)) for shift in range(len(y))])


def test_correlation_by_shift_is_that_with_the_rolled_prediction():
    observed, predicted = noise(0), noise(1)
    expected = rolled(observed, predicted).mean(axis=1)
    np.testing.assert_allclose(correlation_by_shift(observed, predicted), expected)


def test_voxelwise_p_counts_the_rolled_predictions_that_do_as_well():
    observed, predicted = noise(0), noise(1)
    r = rolled(observed, predicted)
    expected = (1 + (r[1:] >= r[0]).sum(axis=0)) / 40
    np.testing.assert_allclose(shifted_p(observed, predicted, 5), expected)


def test_many_voxels_give_what_few_at_a_time_give():
    observed, predicted = noise(0, voxels=5000), noise(1, voxels=5000)
    whole = shifted_p(observed, predicted, 5)
    parts = [
        shifted_p(observed[:, i], predicted[:, i], 5) for i in (slice(0, 1700), slice(1700, 5000))
    ]
    np.testing.assert_array_equal(whole, np.concatenate(parts))


def test_skill_without_a_shift_is_that_of_the_scores():
    observed, predicted = 1000 + 10 * noise(0, 40, 504), 1000 + 10 * noise(1, 40, 504)
    reference, grid = observed[:20].mean(axis=0), (7, 8, 9)
    volumes = [series.reshape(40, *grid) for series in (observed, predicted)]
    scores = score("m", *volumes, reference.reshape(grid), np.ones(grid, bool), 1.0, 50.0)
    skill = skill_by_shift(observed, predicted, reference)
    assert skill[0] == pytest.approx(scores.summary["skill"], rel=1e-6)


def test_skill_by_shift_is_that_of_the_trend_plus_what_was_rolled():
    observed, predicted, reference = noise(0) + 3, noise(1) + 4, noise(2)[0]
    y, y_hat = (s.astype(float) for s in (observed, predicted))
    trend = y_hat - detrended(y_hat)
    # The observed trend is taken out as well: rolled or not, nothing of the trend may tell.
    errors = [
        np.sum((detrended(y) - np.roll(detrended(y_hat), shift, axis=0)) ** 2)
        + np.sum((y - detrended(y) - trend) ** 2)
        for shift in range(40)
    ]
    expected = 1 - np.array(errors) / np.sum((y - reference) ** 2)
    np.testing.assert_allclose(skill_by_shift(observed, predicted, reference), expected)


def test_a_drift_that_both_series_have_tells_nothing_by_skill():
    drift = np.linspace(-20, 20, 100)[:, None]
    observed, predicted = noise(0, 100) + drift, noise(1, 100) / 10 + drift
    skill = skill_by_shift(observed, predicted, np.zeros(6))
    assert skill[0] > 0.9
    assert shift_p(skill, 10) > 0.05


def test_the_mean_volume_has_no_skill_at_any_shift():
    observed = noise(0)
    mean = observed.mean(axis=0)
    skill = skill_by_shift(observed, np.tile(mean, (40, 1)), mean)
    np.testing.assert_allclose(skill, 0, atol=1e-6)
    assert shift_p(skill, 5) == 1


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


def test_a_drawn_shift_keeps_its_distance_and_comes_once():
    drawn = shuffled_shifts(100, 13, seed=3).tolist()
    assert sorted(drawn) == [*range(13, 88)]
    assert drawn != shuffled_shifts(100, 13, seed=4).tolist()


def test_a_series_too_short_for_its_distance_is_shifted_by_half():
    assert shuffled_shifts(20, 13, seed=0) == [10]


def retrained_p(seed: int, coupling: float) -> float:
    """Fit a linear model to the first volumes of a run and test it on the last, 20 times anew."""
    eeg, noise = autoregressive(2 * seed, 0.5, 150, 3), autoregressive(2 * seed + 1, 0.5, 150, 4)
    bold = coupling * eeg @ np.ones((3, 4)) + noise

    def r(shift: int) -> float:
        rolled = np.roll(eeg, shift, axis=0)
        weights = np.linalg.lstsq(rolled[:90], bold[:90], rcond=None)[0]
        return float(correlation(bold[100:], rolled[100:] @ weights).mean())

    null = np.array([r(shift) for shift in shuffled_shifts(150, 10, seed)[:19]])
    return p_value(r(0), null)


def test_p_against_retrained_models_is_uniform_where_there_is_no_coupling():
    # p takes 20 values; a draw within each makes them continuous
    p = np.array([retrained_p(seed, 0.0) for seed in range(200)])
    spread = p - np.random.default_rng(0).random(200) / 20
    assert kstest(spread, "uniform").pvalue > 0.01


def test_a_coupling_stands_out_from_retrained_models():
    assert retrained_p(0, 1.0) == 1 / 20


def test_a_planted_coupling_has_the_smallest_p_that_the_shifts_allow():
    observed = noise(0)
    assert shift_p(correlation_by_shift(observed, observed + noise(1)), 5) == smallest_p(39)


def test_p_is_uniform_where_there_is_no_coupling():
    p = shifted_p(noise(0, 400, 1000), noise(1, 400, 1000), 10)
    assert kstest(p, "uniform").pvalue > 0.01


@pytest.mark.parametrize(("phi", "theta", "n"), [(0.6, 0.6, 150), (0.5, 0.9, 100), (0.9, 0.9, 60)])
def test_autocorrelated_series_do_not_inflate_the_error_rate(phi, theta, n):
    p = shifted_p(autoregressive(0, phi, n, 3000), autoregressive(1, theta, n, 3000), 10)
    assert np.mean(p < 0.05) < 0.06


def test_leaving_the_short_shifts_out_would_inflate_the_error_rate():
    y, y_hat = autoregressive(0, 0.9, 100, 3000), autoregressive(1, 0.9, 100, 3000)
    beyond = admissible_shifts(100, 10, ALL, 0)
    by_shift = [correlation_by_shift(y[:, [v]], y_hat[:, [v]]) for v in range(3000)]
    p = np.array([p_value(float(r[0]), r[beyond]) for r in by_shift])
    assert np.mean(p < 0.05) > 0.07


def test_a_block_too_short_for_any_shift_has_no_p():
    observed, predicted = noise(0, n=9), noise(1, n=9)
    assert np.isnan(shift_p(correlation_by_shift(observed, predicted), 5))
    assert np.isnan(shifted_p(observed, predicted, 5)).all()


def test_constant_voxels_have_no_p_and_do_not_enter_the_null():
    observed, predicted = noise(0), noise(1)
    predicted[:, 2] = 3
    others = [0, 1, 3, 4, 5]
    p = shifted_p(observed, predicted, 5)
    assert np.isnan(p[2])
    assert np.isfinite(p[others]).all()
    np.testing.assert_allclose(
        correlation_by_shift(observed, predicted),
        correlation_by_shift(observed[:, others], predicted[:, others]),
    )


def test_a_wholly_constant_prediction_has_an_undefined_null():
    by_shift = correlation_by_shift(noise(0), np.ones((40, 6), np.float32))
    assert np.isnan(by_shift).all()
    assert np.isnan(shift_p(by_shift, 5))


def test_a_shift_that_does_equally_well_counts_against_the_prediction():
    # A cycle without a trend over four of its periods, which a shift by one period meets again.
    period = np.cos(2 * np.pi * (np.arange(40) - 19.5) / 10)[:, None]
    assert shifted_p(period, period, 5) == pytest.approx((1 + 3) / 40)


def test_the_least_shift_is_the_longest_of_window_and_both_memories():
    short, long = autoregressive(0, 0.0, 2000, 50), autoregressive(1, 0.9, 2000, 50)
    assert least_shift(short, long, 3) == least_shift(long, short, 3) == 10
    assert least_shift(short, short, 3) == 3


def test_no_p_is_smaller_than_one_over_the_draws_and_the_truth():
    assert smallest_p(0) == 1
    assert p_value(2.0, np.zeros(19)) == smallest_p(19) == 0.05


@pytest.mark.parametrize(
    ("draws", "alpha", "said"),
    [
        (0, 0.05, "too short for any draw"),
        (1, 0.05, "1 draw of the null p cannot fall below 0.5"),
        (19, 0.05, "that takes 20 draws"),
        (20, 0.05, "can fall to 0.048"),
        (20, 0.01, "nothing can be shown at 0.01: that takes 100 draws"),
    ],
)
def test_whether_the_draws_can_show_anything_is_told_in_words(draws, alpha, said):
    assert said in resolution(draws, alpha)


def test_the_range_of_one_shift_is_the_shifted_prediction_itself():
    predicted = np.zeros(40)
    predicted[0] = 1.0
    low, high = range_of_shifted(predicted, np.array([10]))
    np.testing.assert_array_equal(low, np.roll(predicted, 10))
    np.testing.assert_array_equal(high, low)
