"""The artefact of the heart in the scanner's field: beats, and what each adds to the EEG.

Beats are found and subtracted by MNE-Python, by an optimal basis set as in Niazy et al. (2005).
"""

from collections.abc import Iterator

import mne
import numpy as np
from jaxtyping import Float32, Float64

from bids_eeg2fmri.types import EEG, typed

RATE = (40.0, 130.0)
"""Beats a minute that a resting heart may have."""
REGULAR = 0.8
"""Share of the intervals between beats that must lie within ``NEAR`` of their median."""
NEAR = 0.3
"""Deviation from the median interval, as a share of it."""
SHORTEST = 30.0
"""Seconds of EEG below which no pulse is looked for."""
BAND = (2.0, 20.0)
"""Frequencies in hertz of the artefact, for beats that are found in the EEG itself."""
DELAY = 0.21
"""Seconds by which the middle of the artefact follows the peak in the ECG (Allen et al. 1998)."""
SHAPES = 3
"""Principal components of the EEG that are tried for one that beats."""


@typed
class Beats:
    """When beats of the heart moved head and blood in the field."""

    time: Float64[np.ndarray, " beats"]
    """Middle of each artefact, in seconds since the first sample."""
    source: str
    """What tells it: ``ECG`` or ``EEG``."""

    @property
    def rate(self) -> float:
        """Beats a minute."""
        return float(60 / np.median(np.diff(self.time)))


def find_beats(eeg: EEG, ecg: Float32[np.ndarray, " time"] | None) -> Beats | None:
    """Find the beats of the heart in its own channel, or else in what all EEG channels share.

    None where no series of beats has a plausible rate and is regular.
    """
    if eeg.duration < SHORTEST:
        return None
    for source, series in _candidates(eeg, ecg):
        info = mne.create_info(["heart"], eeg.sfreq, "ecg", verbose="ERROR")
        raw = mne.io.RawArray(series[None].astype(np.float64), info, verbose="ERROR")
        events, _, _ = mne.preprocessing.find_ecg_events(raw, verbose="ERROR")
        beats = Beats(events[:, 0] / eeg.sfreq + DELAY * (source == "ECG"), source)
        if _is_plausible(beats, eeg.duration):
            return beats
    return None


def subtract_beats(
    series: Float32[np.ndarray, " time"], sfreq: float, beats: Beats, components: int
) -> Float32[np.ndarray, " time"]:
    """Subtract from one channel what its beats have in common, by MNE's PCA-OBS."""
    raw = mne.io.RawArray(
        series[None].astype(np.float64),
        mne.create_info(["EEG"], sfreq, "eeg", verbose="ERROR"),
        verbose="ERROR",
    )
    half = 30 / beats.rate + 3 / sfreq  # MNE takes for granted that all of a beat was recorded
    whole = (beats.time > half) & (beats.time < len(series) / sfreq - half)
    mne.preprocessing.apply_pca_obs(
        raw, ["EEG"], qrs_times=beats.time[whole], n_components=components, copy=False,
        verbose="ERROR",
    )  # fmt: skip
    return np.asarray(raw.get_data()[0] + series.mean(dtype=np.float64), np.float32)


def locked_share(eeg: EEG, beats: Beats) -> float:
    """Tell which share of the EEG's power around a beat is the same in all; median over channels.

    Of independent beats, 1 / their number by chance.
    """
    size = round(60 / beats.rate * eeg.sfreq)
    first = np.round(beats.time * eeg.sfreq).astype(int) - size // 2
    first = first[(first >= 0) & (first + size <= eeg.data.shape[1])]
    shares = []
    for series in eeg.data:
        windows = series[first[:, None] + np.arange(size)]
        windows = windows - windows.mean(axis=1, keepdims=True)
        shares.append(windows.mean(axis=0).var() / np.median(windows.var(axis=1)))
    return float(np.median(shares))


def _candidates(
    eeg: EEG, ecg: Float32[np.ndarray, " time"] | None
) -> Iterator[tuple[str, Float32[np.ndarray, " time"]]]:
    """Give what may beat: the channel of the heart, then components of the EEG, strongest first."""
    if ecg is not None:
        yield "ECG", ecg
    filtered = np.stack(
        [
            mne.filter.filter_data(series.astype(np.float64), eeg.sfreq, *BAND, verbose="ERROR")
            for series in eeg.data
        ]
    )
    weights = np.linalg.eigh(filtered @ filtered.T)[1][:, ::-1]
    for weight in weights.T[:SHAPES]:
        yield "EEG", (weight @ filtered).astype(np.float32)


def _is_plausible(beats: Beats, duration: float) -> bool:
    if len(beats.time) < duration * RATE[0] / 60 / 2:
        return False
    between = np.diff(beats.time)
    near = np.abs(between / np.median(between) - 1) < NEAR
    return RATE[0] <= beats.rate <= RATE[1] and float(np.mean(near)) >= REGULAR
