"""The participant level: learn on the earlier part of a participant's runs, test on the later."""

import logging
from collections.abc import Mapping, Sequence
from functools import partial

from bids_eeg2fmri.app.baselines import Beside, test_baselines
from bids_eeg2fmri.app.choosing import choose_encoders
from bids_eeg2fmri.app.delivery import deliver
from bids_eeg2fmri.app.explaining import Explained, explain_all
from bids_eeg2fmri.app.findings import Findings
from bids_eeg2fmri.app.job import Job
from bids_eeg2fmri.app.outputs import publish_model, write_choices, write_results
from bids_eeg2fmri.app.parcels import parcellate, score_run, write_parcel_scores
from bids_eeg2fmri.app.phases import randomise_phases_of_run
from bids_eeg2fmri.app.plan import Plan
from bids_eeg2fmri.app.recordings import PairedRun, prepare
from bids_eeg2fmri.app.relevances import write_relevance
from bids_eeg2fmri.app.reports import report_participant
from bids_eeg2fmri.app.retraining import hold_against_retrained, retrain_all
from bids_eeg2fmri.app.showing import anatomy_key
from bids_eeg2fmri.app.testing import Tested, headline, tell_few_draws, test
from bids_eeg2fmri.app.training import train
from bids_eeg2fmri.app.triage import attempt, attempt_side_by_side, conclude, find, merged
from bids_eeg2fmri.bids.behind import writing_behind
from bids_eeg2fmri.bids.dataset import write_participants
from bids_eeg2fmri.bids.recording import RunFiles
from bids_eeg2fmri.errors import AppError
from bids_eeg2fmri.evaluate.verdict import judge
from bids_eeg2fmri.runtime import log
from bids_eeg2fmri.train.splits import Split, split_in_time


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
    conclude(found, [*done], failed, merged(problems for _, problems in done.values()))


def run_participant(
    job: Job,
    label: str,
    files: Sequence[RunFiles],
    refused: Mapping[str, Mapping[str, AppError]],
) -> tuple[dict[str, list[str]], dict[str, AppError]]:
    """Preprocess, train, test and report one participant.

    Parameters
    ----------
    refused
        Runs that were found broken, by participant; for the report.

    Returns
    -------
    The headlines of each run that was tested, and why runs and models failed.
    """
    runs, failed = prepare(job, files)
    failed = {**refused.get(label, {}), **failed}
    onsets, tasks = [run.pairs.onset for run in runs], [run.files.task for run in runs]
    gap = job.gap(run.clock.tr for run in runs)
    split = split_in_time(onsets, tasks, job.config.split, gap)
    findings = _learn_and_test(job, _owner(job, label), runs, split, failed)
    _deliver(findings)
    told = {name: [headline(one) for one in of_run] for name, of_run in findings.tested.items()}
    return told, dict(findings.problems)


def _learn_and_test(
    job: Job,
    owner: str,
    runs: Sequence[PairedRun],
    split: Split,
    failed: Mapping[str, AppError],
) -> Findings:
    """Train every model, test it on every run, and hold it against what knows no EEG."""
    chosen = [(run, index) for run, index in zip(runs, split.test, strict=True) if len(index)]
    parcellations, unfit = parcellate(job, [run.recording for run, _ in chosen])
    encoders = choose_encoders(job, owner, runs, split)
    plans = {name: Plan(owner, name, split, encoders.shapes) for name in job.config.models}
    trained, untrained = attempt_side_by_side(
        job,
        partial(train, job, runs=runs),
        {f"{owner} {name}": plan for name, plan in plans.items()},
    )
    baselines, unfitted = attempt(
        lambda _: test_baselines(job, owner, runs, split), {f"{owner} baselines": None}
    )
    fitted = {name: one for found in baselines for name, one in found.items()}
    tested: dict[str, list[Tested]] = {}
    besides: dict[str, Beside] = {}
    for run, index in chosen:
        name, of_run = run.files.name, [test(job, model, run, index) for model in trained]
        tested[name], beside = randomise_phases_of_run(job, of_run, fitted.get(name))
        if beside is not None:
            besides[name] = beside
    retrained, unrepeated = retrain_all(job, [plans[one.name] for one in trained], runs)
    problems = {**failed, **untrained, **unfitted, **unrepeated, **unfit}
    explained: dict[str, dict[str, Explained]] = {}
    for name, of_run in tested.items():
        held = [hold_against_retrained(one, retrained[one.trained.name]) for one in of_run]
        explained[name], unexplained = explain_all(job, held)
        tested[name] = held
        problems |= unexplained
    parcels = {
        name: score_run(job, parcellation, tested[name], besides.get(name))
        for name, parcellation in parcellations.items()
    }
    return Findings(
        job=job,
        owner=owner,
        runs=runs,
        split=split,
        encoders=encoders,
        trained=trained,
        tested=tested,
        besides=besides,
        parcels=parcels,
        explained=explained,
        problems=problems,
    )


def _deliver(findings: Findings) -> None:
    """Write images, tables, models and report, unless they are there."""
    job, owner = findings.job, findings.owner
    page = job.out / f"{owner}.html"

    @writing_behind(job.threads)
    def write() -> None:
        for name, of_run in findings.tested.items():
            write_results(job, owner, of_run, findings.besides.get(name))
            write_relevance(job, owner, of_run, findings.explained[name])
        for name, of_parcels in findings.parcels.items():
            write_parcel_scores(job, owner, of_parcels, findings.tested[name])
        write_choices(job, owner, findings.encoders)
        for model, *tests in zip(findings.trained, *findings.tested.values(), strict=True):
            verdict = judge([[one.evidence for one in tests]])
            publish_model(job, owner, model, tests, verdict)
        report_participant(findings, page)

    patterns = [f"{findings.participant}/**/{name}_*" for name in (*findings.tested, owner)]
    patterns += [page.name, f"search/{owner}_*", f"models/{owner}_*/*"]
    anatomy = [anatomy_key(of_run[0].run) for of_run in findings.tested.values()]
    facts = {"dataset": job.dataset_name, "anatomy": anatomy}
    deliver(job, owner, findings.units, patterns, findings.problems, facts, write)


def _tell_unused(job: Job) -> None:
    """Warn of settings that have no part here; no error, as one file may serve both levels."""
    split = vars(job.config.split)
    if unused := [f"split.{name}" for name in ("folds", "repeats") if split[name] != 1]:
        text = f"{' and '.join(unused)}: for the group level, without effect on this one"
        log.tell("settings", "skipped", text, logging.WARNING)


def _owner(job: Job, label: str) -> str:
    """Name what is made of a participant's chosen recordings, e.g. ``sub-01_task-rest``."""
    return f"sub-{label}{job.selection.suffix()}"
