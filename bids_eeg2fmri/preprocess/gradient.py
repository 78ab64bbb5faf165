"""The artefact of the scanner's gradients: a template of neighbouring volumes is subtracted.

Average artefact subtraction of Allen et al. (2000), with an optimal basis set for what is left as
in Niazy et al. (2005). Volumes are aligned to parts of a sample, those at an edge or a gap get the
template of their nearest neighbours, and the signal outside the scan stays as it is.
"""

from functools import cached_property
from itertools import pairwise

import numpy as np
from jaxtyping import Bool, Complex64, Float32, Float64, Int64

from bids_eeg2fmri.preprocess.channels import rows_of, spread
from bids_eeg2fmri.preprocess.cutting import (
    FEWEST,
    MARGIN,
    align_volumes,
    cut_volumes,
    phase_ramps,
    shift_volumes,
)
from bids_eeg2fmri.types import Signal, VolumeClock, typed

LONGER = 2
"""Samples to the next volume beyond a period that are no gap: the clocks drift."""
BEYOND = 3.0
"""How much larger a shape of the basis must be than the largest in which the means of every other
volume differ, or it may be EEG."""


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
    def ramps(self) -> Complex64[np.ndarray, "volumes freqs"]:
        """What ``shift`` makes of the spectra of the volumes; the same for all channels."""
        return phase_ramps(self.shift, self.basis.shape[1])


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
    onset, alike = align_volumes(eeg, onset, whole, stored, length)
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
    volumes = cut_volumes(series, scan.first, scan.ramps, scan.whole, length)
    templates = np.stack([volumes[index].mean(axis=0) for index in scan.neighbours])
    left = (volumes - templates)[scan.whole]
    templates[scan.whole] += (left @ scan.basis.T) @ scan.basis
    artefacts = shift_volumes(templates, scan.ramps.conj())
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
    volumes = cut_volumes(series, scan.first, scan.ramps, scan.whole, length)
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


def _neighbours(
    place: Float64[np.ndarray, " volumes"], whole: Bool[np.ndarray, " volumes"], averaged: int
) -> Int64[np.ndarray, "volumes averaged"]:
    """Choose the nearest whole volumes for each one, if possible from its side of a gap.

    Itself among them: without, the power of EEG would grow by 2 / averaged between the lines.
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
    ramps = phase_ramps(shift, length)
    for row in rows_of(eeg, spread(len(eeg.channels)).tolist()):
        volumes = cut_volumes(row, first, ramps, whole, length)[whole]
        even, odd = volumes[::2].mean(axis=0), volumes[1::2].mean(axis=0)
        if BEYOND * np.linalg.norm(even - odd) < np.linalg.norm(even + odd):
            halves.append((even, odd))
    if not halves:
        return np.empty((0, length), np.float32)
    even, odd = np.swapaxes(halves, 0, 1)
    _, sizes, shapes = np.linalg.svd((even + odd) / 2, full_matrices=False)
    chance = np.linalg.norm((even - odd) / 2, ord=2)
    return shapes[: min(components, np.sum(sizes > BEYOND * chance))]
