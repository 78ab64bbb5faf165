"""What models reach that learnt from EEG of another time."""

import logging
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from itertools import product
from pathlib import Path

import numpy as np
from jaxtyping import Int64

from bids_eeg2fmri.app.job import Job
from bids_eeg2fmri.app.plan import Plan
from bids_eeg2fmri.app.recordings import PairedRun
from bids_eeg2fmri.app.synthesising import synthesise_natively
from bids_eeg2fmri.app.testing import Tested, observed_volumes, window_volumes
from bids_eeg2fmri.app.training import Learnt, learn
from bids_eeg2fmri.app.triage import attempt_side_by_side
from bids_eeg2fmri.errors import AppError
from bids_eeg2fmri.evaluate.evidence import Drawn
from bids_eeg2fmri.evaluate.null import least_shift, shuffled_shifts
from bids_eeg2fmri.evaluate.surrogates import mean_correlation
from bids_eeg2fmri.preprocess.bold import grid_mask
from bids_eeg2fmri.runtime import arrays, log
from bids_eeg2fmri.runtime.execute import seed_for
from bids_eeg2fmri.runtime.store import Unit
from bids_eeg2fmri.train.splits import Index
from bids_eeg2fmri.types import Pairs

NAME = "retrained"


def retrain_all(
    job: Job, plans: Sequence[Plan], runs: Sequence[PairedRun]
) -> tuple[dict[str, list[Unit]], dict[str, AppError]]:
    """Repeat each of one owner's trainings as often as is asked for; give what failed too.

    There are no more draws than shifts in the run that has most: others would be repetitions.

    Returns
    -------
    The repetitions by model, and why some failed.
    """
    asked = job.config.evaluate.retrained_draws
    possible = min(asked, max(len(_shifts(job, run)) for run in runs)) if asked else 0
    if possible < asked:
        text = f"{possible} of {asked} draws of {NAME} EEG: there are no more shifts"
        log.tell(plans[0].owner, "train", text, logging.WARNING)
    done, failed = attempt_side_by_side(
        job,
        partial(_retrain_one, job, runs),
        {
            f"{plan.owner} {plan.model} {NAME} {i + 1}": (plan, i)
            for plan, i in product(plans, range(possible))
        },
    )
    models = [plan.model for plan in plans]
    return {name: [unit for model, unit in done if model == name] for name in models}, failed


def _retrain_one(job: Job, runs: Sequence[PairedRun], draw: tuple[Plan, int]) -> tuple[str, Unit]:
    plan, number = draw
    return plan.model, retrain(job, plan, runs, number)


def hold_against_retrained(tested: Tested, units: Sequence[Unit]) -> Tested:
    """Hold a model's test against those of its repeated trainings."""
    return replace(tested, nulls={**tested.nulls, NAME: tuple(units)})


def retrain(job: Job, plan: Plan, runs: Sequence[PairedRun], draw: int) -> Unit:
    """Repeat a training with the EEG of every run shifted, and test it on EEG so shifted.

    Everything else is as in the training itself, its random draws included. What is kept is the
    temporal correlation of each test run; other models of the same draw see the same shifts.
    """
    config = [*plan.recipe(job), {"draw": draw}]
    item, parents = f"{plan.item}_draw-{draw + 1}", [run.unit for run in runs]
    key = job.store.key("retrain", item, config, parents)
    title = f"{plan.model}  retrained {draw + 1} of {job.config.evaluate.retrained_draws}"

    def make(folder: Path) -> None:
        scratch = job.store.scratch("retrain", key)
        pairs = [_shift(job, run, draw, scratch) for run in runs]
        gap = job.gap(run.clock.tr for run in runs)
        learnt = learn(job, plan, pairs, gap, scratch, title)
        tests = zip(runs, pairs, plan.split.test, strict=True)
        r = {one[0].files.name: np.array([_test(learnt, *one)]) for one in tests if len(one[2])}
        arrays.save(folder, "drawn", Drawn(r))

    unit = job.store.unit("retrain", item, config, parents, make)
    r = arrays.load(unit.folder, "drawn", Drawn).r.values()
    log.tell_unit(plan.owner, "train", unit, f"{title}  temporal r {np.mean([*r]):.3f}")
    return unit


def _test(learnt: Learnt, run: PairedRun, shifted: Pairs, index: Index) -> float:
    mask = shifted.mask
    made = synthesise_natively(learnt.fitting.model, learnt.scale, shifted, index)
    predicted = np.concatenate([batch[:, mask] for batch in made])
    return mean_correlation(observed_volumes(run, index)[:, mask], predicted)


def _shift(job: Job, run: PairedRun, draw: int, folder: Path) -> Pairs:
    """Roll the EEG of a run against its volumes, on disk."""
    pairs = run.pairs
    shifts = _shifts(job, run)
    shift = int(shifts[draw % len(shifts)])
    name = f"{run.files.name}.eeg"
    eeg = arrays.allocate(folder, name, pairs.eeg.shape, pairs.eeg.dtype)
    eeg[shift:], eeg[:shift] = pairs.eeg[:-shift], pairs.eeg[-shift:]
    return replace(pairs, eeg=eeg)


def _shifts(job: Job, run: PairedRun) -> Int64[np.ndarray, " draws"]:
    """Draw shifts in volumes beyond the window and the autocorrelation of spectra and BOLD."""
    pairs = run.pairs
    n, bold = len(pairs.volume), pairs.bold[:, grid_mask(pairs)]
    spectra = pairs.eeg.mean(axis=-1).reshape(n, -1)
    least = least_shift(bold, spectra, window_volumes(job, run))
    return shuffled_shifts(n, least, seed_for(job.config.seed, run.files.name, NAME))
