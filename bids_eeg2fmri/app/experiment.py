"""What many trainings add up to: Tables 1 and 2 of the paper, tests between models, verdicts."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import chain

import numpy as np

from bids_eeg2fmri.app.baselines import ORACLES, Beside
from bids_eeg2fmri.app.choosing import Encoders
from bids_eeg2fmri.app.exchange import Exchanged, weigh_exchanges
from bids_eeg2fmri.app.explaining import Explained
from bids_eeg2fmri.app.job import Job
from bids_eeg2fmri.app.members import Members
from bids_eeg2fmri.app.parcels import ParcelTest
from bids_eeg2fmri.app.recordings import PairedRun
from bids_eeg2fmri.app.testing import BASELINE, Tested, shifted
from bids_eeg2fmri.app.training import Trained
from bids_eeg2fmri.evaluate.baselines import BASELINES
from bids_eeg2fmri.evaluate.compare import (
    Comparison,
    RunScore,
    TableCell,
    compare_models,
    tabulate,
)
from bids_eeg2fmri.evaluate.evidence import Chance, Evidence, average
from bids_eeg2fmri.evaluate.metrics import METRICS
from bids_eeg2fmri.evaluate.verdict import Verdict, judge
from bids_eeg2fmri.runtime.store import Unit
from bids_eeg2fmri.train.splits import Split


@dataclass(frozen=True)
class Result:
    """What one training made of one test run."""

    fold: int
    """Division of the participants, from zero."""
    repeat: int
    """Which training of the same model, from zero."""
    tested: Tested
    """Its synthesised volumes and scores."""
    explained: Explained | None = None
    """What they rest on; nothing where that was not asked for."""

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
    beside: Sequence[tuple[int, Beside]] = ()
    """The fold of each test of the baselines, and what they made of it."""
    exchanges: Sequence[Exchanged] = ()
    """What models made of the EEG of other test participants."""
    parcels: Sequence[ParcelTest] = ()
    """What models and baselines made of the parcels of each test."""

    @property
    def units(self) -> list[Unit]:
        """Everything in the store that these rest on."""
        tests = [one.tested for one in self.results]
        units = [unit for one in tests for unit in (*one.units, one.run.unit, one.trained.unit)]
        units += [one.explained.unit for one in self.results if one.explained]
        units += [unit for _, one in self.beside for unit in one.units]
        units += [one.unit for one in self.exchanges]
        units += [unit for one in self.parcels for unit in one.units.values()]
        units += [choice.unit for one in self.encoders for choice in one.choices]
        return units

    @property
    def models(self) -> list[str]:
        """The models that have results, in the order in which they were asked for."""
        found = {result.model for result in self.results}
        return [name for name in self.job.config.models if name in found]

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

    def which(self, result: Result) -> str:
        """Say of which fold and repeat a result is, where there are several; for the log."""
        fold = f"fold {result.fold + 1}  " * (len(self.folds) > 1)
        return fold + f"repeat {result.repeat + 1}  " * (self.job.config.split.repeats > 1)

    @property
    def n_tests(self) -> int:
        """Tests of a run, one under each training, that there would be had none failed."""
        tested = sum(len(index) > 0 for split in self.splits for index in split.test)
        return tested * self.job.config.split.repeats

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

    @cached_property
    def scores(self) -> list[RunScore]:
        """All scores: the models', the mean volume's once a test, those on shifted EEG."""
        rows = {
            (name, result.participant, result.tested.run.files.name, result.fold, result.repeat): s
            for result in self.results
            for name, s in result.tested.scores.items()
        }
        for fold, one in self.beside:
            test = (one.run.files.participant, one.run.files.name, fold)
            rows |= {
                (name, *test, repeat): scores
                for repeat in range(self.job.config.split.repeats)
                for name, scores in one.scores.items()
            }
        others = [name for name in BASELINES if name != BASELINE]
        order = [*self.models, *others, BASELINE, *map(shifted, self.models)]
        found = [RunScore(*key, one.summary) for key, one in rows.items()]
        return sorted(found, key=lambda one: order.index(one.model))

    def values(self) -> dict[str, dict[str, list[float]]]:
        """Give by model and metric one value for each test participant under one training."""
        own: dict[str, dict[tuple[str, int, int], list[Mapping[str, float]]]] = {}
        for one in self.scores:
            training = (one.participant, one.fold, one.seed)
            own.setdefault(one.model, {}).setdefault(training, []).append(one.scores)
        return {
            model: {m: [_mean([s[m] for s in runs]) for runs in of.values()] for m in METRICS}
            for model, of in own.items()
        }

    def intervals(self) -> dict[str, dict[str, tuple[float, float]]]:
        """Give by model and metric where the mean over participants lies; NaN for one alone."""
        found: dict[str, dict[str, tuple[float, float]]] = {}
        for cell in tabulate(self.scores, [*METRICS]):
            found.setdefault(cell.model, {})[cell.metric] = (cell.interval.low, cell.interval.high)
        return found

    def compared(self) -> list[RunScore]:
        """Lay out the scores of models and baseline, without those on shifted EEG."""
        null = {shifted(name) for name in self.models}
        return [one for one in self.scores if one.model not in null]

    @cached_property
    def table(self) -> tuple[TableCell, ...]:
        """Tables 1 and 2, with all metrics; the baseline last."""
        return tabulate(self.compared(), [*METRICS])

    @property
    def rivals(self) -> tuple[str, ...]:
        """The models and baselines, without oracles and those whose trainings failed in part."""
        most, cells = self._values_by_model()
        honest = [cell for cell in cells if cell.model not in ORACLES]
        whole = tuple(cell.model for cell in honest if cell.n == most.n)
        return whole if len(whole) > 1 else ()

    def spread(self) -> str:
        """Say what the ± of the table is, and of which models there is less than of others."""
        most, cells = self._values_by_model()
        fewer = [f"{cell.model} (n = {cell.n})" for cell in cells if cell.n < most.n]
        if not fewer:
            return most.spread
        return (
            f"{most.spread} Fewer, as trainings failed, and not to be ranked: {', '.join(fewer)}."
        )

    def _values_by_model(self) -> tuple[TableCell, list[TableCell]]:
        """Give a cell of each model, whose n is that of its values, after one that has most."""
        cells = [cell for cell in self.table if cell.metric == "rmse"]
        return max(cells, key=lambda cell: cell.n), cells

    @cached_property
    def comparisons(self) -> tuple[Comparison, ...]:
        """Tests of all models and baselines against each other, oracles aside."""
        honest = [one for one in self.compared() if one.model not in ORACLES]
        return compare_models(honest, [*METRICS])

    @cached_property
    def verdicts(self) -> dict[str, Verdict]:
        """Judge each model, and each baseline that looks at the EEG, over the test participants."""
        found: dict[str, dict[tuple[str, str], list[Evidence]]] = {}
        for result in self.results:
            test = (result.participant, result.tested.run.files.name)
            found.setdefault(result.model, {}).setdefault(test, []).append(result.tested.evidence)
        for _, one in self.beside:
            test = (one.run.files.participant, one.run.files.name)
            for name, evidence in one.evidence.items():
                found.setdefault(name, {}).setdefault(test, []).append(evidence)
        others = weigh_exchanges(self.job, self.exchanges)
        return {name: _judge(tests, others.get(name, {})) for name, tests in found.items()}


def _judge(
    tests: Mapping[tuple[str, str], Sequence[Evidence]], others: Mapping[str, Chance]
) -> Verdict:
    """Judge a model by its tests, by participant and run; trainings of one test are averaged."""
    people: dict[str, list[Evidence]] = {}
    for (participant, _), trainings in tests.items():
        people.setdefault(participant, []).append(average(trainings))
    return judge([*people.values()], others)


def _mean(values: Sequence[float]) -> float:
    defined = [value for value in values if np.isfinite(value)]
    return float(np.mean(defined)) if defined else float("nan")
