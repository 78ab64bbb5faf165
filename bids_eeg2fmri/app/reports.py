"""What the reports show, gathered from results."""

from collections.abc import Mapping, Sequence
from itertools import chain
from pathlib import Path

import numpy as np
from jaxtyping import Float32

from bids_eeg2fmri.app.choosing import Encoders
from bids_eeg2fmri.app.experiment import Experiment
from bids_eeg2fmri.app.group_maps import Pair
from bids_eeg2fmri.app.job import Job
from bids_eeg2fmri.app.outputs import outcome, provenance, summaries_of, training
from bids_eeg2fmri.app.recordings import PairedRun
from bids_eeg2fmri.app.testing import Tested
from bids_eeg2fmri.app.training import Trained
from bids_eeg2fmri.bids.write import write_bytes
from bids_eeg2fmri.errors import AppError
from bids_eeg2fmri.evaluate.metrics import BOLD_SD, METRICS
from bids_eeg2fmri.evaluate.voxelwise import TMap, best_model, normalise_residuals
from bids_eeg2fmri.report.experiments import (
    best_model_picture,
    candidates_picture,
    comparison_picture,
    normalised_residual_picture,
    residual_picture,
)
from bids_eeg2fmri.report.group import GroupMaps, GroupReport, write_group_report
from bids_eeg2fmri.report.participant import (
    ParticipantReport,
    RunResult,
    RunSummary,
    TimeCourse,
    write_participant_report,
)
from bids_eeg2fmri.report.pictures import Picture
from bids_eeg2fmri.train.splits import Split

BEST = 0.1
"""Share of the voxels whose mean is shown as the best-fitting ones."""


def report_participant(
    job: Job,
    page: Path,
    label: str,
    runs: Sequence[PairedRun],
    split: Split,
    encoders: Encoders,
    trained: Sequence[Trained],
    tested: Sequence[Sequence[Tested]],
    problems: Mapping[str, AppError],
) -> None:
    """Write the report of one participant.

    Parameters
    ----------
    tested
        Results of all models, run by run; the pictures are the first model's.
    """
    report = ParticipantReport(
        participant=f"sub-{label}",
        dataset=job.dataset_name,
        runs=tuple(summarise(run, split, i) for i, run in enumerate(runs)),
        results=tuple(map(show, tested)),
        training=tuple(map(training, trained)),
        search=candidates_pictures(page.stem, encoders),
        metrics=METRICS,
        provenance=provenance(job, trained, runs, split),
        problems=tuple(str(error) for error in problems.values()),
    )
    write_participant_report(page, report, write_bytes, job.out / f"sub-{label}" / "figures")


def report_group(
    experiment: Experiment,
    page: Path,
    maps: GroupMaps | None,
    duels: Mapping[Pair, TMap],
    problems: Mapping[str, AppError],
    links: Mapping[str, str],
) -> None:
    """Write the report of a group."""
    job, folds = experiment.job, experiment.folds
    task = job.selection.suffix(experiment.task).removeprefix("_")
    named: dict[str, list[Tested]] = {}
    for result in experiment.results:
        again = f", repeat {result.repeat + 1}" * (job.config.split.repeats > 1)
        named.setdefault(result.tested.run.files.name + again, []).append(result.tested)
    by_run = {name: f"sub-{tested[0].run.files.participant}" for name, tested in named.items()}
    parts = {
        part: tuple(
            f"sub-{label}" for label in sorted(chain(*(members[part] for members in folds)))
        )
        for part in ("train", "valid", "test")
    }
    report = GroupReport(
        dataset=job.dataset_name,
        task=task,
        folds=len(folds),
        train_participants=parts["train"] if len(folds) == 1 else (),
        valid_participants=parts["valid"] if len(folds) == 1 else (),
        test_participants=parts["test"],
        model=experiment.models[0],
        outcomes={
            name: outcome(one)
            for name, tested in named.items()
            for one in tested
            if one.trained.name == experiment.models[0]
        },
        values=experiment.values(),
        spread=experiment.spread(),
        rows={name: summaries_of(tested) for name, tested in named.items()},
        metrics=METRICS,
        training=tuple(map(training, experiment.published)),
        provenance=provenance(
            job, experiment.published, experiment.runs, experiment.splits[0], folds
        ),
        maps=maps,
        models=_comparison_pictures(experiment, f"group_{task}", maps, duels),
        search=candidates_pictures(f"group_{task}", experiment.encoders[0]),
        problems=tuple(str(error) for error in problems.values()),
        links={**links, **{run: links[name] for run, name in by_run.items() if name in links}},
    )
    write_group_report(page, report, write_bytes, job.out / "group" / "figures")


COMPARED = ("rmse", "ssim", "pearsoncorrelation", "skill")
"""Scores whose comparisons are drawn: those of the paper, and those that tell of the EEG."""


def _comparison_pictures(
    experiment: Experiment,
    prefix: str,
    maps: GroupMaps | None,
    duels: Mapping[Pair, TMap],
) -> tuple[Picture, ...]:
    """Draw how models differ: tables of tests, Figs 2 and 3, Figs 4 and 11."""
    comparisons = experiment.comparisons
    pictures = [
        comparison_picture(
            prefix,
            METRICS[metric].name,
            [one for one in comparisons if one.metric == metric],
            higher_is_better=bool(METRICS[metric].higher_is_better),
        )
        for metric in COMPARED
    ]
    if maps is not None:
        normalised = {
            name: normalise_residuals(values, maps.mask) for name, values in maps.residuals.items()
        }
        given = (maps.mask, maps.affine)
        pictures.append(residual_picture(prefix, maps.residuals, *given, BOLD_SD))
        pictures.append(normalised_residual_picture(prefix, normalised, *given))
        best = {pair: best_model(found) for pair, found in duels.items()}
        tests = list(dict.fromkeys(found.test for found in duels.values()))
        test = tests[0]
        if len(tests) > 1:
            test += ". This is the test of the first pair; blocks of others differ, see their maps"
        pictures.append(best_model_picture(prefix, best, maps.mean, maps.mask, maps.affine, test))
    return tuple(pictures)


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


def candidates_pictures(prefix: str, encoders: Encoders) -> tuple[Picture, ...]:
    """Draw how encoders were chosen, where they were."""
    return tuple(
        candidates_picture(
            prefix,
            f"{choice.kind.upper()} encoder",
            np.array([epoch.shares for epoch in choice.history]),
            choice.chosen + 1,
        )
        for choice in encoders.choices
    )


def show(of_run: Sequence[Tested]) -> RunResult:
    """Pick what is shown of one run: a volume and two signals of its first model, all scores."""
    tested = of_run[0]
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
        rows=summaries_of(of_run),
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
