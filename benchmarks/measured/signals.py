"""A recording to spectrogram pairs."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

import mne
import numpy as np
from scipy.signal import spectrogram

from bids_eeg2fmri.bids.query import find_runs
from bids_eeg2fmri.bids.read import open_eeg
from bids_eeg2fmri.bids.selection import Selection
from bids_eeg2fmri.config import ReadConfig, SpectrogramConfig, WindowConfig
from bids_eeg2fmri.preprocess.pairs import make_pairs
from bids_eeg2fmri.runtime import arrays
from bids_eeg2fmri.types import BOLD, VolumeClock
from measured.recording import TR, write_recording

WINDOW, BINS = WindowConfig(), SpectrogramConfig()


def recording(folder: Path, channels: int, sfreq: float, minutes: float) -> None:
    """Write one run whose BOLD is next to nothing: what is timed is the EEG."""
    write_recording(folder / "bids", channels=channels, sfreq=sfreq, seconds=60 * minutes)


def our_pairs(folder: Path, **_size: float) -> Callable[[], object]:
    """Ready what the app does: open the run, and pair it into the store."""
    (files,), _ = find_runs(folder / "bids", Selection())
    store = folder / "ours"
    store.mkdir()

    def work() -> np.ndarray:
        eeg = open_eeg(files, ReadConfig(), partial(arrays.allocate, store, "eeg.data"))
        onset = volume_onsets(eeg.duration)
        bold = BOLD(np.zeros((1, 1, 1, len(onset)), np.float32), TR, np.eye(4))
        clock = VolumeClock(onset, TR, "told", len(onset), 0.0, 0.0)
        pairs = make_pairs(
            eeg,
            bold,
            clock,
            np.ones((1, 1, 1), dtype=bool),
            (1, 1, 1),
            WINDOW,
            BINS,
            files.name,
            lambda name, shape, dtype: arrays.allocate(store, name, shape, dtype),
        )
        return pairs.eeg

    return work


def straight_pairs(folder: Path, **_size: float) -> Callable[[], object]:
    """Ready the same with MNE and scipy: load the file, cut before each volume, transform."""
    (header,) = folder.glob("bids/sub-*/eeg/*.vhdr")

    def work() -> np.ndarray:
        raw = mne.io.read_raw_brainvision(header, verbose="ERROR")
        data, sfreq = raw.get_data(verbose="ERROR"), raw.info["sfreq"]
        size, found = round(BINS.window * sfreq), []
        for onset in volume_onsets(data.shape[1] / sfreq):
            first = round((onset - WINDOW.start) * sfreq)
            if first >= 0:
                cut = data[:, first : first + round((WINDOW.start - WINDOW.stop) * sfreq)]
                freqs, _, power = spectrogram(
                    cut, sfreq, "hann", size, 0, scaling="spectrum", mode="magnitude"
                )
                kept = (freqs >= BINS.fmin) & (freqs <= BINS.fmax)
                found.append(2 * power[:, kept].astype(np.float32))
        return np.stack(found)

    return work


def reading_once(folder: Path, **_size: float) -> Callable[[], object]:
    """Ready what ``cat`` does."""
    (signal,) = folder.glob("bids/sub-*/eeg/*.eeg")
    block = bytearray(1 << 20)

    def work() -> None:
        with signal.open("rb", buffering=0) as file:
            while file.readinto(block):
                pass

    return work


def volume_onsets(seconds: float) -> np.ndarray:
    """Say when volumes begin: from the start of the EEG to its end."""
    return TR * np.arange(int(seconds / TR))
