"""Tables 1 and 2 of Calhas & Henriques 2022, and which differences in them are more than chance.

A participant counts once in each test, however many runs, folds and seeds there are: these share
a brain, so they are averaged first.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import pandas as pd

from bids_eeg2fmri.evaluate.statistics import (
    Interval,
    false_discovery_q,
    mean_correlation_interval,
    mean_interval,
    paired_t,
    signed_rank_p,
)

TRAINING = ["participant", "fold", "seed"]
"""What makes one value of a table: a test participant under one trained model."""
CORRELATION = "pearsoncorrelation"
"""The score whose interval is taken on the scale of Fisher's z."""


@dataclass(frozen=True)
class RunScore:
    """How one trained model did on one run of a test participant."""

    model: str
    """Which model."""
    participant: str
    """Whose run it is."""
    run: str
    """Which run."""
    fold: int
    """Which division of the participants it was trained on."""
    seed: int
    """From which its training was drawn."""
    scores: Mapping[str, float]
    """Score by metric; NaN where undefined."""


@dataclass(frozen=True)
class TableCell:
    """Mean and deviation of one metric for one model, as in Tables 1 and 2."""

    model: str
    """Which model."""
    metric: str
    """Which score, in the unit of that metric."""
    mean: float
    """Mean over ``n`` values, each the mean over a participant's runs; NaN where none is."""
    sd: float
    """Their standard deviation (n − 1); NaN with fewer than two."""
    n: int
    """Defined values: one for each test participant, fold and seed."""
    n_participants: int
    """Test participants among them."""
    n_seeds: int
    """Seeds among them."""
    interval: Interval
    """Mean over participants, whose folds and seeds are averaged first, and its 95 % interval; the
    ends are NaN with fewer than two."""

    @property
    def spread(self) -> str:
        """What the ± and the interval are, in words."""
        people = f"{self.n_participants} test participant{'s' * (self.n_participants != 1)}"
        seeds = f"{self.n_seeds} seed{'s' * (self.n_seeds != 1)}"
        alone = "One test participant: no interval, and no test of these scores between models."
        if self.n < 2:
            return alone
        interval = (
            f"Intervals are of the mean over the {people} at 95 %, seeds averaged first; that of "
            "temporal r is taken on the scale of Fisher's z."
        )
        return (
            f"± is the standard deviation over {people} and {seeds} (n = {self.n}), each value the "
            "mean over a participant's runs. The paper's ± is over the volumes of one run: not to "
            f"be compared. {interval if self.n_participants > 1 else alone}"
        )


@dataclass(frozen=True)
class Comparison:
    """How two models differ in one metric, over the participants that both were tested on."""

    metric: str
    """Which score."""
    first: str
    """The one model."""
    second: str
    """The other."""
    difference: float
    """Mean over participants of first minus second, in the unit of the metric."""
    n: int
    """Participants."""
    t: float
    """Paired t over participants; NaN with fewer than two."""
    df: int
    """Its degrees of freedom."""
    p: float
    """Its two-sided p."""
    signed_rank_p: float
    """Two-sided p of Wilcoxon's signed-rank test; with n participants never below 2^(1 − n)."""
    q: float
    """``p`` adjusted over all pairs of models in this metric (Benjamini & Hochberg 1995)."""


def tabulate(scores: Sequence[RunScore], metrics: Sequence[str]) -> tuple[TableCell, ...]:
    """Sum up each model in each metric, Tables 1 and 2 of Calhas & Henriques 2022.

    Returns
    -------
    Model by model in the order of ``scores``, metrics as asked for.

    Notes
    -----
    The paper's ± is over the volumes of one run; here it is over test participants and seeds, the
    only deviation that says what to expect of another participant.
    """
    values = _frame(scores).groupby(["model", *TRAINING], sort=False)[[*metrics]].mean()
    return tuple(
        _cell(str(model), metric, of_model[metric].dropna())
        for model, of_model in values.groupby("model", sort=False)
        for metric in metrics
    )


def compare_models(scores: Sequence[RunScore], metrics: Sequence[str]) -> tuple[Comparison, ...]:
    """Test each pair of models against each other in each metric, participant by participant.

    Two models are compared on what both were tested on: the same run, fold and seed.
    """
    frame = _frame(scores)
    return tuple(
        comparison
        for metric in metrics
        for comparison in _compare_all(metric, _side_by_side(frame, metric))
    )


def _frame(scores: Sequence[RunScore]) -> pd.DataFrame:
    return pd.DataFrame(
        [
            {
                "model": one.model,
                "participant": one.participant,
                "fold": one.fold,
                "seed": one.seed,
                "run": one.run,
                **one.scores,
            }
            for one in scores
        ]
    )


def _cell(model: str, metric: str, values: pd.Series) -> TableCell:
    levels = values.index.to_frame()
    people = values.groupby(level="participant").mean().to_numpy(float)
    of_mean = mean_correlation_interval if metric == CORRELATION else mean_interval
    return TableCell(
        model,
        metric,
        mean=float(values.mean()),
        sd=float(values.std()),
        n=len(values),
        n_participants=levels["participant"].nunique(),
        n_seeds=levels["seed"].nunique(),
        interval=of_mean(people),
    )


def _side_by_side(frame: pd.DataFrame, metric: str) -> pd.DataFrame:
    """Put the models into columns, in their order; a row is a run under one fold and seed."""
    by_model = frame.set_index([*TRAINING, "run", "model"])[metric].unstack("model")
    return by_model[frame["model"].unique()]


def _compare_all(metric: str, by_model: pd.DataFrame) -> list[Comparison]:
    """Compare every pair of columns and adjust over all of them."""
    tests = []
    for first, second in combinations(by_model, 2):
        paired = (by_model[first] - by_model[second]).dropna()
        # runs first, as in the table: a participant's seeds then weigh alike
        trained = paired.groupby(level=TRAINING).mean()
        differences = trained.groupby(level="participant").mean().to_numpy(float)
        t, p = paired_t(differences)
        tests.append((first, second, differences, float(t), float(p)))
    q = false_discovery_q(np.array([p for *_, p in tests]))
    return [
        Comparison(
            metric,
            str(first),
            str(second),
            difference=float(differences.mean()) if len(differences) else np.nan,
            n=len(differences),
            t=t,
            df=max(len(differences) - 1, 0),
            p=p,
            signed_rank_p=signed_rank_p(differences),
            q=float(adjusted),
        )
        for (first, second, differences, t, p), adjusted in zip(tests, q, strict=True)
    ]
