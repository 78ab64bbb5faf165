"""The report of one participant: its data, what was synthesised, and how good that is."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float

from bids_eeg2fmri.report import figures, mosaic
from bids_eeg2fmri.report.explanation import Explanation, explanation_pictures
from bids_eeg2fmri.report.page import (
    Metric,
    Outcome,
    Provenance,
    Save,
    Verdict,
    columns,
    headline,
    render,
    told,
    write,
)
from bids_eeg2fmri.report.parcels import ParcelTable
from bids_eeg2fmri.report.pictures import (
    Picture,
    Training,
    in_words,
    map_picture,
    training_picture,
)
from bids_eeg2fmri.report.words import counted, probability
from bids_eeg2fmri.types import VolumeClock, typed


@dataclass(frozen=True)
class RunSummary:
    """What one run holds and how it was divided."""

    name: str
    """E.g. ``sub-01_task-rest``."""
    eeg_file: str
    """Path of the EEG, relative to the dataset."""
    bold_file: str
    """Path of the BOLD, relative to the dataset."""
    clock: VolumeClock
    """How the two were tied together."""
    n_volumes: int
    """Volumes stored."""
    n_pairs: int
    """Volumes with full EEG history."""
    n_train: int
    """Pairs that the model learnt from."""
    n_valid: int
    """Pairs that chose the epoch."""
    n_test: int
    """Pairs that the scores rest on."""
    n_channels: int
    """EEG channels used."""
    sfreq: float
    """Sampling rate of the EEG in hertz."""
    grid: tuple[int, int, int]
    """Voxels of the BOLD along each axis."""
    notes: tuple[str, ...] = ()
    """What was odd in the data and how it was dealt with."""


@typed
class TimeCourse:
    """Observed and synthesised signal of some voxels."""

    title: str
    """Which voxels."""
    observed: Float[np.ndarray, " time"]
    """Mean over the voxels, in ``RunResult.signal_units``."""
    synthesised: Float[np.ndarray, " time"]
    """The same of the synthesised signal."""


@typed
class RunResult:
    """What was synthesised for the test volumes of one run, and how good it is."""

    name: str
    """The run, as in ``RunSummary.name``."""
    model: str
    """The model whose pictures and headline these are; one of ``rows``."""
    outcome: Outcome
    """How well it did."""
    rows: Mapping[str, Mapping[str, float]]
    """Scores by model and metric: the model, its baselines, and the model on shifted EEG."""
    rivals: tuple[str, ...]
    """Rows among which the best score is sought: neither those on shifted EEG nor oracles."""
    affine: Float[np.ndarray, "4 4"]
    """From voxel indices to millimetres."""
    mask: Bool[np.ndarray, "x y z"]
    """Brain mask."""
    mean: Float[np.ndarray, "x y z"]
    """Mean volume, the background of the maps."""
    observed: Float[np.ndarray, "x y z"]
    """One test volume."""
    synthesised: Float[np.ndarray, "x y z"]
    """The same volume from the EEG."""
    model_grid: tuple[int, int, int]
    """Grid on which it was synthesised, before it was brought to that of the BOLD."""
    example_time: float
    """When it was acquired, in seconds since the first volume."""
    r_map: Float[np.ndarray, "x y z"]
    """Temporal correlation of each voxel; NaN where undefined."""
    skill_map: Float[np.ndarray, "x y z"]
    """Skill of each voxel; NaN where undefined."""
    p_map: Float[np.ndarray, "x y z"] | None
    """One-sided uncorrected p of ``r_map`` against shifted EEG; ``None`` where there is no null."""
    time: Float[np.ndarray, " time"]
    """When each test volume was acquired, in seconds since the first volume."""
    time_courses: tuple[TimeCourse, ...]
    """Signals to be shown, the best-fitting voxels first."""
    verdicts: Mapping[str, Verdict] = field(default_factory=dict)
    """Whether to believe each of ``rows`` that looks at the EEG."""
    parcels: ParcelTable | None = None
    """How well it tells the mean signals of parcels; none where the atlas does not fit the run."""
    bold_units: str = "units of the scanner"
    """Of the volumes."""
    signal_units: str = "% of the mean"
    """Of the time courses."""


@dataclass(frozen=True)
class ParticipantReport:
    """All that the report of one participant says."""

    participant: str
    """E.g. ``sub-01``."""
    dataset: str
    """Name of the dataset."""
    runs: tuple[RunSummary, ...]
    """The runs in order."""
    results: tuple[RunResult, ...]
    """Their results; a run may have none."""
    training: tuple[Training, ...]
    """One for each model that was trained here."""
    metrics: Mapping[str, Metric]
    """What each score of ``RunResult.rows`` means."""
    provenance: Provenance
    """How it came about."""
    search: tuple[Picture, ...] = ()
    """How the encoders were chosen, where they were."""
    stand_in: str = ""
    """Whose pictures these are, where the first model that was asked for has no result."""
    problems: tuple[str, ...] = ()
    """What failed and why."""
    explanations: Mapping[str, Explanation] = field(default_factory=dict)
    """What the shown model rests on, by run; none where that was not asked for."""


def write_participant_report(
    path: Path, report: ParticipantReport, save: Save, figures_dir: Path | None = None
) -> list[Path]:
    """Write one self-contained page and, below ``figures_dir``, each figure as a file.

    Returns
    -------
    Every file written, the page first.
    """
    pictures = {result.name: _result_pictures(result) for result in report.results}
    training = tuple(training_picture(t, path.stem) for t in report.training)
    explained = {name: explanation_pictures(one, name) for name, one in report.explanations.items()}
    html = render(
        "participant.html.jinja",
        report=report,
        results={result.name: result for result in report.results},
        headlines={result.name: _headline(result) for result in report.results},
        scores={
            result.name: columns(result.rows, report.metrics, result.rivals)
            for result in report.results
        },
        pictures=pictures,
        training=training,
        explained=explained,
    )
    shown = [picture for parts in pictures.values() for picture in parts.values()]
    shown += [picture for parts in explained.values() for picture in parts]
    return write(path, html, [*shown, *training, *report.search], save, figures_dir)


def _headline(result: RunResult) -> tuple[str, ...]:
    """Open with the verdict on the model that is shown."""
    if result.model not in result.verdicts:
        return headline(result.outcome)
    return told(result.verdicts[result.model])


def _result_pictures(result: RunResult) -> dict[str, Picture]:
    """Draw what a result has; no null or no time course leaves a picture out."""
    parts = {"volume": _volume_picture(result)}
    for name, title, values, p_map in (
        ("r", "Temporal r", result.r_map, result.p_map),
        ("skill", "Skill against the training-mean volume", result.skill_map, None),
    ):
        stem = f"{result.name}_stat-{name}_map"
        parts[name] = map_picture(
            stem,
            title,
            title.split(" against")[0].lower(),
            values,
            result.mean,
            result.mask,
            result.affine,
            p_map,
        )
    if result.outcome.shifted.size and np.isfinite(result.outcome.r):
        parts["null"] = _null_picture(result.name, result.outcome)
    if result.time_courses:
        parts["time"] = _time_picture(result)
    return parts


def _volume_picture(result: RunResult) -> Picture:
    view = mosaic.axial_view(result.mask, result.affine, slices=7, columns=7)
    rows = {"observed": result.observed, "synthesised": result.synthesised}
    residual = result.observed - result.synthesised
    finely = ""
    if result.model_grid != result.mask.shape:
        size = "×".join(map(str, result.model_grid))
        finely = f" Both are shown, and scored, as finely as the model's grid of {size} voxels."
    figure = mosaic.draw_volumes(view, rows, residual, result.mask, result.bold_units)
    return Picture(
        f"{result.name}_desc-example_volume",
        mosaic.to_png(figure),
        f"Three rows of {counted(len(view.levels), 'axial slice')}: the volume observed at "
        f"{result.example_time:.1f} s, the one synthesised, and the residual. Residual in "
        f"{result.bold_units}: {in_words(residual[result.mask])}",
        f"The test volume at {result.example_time:.1f} s as observed and as synthesised, on one "
        "grey scale, and observed − synthesised on its own. Likeness here is mostly anatomy, which "
        f"the mean volume has too.{finely} Left is left, front is up; the numbers are heights in "
        "mm.",
        wide=True,
    )


def _null_picture(run: str, outcome: Outcome) -> Picture:
    null, r = outcome.shifted, outcome.r
    n = len(null)
    return Picture(
        f"{run}_desc-null_histogram",
        figures.to_svg(figures.null_histogram(null, r)),
        f"Histogram of temporal r under {counted(n, 'shift')} of the EEG, from {null.min():.3f} to "
        f"{null.max():.3f}; with the EEG in time it is {r:.3f}.",
        f"What the same model reaches when its EEG is shifted in time ({counted(n, 'draw')}), and "
        f"what it reaches with the EEG in time; one-sided p = {probability(outcome.p)}, among all "
        "shifts, also those too short to be drawn here.",
    )


def _time_picture(result: RunResult) -> Picture:
    courses = result.time_courses
    panels = [(c.title, c.observed, c.synthesised) for c in courses]
    return Picture(
        f"{result.name}_desc-signal_timecourse",
        figures.to_svg(figures.time_courses(result.time, panels, result.signal_units)),
        "Observed and synthesised signal over the test volumes, one panel each: "
        + "; ".join(c.title for c in courses)
        + ".",
        "Signal over the test volumes. Voxels that were chosen by their fit to these same volumes "
        "flatter the model: believe what all voxels give, not the best of many curves.",
        wide=True,
    )
