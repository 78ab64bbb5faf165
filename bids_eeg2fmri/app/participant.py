"""The participant level: learn on the earlier part of a participant's runs, test on the later."""

import logging
from collections.abc import Mapping, Sequence
from functools import partial

from bids_eeg2fmri.app.baselines import test_baselines
from bids_eeg2fmri.app.choosing import choose_encoders
from bids_eeg2fmri.app.delivery import deliver
from bids_eeg2fmri.app.explaining import explain_all
from bids_eeg2fmri.app.job import Job
from bids_eeg2fmri.app.outputs import publish_model, write_choices, write_results
from bids_eeg2fmri.app.parcels import parcellate, score_run, write_parcel_scores
from bids_eeg2fmri.app.phases import randomise_phases_of_run
from bids_eeg2fmri.app.recordings import prepare
from bids_eeg2fmri.app.relevances import write_relevance
from bids_eeg2fmri.app.reports import report_participant
from bids_eeg2fmri.app.retraining import hold_against_retrained, retrain_all
from bids_eeg2fmri.app.showing import anatomy_key
from bids_eeg2fmri.app.testing import headline, tell_few_draws, test
from bids_eeg2fmri.app.training import train
from bids_eeg2fmri.app.triage import attempt, attempt_side_by_side, conclude, find
from bids_eeg2fmri.bids.behind import writing_behind
from bids_eeg2fmri.bids.dataset import write_participants
from bids_eeg2fmri.bids.recording import RunFiles
from bids_eeg2fmri.errors import AppError
from bids_eeg2fmri.evaluate.verdict import judge
from bids_eeg2fmri.runtime import log
from bids_eeg2fmri.train.splits import split_in_time


def run_participants(job: Job) -> None:
    """Run the participant level over all chosen participants.

    Raises
    ------
    AppError
        If participants or runs failed, after the others are done.
    """
    _tell_unused(job)
    tell_few_draws(job)
    found = find(job)
    done, failed = job.spread(partial(run_participant, refused=found.problems), found.runs)
    if done:
        write_participants(job.out, job.bids_dir)
    for label, (headlines, _) in done.items():
        for run, texts in headlines.items():
            for text in texts:
                log.tell(run, "result", text)
        log.tell(f"sub-{label}", "report", str(job.out / f"{_owner(job, label)}.html"))
    conclude(found, [*done], failed, [run for _, problems in done.values() for run in problems])


def run_participant(
    job: Job,
    label: str,
    files: Sequence[RunFiles],
    refused: Mapping[str, Mapping[str, AppError]],
) -> tuple[dict[str, list[str]], list[str]]:
    """Preprocess, train, test and report one participant.

    Parameters
    ----------
    refused
        Runs that were found broken, by participant; for the report.

    Returns
    -------
    The headlines of each run that was tested, and the runs and models that failed.
    """
    runs, failed = prepare(job, files)
    failed = {**refused.get(label, {}), **failed}
    onsets, tasks = [run.pairs.onset for run in runs], [run.files.task for run in runs]
    gap = job.gap(run.clock.tr for run in runs)
    split = split_in_time(onsets, tasks, job.config.split, gap)
    owner = _owner(job, label)
    page = job.out / f"{owner}.html"
    chosen = [(run, index) for run, index in zip(runs, split.test, strict=True) if len(index)]
    parcellations, unfit = parcellate(job, [run.recording for run, _ in chosen])
    encoders = choose_encoders(job, owner, runs, split)
    learn = partial(train, job, owner, runs=runs, split=split, shapes=encoders.shapes)
    trained, untrained = attempt_side_by_side(
        job, learn, {f"{owner} {name}": name for name in job.config.models}
    )
    baselines, unfitted = attempt(
        lambda _: test_baselines(job, owner, runs, split), {f"{owner} baselines": None}
    )
    tested = [[test(job, model, run, index) for model in trained] for run, index in chosen]
    besides = {run: one for found in baselines for run, one in found.items()}
    held = {
        run.files.name: randomise_phases_of_run(job, of_run, besides.get(run.files.name))
        for (run, _), of_run in zip(chosen, tested, strict=True)
    }
    tested = [of_run for of_run, _ in held.values()]
    besides = {run: beside for run, (_, beside) in held.items() if beside is not None}
    names = [one.name for one in trained]
    retrained, unrepeated = retrain_all(job, owner, names, runs, split, encoders.shapes)
    tested = [
        [hold_against_retrained(one, retrained[one.trained.name]) for one in of_run]
        for of_run in tested
    ]
    failed |= untrained | unfitted | unrepeated | unfit
    by_run = {of_run[0].run.files.name: of_run for of_run in tested}
    explained = {}
    for name, of_run in by_run.items():
        explained[name], unexplained = explain_all(job, of_run)
        failed |= unexplained
    parcels = {
        name: score_run(job, parcellation, by_run[name], besides.get(name))
        for name, parcellation in parcellations.items()
    }

    @writing_behind(job.threads)
    def write() -> None:
        for of_run in tested:
            write_results(job, owner, of_run, besides.get(of_run[0].run.files.name))
        for name, found in explained.items():
            write_relevance(job, owner, by_run[name], found)
        for name, of_parcels in parcels.items():
            write_parcel_scores(job, owner, of_parcels, by_run[name])
        write_choices(job, owner, encoders)
        for model, *tests in zip(trained, *tested, strict=True):
            verdict = judge([[one.evidence for one in tests]])
            publish_model(job, owner, model, tests, verdict)
        given = (runs, split, encoders, trained, tested, besides, parcels, explained, failed)
        report_participant(job, page, label, *given)

    names = [*(run.files.name for run, _ in chosen), owner]
    patterns = [f"sub-{label}/**/{name}_*" for name in names]
    patterns += [page.name, f"search/{owner}_*", f"models/{owner}_*/*"]
    units = [unit for run, _ in chosen for unit in run.units]
    units += [model.unit for model in trained]
    units += [unit for of_run in tested for one in of_run for unit in one.units]
    units += [choice.unit for choice in encoders.choices]
    units += [unit for one in besides.values() for unit in one.units]
    units += [unit for one in parcels.values() for unit in one.units.values()]
    units += [one.unit for of_run in explained.values() for one in of_run.values()]
    facts = {"dataset": job.dataset_name, "anatomy": [anatomy_key(run) for run, _ in chosen]}
    deliver(job, owner, units, patterns, failed, facts, write)
    told = {of_run[0].run.files.name: [headline(one) for one in of_run] for of_run in tested}
    return told, [*failed]


def _tell_unused(job: Job) -> None:
    """Warn of settings that have no part here; no error, as one file may serve both levels."""
    split = vars(job.config.split)
    if unused := [f"split.{name}" for name in ("folds", "repeats") if split[name] != 1]:
        text = f"{' and '.join(unused)}: for the group level, without effect on this one"
        log.tell("settings", "skipped", text, logging.WARNING)


def _owner(job: Job, label: str) -> str:
    """Name what is made of a participant's chosen recordings, e.g. ``sub-01_task-rest``."""
    return f"sub-{label}{job.selection.suffix()}"
