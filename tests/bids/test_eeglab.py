"""A .set file is opened for what it says, and its signal is left alone."""

import tracemalloc

import mne
import numpy as np
import pytest
from scipy.io import savemat

from bids_eeg2fmri.bids.eeglab import open_hollow

SFREQ, NAMES = 500.0, ("Fp1", "Cz", "Oz", "ECG")


def write_set(path, *, data=None, n_times=5000, **options):
    """Write what EEGLAB writes; markers stand every 2 s."""
    none = np.zeros((0, 0))
    event = [(latency, 1.0, "R128") for latency in np.arange(1.0, n_times, 2 * SFREQ)]
    fields = {
        "setname": "rest",
        "nbchan": len(NAMES),
        "trials": 1,
        "pnts": n_times,
        "srate": SFREQ,
        "xmin": 0.0,
        "data": np.zeros((len(NAMES), n_times), np.float32) if data is None else data,
        "icawinv": none,
        "icasphere": none,
        "icaweights": none,
        "chanlocs": np.array([(name,) for name in NAMES], dtype=[("labels", object)]),
        "chaninfo": {"nosedir": "+X"},
        "event": np.array(event, dtype=[(x, object) for x in ("latency", "duration", "type")]),
    }
    savemat(path, {"EEG": fields}, oned_as="row", **options)
    return path


def test_all_but_the_signal_is_as_mne_reads_it(tmp_path):
    path = write_set(tmp_path / "rest.set")
    hollow, whole = open_hollow(path), mne.io.read_raw(path, verbose="ERROR")
    assert (hollow.n_times, hollow.ch_names) == (whole.n_times, whole.ch_names)
    assert hollow.info["sfreq"] == whole.info["sfreq"]
    np.testing.assert_array_equal(hollow.annotations.onset, [0.0, 2.0, 4.0, 6.0, 8.0])
    assert [*hollow.annotations.description] == [*whole.annotations.description] == ["R128"] * 5


def test_the_signal_never_comes_into_memory(tmp_path):
    path = write_set(tmp_path / "rest.set", n_times=1_000_000)
    tracemalloc.start()
    try:
        open_hollow(path)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < path.stat().st_size / 4


def test_what_mne_opens_without_the_signal_is_left_to_it(tmp_path):
    (tmp_path / "rest.fdt").write_bytes(bytes(4 * len(NAMES) * 5000))
    assert open_hollow(write_set(tmp_path / "rest.set", data="rest.fdt")) is None
    assert open_hollow(write_set(tmp_path / "small.set", do_compression=True)) is None
    (tmp_path / "other.set").write_bytes(b"\x89HDF\r\n\x1a\n" + bytes(512))
    assert open_hollow(tmp_path / "other.set") is None


def test_a_truncated_recording_is_refused(tmp_path):
    path = write_set(tmp_path / "rest.set")
    path.write_bytes(path.read_bytes()[:-1000])
    with pytest.raises(ValueError, match="1000 bytes are missing at its end"):
        open_hollow(path)
