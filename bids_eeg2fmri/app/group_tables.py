"""Tables of a group: every score, Tables 1 and 2 of the paper, and the tests between models."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict

from bids_eeg2fmri.app.experiment import Experiment
from bids_eeg2fmri.app.labels import sources_of
from bids_eeg2fmri.app.outputs import metric_columns
from bids_eeg2fmri.bids.write import write_table
from bids_eeg2fmri.evaluate.compare import TableCell
from bids_eeg2fmri.evaluate.metrics import METRICS
from bids_eeg2fmri.evaluate.surrogates import NULLS
from bids_eeg2fmri.model.names import MODELS


def write_tables(experiment: Experiment) -> None:
    """Write every score, the paper's tables, and the tests between models."""
    job, owner = experiment.job, experiment.owner
    sources = sources_of([result.tested.run for result in experiment.of_first_model])
    scores = experiment.scores
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
            "models": {name: one.summary() for name, one in experiment.verdicts.items()},
            "nulls": {name: null.description for name, null in NULLS.items()},
        },
    )
    cells = experiment.table
    write_table(
        job.out / f"{owner}_desc-models_metrics.tsv",
        _model_rows(cells),
        {**columns, **_model_columns()},
        metadata={"Description": f"Scores by model. {experiment.spread()}", **sources},
    )
    compared = [asdict(one) for one in experiment.comparisons]
    text = "Paired tests between models over participants."
    if most := max(one.n for one in experiment.comparisons):
        text += f" With n = {most} signed_rank_p is never below {2.0 ** (1 - most):.2g}."
    write_table(
        job.out / f"{owner}_desc-comparisons_metrics.tsv",
        {name: [row[name] for row in compared] for name in COMPARISON_COLUMNS},
        COMPARISON_COLUMNS,
        metadata={"Description": text, **sources},
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
    "signed_rank_p": {
        "Description": "Two-sided p of Wilcoxon's signed-rank test, uncorrected; with n "
        "participants never below 2^(1 − n), so that none of fewer than 6 is below 0.05"
    },
    "q": {"Description": "p adjusted over all pairs of models in this score (FDR)"},
}


SPREAD: Mapping[str, str] = {
    "sd": "Standard deviation of {} over test participants and seeds",
    "low": "Lower end of the 95 % interval of the mean {} over test participants, seeds averaged "
    "first; n/a for one participant",
    "high": "Upper end of that interval of {}",
}


def _model_rows(cells: Sequence[TableCell]) -> dict[str, list[object]]:
    models = [*dict.fromkeys(cell.model for cell in cells)]
    found = {(cell.model, cell.metric): cell for cell in cells}
    first = [found[model, "rmse"] for model in models]
    tables = [str((model in MODELS and MODELS[model].table) or "n/a") for model in models]
    rows: dict[str, list[object]] = {"model": [*models], "table": [*tables]}
    rows |= {
        name: [getattr(cell, name) for cell in first] for name in ("n_participants", "n_seeds")
    }
    for metric in METRICS:
        of_metric = [found[model, metric] for model in models]
        rows[metric] = [cell.mean for cell in of_metric]
        rows[f"{metric}_sd"] = [cell.sd for cell in of_metric]
        rows[f"{metric}_low"] = [cell.interval.low for cell in of_metric]
        rows[f"{metric}_high"] = [cell.interval.high for cell in of_metric]
    return rows


def _model_columns() -> dict[str, dict[str, object]]:
    """Describe what `metric_columns` does not."""
    described: dict[str, dict[str, object]] = {
        "table": {"Description": "Table of Calhas & Henriques 2022 in which the model stands"},
        "n_participants": {"Description": "Test participants"},
        "n_seeds": {"Description": "Trainings with draws of their own"},
    }
    return described | {
        f"{name}_{what}": {"Description": text.format(metric.name), "Units": metric.units}
        for name, metric in METRICS.items()
        for what, text in SPREAD.items()
    }
