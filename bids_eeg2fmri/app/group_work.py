"""What workers do for the group level: pair runs, train and test models, fit baselines."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain

from bids_eeg2fmri.app.baselines import Beside, test_baselines
from bids_eeg2fmri.app.exchange import Exchanged, exchange, exchange_beside
from bids_eeg2fmri.app.experiment import Result
from bids_eeg2fmri.app.explaining import explain_all
from bids_eeg2fmri.app.job import Job
from bids_eeg2fmri.app.phases import randomise_phases
from bids_eeg2fmri.app.plan import Plan
from bids_eeg2fmri.app.recordings import PairedRun, Recording, common_ground, pair_all
from bids_eeg2fmri.app.retraining import hold_against_retrained, retrain
from bids_eeg2fmri.app.testing import test
from bids_eeg2fmri.app.training import train
from bids_eeg2fmri.errors import AppError
from bids_eeg2fmri.runtime.store import Unit
from bids_eeg2fmri.train.splits import Split
from bids_eeg2fmri.types import Grid


@dataclass(frozen=True)
class Work:
    """A training."""

    fold: int
    """Division of the participants, from zero."""
    repeat: int
    """Which training of the same model, from zero."""
    plan: Plan
    """With the pairs of its fold alone: those of many folds would be much to send every time."""


def pair_task(
    job: Job, recorded: Mapping[str, Sequence[Recording]]
) -> tuple[list[PairedRun], dict[str, AppError]]:
    """Pair all recordings of a task, by participant; give what failed too."""
    ground = common_ground(job, [*chain(*recorded.values())])
    paired, failed = job.spread(
        _Pairing(*ground), {label: list(recordings) for label, recordings in recorded.items()}
    )
    if not paired:
        raise next(iter(failed.values()))
    problems = {f"sub-{label}": error for label, error in failed.items()}
    for _, broken in paired.values():
        problems |= broken
    return [run for runs, _ in paired.values() for run in runs], problems


@dataclass(frozen=True)
class _Pairing:
    """Pair a participant's recordings on the ground that all share; travels to workers."""

    grid: Grid
    channels: tuple[str, ...]

    def __call__(
        self, job: Job, _label: str, recordings: Sequence[Recording]
    ) -> tuple[list[PairedRun], dict[str, AppError]]:
        return pair_all(job, recordings, self.grid, self.channels)


def test_models(
    job: Job, runs: Sequence[PairedRun], work: Mapping[str, Work]
) -> tuple[list[Result], list[Exchanged], dict[str, AppError]]:
    """Train and test models, with the nulls that are asked for; give what failed too.

    Raises
    ------
    AppError
        If no training succeeded.
    """
    done, problems = job.spread(_Training(runs), work, prefix="")
    if not done:
        raise next(iter(problems.values()))
    retrained, unrepeated = _retrain(job, runs, {label: work[label].plan for label in done})
    problems |= unrepeated
    results: list[Result] = []
    exchanges: list[Exchanged] = []
    for label, (of_training, exchanged, unexplained) in done.items():
        held = [hold_against_retrained(one.tested, retrained[label]) for one in of_training]
        results += [replace(one, tested=t) for one, t in zip(of_training, held, strict=True)]
        exchanges += exchanged
        problems |= unexplained
    return results, exchanges, problems


@dataclass(frozen=True)
class _Training:
    """Train one model in one fold and test it; travels to workers."""

    runs: Sequence[PairedRun]

    def __call__(
        self, job: Job, _label: str, work: Work
    ) -> tuple[list[Result], list[Exchanged], dict[str, AppError]]:
        trained = train(job, work.plan, self.runs)
        parts = zip(self.runs, work.plan.split.test, strict=True)
        tests = [test(job, trained, run, index) for run, index in parts if len(index)]
        tested = [held for one in tests for held in randomise_phases(job, [one])]
        exchanged = exchange(job, work.plan.owner, work.fold, tested)
        results: list[Result] = []
        unexplained: dict[str, AppError] = {}
        for one in tested:
            explained, failed = explain_all(job, [one])
            results.append(Result(work.fold, work.repeat, one, explained.get(trained.name)))
            unexplained |= failed
        return results, exchanged, unexplained


def _retrain(
    job: Job, runs: Sequence[PairedRun], plans: Mapping[str, Plan]
) -> tuple[dict[str, list[Unit]], dict[str, AppError]]:
    """Repeat each training as often as is asked for; give what failed too."""
    work = {
        f"{label} retrained {draw + 1}": (label, plan, draw)
        for label, plan in plans.items()
        for draw in range(job.config.evaluate.retrained_draws)
    }
    done, failed = job.spread(_Retraining(runs), work, prefix="")
    return {label: [unit for of, unit in done.values() if of == label] for label in plans}, failed


@dataclass(frozen=True)
class _Retraining:
    """Repeat the training of one model with shifted EEG; travels to workers."""

    runs: Sequence[PairedRun]

    def __call__(self, job: Job, _label: str, work: tuple[str, Plan, int]) -> tuple[str, Unit]:
        label, plan, draw = work
        return label, retrain(job, plan, self.runs, draw)


def test_baselines_of_folds(
    job: Job, runs: Sequence[PairedRun], splits: Mapping[str, Split]
) -> tuple[list[tuple[int, Beside]], list[Exchanged], dict[str, AppError]]:
    """Fit and test the baselines in every fold, given by name; give what failed too."""
    work = {
        f"{name} baselines": (fold, name, split)
        for fold, (name, split) in enumerate(splits.items())
    }
    done, failed = job.spread(_Baselines(runs), work, prefix="")
    besides = [one for of_fold, _ in done.values() for one in of_fold]
    return besides, [one for _, exchanged in done.values() for one in exchanged], failed


@dataclass(frozen=True)
class _Baselines:
    """Fit the baselines in one fold and test them; travels to workers."""

    runs: Sequence[PairedRun]

    def __call__(
        self, job: Job, _label: str, work: tuple[int, str, Split]
    ) -> tuple[list[tuple[int, Beside]], list[Exchanged]]:
        fold, owner, split = work
        found = [*test_baselines(job, owner, self.runs, split).values()]
        exchanged = exchange_beside(job, owner, fold, found)
        held = [held for one in found for held in randomise_phases(job, [one])]
        return [(fold, one) for one in held], exchanged
