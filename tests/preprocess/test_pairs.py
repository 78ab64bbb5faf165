from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bids_eeg2fmri.config import SpectrogramConfig, WindowConfig
from bids_eeg2fmri.errors import BOLDError, DataWarning, EEGError, UsageError
from bids_eeg2fmri.preprocess.eeg import spectrogram
from bids_eeg2fmri.preprocess.pairs import make_pairs
from bids_eeg2fmri.types import BOLD, EEG, Pairs, VolumeClock

SPECTRO = SpectrogramConfig(fmax=20.0, taper="boxcar")


def recording(data: np.ndarray, sfreq: float) -> EEG:
    data = np.atleast_2d(data).astype(np.float32)
    names = tuple(f"E{i}" for i in range(len(data)))
    return EEG(data, sfreq, names, np.full((len(data), 3), np.nan))


def pair(
    eeg: EEG,
    first: float,
    tr: float = 2.0,
    n: int = 30,
    window: WindowConfig | None = None,
    spectro: SpectrogramConfig = SPECTRO,
    **how,
) -> Pairs:
    bold = BOLD(np.arange(8 * n, dtype=np.float32).reshape(2, 2, 2, n), tr, np.eye(4))
    clock = VolumeClock(first + tr * np.arange(n), tr, "test", n, 0.0, 0.0)
    mask = np.ones((2, 2, 2), dtype=bool)
    window = window or WindowConfig()
    return make_pairs(eeg, bold, clock, mask, (2, 2, 2), window, spectro, "sub-01", **how)


def touched_by(sample: int, sfreq: float, first: float, tr: float) -> tuple[np.ndarray, np.ndarray]:
    """Which pairs see an impulse in the EEG, and how long before their volumes it is."""
    data = np.zeros(int(sfreq * (first + 60 * tr + 1)))
    data[sample] = 1.0
    pairs = pair(recording(data, sfreq), first, tr=tr, n=60)
    return pairs.eeg.max(axis=(1, 2, 3)) > 1e-5, first + pairs.onset - sample / sfreq


def test_windows_follow_a_clock_that_drifts():
    """An impulse 6.2 s before the last volume, on clocks that are half a second apart by then."""
    sfreq, first, tr, n, drift = 100.0, 30.0, 2.0, 1250, 2e-4
    onset = first + tr * np.arange(n) * (1 + drift)
    eeg = np.zeros(int(sfreq * (onset[-1] + 1)))
    eeg[int(sfreq * (onset[-1] - 6.2))] = 1.0
    bold = BOLD(np.zeros((2, 2, 2, n), dtype=np.float32), tr, np.eye(4))
    mask, grid = np.ones((2, 2, 2), dtype=bool), (2, 2, 2)
    rigid = VolumeClock(first + tr * np.arange(n), tr, "test", n, 0.0, 0.0)
    for clock, sees in ((replace(rigid, onset=onset), True), (rigid, False)):
        pairs = make_pairs(
            recording(eeg, sfreq), bold, clock, mask, grid, WindowConfig(), SPECTRO, "sub-01"
        )
        assert (pairs.eeg[-1].max() > 1e-5) == sees


@settings(max_examples=50)
@given(
    sfreq=st.sampled_from([50.0, 100.0, 128.0, 250.0]),
    tr=st.floats(0.7, 3.0),
    first=st.floats(0, 40),
    where=st.floats(0, 1, exclude_max=True),
)
def test_pair_uses_only_eeg_between_26_and_6_seconds_before_the_volume(sfreq, tr, first, where):
    sample = int(where * sfreq * (first + 60 * tr))
    touched, before = touched_by(sample, sfreq, first, tr)
    certain = (np.abs(before - 26) > 1e-6) & (np.abs(before - 6) > 1e-6)
    np.testing.assert_array_equal(touched[certain], ((before < 26) & (before > 6))[certain])


def test_the_sample_at_the_end_of_the_window_is_left_out_and_that_at_its_start_is_read():
    touched, before = touched_by(sample=5000, sfreq=100.0, first=30.0, tr=2.0)
    assert not touched[before == 6]
    assert touched[before == 26]


@pytest.mark.parametrize("sample", [9000, 9001, 9100])
def test_a_rate_without_whole_windows_reads_nothing_outside_either(sample):
    touched, before = touched_by(sample, sfreq=249.7, first=10.0, tr=1.37)
    assert touched.any()
    assert not touched[(before > 26) | (before <= 6)].any()


def test_a_pair_holds_the_spectrogram_of_its_own_eeg_and_its_own_volume():
    data = np.random.default_rng(0).standard_normal((3, 100 * 100)).astype(np.float32)
    pairs = pair(recording(data, 100.0), first=30.25, tr=2.0)
    expected, freqs = spectrogram(data[:, 825:2825], 100.0, SPECTRO)
    np.testing.assert_allclose(pairs.eeg[2], expected, rtol=1e-5)
    np.testing.assert_array_equal(pairs.freqs, freqs)
    np.testing.assert_array_equal(pairs.bold[2].ravel(), np.arange(8) * 30 + 2)
    assert pairs.onset[2] == 4.0


def test_in_repetition_times_ten_windows_of_one_lead_right_up_to_the_volume():
    tr, size = 2.16, 540  # of NODDI at 250 Hz
    data = np.random.default_rng(0).standard_normal((3, 40 * size)).astype(np.float32)
    window = WindowConfig(start=10.0, stop=0.0, unit="tr")
    spectro = SpectrogramConfig(1.0, 1.0, fmin=0.0, fmax=1000.0, taper="boxcar", bins=134)
    pairs = pair(recording(data, 250.0), 0.0, tr, n=30, window=window, spectro=spectro)
    np.testing.assert_array_equal(pairs.volume, np.arange(10, 30))
    for i in (0, 19):
        volumes = data[:, i * size : (i + 10) * size].reshape(3, 10, size)
        expected = 2 / size * np.abs(np.fft.rfft(volumes))[..., 1:135]
        np.testing.assert_allclose(pairs.eeg[i], np.swapaxes(expected, 1, 2), rtol=1e-3, atol=1e-6)
    np.testing.assert_allclose(pairs.freqs[[0, -1]], [1 / tr, 134 / tr])


def test_times_in_repetition_times_are_those_many_seconds():
    eeg = recording(np.random.default_rng(0).standard_normal(100 * 100), 100.0)
    in_trs = WindowConfig(start=6.0, stop=1.0, unit="tr")
    found = pair(eeg, 30.0, tr=2.0, window=in_trs, spectro=replace(SPECTRO, window=1.0, hop=0.5))
    in_seconds = replace(SPECTRO, window=2.0, hop=1.0)
    expected = pair(eeg, 30.0, tr=2.0, window=WindowConfig(12.0, 2.0), spectro=in_seconds)
    np.testing.assert_array_equal(found.eeg, expected.eeg)
    np.testing.assert_array_equal(found.freqs, expected.freqs)


def test_volumes_without_full_history_are_dropped_and_the_others_keep_their_index():
    pairs = pair(recording(np.ones(100 * 100), 100.0), first=5.0, tr=2.0)
    np.testing.assert_array_equal(pairs.volume, np.arange(11, 30))
    np.testing.assert_array_equal(pairs.onset, 2.0 * np.arange(11, 30))
    assert pairs.n_volumes == 30


def test_eeg_that_ends_before_the_scan_costs_the_last_volumes_and_is_told():
    with pytest.warns(DataWarning, match=r"ends 17\.0 s before .* 6 of 30 volumes are left out"):
        pairs = pair(recording(np.ones(71 * 100), 100.0), first=30.0)
    np.testing.assert_array_equal(pairs.volume, np.arange(24))


def test_eeg_that_ends_six_seconds_before_the_last_volume_costs_nothing():
    assert len(pair(recording(np.ones(82 * 100), 100.0), first=30.0).volume) == 30


def test_eeg_that_leaves_no_pair_is_refused_with_the_numbers():
    with pytest.raises(EEGError, match=r"ends 65\.0 s before the last .* 0 of 30"):
        pair(recording(np.ones(23 * 100), 100.0), first=30.0)


def test_a_scan_shorter_than_one_lag_history_is_refused():
    with pytest.raises(BOLDError, match="12 volumes of 2 s are shorter than the 26 s"):
        pair(recording(np.ones(100 * 100), 100.0), first=30.0, n=12)


def test_a_window_that_ends_before_it_begins_is_refused():
    with pytest.raises(UsageError, match=r"window\.stop"):
        pair(recording(np.ones(100 * 100), 100.0), 30.0, window=WindowConfig(6.0, 26.0))


def test_arrays_are_filled_where_the_caller_allocates_them(tmp_path):
    def on_disk(name, shape, dtype):
        return np.lib.format.open_memmap(tmp_path / f"{name}.npy", "w+", dtype, shape)

    eeg = recording(np.random.default_rng(0).standard_normal(100 * 100), 100.0)
    pairs = pair(eeg, first=30.0, allocate=on_disk)
    np.testing.assert_array_equal(np.load(tmp_path / "eeg.npy"), pair(eeg, first=30.0).eeg)
    np.testing.assert_array_equal(np.load(tmp_path / "bold.npy"), pairs.bold)
