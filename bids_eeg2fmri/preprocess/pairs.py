"""Pair each BOLD volume with the EEG that leads to it, §4.2 of Calhas & Henriques 2022."""

import warnings
from dataclasses import replace

import numpy as np
from jaxtyping import Bool, Int64
from numpy.typing import DTypeLike

from bids_eeg2fmri.config import SpectrogramConfig, WindowConfig
from bids_eeg2fmri.errors import BOLDError, DataWarning, EEGError
from bids_eeg2fmri.preprocess.bold import resize
from bids_eeg2fmri.preprocess.eeg import EPS, bin_freqs, n_windows
from bids_eeg2fmri.preprocess.spectra import spectrograms
from bids_eeg2fmri.types import BOLD, AllocateNamed, Grid, Pairs, Signal, VolumeClock

FEWEST_PAIRS = 3
"""Fewer cannot be divided into training, validation and test."""


def in_memory(_name: str, shape: tuple[int, ...], dtype: DTypeLike) -> np.ndarray:
    """Allocate an array in memory."""
    return np.empty(shape, dtype)


def make_pairs(
    eeg: Signal,
    bold: BOLD,
    clock: VolumeClock,
    mask: Bool[np.ndarray, "x y z"],
    grid: Grid,
    window: WindowConfig,
    spectro: SpectrogramConfig,
    run: str,
    allocate: AllocateNamed = in_memory,
) -> Pairs:
    """Cut, for a volume at t, the EEG in [t - start, t - stop) and transform it (§4.2).

    Times of ``window`` and ``spectro`` are counted in ``window.unit``, those in repetition times in
    those of this run. Volumes that lack some of their EEG are left out. A bounded part of
    either signal is in memory at a time.

    Parameters
    ----------
    mask
        Brain mask on the native grid.
    grid
        The model's grid, to which the volumes are resized.
    run
        Where the pairs come from, e.g. ``sub-01_task-rest``.
    allocate
        Makes the arrays ``eeg`` and ``bold`` that are filled.

    Raises
    ------
    UsageError
        If the settings of the window and the spectrogram do not fit each other or the EEG.
    BOLDError
        If the scan is shorter than the EEG history of one volume.
    EEGError
        If fewer than three volumes have their EEG.
    """
    window, spectro = in_seconds(window, spectro, clock.tr)
    windows, freqs = n_windows(window, spectro), bin_freqs(spectro)
    first, length = stretches(clock, eeg.sfreq, window, spectro)
    volume = _volumes_with_eeg(first, length, eeg, bold, clock, window, run)
    x = allocate("eeg", (len(volume), len(eeg.channels), len(freqs), windows), np.float32)
    y = allocate("bold", (len(volume), *grid), np.float32)
    done = 0
    for some in spectrograms(eeg.stretch, eeg.sfreq, first[volume], length, spectro):
        x[done : done + len(some)] = some
        done += len(some)
    for made, i in zip(y, volume, strict=True):
        made[:] = resize(bold.data[..., i], grid)
    return Pairs(
        eeg=x,
        bold=y,
        volume=volume,
        onset=volume * clock.tr,
        freqs=freqs,
        channels=eeg.channels,
        run=run,
        mask=mask,
        n_volumes=bold.n_volumes,
    )


def in_seconds(
    window: WindowConfig, spectro: SpectrogramConfig, tr: float
) -> tuple[WindowConfig, SpectrogramConfig]:
    """Count the times of these settings in seconds, whatever ``window.unit``."""
    unit = window.seconds(tr)
    return (
        WindowConfig(start=window.start * unit, stop=window.stop * unit),
        replace(spectro, window=spectro.window * unit, hop=spectro.hop * unit),
    )


def stretches(
    clock: VolumeClock, sfreq: float, window: WindowConfig, spectro: SpectrogramConfig
) -> tuple[Int64[np.ndarray, " volumes"], int]:
    """Find the EEG that leads to each volume: its first sample, and how many there are.

    It is counted back from the time that the values of the volume stand for. Settings in seconds;
    for volumes that lack some of their EEG it lies outside the recording.
    """
    begins = clock.onset + clock.delay - window.start
    first = np.ceil(begins * sfreq - EPS).astype(np.int64)
    # No longer than the windows need: a sample more could lie at t - stop.
    needed = (n_windows(window, spectro) - 1) * spectro.hop + spectro.window
    return first, int(needed * sfreq + EPS)


def _volumes_with_eeg(
    first: Int64[np.ndarray, " volumes"],
    length: int,
    eeg: Signal,
    bold: BOLD,
    clock: VolumeClock,
    window: WindowConfig,
    run: str,
) -> Int64[np.ndarray, " pairs"]:
    """Choose the volumes whose EEG was all recorded; tell if the EEG ends too early for some."""
    if bold.n_volumes * clock.tr < window.start:
        raise BOLDError(
            f"{run}: {bold.n_volumes} volumes of {clock.tr:g} s are shorter than the "
            f"{window.start:g} s before a volume in which its EEG begins; leave the run out"
        )
    too_late = first + length > eeg.n_times
    volume = np.flatnonzero((first >= 0) & ~too_late)
    begins = _relative(clock.onset[0], "the first BOLD volume")
    ends = _relative(clock.onset[-1] - eeg.duration, "the last BOLD volume")
    if len(volume) < FEWEST_PAIRS:
        raise EEGError(
            f"{run}: EEG begins {begins} and ends {ends}, so that {len(volume)} of "
            f"{bold.n_volumes} volumes have the EEG {window.start:g} to {window.stop:g} s before "
            "them; set --eeg-onset if the clock is wrong, or leave the run out"
        )
    if too_late.any():
        warnings.warn(
            f"{run}: EEG ends {ends}; {np.count_nonzero(too_late)} of {bold.n_volumes} volumes "
            "are left out for it",
            DataWarning,
            stacklevel=3,
        )
    return volume


def _relative(seconds: float, what: str) -> str:
    return f"{abs(seconds):.1f} s {'before' if seconds > 0 else 'after'} {what}"
