"""Normalised residuals and voxelwise comparisons, by formulas written out and error rates."""

import itertools

import numpy as np
import pytest
from scipy import stats
from scipy.signal import lfilter

from bids_eeg2fmri.evaluate.voxelwise import (
    Duel,
    best_model,
    by_participant,
    compare_voxelwise,
    decorrelation_block,
    normalise_residuals,
    paired_t_map,
    sign_flip_map,
)

GRID = (4, 5, 3)
MASK = np.random.default_rng(9).random(GRID) < 0.7
MASK[2] = False  # a plane without brain


def noise(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def duel(differences: np.ndarray, participant: str = "01") -> Duel:
    """Make a duel in which the second model's absolute residual exceeds the first's by so much."""
    observed = np.zeros(differences.shape, np.float32)
    errors = (np.maximum(sign * differences, 0).astype(np.float32) for sign in (-1, 1))
    return Duel(participant, observed, *errors)


def autoregressive(n: int, grid: tuple[int, int, int], phi: float, seed: int) -> np.ndarray:
    """Draw stationary noise of which each volume keeps a share of the one before."""
    white = noise(n + 50, *grid, seed=seed)
    return lfilter([1], [1, -phi], white, axis=0)[50:]


def test_a_normalised_map_ends_at_one_in_the_mask():
    absolute = np.abs(noise(*GRID))
    absolute[~MASK] = 100
    found = normalise_residuals(absolute, MASK)
    assert found[MASK].max() == 1
    np.testing.assert_allclose(found[MASK], absolute[MASK] / absolute[MASK].max(), rtol=1e-6)
    assert np.isnan(found[~MASK]).all()


def test_normalising_takes_the_size_away_and_nothing_else():
    absolute = np.abs(noise(*GRID))
    np.testing.assert_allclose(
        normalise_residuals(absolute, MASK), normalise_residuals(7 * absolute, MASK), rtol=1e-6
    )


def test_no_residual_at_all_cannot_be_normalised():
    assert np.isnan(normalise_residuals(np.zeros(GRID), MASK)).all()


def test_runs_and_seeds_are_averaged_within_participants_first():
    maps = {"01": [np.full(GRID, v) for v in (1.0, 2.0, 3.0)], "02": [np.full(GRID, 8.0)]}
    found = by_participant(maps)
    assert found.shape == (2, *GRID)
    assert (found.mean(axis=0) == 5).all()


def test_across_participants_it_is_scipys_paired_t_in_the_mask():
    first, second = noise(6, *GRID), noise(6, *GRID, seed=1)
    found = paired_t_map(first, second, MASK)
    expected = stats.ttest_rel(second[:, MASK].astype(float), first[:, MASK].astype(float))
    np.testing.assert_allclose(found.t[MASK], expected.statistic, rtol=1e-5)
    np.testing.assert_allclose(found.p[MASK], expected.pvalue, rtol=1e-4)
    np.testing.assert_allclose(
        found.q[MASK], stats.false_discovery_control(expected.pvalue), rtol=1e-4
    )
    assert all(np.isnan(values[~MASK]).all() for values in (found.t, found.p, found.q))
    assert "6 test participants" in found.test


def test_voxels_where_the_models_agree_have_no_t():
    first = noise(4, *GRID)
    second = first.copy()
    second[:, 0] += noise(4, *GRID[1:], seed=1)
    found = paired_t_map(first, second, np.ones(GRID, bool))
    assert np.isfinite(found.t[0]).all()
    assert np.isnan(found.t[1:]).all()
    assert (best_model(found)[1:] == 0).all()


def test_flips_approach_all_sign_patterns_counted_out():
    differences = noise(8, *GRID)
    found = sign_flip_map([duel(differences)], MASK, seed=0, block=1, n_flips=20_000)
    sums = differences[:, MASK].astype(float)
    patterns = np.array([*itertools.product((-1, 1), repeat=8)])
    null = np.abs(patterns @ sums)
    exact = np.mean(null >= np.abs(sums.sum(axis=0)) - 1e-9, axis=0)
    np.testing.assert_allclose(found.p[MASK], exact, atol=0.02)


def test_a_model_that_is_better_in_every_block_has_the_smallest_p_there_is():
    found = sign_flip_map([duel(1 + 0.1 * noise(60, *GRID))], MASK, seed=0, block=2, n_flips=999)
    np.testing.assert_allclose(found.p[MASK], 1 / 1000)
    assert (best_model(found)[MASK] == 1).all()
    assert (best_model(found)[~MASK] == 0).all()


def test_swapping_the_models_swaps_the_winner():
    one = duel(0.5 + noise(60, *GRID))
    other = Duel("01", one.observed, one.second, one.first)
    there, back = (sign_flip_map([d], MASK, seed=0, block=2, n_flips=999) for d in (one, other))
    np.testing.assert_array_equal(there.p, back.p)
    np.testing.assert_array_equal(best_model(there), -best_model(back))
    assert (best_model(there) == 1).any()


def test_no_block_crosses_from_one_run_to_the_next():
    # Runs of 3 and 5 volumes in blocks of 2: sums of 2 + 1 and 2 + 2 + 1 volumes.
    short, long = noise(3, *GRID), noise(5, *GRID, seed=1)
    found = sign_flip_map([duel(short), duel(long, "02")], MASK, seed=0, block=2, n_flips=9)
    parts = [short[:2], short[2:], long[:2], long[2:4], long[4:]]
    sums = np.stack([part[:, MASK].astype(float).sum(axis=0) for part in parts])
    np.testing.assert_allclose(found.t[MASK], stats.ttest_1samp(sums, 0).statistic, rtol=1e-5)
    assert "5 blocks of 2 volumes of 2 test participants" in found.test


def test_participants_weigh_alike_whatever_the_unit_of_their_scanner():
    one, other = noise(40, *GRID), noise(40, *GRID, seed=1)
    louder = duel(100 * other, "02")
    louder = Duel("02", louder.observed, louder.first, louder.second, unit=100.0)
    alike, scaled = (
        sign_flip_map([duel(one), second], MASK, seed=0, block=4, n_flips=199)
        for second in (duel(other, "02"), louder)
    )
    np.testing.assert_allclose(scaled.t[MASK], alike.t[MASK], rtol=1e-5)
    np.testing.assert_array_equal(scaled.p[MASK], alike.p[MASK])


@pytest.mark.parametrize("phi", [0.3, 0.6, 0.8])
def test_without_a_difference_few_p_are_small_and_hardly_any_voxel_has_a_winner(phi):
    everywhere = np.ones((1, 20, 20), bool)
    maps = [
        sign_flip_map([duel(autoregressive(200, (1, 20, 20), phi, seed))], everywhere, seed=seed,
                      n_flips=199)
        for seed in range(10)
    ]  # fmt: skip
    assert np.mean([found.p <= 0.05 for found in maps]) < 0.065
    assert np.mean([best_model(found) != 0 for found in maps]) < 0.005


@pytest.mark.parametrize(("blocks", "least"), [(5, 0.062), (6, 0.031)])
def test_the_smallest_p_that_few_blocks_can_give_is_told(blocks, least):
    found = sign_flip_map([duel(np.ones((blocks, *GRID)) + noise(blocks, *GRID) / 100)], MASK,
                          seed=0, block=1)  # fmt: skip
    assert np.nanmin(found.p) == pytest.approx(2.0 ** (1 - blocks), rel=0.2)
    assert f"p is not below about {least}" in found.test
    assert ("nothing can be significant" in found.test) is (least > 0.05)


def test_white_differences_need_blocks_of_one_volume():
    assert decorrelation_block([duel(noise(200, *GRID))], MASK) == 1


@pytest.mark.parametrize("phi", [0.5, 0.8])
def test_a_block_holds_what_is_correlated_on_either_side(phi):
    lag = int(np.ceil(np.log(0.05) / np.log(phi)))  # of an autoregression: phi ** lag
    series = autoregressive(2000, GRID, phi, seed=0)
    assert decorrelation_block([duel(series)], MASK) == pytest.approx(4 * lag - 3, abs=4)


def test_models_that_never_differ_need_no_blocks_and_have_no_p():
    same = duel(np.zeros((10, *GRID)))
    assert decorrelation_block([same], MASK) == 1
    found = sign_flip_map([same], MASK, seed=0, n_flips=9)
    assert np.isnan(found.p).all()


def test_correlated_volumes_do_not_inflate_the_error_rate():
    grid = (1, 50, 80)
    series = autoregressive(400, grid, 0.6, seed=3)
    everywhere = np.ones(grid, bool)
    blocked = sign_flip_map([duel(series)], everywhere, seed=0, n_flips=499)
    naive = sign_flip_map([duel(series)], everywhere, seed=0, block=1, n_flips=499)
    assert np.mean(blocked.p <= 0.05) < 0.065
    assert np.mean(naive.p <= 0.05) > 0.2


def test_three_participants_are_compared_as_people_and_two_as_volumes():
    first, second = noise(3, *GRID), noise(3, *GRID, seed=1)
    duels = [duel(noise(20, *GRID))]
    assert "t-test" in compare_voxelwise(first, second, [], MASK, 0).test
    assert "sign-flip" in compare_voxelwise(first[:2], second[:2], duels, MASK, 0).test
