"""Which channels measure the scalp, where they sit, and how a lost one follows from the others."""

import re
import warnings
from collections.abc import Mapping
from functools import cache

import mne
import numpy as np
from jaxtyping import Bool, Float64

from bids_eeg2fmri.errors import DataWarning

_ELSEWHERE = re.compile(
    r"ECG|EKG|EOG|EMG|GSR|RESP|PULS|PLET|STATUS|TRIG|PHOTIC"  # other organs, and the machine
    r"|^(STI|EXG|ERG|TEMP|CWL?)[ _-]?\d*$"  # BioSemi's extra inputs, carbon-wire loops
    r"|^(EEG )?[AM][12]-[AM][12]$",  # one ear or mastoid against the other
    re.I,
)
"""Names of channels that do not measure the scalp, whatever their type says."""
_HEART = re.compile("ECG|EKG", re.I)
_NAME = re.compile(
    r"(?:EEG[ _-]*)?(?P<site>.+?)\.*(?: ?\(.*\))?(?:[ -](?:REF|LE|AVG?|CAR|AR|[AM][12]))?", re.I
)
"""``EEG Fp1-REF``, ``Fc5.`` and ``T7 (T3)`` all name a site of the 10-05 system."""
_HEAD_RADIUS = (0.05, 0.2)
"""Where the median electrode must lie, in metres from the origin, to be believed."""


def scalp_channels(raw: mne.io.BaseRaw, types: Mapping[str, str]) -> list[str]:
    """Names of the channels that measure the scalp.

    The BIDS ``types`` in capitals rank above what the recording says of its channels, and a
    channel's name above both: recorders like to call an ECG channel EEG.
    """
    found = zip(raw.ch_names, raw.get_channel_types(), strict=True)
    return [
        name
        for name, kind in found
        if types.get(name, kind.upper()) in ("EEG", "N/A") and not _ELSEWHERE.search(name)
    ]


def heart_channels(raw: mne.io.BaseRaw, types: Mapping[str, str]) -> list[str]:
    """Names of the channels that record the heart, by their BIDS ``types``, own types or names."""
    found = zip(raw.ch_names, raw.get_channel_types(), strict=True)
    return [
        name
        for name, kind in found
        if types.get(name, kind.upper()) == "ECG" or _HEART.search(name)
    ]


def electrode_positions(raw: mne.io.BaseRaw, run: str) -> Float64[np.ndarray, "channels 3"]:
    """Measured positions in the head frame in metres, else the standard ones by name, else NaN."""
    measured = np.array([channel["loc"][:3] for channel in raw.info["chs"]], dtype=np.float64)
    measured[~measured.any(axis=1)] = np.nan
    if np.isfinite(measured).any():
        radius = float(np.nanmedian(np.linalg.norm(measured, axis=1)))
        if not _HEAD_RADIUS[0] < radius < _HEAD_RADIUS[1]:
            measured[:] = np.nan
            warnings.warn(
                f"{run}: half of the electrode positions lie within {radius:.3g} m of the origin, "
                "which is no head; standard positions are taken by name instead.",
                DataWarning,
                stacklevel=2,
            )
    named = [site_of(name).upper() for name in raw.ch_names]
    if sum(name in _standard() for name in named) < len(named) / 2:
        return measured  # another naming system, in which C3 is somewhere else (BioSemi)
    unknown = np.full(3, np.nan)
    standard = [_standard().get(name, unknown) for name in named]
    return np.where(np.isfinite(measured), measured, standard)


def site_of(name: str) -> str:
    """Take the site out of a channel's name, e.g. ``Fp1`` of ``EEG Fp1-REF``."""
    match = _NAME.fullmatch(name.strip())
    return match["site"] if match else name


def spline_weights(
    positions: Float64[np.ndarray, "channels 3"], lost: Bool[np.ndarray, " channels"]
) -> Float64[np.ndarray, "lost kept"]:
    """Weights of the kept channels in each lost one, by spherical splines (Perrin et al. 1989).

    Interpolation is linear, so what MNE makes of the identity matrix is its matrix.
    """
    names = [str(index) for index in range(len(positions))]
    raw = mne.io.RawArray(
        np.eye(len(names)), mne.create_info(names, 1.0, "eeg", verbose="ERROR"), verbose="ERROR"
    )
    montage = mne.channels.make_dig_montage(
        dict(zip(names, positions, strict=True)), coord_frame="head"
    )
    raw.set_montage(montage, verbose="ERROR")
    raw.info["bads"] = [names[index] for index in np.flatnonzero(lost)]
    raw.interpolate_bads(reset_bads=False, verbose="ERROR")
    weights: Float64[np.ndarray, "lost kept"] = raw.get_data()[np.ix_(lost, ~lost)]
    return weights


@cache
def _standard() -> dict[str, np.ndarray]:
    """Positions of the 10-05 system in the head frame, by capitalised name."""
    montage = mne.channels.make_standard_montage("colin27_1005")
    info = mne.create_info(montage.ch_names, 1.0, "eeg", verbose="ERROR").set_montage(montage)
    return {channel["ch_name"].upper(): channel["loc"][:3] for channel in info["chs"]}
