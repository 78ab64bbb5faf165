"""The report of a group: how a model does on participants that it never saw."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float

from bids_eeg2fmri.report import figures
from bids_eeg2fmri.report.explanation import Explanation, explanation_pictures
from bids_eeg2fmri.report.page import (
    UNCOMPARED,
    Metric,
    Outcome,
    Provenance,
    Save,
    Verdict,
    columns,
    render,
    told,
    write,
)
from bids_eeg2fmri.report.parcels import ParcelTable
from bids_eeg2fmri.report.pictures import Picture, Training, map_picture, training_picture
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
    models: tuple[Picture, ...] = ()
    """How the models differ."""
    search: tuple[Picture, ...] = ()
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
    explanation: Explanation | None = None
    """What the shown model rests on; none where that was not asked for."""
    intervals: Mapping[str, Mapping[str, tuple[float, float]]] = field(default_factory=dict)
    """Where the mean of ``values`` over participants lies at 95 %; NaN for one alone."""
    links: Mapping[str, str] = field(default_factory=dict)
    """Path of the participant's own report, relative to this one, by run and by participant."""


def write_group_report(
    path: Path, report: GroupReport, save: Save, figures_dir: Path | None = None
) -> list[Path]:
    """Write one self-contained page and, below ``figures_dir``, each figure as a file.

    Returns
    -------
    Every file written, the page first.
    """
    prefix = f"group_{report.task}"
    scatter = _scores_picture(report.outcomes, prefix) if report.outcomes else None
    maps = _map_pictures(report.maps, prefix) if report.maps else ()
    training = tuple(training_picture(t, prefix) for t in report.training)
    explained = explanation_pictures(report.explanation, prefix) if report.explanation else ()
    everyone = {
        (who, model): scores for who, rows in report.rows.items() for model, scores in rows.items()
    }
    html = render(
        "group.html.jinja",
        report=report,
        headline=_headline(report),
        means=columns(report.values, report.metrics, report.rivals, report.intervals),
        everyone=everyone,
        scores=columns(everyone, report.metrics),
        scatter=scatter,
        maps=maps,
        training=training,
        explained=explained,
    )
    pictures = [
        *filter(None, [scatter]),
        *maps,
        *explained,
        *report.models,
        *training,
        *report.search,
    ]
    return write(path, html, pictures, save, figures_dir)


def _headline(report: GroupReport) -> tuple[str, ...]:
    """Open with the verdict on the model that is shown, where there is one."""
    if not (report.outcomes and report.model in report.verdicts):
        return group_headline(report.outcomes)
    runs = f"{counted(len(report.outcomes), 'run')} of held-out participants"
    better = f"{_above_both(report.outcomes)} of {runs}" + ", trainings averaged" * (
        report.repeats > 1
    )
    text = f"Its skill is above that of the mean volume and of shifted EEG in {better}."
    return (*told(report.verdicts[report.model]), text)


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


def _scores_picture(outcomes: Mapping[str, Outcome], prefix: str) -> Picture:
    names, seen = list(outcomes), list(outcomes.values())
    nulls = [outcome.shifted for outcome in seen]
    spans = np.array([np.percentile(n, [5, 95]) if n.size else [np.nan] * 2 for n in nulls])
    r, skill, skill_shifted = (
        np.array([getattr(o, name) for o in seen]) for name in ("r", "skill", "skill_shifted")
    )
    above = int(np.sum(r > spans[:, 1]))
    return Picture(
        f"{prefix}_desc-participants_scores",
        figures.to_svg(figures.participant_scores(names, r, spans, skill, skill_shifted)),
        f"Temporal r and skill of {counted(len(names), 'test run')}. Temporal r lies above the "
        f"95th percentile of shifted EEG in {above}; skill is above zero and above that of "
        f"shifted EEG in {int(np.sum(skill > np.fmax(skill_shifted, 0)))}.",
        "Each run of the test participants. Left: temporal r with the EEG in time, before the "
        "range that the same model reaches with shifted EEG. Right: skill, and a bar where shifted "
        "EEG has it; left of zero the training-mean volume is closer.",
        wide=True,
    )


def _map_pictures(maps: GroupMaps, prefix: str) -> tuple[Picture, ...]:
    described = (("r", "Mean temporal r", maps.r_map), ("skill", "Mean skill", maps.skill_map))
    return tuple(
        map_picture(
            f"{prefix}_stat-{name}_map",
            title,
            title.removeprefix("Mean "),
            values,
            maps.mean,
            maps.mask,
            maps.affine,
        )
        for name, title, values in described
    )
