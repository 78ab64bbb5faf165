"""The parcels of each run: where they come from, and how models do on their mean signals."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import chain
from pathlib import Path

import numpy as np
from jaxtyping import Float32, Float64

from bids_eeg2fmri.app.baselines import Beside
from bids_eeg2fmri.app.job import Job
from bids_eeg2fmri.app.labels import model_folder, sources_of
from bids_eeg2fmri.app.notes import keep_notes, notes_of
from bids_eeg2fmri.app.recordings import Recording
from bids_eeg2fmri.app.testing import Tested, observed_volumes
from bids_eeg2fmri.app.triage import try_each
from bids_eeg2fmri.bids.atlas import atlas_files, write_parcels
from bids_eeg2fmri.bids.recording import RunFiles
from bids_eeg2fmri.bids.segmentation import find_segmentation
from bids_eeg2fmri.bids.write import derivative_path, write_table
from bids_eeg2fmri.errors import AppError
from bids_eeg2fmri.evaluate.metrics import Metric
from bids_eeg2fmri.evaluate.parcels import PARCEL_SCORES, score_parcels
from bids_eeg2fmri.preprocess.parcels import block_parcels
from bids_eeg2fmri.runtime import arrays, log
from bids_eeg2fmri.runtime.store import Unit, fingerprint
from bids_eeg2fmri.types import Parcels, typed

Prediction = tuple[Float32[np.ndarray, "volumes x y z"], Float32[np.ndarray, "x y z"], int]
"""Volumes, the training mean against which skill is measured, the smallest shift of the EEG."""
ScoreOfParcels = Float64[np.ndarray, " parcels"]
"""One value a parcel."""
ScoresByModel = Mapping[str, Mapping[str, ScoreOfParcels]]
"""Scores of parcels by model and score."""


@dataclass(frozen=True)
class Parcellation:
    """The parcels of a run."""

    files: RunFiles
    unit: Unit
    atlas: tuple[Path, ...]
    """The files of the atlas that was given; none where they were found."""

    @property
    def parcels(self) -> Parcels:
        """The parcels, on the native grid."""
        return arrays.load(self.unit.folder, "parcels", Parcels)

    @property
    def kind(self) -> str:
        """Where they come from, in words that are the same for all runs."""
        return self.parcels.origin.partition(";")[0]

    @property
    def notes(self) -> tuple[str, ...]:
        """What was odd in them and how it was dealt with."""
        return notes_of(self.unit)


@typed
class ParcelScores:
    """Scores of the parcels of one run, as they are stored."""

    names: tuple[str, ...]
    """Those of ``PARCEL_SCORES``."""
    values: Float64[np.ndarray, "scores parcels"]
    """One row a score."""


@dataclass(frozen=True)
class ParcelTest:
    """How models, and baselines that look at the EEG, did on the parcels of one run."""

    parcellation: Parcellation
    units: Mapping[str, Unit]
    """By model."""

    @property
    def scores(self) -> ScoresByModel:
        """How well they did, under the names of ``PARCEL_SCORES``."""
        found = {
            model: arrays.load(unit.folder, "scores", ParcelScores)
            for model, unit in self.units.items()
        }
        return {m: dict(zip(one.names, one.values, strict=True)) for m, one in found.items()}


def parcellate(
    job: Job, recordings: Sequence[Recording]
) -> tuple[dict[str, Parcellation], dict[str, AppError]]:
    """Find the parcels of each run, by its name; give the reason where the atlas does not fit."""
    named = {f"{recording.files.name} parcels": recording for recording in recordings}
    done, failed = try_each(partial(_parcellate, job), named)
    return {one.files.name: one for one in done}, failed


def score_run(
    job: Job, parcellation: Parcellation, tested: Sequence[Tested], beside: Beside | None
) -> ParcelTest:
    """Score the parcels of one run by each model, and by each baseline that looks at the EEG."""
    tests: dict[str, Tested | Beside] = {one.trained.name: one for one in tested}
    if beside is not None:
        tests |= dict.fromkeys(beside.evidence, beside)
    units = {name: _score(job, parcellation, name, test) for name, test in tests.items()}
    return ParcelTest(parcellation, units)


def write_parcel_scores(job: Job, owner: str, test: ParcelTest, tested: Sequence[Tested]) -> None:
    """Write the parcels of one run as an image, and their scores by model as a table."""
    files, parcels = test.parcellation.files, test.parcellation.parcels
    origin = {
        "Parcels": parcels.origin,
        "AtlasFiles": [_spell(files, path) for path in test.parcellation.atlas],
    }
    bold = files.uri(files.bold)
    write_parcels(
        _path(job, files, "dseg", ".nii.gz"),
        parcels,
        tested[0].run.recording.bold.affine,
        metadata={
            "Description": "Parcels whose mean signals are scored",
            **origin,
            **sources_of([tested[0].run]),
            "SpatialReference": bold,
            "Sources": [bold],
        },
    )
    write_table(
        parcel_scores_path(job, test),
        lay_out(dict(zip(parcels.index.tolist(), parcels.names, strict=True)), test.scores),
        parcel_columns(PARCEL_SCORES),
        metadata={
            "Description": "Scores by model and parcel, of mean signals over the test volumes",
            **origin,
            **sources_of([tested[0].run]),
            "Models": [model_folder(owner, one.trained) for one in tested],
            "Notes": test.parcellation.notes,
        },
    )


def parcel_scores_path(job: Job, test: ParcelTest) -> Path:
    """Say where the scores of the parcels of a run stand."""
    return _path(job, test.parcellation.files, "metrics", ".tsv")


def parcel_columns(scores: Mapping[str, Metric]) -> dict[str, dict[str, object]]:
    """Describe the columns of a table of parcels."""
    described: dict[str, dict[str, object]] = {
        "model": {"Description": "Model, or baseline that looks at the EEG"},
        "index": {"Description": "Number of the parcel in the atlas"},
        "name": {"Description": "Name of the parcel"},
    }
    return described | {
        name: {"LongName": score.name, "Description": score.description, "Units": score.units}
        for name, score in scores.items()
    }


def lay_out(names: Mapping[int, str], scores: ScoresByModel) -> dict[str, list[object]]:
    """Lay out scores by model and parcel as columns, one model below the other."""
    rows: dict[str, list[object]] = {
        "model": [model for model in scores for _ in names],
        "index": [*names] * len(scores),
        "name": [*names.values()] * len(scores),
    }
    first = next(iter(scores.values()))
    return rows | {
        name: [*chain(*(of_model[name] for of_model in scores.values()))] for name in first
    }


def _parcellate(job: Job, recording: Recording) -> Parcellation:
    """Bring an atlas to the grid of a run or, without one, find what parcels there are."""
    files = recording.files
    atlas = atlas_files(*job.atlas) if job.atlas else ()

    def make(folder: Path) -> None:
        from bids_eeg2fmri.bids.parcels import find_parcels, read_parcels  # nilearn takes seconds

        where = (files, recording.mask, recording.bold.affine)
        with log.capture_warnings() as notes:
            if atlas:
                image, *table = atlas
                parcels = read_parcels(image, table[0] if table else None, *where)
            else:
                parcels = find_parcels(*where) or block_parcels(*where[1:])
        arrays.save(folder, "parcels", parcels)
        keep_notes(folder, notes)

    parents: list[str | Unit] = [recording.unit]
    if sources := atlas or find_segmentation(files):
        parents.append(fingerprint(sources[0].parent, sources))
    given = {"atlas": atlas[0].name if atlas else None}
    unit = job.store.unit("parcels", files.name, [given], parents, make)
    found = Parcellation(files, unit, atlas)
    text = f"{len(found.parcels.names)} parcels: {found.parcels.origin}"
    log.tell_unit(files.name, "parcels", unit, text, found.notes)
    return found


def _score(job: Job, parcellation: Parcellation, name: str, test: Tested | Beside) -> Unit:
    def make(folder: Path) -> None:
        run = test.run
        target, parcels = observed_volumes(run, test.index), parcellation.parcels
        volumes, mean, least = _predicted(name, test)
        found = score_parcels(target, volumes, mean, parcels, run.pairs.mask, least)
        values = np.array([*found.values()])
        arrays.save(folder, "scores", ParcelScores((*found,), values))

    item = f"{parcellation.files.name}_{name}"
    return job.store.unit("parcel-scores", item, [], [test.unit, parcellation.unit], make)


def _predicted(name: str, test: Tested | Beside) -> Prediction:
    if isinstance(test, Beside):
        return test.predicted(name), test.mean, test.evidence[name].min_shift
    return test.synthesised, test.trained.mean_on(test.run), test.evidence.min_shift


def _path(job: Job, files: RunFiles, suffix: str, extension: str) -> Path:
    given = {"desc": "parcels", "suffix": suffix, "extension": extension}
    return derivative_path(job.out, files.entities, "func", **given)


def _spell(files: RunFiles, path: Path) -> str:
    """Name a file of the dataset by its place in it, another by its name alone."""
    return files.uri(path) if any(map(path.is_relative_to, files.homes)) else path.name
