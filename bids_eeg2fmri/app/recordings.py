"""From files to pairs: reading a run, tying its clocks, pairing its volumes with their EEG."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
from jaxtyping import Bool

from bids_eeg2fmri.app.cleaning import Cleaned, clean
from bids_eeg2fmri.app.job import Job
from bids_eeg2fmri.app.notes import keep_notes, notes_of
from bids_eeg2fmri.app.preparing import prepare_bold
from bids_eeg2fmri.app.signals import keep_signal, kept_signal
from bids_eeg2fmri.app.triage import side_by_side
from bids_eeg2fmri.bids.bold import read_bold, read_mask
from bids_eeg2fmri.bids.read import open_eeg
from bids_eeg2fmri.bids.recording import RunFiles
from bids_eeg2fmri.errors import AppError, BOLDError, DataError
from bids_eeg2fmri.preprocess.bold import brain_mask, model_grid
from bids_eeg2fmri.preprocess.echoes import echo_weights
from bids_eeg2fmri.preprocess.pairs import make_pairs
from bids_eeg2fmri.runtime import arrays, log
from bids_eeg2fmri.runtime.store import Unit, fingerprint
from bids_eeg2fmri.types import BOLD, Grid, Pairs, Signal, VolumeClock


@dataclass(frozen=True)
class Recording:
    """A run whose EEG and BOLD were read."""

    files: RunFiles
    unit: Unit
    """Where what was read is stored."""
    prepared: Unit | None = None
    """The BOLD as it was prepared, if not as it was read."""

    @property
    def eeg(self) -> Signal:
        """The EEG as recorded."""
        return kept_signal(self.unit.folder, self.files)

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
    cleaned: Cleaned
    unit: Unit
    """Where the pairs are stored."""

    @property
    def files(self) -> RunFiles:
        """Where it comes from."""
        return self.recording.files

    @property
    def units(self) -> list[Unit]:
        """Where all of it is stored."""
        return [*self.recording.units, self.cleaned.unit, self.unit]

    @property
    def pairs(self) -> Pairs:
        """The pairs, memory-mapped."""
        return arrays.load(self.unit.folder, "pairs", Pairs)

    @property
    def eeg(self) -> Signal:
        """The EEG that the pairs come from, of their channels."""
        return self.cleaned.eeg.of(self.pairs.channels)

    @property
    def clock(self) -> VolumeClock:
        """How EEG and BOLD were tied together."""
        return self.cleaned.clock

    @property
    def notes(self) -> tuple[str, ...]:
        """What was odd in the data and how it was dealt with."""
        units = (self.recording.unit, self.cleaned.unit, self.unit)
        return tuple(note for unit in units for note in notes_of(unit))


def read(job: Job, files: RunFiles) -> Recording:
    """Bring a run's BOLD into the store, where it can be memory-mapped, and find its EEG."""

    def make(folder: Path) -> None:
        with log.capture_warnings() as notes:
            eeg = open_eeg(files, job.config.read, partial(arrays.allocate, folder, "eeg.data"))
            allocate = partial(arrays.allocate, folder, "bold.data", fortran=True)
            bold = read_bold(files, allocate, echo_weights)
            mask = _mask(files, bold)
        keep_signal(folder, eeg)
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
    return replace(recording, prepared=prepare_bold(job, files, unit))


def pair(job: Job, recording: Recording, grid: Grid, channels: tuple[str, ...]) -> PairedRun:
    """Find the clock of a run and pair its volumes with their EEG."""
    cfg, files = job.config, recording.files
    cleaned = clean(job, files, recording.unit)
    clock = cleaned.clock

    def make(folder: Path) -> None:
        eeg, bold = cleaned.eeg.of(channels), recording.bold
        with log.capture_warnings() as notes:
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
        keep_notes(folder, notes)

    config = [cfg.window, cfg.spectrogram, {"grid": grid, "channels": channels}]
    unit = job.store.unit("pairs", files.name, config, [cleaned.unit, *recording.units], make)
    run = PairedRun(recording, cleaned, unit)
    kept = len(run.pairs.volume)
    counted = {"s": "s", "tr": "TR"}[cfg.window.unit]
    stretch = f"{cfg.window.start:g} to {cfg.window.stop:g} {counted} before"
    text = f"{kept} kept, {len(clock.onset) - kept} without EEG from {stretch}"
    log.tell_unit(files.name, "pairs", unit, text, notes_of(unit))
    return run


def prepare(job: Job, files: Sequence[RunFiles]) -> tuple[list[PairedRun], dict[str, AppError]]:
    """Read and pair the runs of one participant on a common grid and montage."""
    recordings, failed = read_all(job, files)
    runs, unpaired = pair_all(job, recordings, *common_ground(job, recordings))
    return runs, failed | unpaired


def read_all(job: Job, files: Sequence[RunFiles]) -> tuple[list[Recording], dict[str, AppError]]:
    """Read the runs that can be read; give the reason for each other."""
    size = sum(path.stat().st_size for run in files for path in run.data() if path.exists())
    return side_by_side(job, read, {run.name: run for run in files}, size)


def pair_all(
    job: Job, recordings: Sequence[Recording], grid: Grid, channels: tuple[str, ...]
) -> tuple[list[PairedRun], dict[str, AppError]]:
    """Pair the runs that can be paired; give the reason for each other."""
    by_name = {recording.files.name: recording for recording in recordings}
    size = sum(2 * len(one.eeg.channels) * one.eeg.n_times for one in recordings)
    return side_by_side(job, partial(pair, grid=grid, channels=channels), by_name, size)


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


def _mask(files: RunFiles, bold: BOLD) -> Bool[np.ndarray, "x y z"]:
    """Take the brain that a pipeline has found, or else find it."""
    told = read_mask(files, bold)
    if told is not None:
        return told
    try:
        return brain_mask(bold)
    except BOLDError as error:
        raise BOLDError(f"{files.relative(files.bold)}: {error}") from None
