"""The report of a group: how a model does on participants that it never saw."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import chain
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float

from bids_eeg2fmri.report.explanation import Explanation, draw_explanations
from bids_eeg2fmri.report.forest import Standing, forest_picture
from bids_eeg2fmri.report.maps import glass_picture, map_picture, mean_anatomy, planes_picture
from bids_eeg2fmri.report.page import (
    UNCOMPARED,
    Chance,
    Metric,
    Outcome,
    Provenance,
    Save,
    Verdict,
    as_sentence,
    columns,
    folder_link,
    render,
    write,
)
from bids_eeg2fmri.report.parcels import ParcelTable
from bids_eeg2fmri.report.pictures import Drawing, Picture, Training, draw, training_picture
from bids_eeg2fmri.report.words import counted, number, signed
from bids_eeg2fmri.types import typed


@typed
class GroupMaps:
    """Mean maps over the test participants, where they share a grid."""

    affine: Float[np.ndarray, "4 4"]
    """From voxel indices to millimetres."""
    mask: Bool[np.ndarray, "x y z"]
    """Voxels that every participant has."""
    mean: Float[np.ndarray, "x y z"]
    """Mean volume, the background."""
    r_map: Float[np.ndarray, "x y z"]
    """Mean temporal correlation; NaN where undefined."""
    skill_map: Float[np.ndarray, "x y z"]
    """Mean skill; NaN where undefined."""
    residuals: Mapping[str, Float[np.ndarray, "x y z"]]
    """Mean absolute residual by model, in ``residual_units``."""
    space: str
    """The space in words, and whether a voxel is the same place in every participant."""
    template: str = ""
    """The template space of all participants, e.g. ``MNI152NLin6Asym``; empty where there is none.
    """
    files: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Paths of the maps relative to the page, by the name of the picture."""


@dataclass(frozen=True)
class Member:
    """A test participant: whether the model that is shown tells their BOLD."""

    name: str
    """E.g. ``sub-01``."""
    verdict: str
    """Whether to believe the model with this participant, in a few words."""
    r: float
    """Temporal correlation, mean over the runs."""
    interval: tuple[float, float]
    """Where it lies at 95 %; NaN where unknown."""
    p: float
    """One-sided p of it against shifted EEG; NaN where unknown."""
    skill: float
    """Skill against the mean volume."""


@dataclass(frozen=True)
class RunData:
    """What is told of a run's data."""

    name: str
    """E.g. ``sub-01_task-rest``."""
    n_volumes: int
    """Volumes stored."""
    n_pairs: int
    """Volumes with full EEG history."""
    source: str
    """How the clocks were tied."""
    residual: float
    """Largest distance of a marker from the clock, in seconds."""
    drift: float
    """How much faster the EEG clock runs, in parts per million."""
    displacement: float
    """Median framewise displacement of the head in millimetres; NaN where unknown."""
    n_bad: int
    """Channels that were interpolated."""


@dataclass(frozen=True)
class GroupReport:
    """All that the report of a group says."""

    dataset: str
    """Name of the dataset."""
    task: str
    """E.g. ``task-rest``."""
    train_participants: tuple[str, ...]
    """Those whom the model learnt from; none where every one tests in a fold of its own."""
    test_participants: tuple[str, ...]
    """Those whom it never saw."""
    model: str
    """The model whose headline and maps these are; one of ``rows``."""
    outcomes: Mapping[str, Outcome]
    """How well it did on each run of the test participants, its trainings averaged."""
    rows: Mapping[str, Mapping[str, Mapping[str, float]]]
    """Scores by run, model and metric."""
    values: Mapping[str, Mapping[str, Sequence[float]]]
    """By model and metric, one value for each test participant and training."""
    rivals: tuple[str, ...]
    """Rows of ``values`` among which the best is sought: none on shifted EEG, none with fewer
    values than others."""
    spread: str
    """What the standard deviation of ``values`` is over, in words."""
    metrics: Mapping[str, Metric]
    """What each score means."""
    training: tuple[Training, ...]
    """One for each model that was trained here."""
    provenance: Provenance
    """How it came about."""
    folds: int = 1
    """Divisions of the participants."""
    repeats: int = 1
    """Trainings of each model in each fold."""
    models: tuple[Drawing, ...] = ()
    """How the models differ."""
    search: tuple[Drawing, ...] = ()
    """How the encoders were chosen, where they were; of the first fold."""
    choices: Mapping[str, Mapping[int, Sequence[int]]] = field(default_factory=dict)
    """By encoder and candidate, the folds that chose it; where there are several."""
    maps: GroupMaps | None = None
    """Mean maps, where the participants share a grid."""
    coverage: str = ""
    """What the maps rest on where that is not every test, or why there are none."""
    parcels: ParcelTable | None = None
    """How well the model tells the mean signals of parcels, where the participants share them."""
    no_parcels: str = ""
    """Why there are none."""
    stand_in: str = ""
    """Whose pictures these are, where the first model that was asked for has no result."""
    verdicts: Mapping[str, Verdict] = field(default_factory=dict)
    """Whether to believe each model, and each baseline that looks at the EEG."""
    valid_participants: tuple[str, ...] = ()
    """Those whose scores chose the epoch; none where the training participants' did."""
    problems: tuple[str, ...] = ()
    """What failed and why."""
    explanations: tuple[Explanation, ...] = ()
    """What models rest on, the shown one first; none where that was not asked for."""
    data: tuple[RunData, ...] = ()
    """How the data of each run are."""
    intervals: Mapping[str, Mapping[str, tuple[float, float]]] = field(default_factory=dict)
    """Where the mean of ``values`` over participants lies at 95 %; NaN for one alone."""
    links: Mapping[str, str] = field(default_factory=dict)
    """Path of the participant's own report, relative to this one, by run and by participant."""
    members: tuple[Member, ...] = ()
    """Verdicts on ``model``, participant by participant."""
    standings: tuple[Standing, ...] = ()
    """How ``model`` did on each run of the test participants."""
    model_standings: tuple[Standing, ...] = ()
    """How the models and baselines did over the test participants; oracles aside."""
    chances: Mapping[str, Mapping[str, Chance]] = field(default_factory=dict)
    """By model and null, in words, how probable its temporal r is by chance."""


def write_group_report(
    path: Path, report: GroupReport, save: Save, figures_dir: Path
) -> list[Path]:
    """Write one self-contained page and, below ``figures_dir``, each figure as a file.

    Returns
    -------
    Every file written, the page first.
    """
    prefix = f"group_{report.task}"
    standings = _standings(report, prefix)
    maps = _map_drawings(report.maps, prefix) if report.maps else ()
    training = tuple(
        draw(f"the training of {t.model}", partial(training_picture, t, prefix))
        for t in report.training
    )
    explained = draw_explanations(report.explanations, prefix)
    everyone = {
        (who, model): scores for who, rows in report.rows.items() for model, scores in rows.items()
    }
    html = render(
        "group.html.jinja",
        figures_at=folder_link(path, figures_dir),
        report=report,
        headline=_headline(report),
        means=columns(report.values, report.metrics, report.rivals, report.intervals),
        everyone=everyone,
        scores=columns(everyone, report.metrics),
        standings=standings,
        maps=maps,
        training=training,
        explained=explained,
    )
    shown = [
        *standings.values(),
        *maps,
        *chain(*(one.drawings for one in explained)),
        *report.models,
        *training,
        *report.search,
    ]
    return write(path, html, shown, save, figures_dir)


def _headline(report: GroupReport) -> tuple[str, ...]:
    """Open with the verdict on the model that is shown, where there is one."""
    if not (report.outcomes and report.model in report.verdicts):
        return group_headline(report.outcomes)
    runs = f"{counted(len(report.outcomes), 'run')} of held-out participants"
    better = f"{_above_both(report.outcomes)} of {runs}" + ", trainings averaged" * (
        report.repeats > 1
    )
    text = f"Its skill is above that of the mean volume and of shifted EEG in {better}."
    return (*as_sentence(report.verdicts[report.model]), text)


def _above_both(outcomes: Mapping[str, Outcome]) -> int:
    """Count the runs with a skill above that of the mean volume and of shifted EEG."""
    pairs = [(one.skill, one.skill_shifted) for one in outcomes.values()]
    return sum(skill > max(shifted, 0) for skill, shifted in pairs if np.isfinite(shifted))


def group_headline(outcomes: Mapping[str, Outcome]) -> tuple[str, ...]:
    """Say in plain sentences how well the model does on participants it never saw."""
    if not outcomes:
        return ("No run of a test participant has a result.",)
    r, skill, skill_shifted = (
        np.array([getattr(o, name) for o in outcomes.values()])
        for name in ("r", "skill", "skill_shifted")
    )
    shifted = np.concatenate([outcome.shifted for outcome in outcomes.values()])
    n = len(outcomes)
    compared = np.isfinite(skill_shifted)
    better = _above_both(outcomes)
    sentence = (
        f"Temporal r {number(_mean(r))} on average over {counted(n, 'run')} of held-out "
        f"participants (shifted EEG {number(_mean(shifted))}), skill {signed(_mean(skill))} "
        f"against the mean volume (shifted EEG {signed(_mean(skill_shifted))}); above both in "
        f"{better} of {n}."
    )
    verdicts = (
        (not _mean(skill) > 0, "The model does not beat the training-mean volume."),
        (not compared.any(), UNCOMPARED),
        (
            0 < _mean(skill[compared]) <= _mean(skill_shifted),
            "With shifted EEG its skill is no worse: it is not due to the EEG.",
        ),
        (_mean(r) <= _mean(shifted), "With shifted EEG its temporal r is no lower."),
    )
    return sentence, *(verdict for holds, verdict in verdicts if holds)


def _mean(values: Float[np.ndarray, " values"]) -> float:
    defined = values[np.isfinite(values)]
    return float(defined.mean()) if defined.size else np.nan


def _standings(report: GroupReport, prefix: str) -> dict[str, Drawing]:
    """Draw how the runs of participants, and how the models, stand beside each other."""
    runs, models = report.standings, report.model_standings
    about_runs = f"{report.model} on each run of the test participants."
    about_models = (
        "The models, and the baselines that are no oracles, mean over the test participants; one "
        "participant alone gives no interval."
    )
    made = {}
    if runs:
        stem = f"{prefix}_desc-participants_forest"
        made["runs"] = draw("participants", lambda: forest_picture(stem, runs, about_runs))
    if models:
        other = f"{prefix}_desc-models_forest"
        made["models"] = draw("models", lambda: forest_picture(other, models, about_models))
    return made


def _glass_picture(
    maps: GroupMaps, stem: str, name: str, title: str, values: Float[np.ndarray, "x y z"]
) -> Picture:
    where = f"{stem}{name}_desc-glass_map"
    return glass_picture(where, title, values, maps.mask, maps.affine, maps.template)


def _map_drawings(maps: GroupMaps, prefix: str) -> tuple[Drawing, ...]:
    on = (mean_anatomy(maps.mean, maps.affine), maps.mask, maps.affine)
    r, skill, stem = maps.r_map, maps.skill_map, f"{prefix}_stat-"
    makers: dict[str, Callable[[], Picture]] = {}
    if np.isfinite(r).any():
        planes = f"{stem}r_desc-planes_map"
        title = "Mean temporal r"
        makers["planes"] = lambda: planes_picture(planes, title, "temporal r", r, *on)
    if maps.template:
        through = partial(_glass_picture, maps, stem)
        makers["r_glass"] = lambda: through("r", "Mean temporal r", r)
        makers["skill_glass"] = lambda: through("skill", "Mean skill", skill)
    makers["r"] = lambda: map_picture(f"{stem}r_map", "Mean temporal r", "temporal r", r, *on)
    makers["skill"] = lambda: map_picture(f"{stem}skill_map", "Mean skill", "skill", skill, *on)
    return tuple(
        draw(f"map {name}", make, *maps.files.get(name, ())) for name, make in makers.items()
    )
