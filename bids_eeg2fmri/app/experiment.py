"""What many trainings add up to: Tables 1 and 2 of the paper, tests between models, and maps."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import chain, combinations

import numpy as np
from jaxtyping import Float32

from bids_eeg2fmri.app.choosing import Encoders
from bids_eeg2fmri.app.job import Job
from bids_eeg2fmri.app.members import Members
from bids_eeg2fmri.app.outputs import metric_columns, model_label, sources_of
from bids_eeg2fmri.app.recordings import PairedRun
from bids_eeg2fmri.app.testing import BASELINE, Tested, shifted
from bids_eeg2fmri.app.training import Trained
from bids_eeg2fmri.bids.write import derivative_path, write_image, write_table
from bids_eeg2fmri.evaluate.compare import (
    Comparison,
    RunScore,
    TableCell,
    compare_models,
    tabulate,
)
from bids_eeg2fmri.evaluate.metrics import BOLD_SD, MAPS, METRICS
from bids_eeg2fmri.evaluate.voxelwise import (
    MIN_PARTICIPANTS,
    Duel,
    TMap,
    by_participant,
    compare_voxelwise,
    normalise_residuals,
)
from bids_eeg2fmri.model.names import MODELS
from bids_eeg2fmri.report.group import GroupMaps
from bids_eeg2fmri.train.splits import Split

SPACE = (
    "The mean over the participants' own grids, voxel by voxel, as in the paper. These are not in "
    "a template space: a voxel is not the same place in every head."
)
Pair = tuple[str, str]


@dataclass(frozen=True)
class Result:
    """What one training made of one test run."""

    fold: int
    """Division of the participants, from zero."""
    repeat: int
    """Which training of the same model, from zero."""
    tested: Tested
    """Its synthesised volumes and scores."""

    @property
    def model(self) -> str:
        """Which model."""
        return self.tested.trained.name

    @property
    def participant(self) -> str:
        """Whose run it is."""
        return self.tested.run.files.participant


@dataclass(frozen=True)
class Experiment:
    """All trainings of a task and their results."""

    job: Job
    owner: str
    """E.g. ``group_task-rest``."""
    task: str
    runs: Sequence[PairedRun]
    folds: Sequence[Members]
    """Who trains, chooses and tests, fold by fold."""
    splits: Sequence[Split]
    """Their pairs."""
    encoders: Sequence[Encoders]
    """What the networks of each fold are built from."""
    results: Sequence[Result]

    @property
    def models(self) -> list[str]:
        """The models that have results, in the order in which they were asked for."""
        return [*dict.fromkeys(result.model for result in self.results)]

    @property
    def of_first_model(self) -> list[Result]:
        """The results whose headline and maps the report opens with."""
        return [result for result in self.results if result.model == self.models[0]]

    @property
    def side_by_side(self) -> list[Result]:
        """What no model failed in, so that maps compare like with like."""
        found: dict[tuple[int, int, str], list[Result]] = {}
        for result in self.results:
            tested = (result.fold, result.repeat, result.tested.run.files.name)
            found.setdefault(tested, []).append(result)
        return [*chain(*(of for of in found.values() if len(of) == len(self.models)))]

    @property
    def mapped(self) -> list[Tested]:
        """The first model's part of it."""
        return [one.tested for one in self.side_by_side if one.model == self.models[0]]

    @property
    def published(self) -> list[Trained]:
        """One training of each model: that of the first fold and repeat that has a result."""
        trained: dict[str, Trained] = {}
        for result in self.results:
            trained.setdefault(result.model, result.tested.trained)
        return [*trained.values()]

    def scores(self) -> list[RunScore]:
        """Lay out all scores: the models', the mean volume's once a test, those on shifted EEG."""
        rows = {
            (name, result.participant, result.tested.run.files.name, result.fold, result.repeat): s
            for result in self.results
            for name, s in result.tested.scores.items()
        }
        order = [*self.models, BASELINE, *map(shifted, self.models)]
        found = [RunScore(*key, one.summary) for key, one in rows.items()]
        return sorted(found, key=lambda one: order.index(one.model))

    def values(self) -> dict[str, dict[str, list[float]]]:
        """Give by model and metric one value for each test participant under one training."""
        own: dict[str, dict[tuple[str, int, int], list[Mapping[str, float]]]] = {}
        for one in self.scores():
            training = (one.participant, one.fold, one.seed)
            own.setdefault(one.model, {}).setdefault(training, []).append(one.scores)
        return {
            model: {m: [_mean([s[m] for s in runs]) for runs in of.values()] for m in METRICS}
            for model, of in own.items()
        }

    def compared(self) -> list[RunScore]:
        """Lay out the scores of models and baseline, without those on shifted EEG."""
        null = {shifted(name) for name in self.models}
        return [one for one in self.scores() if one.model not in null]

    def table(self) -> tuple[TableCell, ...]:
        """Sum up Tables 1 and 2, with all metrics; the baseline last."""
        return tabulate(self.compared(), [*METRICS])

    def comparisons(self) -> tuple[Comparison, ...]:
        """Test all models and the baseline against each other."""
        return compare_models(self.compared(), [*METRICS])


def write_tables(experiment: Experiment) -> None:
    """Write every score, the paper's tables, and the tests between models."""
    job, owner = experiment.job, experiment.owner
    sources = sources_of([result.tested.run for result in experiment.of_first_model])
    scores = experiment.scores()
    rows: dict[str, list[object]] = {
        "participant_id": [f"sub-{one.participant}" for one in scores],
        "run": [one.run for one in scores],
        "fold": [one.fold + 1 for one in scores],
        "repeat": [one.seed + 1 for one in scores],
        "model": [one.model for one in scores],
    }
    rows |= {metric: [one.scores[metric] for one in scores] for metric in METRICS}
    columns = metric_columns()
    write_table(
        job.out / f"{owner}_metrics.tsv",
        rows,
        columns,
        metadata={
            "Description": "Scores on participants that the model never saw",
            **sources,
            "participants": [*experiment.folds],
        },
    )
    cells = experiment.table()
    write_table(
        job.out / f"{owner}_desc-models_metrics.tsv",
        _model_rows(cells),
        {**columns, **_model_columns()},
        metadata={"Description": f"Scores by model. {cells[0].spread}", **sources},
    )
    compared = [asdict(one) for one in experiment.comparisons()]
    write_table(
        job.out / f"{owner}_desc-comparisons_metrics.tsv",
        {name: [row[name] for row in compared] for name in COMPARISON_COLUMNS},
        COMPARISON_COLUMNS,
        metadata={"Description": "Paired tests between models over participants", **sources},
    )


COMPARISON_COLUMNS: Mapping[str, Mapping[str, object]] = {
    "metric": {"Description": "Score that is compared"},
    "first": {"Description": "One model"},
    "second": {"Description": "The other model"},
    "difference": {
        "Description": "Mean over participants of first minus second, in the unit of the score"
    },
    "n": {"Description": "Participants"},
    "t": {"Description": "Paired t over participants"},
    "df": {"Description": "Its degrees of freedom"},
    "p": {"Description": "Its two-sided p, uncorrected"},
    "signed_rank_p": {"Description": "Two-sided p of Wilcoxon's signed-rank test"},
    "q": {"Description": "p adjusted over all pairs of models in this score (FDR)"},
}


def _model_rows(cells: Sequence[TableCell]) -> dict[str, list[object]]:
    models = [*dict.fromkeys(cell.model for cell in cells)]
    found = {(cell.model, cell.metric): cell for cell in cells}
    first = [found[model, "rmse"] for model in models]
    tables = [str(MODELS[model].table) if model in MODELS else "n/a" for model in models]
    rows: dict[str, list[object]] = {"model": [*models], "table": [*tables]}
    rows |= {
        name: [getattr(cell, name) for cell in first] for name in ("n_participants", "n_seeds")
    }
    for metric in METRICS:
        of_metric = [found[model, metric] for model in models]
        rows[metric] = [cell.mean for cell in of_metric]
        rows[f"{metric}_sd"] = [cell.sd for cell in of_metric]
    return rows


def _model_columns() -> dict[str, dict[str, object]]:
    """Describe what `metric_columns` does not."""
    described: dict[str, dict[str, object]] = {
        "table": {"Description": "Table of Calhas & Henriques 2022 in which the model stands"},
        "n_participants": {"Description": "Test participants"},
        "n_seeds": {"Description": "Trainings with draws of their own"},
    }
    return described | {
        f"{name}_sd": {
            "Description": f"Standard deviation of {metric.name} over test participants and seeds",
            "Units": metric.units,
        }
        for name, metric in METRICS.items()
    }


def _mean(values: Sequence[float]) -> float:
    defined = [value for value in values if np.isfinite(value)]
    return float(np.mean(defined)) if defined else float("nan")


def mean_maps(experiment: Experiment) -> GroupMaps | None:
    """Average the maps of the test runs that no model failed in, where their grids lie alike."""
    tested = experiment.mapped
    if not tested:
        return None
    first, *others = [one.run.recording.bold.affine for one in tested]
    masks = [one.run.pairs.mask for one in tested]
    same = all(mask.shape == masks[0].shape for mask in masks)
    mask = np.logical_and.reduce(masks) if same else np.zeros(1, bool)
    if not mask.any() or not all(np.allclose(affine, first, atol=0.1) for affine in others):
        return None
    mean = np.mean([one.target.mean(axis=0) for one in tested], axis=0)
    maps = [one.scores[one.trained.name].maps for one in tested]
    r, skill = (
        np.where(mask, np.mean([one[name] for one in maps], axis=0), np.nan)
        for name in ("pearsoncorrelation", "skill")
    )
    absolute = {name: _residual(experiment, name) for name in [*experiment.models, BASELINE]}
    residuals = {
        name: np.where(mask, values.mean(axis=0), np.nan).astype(np.float32)
        for name, values in absolute.items()
    }
    return GroupMaps(first, mask, mean, r, skill, residuals, SPACE)


def _residual(experiment: Experiment, model: str) -> Float32[np.ndarray, "participants x y z"]:
    """Mean absolute residual of a model and participant, in the unit that RMSE has."""
    own: dict[str, list[np.ndarray]] = {}
    for result in experiment.side_by_side:
        if model in (result.model, BASELINE):
            mae = result.tested.scores[model].maps["mae"]
            own.setdefault(result.participant, []).append(mae / result.tested.bold_sd)
    return by_participant(own).astype(np.float32)


def compare_maps(experiment: Experiment) -> dict[Pair, TMap]:
    """Find where each of two models errs less: the models of Table 1, and each with the baseline.

    Figs 4 and 11 of Calhas & Henriques 2022.
    """
    models = experiment.models
    first = [name for name in models if MODELS[name].table == 1] or models
    pairs = [*combinations(first, 2), *((name, BASELINE) for name in models)]
    mask = np.logical_and.reduce([one.run.pairs.mask for one in experiment.mapped])
    absolute = {name: _residual(experiment, name) for name in [*models, BASELINE]}
    tested = {one.run.files.participant for one in experiment.mapped}
    return {
        (a, b): compare_voxelwise(
            absolute[a],
            absolute[b],
            _duels(experiment, a, b) if len(tested) < MIN_PARTICIPANTS else [],
            mask,
            experiment.job.config.seed,
        )
        for a, b in pairs
    }


def _duels(experiment: Experiment, first: str, second: str) -> list[Duel]:
    """Set two models beside what was observed, each run once: in its first fold and repeat."""
    found: dict[tuple[str, str], Tested] = {}
    for result in experiment.side_by_side:
        found.setdefault((result.model, result.tested.run.files.name), result.tested)
    names = [name for model, name in found if model == experiment.models[0]]
    duels = []
    for name in names:
        one = found[experiment.models[0], name]
        target = one.target
        sides = [
            one.baseline() if model == BASELINE else found[model, name].synthesised
            for model in (first, second)
        ]
        duels.append(Duel(one.run.files.participant, target, *sides))
    return duels


def write_maps(experiment: Experiment, maps: GroupMaps, duels: Mapping[Pair, TMap]) -> None:
    """Write mean maps of the first model, residuals of all, and what pairs of models differ in."""
    sources = sources_of([one.run for one in experiment.mapped])

    def write(stat: str, desc: str, values: np.ndarray, description: str, units: str) -> None:
        path = derivative_path(
            experiment.job.out / "group",
            experiment.job.selection.entities(experiment.task),
            "func",
            suffix="boldmap",
            extension=".nii.gz",
            stat=stat,
            desc=desc,
        )
        about = {"Description": f"{description} {SPACE}", "Units": units}
        write_image(path, values.astype(np.float32), maps.affine, metadata=about | sources)

    for stat, values in (("pearsoncorrelation", maps.r_map), ("skill", maps.skill_map)):
        write(stat, "synth", values, MAPS[stat].description, MAPS[stat].units)
    for name, values in maps.residuals.items():
        label, whose = _label(experiment, name), f"of {name}."
        write("mae", label, values, f"Mean absolute residual {whose}", BOLD_SD)
        normalised = normalise_residuals(values, maps.mask)
        write("maenorm", label, normalised, f"The same over its maximum, {whose}", "1")
    for (first, second), found in duels.items():
        label = f"{model_label(first)}vs{model_label(second)}"
        for stat, values in (("t", found.t), ("p", found.p), ("q", found.q)):
            text = f"Positive t: {first} errs less than {second}. {found.test}."
            write(stat, label, values, text, "1")


def _label(experiment: Experiment, name: str) -> str:
    return "synth" if name == experiment.models[0] else f"synth{model_label(name)}"
