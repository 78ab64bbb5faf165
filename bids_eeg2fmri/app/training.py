"""From pairs to a trained model."""

import json
import logging
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float32

from bids_eeg2fmri.app.checkpoints import Keeper, on_cpu, read_if_whole, sweep_half_written
from bids_eeg2fmri.app.job import Job
from bids_eeg2fmri.app.plan import Plan
from bids_eeg2fmri.app.recordings import PairedRun
from bids_eeg2fmri.app.reference import Reference, measure, units
from bids_eeg2fmri.app.saved import card_of, rebuild, tensors_beside
from bids_eeg2fmri.bids.models import read_model, write_model
from bids_eeg2fmri.model.hybrid import Hybrid
from bids_eeg2fmri.model.network import Network
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


def train(job: Job, plan: Plan, runs: Sequence[PairedRun]) -> Trained:
    """Fit a model to the training pairs of some runs."""
    config, parents = plan.recipe(job), [run.unit for run in runs]
    key = job.store.key("train", plan.item, config, parents)

    def make(folder: Path) -> None:
        pairs, gap = [run.pairs for run in runs], job.gap(run.clock.tr for run in runs)
        learnt = learn(job, plan, pairs, gap, job.store.scratch("train", key))
        arrays.save(folder, "scale", learnt.scale)
        arrays.save(folder, "reference", learnt.reference)
        tensors = on_cpu(learnt.fitting.model.state_dict())
        usual = training_range(pairs, plan.split.train, learnt.scale)
        beside = tensors_beside(learnt.scale, learnt.reference, pairs[0].mask, usual)
        write_model(folder, {**tensors, **beside}, card_of(job, plan, runs, learnt.fitting))

    unit = job.store.unit("train", plan.item, config, parents, make)
    trained = Trained(plan.model, unit)
    epochs, best = trained.card["history"], trained.card["best_epoch"]
    text = f"{plan.model}  kept after epoch {best} of {len(epochs)}"
    log.tell_unit(plan.owner, "train", unit, text)
    return trained


@dataclass(frozen=True)
class Learnt:
    """What a training ends with."""

    fitting: Fitting
    scale: Scale
    reference: Reference


def learn(
    job: Job,
    plan: Plan,
    pairs: Sequence[Pairs],
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
        What the log calls it; by default the model's name.
    """
    seed, cfg, split = plan.seed(job), plan.config(job), plan.split
    scale = units(cfg.scale, pairs, split)
    reference = measure(pairs, split.train, scale)
    with drawing(seed):
        model = build(plan.model, plan.shapes, cfg.model).to(job.device)
    brain = training_brain(pairs, split.train)
    fitting = start(model, cfg.train, expected(reference.mean, scale), brain)
    parts = (Examples(pairs, split.train, scale), Examples(pairs, split.valid, scale))
    if isinstance(model, Hybrid):
        response = solve_linear_path(model, parts[0], cfg.spectrogram.value, gap, seed)
    near = (keep_on_gpu(parts[0], model.device), keep_on_gpu(parts[1], model.device))
    _fit(job, plan, title or plan.model, fitting, near, checkpoints)
    if isinstance(model, Hybrid):
        settle(model, near[1], response)
    return Learnt(fitting, scale, reference)


def load_model(job: Job, trained: Trained) -> Network:
    """Build a trained network again from its unit."""
    tensors, card = read_model(trained.unit.folder)
    return rebuild(card, tensors, job.config.model, job.device)


def _fit(
    job: Job,
    plan: Plan,
    title: str,
    fitting: Fitting,
    parts: tuple[Examples, Examples],
    checkpoints: Path,
) -> None:
    """Train with progress and checkpoints; take up the last checkpoint if there is one."""
    owner, cfg, saved = plan.owner, job.config.train, checkpoints / "fitting.safetensors"
    sweep_half_written(checkpoints)
    if kept := read_if_whole(saved, owner, title):
        tensors, history = kept
        fitting.restore(tensors, [Epoch(**epoch) for epoch in history])
        log.tell(owner, "train", f"{title}  taken up after epoch {len(fitting.history)}")
        del kept, tensors  # some 500 MB at the shape of NODDI
    keeper = Keeper(saved)
    with log.progress(cfg.epochs, f"{owner} {title}") as advance:
        advance(len(fitting.history))
        for epoch in fit(fitting, *parts, cfg, plan.seed(job)):
            keeper.keep(fitting.tensors(), [asdict(epoch) for epoch in fitting.history])
            minutes, seconds = divmod(round((cfg.epochs - epoch.number) * epoch.seconds), 60)
            log.tell(
                owner,
                "train",
                f"{title}  epoch {epoch.number}/{cfg.epochs}  {epoch.train_loss:.4f} → "
                f"{epoch.valid_loss:.4f}  {minutes:02d}:{seconds:02d} left",
            )
            advance(1)
    _tell_troubles(owner, title, fitting, cfg.batch_size)


def _tell_troubles(owner: str, title: str, fitting: Fitting, batch_size: int) -> None:
    """Warn of what a training has gone on from, at a price."""
    if fitting.diverged:
        text = (
            f"{title}  stopped in epoch {fitting.diverged}: the loss was not a number; the "
            f"state of epoch {fitting.best_epoch} is kept. Lower train.learning_rate"
        )
        log.tell(owner, "train", text, logging.WARNING)
    if fitting.parts > 1:
        text = (
            f"{title}  the memory does not suffice for {batch_size} pairs at a time: each batch "
            f"was taken in {fitting.parts} parts, of which batch normalisation saw one at a time"
        )
        log.tell(owner, "train", text, logging.WARNING)
