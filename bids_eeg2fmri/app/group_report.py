"""What the report of a group shows, gathered from its experiment."""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import chain
from pathlib import Path

import numpy as np

from bids_eeg2fmri.app import standings
from bids_eeg2fmri.app.choosing import Encoders
from bids_eeg2fmri.app.experiment import Experiment
from bids_eeg2fmri.app.group_maps import Pair
from bids_eeg2fmri.app.group_parcels import GroupParcels, group_parcels_path
from bids_eeg2fmri.app.provenance import provenance
from bids_eeg2fmri.app.quality import summarise_data
from bids_eeg2fmri.app.reports import (
    encoder_name,
    reasons_of,
    search_pictures,
    stand_in,
    training,
)
from bids_eeg2fmri.app.showing import beside_baselines
from bids_eeg2fmri.app.testing import Tested
from bids_eeg2fmri.app.verdicts import shown, summaries_of
from bids_eeg2fmri.bids.write import write_bytes
from bids_eeg2fmri.errors import AppError
from bids_eeg2fmri.evaluate.evidence import Evidence, average
from bids_eeg2fmri.evaluate.metrics import BOLD_SD, METRICS
from bids_eeg2fmri.evaluate.null import shift_p
from bids_eeg2fmri.evaluate.parcels import PARCEL_MEANS
from bids_eeg2fmri.evaluate.verdict import Verdict, judge
from bids_eeg2fmri.evaluate.voxelwise import TMap, best_model, normalise_residuals
from bids_eeg2fmri.report.experiments import (
    best_model_picture,
    comparison_picture,
    normalised_residual_picture,
    residual_picture,
)
from bids_eeg2fmri.report.explanation import Explanation
from bids_eeg2fmri.report.group import GroupMaps, GroupReport, Member, write_group_report
from bids_eeg2fmri.report.page import Outcome, Provenance
from bids_eeg2fmri.report.parcels import ParcelTable, reach_over_people
from bids_eeg2fmri.report.pictures import Drawing, Picture, draw, leaving_out_pictures
from bids_eeg2fmri.runtime import log

COMPARED = ("rmse", "ssim", "pearsoncorrelation", "skill")
"""Scores whose comparisons are drawn: those of the paper, and those that tell of the EEG."""
OF_PARCELS = ("pearsoncorrelation", "r_low", "r_high", "p", "q", "skill", "n_participants")
"""The scores of parcels that are shown."""


@dataclass(frozen=True)
class SummedUp:
    """What an experiment adds up to over participants."""

    maps: GroupMaps | None
    coverage: str
    """What the maps rest on, or why there are none."""
    duels: Mapping[Pair, TMap]
    """Which of two models errs less where."""
    parcels: GroupParcels | None
    no_parcels: str
    """Why there are no scores of parcels."""
    explanations: tuple[Explanation, ...]
    """What the models rest on; none where that was not asked for."""


def report_group(
    experiment: Experiment,
    page: Path,
    found: SummedUp,
    problems: Mapping[str, AppError],
    links: Mapping[str, str],
) -> None:
    """Write the report of a group.

    Parameters
    ----------
    links
        Pages of participants, by name.
    """
    pictures = leaving_out_pictures(unless=experiment.job.config.report.figures)
    with log.capture_warnings() as notes, pictures:
        report = _gather(experiment, found, problems, links)
        write_group_report(page, report, write_bytes, experiment.job.out / "group" / "figures")
    for note in notes:
        log.tell(page.stem, "report", note, logging.WARNING)


def _gather(
    experiment: Experiment,
    found: SummedUp,
    problems: Mapping[str, AppError],
    links: Mapping[str, str],
) -> GroupReport:
    """Gather what the report shows."""
    job, prefix = experiment.job, f"group_{_task(experiment)}"
    by_run, values, intervals = _by_run(experiment), experiment.values(), experiment.intervals()
    return GroupReport(
        dataset=job.dataset_name,
        task=_task(experiment),
        folds=len(experiment.folds),
        repeats=job.config.split.repeats,
        train_participants=_participants(experiment, "train"),
        valid_participants=_participants(experiment, "valid"),
        test_participants=_participants(experiment, "test"),
        model=experiment.models[0],
        outcomes={name: _outcome(tested) for name, tested in by_run.items()},
        values={shown(name): row for name, row in values.items()},
        intervals={shown(name): row for name, row in intervals.items()},
        rivals=experiment.rivals,
        verdicts={name: (one.label, one.paragraph) for name, one in experiment.verdicts.items()},
        spread=experiment.spread(),
        rows=_rows(experiment),
        metrics=METRICS,
        training=tuple(map(training, experiment.published)),
        provenance=_provenance(experiment),
        maps=found.maps,
        parcels=_parcels(experiment, found.parcels) if found.parcels else None,
        no_parcels=found.no_parcels,
        models=_comparison_drawings(experiment, prefix, found.maps, found.duels),
        coverage=found.coverage,
        search=search_pictures(job, prefix, experiment.encoders[0], len(experiment.folds)),
        choices=_choices(experiment.encoders),
        problems=reasons_of(problems),
        explanations=found.explanations,
        data=tuple(map(summarise_data, experiment.runs)),
        stand_in=stand_in(job, experiment.models[0]),
        links={**links, **_links_of_rows(experiment, links)},
        members=_members(experiment),
        standings=tuple(
            standings.of_evidence(name, average([one.evidence for one in tested]))
            for name, tested in by_run.items()
        ),
        model_standings=standings.of_means(values, intervals, experiment.models),
        chances=standings.chances(experiment.verdicts),
    )


def _task(experiment: Experiment) -> str:
    """Name the task and the recordings of it that were chosen."""
    return experiment.job.selection.suffix(experiment.task).removeprefix("_")


def _participants(experiment: Experiment, part: str) -> tuple[str, ...]:
    """List who trained or tested; with several folds, everyone does both."""
    if part != "test" and len(experiment.folds) > 1:
        return ()
    labels = chain(*(members[part] for members in experiment.folds))
    return tuple(f"sub-{label}" for label in sorted(labels))


def _by_row(experiment: Experiment) -> dict[str, list[Tested]]:
    """Gather the results of each row of the table of scores: a run, in one repeat."""
    rows: dict[str, list[Tested]] = {}
    for result in experiment.results:
        again = f", repeat {result.repeat + 1}" * (experiment.job.config.split.repeats > 1)
        rows.setdefault(result.tested.run.files.name + again, []).append(result.tested)
    return rows


def _rows(experiment: Experiment) -> dict[str, dict[str, dict[str, float]]]:
    return {name: summaries_of(tested) for name, tested in _by_row(experiment).items()}


def _links_of_rows(experiment: Experiment, links: Mapping[str, str]) -> dict[str, str]:
    """Lead from each row to the page of its participant, where there is one."""
    rows = _by_row(experiment).items()
    whose = {name: f"sub-{tested[0].run.files.participant}" for name, tested in rows}
    return {name: links[person] for name, person in whose.items() if person in links}


def _provenance(experiment: Experiment) -> Provenance:
    return provenance(
        experiment.job,
        experiment.published,
        experiment.runs,
        experiment.splits[0],
        experiment.folds,
        experiment.parcels,
    )


def _by_run(experiment: Experiment) -> dict[str, list[Tested]]:
    """Gather what the trainings of the first model made of each run: they share the test."""
    by_run: dict[str, list[Tested]] = {}
    for result in experiment.of_first_model:
        by_run.setdefault(result.tested.run.files.name, []).append(result.tested)
    return by_run


def _outcome(trainings: Sequence[Tested]) -> Outcome:
    evidence = average([one.evidence for one in trainings])
    r, skill, least = evidence.r_by_shift, evidence.skill_by_shift, evidence.min_shift
    shifted = float(np.mean([one.skill[1] for one in trainings]))
    null, p = r[least : len(r) - least + 1], shift_p(r, least)
    return Outcome(float(r[0]), float(skill[0]), shifted, null, p)


def _members(experiment: Experiment) -> tuple[Member, ...]:
    """Judge the first model by each test participant alone."""
    people: dict[str, list[Evidence]] = {}
    for trainings in _by_run(experiment).values():
        own = people.setdefault(f"sub-{trainings[0].run.files.participant}", [])
        own.append(average([one.evidence for one in trainings]))
    return tuple(_member(name, judge([runs])) for name, runs in sorted(people.items()))


def _member(name: str, verdict: Verdict) -> Member:
    numbers = verdict.numbers
    r, skill = numbers.r, numbers.skill
    return Member(name, verdict.label, r.mean, (r.low, r.high), numbers.p_r, skill.mean)


def _comparison_drawings(
    experiment: Experiment,
    prefix: str,
    maps: GroupMaps | None,
    duels: Mapping[Pair, TMap],
) -> tuple[Drawing, ...]:
    """Draw how models differ: tables of tests, Figs 2 and 3, Figs 4 and 11."""
    defined = [one for one in experiment.comparisons if one.n]
    makers: dict[str, Callable[[], Picture]] = {
        f"comparisons in {METRICS[metric].name}": partial(
            comparison_picture,
            prefix,
            METRICS[metric].name,
            [one for one in defined if one.metric == metric],
            higher_is_better=bool(METRICS[metric].higher_is_better),
        )
        for metric in COMPARED
        if any(one.metric == metric for one in defined)
    }
    if maps is not None:
        makers |= _residual_pictures(prefix, maps, duels)
    return tuple(draw(what, make) for what, make in makers.items())


def _residual_pictures(
    prefix: str, maps: GroupMaps, duels: Mapping[Pair, TMap]
) -> dict[str, Callable[[], Picture]]:
    """List what draws where models err, and which of two errs less."""
    mask, affine, residuals = maps.mask, maps.affine, maps.residuals
    normalised = {name: normalise_residuals(values, mask) for name, values in residuals.items()}
    best = {pair: best_model(found) for pair, found in duels.items()}
    tests = list(dict.fromkeys(found.test for found in duels.values()))
    test = tests[0]
    if len(tests) > 1:
        test += ". This is the test of the first pair; blocks of others differ, see their maps"
    return {
        "residuals": lambda: residual_picture(prefix, residuals, mask, affine, BOLD_SD),
        "normalised residuals": lambda: normalised_residual_picture(
            prefix, normalised, mask, affine
        ),
        "better of two models": lambda: best_model_picture(
            prefix, best, maps.mean, mask, affine, test
        ),
    }


def _parcels(experiment: Experiment, parcels: GroupParcels) -> ParcelTable:
    """Pick what is shown of parcels, of the first model that has any."""
    known = (*experiment.models, *parcels.scores)
    model = next(name for name in known if name in parcels.scores)
    return ParcelTable(
        model,
        parcels.origin,
        tuple(parcels.names.values()),
        *beside_baselines(model, parcels.scores, PARCEL_MEANS, OF_PARCELS),
        reach_over_people(int(parcels.scores[model]["n_participants"].max())),
        group_parcels_path(experiment).name,
    )


def _choices(folds: Sequence[Encoders]) -> dict[str, dict[int, list[int]]]:
    """Tell by encoder and candidate which folds chose it, where there are several."""
    found: dict[str, dict[int, list[int]]] = {}
    for fold, encoders in enumerate(folds if len(folds) > 1 else (), start=1):
        for choice in encoders.choices:
            by_candidate = found.setdefault(encoder_name(choice), {})
            by_candidate.setdefault(choice.chosen + 1, []).append(fold)
    return found
