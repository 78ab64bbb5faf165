"""The tests behind comparisons, against closed forms and scipy."""

import numpy as np
import pytest
from scipy import stats

from bids_eeg2fmri.evaluate.statistics import (
    false_discovery_q,
    fisher_interval,
    mean_correlation_interval,
    mean_interval,
    paired_t,
    signed_rank_p,
)


def test_paired_t_of_three_differences_written_out():
    t, p = paired_t(np.array([1.0, 2.0, 3.0]))
    assert t == pytest.approx(2 * np.sqrt(3))
    # with two degrees of freedom the distribution of t is known in closed form
    assert p == pytest.approx(1 - t / np.sqrt(2 + t**2))


def test_paired_t_is_scipys_in_every_column():
    a, b = np.random.default_rng(0).standard_normal((2, 9, 4, 5))
    expected = stats.ttest_rel(a, b)
    t, p = paired_t(a - b)
    np.testing.assert_allclose(t, expected.statistic)
    np.testing.assert_allclose(p, expected.pvalue)


@pytest.mark.parametrize("differences", [[], [0.3], [0.0, 0.0], [0.1, 0.1, 0.3 - 0.2]])
def test_too_few_or_identical_differences_have_no_t(differences):
    t, p = paired_t(np.array(differences))
    assert np.isnan([t, p]).all()


def test_five_differences_of_one_sign_have_the_smallest_signed_rank_p():
    assert signed_rank_p(np.arange(1.0, 6.0)) == pytest.approx(2**-4)


@pytest.mark.parametrize("differences", [[], [0.3], [0.0, 0.0, 0.0]])
def test_too_few_or_vanishing_differences_have_no_signed_rank_p(differences):
    assert np.isnan(signed_rank_p(np.array(differences)))


def test_q_of_four_p_written_out():
    # p · 4 / rank, from the largest down never rising
    np.testing.assert_allclose(
        false_discovery_q(np.array([0.03, 0.01, 0.5, 0.02])), [0.04, 0.04, 0.5, 0.04]
    )


def test_undefined_p_do_not_count_as_tests():
    p = np.array([[0.01, np.nan], [0.04, np.nan]])
    np.testing.assert_allclose(false_discovery_q(p), [[0.02, np.nan], [0.04, np.nan]])
    assert np.isnan(false_discovery_q(np.full(3, np.nan))).all()


def test_fishers_interval_of_one_correlation_is_scipys():
    x, y = np.random.default_rng(0).standard_normal((2, 40))
    result = stats.pearsonr(x, x + y)
    expected = result.confidence_interval(0.95)
    low, high = fisher_interval(np.array(result.statistic), np.array(40.0))
    np.testing.assert_allclose([low, high], expected)


def test_three_volumes_say_nothing_about_a_correlation():
    low, high = fisher_interval(np.array([0.5, 0.9]), np.array([3.0, 1.2]))
    np.testing.assert_array_equal([low, high], [[-1, -1], [1, 1]])


def test_the_interval_of_a_mean_is_scipys():
    values = np.random.default_rng(0).standard_normal(7)
    expected = stats.ttest_1samp(values, 0).confidence_interval(0.9)
    found = mean_interval(np.append(values, np.nan), level=0.9)
    np.testing.assert_allclose([found.low, found.high], expected)
    assert found.mean == pytest.approx(values.mean())


def test_the_mean_of_two_correlations_written_out():
    # artanh .6 = ln 2, artanh .8 = ln 3: mean ln √6, deviation of the mean ln √1.5
    found = mean_correlation_interval(np.array([0.6, 0.8]))
    half = stats.t.ppf(0.975, 1) * np.log(1.5) / 2
    assert found.mean == pytest.approx((6 - 1) / (6 + 1))
    expected = np.tanh([np.log(6) / 2 - half, np.log(6) / 2 + half])
    np.testing.assert_allclose([found.low, found.high], expected)


def test_a_perfect_correlation_counts_too():
    assert mean_correlation_interval(np.array([1.0, 1.0])).mean == pytest.approx(1)


@pytest.mark.parametrize("values", [[], [0.4], [np.nan, 0.4]])
def test_fewer_than_two_participants_have_no_interval(values):
    for found in (mean_interval(np.array(values)), mean_correlation_interval(np.array(values))):
        assert np.isnan([found.low, found.high]).all()
