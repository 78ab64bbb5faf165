"""What the reports show, gathered from results."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Float32

from bids_eeg2fmri.app.job import Job
from bids_eeg2fmri.app.members import Members
from bids_eeg2fmri.app.outputs import outcome, provenance, training
from bids_eeg2fmri.app.recordings import PairedRun
from bids_eeg2fmri.app.testing import Tested
from bids_eeg2fmri.app.training import Trained
from bids_eeg2fmri.errors import AppError
from bids_eeg2fmri.evaluate.metrics import METRICS
from bids_eeg2fmri.report.group import GroupMaps, GroupReport, write_group_report
from bids_eeg2fmri.report.participant import (
    ParticipantReport,
    RunResult,
    RunSummary,
    TimeCourse,
    write_participant_report,
)
from bids_eeg2fmri.train.splits import Split

BEST = 0.1
"""Share of the voxels whose mean is shown as the best-fitting ones."""


def report_participant(
    job: Job,
    page: Path,
    label: str,
    runs: Sequence[PairedRun],
    split: Split,
    trained: Trained,
    tested: Sequence[Tested],
    problems: Mapping[str, AppError],
) -> None:
    """Write the report of one participant."""
    report = ParticipantReport(
        participant=f"sub-{label}",
        dataset=job.dataset_name,
        runs=tuple(summarise(run, split, i) for i, run in enumerate(runs)),
        results=tuple(show(one) for one in tested),
        training=(training(trained),),
        metrics=METRICS,
        provenance=provenance(job, trained, runs, split, {}),
        problems=tuple(str(error) for error in problems.values()),
    )
    write_participant_report(page, report, job.out / f"sub-{label}" / "figures")


def report_group(
    job: Job,
    page: Path,
    task: str,
    members: Members,
    runs: Sequence[PairedRun],
    split: Split,
    trained: Trained,
    tested: Sequence[Tested],
    maps: GroupMaps | None,
    problems: Mapping[str, AppError],
    links: Mapping[str, str],
) -> None:
    """Write the report of a group."""
    named = {one.run.files.name: one for one in tested}
    names = {part: tuple(map("sub-{}".format, labels)) for part, labels in members.items()}
    by_run = {run: f"sub-{one.run.files.participant}" for run, one in named.items()}
    report = GroupReport(
        dataset=job.dataset_name,
        task=job.selection.suffix(task).removeprefix("_"),
        train_participants=names["train"],
        valid_participants=names["valid"],
        test_participants=names["test"],
        model=trained.name,
        outcomes={name: outcome(one) for name, one in named.items()},
        rows={
            name: {model: scores.summary for model, scores in one.scores.items()}
            for name, one in named.items()
        },
        metrics=METRICS,
        training=(training(trained),),
        provenance=provenance(job, trained, runs, split, members),
        maps=maps,
        problems=tuple(str(error) for error in problems.values()),
        links={**links, **{run: links[name] for run, name in by_run.items() if name in links}},
    )
    write_group_report(page, report, job.out / "group" / "figures")


def summarise(run: PairedRun, split: Split, i: int) -> RunSummary:
    """Describe one run and how it was divided."""
    pairs, files, eeg = run.pairs, run.files, run.recording.eeg
    return RunSummary(
        name=files.name,
        eeg_file=files.relative(files.eeg),
        bold_file=files.relative(files.bold),
        clock=run.clock,
        n_volumes=pairs.n_volumes,
        n_pairs=len(pairs.volume),
        n_train=len(split.train[i]),
        n_valid=len(split.valid[i]),
        n_test=len(split.test[i]),
        n_channels=len(pairs.channels),
        sfreq=eeg.sfreq,
        grid=pairs.mask.shape,
        notes=tuple(note.removeprefix(f"{files.name}: ") for note in run.notes),
    )


def show(tested: Tested) -> RunResult:
    """Pick what is shown of one result: the volume in the middle, and two signals."""
    scores, target = tested.scores[tested.trained.name], tested.target
    middle = len(tested.index) // 2
    onset = tested.run.pairs.onset[tested.index]
    mask, r_map = tested.run.pairs.mask, scores.maps["pearsoncorrelation"]
    courses = {"mean over the brain mask": mask}
    if np.isfinite(r_map).any():
        threshold = np.nanquantile(r_map[mask], 1 - BEST)
        courses[f"the {BEST:.0%} of voxels with the highest temporal r"] = r_map >= threshold
    return RunResult(
        name=tested.run.files.name,
        model=tested.trained.name,
        outcome=outcome(tested),
        rows={model: one.summary for model, one in tested.scores.items()},
        affine=tested.run.recording.bold.affine,
        mask=mask,
        mean=np.asarray(target.mean(axis=0)),
        observed=target[middle],
        synthesised=tested.synthesised[middle],
        model_grid=tested.run.pairs.bold.shape[1:],
        example_time=float(onset[middle]),
        r_map=r_map,
        skill_map=scores.maps["skill"],
        p_map=tested.check.p_map if tested.check.null.size else None,
        time=onset,
        time_courses=tuple(
            _course(title, target[:, where], tested.synthesised[:, where])
            for title, where in courses.items()
        ),
    )


def _course(
    title: str,
    target: Float32[np.ndarray, "volumes voxels"],
    volumes: Float32[np.ndarray, "volumes voxels"],
) -> TimeCourse:
    observed, synthesised = (
        np.asarray(series.mean(axis=1, dtype=np.float64)) for series in (target, volumes)
    )
    mean = observed.mean()
    return TimeCourse(title, 100 * (observed / mean - 1), 100 * (synthesised / mean - 1))
