"""What some parcels follow: the rhythm of some electrodes through a haemodynamic response.

By other means than the program's own: a band-pass filter and an envelope in place of a Fourier
transform, Glover's response in place of the canonical one.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from jaxtyping import Float64
from nilearn.glm.first_level import glover_hrf
from scipy.interpolate import interp1d
from scipy.signal import butter, hilbert, sosfiltfilt

from bids_eeg2fmri.types import EEG, VolumeClock

RATE = 10
"""Samples a second at which rhythms go through the response."""
ARTEFACT = 4.0
"""Where power is cut off, in standard deviations above its median: no neuron makes a muscle."""


class Source(NamedTuple):
    """A rhythm and the parcels that follow it."""

    band: tuple[float, float]
    """Lowest and highest frequency in hertz."""
    electrodes: tuple[str, ...]
    """Where it is recorded; those that a recording lacks are left out."""
    parcels: tuple[str, ...]
    """Beginnings of the names of the AAL2 parcels that follow it."""
    sign: int
    """Whether BOLD rises or falls with it."""


SOURCES: Mapping[str, Source] = {
    "alpha": Source(
        (8, 12),
        ("O1", "Oz", "O2", "PO3", "POz", "PO4", "PO7", "PO8"),
        ("Calcarine", "Cuneus", "Lingual", "Occipital", "Fusiform"),
        -1,
    ),
    "beta": Source(
        (15, 25),
        ("C3", "C4", "C1", "C2", "CP3", "CP4"),
        ("Precentral", "Postcentral", "Supp_Motor", "Paracentral", "Rolandic"),
        -1,
    ),
    "theta": Source(
        (4, 7),
        ("Fz", "F3", "F4", "F1", "F2", "FCz"),
        ("Frontal_Sup_Medial", "Frontal_Mid", "Cingulate_Ant", "Cingulate_Mid"),
        +1,
    ),
}
"""Posterior alpha, central beta and frontal theta."""

KINDS = ("power", "log", "threshold", "gated")
"""How parcels follow rhythms: their power, its logarithm, what of it exceeds a threshold, or their
power while that of the next rhythm is low."""
RESPONSES: Mapping[str, tuple[float, float]] = {
    "canonical": (0.0, 1.0),
    "late": (2.2, 1.0),
    "wide": (0.0, 1.3),
}
"""Haemodynamic responses: seconds by which they begin later, factor by which they are longer. None
but the first is among those that the hybrid chooses from."""


@dataclass(frozen=True)
class Coupling:
    """How BOLD follows the EEG."""

    strength: float
    """Correlation in time of what a coupled parcel follows and what is observed of it."""
    kind: str = "power"
    """One of ``KINDS``."""
    response: str = "canonical"
    """One of ``RESPONSES``."""


def drive(
    eeg: EEG, clock: VolumeClock, coupling: Coupling
) -> dict[str, Float64[np.ndarray, " volumes"]]:
    """Give what the parcels of each source follow at each volume, mean 0 and variance 1."""
    power = {name: _power(eeg, source) for name, source in SOURCES.items()}
    rhythms = _shape(power, coupling.kind)
    delay, width = RESPONSES[coupling.response]
    kernel = _response(delay, width)
    found = {}
    for name, rhythm in rhythms.items():
        slow = np.convolve(rhythm, kernel)[: len(rhythm)]
        times = np.arange(len(slow)) / RATE
        series = interp1d(times, slow, fill_value="extrapolate")(clock.onset)
        found[name] = SOURCES[name].sign * _standard(series)
    return found


def _power(eeg: EEG, source: Source) -> Float64[np.ndarray, " samples"]:
    """Average the squared envelope of a band over electrodes, without artefacts, at ``RATE``."""
    names = [name.lower() for name in eeg.channels]
    rows = [names.index(one.lower()) for one in source.electrodes if one.lower() in names]
    sos = butter(4, source.band, "bandpass", fs=eeg.sfreq, output="sos")
    envelope = np.abs(hilbert(sosfiltfilt(sos, eeg.data[rows].astype(np.float64), axis=1))) ** 2
    power = envelope.mean(axis=0)
    power = power[: len(power) // round(eeg.sfreq / RATE) * round(eeg.sfreq / RATE)]
    coarse = power.reshape(-1, round(eeg.sfreq / RATE)).mean(axis=1)
    middle = np.median(coarse)
    spread = 1.4826 * np.median(np.abs(coarse - middle))
    return np.asarray(np.minimum(coarse, middle + ARTEFACT * spread))


def _shape(
    power: Mapping[str, Float64[np.ndarray, " samples"]], kind: str
) -> dict[str, Float64[np.ndarray, " samples"]]:
    names = [*power]
    following = dict(zip(names, names[1:] + names[:1], strict=True))
    shapes: Mapping[str, Callable[[str], Float64[np.ndarray, " samples"]]] = {
        "power": lambda name: power[name],
        "log": lambda name: np.log(power[name]),
        "threshold": lambda name: np.maximum(power[name] - np.quantile(power[name], 0.75), 0),
        "gated": lambda name: (
            power[name] * (power[following[name]] < np.median(power[following[name]]))
        ),
    }
    return {name: _standard(shapes[kind](name)) for name in names}


def _response(delay: float, width: float) -> Float64[np.ndarray, " samples"]:
    """Tabulate Glover's response, delayed and stretched, at ``RATE``."""
    fine = glover_hrf(1.0, oversampling=RATE, time_length=32.0)
    t = np.arange(round((32 * width + delay) * RATE)) / RATE
    return np.interp((t - delay) / width, np.arange(len(fine)) / RATE, fine, left=0, right=0)


def _standard(series: Float64[np.ndarray, " samples"]) -> Float64[np.ndarray, " samples"]:
    return np.asarray((series - series.mean()) / series.std())
