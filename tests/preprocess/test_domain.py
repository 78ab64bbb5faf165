"""Whether EEG lies where a model has been."""

from dataclasses import replace

import numpy as np
import pytest

from bids_eeg2fmri.preprocess.domain import share_outside, training_range
from bids_eeg2fmri.types import Pairs, Scale

SCALE = Scale(np.zeros((2, 3), np.float32), 1.0, 0.0, 1.0)


def pairs(eeg):
    n = len(eeg)
    return Pairs(
        eeg.astype(np.float32),
        np.zeros((n, 1, 1, 1), np.float32),
        np.arange(n),
        np.arange(n, dtype=float),
        np.arange(1.0, 1 + eeg.shape[2]),
        ("Cz", "Pz"),
        "sub-01",
        np.ones((1, 1, 1), bool),
        n,
    )


def noise(n=100, seed=0):
    return np.random.default_rng(seed).normal(size=(n, 2, 3, 20))


def test_the_range_of_even_numbers_ends_at_their_percentiles():
    eeg = np.broadcast_to(np.linspace(0, 1, 101)[:, None, None, None], (101, 2, 3, 4))
    low, high = training_range([pairs(eeg[:100])], [np.arange(100)], SCALE)
    np.testing.assert_allclose(low, 0.0099, atol=1e-3)
    np.testing.assert_allclose(high, 0.9801, atol=1e-3)


def test_two_of_a_hundred_windows_of_the_training_lie_outside():
    own = pairs(noise())
    usual = training_range([own], [np.arange(100)], SCALE)
    np.testing.assert_allclose(share_outside(own, SCALE, usual), 0.02, atol=0.003)
    other = share_outside(pairs(noise(seed=1)), SCALE, usual)
    assert other.mean() == pytest.approx(0.02, abs=0.005)


def test_a_shift_is_seen_where_it_is_and_nowhere_else():
    usual = training_range([pairs(noise())], [np.arange(100)], SCALE)
    strange = noise(seed=2)
    strange[:, 1, 2] += 10
    found = share_outside(pairs(strange), SCALE, usual)
    assert found[1, 2] == 1
    assert np.delete(found.ravel(), -1).max() < 0.05


def test_eeg_is_seen_in_the_units_of_the_model():
    usual = training_range([pairs(noise())], [np.arange(100)], SCALE)
    louder = replace(SCALE, eeg_sd=3.0)
    assert share_outside(pairs(3 * noise(seed=1)), louder, usual).mean() < 0.03
    assert share_outside(pairs(3 * noise(seed=1)), SCALE, usual).mean() > 0.3


def test_of_many_runs_some_pairs_of_each_are_looked_at():
    runs = [pairs(np.full((90, 2, 3, 4), float(level))) for level in range(3)]
    low, high = training_range(runs, [np.arange(90)] * 3, SCALE)
    assert (low.min(), high.max()) == (0, 2)
