"""From what a saved model made of EEG alone to files: series, maps and tables."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bids_eeg2fmri.app.applying import Applied, parcels_of
from bids_eeg2fmri.app.job import Job
from bids_eeg2fmri.app.preparing import preparation
from bids_eeg2fmri.app.saved import SavedModel
from bids_eeg2fmri.bids.atlas import write_parcels
from bids_eeg2fmri.bids.images import write_image, write_mask, write_series
from bids_eeg2fmri.bids.recording import EEGFiles
from bids_eeg2fmri.bids.sidecars import read_json
from bids_eeg2fmri.bids.write import derivative_path, write_table

PARCEL = "parcel-{:03d}"
"""Column of a parcel by its index."""


def write_applied(job: Job, model: SavedModel, applied: Applied) -> None:
    """Write what a model made of one recording; every sidecar says whether to believe it."""
    files, volumes, clock = applied.heard.files, applied.synthesised, applied.heard.clock
    about = {**model_card(model), "Sources": [files.uri(files.eeg)]}
    window = model.config.window
    series = path_of(job, files, "bold", desc="synth")
    write_series(
        series,
        volumes,
        (*model.mask.shape, len(volumes)),
        model.affine,
        tr=model.tr,
        metadata={
            "TaskName": _task_name(files),
            "Description": _describe(
                model,
                f"BOLD synthesised from EEG alone, on the grid and in the space of the BOLD of "
                f"{model.card['space_of']}, on which the model was trained. StartTime is the time "
                "of the first volume in seconds since the first sample of the EEG; a volume at t "
                f"rests on the EEG from t − {window.start:g} to t − {window.stop:g} {window.unit}",
            ),
            "Units": model.units,
            "Preparation": f"As in training: BOLD {preparation(model.config.bold)}",
            "StartTime": float(clock.onset[0]),
            **about,
        },
    )
    _write_maps(job, model, applied, about)
    reference = {"SpatialReference": f"bids::{series.relative_to(job.out).as_posix()}"}
    write_mask(
        path_of(job, files, "mask", desc="brain"),
        model.mask,
        model.affine,
        metadata={"Description": "Brain mask of the model", **reference, **about},
    )
    parcels = parcels_of(model)
    write_parcels(
        path_of(job, files, "dseg", desc="parcels"),
        parcels,
        model.affine,
        metadata={"Description": "Parcels of the model", **reference, **about},
    )
    _write_signals(job, model, applied, about)
    _write_montage(job, model, applied, about)


def path_of(
    job: Job, files: EEGFiles, suffix: str, extension: str = ".nii.gz", **more: str
) -> Path:
    """Say where a file that was made of a recording stands."""
    return derivative_path(
        job.out, files.entities, "func", suffix=suffix, extension=extension, **more
    )


def model_card(model: SavedModel) -> dict[str, Any]:
    """Tell in a sidecar which model made a file, what it rests on and whether to believe it."""
    card = model.card
    told = {name: card[name] for name in ("model", "dataset", "runs", "software", "tested")}
    return {
        "Model": model.name,
        "ModelDigest": model.digest,
        "ModelVerdict": model.verdict,
        "ModelCard": told,
    }


def _describe(model: SavedModel, text: str) -> str:
    """Say what a file holds, and before anything else why not to believe it."""
    return f"{model.caution} {text}. A prediction, not a measurement.".strip()


def _task_name(files: EEGFiles) -> str:
    name = files.task
    for path in files.sidecars(files.eeg, "eeg", ".json"):
        name = str(read_json(files.root, path).get("TaskName", name))
    return name


def _write_maps(job: Job, model: SavedModel, applied: Applied, about: Mapping[str, object]) -> None:
    found = applied.synthesis
    for stat, values, what in (
        ("mean", found.mean, "Mean over time"),
        ("std", found.sd, "Standard deviation over time"),
    ):
        told = {"Description": _describe(model, f"{what} of the synthesised BOLD")}
        path = path_of(job, applied.heard.files, "boldmap", stat=stat, desc="synth")
        metadata = {**told, "Units": model.units, **about}
        write_image(path, values, model.affine, metadata=metadata)


def _write_signals(
    job: Job, model: SavedModel, applied: Applied, about: Mapping[str, object]
) -> None:
    found, parcels = applied.synthesis, parcels_of(model)
    rows = {"onset": applied.heard.clock.onset, "brain": found.brain}
    columns: dict[str, dict[str, object]] = {
        "onset": {"Description": "Since the first sample of the EEG", "Units": "s"},
        "brain": {
            "Description": "Mean over the brain mask",
            "Units": model.units,
        },
    }
    for i, name in enumerate(parcels.names):
        column = PARCEL.format(parcels.index[i])
        rows[column] = found.parcels[:, i]
        columns[column] = {
            "Description": f"Mean over {name}",
            "Units": model.units,
        }
    told = {"Description": _describe(model, "Synthesised signals, one row a volume")}
    path = path_of(job, applied.heard.files, "timeseries", ".tsv", desc="parcels")
    write_table(path, rows, columns, metadata={**told, **about})


def _write_montage(
    job: Job, model: SavedModel, applied: Applied, about: Mapping[str, object]
) -> None:
    montage, outside = applied.heard.montage, applied.synthesis.outside
    rows = {
        "name": model.channels,
        "type": ["EEG"] * len(model.channels),
        "units": ["V"] * len(model.channels),
        "source": [site or "n/a" for site in montage.source],
        "distance": montage.distance,
        "outside": outside.mean(axis=1),
    }
    columns: dict[str, dict[str, object]] = {
        "name": {"Description": "Electrode of the model"},
        "type": {"Description": "Type of channel"},
        "units": {"Description": "Unit of the recorded signal"},
        "source": {"Description": "Recorded electrode that it is; n/a where it is interpolated"},
        "distance": {"Description": "To the nearest recorded electrode", "Units": "mm"},
        "outside": {"Description": "Share of its EEG outside the range of the training EEG"},
    }
    files = applied.heard.files
    given = {"desc": "montage", "suffix": "channels", "extension": ".tsv"}
    path = derivative_path(job.out, files.entities, "eeg", **given)
    told = {"Description": _describe(model, "Where the electrodes of the model came from")}
    write_table(path, rows, columns, metadata={**told, **about})
