"""From results to files: derivatives, models and reports."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from bids_eeg2fmri.app.job import Job
from bids_eeg2fmri.app.recordings import PairedRun
from bids_eeg2fmri.app.testing import Tested
from bids_eeg2fmri.app.training import Trained
from bids_eeg2fmri.bids.methods import methods_text
from bids_eeg2fmri.bids.models import read_model, write_model
from bids_eeg2fmri.bids.read import bold_metadata
from bids_eeg2fmri.bids.references import REFERENCES
from bids_eeg2fmri.bids.write import (
    bids_uri,
    derivative_path,
    write_image,
    write_mask,
    write_table,
)
from bids_eeg2fmri.evaluate.metrics import MAPS, METRICS
from bids_eeg2fmri.report.page import Outcome, Provenance
from bids_eeg2fmri.report.pictures import Training
from bids_eeg2fmri.train.splits import Split
from bids_eeg2fmri.types import VolumeClock


def write_results(job: Job, tested: Tested) -> None:
    """Write what one model made of one run: series, mask, maps and tables."""
    files, model = tested.run.files, tested.trained.name
    bold, target = tested.run.recording.bold, tested.target
    sources = sources_of([tested.run])
    onset = tested.run.pairs.onset[tested.index]
    taken = {"StartTime": float(onset[0]), "VolumeIndices": tested.run.pairs.volume[tested.index]}

    def path(suffix: str, extension: str = ".nii.gz", **parts: str) -> Path:
        return derivative_path(
            job.out, files.entities, "func", suffix=suffix, extension=extension, **parts
        )

    series = {
        "synth": (tested.synthesised, f"BOLD synthesised from the EEG alone by {model}"),
        "target": (target, "Observed BOLD, as finely as the model's grid"),
        "residual": (target - tested.synthesised, "Observed minus synthesised BOLD"),
    }
    acquisition = {"TaskName": bold_metadata(files).get("TaskName", files.task)}
    for desc, (volumes, description) in series.items():
        about = {"Description": f"{description}; test volumes only", "Units": "arbitrary"}
        write_image(
            path("bold", desc=desc),
            np.moveaxis(volumes, 0, -1),
            bold.affine,
            tr=bold.tr,
            metadata=acquisition | sources | taken | about,
        )
    about = {"Description": "Brain mask from the mean of the run's volumes"}
    reference = {"SpatialReference": bids_uri(files.bold, files.root)}
    write_mask(
        path("mask", desc="brain"),
        tested.run.pairs.mask,
        bold.affine,
        metadata=about | reference | sources,
    )
    for stat, (values, description, units) in _maps(tested).items():
        about = {"Description": f"{description} Model {model}, test volumes.", "Units": units}
        write_image(
            path("boldmap", stat=stat, desc="synth"), values, bold.affine, metadata=about | sources
        )
    _write_tables(tested, path, sources)


def sources_of(runs: Sequence[PairedRun]) -> dict[str, object]:
    """Name the recordings that a file rests on, for its sidecar."""
    files = [run.files for run in runs]
    return {"Sources": [bids_uri(path, one.root) for one in files for path in (one.bold, one.eeg)]}


def _maps(tested: Tested) -> dict[str, tuple[np.ndarray, str, str]]:
    maps = tested.scores[tested.trained.name].maps
    named = {
        stat: (values, MAPS[stat].description, MAPS[stat].units) for stat, values in maps.items()
    }
    description = "One-sided p of temporal r against shifted EEG, uncorrected."
    return named | {"p": (tested.check.p_map, description, "1")}


def _write_tables(tested: Tested, path: Callable[..., Path], sources: Mapping[str, object]) -> None:
    scores, check = tested.scores, tested.check
    by_volume = scores[tested.trained.name].volumes
    rows = {"volume": tested.run.pairs.volume[tested.index]}
    rows["onset"] = tested.run.pairs.onset[tested.index]
    columns: dict[str, dict[str, object]] = {
        "volume": {"Description": "Index of the volume in the stored series, from 0"},
        "onset": {"Description": "Since the onset of the first stored volume", "Units": "s"},
    }
    write_table(
        path("timeseries", ".tsv", desc="synth"),
        rows | by_volume,
        columns | metric_columns(),
        metadata={"Description": f"Scores of {tested.trained.name} by test volume", **sources},
    )
    models = {name: dict(one.summary) for name, one in scores.items()}
    models[tested.trained.name] |= {
        "p_shifted_eeg": check.p,
        "r_shifted_eeg": check.null.tolist(),
    }
    write_table(
        path("metrics", ".tsv", desc="synth"),
        score_rows({name: one.summary for name, one in scores.items()}),
        metric_columns(),
        metadata={
            "Description": "Scores by model over the test volumes",
            **sources,
            "models": models,
            **_circumstances(tested.run),
        },
    )


def _circumstances(run: PairedRun) -> dict[str, object]:
    """Tell how the clocks were tied, which volumes were dropped, and what was odd."""
    pairs = run.pairs
    return {
        "clock": run.clock.summary(),
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


def publish_model(job: Job, owner: str, trained: Trained) -> Path:
    """Copy a trained model to where users look for it."""
    folder = job.out / "models" / f"{owner}_{trained.name}"
    write_model(folder, *read_model(trained.unit.folder))
    return folder


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


def provenance(
    job: Job,
    trained: Trained,
    runs: Sequence[PairedRun],
    split: Split,
    members: Mapping[str, Sequence[str]],
) -> Provenance:
    """Say how results came about, in words and with what to cite.

    Parameters
    ----------
    members
        Labels of the participants of each part; none at participant level.
    """
    card = trained.card
    tested = {run.files.task for run, index in zip(runs, split.test, strict=True) if len(index)}
    residuals = [run.clock.residual for run in runs if run.clock.n_markers]
    text = methods_text(
        job.config,
        {
            "participants": len({run.files.participant for run in runs}),
            "runs": len(runs),
            "volumes": sum(run.pairs.n_volumes for run in runs),
            "pairs": sum(len(run.pairs.volume) for run in runs),
            "tr": sorted({run.clock.tr for run in runs}),
            "channels": len(runs[0].pairs.channels),
            "clocks": sorted({_in_words(run.clock) for run in runs}),
            "clock_residual": max(residuals, default=None),
            "native_grids": sorted({run.pairs.mask.shape for run in runs}),
            "grid": runs[0].pairs.bold.shape[1:],
            "split": (_count(split.train), _count(split.valid), _count(split.test)),
            "gap": job.gap,
            "choosing": [f"sub-{label}" for label in members.get("valid", ())],
            "undivided": sorted({run.files.task for run in runs} - tested),
            "held_out": [f"sub-{label}" for label in members.get("test", ())],
            "parameters": card["parameters"],
            "epochs": len(card["history"]),
            "best_epoch": card["best_epoch"],
            "software": card["software"],
        },
    )
    works = [(work.text, work.url) for work in REFERENCES.values() if work.label in text]
    paragraphs = tuple(text.split("\n\n"))
    return Provenance(paragraphs, tuple(works), card["software"], job.command, job.config.seed)


def _in_words(clock: VolumeClock) -> str:
    if not clock.n_markers:
        return "the user"
    return f"the markers {clock.source.removeprefix('triggers:')}"


def _count(parts: Sequence[np.ndarray]) -> int:
    return sum(map(len, parts))
