"""What was synthesised for the test volumes of one run, and its pictures."""

from collections.abc import Callable, Mapping
from dataclasses import field
from functools import partial

import numpy as np
from jaxtyping import Bool, Float

from bids_eeg2fmri.report import figures, mosaic
from bids_eeg2fmri.report.forest import Standing, forest_picture
from bids_eeg2fmri.report.maps import (
    LAYOUT,
    deviation_picture,
    glass_picture,
    map_picture,
    mean_anatomy,
    planes_picture,
    q_picture,
)
from bids_eeg2fmri.report.page import Chance, Outcome, Verdict
from bids_eeg2fmri.report.parcels import ParcelTable
from bids_eeg2fmri.report.pictures import Drawing, Picture, draw, in_words
from bids_eeg2fmri.report.words import counted, number, probability
from bids_eeg2fmri.types import Anatomy, typed


@typed
class TimeCourse:
    """Observed and synthesised signal of some voxels."""

    title: str
    """Which voxels."""
    observed: Float[np.ndarray, " time"]
    """Mean over the voxels, in ``RunResult.signal_units``."""
    synthesised: Float[np.ndarray, " time"]
    """The same of the synthesised signal."""
    shifted: Float[np.ndarray, "2 time"] | None = None
    """5th and 95th percentile of the synthesised signal when the EEG is shifted in time; none where
    the test is too short."""


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
    anatomy: Anatomy | None = None
    """What lies behind the maps; the mean volume where there is none."""
    template: str = ""
    """The template space that the run is in, e.g. ``MNI152NLin6Asym``; empty on a native grid."""
    q_map: Float[np.ndarray, "x y z"] | None = None
    """``p_map`` with false discoveries controlled over the mask."""
    sd_map: Float[np.ndarray, "x y z"] | None = None
    """Deviation over time of the synthesised signal over that of the observed."""
    standings: tuple[Standing, ...] = ()
    """How the models and baselines compare; oracles aside."""
    chances: Mapping[str, Mapping[str, Chance]] = field(default_factory=dict)
    """By model and null, in words, how probable its temporal r is by chance."""
    files: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Paths of the data behind the pictures, relative to the page, by the name of the picture."""
    bold_units: str = "units of the scanner"
    """Of the volumes."""
    signal_units: str = "% of the mean"
    """Of the time courses."""


def result_drawings(result: RunResult) -> dict[str, Drawing]:
    """Draw what a result has, by name; what it lacks leaves a picture out."""
    makers: dict[str, Callable[[], Picture]] = {"volume": lambda: _volume_picture(result)}
    makers |= _maps(result)
    if result.standings:
        about = "The models, and the baselines that are no oracles, in the test of this run."
        stem = f"{result.name}_desc-models_forest"
        makers["models"] = lambda: forest_picture(stem, result.standings, about)
    if result.outcome.shifted.size and np.isfinite(result.outcome.r):
        makers["null"] = lambda: _null_picture(result.name, result.outcome)
    if result.time_courses:
        makers["time"] = lambda: _time_picture(result)
    return {
        name: draw(f"{result.name}, {name}", make, *result.files.get(name, ()))
        for name, make in makers.items()
    }


def _maps(result: RunResult) -> dict[str, Callable[[], Picture]]:
    """List the maps by name, each as what draws it."""
    r, skill, q, sd = result.r_map, result.skill_map, result.q_map, result.sd_map
    mask, affine, stem = result.mask, result.affine, f"{result.name}_stat-"
    on = (result.anatomy or mean_anatomy(result.mean, affine), mask, affine)
    against = "Skill against the training-mean volume"
    found: dict[str, Callable[[], Picture]] = {}
    if np.isfinite(r).any():
        planes = f"{stem}r_desc-planes_map"
        found["planes"] = lambda: planes_picture(planes, "Temporal r", "temporal r", r, *on)
    found["r"] = lambda: map_picture(
        f"{stem}r_map", "Temporal r", "temporal r", r, *on, result.p_map
    )
    found["skill"] = lambda: map_picture(f"{stem}skill_map", against, "skill", skill, *on)
    if q is not None:
        found["q"] = lambda: q_picture(f"{stem}q_map", q, mask, affine)
    if sd is not None:
        found["sd"] = lambda: deviation_picture(f"{stem}sdratio_map", sd, mask, affine)
    return found | _glass(result)


def _glass(result: RunResult) -> dict[str, Callable[[], Picture]]:
    """List the maps that are shown through a glass brain too, where one fits."""
    titles = {"r": "Temporal r", "skill": "Skill", "q": "−log₁₀ q of temporal r"}
    maps = {"r": result.r_map, "skill": result.skill_map}
    if result.q_map is not None:
        maps["q"] = -np.log10(result.q_map)
    on = (result.mask, result.affine, result.template)
    return {
        f"{name}_glass": partial(
            glass_picture, f"{result.name}_stat-{name}_desc-glass_map", titles[name], values, *on
        )
        for name, values in maps.items()
        if result.template and np.isfinite(values[result.mask]).any()
    }


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
        f"the mean volume has too.{finely} {LAYOUT}",
        wide=True,
    )


def _null_picture(run: str, outcome: Outcome) -> Picture:
    null, r = outcome.shifted, outcome.r
    n = len(null)
    return Picture(
        f"{run}_desc-null_histogram",
        figures.to_svg(figures.null_histogram(null, r)),
        f"Histogram of temporal r under {counted(n, 'shift')} of the EEG, from "
        f"{number(null.min())} to {number(null.max())}; with the EEG in time it is {number(r)}.",
        f"What the same model reaches when its EEG is shifted in time ({counted(n, 'draw')}), and "
        f"what it reaches with the EEG in time; one-sided p = {probability(outcome.p)}, among all "
        "shifts, also those too short to be drawn here.",
    )


def _time_picture(result: RunResult) -> Picture:
    courses = result.time_courses
    panels = [figures.Course(c.title, c.observed, c.synthesised, c.shifted) for c in courses]
    return Picture(
        f"{result.name}_desc-signal_timecourse",
        figures.to_svg(figures.time_courses(result.time, panels, result.signal_units)),
        "Observed and synthesised signal over the test volumes, one panel each: "
        + "; ".join(c.title for c in courses)
        + ".",
        "Signal over the test volumes; grey: 5 to 95 % of what the same model gives when its EEG "
        "is shifted in time. What was chosen by its fit to these same volumes flatters the model: "
        "believe what all voxels give, not the best of many curves.",
        wide=True,
    )
