"""Channels taken a few at a time, and some that stand for all."""

import numpy as np
import pytest

from bids_eeg2fmri.preprocess import channels
from bids_eeg2fmri.preprocess.channels import rows_of, spread
from bids_eeg2fmri.types import EEG


@pytest.mark.parametrize(("n", "most"), [(1, 16), (3, 16), (16, 16), (64, 16), (257, 16), (7, 2)])
def test_what_stands_for_all_is_evenly_spaced_from_the_first_to_the_last(n, most):
    chosen = spread(n, most)
    assert len(chosen) == min(n, most)
    assert (chosen[0], chosen[-1]) == (0, n - 1)
    assert len({*np.diff(chosen).tolist()}) <= 2


@pytest.mark.parametrize("held", [1, 25, 10**6])
def test_channels_come_in_the_order_asked_for_however_many_are_in_memory(held, monkeypatch):
    monkeypatch.setattr(channels, "HELD", held)
    data = np.random.default_rng(0).standard_normal((5, 10)).astype(np.float32)
    eeg = EEG(data, 100.0, tuple("abcde"), np.full((5, 3), np.nan))
    np.testing.assert_array_equal([*rows_of(eeg, [4, 0, 2])], data[[4, 0, 2]])
