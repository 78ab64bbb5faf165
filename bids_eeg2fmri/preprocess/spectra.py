"""Spectrograms of many stretches of a recording that overlap, a bounded part of it at a time."""

from collections.abc import Callable, Iterator

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
from bids_eeg2fmri.preprocess.thinning import Thinning, thinning_for, windows_of

Read = Callable[[int, int], Float32[np.ndarray, "time channels"]]
"""Give the EEG from a sample up to another one, in volts."""
AT_ONCE = 2**25
"""Numbers of EEG that are read at a time, if one stretch has no more."""
TOGETHER = 32
"""Windows that are transformed at a time: what stays in a processor's cache."""
SHARED = 2
"""How many stretches a window must be part of on average to be transformed for itself."""

Starts = Int64[np.ndarray, " windows"]
Values = Float32[np.ndarray, "windows channels freqs"]


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
    by less than a millionth of what the window holds (``ATTENUATION``), whatever its frequency.

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
    thinning = thinning_for(size, sfreq, bin_freqs(spectro)[-1] + 1 / spectro.window)
    for some in _batches(first, length, read):
        data = read(int(some[0]), int(some[-1]) + length)
        starts, which = np.unique(some[:, None] - some[0] + offsets, return_inverse=True)
        if thinning is not None:
            transform = _thinned(data, size, spectro, thinning)
        elif SHARED * len(starts) < which.size:
            transform = _direct(data, size, sfreq, spectro)
        else:
            for begin in some - some[0]:
                yield spectrogram(data[begin : begin + length].T, sfreq, spectro)[0][None]
            continue
        parts = np.array_split(starts, -(-len(starts) // TOGETHER))
        values = np.concatenate([*map(transform, parts)])
        yield values[which.reshape(len(some), -1)].transpose(0, 2, 3, 1)


def _batches(
    first: Int64[np.ndarray, " pairs"], length: int, read: Read
) -> Iterator[Int64[np.ndarray, " some"]]:
    """Divide stretches into groups that are read together."""
    most = AT_ONCE // max(1, read(0, 1).shape[1])
    while len(first):
        n = max(1, int(np.searchsorted(first + length, first[0] + most, "right")))
        yield first[:n]
        first = first[n:]


def _direct(
    data: Float32[np.ndarray, "time channels"], size: int, sfreq: float, spectro: SpectrogramConfig
) -> Callable[[Starts], Values]:
    channelwise = np.ascontiguousarray(data.T)

    def transform(starts: Starts) -> Values:
        cuts = channelwise[:, starts[:, None] + np.arange(size)]
        return spectrogram(cuts, sfreq, spectro)[0][..., 0].swapaxes(0, 1)

    return transform


def _thinned(
    data: Float32[np.ndarray, "time channels"],
    size: int,
    spectro: SpectrogramConfig,
    thinning: Thinning,
) -> Callable[[Starts], Values]:
    data = np.ascontiguousarray(data)
    slow = np.ascontiguousarray(thinning.thin(data).T)
    kept = np.round(bin_freqs(spectro) * spectro.window).astype(int)
    low, high = int(kept[0]) - 1, int(kept[-1]) + 1
    response = thinning.response(np.arange(low, high + 1) / size)
    gain = (2 * thinning.factor / size / response).astype(np.float32)

    def transform(starts: Starts) -> Values:
        windows, angle = windows_of(data, slow, starts, size, thinning)
        bins = rfft(windows)[..., low : high + 1] * gain
        bins = _hann(bins, angle) if spectro.taper == "hann" else bins[..., 1:-1]
        return value_of(bins.real**2 + bins.imag**2, spectro)

    return transform


def _hann(
    bins: Complex64[np.ndarray, "windows channels beyond"], angle: Float64[np.ndarray, " windows"]
) -> Complex64[np.ndarray, "windows channels freqs"]:
    """Taper windows after their transform: each bin loses half of the mean of its neighbours.

    Scaled so that a sine keeps its amplitude.
    """
    turn = np.exp(1j * angle).astype(np.complex64)[:, None, None] / 2
    return np.asarray(bins[..., 1:-1] - (bins[..., :-2] * turn.conj() + bins[..., 2:] * turn))
