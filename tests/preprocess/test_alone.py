"""Volumes where there is no scanner."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bids_eeg2fmri.config import SpectrogramConfig, WindowConfig
from bids_eeg2fmri.errors import EEGError
from bids_eeg2fmri.preprocess.alone import make_spectrograms, volume_times, without_bold
from bids_eeg2fmri.preprocess.pairs import make_pairs
from bids_eeg2fmri.types import BOLD, EEG, VolumeClock

WINDOW = WindowConfig(start=20.0, stop=0.0)
SPECTRO = SpectrogramConfig(fmax=20.0)


def times(duration, tr=2.0, sfreq=100.0, onset=None, window=WINDOW):
    return volume_times(sfreq, duration, tr, window, SPECTRO, onset, "sub-01").onset


def recording(seconds=60, channels=3, sfreq=100.0):
    data = np.random.default_rng(0).normal(size=(channels, int(seconds * sfreq)))
    names = tuple(f"E{i}" for i in range(channels))
    return EEG(data.astype(np.float32), sfreq, names, np.full((channels, 3), np.nan))


def test_volumes_come_every_repetition_time_once_there_is_eeg_enough():
    np.testing.assert_allclose(times(30.0), [20, 22, 24, 26, 28, 30])


def test_a_window_that_ends_early_serves_volumes_after_the_end_of_the_eeg():
    np.testing.assert_allclose(times(24.0, window=WindowConfig(26.0, 6.0)), [26, 28, 30])


@settings(max_examples=50)
@given(st.floats(-50, 90), st.floats(0.5, 3.0))
def test_a_wanted_volume_is_among_them_if_it_has_its_eeg(onset, tr):
    found = times(90.0, tr=tr, onset=onset)
    assert found[0] >= 20 - 1e-6
    assert found[0] - tr < 20
    assert 90 - tr < found[-1] + 1e-6 <= 90 + 2e-6
    assert np.abs((found - onset) / tr - np.rint((found - onset) / tr)).max() < 1e-6


def test_windows_in_repetition_times_grow_with_them():
    window = WindowConfig(start=10.0, stop=0.0, unit="tr")
    assert times(60.0, tr=3.0, window=window)[0] == 30


def test_eeg_for_exactly_one_volume_gives_one_and_less_is_refused():
    assert times(20.0).tolist() == [20]
    with pytest.raises(EEGError, match=r"sub-01: 19\.9 s of EEG .* which takes 20 s\. Leave"):
        times(19.9)


def test_eeg_sampled_too_slowly_is_refused_with_the_rate_that_it_takes():
    with pytest.raises(EEGError, match=r"at 40 Hz, .* up to 20 Hz, which takes more than 40 Hz"):
        times(60.0, sfreq=40.0)


@pytest.mark.parametrize("window", [WINDOW, WindowConfig()])
def test_spectrograms_are_those_of_pairs_with_the_same_clock(window):
    eeg, n = recording(), 30
    bold = BOLD(np.random.default_rng(0).random((2, 2, 2, n)).astype(np.float32), 2.0, np.eye(4))
    clock = VolumeClock(2.0 * np.arange(n), 2.0, "test", n, 0.0, 0.0)
    mask = np.ones((2, 2, 2), bool)
    pairs = make_pairs(eeg, bold, clock, mask, (2, 2, 2), window, SPECTRO, "sub-01")
    alone = VolumeClock(clock.onset[pairs.volume], 2.0, "eeg", 0, 0.0, 0.0)
    swapped = np.eye(3)[[2, 0, 1]]
    found = make_spectrograms(eeg, swapped, alone, window, SPECTRO)
    np.testing.assert_array_equal(found, pairs.eeg[:, [2, 0, 1]])


def test_nobody_knows_the_bold():
    clock = VolumeClock(np.array([20.0, 22.0]), 2.0, "eeg", 0, 0.0, 0.0)
    mask = np.ones((3, 3, 3), bool)
    spectra = np.zeros((2, 1, 4, 5), np.float32)
    pairs = without_bold(spectra, clock, ("Cz",), np.arange(4.0), mask, (2, 2, 2), "sub-01")
    assert pairs.bold.shape == (2, 2, 2, 2)
    assert np.isnan(pairs.bold).all()
    assert pairs.onset.tolist() == [0, 2]
