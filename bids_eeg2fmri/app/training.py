"""From pairs to a trained model."""

import json
import logging
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float32

from bids_eeg2fmri.app.checkpoints import Keeper, on_cpu, read_if_whole, sweep_half_written
from bids_eeg2fmri.app.job import Job
from bids_eeg2fmri.app.recordings import PairedRun
from bids_eeg2fmri.app.reference import Reference, measure, units
from bids_eeg2fmri.app.saved import card_of, rebuild, tensors_beside
from bids_eeg2fmri.bids.models import read_model, write_model
from bids_eeg2fmri.config import Config
from bids_eeg2fmri.model.hybrid import Hybrid
from bids_eeg2fmri.model.names import find
from bids_eeg2fmri.model.network import Network, Shapes
from bids_eeg2fmri.model.registry import build
from bids_eeg2fmri.preprocess.bold import training_brain
from bids_eeg2fmri.preprocess.domain import training_range
from bids_eeg2fmri.preprocess.scale import expected, own_scale
from bids_eeg2fmri.runtime import arrays, log
from bids_eeg2fmri.runtime.store import Unit
from bids_eeg2fmri.train.examples import Examples
from bids_eeg2fmri.train.fit import Epoch, Fitting, drawing, fit, start
from bids_eeg2fmri.train.hybrid import settle, solve_linear_path
from bids_eeg2fmri.train.resident import keep_on_gpu
from bids_eeg2fmri.train.splits import Split, extents
from bids_eeg2fmri.types import Pairs, Scale


@dataclass(frozen=True)
class Trained:
    """A trained model."""

    name: str
    unit: Unit

    @property
    def scale(self) -> Scale:
        """Its units."""
        return arrays.load(self.unit.folder, "scale", Scale)

    def scale_of(self, run: PairedRun) -> Scale:
        """Its units for the volumes of one run."""
        return own_scale(self.scale, run.files.name)

    @property
    def reference(self) -> Reference:
        """Its baseline."""
        return arrays.load(self.unit.folder, "reference", Reference)

    def mean_on(self, run: PairedRun) -> Float32[np.ndarray, "x y z"]:
        """Its baseline on the native grid, in the units of the run's participant."""
        return self.reference.on(run, self.scale)

    @property
    def card(self) -> dict[str, Any]:
        """What one must know to use it."""
        card: dict[str, Any] = json.loads((self.unit.folder / "model.json").read_text())
        return card

    @property
    def history(self) -> list[Epoch]:
        """How its training went."""
        return [Epoch(**epoch) for epoch in self.card["history"]]


def train(
    job: Job,
    owner: str,
    name: str,
    runs: Sequence[PairedRun],
    split: Split,
    shapes: Shapes,
) -> Trained:
    """Fit a model to the training pairs of some runs.

    Parameters
    ----------
    owner
        Whose model it is, e.g. ``sub-03`` or ``group_task-rest``.
    shapes
        What the network is built from.
    """
    config = recipe(job, owner, name, split, shapes)
    item, parents = f"{owner}_{name}", [run.unit for run in runs]
    key = job.store.key("train", item, config, parents)

    def make(folder: Path) -> None:
        pairs, gap = [run.pairs for run in runs], job.gap(run.clock.tr for run in runs)
        checkpoints = job.store.scratch("train", key)
        learnt = learn(job, owner, name, pairs, split, shapes, gap, checkpoints)
        arrays.save(folder, "scale", learnt.scale)
        arrays.save(folder, "reference", learnt.reference)
        tensors = on_cpu(learnt.fitting.model.state_dict())
        card = card_of(job, name, runs, split, shapes, learnt.fitting)
        usual = training_range(pairs, split.train, learnt.scale)
        beside = tensors_beside(learnt.scale, learnt.reference, pairs[0].mask, usual)
        write_model(folder, {**tensors, **beside}, card)

    unit = job.store.unit("train", item, config, parents, make)
    trained = Trained(name, unit)
    epochs, best = trained.card["history"], trained.card["best_epoch"]
    log.tell_unit(owner, "train", unit, f"{name}  kept after epoch {best} of {len(epochs)}")
    return trained


def recipe(job: Job, owner: str, name: str, split: Split, shapes: Shapes) -> list[Any]:
    """List what a training depends on, beside the pairs."""
    seed, cfg = job.seed_of(owner, name), _with_target(job.config, name)
    given = {"model_name": name, "shapes": asdict(shapes), "seed": seed, "device": job.device}
    given |= {"split": {part: extents(index) for part, index in vars(split).items()}}
    given["gap"] = job.config.split.gap
    return [cfg.model, cfg.train, cfg.scale, given]


@dataclass(frozen=True)
class Learnt:
    """What a training ends with."""

    fitting: Fitting
    scale: Scale
    reference: Reference


def learn(
    job: Job,
    owner: str,
    name: str,
    pairs: Sequence[Pairs],
    split: Split,
    shapes: Shapes,
    gap: float,
    checkpoints: Path,
    title: str | None = None,
) -> Learnt:
    """Fit a model to the training pairs, be they as recorded or of a null.

    Parameters
    ----------
    gap
        Seconds that pairs of a run must be apart to share no EEG.
    checkpoints
        Folder from which an interrupted training is taken up.
    title
        What the log calls it; by default its name.
    """
    seed, cfg = job.seed_of(owner, name), _with_target(job.config, name)
    scale = units(cfg.scale, pairs, split)
    reference = measure(pairs, split.train, scale)
    model = _draw(job, name, shapes, seed)
    brain = training_brain(pairs, split.train)
    fitting = start(model, cfg.train, expected(reference.mean, scale), brain)
    parts = (Examples(pairs, split.train, scale), Examples(pairs, split.valid, scale))
    if isinstance(model, Hybrid):
        response = solve_linear_path(model, parts[0], job.config.spectrogram.value, gap, seed)
    near = (keep_on_gpu(parts[0], model.device), keep_on_gpu(parts[1], model.device))
    _fit(job, owner, title or name, fitting, near, checkpoints, seed)
    if isinstance(model, Hybrid):
        settle(model, near[1], response)
    return Learnt(fitting, scale, reference)


def _with_target(cfg: Config, name: str) -> Config:
    """Let a model with a linear path predict deviations."""
    if not find(name).linear_path:
        return cfg
    return replace(cfg, scale=replace(cfg.scale, target="deviation"))


def load_model(job: Job, trained: Trained) -> Network:
    """Build a trained network again from its unit."""
    tensors, card = read_model(trained.unit.folder)
    return rebuild(card, tensors, job.config.model, job.device)


def _draw(job: Job, name: str, shapes: Shapes, seed: int) -> Network:
    with drawing(seed):
        return build(name, shapes, job.config.model).to(job.device)


def _fit(
    job: Job,
    owner: str,
    name: str,
    fitting: Fitting,
    parts: tuple[Examples, Examples],
    checkpoints: Path,
    seed: int,
) -> None:
    """Train with progress and checkpoints; take up the last checkpoint if there is one."""
    cfg, saved = job.config.train, checkpoints / "fitting.safetensors"
    sweep_half_written(checkpoints)
    if kept := read_if_whole(saved, owner, name):
        tensors, history = kept
        fitting.restore(tensors, [Epoch(**epoch) for epoch in history])
        log.tell(owner, "train", f"{name}  taken up after epoch {len(fitting.history)}")
        del kept, tensors
    keeper = Keeper(saved)
    with log.progress(cfg.epochs, f"{owner} {name}") as advance:
        advance(len(fitting.history))
        for epoch in fit(fitting, *parts, cfg, seed):
            keeper.keep(fitting.tensors(), [asdict(epoch) for epoch in fitting.history])
            minutes, seconds = divmod(round((cfg.epochs - epoch.number) * epoch.seconds), 60)
            log.tell(
                owner,
                "train",
                f"{name}  epoch {epoch.number}/{cfg.epochs}  {epoch.train_loss:.4f} → "
                f"{epoch.valid_loss:.4f}  {minutes:02d}:{seconds:02d} left",
            )
            advance(1)
    _tell_troubles(owner, name, fitting, cfg.batch_size)


def _tell_troubles(owner: str, name: str, fitting: Fitting, batch_size: int) -> None:
    """Warn of what a training has gone on from, at a price."""
    if fitting.diverged:
        text = (
            f"{name}  stopped in epoch {fitting.diverged}: the loss was not a number; the "
            f"state of epoch {fitting.best_epoch} is kept. Lower train.learning_rate"
        )
        log.tell(owner, "train", text, logging.WARNING)
    if fitting.parts > 1:
        text = (
            f"{name}  the memory does not suffice for {batch_size} pairs at a time: each batch was "
            f"taken in {fitting.parts} parts, of which batch normalisation saw one at a time"
        )
        log.tell(owner, "train", text, logging.WARNING)
