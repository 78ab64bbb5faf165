"""Read EEG recordings, their markers, and BOLD series into the nouns of ``types``."""

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import mne
import mne_bids
import nibabel as nib
import numpy as np
from jaxtyping import Bool, Float64

from bids_eeg2fmri.bids.electrodes import electrode_positions, scalp_channels, spline_weights
from bids_eeg2fmri.bids.formats import companions, stored_and_promised
from bids_eeg2fmri.bids.markers import recorded_markers, tabled_markers
from bids_eeg2fmri.bids.query import RunFiles
from bids_eeg2fmri.bids.recording import EEGFiles
from bids_eeg2fmri.bids.sidecars import inherited, read_json, read_table
from bids_eeg2fmri.config import ReadConfig
from bids_eeg2fmri.errors import AppError, BOLDError, DataError, DataWarning, EEGError
from bids_eeg2fmri.types import BOLD, EEG, Markers, typed

Allocate = Callable[[tuple[int, ...], type[np.float32]], np.ndarray]
"""Makes the array that is read into: ``np.empty``, or a memory map so that memory stays flat."""
_CHUNK = 30.0
"""Seconds of EEG that are read at once."""
_VOLUMES = 16
"""BOLD volumes that are read at once."""
_LATE = 1.0
"""Seconds by which a marker may lie behind the end of the signal; recorders close with one."""
_SPLINE = 4
"""Electrodes with a position that spherical splines need at least."""
_UNSET_TR = 1.0
"""What converters leave in a NIfTI header that they do not fill."""


@typed
class RecordingInfo:
    """What a recording tells before its signal is read."""

    markers: Markers
    """Its own markers; those of ``events.tsv``, labelled ``events/…``, where it has none."""
    sfreq: float
    """Sampling rate in hertz."""
    duration: float
    """Length in seconds."""


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


def read_markers(run: RunFiles) -> RecordingInfo:
    """Read the markers that the recording itself carries, without its signal.

    mne-bids would put those of ``events.tsv`` in their place, which may stand on another clock.

    Raises
    ------
    EEGError
        The recording cannot be opened, or is truncated.
    """
    with _reading(run, run.eeg, EEGError):
        raw = mne.io.read_raw(run.eeg, preload=False, verbose="ERROR")
        _check_complete(run, raw)
        markers = recorded_markers(run.eeg, raw)
    sfreq = float(raw.info["sfreq"])
    duration = float(raw.n_times / sfreq)
    late = int(np.sum(markers.time > duration + _LATE))
    if late:
        raise EEGError(
            f"{run.relative(run.eeg)}: {late} markers lie after the end of the EEG at "
            f"{duration:.1f} s, so its signal is truncated. Copy it again."
        )
    events = inherited(run.root, run.eeg, "events", ".tsv")
    lost = [path.name for path in companions(run.eeg) if not path.exists()]
    if lost:
        _warn(run, f"{', '.join(lost)} is missing, and with it the markers of the recording")
    if not markers.label and events:
        with _reading(run, events[-1], EEGError):
            markers = tabled_markers(events[-1], sfreq)
    return RecordingInfo(markers, sfreq, duration)


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
        _warn(run, f"{', '.join(bad)} flat, not finite or marked bad; interpolated")
        _interpolate(data, float(raw.info["sfreq"]), positions, lost)
    return EEG(data, float(raw.info["sfreq"]), tuple(raw.ch_names), positions, bad)


def read_bold_header(run: RunFiles) -> tuple[tuple[int, int, int, int], float]:
    """Shape and repetition time in seconds of a BOLD series, without its voxels.

    Raises
    ------
    BOLDError
        It cannot be opened, is no series of volumes, or its repetition time is unknown.
    """
    image = _open_bold(run)
    return image.shape, _repetition_time(run, image)


def read_bold(run: RunFiles, allocate: Allocate = np.empty) -> BOLD:
    """Read a BOLD series block by block; voxels that are not finite are set to zero.

    Raises
    ------
    BOLDError
        The series cannot be read, is truncated, does not vary, or its repetition time is unknown.
    """
    image = _open_bold(run)
    tr = _repetition_time(run, image)
    data = allocate(image.shape, np.float32)
    mended, varies = 0, False
    for start in range(0, image.shape[3], _VOLUMES):
        with _reading(run, run.bold, BOLDError):
            block = np.array(image.dataobj[..., start : start + _VOLUMES], dtype=np.float32)
        broken = ~np.isfinite(block)
        mended += int(broken.sum())
        block[broken] = 0
        data[..., start : start + _VOLUMES] = block
        varies = varies or bool((block != data[..., :1]).any())
    if not varies:
        raise BOLDError(
            f"{run.relative(run.bold)}: no voxel changes from volume to volume, so there is no "
            "BOLD signal in it. Copy or convert it again, or leave the run out."
        )
    if mended:
        _warn(run, f"{mended} BOLD values are not finite and were set to 0")
    return BOLD(data, tr, np.asarray(image.affine, dtype=np.float64))


def bold_metadata(run: RunFiles) -> dict[str, Any]:
    """Sidecar of the BOLD series, merged along the inheritance from the top of the dataset."""
    merged: dict[str, Any] = {}
    for path in inherited(run.root, run.bold, "bold", ".json"):
        merged |= read_json(run.root, path)
    return merged


@contextmanager
def _reading(run: EEGFiles, path: Path, kind: type[DataError]) -> Iterator[None]:
    """Turn whatever a reader stumbles over into one line of our own."""
    try:
        with warnings.catch_warnings():
            # pymatreader, of MATLAB objects in corners of a .set file that nobody looks into
            warnings.filterwarnings("ignore", "Complex objects", UserWarning)
            yield
    except AppError:
        raise
    except Exception as error:
        raise kind(
            f"{run.relative(path)}: cannot be read ({_brief(error)}). "
            "Copy it again, or convert it again into one continuous series."
        ) from error


def _brief(error: Exception) -> str:
    first_sentence = " ".join(str(error).split()).split(". ")[0]
    return f"{type(error).__name__}: {first_sentence[:200]}"


def _warn(run: EEGFiles, text: str) -> None:
    warnings.warn(f"{run.name}: {text}.", DataWarning, stacklevel=3)


def _open(run: EEGFiles) -> mne.io.BaseRaw:
    """Open a recording with what BIDS says of it, or where mne-bids gives up, without."""
    refused = ""
    with _reading(run, run.eeg, EEGError):
        try:
            path = mne_bids.get_bids_path_from_fname(run.eeg, verbose="ERROR")
            raw = mne_bids.read_raw_bids(path.update(root=run.root), verbose="ERROR")
        except Exception as error:
            raw = mne.io.read_raw(run.eeg, preload=False, verbose="ERROR")
            refused = _brief(error)
        _check_complete(run, raw)
    if refused:
        _warn(run, f"mne-bids cannot read the EEG ({refused}); it is read without mne-bids")
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
    stored, promised = stored_and_promised(run.eeg, len(raw.ch_names), int(raw.n_times))
    if stored < promised:
        raise EEGError(
            f"{run.relative(run.eeg)}: {stored} of the {promised} bytes of signal that its header "
            "promises, so it is truncated. Copy it again."
        )


def _declared(run: EEGFiles) -> tuple[dict[str, str], set[str]]:
    """Type of each channel in capitals, and the bad channels, by the nearest channels.tsv."""
    for path in inherited(run.root, run.eeg, "channels", ".tsv")[-1:]:
        with _reading(run, path, EEGError):
            table = read_table(path)
        if {"name", "type"} <= set(table):
            status = table.get("status", table["type"])
            types = dict(zip(table["name"], table["type"].str.upper(), strict=True))
            return types, set(table["name"][status.str.lower() == "bad"])
        _warn(run, f"{path.name} lacks the column name or type and is left aside")
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
        _warn(run, f"{', '.join(lost)} flat, not finite or marked bad, place unknown; left out")
    return lost


def _stream(
    run: EEGFiles, raw: mne.io.BaseRaw, data: np.ndarray | None
) -> Bool[np.ndarray, " channels"]:
    """Read the signal into ``data`` chunk by chunk; tell which channels vary and stay finite."""
    low, high = np.full(len(raw.ch_names), np.inf), np.full(len(raw.ch_names), -np.inf)
    for part in _parts(int(raw.n_times), raw.info["sfreq"]):
        with _reading(run, run.eeg, EEGError):
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


def _open_bold(run: RunFiles) -> nib.Nifti1Image:
    with _reading(run, run.bold, BOLDError):
        # Kept open: without, each block of a .nii.gz is decompressed from the start again.
        image = nib.load(run.bold, keep_file_open=True)
        shape = tuple(image.shape)
    if len(shape) != 4 or shape[3] < 2:
        raise BOLDError(
            f"{run.relative(run.bold)}: shape {'×'.join(map(str, shape))} is no series of volumes. "
            "Give the 4-D BOLD series, or leave the run out with --bids-filter-file."
        )
    return image


def _repetition_time(run: RunFiles, image: nib.Nifti1Image) -> float:
    """Repetition time in seconds on which sidecar and header agree, or which one of them has."""
    unit = {"msec": 1e-3, "usec": 1e-6}.get(image.header.get_xyzt_units()[1], 1.0)
    header = round(float(image.header.get_zooms()[3]) * unit, 6)  # stored in single precision
    told = bold_metadata(run).get("RepetitionTime")
    sidecar = float(told) if isinstance(told, int | float) and told > 0 else 0.0
    if sidecar and header in (0.0, _UNSET_TR) and sidecar != header:
        _warn(run, f"the NIfTI header has no repetition time; {sidecar:g} s is the sidecar's")
    elif header > 0 and not sidecar:
        _warn(run, f"no RepetitionTime in the sidecar; {header:g} s is the NIfTI header's")
        return header
    elif not sidecar:
        raise BOLDError(
            f"{run.relative(run.bold)}: repetition time is in neither the NIfTI header nor the "
            "sidecar. Add RepetitionTime, in seconds, to its JSON sidecar."
        )
    elif abs(sidecar - header) > max(0.01 * sidecar, 0.01):
        raise BOLDError(
            f"{run.relative(run.bold)}: the sidecar's RepetitionTime is {sidecar:g} s, the NIfTI "
            f"header's {header:g} s. Correct the one that is wrong."
        )
    return sidecar
