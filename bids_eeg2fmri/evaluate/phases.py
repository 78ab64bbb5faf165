"""EEG that keeps its spectra and loses its moments: random phases (Prichard & Theiler 1994)."""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from functools import partial

import numpy as np
from jaxtyping import Float32, Int64
from scipy.fft import next_fast_len

from bids_eeg2fmri.config import SpectrogramConfig, WindowConfig
from bids_eeg2fmri.preprocess.eeg import EPS
from bids_eeg2fmri.preprocess.pairs import in_seconds, stretches
from bids_eeg2fmri.preprocess.spectra import spectrograms
from bids_eeg2fmri.types import Pairs, Signal, VolumeClock

OVERSAMPLED = 4
"""Least sampling rate of surrogates over the highest frequency of the spectrogram: what is left out
then lies at least as far above that as that above zero, where no taper sees it."""


def phase_randomise(
    eeg: Float32[np.ndarray, "channels time"],
    draws: Iterable[np.random.Generator],
    every: int = 1,
) -> Iterator[Float32[np.ndarray, "channels _"]]:
    r"""Draw surrogates of many channels (Prichard & Theiler 1994, Phys. Rev. Lett. 73:951).

    .. math:: \tilde X_c(f) = X_c(f)\, e^{i \phi(f)}, \qquad \phi(f) \sim U(0, 2\pi)

    The phases are the same for all channels, so that each keeps its power spectrum and each two
    their cross-spectrum; what is lost is when anything happened.

    Parameters
    ----------
    eeg
        One stretch without holes, in volts.
    draws
        From which the phases of each surrogate are drawn.
    every
        Sample of each so many that is made; a divisor of the number of samples. What is above the
        Nyquist frequency of those is left out.

    Notes
    -----
    Mean and Nyquist frequency, which have no phase, stay. So does the straight line from the first
    sample to the last: the Fourier transform takes a stretch as a cycle, and the jump of an
    electrode that drifts would be spread over all surrogate time.

    A surrogate is stationary. Rhythms that wax and wane from one volume to the next, as those of
    people do, no longer do so, and what follows them has more chance to go with slow BOLD than any
    surrogate has: p is too small there.
    """
    n = eeg.shape[1] // every
    spectrum = np.empty((len(eeg), n // 2 + 1), np.complex128)
    for channel, kept in zip(eeg, spectrum, strict=True):  # one at a time, for the memory
        kept[:] = np.fft.rfft(channel - _line(channel))[: n // 2 + 1] / every
    line = np.stack([_line(channel)[::every] for channel in eeg])
    for draw in draws:
        turn = np.exp(2j * np.pi * draw.random(n // 2 + 1))
        turn[0] = 1
        if n % 2 == 0:
            turn[-1] = 1
        yield (np.fft.irfft(spectrum * turn, n) + line).astype(np.float32)


def phase_randomised_pairs(
    eeg: Signal,
    clock: VolumeClock,
    pairs: Pairs,
    index: Int64[np.ndarray, " _"],
    window: WindowConfig,
    spectro: SpectrogramConfig,
    draws: Iterable[np.random.Generator],
) -> Iterator[Pairs]:
    """Pair volumes with EEG of random phases, by the steps of ``make_pairs``; one draw at a time.

    Parameters
    ----------
    eeg
        The recording that the pairs are from, with their channels.
    index
        Chosen pairs in ascending order.
    draws
        As in ``phase_randomise``.

    Yields
    ------
    All pairs from the first chosen one to the last.

    Notes
    -----
    The stretch that leads to them is made longer, where the recording is, to a length that is fast
    to transform. Surrogates have no more samples than the spectrogram needs, or those of EEG at
    5 kHz would take longer than the model.
    """
    chosen = slice(index[0], index[-1] + 1)
    window, spectro = in_seconds(window, spectro, clock.tr)
    first, length = stretches(clock, eeg.sfreq, window, spectro)
    first = first[pairs.volume[chosen]]
    every = _thinning(int(spectro.window * eeg.sfreq + EPS), eeg.sfreq / pairs.freqs[-1])
    available = eeg.n_times // every
    n = every * min(
        available, next_fast_len((first[-1] + length - first[0]) // every + 1, real=True)
    )
    start = min(int(first[0]), eeg.n_times - n)
    part = replace(
        pairs,
        eeg=pairs.eeg[chosen],
        bold=pairs.bold[chosen],
        volume=pairs.volume[chosen],
        onset=pairs.onset[chosen],
    )
    recorded = eeg.stretch(start, start + n).T
    for data in phase_randomise(recorded, draws, every):
        cuts = ((first - start) // every, length // every)
        made = spectrograms(partial(_cut, data), eeg.sfreq / every, *cuts, spectro)
        yield replace(part, eeg=np.concatenate([*made]))


def _cut(
    data: Float32[np.ndarray, "channels time"], start: int, stop: int
) -> Float32[np.ndarray, "cut channels"]:
    return data[:, start:stop].T


def _line(channel: Float32[np.ndarray, " time"]) -> Float32[np.ndarray, " time"]:
    return np.linspace(channel[0], channel[-1], len(channel), dtype=np.float32)


def _thinning(size: int, oversampled: float) -> int:
    """Find the largest step between samples that leaves windows whole and ``OVERSAMPLED``.

    Parameters
    ----------
    size
        Samples of a window.
    oversampled
        Sampling rate over the highest frequency kept.
    """
    most = max(int(oversampled / OVERSAMPLED), 1)
    return max(step for step in range(1, most + 1) if size % step == 0)
