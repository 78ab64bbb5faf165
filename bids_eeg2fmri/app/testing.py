"""From a trained model to synthesised volumes and what they are worth."""

import logging
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path

import numpy as np
from jaxtyping import Float32, Float64

from bids_eeg2fmri.app.job import Job
from bids_eeg2fmri.app.recordings import PairedRun
from bids_eeg2fmri.app.synthesising import keep_synthesised
from bids_eeg2fmri.app.training import Trained, load_model
from bids_eeg2fmri.evaluate.baselines import mean_volume_prediction
from bids_eeg2fmri.evaluate.evidence import Drawn, Evidence, hold_against
from bids_eeg2fmri.evaluate.metrics import score, sd_ratio, unmask
from bids_eeg2fmri.evaluate.null import (
    admissible_shifts,
    correlation_by_shift,
    least_shift,
    shift_p,
    shifted_p,
    skill_by_shift,
    smallest_p,
)
from bids_eeg2fmri.evaluate.statistics import false_discovery_q
from bids_eeg2fmri.evaluate.surrogates import permuted_correlation
from bids_eeg2fmri.evaluate.verdict import ALPHA
from bids_eeg2fmri.preprocess.bold import resize
from bids_eeg2fmri.runtime import arrays, log
from bids_eeg2fmri.runtime.store import Unit
from bids_eeg2fmri.train.splits import Index
from bids_eeg2fmri.types import Scores, typed

Nulls = Mapping[str, tuple[Unit, ...]]
"""Units with draws of the nulls that cost runs of the model, by name in ``surrogates.NULLS``."""
BASELINE = "mean-volume"
"""The row of scores that no EEG is needed for."""
DRAWS = ("null_draws", "phase_draws", "retrained_draws")
"""The settings that say how often nulls are drawn."""


@typed
class Check:
    """What the model on shifted EEG reaches beside the model on the true one."""

    r: float
    """Temporal correlation, mean over the mask."""
    null: Float64[np.ndarray, " draws"]
    """The same under circular shifts of the EEG; empty where the test is too short for any."""
    p: float
    """One-sided p of ``r`` among all shifts of the EEG; NaN where ``null`` is empty."""
    p_map: Float32[np.ndarray, "x y z"]
    """The same for each voxel, uncorrected; NaN outside the mask."""
    q_map: Float32[np.ndarray, "x y z"]
    """The same with false discoveries controlled over the mask (Benjamini & Hochberg 1995)."""


@dataclass(frozen=True)
class Tested:
    """What a model made of the test volumes of one run."""

    run: PairedRun
    index: Index
    """Its pairs that are tested."""
    trained: Trained
    unit: Unit
    """Where the synthesised volumes and the scores are stored."""
    nulls: Nulls = field(default_factory=dict)
    """Draws of further nulls, where any were asked for."""

    @property
    def units(self) -> list[Unit]:
        """All that reports of it rest on."""
        return [self.unit, *chain(*self.nulls.values())]

    @property
    def synthesised(self) -> Float32[np.ndarray, "volumes x y z"]:
        """Synthesised volumes on the native grid, in the scanner's units."""
        return np.asarray(np.load(self.unit.folder / "synthesised.npy", mmap_mode="r"))

    @property
    def target(self) -> Float32[np.ndarray, "volumes x y z"]:
        """The same volumes as observed, on the native grid, as finely as the model's grid."""
        return observed_volumes(self.run, self.index)

    def observed(self) -> Iterator[Float32[np.ndarray, "x y z"]]:
        """Yield the volumes of ``target``, one in memory at a time."""
        pairs = self.run.pairs
        for i in self.index:
            yield resize(pairs.bold[i], pairs.mask.shape)

    def residuals(self) -> Iterator[Float32[np.ndarray, "x y z"]]:
        """Yield observed minus synthesised volumes, one in memory at a time."""
        for y, y_hat in zip(self.observed(), self.synthesised, strict=True):
            yield y - y_hat

    def baseline(self) -> Float32[np.ndarray, "volumes x y z"]:
        """Give the mean volume of the training pairs in the place of each test volume."""
        return mean_volume_prediction(self.trained.mean_on(self.run), len(self.index))

    @property
    def bold_sd(self) -> float:
        """Standard deviation by which the run's volumes were scaled: the unit of RMSE and MAE."""
        return self.trained.scale_of(self.run).bold_sd

    @property
    def scores(self) -> dict[str, Scores]:
        """Scores by model: the model itself, the mean volume, and the model on shifted EEG.

        The last is missing where the test is too short to shift the EEG.
        """
        names = sorted(path.stem for path in self.unit.folder.glob("scores?.json"))
        found = [arrays.load(self.unit.folder, name, Scores) for name in names]
        return {scores.model: scores for scores in found}

    @property
    def skill(self) -> tuple[float, float]:
        """Skill with the EEG in time and with shifted EEG; NaN where there is none."""
        name, scores = self.trained.name, self.scores
        found = [scores[row] for row in (name, shifted(name)) if row in scores]
        true, null = [*(one.summary["skill"] for one in found), math.nan][:2]
        return true, null

    @property
    def check(self) -> Check:
        """How the model compares with itself on shifted EEG."""
        return arrays.load(self.unit.folder, "check", Check)

    @property
    def evidence(self) -> Evidence:
        """What its verdict rests on."""
        found = arrays.load(self.unit.folder, "evidence", Evidence)
        return with_nulls(found, self.nulls, self.run)


def test(job: Job, trained: Trained, run: PairedRun, index: Index) -> Tested:
    """Synthesise the test volumes of one run and score them beside the baselines."""

    def make(folder: Path) -> None:
        model = load_model(job, trained)
        volumes = keep_synthesised(folder, model, trained.scale, run.pairs, index)
        target = observed_volumes(run, index)
        evidence = weigh(job, run, target, volumes, trained.mean_on(run))
        for i, scores in enumerate(_scores(trained, run, target, volumes, evidence.min_shift)):
            arrays.save(folder, f"scores{i}", scores)
        arrays.save(folder, "evidence", evidence)
        arrays.save(folder, "check", _check(job, run, target, volumes, evidence))

    item = f"{run.files.name}_{trained.name}"
    unit = job.store.unit("test", item, recipe(job, index), [trained.unit, run.unit], make)
    tested = Tested(run, index, trained, unit)
    log.tell_unit(run.files.name, "test", unit, headline(tested))
    return tested


def recipe(job: Job, index: Index) -> list[dict[str, object]]:
    """List what a test depends on, beside what is tested."""
    draws = {"null_draws": job.config.evaluate.null_draws, "seed": job.config.seed}
    return [{**draws, "test_pairs": index.tolist()}]


def with_nulls(evidence: Evidence, nulls: Nulls, run: PairedRun) -> Evidence:
    """Lay what draws of other nulls gave for a run beside the rest."""
    for name, units in nulls.items():
        drawn = [arrays.load(unit.folder, "drawn", Drawn).r[run.files.name] for unit in units]
        evidence = hold_against(evidence, name, np.concatenate([np.empty(0), *drawn]))
    return evidence


def tell_few_draws(job: Job) -> None:
    """Warn of nulls with so few draws that nothing could be significant against them."""
    asked = {name: getattr(job.config.evaluate, name) for name in DRAWS}
    if few := [f"evaluate.{name}={n}" for name, n in asked.items() if n and smallest_p(n) >= ALPHA]:
        text = f"{', '.join(few)}: too few draws for the p of a run to fall below {ALPHA:g}"
        text = f"{text}; set {math.floor(1 / ALPHA)} or more"
        log.tell("settings", "draws", text, logging.WARNING)


def headline(tested: Tested) -> str:
    """Say how well a model did, beside its baselines, in one line."""
    check, scores = tested.check, tested.scores
    model, mean = scores[tested.trained.name].summary, scores[BASELINE].summary
    null, (skill, skill_null) = "no null: the test is too short", tested.skill
    if check.null.size:
        null = f"shifted EEG {check.null.mean():.3f}, p {check.p:.3f}"
    r = f"{check.r:.3f} ({null})" if math.isfinite(check.r) else "undefined (constant output)"
    return (
        f"{tested.trained.name}  temporal r {r}, "
        f"RMSE {model['rmse_mask']:.4f} (mean volume {mean['rmse_mask']:.4f}), "
        f"skill {skill:+.4f}" + f" (shifted EEG {skill_null:+.4f})" * math.isfinite(skill_null)
    )


def shifted(model: str) -> str:
    """Name the row of a model's scores on shifted EEG."""
    return f"{model} on shifted EEG"


def weigh(
    job: Job,
    run: PairedRun,
    target: Float32[np.ndarray, "volumes x y z"],
    volumes: Float32[np.ndarray, "volumes x y z"],
    mean: Float32[np.ndarray, "x y z"],
) -> Evidence:
    """Gather what tells whether a prediction follows the EEG or chance, over the mask."""
    cfg, mask = job.config, run.pairs.mask
    observed, predicted = target[:, mask], volumes[:, mask]
    least = least_shift(observed, predicted, window_volumes(job, run))
    by_shift = correlation_by_shift(observed, predicted)
    drawn = (cfg.evaluate.null_draws, cfg.seed)
    # Blocks of twice the length, as few and short ones let p be too small.
    permuted = permuted_correlation(observed, predicted, 2 * least, *drawn)
    variances = (s.var(axis=0, dtype=np.float64).sum(keepdims=True) for s in (predicted, observed))
    skills = skill_by_shift(observed, predicted, mean[mask])
    evidence = Evidence(by_shift, skills, least, float(sd_ratio(*variances)[0]))
    return hold_against(evidence, "block-permutation", permuted)


def window_volumes(job: Job, run: PairedRun) -> int:
    """Count the volumes after which the EEG has left its window."""
    window, tr = job.config.window, run.clock.tr
    return math.ceil(window.start * window.seconds(tr) / tr)


def observed_volumes(run: PairedRun, index: Index) -> Float32[np.ndarray, "volumes x y z"]:
    """Bring observed volumes to the native grid; where they are on it, they stay on disk."""
    without_holes = int(index[-1]) - int(index[0]) + 1 == len(index)
    bold = run.pairs.bold
    chosen = bold[index[0] : index[-1] + 1] if without_holes else bold[index]
    return resize(chosen, run.pairs.mask.shape)


def _scores(
    trained: Trained,
    run: PairedRun,
    target: Float32[np.ndarray, "volumes x y z"],
    volumes: Float32[np.ndarray, "volumes x y z"],
    least: int,
) -> list[Scores]:
    """Score the model, the mean volume, and the model with its EEG shifted by half the test.

    The last only where that is ``least`` volumes or more.
    """
    reference, mask, mean = trained.reference, run.pairs.mask, trained.mean_on(run)
    predictions = {
        trained.name: volumes,
        BASELINE: mean_volume_prediction(mean, len(target)),
    }
    half = len(volumes) // 2
    if half in admissible_shifts(len(volumes), least, len(volumes), seed=0):
        predictions[shifted(trained.name)] = np.roll(volumes, half, axis=0)
    sd = trained.scale_of(run).bold_sd
    span = reference.span * (sd / trained.scale.bold_sd)
    return [
        score(name, target, predicted, mean, mask, sd, span)
        for name, predicted in predictions.items()
    ]


def _check(
    job: Job,
    run: PairedRun,
    target: Float32[np.ndarray, "volumes x y z"],
    volumes: Float32[np.ndarray, "volumes x y z"],
    evidence: Evidence,
) -> Check:
    """Compare the model with itself on shifted EEG, all voxels of the mask over time."""
    cfg, mask, least = job.config, run.pairs.mask, evidence.min_shift
    by_shift = evidence.r_by_shift
    beyond = admissible_shifts(len(target), least, cfg.evaluate.null_draws, cfg.seed)
    p = shifted_p(target[:, mask], volumes[:, mask], least)
    return Check(
        float(by_shift[0]),
        by_shift[beyond],
        shift_p(by_shift, least),
        unmask(p, mask),
        unmask(false_discovery_q(p), mask),
    )
