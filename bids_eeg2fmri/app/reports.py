"""What the report of a participant shows, and both reports, gathered from results."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from jaxtyping import Float32

from bids_eeg2fmri.app.baselines import Beside
from bids_eeg2fmri.app.choosing import Choice, Encoders
from bids_eeg2fmri.app.explaining import Explained, describe_test
from bids_eeg2fmri.app.job import Job
from bids_eeg2fmri.app.outputs import shown, summaries_of, verdicts_of
from bids_eeg2fmri.app.parcels import (
    ParcelTest,
    ScoreOfParcels,
    ScoresByModel,
    parcel_scores_path,
)
from bids_eeg2fmri.app.provenance import provenance
from bids_eeg2fmri.app.recordings import PairedRun
from bids_eeg2fmri.app.testing import BASELINE, Tested
from bids_eeg2fmri.app.training import Trained
from bids_eeg2fmri.bids.write import write_bytes
from bids_eeg2fmri.errors import AppError
from bids_eeg2fmri.evaluate.baselines import BASELINES
from bids_eeg2fmri.evaluate.metrics import METRICS, Metric
from bids_eeg2fmri.evaluate.parcels import PARCEL_SCORES
from bids_eeg2fmri.report.page import Outcome
from bids_eeg2fmri.report.parcels import ParcelTable, reach_of_q
from bids_eeg2fmri.report.participant import (
    ParticipantReport,
    RunResult,
    RunSummary,
    TimeCourse,
    write_participant_report,
)
from bids_eeg2fmri.report.pictures import Picture, Training
from bids_eeg2fmri.report.searches import losses_picture, weights_picture
from bids_eeg2fmri.train.splits import Split

BEST = 0.1
"""Share of the voxels whose mean is shown as the best-fitting ones."""
OF_PARCELS = ("pearsoncorrelation", "r_low", "r_high", "p", "q", "skill")
"""The scores of parcels that are shown."""


def report_participant(
    job: Job,
    page: Path,
    label: str,
    runs: Sequence[PairedRun],
    split: Split,
    encoders: Encoders,
    trained: Sequence[Trained],
    tested: Sequence[Sequence[Tested]],
    besides: Mapping[str, Beside],
    parcels: Mapping[str, ParcelTest],
    explained: Mapping[str, Mapping[str, Explained]],
    problems: Mapping[str, AppError],
) -> None:
    """Write the report of one participant.

    Parameters
    ----------
    tested
        Results of all models, run by run; the pictures are those of the first one.
    besides
        Results of the baselines, by run.
    parcels
        Results on parcels, by run; of those that have any.
    explained
        What tests rest on, by run and model.
    """
    names = [of_run[0].run.files.name for of_run in tested]
    report = ParticipantReport(
        participant=f"sub-{label}",
        dataset=job.dataset_name,
        runs=tuple(
            summarise(run, split, i, parcels.get(run.files.name)) for i, run in enumerate(runs)
        ),
        results=tuple(
            show(job, of_run, besides.get(name), parcels.get(name))
            for name, of_run in zip(names, tested, strict=True)
        ),
        training=tuple(map(training, trained)),
        search=search_pictures(job, page.stem, encoders),
        metrics=METRICS,
        provenance=provenance(job, trained, runs, split, parcels=parcels.values()),
        problems=told(problems),
        stand_in=stand_in(job, trained[0].name),
        explanations={
            name: describe_test(job, of_run[0], explained[name][of_run[0].trained.name])
            for name, of_run in zip(names, tested, strict=True)
            if explained[name]
        },
    )
    write_participant_report(page, report, write_bytes, job.out / f"sub-{label}" / "figures")


def outcome(tested: Tested) -> Outcome:
    """Give the numbers that a report opens with."""
    check, skill = tested.check, tested.skill
    return Outcome(check.r, skill[0], skill[1], check.null, check.p)


def training(trained: Trained) -> Training:
    """Give what a report shows of a training."""
    history = trained.history
    return Training(
        trained.name,
        tuple(epoch.train_loss for epoch in history),
        tuple(epoch.valid_loss for epoch in history),
        trained.card["best_epoch"],
        sum(epoch.seconds for epoch in history),
    )


def summarise(run: PairedRun, split: Split, i: int, parcels: ParcelTest | None) -> RunSummary:
    """Describe one run and how it was divided."""
    notes = (*run.notes, *(parcels.parcellation.notes if parcels else ()))
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
        notes=tuple(note.removeprefix(f"{files.name}: ") for note in notes),
    )


def search_pictures(
    job: Job, prefix: str, encoders: Encoders, folds: int = 1
) -> tuple[Picture, ...]:
    """Draw what encoders were chosen by, where they were; of several folds, give the first's."""
    which = f"This is fold 1 of {folds}; search/ has the tables of all." if folds > 1 else ""
    by_weight = job.config.search.choose == "darts"
    draw = weights_picture if by_weight else losses_picture
    return tuple(
        draw(
            prefix,
            encoder_name(choice),
            np.array([epoch.shares if by_weight else epoch.valid_loss for epoch in choice.history]),
            choice.chosen + 1,
            which,
        )
        for choice in encoders.choices
    )


def encoder_name(choice: Choice) -> str:
    """Name what was chosen, e.g. ``EEG encoder``."""
    return f"{choice.kind.upper()} encoder"


def told(problems: Mapping[str, AppError]) -> tuple[str, ...]:
    """Say of each failure what failed, where the reason does not."""
    reasons = {name: str(error) for name, error in problems.items()}
    return tuple(
        reason if reason.startswith(name) else f"{name}: {reason}"
        for name, reason in reasons.items()
    )


def stand_in(job: Job, shown: str) -> str:
    """Say whose pictures a report has, where the first model that was asked for has no result."""
    first = job.config.models[0]
    if shown == first:
        return ""
    return f"{first}, the first model asked for, has no result. What is shown is of {shown}."


def show(
    job: Job, of_run: Sequence[Tested], beside: Beside | None, parcels: ParcelTest | None
) -> RunResult:
    """Pick what is shown of one run: a volume and two signals of its first model, all scores."""
    tested = of_run[0]
    scores, target = tested.scores[tested.trained.name], tested.target
    middle = len(tested.index) // 2
    onset = tested.run.pairs.onset[tested.index]
    mask, r_map = tested.run.pairs.mask, scores.maps["pearsoncorrelation"]
    honest = [name for name in (beside.names if beside else []) if not BASELINES[name].oracle]
    courses = {"mean over the brain mask": mask}
    if np.isfinite(r_map).any():
        threshold = np.nanquantile(r_map[mask], 1 - BEST)
        courses[f"the {BEST:.0%} of voxels with the highest temporal r"] = r_map >= threshold
    return RunResult(
        name=tested.run.files.name,
        model=tested.trained.name,
        outcome=outcome(tested),
        rows={shown(name): row for name, row in summaries_of(of_run, beside).items()},
        rivals=(*(one.trained.name for one in of_run), *honest, BASELINE),
        verdicts={
            name: (one.label, one.paragraph) for name, one in verdicts_of(of_run, beside).items()
        },
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
        parcels=show_parcels(job, tested, parcels) if parcels else None,
    )


def show_parcels(job: Job, tested: Tested, parcels: ParcelTest) -> ParcelTable:
    """Pick what is shown of the parcels of one run."""
    model, scores, found = tested.trained.name, parcels.scores, parcels.parcellation.parcels
    return ParcelTable(
        model,
        found.origin,
        found.names,
        *beside_baselines(model, scores, PARCEL_SCORES, OF_PARCELS),
        reach_of_q(scores[model]["p"], len(tested.index)),
        parcel_scores_path(job, parcels).relative_to(job.out).as_posix(),
    )


def beside_baselines(
    model: str, scores: ScoresByModel, metrics: Mapping[str, Metric], shown: Sequence[str]
) -> tuple[dict[str, ScoreOfParcels], dict[str, Metric]]:
    """Put some scores of a model beside the temporal r of baselines; give what they mean too."""
    values = {name: scores[model][name] for name in shown}
    meanings, r = {name: metrics[name] for name in shown}, metrics["pearsoncorrelation"]
    for baseline in scores.keys() & BASELINES.keys():
        values[baseline] = scores[baseline]["pearsoncorrelation"]
        meanings[baseline] = replace(r, name=f"{r.name} of {baseline}")
    return values, meanings


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
