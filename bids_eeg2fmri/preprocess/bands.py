"""From spectrograms to band power, and through the haemodynamic response to one number a volume."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Literal

import numpy as np
from jaxtyping import Bool, Float32, Float64

from bids_eeg2fmri.config import SpectrogramConfig, WindowConfig
from bids_eeg2fmri.errors import UsageError
from bids_eeg2fmri.preprocess.eeg import POWER_FLOOR, n_windows

BANDS: Mapping[str, tuple[float, float]] = MappingProxyType(
    {
        "delta": (0.5, 4.0),
        "theta": (4.0, 8.0),
        "alpha": (8.0, 13.0),
        "beta": (13.0, 30.0),
        "gamma": (30.0, 80.0),
    }
)
"""Each band from its lowest frequency to below its highest, in hertz, as the International
Federation of Clinical Neurophysiology has them (Kane et al. 2017). It begins delta at 0.1 Hz, below
what two seconds of EEG can show, and leaves 13 to 14 Hz to nobody: it is counted as beta here."""
HRF_LENGTH = 32.0
"""Seconds after which the haemodynamic response is over."""
HRF_STEPS = 100
"""Samples a second at which it is tabulated."""
BLOCK = 32
"""Pairs in memory at a time."""

Value = Literal["magnitude", "power", "log"]
"""What a spectrogram holds, see ``SpectrogramConfig.value``."""


def band_bins(freqs: Float64[np.ndarray, " freqs"]) -> dict[str, Bool[np.ndarray, " freqs"]]:
    """Tell which frequency bins each of ``BANDS`` takes in; bands without any are left out.

    Raises
    ------
    UsageError
        If no bin lies in any band.
    """
    bins = {name: (freqs >= low) & (freqs < high) for name, (low, high) in BANDS.items()}
    found = {name: those for name, those in bins.items() if those.any()}
    if not found:
        raise UsageError(
            f"no frequency from {freqs[0]:g} to {freqs[-1]:g} Hz lies in a band of the EEG; "
            "set spectrogram.fmin below 80 and spectrogram.fmax above 0.5"
        )
    return found


def band_ranges(freqs: Float64[np.ndarray, " freqs"]) -> dict[str, tuple[int, int]]:
    """Give the first bin of each band and the one after its last; see ``band_bins``."""
    found = {name: np.flatnonzero(those) for name, those in band_bins(freqs).items()}
    return {name: (int(those[0]), int(those[-1]) + 1) for name, those in found.items()}


def band_power(
    eeg: Float32[np.ndarray, "pairs channels freqs windows"],
    freqs: Float64[np.ndarray, " freqs"],
    value: Value,
) -> Float64[np.ndarray, "pairs channels bands windows"]:
    """Average the power of each band's bins and take its decimal logarithm.

    Parameters
    ----------
    eeg
        Spectrograms.
    freqs
        Centre of each bin in hertz.
    value
        What the spectrograms hold; the result is the same for all three.

    Returns
    -------
    ``log10`` of V², bands in the order of ``band_bins``.

    Raises
    ------
    UsageError
        If no bin lies in any band.

    Notes
    -----
    The logarithm is taken because power is as skewed as a chi-square, so that a few artefacts would
    lead a regression, and because what electrodes, participants and days multiply power by becomes
    an offset, which goes with the mean of the run.
    """
    power = eeg.astype(np.float64)
    if value == "magnitude":
        power **= 2
    elif value == "log":
        power = 10**power
    means = [power[:, :, bins].mean(axis=2) for bins in band_bins(freqs).values()]
    return np.asarray(np.log10(np.maximum(np.stack(means, axis=2), POWER_FLOOR)))


def window_lags(
    window: WindowConfig, spectro: SpectrogramConfig, tr: float
) -> Float64[np.ndarray, " windows"]:
    """Tell how long before the volume the middle of each window of a spectrogram is, in seconds.

    Parameters
    ----------
    tr
        Repetition time in seconds, for settings that are counted in it.

    Raises
    ------
    UsageError
        If the EEG of a volume is shorter than one window.
    """
    first = window.start - spectro.window / 2
    lags = first - spectro.hop * np.arange(n_windows(window, spectro))
    return lags * window.seconds(tr)


def canonical_hrf(lags: Float64[np.ndarray, " windows"]) -> Float64[np.ndarray, " windows"]:
    """Weigh EEG by the canonical haemodynamic response some seconds after it (Friston et al. 1998).

    It peaks at 5 s and undershoots until 32 s.

    Parameters
    ----------
    lags
        Seconds from the EEG to the volume.

    Returns
    -------
    Weights whose absolute values add up to one.

    Raises
    ------
    UsageError
        If the response is zero at all lags.
    """
    # Here, as it takes a second or two and few commands need it.
    from nilearn.glm.first_level import spm_hrf

    response = spm_hrf(1.0, oversampling=HRF_STEPS, time_length=HRF_LENGTH)
    times = np.linspace(0, HRF_LENGTH, len(response))
    weights = np.interp(lags, times, response, left=0, right=0)
    size = np.abs(weights).sum()
    if size == 0:
        raise UsageError(
            f"EEG {lags.max():g} to {lags.min():g} s before a volume is outside the haemodynamic "
            f"response, which ends after {HRF_LENGTH:g} s; set window.start and window.stop between"
        )
    return np.asarray(weights / size)


def hrf_features(
    eeg: Float32[np.ndarray, "pairs channels freqs windows"],
    freqs: Float64[np.ndarray, " freqs"],
    value: Value,
    lags: Float64[np.ndarray, " windows"],
) -> Float64[np.ndarray, "pairs features"]:
    """Convolve each electrode's band power with the canonical haemodynamic response.

    As Goldman et al. (2002) and Laufs et al. (2003) do, as far as the windows reach.

    Parameters
    ----------
    eeg
        Spectrograms, may be memory-mapped.
    freqs
        Centre of each bin in hertz.
    value
        What the spectrograms hold.
    lags
        Seconds from each window to the volume, see ``window_lags``.

    Returns
    -------
    One feature for each electrode and band, bands varying fastest.

    Raises
    ------
    UsageError
        If no bin lies in any band, or no window in the response.
    """
    weights = canonical_hrf(lags)
    starts = range(0, len(eeg), BLOCK)
    blocks = [band_power(eeg[i : i + BLOCK], freqs, value) @ weights for i in starts]
    return np.concatenate(blocks).reshape(len(eeg), -1)
