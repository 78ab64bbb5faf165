"""Parcels over the participants of a group, where these share them by number and name."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from bids_eeg2fmri.app.baselines import Beside
from bids_eeg2fmri.app.experiment import Experiment, Result
from bids_eeg2fmri.app.job import Job
from bids_eeg2fmri.app.labels import sources_of
from bids_eeg2fmri.app.parcels import (
    Parcellation,
    ParcelTest,
    ScoreOfParcels,
    ScoresByModel,
    lay_out,
    parcel_columns,
    score_run,
)
from bids_eeg2fmri.bids.write import write_table
from bids_eeg2fmri.evaluate.parcels import PARCEL_MEANS, average_parcels
from bids_eeg2fmri.evaluate.statistics import fisher_z


@dataclass(frozen=True)
class GroupParcels:
    """Scores of parcels over the test participants."""

    origin: str
    """Where the parcels come from, in words."""
    names: Mapping[int, str]
    """Name of each parcel, by its number in the atlas."""
    scores: ScoresByModel
    """How well models did, under the names of ``PARCEL_MEANS``."""


def score_all(
    job: Job,
    parcellations: Mapping[str, Parcellation],
    results: Sequence[Result],
    beside: Sequence[tuple[int, Beside]],
) -> list[ParcelTest]:
    """Score the parcels of each tested run that has some, training by training."""
    of_models = [
        score_run(job, parcellations[name], [one.tested], None)
        for one in results
        if (name := one.tested.run.files.name) in parcellations
    ]
    of_baselines = [
        score_run(job, parcellations[name], [], one)
        for _, one in beside
        if (name := one.run.files.name) in parcellations
    ]
    return of_models + of_baselines


def sum_up_parcels(tests: Sequence[ParcelTest]) -> tuple[GroupParcels | None, str]:
    """Average scores of parcels over participants, runs and trainings of each averaged first.

    Returns
    -------
    The scores, if there can be any, and in words why not.
    """
    if not tests:
        return None, "No test run has parcels; the reasons stand above."
    found: dict[int, str] = {}
    for one in tests:
        parcels = one.parcellation.parcels
        own = dict(zip(parcels.index.tolist(), parcels.names, strict=True))
        if any(found.get(number, name) != name for number, name in own.items()):
            return None, (
                "There is no table of parcels, as those of the test runs differ: "
                f"{'; '.join(_origins(tests))}. Give all of them one --atlas."
            )
        found |= own
    names = dict(sorted(found.items()))
    return GroupParcels(" and ".join(_origins(tests)), names, _average(tests, [*names])), ""


def write_group_parcels(experiment: Experiment, parcels: GroupParcels) -> None:
    """Write the scores of all models by parcel."""
    write_table(
        group_parcels_path(experiment),
        lay_out(parcels.names, parcels.scores),
        parcel_columns(PARCEL_MEANS),
        metadata={
            "Description": "Scores by model and parcel on participants that the model never saw",
            "Parcels": parcels.origin,
            **sources_of([result.tested.run for result in experiment.of_first_model]),
        },
    )


def group_parcels_path(experiment: Experiment) -> Path:
    """Say where the scores of parcels stand."""
    return experiment.job.out / f"{experiment.owner}_desc-parcels_metrics.tsv"


def _origins(tests: Sequence[ParcelTest]) -> list[str]:
    return sorted({one.parcellation.kind for one in tests})


def _average(tests: Sequence[ParcelTest], index: Sequence[int]) -> ScoresByModel:
    rows = pd.concat(
        pd.DataFrame(
            {
                "model": model,
                "participant": test.parcellation.files.participant,
                "parcel": test.parcellation.parcels.index,
                "z": fisher_z(scores["pearsoncorrelation"]),
                "skill": scores["skill"],
            }
        )
        for test in tests
        for model, scores in test.scores.items()
    )
    own = rows.groupby(["model", "participant", "parcel"]).mean()
    by_model: dict[str, Mapping[str, ScoreOfParcels]] = {}
    for model in rows["model"].unique():
        z, skill = (
            own.loc[model, score].unstack("parcel").reindex(columns=index).to_numpy()
            for score in ("z", "skill")
        )
        by_model[model] = average_parcels(np.tanh(z), skill)
    return by_model
