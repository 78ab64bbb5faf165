"""Spectrograms of many stretches of a recording that overlap, a bounded part of it at a time."""

from collections.abc import Iterable, Iterator

import numpy as np
from jaxtyping import Complex64, Float32, Float64, Int64
from scipy.fft import rfft

from bids_eeg2fmri.config import SpectrogramConfig
from bids_eeg2fmri.preprocess.eeg import (
    bin_freqs,
    check_rate,
    spectrogram,
    value_of,
    window_size,
    window_starts,
)
from bids_eeg2fmri.preprocess.thinning import Read, Thinning, thinning_for, windows_of

PER_READ = 6 * 2**20
"""Numbers of EEG that are read at a time, if what belongs together is no more: so few that the same
memory serves again and again."""
PER_TRANSFORM = 32
"""Windows that are transformed at a time: what stays in a processor's cache."""
SHARED = 2
"""How many stretches a window must be part of on average to be transformed for itself."""

Starts = Int64[np.ndarray, " windows"]
"""First sample of each window, in ascending order."""
Values = Float32[np.ndarray, "windows channels freqs"]
"""What ``SpectrogramConfig.value`` says of each bin of some windows."""


def spectrograms(
    read: Read,
    sfreq: float,
    first: Int64[np.ndarray, " pairs"],
    length: int,
    spectro: SpectrogramConfig,
) -> Iterator[Float32[np.ndarray, "some channels freqs windows"]]:
    """Transform stretches of one length as ``eeg.spectrogram`` does each, some at a time.

    Windows that stretches share are transformed once. Where EEG is sampled much faster than its
    highest frequency asks for, they are thinned out first, see ``thinning``; magnitudes then differ
    by less than a millionth of what the window holds about its mean (``ATTENUATION``), whatever its
    frequency, and three millionths of the electrode's offset, which single precision loses.

    Parameters
    ----------
    first
        First sample of each stretch, in ascending order.
    length
        Samples of each; all were recorded.

    Raises
    ------
    UsageError
        If the sampling rate is too low for ``spectro.fmax``.
    """
    check_rate(sfreq, spectro)
    size, offsets = window_size(sfreq, spectro), window_starts(length, sfreq, spectro)
    starts, which = np.unique(first[:, None] + offsets, return_inverse=True)
    which = which.reshape(-1, len(offsets))
    thinning = thinning_for(size, sfreq, bin_freqs(spectro)[-1] + 1 / spectro.window)
    if thinning is not None:
        values = _thinned(read, starts, size, spectro, thinning)
    elif SHARED * len(starts) < which.size:
        values = _direct(read, starts, size, sfreq, spectro)
    else:
        yield from _by_stretch(read, sfreq, first, length, spectro)
        return
    yield from _gathered(values, which)


def _gathered(
    values: Iterable[Values], which: Int64[np.ndarray, "pairs windows"]
) -> Iterator[Float32[np.ndarray, "some channels freqs windows"]]:
    """Put stretches together from windows that come some at a time, as soon as all are there."""
    held, lost, done = np.empty(0, np.float32), 0, 0
    for some in values:
        held = np.concatenate([held, some]) if held.size else some
        ready = int(np.searchsorted(which[:, -1], lost + len(held)))
        if ready > done:
            yield held[which[done:ready] - lost].transpose(0, 2, 3, 1)
            done = ready
        if done < len(which):
            spent = int(which[done, 0]) - lost
            held, lost = held[spent:], lost + spent


def _by_stretch(
    read: Read,
    sfreq: float,
    first: Int64[np.ndarray, " pairs"],
    length: int,
    spectro: SpectrogramConfig,
) -> Iterator[Float32[np.ndarray, "1 channels freqs windows"]]:
    for some in _batches(first, length, read):
        data = read(int(some[0]), int(some[-1]) + length)
        for begin in some - some[0]:
            yield spectrogram(data[begin : begin + length].T, sfreq, spectro)[0][None]


def _batches(first: Starts, length: int, read: Read) -> Iterator[Starts]:
    """Divide what is so long into groups that are read together."""
    most = PER_READ // max(1, read(0, 0).shape[1])
    while len(first):
        n = max(1, int(np.searchsorted(first + length, first[0] + most, "right")))
        yield first[:n]
        first = first[n:]


def _parts(starts: Starts) -> Iterator[Starts]:
    for begin in range(0, len(starts), PER_TRANSFORM):
        yield starts[begin : begin + PER_TRANSFORM]


def _direct(
    read: Read, starts: Starts, size: int, sfreq: float, spectro: SpectrogramConfig
) -> Iterator[Values]:
    for some in _batches(starts, size, read):
        data = np.ascontiguousarray(read(int(some[0]), int(some[-1]) + size).T)
        for part in _parts(some - some[0]):
            cuts = data[:, part[:, None] + np.arange(size)]
            yield spectrogram(cuts, sfreq, spectro)[0][..., 0].swapaxes(0, 1)


def _thinned(
    read: Read, starts: Starts, size: int, spectro: SpectrogramConfig, thinning: Thinning
) -> Iterator[Values]:
    kept = np.round(bin_freqs(spectro) * spectro.window).astype(int)
    low, high = int(kept[0]) - 1, int(kept[-1]) + 1
    response = thinning.response(np.arange(low, high + 1) / size)
    gain = (2 * thinning.factor / size / response).astype(np.float32)
    for some in _batches(starts, size, read):
        data = np.ascontiguousarray(read(int(some[0]), int(some[-1]) + size))
        slow = np.ascontiguousarray(thinning.thin(data).T)
        for part in _parts(some - some[0]):
            windows, angle = windows_of(data, slow, part, size, thinning)
            bins = rfft(windows)[..., low : high + 1] * gain
            bins = _hann(bins, angle) if spectro.taper == "hann" else bins[..., 1:-1]
            yield value_of(bins.real**2 + bins.imag**2, spectro)


def _hann(
    bins: Complex64[np.ndarray, "windows channels beyond"], angle: Float64[np.ndarray, " windows"]
) -> Complex64[np.ndarray, "windows channels freqs"]:
    """Taper windows after their transform: each bin loses half of the mean of its neighbours.

    Scaled so that a sine keeps its amplitude.
    """
    turn = np.exp(1j * angle).astype(np.complex64)[:, None, None] / 2
    return np.asarray(bins[..., 1:-1] - (bins[..., :-2] * turn.conj() + bins[..., 2:] * turn))
