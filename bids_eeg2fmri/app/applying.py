"""From EEG alone to synthesised volumes: the stages of applying a saved model."""

from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from jaxtyping import Float32, Float64

from bids_eeg2fmri.app.job import Job
from bids_eeg2fmri.app.notes import keep_notes, notes_of
from bids_eeg2fmri.app.saved import SavedModel
from bids_eeg2fmri.app.signals import keep_signal, kept_signal
from bids_eeg2fmri.app.synthesising import keep_synthesised
from bids_eeg2fmri.bids.electrodes import site_of, spline_weights
from bids_eeg2fmri.bids.read import open_eeg
from bids_eeg2fmri.bids.recording import EEGFiles
from bids_eeg2fmri.config import ApplyConfig, Config
from bids_eeg2fmri.preprocess.alone import (
    make_spectrograms,
    volume_times,
    without_bold,
)
from bids_eeg2fmri.preprocess.bold import temporal_moments
from bids_eeg2fmri.preprocess.domain import share_outside
from bids_eeg2fmri.preprocess.montage import Electrodes, Montage, map_electrodes
from bids_eeg2fmri.preprocess.parcels import block_parcels, parcel_means
from bids_eeg2fmri.preprocess.scale import meet
from bids_eeg2fmri.report.words import counted
from bids_eeg2fmri.runtime import arrays, log
from bids_eeg2fmri.runtime.store import Unit, fingerprint
from bids_eeg2fmri.types import Allocate, Pairs, Parcels, Signal, VolumeClock, typed


@dataclass(frozen=True)
class Heard:
    """An EEG recording as a model hears it: its electrodes, volume by volume."""

    files: EEGFiles
    reading: Unit
    unit: Unit

    @property
    def eeg(self) -> Signal:
        """The EEG as recorded."""
        return kept_signal(self.reading.folder, self.files)

    @property
    def montage(self) -> Montage:
        """Where the model's electrodes come from."""
        return arrays.load(self.unit.folder, "montage", Montage)

    @property
    def clock(self) -> VolumeClock:
        """When a volume is synthesised."""
        return arrays.load(self.unit.folder, "clock", VolumeClock)

    @property
    def notes(self) -> tuple[str, ...]:
        """What was odd in the EEG and how it was dealt with."""
        return notes_of(self.reading)

    def pairs(self, model: SavedModel) -> Pairs:
        """Its spectrograms, memory-mapped, as pairs whose BOLD nobody knows."""
        spectra = np.load(self.unit.folder / "spectra.npy", mmap_mode="r")
        return heard_pairs(model, spectra, self.clock, self.files.name)


@typed
class Synthesis:
    """What is told of synthesised volumes."""

    mean: Float32[np.ndarray, "x y z"]
    """Over time, in the units of the model's BOLD."""
    sd: Float32[np.ndarray, "x y z"]
    """Standard deviation over time, in the same units."""
    brain: Float64[np.ndarray, " volumes"]
    """Mean signal of the brain mask, in the same units."""
    parcels: Float64[np.ndarray, "volumes parcels"]
    """Mean signal of each block of ``parcels_of``; NaN where it is empty."""
    outside: Float64[np.ndarray, "channels freqs"]
    """Share of the EEG beyond the range of the training EEG."""


@dataclass(frozen=True)
class Applied:
    """What a model made of one recording."""

    heard: Heard
    unit: Unit

    @property
    def synthesised(self) -> Float32[np.ndarray, "volumes x y z"]:
        """Synthesised volumes on the model's native grid, in the units of its BOLD."""
        return np.asarray(np.load(self.unit.folder / "synthesised.npy", mmap_mode="r"))

    @property
    def synthesis(self) -> Synthesis:
        """What is told of them."""
        return arrays.load(self.unit.folder, "synthesis", Synthesis)


def apply_model(job: Job, model: SavedModel, files: EEGFiles) -> Applied:
    """Read one recording and synthesise the BOLD that goes with it."""
    heard = hear(job, model, files, read_alone(job, files))

    def make(folder: Path) -> None:
        pairs = heard.pairs(model)
        index = np.arange(len(pairs.volume))
        volumes = keep_synthesised(folder, model.network, model.scale, pairs, index)
        arrays.save(folder, "synthesis", _sum_up(model, pairs, volumes))

    given = {"device": job.device}
    unit = job.store.unit("apply", files.name, [given], [heard.unit], make)
    applied = Applied(heard, unit)
    n, first = counted(len(heard.clock.onset), "volume"), heard.clock.onset[0]
    text = f"{n} every {model.tr:g} s from {first:g} s of the EEG on"
    log.tell_unit(files.name, "apply", unit, text)
    return applied


def parcels_of(model: SavedModel) -> Parcels:
    """Cut the brain that a model synthesises into blocks."""
    return block_parcels(model.mask, model.affine)


def _sum_up(
    model: SavedModel, pairs: Pairs, volumes: Float32[np.ndarray, "volumes x y z"]
) -> Synthesis:
    mean, variance = temporal_moments(np.moveaxis(volumes, 0, -1))
    brain = [volume[model.mask].mean(dtype=np.float64) for volume in volumes]
    scale = meet(model.scale, pairs, np.arange(len(pairs.volume)))
    return Synthesis(
        mean.astype(np.float32),
        np.sqrt(variance.clip(min=0)).astype(np.float32),
        np.array(brain),
        parcel_means(volumes, parcels_of(model), model.mask),
        share_outside(pairs, scale, model.usual),
    )


def read_alone(job: Job, files: EEGFiles) -> Unit:
    """Find the EEG of a recording, and where it cannot stay, bring it into the store."""

    def make(folder: Path) -> None:
        with log.capture_warnings() as notes:
            eeg = open_eeg(files, job.config.read, partial(arrays.allocate, folder, "eeg.data"))
        keep_signal(folder, eeg)
        keep_notes(folder, notes)

    parents = [fingerprint(files.root, files.files())]
    unit = job.store.unit("read-eeg", files.name, [job.config.read], parents, make)
    eeg = kept_signal(unit.folder, files)
    text = f"{len(eeg.channels)} channels at {eeg.sfreq:g} Hz for {eeg.duration:.0f} s"
    log.tell_unit(files.name, "read", unit, text, notes_of(unit))
    return unit


def hear(job: Job, model: SavedModel, files: EEGFiles, reading: Unit) -> Heard:
    """Bring a recording to the electrodes and spectrograms of a model."""

    def make(folder: Path) -> None:
        eeg = kept_signal(reading.folder, files)
        allocate = partial(arrays.allocate, folder, "spectra")
        montage, clock, _ = listen(job.config, model, eeg, files.name, allocate)
        arrays.save(folder, "montage", montage)
        arrays.save(folder, "clock", clock)

    apply = job.config.apply
    given = {
        "reach": apply.reach,
        "max_uncovered": apply.max_uncovered,
        "eeg_onset": job.config.clock.eeg_onset,
        "model": model.digest,
    }
    unit = job.store.unit("hear", files.name, [given], [reading], make)
    heard = Heard(files, reading, unit)
    log.tell_unit(files.name, "hear", unit, montage_in_words(heard.montage))
    return heard


def listen(
    config: Config, model: SavedModel, eeg: Signal, run: str, allocate: Allocate = np.empty
) -> tuple[Montage, VolumeClock, np.ndarray]:
    """Find electrodes and moments of a model in EEG, and make the spectrograms that it looks at.

    Parameters
    ----------
    config
        What a model leaves open: ``apply`` and ``clock.eeg_onset``.
    """
    cfg = model.config
    clock = times(config, model, eeg.sfreq, eeg.duration, run)
    good = [name not in eeg.bad for name in eeg.channels]
    chosen = tuple(name for name in eeg.channels if name not in eeg.bad)
    montage = find_montage(config, model, chosen, eeg.positions[good], run)
    weights = np.zeros((len(model.channels), len(eeg.channels)))
    weights[:, good] = montage.weights
    given = (weights, clock, cfg.window, cfg.spectrogram, allocate)
    return montage, clock, make_spectrograms(eeg, *given)


def heard_pairs(model: SavedModel, spectra: np.ndarray, clock: VolumeClock, run: str) -> Pairs:
    """Take what a model has heard for pairs whose BOLD nobody knows."""
    return without_bold(spectra, clock, model.channels, model.freqs, model.mask, model.grid, run)


def times(
    config: Config, model: SavedModel, sfreq: float, duration: float, run: str
) -> VolumeClock:
    """Find when a model can synthesise a volume."""
    cfg, onset = model.config, config.clock.eeg_onset
    return volume_times(sfreq, duration, model.tr, cfg.window, cfg.spectrogram, onset, run)


def find_montage(
    config: Config,
    model: SavedModel,
    channels: tuple[str, ...],
    positions: Float64[np.ndarray, "channels 3"],
    run: str,
) -> Montage:
    """Find the electrodes of a model among those of a recording."""
    wanted = Electrodes(_sites(model.channels), model.positions)
    recorded = Electrodes(_sites(channels), positions)
    return map_electrodes(wanted, recorded, config.apply, spline_weights, run)


def domain_note(cfg: ApplyConfig, outside: Float64[np.ndarray, "channels freqs"]) -> str:
    """Warn where the EEG is not like that of the training; empty where it is.

    Parameters
    ----------
    outside
        Share of the EEG beyond the range of the training EEG.
    """
    share = float(outside.mean())
    if share < cfg.shifted:
        return ""
    return (
        f"{share:.0%} of the EEG lies outside the range of the training EEG, against 2 % in the "
        "training itself: the model is asked about EEG unlike what it knows."
    )


def montage_in_words(montage: Montage) -> str:
    """Say how many electrodes were recorded, and how many made from others."""
    n, lost = len(montage.source), int(montage.interpolated.sum())
    if not lost:
        return f"all {n} electrodes of the model were recorded"
    farthest = montage.distance[montage.interpolated].max()
    return (
        f"{n - lost} of the model's {n} electrodes were recorded, {counted(lost, 'other')} "
        f"interpolated, up to {farthest:.0f} mm from the nearest"
    )


def _sites(channels: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(site_of(name).upper() for name in channels)
