"""Read EEG recordings and their markers into the nouns of ``types``."""

import warnings
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import mne
import numpy as np
from jaxtyping import Bool, Float32, Float64

from bids_eeg2fmri.bids.eeglab import open_hollow
from bids_eeg2fmri.bids.electrodes import (
    electrode_positions,
    heart_channels,
    spline_weights,
)
from bids_eeg2fmri.bids.formats import companions
from bids_eeg2fmri.bids.guard import reading, warn
from bids_eeg2fmri.bids.markers import recorded_markers, tabled_markers
from bids_eeg2fmri.bids.multiplexed import FileEEG, open_multiplexed
from bids_eeg2fmri.bids.opening import declared, open_bare, open_recording, open_scalp, scalp_names
from bids_eeg2fmri.bids.recording import EEGFiles
from bids_eeg2fmri.config import ReadConfig
from bids_eeg2fmri.errors import DataWarning, EEGError
from bids_eeg2fmri.types import EEG, Allocate, Markers, Recorded, Signal, typed

_CHUNK = 30.0
"""Seconds of EEG that are read at once."""
_LATE = 1.0
"""Seconds by which a marker may lie behind the end of the signal; recorders close with one."""
_SPLINE = 4
"""Electrodes with a position that spherical splines need at least."""


@dataclass(frozen=True)
class _Found:
    """The channels of a recording that are read."""

    raw: mne.io.BaseRaw
    recorded: tuple[str, ...]
    """All channels of the file."""
    positions: Float64[np.ndarray, "channels 3"]
    marked: tuple[str, ...]
    """Channels that are marked bad."""
    dropped: tuple[str, ...]
    """Channels that nothing can be made of."""


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
    raw, *_ = open_scalp(run)
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
    raw = open_bare(run) if hollow is None else hollow
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


def open_eeg(run: EEGFiles, cfg: ReadConfig, allocate: Allocate = np.empty) -> EEG | FileEEG:
    """Open the scalp channels; flat, non-finite and bad ones are interpolated from the others.

    Where the position of such a channel is unknown, it is left out. The signal stays where it is;
    only where it cannot be read from any sample on is it read at once, and ``allocate`` called.

    Raises
    ------
    EEGError
        The recording cannot be read, is truncated or epoched, or too many channels are bad.
    """
    found = _find_channels(run)
    eeg = open_multiplexed(run, found.raw, found.recorded, found.positions)
    if eeg is None:
        return _read(run, found, cfg, allocate)
    lost = ~eeg.usable() | np.isin(eeg.channels, found.marked)
    if not _lost_names(run, found, lost, cfg):
        return eeg
    donors, weights = _interpolation(found.positions, lost)
    places = np.flatnonzero(lost), np.flatnonzero(donors)
    return replace(eeg, layout=eeg.layout.interpolated(*places, weights))


class _InMemory(EEGFiles):
    """A recording that is in no file."""

    @property
    def name(self) -> str:
        """What it is called in messages."""
        return self.eeg.name


def take_eeg(raw: mne.io.BaseRaw, cfg: ReadConfig, name: str = "EEG") -> EEG:
    """Take the scalp channels of a recording in memory, as ``open_eeg`` does those of a file.

    Parameters
    ----------
    name
        For messages.

    Raises
    ------
    EEGError
        No channel measures the scalp, or too many are bad.
    """
    run = _InMemory(Path(), "", None, "", None, {}, Path(name))
    part = raw.copy().pick(scalp_names(raw, {}, name))
    found = _keep_channels(run, part, {*raw.info["bads"]}, tuple(raw.ch_names))
    return _read(run, found, cfg, np.empty)


def read_ecg(run: EEGFiles, eeg: Signal) -> Float32[np.ndarray, " time"] | None:
    """Read the channel that records the heart, in volts; none where there is none.

    Parameters
    ----------
    eeg
        The scalp channels of the same recording.

    Raises
    ------
    EEGError
        The recording cannot be read, or its EEG stays in the file, which has changed since.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DataWarning)  # told when the EEG was read
        raw = open_recording(run)
        names = heart_channels(raw, declared(run)[0])
    if not names:
        return None
    with reading(run, run.eeg, EEGError):
        ecg = np.asarray(raw.get_data(picks=names[:1], verbose="ERROR")[0], np.float32)
    if isinstance(eeg, FileEEG):
        eeg.check_unchanged()
    return ecg


def _hopeless(
    run: EEGFiles,
    raw: mne.io.BaseRaw,
    recorded: tuple[str, ...],
    positions: Float64[np.ndarray, "channels 3"],
    bad: set[str],
) -> list[str]:
    """Lost channels that cannot be interpolated, because their place on the head is unknown."""
    placed = np.isfinite(positions).all(axis=1)
    if placed.sum() < _SPLINE:
        placed[:] = False
    unplaced = [name for name, known in zip(raw.ch_names, placed, strict=True) if not known]
    if not unplaced:
        return []
    part = raw.copy().pick(unplaced)
    file = open_multiplexed(run, part, recorded, positions[~placed])
    usable = _stream(run, part, None) if file is None else file.usable()
    lost = [name for name, good in zip(unplaced, usable, strict=True) if not good or name in bad]
    if lost:
        warn(run, f"{', '.join(lost)} flat, not finite or marked bad, place unknown; left out")
    return lost


def _read(run: EEGFiles, found: _Found, cfg: ReadConfig, allocate: Allocate) -> EEG:
    raw, sfreq = found.raw, float(found.raw.info["sfreq"])
    data = allocate((len(raw.ch_names), int(raw.n_times)), np.float32)
    lost = ~_stream(run, raw, data) | np.isin(raw.ch_names, found.marked)
    bad = _lost_names(run, found, lost, cfg)
    if bad:
        donors, weights = _interpolation(found.positions, lost)
        for part in _parts(data.shape[1], sfreq):
            data[lost, part] = weights @ data[donors, part]
    return EEG(data, sfreq, tuple(raw.ch_names), found.positions, bad)


def _find_channels(run: EEGFiles) -> _Found:
    """Find the scalp channels, but for those that are lost and that no others can stand for."""
    return _keep_channels(run, *open_scalp(run))


def _keep_channels(
    run: EEGFiles, raw: mne.io.BaseRaw, marked: set[str], recorded: tuple[str, ...]
) -> _Found:
    names = [*raw.ch_names]
    positions = electrode_positions(raw, run.name)
    dropped = _hopeless(run, raw, recorded, positions, marked)
    raw.drop_channels(dropped)
    kept = positions[[name not in dropped for name in names]]
    return _Found(raw, recorded, kept, tuple(marked), tuple(dropped))


def _lost_names(
    run: EEGFiles, found: _Found, lost: Bool[np.ndarray, " channels"], cfg: ReadConfig
) -> tuple[str, ...]:
    """Name the channels that are interpolated, and tell of them."""
    bad = tuple(np.array(found.raw.ch_names)[lost].tolist())
    n, dropped = len(found.raw.ch_names) + len(found.dropped), found.dropped
    if len(bad) + len(dropped) > cfg.max_bad_channels * n:
        raise EEGError(
            f"{run.relative(run.eeg)}: {len(bad) + len(dropped)} of {n} channels are flat "
            f"or bad ({', '.join((*bad, *dropped))}). Leave the run out, or raise "
            "--set read.max_bad_channels."
        )
    if bad:
        warn(run, f"{', '.join(bad)} flat, not finite or marked bad; interpolated")
    return bad


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


def _interpolation(
    positions: Float64[np.ndarray, "channels 3"], lost: Bool[np.ndarray, " channels"]
) -> tuple[Bool[np.ndarray, " channels"], Float64[np.ndarray, "lost donors"]]:
    """Tell which channels give what to the lost ones."""
    placed = np.isfinite(positions).all(axis=1)
    return placed & ~lost, spline_weights(positions[placed], lost[placed])


def _parts(n_times: int, sfreq: float) -> Iterator[slice]:
    step = max(1, round(_CHUNK * sfreq))
    for start in range(0, n_times, step):
        yield slice(start, min(start + step, n_times))
