"""From files to pairs: reading a run, tying its clocks, pairing its volumes with their EEG."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float64

from bids_eeg2fmri.app.clocks import tie
from bids_eeg2fmri.app.job import Job
from bids_eeg2fmri.app.triage import attempt
from bids_eeg2fmri.bids.bold import read_bold, read_mask
from bids_eeg2fmri.bids.confounds import find_confounds, read_motion
from bids_eeg2fmri.bids.read import read_eeg
from bids_eeg2fmri.bids.recording import RunFiles
from bids_eeg2fmri.config import BoldConfig
from bids_eeg2fmri.errors import AppError, BOLDError, DataError
from bids_eeg2fmri.preprocess.bold import brain_mask, model_grid
from bids_eeg2fmri.preprocess.echoes import echo_weights
from bids_eeg2fmri.preprocess.nuisance import prepare_bold
from bids_eeg2fmri.preprocess.pairs import make_pairs
from bids_eeg2fmri.runtime import arrays, log
from bids_eeg2fmri.runtime.store import Unit, fingerprint
from bids_eeg2fmri.types import BOLD, EEG, Grid, Pairs, VolumeClock


@dataclass(frozen=True)
class Recording:
    """A run whose EEG and BOLD were read."""

    files: RunFiles
    unit: Unit
    prepared: Unit | None = None
    """The BOLD as it was prepared, if not as it was read."""

    @property
    def eeg(self) -> EEG:
        """The EEG, memory-mapped."""
        return arrays.load(self.unit.folder, "eeg", EEG)

    @property
    def bold(self) -> BOLD:
        """The BOLD series that is learnt from, memory-mapped."""
        return arrays.load((self.prepared or self.unit).folder, "bold", BOLD)

    @property
    def units(self) -> list[Unit]:
        """Where all of it is stored."""
        return [self.unit, *([self.prepared] if self.prepared else [])]

    @property
    def mask(self) -> Bool[np.ndarray, "x y z"]:
        """The brain, on the grid of the BOLD series."""
        return np.asarray(np.load(self.unit.folder / "mask.npy"))


@dataclass(frozen=True)
class PairedRun:
    """A run whose volumes have found their EEG."""

    recording: Recording
    unit: Unit

    @property
    def files(self) -> RunFiles:
        """Where it comes from."""
        return self.recording.files

    @property
    def pairs(self) -> Pairs:
        """The pairs, memory-mapped."""
        return arrays.load(self.unit.folder, "pairs", Pairs)

    @property
    def eeg(self) -> EEG:
        """The EEG that the pairs come from, of their channels."""
        return _select(self.recording.eeg, self.pairs.channels)

    @property
    def clock(self) -> VolumeClock:
        """How EEG and BOLD were tied together."""
        return arrays.load(self.unit.folder, "clock", VolumeClock)

    @property
    def notes(self) -> tuple[str, ...]:
        """What was odd in the data and how it was dealt with."""
        return (*notes_of(self.recording.unit), *notes_of(self.unit))


def read(job: Job, files: RunFiles) -> Recording:
    """Bring a run's EEG and BOLD into the store, where they can be memory-mapped."""

    def make(folder: Path) -> None:
        with log.capture_warnings() as notes:
            eeg = read_eeg(
                files,
                job.config.read,
                lambda shape, dtype: arrays.allocate(folder, "eeg.data", shape, dtype),
            )
            bold = read_bold(
                files,
                lambda shape, dtype: arrays.allocate(
                    folder, "bold.data", shape, dtype, fortran=True
                ),
                echo_weights,
            )
            mask = _mask(files, bold)
        arrays.save(folder, "eeg", eeg)
        arrays.save(folder, "bold", bold)
        np.save(folder / "mask.npy", mask)
        keep_notes(folder, notes)

    parents = [fingerprint(files.root, files.files())]
    unit = job.store.unit("read", files.name, [job.config.read], parents, make)
    recording = Recording(files, unit)
    eeg, bold = recording.eeg, recording.bold
    text = (
        f"{len(eeg.channels)} channels at {eeg.sfreq:g} Hz for {eeg.duration:.0f} s, "
        f"{bold.n_volumes} volumes of {'×'.join(map(str, bold.data.shape[:3]))}"
    )
    log.tell_unit(files.name, "read", unit, text, notes_of(unit))
    return tidy_bold(job, recording)


def tidy_bold(job: Job, recording: Recording) -> Recording:
    """Prepare the BOLD of a run, unless it is to be taken as it is.

    Raises
    ------
    BOLDError
        Head motion is to be regressed out, and there is no table of it that fits.
    """
    cfg, files = job.config.bold, recording.files
    if cfg == BoldConfig():
        return recording
    table = find_confounds(files) if cfg.clean == "confounds" else None

    def make(folder: Path) -> None:
        motion = _motion(files, recording.bold.n_volumes) if cfg.clean == "confounds" else None
        allocate = partial(arrays.allocate, folder, "bold.data", fortran=True)
        made = prepare_bold(recording.bold, recording.mask, motion, cfg, allocate)
        arrays.save(folder, "bold", made)

    parents: list[str | Unit] = [
        recording.unit,
        *([fingerprint(table.parent, [table])] if table else []),
    ]
    unit = job.store.unit("bold", files.name, [cfg], parents, make)
    log.tell_unit(files.name, "bold", unit, preparation(cfg))
    return replace(recording, prepared=unit)


UNITS = {"scanner": "arbitrary", "percent": "percent"}
"""Of the BOLD, as sidecars name them."""


def preparation(cfg: BoldConfig) -> str:
    """Say in words how the BOLD was prepared."""
    motion = f" and {cfg.motion} regressors of head motion" if cfg.clean == "confounds" else ""
    slow = f", cosines slower than {cfg.high_pass:g} Hz" if cfg.high_pass else ""
    said = {
        f"smoothed by {cfg.smoothing:g} mm": cfg.smoothing > 0,
        f"cleaned of linear trends{slow}{motion}": cfg.clean != "none",
        "in percent of the mean": cfg.units == "percent",
    }
    return ", ".join(text for text, holds in said.items() if holds) or "as it was read"


def _motion(files: RunFiles, n_volumes: int) -> Float64[np.ndarray, "volumes 6"]:
    motion = read_motion(files, n_volumes)
    if motion is None:
        raise BOLDError(
            f"{files.relative(files.bold)}: --bold-clean confounds, but no table of head motion "
            "that fits. Name the folder of the pipeline with --derivatives, or use detrend."
        )
    return motion


def pair(job: Job, recording: Recording, grid: Grid, channels: tuple[str, ...]) -> PairedRun:
    """Find the clock of a run and pair its volumes with their EEG."""
    cfg, files = job.config, recording.files

    def make(folder: Path) -> None:
        eeg, bold = _select(recording.eeg, channels), recording.bold
        with log.capture_warnings() as notes:
            clock = tie(files, cfg.clock)
            pairs = make_pairs(
                eeg,
                bold,
                clock,
                recording.mask,
                grid,
                cfg.window,
                cfg.spectrogram,
                files.name,
                lambda name, shape, dtype: arrays.allocate(folder, f"pairs.{name}", shape, dtype),
            )
        arrays.save(folder, "pairs", pairs)
        arrays.save(folder, "clock", clock)
        keep_notes(folder, notes)

    config = [cfg.clock, cfg.window, cfg.spectrogram, {"grid": grid, "channels": channels}]
    unit = job.store.unit("pairs", files.name, config, recording.units, make)
    run = PairedRun(recording, unit)
    clock, kept = run.clock, len(run.pairs.volume)
    text = f"{clock.source} every {clock.tr:g} s"
    if clock.delay:
        text += f", values {clock.delay:g} s after the onset of each volume"
    if clock.n_markers:
        text += f", {clock.n_markers} of {len(clock.onset)} volumes, drift {clock.drift:z.1f} ppm"
    log.tell_unit(files.name, "clock", unit, text, notes_of(unit))
    counted = {"s": "s", "tr": "TR"}[cfg.window.unit]
    stretch = f"{cfg.window.start:g} to {cfg.window.stop:g} {counted} before"
    text = f"{kept} kept, {len(clock.onset) - kept} without EEG from {stretch}"
    log.tell_unit(files.name, "pairs", unit, text)
    return run


def prepare(job: Job, files: Sequence[RunFiles]) -> tuple[list[PairedRun], dict[str, AppError]]:
    """Read and pair the runs of one participant on a common grid and montage."""
    recordings, failed = read_all(job, files)
    runs, unpaired = pair_all(job, recordings, *common_ground(job, recordings))
    return runs, failed | unpaired


def read_all(job: Job, files: Sequence[RunFiles]) -> tuple[list[Recording], dict[str, AppError]]:
    """Read the runs that can be read; give the reason for each other."""
    return attempt(partial(read, job), {run.name: run for run in files})


def pair_all(
    job: Job, recordings: Sequence[Recording], grid: Grid, channels: tuple[str, ...]
) -> tuple[list[PairedRun], dict[str, AppError]]:
    """Pair the runs that can be paired; give the reason for each other."""
    by_name = {recording.files.name: recording for recording in recordings}
    return attempt(lambda recording: pair(job, recording, grid, channels), by_name)


def common_ground(job: Job, recordings: Sequence[Recording]) -> tuple[Grid, tuple[str, ...]]:
    """Find the model grid and the EEG channels that all recordings can share.

    Raises
    ------
    DataError
        If no channel name occurs in all of them.
    """
    shapes = [recording.bold.data.shape[:3] for recording in recordings]
    first, *others = [recording.eeg.channels for recording in recordings]
    shared = tuple(name for name in first if all(name in other for other in others))
    if not shared:
        raise DataError(
            f"{recordings[0].files.name} and {len(others)} other runs: no EEG channel name occurs "
            "in all of them. Give runs with one montage, e.g. by --task-id."
        )
    return model_grid(shapes, job.config.grid), shared


def _select(eeg: EEG, channels: tuple[str, ...]) -> EEG:
    if eeg.channels == channels:
        return eeg
    at = [eeg.channels.index(name) for name in channels]
    return EEG(eeg.data[at], eeg.sfreq, channels, eeg.positions[at], eeg.bad)


def _mask(files: RunFiles, bold: BOLD) -> Bool[np.ndarray, "x y z"]:
    """Take the brain that a pipeline has found, or else find it."""
    told = read_mask(files, bold)
    if told is not None:
        return told
    try:
        return brain_mask(bold)
    except BOLDError as error:
        raise BOLDError(f"{files.relative(files.bold)}: {error}") from None


def keep_notes(folder: Path, notes: list[str]) -> None:
    """Write what was odd in the data of a unit."""
    (folder / "notes.json").write_text(json.dumps(notes, ensure_ascii=False), encoding="utf-8")


def notes_of(unit: Unit) -> tuple[str, ...]:
    """Read what was odd in the data of a unit."""
    return tuple(json.loads((unit.folder / "notes.json").read_text(encoding="utf-8")))
