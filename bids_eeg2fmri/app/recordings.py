"""From files to pairs: reading a run, tying its clocks, pairing its volumes with their EEG."""

import json
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TypeVar

import numpy as np
from jaxtyping import Bool

from bids_eeg2fmri.app.job import Job
from bids_eeg2fmri.bids.query import RunFiles, find_runs
from bids_eeg2fmri.bids.read import read_bold, read_eeg, read_markers
from bids_eeg2fmri.errors import AppError, BOLDError, DataError, NothingFoundError
from bids_eeg2fmri.preprocess.bold import brain_mask, model_grid
from bids_eeg2fmri.preprocess.clock import find_clock
from bids_eeg2fmri.preprocess.pairs import make_pairs
from bids_eeg2fmri.runtime import arrays, log
from bids_eeg2fmri.runtime.store import Unit, fingerprint
from bids_eeg2fmri.types import BOLD, EEG, Markers, Pairs, VolumeClock

Grid = tuple[int, int, int]
Result = TypeVar("Result")


@dataclass(frozen=True)
class Recording:
    """A run whose EEG and BOLD were read."""

    files: RunFiles
    unit: Unit

    @property
    def eeg(self) -> EEG:
        """The EEG, memory-mapped."""
        return arrays.load(self.unit.folder, "eeg", EEG)

    @property
    def bold(self) -> BOLD:
        """The BOLD series, memory-mapped."""
        return arrays.load(self.unit.folder, "bold", BOLD)


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
            markers = read_markers(files).markers
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
            )
            mask = _mask(files, bold)
        arrays.save(folder, "markers", markers)
        arrays.save(folder, "eeg", eeg)
        arrays.save(folder, "bold", bold)
        np.save(folder / "mask.npy", mask)
        _keep_notes(folder, notes)

    parents = [fingerprint(files.root, files.files())]
    unit = job.store.unit("read", files.name, [job.config.read], parents, make)
    recording = Recording(files, unit)
    eeg, bold = recording.eeg, recording.bold
    text = (
        f"{len(eeg.channels)} channels at {eeg.sfreq:g} Hz for {eeg.duration:.0f} s, "
        f"{bold.n_volumes} volumes of {'×'.join(map(str, bold.data.shape[:3]))}"
    )
    tell(files.name, "read", unit, text, notes_of(unit))
    return recording


def pair(
    job: Job, recording: Recording, grid: tuple[int, int, int], channels: tuple[str, ...]
) -> PairedRun:
    """Find the clock of a run and pair its volumes with their EEG."""
    cfg, files = job.config, recording.files

    def make(folder: Path) -> None:
        eeg, bold = _select(recording.eeg, channels), recording.bold
        markers = arrays.load(recording.unit.folder, "markers", Markers)
        with log.capture_warnings() as notes:
            clock = find_clock(
                markers,
                eeg.sfreq,
                eeg.duration,
                bold.n_volumes,
                bold.tr,
                cfg.clock,
                files.name,
            )
            pairs = make_pairs(
                eeg,
                bold,
                clock,
                np.load(recording.unit.folder / "mask.npy"),
                grid,
                cfg.window,
                cfg.spectrogram,
                files.name,
                lambda name, shape, dtype: arrays.allocate(folder, f"pairs.{name}", shape, dtype),
            )
        arrays.save(folder, "pairs", pairs)
        arrays.save(folder, "clock", clock)
        _keep_notes(folder, notes)

    config = [cfg.clock, cfg.window, cfg.spectrogram, {"grid": grid, "channels": channels}]
    unit = job.store.unit("pairs", files.name, config, [recording.unit], make)
    run = PairedRun(recording, unit)
    clock, kept = run.clock, len(run.pairs.volume)
    text = f"{clock.source} every {clock.tr:g} s"
    if clock.n_markers:
        text += f", {clock.n_markers} of {len(clock.onset)} volumes, drift {clock.drift:.1f} ppm"
    tell(files.name, "clock", unit, text, notes_of(unit))
    text = f"{kept} kept, {len(clock.onset) - kept} without {cfg.window.start:g} s of EEG before"
    tell(files.name, "pairs", unit, text)
    return run


def find(job: Job) -> dict[str, list[RunFiles]]:
    """List the runs of each participant, and tell what cannot be used.

    Raises
    ------
    NothingFoundError
        If no EEG and BOLD belong together.
    """
    with log.capture_warnings() as notes:
        runs, refusals = find_runs(job.bids_dir, job.selection)
    for note in notes:
        log.tell("dataset", "find", note, logging.WARNING)
    for refusal in refusals:
        log.tell(refusal.name, "skipped", refusal.reason, logging.WARNING)
    found: dict[str, list[RunFiles]] = {}
    for run in runs:
        found.setdefault(run.participant, []).append(run)
    if not found:
        raise NothingFoundError(
            f"{job.bids_dir}: no EEG and BOLD of the same run. The reasons stand above."
        )
    return found


def attempt(
    fn: Callable[[RunFiles], Result], files: Sequence[RunFiles]
) -> tuple[list[Result], dict[str, AppError]]:
    """Apply ``fn`` to each run, so that a broken one does not stop the others.

    Returns
    -------
    What was given, and for each run that failed the reason.

    Raises
    ------
    AppError
        The first reason, if no run is left.
    """
    done: list[Result] = []
    failed: dict[str, AppError] = {}
    for run in files:
        try:
            done.append(fn(run))
        except DataError as error:
            failed[run.name] = error
            log.tell(run.name, "failed", str(error), logging.ERROR)
    if failed and not done:
        raise next(iter(failed.values()))
    return done, failed


def prepare(job: Job, files: Sequence[RunFiles]) -> tuple[list[PairedRun], dict[str, AppError]]:
    """Read and pair the runs of one participant on a common grid and montage."""
    recordings, failed = attempt(partial(read, job), files)
    grid, channels = common_ground(job, recordings)
    by_name = {recording.files.name: recording for recording in recordings}
    runs, unpaired = attempt(
        lambda run: pair(job, by_name[run.name], grid, channels), [r.files for r in recordings]
    )
    return runs, failed | unpaired


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
    try:
        return brain_mask(bold)
    except BOLDError as error:
        raise BOLDError(f"{files.relative(files.bold)}: {error}") from None


def _keep_notes(folder: Path, notes: list[str]) -> None:
    (folder / "notes.json").write_text(json.dumps(notes, ensure_ascii=False), encoding="utf-8")


def notes_of(unit: Unit) -> tuple[str, ...]:
    """Read what was odd in the data of a unit."""
    return tuple(json.loads((unit.folder / "notes.json").read_text(encoding="utf-8")))


def tell(run: str, stage: str, unit: Unit, text: str, notes: Sequence[str] = ()) -> None:
    """Log what a stage gave, whether it was there already, and what was odd."""
    log.tell(run, stage, text + "  (kept)" * unit.reused)
    if unit.why not in ("", "first time"):
        log.tell(run, stage, f"made anew: {unit.why}", logging.DEBUG)
    for note in notes:
        log.tell(run, stage, note, logging.WARNING)
