"""Other nulls than the shifted EEG: what each keeps, what it breaks, and its error rate."""

import numpy as np
import pytest
from scipy.signal import detrend, lfilter

from bids_eeg2fmri.evaluate.metrics import pearsoncorrelation
from bids_eeg2fmri.evaluate.null import correlation_by_shift, p_value
from bids_eeg2fmri.evaluate.surrogates import (
    NULLS,
    block_orders,
    mean_correlation,
    permuted_correlation,
)

ALL = 10**4


def noise(seed: int, n: int = 43, voxels: int = 6) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((n, voxels)).astype(np.float32)


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


def permuted_p(observed: np.ndarray, predicted: np.ndarray, block: int, draws: int) -> float:
    null = permuted_correlation(observed, predicted, block, draws, 0)
    return p_value(mean_correlation(observed, predicted), null)


def test_permuted_correlation_is_that_of_the_blocks_put_in_each_order():
    observed, predicted = noise(0), noise(1)
    r = reordered(observed, predicted, 10)
    assert len(r) == 24
    np.testing.assert_allclose(
        permuted_correlation(observed, predicted, 10, ALL, 0), r[1:].mean(axis=1)
    )


def test_all_orders_of_few_blocks_are_listed_once_and_without_the_true_one():
    orders = block_orders(35, 10, ALL, 0)
    assert len(orders) == len({*map(tuple, orders.tolist())}) == 5
    assert [0, 1, 2] not in orders.tolist()


def test_more_orders_than_asked_for_are_drawn_from_the_seed():
    orders = block_orders(200, 10, 50, seed=3)
    assert orders.shape == (50, 20)
    np.testing.assert_array_equal(np.sort(orders, axis=1), np.tile(np.arange(20), (50, 1)))
    np.testing.assert_array_equal(orders, block_orders(200, 10, 50, seed=3))


def test_a_series_of_less_than_two_blocks_has_no_order():
    observed, predicted = noise(0, 9), noise(1, 9)
    assert permuted_correlation(observed, predicted, 5, ALL, 0).size == 0
    assert permuted_correlation(observed, predicted, 50, ALL, 0).size == 0


def test_constant_voxels_do_not_enter_the_permuted_null():
    observed, predicted = noise(0), noise(1)
    predicted[:, 2] = 3
    others = [0, 1, 3, 4, 5]
    np.testing.assert_allclose(
        permuted_correlation(observed, predicted, 10, ALL, 0),
        permuted_correlation(observed[:, others], predicted[:, others], 10, ALL, 0),
    )


def test_a_coupling_gets_the_smallest_p_that_the_blocks_allow():
    observed = noise(0)
    assert permuted_p(observed, observed + noise(1) / 9, 10, ALL) == 1 / 24


def test_blocks_of_uncoupled_series_are_as_often_significant_as_p_says():
    smooth = lfilter([1], [1, -0.6], noise(0, 220, 4000), axis=0)[100:].T[..., None]
    p = [permuted_p(y, y_hat, 20, 200) for y, y_hat in zip(smooth[::2], smooth[1::2], strict=True)]
    assert 0.035 < np.mean(np.array(p) <= 0.05) < 0.065


def test_the_mean_correlation_is_that_of_the_voxels_that_vary():
    observed, predicted = noise(0, voxels=5000), noise(1, voxels=5000)
    predicted[:, 4321] = 7
    r = pearsoncorrelation(observed, predicted)
    assert np.isnan(r[4321])
    assert mean_correlation(observed, predicted) == pytest.approx(np.nanmean(r))
    assert mean_correlation(observed, predicted) == pytest.approx(
        correlation_by_shift(observed, predicted)[0]
    )


def test_a_constant_prediction_correlates_with_nothing():
    assert mean_correlation(noise(0), np.ones((43, 6), np.float32)) == 0


def test_the_shifted_eeg_comes_first_among_the_nulls():
    assert next(iter(NULLS)) == "shifted-eeg"
