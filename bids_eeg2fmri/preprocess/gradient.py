"""The artefact of the scanner's gradients: a template of neighbouring volumes is subtracted.

Average artefact subtraction of Allen et al. (2000), with an optimal basis set for what is left as
in Niazy et al. (2005). Volumes are aligned to parts of a sample, those at an edge or a gap get the
template of their nearest neighbours, and the signal outside the scan stays as it is.
"""

from functools import cached_property
from itertools import pairwise

import numpy as np
from jaxtyping import Bool, Complex64, Float32, Float64, Int64
from numpy.lib.stride_tricks import sliding_window_view
from scipy.fft import irfft, next_fast_len, rfft, rfftfreq

from bids_eeg2fmri.preprocess.eeg import rows_of
from bids_eeg2fmri.types import Signal, VolumeClock, typed

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
LONGER = 2
"""Samples to the next volume beyond a period that are no gap: the clocks drift."""
MOST = 16
"""Channels whose templates give the basis of what is left."""
BEYOND = 3.0
"""How much larger such a shape must be than the largest in which the means of every other volume
differ, or it may be EEG."""

TINY = float(np.finfo(np.float32).tiny)
"""Of flat signals, to divide by."""

Volumes = Float32[np.ndarray, "volumes samples"]


@typed
class Scan:
    """Where in the EEG the artefact of each volume lies, and what is subtracted there."""

    first: Int64[np.ndarray, " volumes"]
    """First sample of each volume; it may lie outside the recording."""
    shift: Float64[np.ndarray, " volumes"]
    """How much later the volume begins, in samples."""
    size: Int64[np.ndarray, " volumes"]
    """Samples that it takes."""
    whole: Bool[np.ndarray, " volumes"]
    """Whether all of it was recorded."""
    neighbours: Int64[np.ndarray, "volumes averaged"]
    """Volumes that its template is the mean of; such as look like the others."""
    basis: Float32[np.ndarray, "components samples"]
    """Orthonormal shapes in which artefacts differ from their templates."""

    @cached_property
    def turn(self) -> Complex64[np.ndarray, "volumes freqs"]:
        """What ``shift`` makes of the spectra of the volumes; the same for all channels."""
        return _turn(self.shift, self.basis.shape[1])


def find_scan(eeg: Signal, clock: VolumeClock, averaged: int, components: int) -> Scan | None:
    """Find the artefact of each volume, beginning with what the clock says.

    Parameters
    ----------
    averaged
        Volumes that make a template.
    components
        Shapes in which artefacts may differ from it.

    Returns
    -------
    None where too few volumes were recorded for a template.
    """
    period = period_of(clock)
    onset, stored = _with_others(clock, period, eeg.duration)
    whole = (onset >= 0) & (onset + period <= eeg.duration)
    if np.sum(whole & stored) < FEWEST:
        return None
    samples = round(period * eeg.sfreq)
    onset, length = onset * eeg.sfreq, samples + 2 * MARGIN
    onset, alike = _align(eeg, onset, whole, stored, length)
    scanned = stored | alike
    scanned |= ~whole & np.convolve(scanned, [1, 1, 1], "same").astype(bool)  # broken ones beside
    onset, whole, alike = onset[scanned], whole[scanned], alike[scanned]
    first = np.round(onset).astype(np.int64)
    size = np.append(np.diff(first), samples)
    size[size > samples + LONGER] = samples
    neighbours = _neighbours(onset / (period * eeg.sfreq), alike, averaged)
    given = (first, onset - first, size, whole, neighbours)
    return Scan(*given, _basis(eeg, first, onset - first, alike, length, components))


def subtract(series: Float32[np.ndarray, " time"], scan: Scan) -> Float32[np.ndarray, " time"]:
    """Subtract the artefact of each volume from one channel, Allen et al. (2000).

    Notes
    -----
    The mean of each volume, in which an artefact that goes up and down has no part, and the line
    from one to the next belong to no template: slow waves and drifts of electrodes stay.
    """
    length = scan.basis.shape[1]
    volumes = _volumes(series, scan.first, scan.turn, scan.whole, length)
    templates = np.stack([volumes[index].mean(axis=0) for index in scan.neighbours])
    left = (volumes - templates)[scan.whole]
    templates[scan.whole] += (left @ scan.basis.T) @ scan.basis
    artefacts = _turned(templates, scan.turn.conj())
    cleaned = series.copy()
    for first, size, artefact in zip(scan.first, scan.size, artefacts, strict=True):
        begin, end = max(first, 0), max(0, min(first + size, len(series)))
        cleaned[begin:end] -= artefact[MARGIN + begin - first : MARGIN + end - first]
    return cleaned


def mean_volume(
    series: Float32[np.ndarray, " time"], scan: Scan
) -> Float32[np.ndarray, " samples"]:
    """Average the volumes of one channel, without their slow course."""
    length = scan.basis.shape[1]
    volumes = _volumes(series, scan.first, scan.turn, scan.whole, length)
    return np.asarray(volumes[scan.whole, MARGIN:-MARGIN].mean(axis=0))


def period_of(clock: VolumeClock) -> float:
    """Tell the repetition time by the clock of the EEG, in seconds."""
    return float(np.median(np.diff(clock.onset)))


def _with_others(
    clock: VolumeClock, period: float, duration: float
) -> tuple[Float64[np.ndarray, " volumes"], Bool[np.ndarray, " volumes"]]:
    """Continue the course of the volumes into all EEG without; tell which of them were stored.

    A gap is filled from either side to its middle, as what follows may have another phase.
    """
    onset, steps = clock.onset, np.arange(1, int(duration / period) + 2)
    before, after = onset[0] - period * steps, onset[-1] + period * steps
    found = [before, onset, after]
    for left, right in pairwise(onset):
        lost = int((right - left) / period + 0.01) - 1
        found.append(left + period * np.arange(1, lost // 2 + 1))
        found.append(right - period * np.arange(1, lost - lost // 2 + 1))
    every = np.sort(np.concatenate(found))
    every = every[(every > -period) & (every < duration)]
    return every, np.isin(every, onset)


def _align(
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
        turn = _turn(onset - first, length)
        for row in rows:
            volumes = _volumes(row, first, turn, whole, length)[whole]
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


def _neighbours(
    place: Float64[np.ndarray, " volumes"], whole: Bool[np.ndarray, " volumes"], averaged: int
) -> Int64[np.ndarray, "volumes averaged"]:
    """Choose the nearest whole volumes for each one, if possible from its side of a gap.

    Itself among them: without, EEG between the lines of the scanner would grow by 2 / averaged.
    """
    piece = np.cumsum(np.diff(place, prepend=place[0]) > 1.5)
    known = np.flatnonzero(whole)
    chosen = []
    for own, here in zip(piece, place, strict=True):
        order = np.lexsort((np.abs(place - here)[known], (piece != own)[known]))
        chosen.append(np.sort(known[order[:averaged]]))
    return np.array(chosen)


def _basis(
    eeg: Signal,
    first: Int64[np.ndarray, " volumes"],
    shift: Float64[np.ndarray, " volumes"],
    whole: Bool[np.ndarray, " volumes"],
    length: int,
    components: int,
) -> Float32[np.ndarray, "components samples"]:
    """Find the shapes that artefacts are made of: the principal components of channels' means.

    A movement of the head changes how much of each gradient a channel sees. In the means of all
    volumes, EEG has averaged out, but for loose electrodes, which are left out; Niazy et al. (2005)
    take single volumes instead.
    """
    halves = []
    n, turn = len(eeg.channels), _turn(shift, length)
    for row in rows_of(eeg, np.unique(np.linspace(0, n - 1, min(n, MOST)).astype(int)).tolist()):
        volumes = _volumes(row, first, turn, whole, length)[whole]
        even, odd = volumes[::2].mean(axis=0), volumes[1::2].mean(axis=0)
        if BEYOND * np.linalg.norm(even - odd) < np.linalg.norm(even + odd):
            halves.append((even, odd))
    if not halves:
        return np.empty((0, length), np.float32)
    even, odd = np.swapaxes(halves, 0, 1)
    _, sizes, shapes = np.linalg.svd((even + odd) / 2, full_matrices=False)
    chance = np.linalg.norm((even - odd) / 2, ord=2)
    return shapes[: min(components, np.sum(sizes > BEYOND * chance))]


def _volumes(
    series: Float32[np.ndarray, " time"],
    first: Int64[np.ndarray, " volumes"],
    turn: Complex64[np.ndarray, "volumes freqs"],
    whole: Bool[np.ndarray, " volumes"],
    length: int,
) -> Volumes:
    """Cut volumes with their margins out of a channel, without their slow course, and align them.

    What was not recorded is 0.
    """
    begin = first - MARGIN
    cut = sliding_window_view(np.pad(series, length), length)[begin + length]
    means = cut[whole, MARGIN:-MARGIN].mean(axis=1, dtype=np.float64)
    time = begin[:, None] + np.arange(length)
    cut -= np.interp(time, first[whole] + length / 2 - MARGIN, means).astype(np.float32)
    cut *= (time >= 0) & (time < len(series))
    fade = np.sin(np.pi / 2 * (np.arange(MARGIN) + 0.5) / MARGIN) ** 2
    cut[:, :MARGIN] *= fade.astype(np.float32)
    cut[:, -MARGIN:] *= fade[::-1].astype(np.float32)
    return _turned(cut, turn)


def _turn(
    by: Float64[np.ndarray, " volumes"], length: int
) -> Complex64[np.ndarray, "volumes freqs"]:
    """Tell what shifting to the left by some part of a sample makes of spectra."""
    freqs = rfftfreq(next_fast_len(length, real=True))
    return np.asarray(np.exp(2j * np.pi * freqs * by[:, None]), np.complex64)


def _turned(volumes: Volumes, turn: Complex64[np.ndarray, "volumes freqs"]) -> Volumes:
    """Shift each volume by what turns its spectrum so."""
    size = next_fast_len(volumes.shape[1], real=True)
    spectra = rfft(volumes, size)
    spectra *= turn
    return np.asarray(irfft(spectra, size)[:, : volumes.shape[1]])
