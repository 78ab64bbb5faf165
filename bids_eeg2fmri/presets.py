"""Settings to start from, by name: what we recommend, the paper's, and its public code's."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

_CALHAS2022_CODE: Mapping[str, Any] = {
    # The EEG right up to the volume, ten windows of one repetition time each.
    "window": {"unit": "tr", "start": 10.0, "stop": 0.0},
    # Of the bins k / TR the first 134 above zero, not any that lie between two frequencies.
    "spectrogram": {
        "window": 1.0,
        "hop": 1.0,
        "taper": "boxcar",
        "fmin": 0.0,
        "fmax": 1000.0,
        "bins": 134,
    },
    "scale": {"eeg": "electrodes", "bold": "participant"},
    "model": {"attention": "sparsemax", "fourier": "normalised", "initialisation": "glorot"},
    # Its last version has no weight decay; an older one has the 4.4e-4 of Table 3.
    "train": {
        "weight_decay": 0.0,
        "schedule": "constant",
        "start": "zero",
        "shares": False,
        "keep": "last",
    },
}

_RECOMMENDED: Mapping[str, Any] = {
    "models": ["hybrid"],
    # The haemodynamic response peaks at 5 s, where the paper's window has ended.
    "window": {"start": 20.0, "stop": 0.0},
    # Overlapping, as the taper hides half of the EEG from windows that only touch.
    "spectrogram": {"hop": 1.0, "value": "log"},
    "scale": {"eeg": "run", "target": "deviation"},
    # Deviations rise here and fall there, and their sum over voxels tells little.
    "explain": {"start": "variance"},
}

PRESETS: Mapping[str, Mapping[str, Any]] = MappingProxyType(
    {"recommended": _RECOMMENDED, "paper": {}, "calhas2022-code": _CALHAS2022_CODE}
)
"""What each preset changes, as a settings file would."""
