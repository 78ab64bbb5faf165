"""Cut the volumes of a scan out of the EEG, aligned to parts of a sample.

The clock says about when each began. What a sampling rate that is no whole part of the scanner's
leaves open is told by the volumes themselves, which are nearly the same.
"""

import numpy as np
from jaxtyping import Bool, Complex64, Float32, Float64, Int64
from numpy.lib.stride_tricks import sliding_window_view
from scipy.fft import irfft, next_fast_len, rfft, rfftfreq

from bids_eeg2fmri.types import Signal

FEWEST = 3
"""Whole volumes without which there is no template."""
MARGIN = 32
"""Samples around each volume in which it fades, so that its ends do not leak when it is shifted."""
SEARCH = 0.02
"""How far a volume may lie from where the clock puts it, in seconds, and still be aligned."""
ALIKE = 0.9
"""Correlation with the mean volume from which on the artefact tells when a volume begins, and from
which on EEG of no stored volume was recorded while the scanner ran, e.g. of dummy volumes."""
CLEAREST = 4
"""Channels by which volumes are aligned."""
TRIED = 8
"""Volumes in the middle of the scan by which channels are chosen, and one to compare all with."""
TINY = float(np.finfo(np.float32).tiny)
"""Of flat signals, to divide by."""

Volumes = Float32[np.ndarray, "volumes samples"]
"""A stretch of one channel for each volume, with margins."""


def cut_volumes(
    series: Float32[np.ndarray, " time"],
    first: Int64[np.ndarray, " volumes"],
    ramps: Complex64[np.ndarray, "volumes freqs"],
    whole: Bool[np.ndarray, " volumes"],
    length: int,
) -> Volumes:
    """Cut volumes with their margins out of a channel, without their slow course, and align them.

    Parameters
    ----------
    first
        Sample with which each volume begins, without its margin; may lie outside the recording.
    ramps
        What aligns each of them, see `phase_ramps`.
    whole
        Whether all of it was recorded; these tell the slow course, the line through their means.
    length
        Samples of a volume with its margins.

    Returns
    -------
    In the unit of the series; what was not recorded is 0.
    """
    begin = first - MARGIN
    cut = sliding_window_view(np.pad(series, length), length)[begin + length]
    means = cut[whole, MARGIN:-MARGIN].mean(axis=1, dtype=np.float64)
    time = begin[:, None] + np.arange(length)
    middles = first[whole] + (length - 1) / 2 - MARGIN
    cut -= np.interp(time, middles, means).astype(np.float32)
    cut *= (time >= 0) & (time < len(series))
    fade = np.sin(np.pi / 2 * (np.arange(MARGIN) + 0.5) / MARGIN) ** 2
    cut[:, :MARGIN] *= fade.astype(np.float32)
    cut[:, -MARGIN:] *= fade[::-1].astype(np.float32)
    return shift_volumes(cut, ramps)


def phase_ramps(
    shift: Float64[np.ndarray, " volumes"], length: int
) -> Complex64[np.ndarray, "volumes freqs"]:
    r"""Give what a shift to the left by some part of a sample multiplies a spectrum by.

    .. math:: e^{2 \pi i f s}

    Parameters
    ----------
    shift
        Of each volume, in samples.
    length
        Samples of a volume with its margins.
    """
    freqs = rfftfreq(next_fast_len(length, real=True))
    return np.asarray(np.exp(2j * np.pi * freqs * shift[:, None]), np.complex64)


def shift_volumes(volumes: Volumes, ramps: Complex64[np.ndarray, "volumes freqs"]) -> Volumes:
    """Shift each volume by what `phase_ramps` says of it."""
    size = next_fast_len(volumes.shape[1], real=True)
    spectra = rfft(volumes, size)
    spectra *= ramps
    return np.asarray(irfft(spectra, size)[:, : volumes.shape[1]])


def align_volumes(
    eeg: Signal,
    onset: Float64[np.ndarray, " volumes"],
    whole: Bool[np.ndarray, " volumes"],
    stored: Bool[np.ndarray, " volumes"],
    length: int,
) -> tuple[Float64[np.ndarray, " volumes"], Bool[np.ndarray, " volumes"]]:
    """Measure on clear channels when each volume begins, in samples.

    Where EEG hides the artefact, as in few volumes of strong ones and in all of weak ones, the
    neighbours tell it, or else the clock.

    Returns
    -------
    Onsets, and which whole volumes look like their mean; all stored ones of a weak artefact.
    """
    places = np.flatnonzero(whole)
    channels = _clearest(eeg, np.round(onset[whole & stored]).astype(np.int64), length // 2)
    rows = eeg.rows(channels.tolist())
    for _ in range(2):  # what is cut out a sample late is another piece
        delays, likeness = [], []
        first = np.round(onset).astype(np.int64)
        ramps = phase_ramps(onset - first, length)
        for row in rows:
            volumes = cut_volumes(row, first, ramps, whole, length)[whole]
            delay, alike = _compare(volumes, stored[whole], round(SEARCH * eeg.sfreq))
            delays.append(delay)
            likeness.append(alike)
        clear = np.median(likeness, axis=0) > ALIKE
        if clear.sum() < FEWEST:
            return onset, whole & stored
        delay = np.median(delays, axis=0)[clear]
        onset = onset + np.interp(np.arange(len(onset)), places[clear], delay)
    return onset, np.isin(np.arange(len(onset)), places[clear])


def _clearest(
    eeg: Signal, first: Int64[np.ndarray, " volumes"], length: int
) -> Int64[np.ndarray, " channels"]:
    """Choose channels in which volumes are most alike: the strongest may be a loose electrode."""
    # Of the steps from sample to sample: there the gradients are strong and drifts are weak.
    some = [eeg.stretch(int(begin), int(begin) + length).T for begin in _middle(first)]
    steps = np.diff(some)
    shared = steps.mean(axis=0).std(axis=1) / np.maximum(steps.std(axis=(0, 2)), TINY)
    return np.argsort(-shared)[:CLEAREST]


def _middle(volumes: Int64[np.ndarray, " volumes"]) -> Int64[np.ndarray, " tried"]:
    """Take some from the middle."""
    begin = max(0, (len(volumes) - TRIED) // 2)
    return volumes[begin : begin + TRIED]


def _compare(
    volumes: Volumes, stored: Bool[np.ndarray, " volumes"], search: int
) -> tuple[Float64[np.ndarray, " volumes"], Float64[np.ndarray, " volumes"]]:
    """Measure by how many samples volumes lag behind the stored ones, and how alike they are."""
    size = next_fast_len(volumes.shape[1], real=True)
    spectra, freqs = rfft(volumes, size), rfftfreq(size)
    norms = np.linalg.norm(spectra, axis=1)
    some = _middle(np.flatnonzero(stored))
    reference = spectra[some[np.argsort(norms[some])[len(some) // 2]]]
    for _ in range(2):  # the mean of volumes is no reference until they are aligned
        delay = _lag(spectra, reference, freqs, size, search)
        aligned = spectra * np.exp(2j * np.pi * freqs * delay[:, None]).astype(np.complex64)
        reference = aligned[stored].mean(axis=0)
    norms = np.maximum(norms * np.linalg.norm(reference), TINY)
    return delay, np.asarray((aligned @ reference.conj()).real / norms, np.float64)


def _lag(
    spectra: Complex64[np.ndarray, "volumes freqs"],
    reference: Complex64[np.ndarray, " freqs"],
    freqs: Float64[np.ndarray, " freqs"],
    size: int,
    search: int,
) -> Float64[np.ndarray, " volumes"]:
    """Find the whole samples of each lag by the largest correlation, the rest by the phase."""
    cross = spectra * reference.conj()
    lags = np.arange(-search, search + 1)
    lag = lags[irfft(cross, size)[:, lags].argmax(axis=1)]
    cross *= np.exp(2j * np.pi * freqs * lag[:, None]).astype(np.complex64)
    weight = np.abs(cross) * freqs
    slope = (weight * np.angle(cross)).sum(axis=1) / np.maximum(weight @ freqs, TINY)
    return np.asarray(lag - slope / (2 * np.pi))
