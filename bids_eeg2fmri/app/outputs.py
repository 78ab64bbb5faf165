"""From results to files: derivatives, tables and models."""

import json
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float32

from bids_eeg2fmri.app.baselines import Beside
from bids_eeg2fmri.app.choosing import Encoders
from bids_eeg2fmri.app.job import Job
from bids_eeg2fmri.app.labels import model_folder, own_label, sources_of
from bids_eeg2fmri.app.preparing import UNITS, preparation
from bids_eeg2fmri.app.recordings import PairedRun
from bids_eeg2fmri.app.testing import Tested
from bids_eeg2fmri.app.training import Trained
from bids_eeg2fmri.app.verdicts import summaries_of, verdicts_of
from bids_eeg2fmri.bids.bold import bold_metadata
from bids_eeg2fmri.bids.images import write_image, write_mask, write_series
from bids_eeg2fmri.bids.models import read_model, write_model
from bids_eeg2fmri.bids.recording import RunFiles
from bids_eeg2fmri.bids.write import derivative_path, write_table
from bids_eeg2fmri.evaluate.baselines import BASELINES
from bids_eeg2fmri.evaluate.metrics import MAPS, METRICS
from bids_eeg2fmri.evaluate.surrogates import NULLS
from bids_eeg2fmri.evaluate.verdict import Verdict

Volumes = Iterable[Float32[np.ndarray, "x y z"]]
"""Volumes of a series, one after the other."""


def write_results(job: Job, owner: str, tested: Sequence[Tested], beside: Beside | None) -> None:
    """Write what models made of one run: series, mask, maps and tables.

    The files of the first model that was asked for are called after none, those of others after
    theirs, whichever failed. Their sidecars name the owner's model that made them.
    """
    first = tested[0]
    files, affine = first.run.files, first.run.recording.bold.affine
    path = partial(derivative_path, job.out, files.entities, "func")
    sources = sources_of([first.run])
    about = "Observed BOLD, as finely as the model's grid"
    _write_series(job, first, "target", first.observed(), about)
    for one in tested:
        model, by = one.trained.name, model_folder(owner, one.trained)
        synth = f"synth{own_label(job.config.models, model)}"
        made = f"BOLD synthesised from the EEG alone by {model}"
        _write_series(job, one, synth, one.synthesised, made, Model=by)
        residual = synth.replace("synth", "residual", 1)
        _write_series(job, one, residual, one.residuals(), f"Observed minus {made}", Model=by)
        for stat, (values, description, unit) in _maps(one).items():
            told = {"Description": f"{description} Model {model}, test volumes.", "Units": unit}
            image = path(suffix="boldmap", extension=".nii.gz", stat=stat, desc=synth)
            write_image(image, values, affine, metadata=told | sources | {"Model": by})
        by_volume = path(suffix="timeseries", extension=".tsv", desc=synth)
        _write_by_volume(one, by_volume, sources)
    _write_mask(first, path(suffix="mask", extension=".nii.gz", desc="brain"))
    folders = {"Models": [model_folder(owner, one.trained) for one in tested]}
    metrics = path(suffix="metrics", extension=".tsv", desc="synth")
    _write_by_model(tested, beside, metrics, sources | folders)


def _write_series(
    job: Job, one: Tested, desc: str, volumes: Volumes, description: str, **more: object
) -> None:
    """Write a series of test volumes, with what BIDS asks to know of BOLD."""
    run, files, cfg = one.run, one.run.files, job.config.bold
    told = bold_metadata(files)
    metadata = {
        "TaskName": told.get("TaskName", files.task),
        "SkullStripped": told.get("SkullStripped") is True or cfg.units == "percent",
        **(_reference(files) if files.space else {}),
        **sources_of([run]),
        "StartTime": float(run.pairs.onset[one.index[0]]) + run.clock.delay,
        "VolumeIndices": run.pairs.volume[one.index],
        "Description": f"{description}; test volumes only",
        "Units": UNITS[cfg.units],
        "Preparation": f"BOLD {preparation(cfg)}",
        **more,
    }
    write_series(
        derivative_path(
            job.out, files.entities, "func", suffix="bold", extension=".nii.gz", desc=desc
        ),
        volumes,
        (*run.pairs.mask.shape, len(one.index)),
        run.recording.bold.affine,
        tr=run.recording.bold.tr,
        metadata=metadata,
    )


def _write_mask(one: Tested, path: Path) -> None:
    files = one.run.files
    origin = "of the pipeline that preprocessed the run" if files.mask else "from its mean volume"
    about = {"Description": f"Brain mask {origin}", **_reference(files), **sources_of([one.run])}
    write_mask(path, one.run.pairs.mask, one.run.recording.bold.affine, metadata=about)


def _reference(files: RunFiles) -> dict[str, str]:
    """Name the image in whose space derived ones are."""
    return {"SpatialReference": files.uri(files.bold)}


def _maps(tested: Tested) -> dict[str, tuple[np.ndarray, str, str]]:
    maps = tested.scores[tested.trained.name].maps
    named = {
        stat: (values, MAPS[stat].description, MAPS[stat].units) for stat, values in maps.items()
    }
    p = "One-sided p of temporal r against shifted EEG"
    return named | {
        "p": (tested.check.p_map, f"{p}, uncorrected.", "1"),
        "q": (tested.check.q_map, f"{p}, false discoveries controlled over the mask.", "1"),
    }


def _write_by_volume(tested: Tested, path: Path, sources: Mapping[str, object]) -> None:
    by_volume = tested.scores[tested.trained.name].volumes
    rows = {"volume": tested.run.pairs.volume[tested.index]}
    rows["onset"] = tested.run.pairs.onset[tested.index]
    columns: dict[str, dict[str, object]] = {
        "volume": {"Description": "Index of the volume in the stored series, from 0"},
        "onset": {"Description": "Since the onset of the first stored volume", "Units": "s"},
    }
    about = {"Description": f"Scores of {tested.trained.name} by test volume", **sources}
    write_table(path, rows | by_volume, columns | metric_columns(), metadata=about)


def _write_by_model(
    tested: Sequence[Tested], beside: Beside | None, path: Path, sources: Mapping[str, object]
) -> None:
    summaries = summaries_of(tested, beside)
    models: dict[str, dict[str, object]] = {name: {**one} for name, one in summaries.items()}
    for one in tested:
        models[one.trained.name] |= {
            "p_shifted_eeg": one.check.p,
            "r_shifted_eeg": one.check.null.tolist(),
        }
    for name, verdict in verdicts_of(tested, beside).items():
        models[name] |= verdict.summary()
    for name in models.keys() & BASELINES.keys():
        models[name] |= {"title": BASELINES[name].title, "oracle": BASELINES[name].oracle}
    write_table(
        path,
        score_rows(summaries),
        metric_columns(),
        metadata={
            "Description": "Scores by model over the test volumes",
            **sources,
            "models": models,
            "nulls": {name: null.description for name, null in NULLS.items()},
            **_circumstances(tested[0].run),
        },
    )


def _circumstances(run: PairedRun) -> dict[str, object]:
    """Tell how the clocks were tied, which volumes were dropped, and what was odd."""
    pairs = run.pairs
    return {
        "clock": run.clock.summary(),
        "eeg_artefacts": run.cleaned.account.summary(),
        "volumes": {
            "stored": pairs.n_volumes,
            "used": len(pairs.volume),
            "without_eeg_history": pairs.n_volumes - len(pairs.volume),
        },
        "notes": run.notes,
    }


def metric_columns() -> dict[str, dict[str, object]]:
    """Describe the columns of score tables."""
    described: dict[str, dict[str, object]] = {
        "participant_id": {"Description": "Participant whom the model never saw"},
        "run": {"Description": "Run that was tested"},
        "fold": {"Description": "Division of the participants into parts, from 1"},
        "repeat": {"Description": "Training with draws of its own, from 1"},
        "model": {"Description": "Model, or baseline that every model is to be compared with"},
    }
    return described | {
        name: {"LongName": metric.name, "Description": metric.description, "Units": metric.units}
        for name, metric in METRICS.items()
    }


def score_rows(summaries: Mapping[str, Mapping[str, float]]) -> dict[str, list[Any]]:
    """Lay out scores by model as columns."""
    rows: dict[str, list[Any]] = {"model": list(summaries)}
    return rows | {name: [one[name] for one in summaries.values()] for name in METRICS}


def write_choices(job: Job, owner: str, encoders: Encoders) -> None:
    """Write weights and losses of candidate encoders by epoch (Fig. 9), where some were tried."""
    columns: dict[str, dict[str, object]] = {
        "epoch": {"Description": "Pass over the training pairs, from 1"},
        "candidate": {"Description": "Number of the candidate, from 1"},
        "chosen": {"Description": "Whether it is the one that was taken"},
        "weight": {"Description": "Share that differentiable search gave it", "Units": "1"},
        "train_loss": {"Description": "Mean loss over the steps"},
        "valid_loss": {"Description": "Mean absolute error over validation pairs"},
        "kernels": {"Description": "Kernel of each block"},
        "strides": {"Description": "Stride of each block"},
    }
    for choice in encoders.choices:
        rows: dict[str, list[object]] = {name: [] for name in columns}
        for epoch, (i, candidate) in product(choice.history, enumerate(choice.candidates)):
            rows["epoch"].append(epoch.number)
            rows["candidate"].append(i + 1)
            rows["chosen"].append(str(i == choice.chosen).lower())
            rows["weight"].append(epoch.shares[i])
            rows["train_loss"].append(epoch.train_loss[i])
            rows["valid_loss"].append(epoch.valid_loss[i])
            rows["kernels"].append(json.dumps(candidate.kernels))
            rows["strides"].append(json.dumps(candidate.strides))
        text = f"Candidates for the {choice.kind.upper()} encoder of {owner}"
        about = {"Description": f"{text}; search.choose was {job.config.search.choose}"}
        path = job.out / "search" / f"{owner}_{choice.kind}-encoders.tsv"
        write_table(path, rows, columns, metadata=about)


def publish_model(
    job: Job, owner: str, trained: Trained, tests: Sequence[Tested], verdict: Verdict
) -> None:
    """Copy a trained model to where users look for it, with what its tests have shown."""
    folder = job.out / model_folder(owner, trained)
    tensors, card = read_model(trained.unit.folder)
    shown = {**verdict.summary(), "runs": {one.run.files.name: _shown_by(one) for one in tests}}
    write_model(folder, tensors, {**card, "dataset": job.dataset_name, "tested": shown})


def _shown_by(tested: Tested) -> dict[str, object]:
    """Give the scores of one test beside those that need no EEG, or EEG of another time."""
    null = tested.check.null
    return {
        "p_shifted_eeg": tested.check.p,
        "r_shifted_eeg": float(null.mean()) if null.size else None,
        "scores": summaries_of([tested]),
    }
