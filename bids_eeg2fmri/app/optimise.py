"""Hyperparameters by Bayesian optimisation, §4.1 of the paper: the trials and what they gave."""

import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Literal

import numpy as np

from bids_eeg2fmri.app.choosing import first_shapes
from bids_eeg2fmri.app.job import Job
from bids_eeg2fmri.app.members import draw_folds, whole_runs
from bids_eeg2fmri.app.recordings import PairedRun, prepare
from bids_eeg2fmri.app.triage import attempt, conclude, find
from bids_eeg2fmri.bids.query import RunFiles
from bids_eeg2fmri.bids.write import write_bytes, write_json, write_table, write_text
from bids_eeg2fmri.evaluate.metrics import BOLD_SD
from bids_eeg2fmri.model.autoencoder import Autoencoder
from bids_eeg2fmri.model.names import first_encoding
from bids_eeg2fmri.model.registry import build
from bids_eeg2fmri.preprocess.scale import fit_scale, mean_volume, scale_bold
from bids_eeg2fmri.report.experiments import optimisation_picture
from bids_eeg2fmri.runtime import log
from bids_eeg2fmri.runtime.execute import Failure, map_items
from bids_eeg2fmri.search import bayes
from bids_eeg2fmri.search.bayes import Space, Trial, Values
from bids_eeg2fmri.settings import from_mapping, spell_value
from bids_eeg2fmri.train.fit import Examples, drawing, fit, start
from bids_eeg2fmri.train.splits import Index, extents, hold_back, split_in_time

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
    "seconds": {"Description": "Time that it took", "Units": "s"},
    "failure": {"Description": "Why it failed"},
}

Parts = tuple[tuple[Index, ...], tuple[Index, ...]]
"""Pairs of each run to learn from, and those that give the score."""


@dataclass(frozen=True)
class Ground:
    """The recordings on which points are tried, without a single test pair."""

    owner: str
    """Whose search it is, e.g. ``sub-03`` or ``group_task-rest``."""
    runs: tuple[PairedRun, ...]
    train: tuple[Index, ...]
    """Pairs of each run that networks learn from."""
    valid: tuple[Index, ...]
    """Pairs of each run that give the score."""
    failed: tuple[str, ...]
    """Runs that could not be used."""
    kept_back: str
    """What no trial has seen, in words."""


def run_optimisation(job: Job, level: str, phases: Sequence[int]) -> None:
    """Search for each participant or, at group level, for each task.

    Raises
    ------
    AppError
        If participants, runs or tasks failed, after the others are done.
    """
    bayes.check_budget(job.config.optimise)
    found = find(job)
    grounds = _of_participants if level == "participant" else _of_tasks
    done, failed = attempt(partial(_search, job, phases), grounds(job, found.runs))
    conclude(found, [*found.runs], {}, [*chain(*done), *failed])


def _search(job: Job, phases: Sequence[int], prepared: Callable[[], Ground]) -> tuple[str, ...]:
    """Go through the phases; the second keeps the latent space that the first has found.

    Returns
    -------
    Runs that could not be used.
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

    Raises
    ------
    UsageError
        If an earlier search of the same owner had another space.
    DataError
        If every trial failed.
    """
    cfg = job.config.optimise
    space = bayes.search_space(PHASES[phase], cfg)
    _check_space(job, ground, phase, space)
    seed = job.seed_of(ground.owner, "optimise", str(phase))
    fit_scale([run.pairs for run in ground.runs], ground.train, job.config.scale)  # or no trial can
    trials: list[Trial] = []
    with log.progress(cfg.iterations, f"{ground.owner} phase {phase}") as advance:
        while points := bayes.due(space, trials, cfg, seed):
            call = partial(_try, job, ground, phase, seed)
            items = [*points.items()]
            for one in map_items(call, items, workers=job.workers, threads=job.threads):
                if isinstance(one, Failure):
                    raise one.error
                trials.append(one)
                advance(1)
            _write(job, ground, phase, space, trials)
    best = bayes.best(trials)
    file = f"{_stem(job, ground, phase)}_best.toml"
    text = f"phase {phase}  trial {best.number + 1} of {len(trials)}: {best.score:.4f}  {file}"
    log.tell(ground.owner, "result", text)
    return best


def _try(
    job: Job, ground: Ground, phase: int, seed: int, point: tuple[int, dict[str, bayes.Value]]
) -> Trial:
    """Evaluate one point, or find what it gave before."""
    number, values = point
    config = from_mapping(bayes.overrides(values), job.config)
    train = replace(
        config.train, epochs=config.optimise.epochs, batch_size=config.optimise.batch_size
    )
    tried = replace(job, config=replace(config, train=train))
    item = f"{ground.owner}_phase-{phase}_{number:03d}"
    given = {"seed": seed, "device": job.device, "values": values, "phase": phase}
    given |= {"split": [extents(ground.train), extents(ground.valid)]}
    if phase == 2:
        given["model_name"] = first_encoding(config.models)

    def make(folder: Path) -> None:
        evaluate = partial(_evaluate, tried, ground, phase, seed)
        trial = bayes.attempt(number, values, evaluate)
        (folder / "trial.json").write_text(json.dumps(asdict(trial), allow_nan=False))

    settings = [config.search, config.model, config.scale, train, given]
    unit = job.store.unit("trial", item, settings, [run.unit for run in ground.runs], make)
    trial = Trial(**json.loads((unit.folder / "trial.json").read_text()))
    told = f"{trial.score:.4f}" if trial.score is not None else f"failed: {trial.reason}"
    point_text = ", ".join(f"{name.split('.')[1]} {value:g}" for name, value in values.items())
    log.tell_unit(ground.owner, "trial", unit, f"phase {phase}  {number + 1}: {told}  {point_text}")
    return trial


def _evaluate(job: Job, ground: Ground, phase: int, seed: int, _values: Values) -> float:
    """Train a network with the settings of one point; give its lowest validation loss."""
    cfg, pairs = job.config, [run.pairs for run in ground.runs]
    scale = fit_scale(pairs, ground.train, cfg.scale)
    mean = mean_volume(pairs, ground.train, scale)
    shapes = first_shapes(cfg, pairs[0].eeg.shape[1:], pairs[0].bold.shape[1:])
    with drawing(seed):
        model = (
            Autoencoder(shapes, cfg.model)
            if phase == 1
            else build(first_encoding(cfg.models), shapes, cfg.model)
        )
    kind = bayes.Reconstructions if phase == 1 else Examples
    fitting = start(model.to(job.device), cfg.train, scale_bold(mean, scale))
    parts = (kind(pairs, ground.train, scale), kind(pairs, ground.valid, scale))
    return min(epoch.valid_loss for epoch in fit(fitting, *parts, cfg.train, seed))


def _of_participants(
    job: Job, runs: Mapping[str, Sequence[RunFiles]]
) -> dict[str, Callable[[], Ground]]:
    named = {f"sub-{label}{job.selection.suffix()}": files for label, files in runs.items()}
    return {owner: partial(_of_participant, job, owner, files) for owner, files in named.items()}


def _of_participant(job: Job, owner: str, files: Sequence[RunFiles]) -> Ground:
    """Take of a participant the pairs that do not test; the last ones give the score."""
    runs, failed = prepare(job, files)
    tasks = [run.files.task for run in runs]
    gap = job.gap(run.clock.tr for run in runs)
    split = split_in_time([run.pairs.onset for run in runs], tasks, job.config.split, gap)
    free = [np.concatenate(parts) for parts in zip(split.train, split.valid, strict=True)]
    kept = f"the last {job.config.split.test:.0%} of the pairs of each task"
    return Ground(owner, tuple(runs), *_hold_back(job, runs, free), tuple(failed), kept)


def _of_tasks(job: Job, runs: Mapping[str, Sequence[RunFiles]]) -> dict[str, Callable[[], Ground]]:
    named: dict[str, list[RunFiles]] = {}
    for one in chain(*runs.values()):
        named.setdefault(f"group{job.selection.suffix(one.task)}", []).append(one)
    return {owner: partial(_of_task, job, owner, files) for owner, files in named.items()}


def _of_task(job: Job, owner: str, files: Sequence[RunFiles]) -> Ground:
    """Take of a task the participants that do not test; some of them give the score."""
    paired, failed = prepare(job, files)
    members = draw_folds(job, [*dict.fromkeys(run.files.participant for run in paired)])[0]
    free = [run for run in paired if run.files.participant not in members["test"]]
    kept = f"{', '.join(map('sub-{}'.format, members['test']))}, drawn by seed {job.config.seed}"
    return Ground(owner, tuple(free), *_by_participants(job, free), tuple(failed), kept)


def _by_participants(job: Job, runs: Sequence[PairedRun]) -> Parts:
    """Give a share of the participants to the score; of one participant, the last pairs."""
    labels = sorted({run.files.participant for run in runs})
    if len(labels) == 1:
        return _hold_back(job, runs, whole_runs(runs, labels))
    drawn = np.random.default_rng(job.config.seed).permutation(labels)
    scoring = drawn[: max(1, round(len(labels) * job.config.optimise.valid))].tolist()
    learning = [label for label in labels if label not in scoring]
    return whole_runs(runs, learning), whole_runs(runs, scoring)


def _hold_back(job: Job, runs: Sequence[PairedRun], free: Sequence[Index]) -> Parts:
    """Give the last of each run's free pairs to the score, after a gap."""
    onsets = [run.pairs.onset[index] for run, index in zip(runs, free, strict=True)]
    gap = job.gap(run.clock.tr for run in runs)
    kept, held = hold_back(onsets, job.config.optimise.valid, gap)
    train, valid = (
        tuple(index[i] for index, i in zip(free, part, strict=True)) for part in (kept, held)
    )
    return train, valid


def _check_space(job: Job, ground: Ground, phase: int, space: Space) -> None:
    """Compare the space with that of the search that is gone on with; write it down if first."""
    record = job.work / "optimise" / f"{ground.owner}_phase-{phase}.json"
    if record.is_file():
        bayes.check_same_space(space, json.loads(record.read_text(encoding="utf-8")))
    else:
        write_json(record, bayes.describe(space))


def _write(job: Job, ground: Ground, phase: int, space: Space, trials: Sequence[Trial]) -> None:
    """Write all trials so far, the trace, and the best point as a settings file."""
    stem = _stem(job, ground, phase)
    rows: dict[str, list[object]] = {
        "trial": [one.number + 1 for one in trials],
        "score": [math.nan if one.score is None else one.score for one in trials],
        "seconds": [one.seconds for one in trials],
        "failure": [one.reason or "n/a" for one in trials],
    }
    rows |= {name: [one.values[name] for one in trials] for name in space}
    write_table(
        stem.with_name(f"{stem.name}_trials.tsv"),
        rows,
        {**COLUMNS, **{name: {"Description": "Setting that was searched"} for name in space}},
        metadata={"Description": TITLES[phase], "Space": bayes.describe(space)},
    )
    scores = np.array(rows["score"], dtype=np.float64)
    if np.isfinite(scores).any():
        text = _as_toml(bayes.best(trials), phase, job.config.model.latent, ground.kept_back)
        write_text(stem.with_name(f"{stem.name}_best.toml"), text)
        latent = job.config.model.latent
        latents = [int(one.values.get("model.latent", latent)) for one in trials]
        picture = optimisation_picture(
            ground.owner, TITLES[phase], scores, latents, "validation MAE"
        )
        write_bytes(stem.with_name(picture.file_name), picture.data)


def _stem(job: Job, ground: Ground, phase: int) -> Path:
    return job.out / "search" / f"{ground.owner}_phase-{phase}"


def _as_toml(best: Trial, phase: int, latent: int, kept_back: str) -> str:
    """Spell out the best point as a file that ``--config`` takes, with the K it was found at."""
    lines = [f"# {TITLES[phase]}: trial {best.number + 1}, validation MAE {best.score:.6g}."]
    lines.append(f"# Kept back for the test, whatever settings: {kept_back}.")
    for section, values in bayes.overrides({"model.latent": latent, **best.values}).items():
        lines += ["", f"[{section}]"]
        lines += [f"{key} = {spell_value(value)}" for key, value in values.items()]
    return "\n".join(lines) + "\n"
