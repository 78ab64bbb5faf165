"""Read EEG recordings and their markers into the nouns of ``types``."""

import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

import mne
import mne_bids
import numpy as np
from jaxtyping import Bool, Float32, Float64

from bids_eeg2fmri.bids.contents import check_inside
from bids_eeg2fmri.bids.eeglab import open_hollow
from bids_eeg2fmri.bids.electrodes import (
    electrode_positions,
    heart_channels,
    scalp_channels,
    spline_weights,
)
from bids_eeg2fmri.bids.formats import companions, stored_and_promised
from bids_eeg2fmri.bids.guard import brief, reading, warn
from bids_eeg2fmri.bids.markers import recorded_markers, tabled_markers
from bids_eeg2fmri.bids.recording import EEGFiles
from bids_eeg2fmri.bids.sidecars import read_table
from bids_eeg2fmri.config import ReadConfig
from bids_eeg2fmri.errors import DataWarning, EEGError
from bids_eeg2fmri.types import EEG, Markers, Recorded, typed

Allocate = Callable[[tuple[int, ...], type[np.float32]], np.ndarray]
"""Makes the array that is read into: ``np.empty``, or a memory map so that memory stays flat."""
_CHUNK = 30.0
"""Seconds of EEG that are read at once."""
_LATE = 1.0
"""Seconds by which a marker may lie behind the end of the signal; recorders close with one."""
_SPLINE = 4
"""Electrodes with a position that spherical splines need at least."""


@typed
class EEGHeader:
    """What a recording tells of its scalp channels before its signal is read."""

    channels: tuple[str, ...]
    """Name of each."""
    positions: Float64[np.ndarray, "channels 3"]
    """Electrode position in the head frame in metres; NaN where unknown."""
    sfreq: float
    """Sampling rate in hertz."""
    duration: float
    """Length in seconds."""


def read_eeg_header(run: EEGFiles) -> EEGHeader:
    """Tell which scalp channels a recording has, without its signal.

    Raises
    ------
    EEGError
        The recording cannot be opened or is truncated, or no channel measures the scalp.
    """
    raw, _ = _open_scalp(run)
    sfreq = float(raw.info["sfreq"])
    positions = electrode_positions(raw, run.name)
    return EEGHeader(tuple(raw.ch_names), positions, sfreq, float(raw.n_times / sfreq))


def read_markers(run: EEGFiles) -> Recorded:
    """Read the markers that the recording itself carries, and those beside it, without its signal.

    mne-bids would put those of ``events.tsv`` in their place, which may stand on another clock.

    Raises
    ------
    EEGError
        The recording cannot be opened, or is truncated.
    """
    with reading(run, run.eeg, EEGError):
        hollow = open_hollow(run.eeg) if run.eeg.suffix == ".set" else None
    raw = _open_bare(run) if hollow is None else hollow
    with reading(run, run.eeg, EEGError):
        markers = recorded_markers(run.eeg, raw)
    sfreq = float(raw.info["sfreq"])
    duration = float(raw.n_times / sfreq)
    late = int(np.sum(markers.time > duration + _LATE))
    if late:
        raise EEGError(
            f"{run.relative(run.eeg)}: {late} markers lie after the end of the EEG at "
            f"{duration:.1f} s, so its signal is truncated. Copy it again."
        )
    lost = [path.name for path in companions(run.eeg) if not path.exists()]
    if lost:
        warn(run, f"{', '.join(lost)} is missing, and with it the markers of the recording")
    began = raw.info["meas_date"]
    return Recorded(
        run.relative(run.eeg),
        markers,
        _tabled(run, sfreq),
        sfreq,
        duration,
        began.timestamp() if began else None,
    )


def _tabled(run: EEGFiles, sfreq: float) -> Markers:
    """Read the nearest ``events.tsv``; no markers where there is none."""
    for events in run.sidecars(run.eeg, "events", ".tsv")[-1:]:
        with reading(run, events, EEGError):
            return tabled_markers(events, sfreq)
    return Markers.none()


def read_eeg(run: EEGFiles, cfg: ReadConfig, allocate: Allocate = np.empty) -> EEG:
    """Read the scalp channels; flat, non-finite and bad ones are interpolated from the others.

    Where the position of such a channel is unknown, it is left out. ``allocate`` is called once.

    Raises
    ------
    EEGError
        The recording cannot be read, is truncated or epoched, or too many channels are bad.
    """
    raw, marked = _open_scalp(run)
    names = [*raw.ch_names]
    positions = electrode_positions(raw, run.name)
    dropped = _hopeless(run, raw, positions, marked)
    raw.drop_channels(dropped)
    positions = positions[[name not in dropped for name in names]]
    data = allocate((len(raw.ch_names), int(raw.n_times)), np.float32)
    lost = ~_stream(run, raw, data) | np.isin(raw.ch_names, list(marked))
    bad = tuple(np.array(raw.ch_names)[lost].tolist())
    if len(bad) + len(dropped) > cfg.max_bad_channels * len(names):
        raise EEGError(
            f"{run.relative(run.eeg)}: {len(bad) + len(dropped)} of {len(names)} channels are flat "
            f"or bad ({', '.join((*bad, *dropped))}). Leave the run out, or raise "
            "--set read.max_bad_channels."
        )
    if bad:
        warn(run, f"{', '.join(bad)} flat, not finite or marked bad; interpolated")
        _interpolate(data, float(raw.info["sfreq"]), positions, lost)
    return EEG(data, float(raw.info["sfreq"]), tuple(raw.ch_names), positions, bad)


def read_ecg(run: EEGFiles) -> Float32[np.ndarray, " time"] | None:
    """Read the channel that records the heart, in volts; none where there is none.

    Raises
    ------
    EEGError
        The recording cannot be read.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DataWarning)  # told when the EEG was read
        raw = _open(run)
        names = heart_channels(raw, _declared(run)[0])
    if not names:
        return None
    with reading(run, run.eeg, EEGError):
        return np.asarray(raw.get_data(picks=names[:1], verbose="ERROR")[0], np.float32)


def _open(run: EEGFiles) -> mne.io.BaseRaw:
    """Open a recording with what BIDS says of it, or where mne-bids gives up, without."""
    if not run.relative(run.eeg).startswith("sub-"):
        return _open_bare(run)  # of a derivative, which mne-bids does not know
    try:
        path = mne_bids.get_bids_path_from_fname(run.eeg, verbose="ERROR")
        raw = mne_bids.read_raw_bids(path.update(root=run.root), verbose="ERROR")
    except Exception as error:
        raw = _open_bare(run)
        warn(run, f"mne-bids cannot read the EEG ({brief(error)}); it is read without mne-bids")
    else:
        _check_complete(run, raw)
    return raw


def _open_bare(run: EEGFiles) -> mne.io.BaseRaw:
    """Open a recording with what it says itself.

    Raises
    ------
    EEGError
        It cannot be opened, is truncated, or its signal lies outside the dataset.
    """
    with reading(run, run.eeg, EEGError):
        raw = mne.io.read_raw(run.eeg, preload=False, verbose="ERROR")
    _check_complete(run, raw)
    return raw


def _open_scalp(run: EEGFiles) -> tuple[mne.io.BaseRaw, set[str]]:
    """Open the channels that measure the scalp; name those that are marked bad."""
    raw = _open(run)
    types, marked = _declared(run)
    names = scalp_channels(raw, types)
    if not names:
        raise EEGError(f"{run.relative(run.eeg)}: no channel measures the scalp. Check its types.")
    marked |= set(raw.info["bads"])
    return raw.pick(names), marked


def _check_complete(run: EEGFiles, raw: mne.io.BaseRaw) -> None:
    signals = [Path(name) for name in raw.filenames if name is not None]
    check_inside(run.root, run.eeg, signals, run.homes)
    with reading(run, run.eeg, EEGError):
        stored, promised = stored_and_promised(run.eeg, len(raw.ch_names), int(raw.n_times))
    if stored < promised:
        raise EEGError(
            f"{run.relative(run.eeg)}: {stored} of the {promised} bytes of signal that its header "
            "promises, so it is truncated. Copy it again."
        )


def _declared(run: EEGFiles) -> tuple[dict[str, str], set[str]]:
    """Type of each channel in capitals, and the bad channels, by the nearest channels.tsv."""
    for path in run.sidecars(run.eeg, "channels", ".tsv")[-1:]:
        with reading(run, path, EEGError):
            table = read_table(path)
        if {"name", "type"} <= set(table):
            status = table.get("status", table["type"])
            types = dict(zip(table["name"], table["type"].str.upper(), strict=True))
            return types, set(table["name"][status.str.lower() == "bad"])
        warn(run, f"{path.name} lacks the column name or type and is left aside")
    return {}, set()


def _hopeless(
    run: EEGFiles, raw: mne.io.BaseRaw, positions: Float64[np.ndarray, "channels 3"], bad: set[str]
) -> list[str]:
    """Lost channels that cannot be interpolated, because their place on the head is unknown."""
    placed = np.isfinite(positions).all(axis=1)
    if placed.sum() < _SPLINE:
        placed[:] = False
    unplaced = [name for name, known in zip(raw.ch_names, placed, strict=True) if not known]
    if not unplaced:
        return []
    usable = _stream(run, raw.copy().pick(unplaced), None)
    lost = [name for name, good in zip(unplaced, usable, strict=True) if not good or name in bad]
    if lost:
        warn(run, f"{', '.join(lost)} flat, not finite or marked bad, place unknown; left out")
    return lost


def _stream(
    run: EEGFiles, raw: mne.io.BaseRaw, data: np.ndarray | None
) -> Bool[np.ndarray, " channels"]:
    """Read the signal into ``data`` chunk by chunk; tell which channels vary and stay finite."""
    low, high = np.full(len(raw.ch_names), np.inf), np.full(len(raw.ch_names), -np.inf)
    for part in _parts(int(raw.n_times), raw.info["sfreq"]):
        with reading(run, run.eeg, EEGError):
            block = raw.get_data(start=part.start, stop=part.stop, verbose="ERROR")
        if data is not None:
            data[:, part] = block
        low = np.minimum(low, block.min(axis=1))
        high = np.maximum(high, block.max(axis=1))
    return np.asarray(np.isfinite(low) & np.isfinite(high) & (high > low))


def _interpolate(
    data: np.ndarray,
    sfreq: float,
    positions: Float64[np.ndarray, "channels 3"],
    lost: Bool[np.ndarray, " channels"],
) -> None:
    placed = np.isfinite(positions).all(axis=1)
    weights = spline_weights(positions[placed], lost[placed])
    for part in _parts(data.shape[1], sfreq):
        data[lost, part] = weights @ data[placed & ~lost, part]


def _parts(n_times: int, sfreq: float) -> Iterator[slice]:
    step = max(1, round(_CHUNK * sfreq))
    for start in range(0, n_times, step):
        yield slice(start, min(start + step, n_times))
