"""Spectra of many overlapping windows of fast EEG at the cost of slow EEG, and the same numbers.

At 5 kHz a window of 2 s has 5,001 frequencies, of which models see 134, and each sample stands in
the windows of some ten volumes. So EEG is low-passed and thinned out once, windows are put together
from what is left, and their spectra divided by the filter's response. What lies beyond the ends of
a window has no part in it: there the samples are filtered anew, as if none was recorded outside.
"""

from collections.abc import Callable
from functools import cached_property

import numpy as np
from jaxtyping import Float32, Float64, Int64
from numpy.lib.stride_tricks import sliding_window_view
from scipy.signal import firwin, kaiserord

from bids_eeg2fmri.types import typed

ROOM = 3.5
"""Least rate that is kept, in units of the highest frequency: less would take a steeper filter."""
LEAST = 4
"""Of fewer samples for each kept one, the direct transform is as fast."""
ATTENUATION = 120.0
"""Of what would be folded onto kept frequencies, in decibels: what single precision tells apart."""
PART = 2**15
"""Kept samples that are made at a time."""
Read = Callable[[int, int], Float32[np.ndarray, "time channels"]]
"""Give the EEG from a sample up to another one, in volts."""
PER_PRODUCT = 16
"""Samples that one matrix product makes."""


@typed
class Thinning:
    """A low pass, of whose output one sample of ``factor`` is kept."""

    factor: int
    """Samples for each kept one."""
    half: int
    """Kept samples to which the filter reaches on either side."""
    taps: Float64[np.ndarray, " taps"]
    """Of the filter: 2 × ``half`` × ``factor`` + 1, symmetric."""

    @property
    def reach(self) -> int:
        """Samples to which the filter reaches on either side."""
        return self.half * self.factor

    def response(self, cycles: Float64[np.ndarray, " freqs"]) -> Float64[np.ndarray, " freqs"]:
        """Tell what becomes of a wave with so many cycles a sample."""
        distance = np.arange(1, self.reach + 1)
        waves = np.cos(2 * np.pi * np.outer(cycles, distance))
        return np.asarray(self.taps[self.reach] + 2 * waves @ self.taps[self.reach + 1 :])

    def thin(
        self, data: Float32[np.ndarray, "time channels"]
    ) -> Float32[np.ndarray, "kept channels"]:
        """Filter and thin out; the first sample that is kept lies ``reach`` after the first one."""
        n = max(0, (len(data) - len(self.taps)) // self.factor + 1)
        step = PER_PRODUCT * self.factor
        rows = self._band.shape[1]
        made = np.empty((n, data.shape[1]), np.float32)
        whole = n // PER_PRODUCT
        if whole:
            # Overlapping views: nothing is copied.
            cuts = sliding_window_view(data, rows, axis=0)[::step][:whole].swapaxes(1, 2)
            np.matmul(
                self._band, cuts, out=made[: whole * PER_PRODUCT].reshape(whole, PER_PRODUCT, -1)
            )
        if left := n - whole * PER_PRODUCT:
            rest = data[whole * step :][: self.factor * (left - 1) + len(self.taps)]
            made[whole * PER_PRODUCT :] = self._band[:left, : len(rest)] @ rest
        return made

    @cached_property
    def _band(self) -> Float32[np.ndarray, "kept samples"]:
        """Make ``PER_PRODUCT`` kept samples of those that they depend on."""
        late = np.arange(self.factor * (PER_PRODUCT - 1) + len(self.taps))
        return self._taps(late - self.factor * np.arange(PER_PRODUCT)[:, None])

    def ends(
        self, lead: int
    ) -> tuple[Float32[np.ndarray, "ends samples"], Float32[np.ndarray, "ends samples"]]:
        """Make the kept samples at the ends of a window, as a circle: those of both ends in one.

        Parameters
        ----------
        lead
            Samples by which the first kept one within the window follows its first one.

        Returns
        -------
        What they depend on of the first 2 × ``reach`` samples of the window, and of the last.
        """
        late = np.arange(2 * self.reach) - lead
        before = self.factor * np.arange(2 * self.half, 0, -1)[:, None]
        return self._taps(late + before), self._taps(late + before - 2 * self.reach)

    def _taps(
        self, index: Int64[np.ndarray, "kept samples"]
    ) -> Float32[np.ndarray, "kept samples"]:
        there = (index >= 0) & (index < len(self.taps))
        return np.where(there, self.taps[index * there], 0).astype(np.float32)


def thin_out(
    read: Read, start: int, stop: int, thinning: Thinning
) -> Float32[np.ndarray, "kept channels"]:
    """Filter and thin out a stretch of a recording, a part of it in memory at a time."""
    factor, taps = thinning.factor, len(thinning.taps)
    n = max(0, (stop - start - taps) // factor + 1)
    made, done = np.empty((n, read(start, start).shape[1]), np.float32), 0
    while done < n:
        some = min(PART, n - done)
        begin = start + done * factor
        part = np.ascontiguousarray(read(begin, begin + (some - 1) * factor + taps))
        made[done : done + some] = thinning.thin(part)
        done += some
    return made


def low_pass(sfreq: float, highest: float, factor: int) -> Thinning:
    """Design the filter after which one sample of ``factor`` tells all up to ``highest`` hertz.

    By the window of Kaiser (1974): the gain is off by ``ATTENUATION`` at most, from one up to
    ``highest``, and from zero where the first frequency lies that would be folded to there.
    """
    width = sfreq / factor - 2 * highest
    n_taps, beta = kaiserord(ATTENUATION, width / (sfreq / 2))
    half = int(np.ceil((n_taps - 1) / 2 / factor))
    cutoff = sfreq / factor / 2
    taps = firwin(2 * half * factor + 1, cutoff, window=("kaiser", beta), fs=sfreq)
    return Thinning(factor, half, np.asarray(taps, np.float64))


def thinning_for(size: int, sfreq: float, highest: float) -> Thinning | None:
    """Choose how windows of so many samples are thinned out; none where it would not pay.

    Parameters
    ----------
    highest
        In hertz; all up to there is kept.
    """
    most = int(sfreq / (ROOM * highest))
    factors = [factor for factor in range(LEAST, most + 1) if size % factor == 0]
    if not factors:
        return None
    made = low_pass(sfreq, highest, factors[-1])
    return made if size >= 8 * made.reach else None


def windows_of(
    data: Float32[np.ndarray, "time channels"],
    slow: Float32[np.ndarray, "channels kept"],
    starts: Int64[np.ndarray, " windows"],
    size: int,
    thinning: Thinning,
) -> tuple[Float32[np.ndarray, "windows channels circle"], Float64[np.ndarray, " windows"]]:
    """Put windows together from what is left of the EEG.

    Parameters
    ----------
    slow
        What ``thinning`` makes of the data.
    starts, size
        First sample of each window, and how many it has.

    Returns
    -------
    The window as a circle without its mean, and an angle: bin k of its transform has to be turned
    by k times that angle.
    """
    factor, half, reach = thinning.factor, thinning.half, 2 * thinning.reach
    n = size // factor
    first = -(-starts // factor)
    lead = first * factor - starts
    ends = {one: thinning.ends(one) for one in map(int, np.unique(lead))}
    made = np.empty((len(starts), data.shape[1], n), np.float32)
    for circle, start, kept, late in zip(made, starts, first, lead, strict=True):
        head, tail = ends[int(late)]
        both = head @ data[start : start + reach]
        both += tail @ data[start + size - reach : start + size]
        circle[:, : 2 * half] = both.T
        circle[:, 2 * half :] = slow[:, kept : kept + n - 2 * half]
    made -= made.mean(axis=-1, keepdims=True)
    return made, 2 * np.pi / size * (thinning.reach - lead)
