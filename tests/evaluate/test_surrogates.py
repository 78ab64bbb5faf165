"""Other nulls than the shifted EEG: what each keeps, what it breaks, and its error rate."""

import numpy as np
import pytest
from scipy.signal import csd, detrend, lfilter

from bids_eeg2fmri.evaluate.metrics import pearsoncorrelation
from bids_eeg2fmri.evaluate.null import p_value
from bids_eeg2fmri.evaluate.surrogates import (
    NULLS,
    block_orders,
    permuted_correlation,
    permuted_p,
    phase_randomise,
    surrogate_correlation,
)

ALL = 10**4


def noise(seed: int, n: int = 43, voxels: int = 6) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((n, voxels)).astype(np.float32)


def eeg(n: int) -> np.ndarray:
    """Two channels that share a source, and one that does not, about different means."""
    source, *own = np.random.default_rng(0).standard_normal((4, n))
    mixed = np.array([source + own[0], source - own[1] / 2, own[2]])
    return (1e-5 * lfilter([1], [1, -0.9], mixed) + [[0], [3e-5], [0]]).astype(np.float32)


def reordered(observed: np.ndarray, predicted: np.ndarray, block: int) -> np.ndarray:
    """Correlation of each voxel in each order of four blocks, the true one first."""
    y, y_hat = (detrend(s.astype(float), axis=0) for s in (observed, predicted))
    volumes = np.arange(len(y))
    blocks = [volumes[i * block : (i + 1) * block] for i in range(4)]
    rows = []
    for order in [range(4), *block_orders(len(y), block, ALL, 0).tolist()]:
        taken = np.concatenate([*(blocks[i] for i in order), volumes[4 * block :]])
        pairs = zip(y.T, y_hat[taken].T, strict=True)
        rows.append([np.corrcoef(a, b)[0, 1] for a, b in pairs])
    return np.array(rows)


def test_permuted_correlation_is_that_of_the_blocks_put_in_each_order():
    observed, predicted = noise(0), noise(1)
    r = reordered(observed, predicted, 10)
    assert len(r) == 24
    np.testing.assert_allclose(
        permuted_correlation(observed, predicted, 10, ALL, 0), r[1:].mean(axis=1)
    )
    expected = (1 + (r[1:] >= r[0]).sum(axis=0)) / 24
    np.testing.assert_allclose(permuted_p(observed, predicted, 10, ALL, 0), expected)


def test_all_orders_of_few_blocks_are_listed_once_and_without_the_true_one():
    orders = block_orders(35, 10, ALL, 0)
    assert len(orders) == len({*map(tuple, orders.tolist())}) == 5
    assert [0, 1, 2] not in orders.tolist()


def test_more_orders_than_asked_for_are_drawn_from_the_seed():
    orders = block_orders(200, 10, 50, seed=3)
    assert orders.shape == (50, 20)
    np.testing.assert_array_equal(np.sort(orders, axis=1), np.tile(np.arange(20), (50, 1)))
    np.testing.assert_array_equal(orders, block_orders(200, 10, 50, seed=3))


def test_a_series_of_less_than_two_blocks_has_no_order_and_no_p():
    observed, predicted = noise(0, 9), noise(1, 9)
    assert permuted_correlation(observed, predicted, 5, ALL, 0).size == 0
    assert permuted_correlation(observed, predicted, 50, ALL, 0).size == 0
    assert np.isnan(permuted_p(observed, predicted, 5, ALL, 0)).all()


def test_constant_voxels_do_not_enter_the_permuted_null():
    observed, predicted = noise(0), noise(1)
    predicted[:, 2] = 3
    others = [0, 1, 3, 4, 5]
    np.testing.assert_allclose(
        permuted_correlation(observed, predicted, 10, ALL, 0),
        permuted_correlation(observed[:, others], predicted[:, others], 10, ALL, 0),
    )
    assert np.isnan(permuted_p(observed, predicted, 10, ALL, 0)[2])


def test_a_coupling_gets_the_smallest_p_that_the_blocks_allow():
    observed = noise(0)
    assert (permuted_p(observed, observed + noise(1) / 9, 10, ALL, 0) == 1 / 24).all()


def test_blocks_of_uncoupled_series_are_as_often_significant_as_p_says():
    smooth = lfilter([1], [1, -0.6], noise(0, 220, 4000), axis=0)[100:]
    p = permuted_p(smooth[:, :2000], smooth[:, 2000:], 20, 200, 0)
    assert 0.035 < np.mean(p <= 0.05) < 0.065


@pytest.mark.parametrize("n", [500, 501])
def test_random_phases_keep_the_power_of_each_channel_and_its_mean(n):
    true = eeg(n)
    surrogate = phase_randomise(true, np.random.default_rng(1))
    power = [np.abs(np.fft.rfft(s.astype(float))) ** 2 for s in (true, surrogate)]
    np.testing.assert_allclose(power[1], power[0], rtol=1e-3, atol=1e-6 * power[0].max())
    assert surrogate.dtype == np.float32


@pytest.mark.parametrize("n", [500, 501])
def test_random_phases_keep_how_channels_go_together(n):
    true = eeg(n)
    surrogate = phase_randomise(true, np.random.default_rng(1))
    np.testing.assert_allclose(np.corrcoef(surrogate), np.corrcoef(true), atol=1e-5)
    cross = [
        np.fft.rfft(s[0].astype(float)) * np.fft.rfft(s[1].astype(float)).conj()
        for s in (true, surrogate)
    ]
    np.testing.assert_allclose(cross[1], cross[0], atol=1e-6 * np.abs(cross[0]).max())


def test_random_phases_lose_when_anything_happened():
    true = eeg(4000)
    surrogate = phase_randomise(true, np.random.default_rng(1))
    assert (np.abs(pearsoncorrelation(true.T, surrogate.T)) < 0.25).all()
    _, coherent = csd(true[0], surrogate[0], nperseg=128)
    _, power = csd(true[0], true[0], nperseg=128)
    assert np.median(np.abs(coherent) / power.real) < 0.4


def test_phases_follow_from_the_generator():
    first, again, other = (phase_randomise(eeg(100), np.random.default_rng(s)) for s in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)


def test_predictions_from_other_people_are_compared_over_what_both_have():
    observed, others = noise(0, 40), [noise(1, 30), noise(2, 50), noise(3, 40)]
    expected = [
        pearsoncorrelation(observed[:n], one[:n]).mean()
        for n, one in zip((30, 40, 40), others, strict=True)
    ]
    np.testing.assert_allclose(surrogate_correlation(observed, iter(others)), expected)


def test_ones_own_eeg_stands_out_from_that_of_others():
    observed = noise(0, 200)
    null = surrogate_correlation(observed, [noise(seed, 200) for seed in range(1, 25)])
    own = pearsoncorrelation(observed, observed + 3 * noise(99, 200)).mean()
    assert p_value(float(own), null) == 1 / 25


def test_a_constant_prediction_correlates_with_nothing():
    null = surrogate_correlation(noise(0), [np.ones((43, 6), np.float32)])
    np.testing.assert_array_equal(null, [0])


def test_the_shifted_eeg_comes_first_among_the_nulls():
    assert next(iter(NULLS)) == "shifted-eeg"
