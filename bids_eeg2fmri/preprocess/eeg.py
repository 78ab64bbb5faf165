"""Short-time Fourier transform of the EEG, §4.2 of Calhas & Henriques 2022."""

import numpy as np
from jaxtyping import Float, Float32, Float64, Int64
from scipy.fft import rfft
from scipy.signal import get_window

from bids_eeg2fmri.config import SpectrogramConfig, WindowConfig
from bids_eeg2fmri.errors import UsageError

EPS = 1e-6
"""Slack in samples and bins, for rates and times that are not exact in binary."""
POWER_FLOOR = 1e-20
"""Least power whose logarithm is taken, in V²: 0.1 nV, below the noise of any amplifier."""


def n_windows(window: WindowConfig, cfg: SpectrogramConfig) -> int:
    """Count the Fourier windows in the EEG of one volume; the same at any sampling rate.

    Raises
    ------
    UsageError
        If the EEG of a volume is shorter than one window.
    """
    length = window.start - window.stop
    if length < cfg.window:
        raise UsageError(
            f"the EEG from {window.start:g} to {window.stop:g} s before a volume holds no Fourier "
            f"window of {cfg.window:g} s; set window.start at least that much above window.stop"
        )
    return int((length - cfg.window) / cfg.hop + EPS) + 1


def bin_freqs(cfg: SpectrogramConfig) -> Float64[np.ndarray, " freqs"]:
    """Return the frequencies that are kept, in hertz: the multiples of 1 / window, zero left out.

    At most ``bins`` of them, the lowest, where that is set.

    Raises
    ------
    UsageError
        If no bin lies between ``fmin`` and ``fmax``.
    """
    first = max(1, int(np.ceil(cfg.fmin * cfg.window - EPS)))
    last = int(np.floor(cfg.fmax * cfg.window + EPS))
    if last < first:
        raise UsageError(
            f"no multiple of {1 / cfg.window:g} Hz lies from {cfg.fmin:g} to {cfg.fmax:g} Hz; "
            "set spectrogram.fmin and spectrogram.fmax further apart"
        )
    return np.arange(first, last + 1)[: cfg.bins] / cfg.window


def spectrogram(
    data: Float[np.ndarray, "*batch time"], sfreq: float, cfg: SpectrogramConfig
) -> tuple[Float32[np.ndarray, "*batch freqs windows"], Float64[np.ndarray, " freqs"]]:
    """Transform every full window of the EEG, §4.2 of Calhas & Henriques 2022.

    A sine of amplitude A volts in the middle of a bin has magnitude A there, power A² and logarithm
    ``log10(A²)``, whatever the taper.

    Parameters
    ----------
    data
        Potential in volts.
    sfreq
        Sampling rate in hertz.

    Returns
    -------
    spectrogram, freqs
        What ``cfg.value`` says of each bin, and the bins' frequencies in hertz.

    Raises
    ------
    UsageError
        If the sampling rate is too low for ``cfg.fmax``: the bins are the same for every recording,
        or no model could take them all.

    Notes
    -----
    The mean of each window is taken out first: a taper would leak the electrode's offset, a
    thousand times the EEG, into the lowest bin. Where ``window`` is no whole number of samples the
    last, broken one is left out, and the bins lie higher than their names by less than that part.
    """
    check_rate(sfreq, cfg)
    freqs, size = bin_freqs(cfg), window_size(sfreq, cfg)
    starts = window_starts(data.shape[-1], sfreq, cfg)
    windows = data[..., starts[:, None] + np.arange(size)].astype(np.float32, copy=False)
    windows -= windows.mean(axis=-1, keepdims=True)
    taper = get_window(cfg.taper, size)
    windows *= (taper * (2 / taper.sum())).astype(np.float32)
    kept = slice(round(freqs[0] * cfg.window), round(freqs[-1] * cfg.window) + 1)
    bins = np.swapaxes(rfft(windows)[..., kept], -1, -2)
    return value_of(bins.real**2 + bins.imag**2, cfg), freqs


def check_rate(sfreq: float, cfg: SpectrogramConfig) -> None:
    """Make sure that EEG of this rate holds all frequencies.

    Raises
    ------
    UsageError
        If it does not.
    """
    highest = bin_freqs(cfg)[-1]
    if highest >= sfreq / 2:
        raise UsageError(
            f"EEG sampled at {sfreq:g} Hz holds no {highest:g} Hz; keep fewer frequencies with "
            f"--set spectrogram.fmax={np.ceil(sfreq / 2 * cfg.window - 1) / cfg.window:g}"
        )


def window_size(sfreq: float, cfg: SpectrogramConfig) -> int:
    """Count the samples of a window."""
    return int(cfg.window * sfreq + EPS)


def window_starts(
    length: int, sfreq: float, cfg: SpectrogramConfig
) -> Int64[np.ndarray, " windows"]:
    """Tell where in so many samples the windows begin that lie wholly within."""
    spare, hop = length - window_size(sfreq, cfg), cfg.hop * sfreq
    starts = (np.arange(spare / hop + 1) * hop + EPS).astype(np.int64)
    return starts[starts <= spare]


def value_of(
    power: Float32[np.ndarray, "*bins"], cfg: SpectrogramConfig
) -> Float32[np.ndarray, "*bins"]:
    """Make of power in V² what is kept of it, by ``cfg.value``."""
    value: Float32[np.ndarray, "*bins"] = power
    if cfg.value == "magnitude":
        value = np.sqrt(power)
    elif cfg.value == "log":
        value = np.log10(np.maximum(power, np.float32(POWER_FLOOR)))
    return value
