"""What tells how good a recording is: the clock's residuals, the head's motion, the spectrum."""

import numpy as np
from jaxtyping import Float64
from scipy.signal import welch

from bids_eeg2fmri.types import Signal

HEAD = 50.0
"""Radius of the sphere on which rotations are counted, in millimetres (Power et al. 2012)."""
RESOLUTION = 0.5
"""Of the spectrum, in hertz."""
HIGHEST = 100.0
"""Up to which frequency the spectrum goes, in hertz."""
SEGMENTS = 30
"""Of the spectrum, that are in memory at a time."""


def framewise_displacement(
    motion: Float64[np.ndarray, "volumes 6"],
) -> Float64[np.ndarray, " volumes"]:
    r"""Sum up how far the head moved since the volume before (Power et al. 2012).

    .. math:: \sum |\Delta t| + 50\,\mathrm{mm} \sum |\Delta \theta|

    Parameters
    ----------
    motion
        Translations in millimetres, then rotations in radians.

    Returns
    -------
    In millimetres; 0 for the first volume.
    """
    change = np.abs(np.diff(motion, axis=0, prepend=motion[:1]))
    return np.asarray(change[:, :3].sum(axis=1) + HEAD * change[:, 3:].sum(axis=1))


def power_spectrum(
    eeg: Signal,
) -> tuple[Float64[np.ndarray, " freqs"], Float64[np.ndarray, "channels freqs"]]:
    """Estimate the spectrum of each channel by Welch's method, a minute in memory at a time.

    Returns
    -------
    Frequencies up to ``HIGHEST`` in hertz, and power in µV²/Hz.
    """
    length = min(round(eeg.sfreq / RESOLUTION), eeg.n_times)
    n = eeg.n_times // length
    total = np.zeros(1)
    for begin in range(0, n, SEGMENTS):
        some = min(SEGMENTS, n - begin)
        part = eeg.stretch(begin * length, (begin + some) * length).T
        freqs, power = welch(part, eeg.sfreq, nperseg=length, noverlap=0)
        total = total + 1e12 * some / n * power[:, freqs <= HIGHEST].astype(np.float64)
    return np.asarray(freqs[freqs <= HIGHEST], np.float64), total
