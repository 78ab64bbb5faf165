"""Hyperparameters by Bayesian optimisation, §4.1 of the paper: the trials and what they gave."""

import json
import logging
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property, partial
from pathlib import Path
from typing import Literal

import numpy as np
from jaxtyping import Float32, Float64

from bids_eeg2fmri.app.choosing import first_shapes
from bids_eeg2fmri.app.grounds import Ground, of_participants, of_tasks
from bids_eeg2fmri.app.job import Job
from bids_eeg2fmri.app.triage import attempt, conclude, find, merged
from bids_eeg2fmri.bids.write import write_bytes, write_json, write_table, write_text
from bids_eeg2fmri.config import Config
from bids_eeg2fmri.errors import AppError
from bids_eeg2fmri.evaluate.metrics import BOLD_SD
from bids_eeg2fmri.model.autoencoder import Autoencoder
from bids_eeg2fmri.model.names import first_encoding
from bids_eeg2fmri.model.network import Network
from bids_eeg2fmri.model.registry import build
from bids_eeg2fmri.preprocess.bold import training_brain
from bids_eeg2fmri.preprocess.scale import expected, fit_scale, mean_volume
from bids_eeg2fmri.report.experiments import optimisation_picture
from bids_eeg2fmri.runtime import log
from bids_eeg2fmri.runtime.execute import Failure, map_items
from bids_eeg2fmri.runtime.store import Unit
from bids_eeg2fmri.search import bayes
from bids_eeg2fmri.search.bayes import Space, Trial, Values
from bids_eeg2fmri.settings import from_mapping, spell_value
from bids_eeg2fmri.train.examples import Examples, Reconstructions
from bids_eeg2fmri.train.fit import Fitting, drawing, fit, start
from bids_eeg2fmri.train.splits import Index, extents
from bids_eeg2fmri.types import Pairs, Scale

Phase = Literal["autoencoder", "synthesis"]
PHASES: Mapping[int, Phase] = {1: "autoencoder", 2: "synthesis"}
"""What each phase of the paper searches with."""
TITLES = {
    1: "Phase 1, the autoencoder of BOLD",
    2: "Phase 2, synthesis from EEG",
}
COLUMNS: Mapping[str, Mapping[str, object]] = {
    "trial": {"Description": "Number of the trial, from 1"},
    "score": {
        "Description": "Lowest mean absolute error over the validation pairs; n/a where it failed",
        "Units": BOLD_SD,
    },
    "seconds": {"Description": "Time that it took; n/a where it was killed", "Units": "s"},
    "failure": {"Description": "Why it failed"},
}

Point = tuple[int, Values]
"""Number of a trial and where in the space it is."""
Kept = tuple[Trial, Unit]
"""A trial and where it is stored."""


def run_optimisation(job: Job, level: str, phases: Sequence[int]) -> None:
    """Search for each participant or, at group level, for each task.

    Raises
    ------
    AppError
        If participants, runs or tasks failed, after the others are done.
    """
    found = find(job)
    grounds = of_participants if level == "participant" else of_tasks
    done, failed = attempt(partial(_search, job, phases), grounds(job, found.runs))
    conclude(found, [*found.runs], {}, merged(done) | failed)


def _search(
    job: Job, phases: Sequence[int], prepared: Callable[[], Ground]
) -> Mapping[str, AppError]:
    """Go through the phases; the second keeps the latent space that the first has found.

    Returns
    -------
    Why runs could not be used.
    """
    ground = prepared()
    for phase in phases:
        best = optimise(job, ground, phase)
        if "model.latent" in best.values:
            found = {"model": {"latent": best.values["model.latent"]}}
            job = replace(job, config=from_mapping(found, job.config))
    return ground.failed


def optimise(job: Job, ground: Ground, phase: int) -> Trial:
    """Search in one phase until its budget is spent; give the best trial.

    Every trial is kept as it ends: after an interruption the search goes on with the same points.
    They run in worker processes, so that one that is killed, e.g. for want of memory, is a failed
    trial and not the end of the search.

    Raises
    ------
    UsageError
        If an earlier search of the same owner had another space.
    DataError
        If every trial failed.
    """
    search = _Search(job, ground, phase)
    search.check_space()
    text = f"phase {phase}  the training mean volume scores {search.mean_score:.4g}"
    log.tell(ground.owner, "search", text)
    trials: list[Trial] = []
    with log.progress(job.config.optimise.iterations, f"{ground.owner} phase {phase}") as advance:
        while points := bayes.due(search.space, trials, job.config.optimise, search.seed):
            trials += search.evaluate(points, advance)
            search.write(trials)
    best = bayes.best(trials)
    search.tell_best(best, len(trials))
    return best


def ready(
    cfg: Config,
    phase: Phase,
    pairs: Sequence[Pairs],
    train: Sequence[Index],
    mean: Float32[np.ndarray, "x y z"],
    seed: int,
    device: str,
) -> Fitting:
    """Draw the network of one point, with the encoders that come first, and ready it for training.

    Parameters
    ----------
    train
        Pairs of each run to learn from.
    mean
        Their mean volume in the model's units.
    """
    brain = training_brain(pairs, train)
    shapes = first_shapes(cfg, pairs[0].eeg.shape[1:], pairs[0].bold.shape[1:])
    shapes = replace(shapes, brain=int(brain.sum()))
    with drawing(seed):
        if phase == "autoencoder":
            model: Network = Autoencoder(shapes, cfg.model)
        else:
            model = build(first_encoding(cfg.models), shapes, cfg.model)
    return start(model.to(device), cfg.train, mean, brain)


@dataclass(frozen=True)
class _Search:
    """One phase on one ground; travels to the workers."""

    job: Job
    ground: Ground
    phase: int

    @property
    def space(self) -> Space:
        return bayes.search_space(PHASES[self.phase], self.job.config.optimise)

    @property
    def seed(self) -> int:
        return self.job.seed_of(self.ground.owner, "optimise", str(self.phase))

    @cached_property
    def mean_score(self) -> float:
        """What the training mean volume scores on the validation pairs."""
        pairs, scale, mean = self._measure()
        return bayes.score_of_mean(Reconstructions(pairs, self.ground.valid, scale), mean)

    def check_space(self) -> None:
        """Compare the space with that of the search that is gone on with; write it if first."""
        record = self.job.work / "optimise" / f"{self.ground.owner}_phase-{self.phase}.json"
        if record.is_file():
            bayes.check_same_space(self.space, json.loads(record.read_text(encoding="utf-8")))
        else:
            write_json(record, bayes.describe(self.space))

    def evaluate(
        self, points: Mapping[int, Values], advance: Callable[[int], None]
    ) -> Sequence[Trial]:
        """Try points in worker processes; keep as failed whose worker is killed, even alone."""
        trials: dict[int, Trial] = {}

        def take(point: Point, outcome: Kept | Failure[Point]) -> None:
            if isinstance(outcome, Failure):
                if not outcome.killed:
                    raise self.job.explain(self.ground.owner, outcome)
                outcome = self.keep(point, lambda: Trial(*point, None, bayes.KILLED))
            trial, unit = outcome
            trials[trial.number] = trial
            self._tell(trial, unit)
            advance(1)

        map_items(
            self.try_point,
            [*points.items()],
            self.job.pool,
            apart=True,
            on_result=take,
        )
        return [trials[number] for number in points]

    def try_point(self, point: Point) -> Kept:
        """Evaluate one point, or find what it gave before."""
        return self.keep(point, lambda: bayes.attempt(*point, self._score))

    def keep(self, point: Point, evaluate: Callable[[], Trial]) -> Kept:
        """Find the trial of a point in the store, or put it there."""
        number, values = point
        config, ground = self._settings(values), self.ground
        given = {"seed": self.seed, "device": self.job.device, "values": values}
        given |= {"phase": self.phase, "split": [extents(ground.train), extents(ground.valid)]}
        if self.phase == 2:
            given["model_name"] = first_encoding(config.models)

        def make(folder: Path) -> None:
            (folder / "trial.json").write_text(json.dumps(asdict(evaluate()), allow_nan=False))

        item = f"{ground.owner}_phase-{self.phase}_{number:03d}"
        settings = [config.search, config.model, config.scale, config.train, given]
        unit = self.job.store.unit("trial", item, settings, [run.unit for run in ground.runs], make)
        return Trial(**json.loads((unit.folder / "trial.json").read_text())), unit

    def tell_best(self, best: Trial, n: int) -> None:
        """Log the outcome, and whether it is one."""
        owner = self.ground.owner
        text = f"phase {self.phase}  trial {best.number + 1} of {n}: {best.score:.4g}"
        log.tell(owner, "result", f"{text}  {self._stem.name}_best.toml")
        if not bayes.beats(best, self.mean_score):
            text = (
                f"phase {self.phase}  no trial beats the training mean volume by "
                f"{bayes.MARGIN:.1%}, so the best point says little. Give the search more "
                "--iterations or optimise.epochs."
            )
            log.tell(owner, "result", text, logging.WARNING)

    def write(self, trials: Sequence[Trial]) -> None:
        """Write all trials so far, the trace, and the best point as a settings file."""
        scores = np.array([math.nan if one.score is None else one.score for one in trials])
        rows: dict[str, Sequence[object] | np.ndarray] = {
            "trial": [one.number + 1 for one in trials],
            "score": scores,
            "seconds": [one.seconds for one in trials],
            "failure": [one.reason or "n/a" for one in trials],
        }
        rows |= {name: [one.values[name] for one in trials] for name in self.space}
        searched = {name: {"Description": "Setting that was searched"} for name in self.space}
        metadata = {
            "Description": f"{TITLES[self.phase]}. MeanVolumeScore is what the training mean "
            "volume scores on the same pairs: a trial that learnt nothing scores the same",
            "MeanVolumeScore": self.mean_score,
            "Space": bayes.describe(self.space),
        }
        table = self._stem.with_name(f"{self._stem.name}_trials.tsv")
        write_table(table, rows, {**COLUMNS, **searched}, metadata=metadata)
        if np.isfinite(scores).any():
            toml = self._stem.with_name(f"{self._stem.name}_best.toml")
            write_text(toml, self._as_toml(bayes.best(trials)))
            self._draw(trials, scores)

    def _settings(self, values: Values) -> Config:
        """Give the settings of a point, trained as the search says."""
        config = from_mapping(bayes.overrides(values), self.job.config)
        epochs, batch_size = config.optimise.epochs, config.optimise.batch_size
        return replace(config, train=replace(config.train, epochs=epochs, batch_size=batch_size))

    def _score(self, values: Values) -> float:
        """Train a network with the settings of one point; give its lowest validation loss."""
        cfg, ground = self._settings(values), self.ground
        pairs, scale, mean = self._measure()
        kind = Reconstructions if self.phase == 1 else Examples
        fitting = ready(
            cfg, PHASES[self.phase], pairs, ground.train, mean, self.seed, self.job.device
        )
        parts = (kind(pairs, ground.train, scale), kind(pairs, ground.valid, scale))
        best = min(epoch.valid_loss for epoch in fit(fitting, *parts, cfg.train, self.seed))
        return math.nan if fitting.diverged else best

    def _measure(self) -> tuple[list[Pairs], Scale, Float32[np.ndarray, "x y z"]]:
        """Give all pairs, and the scale and the scaled mean volume of those to learn from."""
        pairs, ground = [run.pairs for run in self.ground.runs], self.ground
        scale = fit_scale(pairs, ground.train, self.job.config.scale, ground.seen)
        return pairs, scale, expected(mean_volume(pairs, ground.train, scale), scale)

    def _tell(self, trial: Trial, unit: Unit) -> None:
        result = f"failed: {trial.reason}" if trial.score is None else f"{trial.score:.4g}"
        point = ", ".join(f"{name.split('.')[1]} {x:g}" for name, x in trial.values.items())
        text = f"phase {self.phase}  {trial.number + 1}: {result}  {point}"
        log.tell_unit(self.ground.owner, "trial", unit, text)

    def _draw(self, trials: Sequence[Trial], scores: Float64[np.ndarray, " trials"]) -> None:
        latent = self.job.config.model.latent
        latents = [int(one.values.get("model.latent", latent)) for one in trials]
        picture = optimisation_picture(
            self.ground.owner,
            TITLES[self.phase],
            scores,
            latents,
            "validation MAE",
            self.mean_score,
        )
        write_bytes(self._stem.with_name(picture.file_name), picture.data)

    def _as_toml(self, best: Trial) -> str:
        """Spell out the best point for ``--config``, with the K that it was found at."""
        cfg = self.job.config
        lines = [
            f"# {TITLES[self.phase]}: trial {best.number + 1}, validation MAE {best.score:.6g}.",
            f"# The training mean volume, which knows no network, scores {self.mean_score:.6g}.",
        ]
        if not bayes.beats(best, self.mean_score):
            lines.append(f"# No trial beats it by {bayes.MARGIN:.1%}: this point says little.")
        lines += [
            f"# Found with optimise.batch_size = {cfg.optimise.batch_size} and "
            f"optimise.epochs = {cfg.optimise.epochs};",
            "# train.batch_size and train.epochs are not set here and stay what they are.",
            "# All else is as the search was told: give its --preset and settings too.",
            f"# Kept back for the test, whatever settings: {self.ground.kept_back}.",
        ]
        values = {"model.latent": cfg.model.latent, **best.values}
        for section, entries in bayes.overrides(values).items():
            lines += ["", f"[{section}]"]
            lines += [f"{key} = {spell_value(value)}" for key, value in entries.items()]
        return "\n".join(lines) + "\n"

    @property
    def _stem(self) -> Path:
        return self.job.out / "search" / f"{self.ground.owner}_phase-{self.phase}"
