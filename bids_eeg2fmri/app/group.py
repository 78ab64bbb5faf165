"""The group level: learn on some participants, test on others that the model never saw."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path

from bids_eeg2fmri.app.baselines import Beside, test_baselines
from bids_eeg2fmri.app.choosing import Encoders, choose_for_folds
from bids_eeg2fmri.app.delivery import deliver
from bids_eeg2fmri.app.exchange import Exchanged, exchange, exchange_beside
from bids_eeg2fmri.app.experiment import Experiment, Result
from bids_eeg2fmri.app.explaining import explain_all
from bids_eeg2fmri.app.group_maps import compare_maps, mean_maps, write_maps
from bids_eeg2fmri.app.group_parcels import score_all, sum_up_parcels, write_group_parcels
from bids_eeg2fmri.app.group_relevance import explain_group, write_group_relevance
from bids_eeg2fmri.app.group_report import SummedUp, report_group
from bids_eeg2fmri.app.group_tables import write_tables
from bids_eeg2fmri.app.job import Job
from bids_eeg2fmri.app.members import Members, draw_folds, whole_runs
from bids_eeg2fmri.app.outputs import publish_model, write_choices
from bids_eeg2fmri.app.parcels import parcellate
from bids_eeg2fmri.app.phases import randomise_phases
from bids_eeg2fmri.app.plan import Plan
from bids_eeg2fmri.app.recordings import PairedRun, Recording, common_ground, pair_all, read_all
from bids_eeg2fmri.app.retraining import hold_against_retrained, retrain
from bids_eeg2fmri.app.testing import headline, tell_few_draws, test
from bids_eeg2fmri.app.training import train
from bids_eeg2fmri.app.triage import attempt, conclude, find, merged
from bids_eeg2fmri.bids.behind import writing_behind
from bids_eeg2fmri.bids.recording import RunFiles
from bids_eeg2fmri.errors import AppError
from bids_eeg2fmri.runtime import log
from bids_eeg2fmri.runtime.store import Unit
from bids_eeg2fmri.train.splits import Split, hold_back
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


def run_group(job: Job) -> None:
    """Run the group level, task by task.

    Raises
    ------
    AppError
        If participants, runs, trainings or tasks failed, after the others are done.
    """
    tell_few_draws(job)
    found = find(job)
    recorded, failed = job.spread(read_participant, found.runs)
    problems = {f"sub-{label}": error for label, error in (found.failed | failed).items()}
    for broken in (*found.problems.values(), *(broken for _, broken in recorded.values())):
        problems |= broken
    by_task: dict[str, dict[str, list[Recording]]] = {}
    for label, (recordings, _) in recorded.items():
        for recording in recordings:
            members = by_task.setdefault(recording.files.task, {})
            members.setdefault(label, []).append(recording)
    # Chosen recordings may have siblings, whose report must not be overwritten by another call.
    alone = len(by_task) == 1 and not job.selection.suffix()
    lost, refused = attempt(
        lambda task: run_task(job, task, by_task[task], problems, alone=alone),
        {f"task-{task}": task for task in by_task},
    )
    conclude(found, [*recorded], failed, problems | merged(lost) | refused)


def read_participant(
    job: Job, _label: str, files: Sequence[RunFiles]
) -> tuple[list[Recording], dict[str, AppError]]:
    """Read the runs of one participant; give those that failed too."""
    return read_all(job, files)


def run_task(
    job: Job,
    task: str,
    recorded: Mapping[str, Sequence[Recording]],
    before: Mapping[str, AppError],
    *,
    alone: bool,
) -> dict[str, AppError]:
    """Train every model on some participants of a task, test on the others; give what failed.

    Parameters
    ----------
    before
        What failed until now; for the report.
    alone
        Whether there is no other task.
    """
    runs, problems = _pair(job, recorded)
    folds = draw_folds(job, [*dict.fromkeys(run.files.participant for run in runs)])
    owner = f"group{job.selection.suffix(task)}"
    splits = [_split(job, runs, members) for members in folds]
    tested = {label for members in folds for label in members["test"]}
    parcellations, unfit = parcellate(
        job, [run.recording for run in runs if run.files.participant in tested]
    )
    names = fold_names(owner, len(folds))
    encoders = choose_for_folds(job, names, runs, splits)
    work = _trainings(job, names, splits, encoders)
    done, lost = job.spread(_Training(runs), work, prefix="")
    if not done:
        raise next(iter(lost.values()))
    beside, unfitted = job.spread(
        _Baselines(runs),
        {f"{name} baselines": (i, name, splits[i]) for i, name in enumerate(names)},
        prefix="",
    )
    trainings = {label: work[label] for label in done}
    retrained, unrepeated = _retrain(job, _Retraining(runs), trainings)
    results = [
        replace(one, tested=hold_against_retrained(one.tested, retrained[label]))
        for label, (of_training, _, _) in done.items()
        for one in of_training
    ]
    lost |= unfitted | unrepeated | unfit
    for _, _, unexplained in done.values():
        lost |= unexplained
    problems |= lost
    told = {**before, **problems}
    besides = [one for of_fold, _ in beside.values() for one in of_fold]
    exchanges = [
        *chain(*(found for _, found, _ in done.values())),
        *chain(*(found for _, found in beside.values())),
    ]
    parcels = score_all(job, parcellations, results, besides)
    experiment = Experiment(
        job=job,
        owner=owner,
        task=task,
        runs=runs,
        folds=folds,
        splits=splits,
        encoders=encoders,
        results=results,
        beside=besides,
        exchanges=exchanges,
        parcels=parcels,
    )
    page = job.out / ("group.html" if alone else f"{owner}.html")
    _deliver(experiment, told, page)
    for one in results:
        text = experiment.which(one) + headline(one.tested)
        log.tell(one.tested.run.files.name, "result", text)
    log.tell(owner, "report", str(page))
    return problems


def _trainings(
    job: Job, names: Sequence[str], splits: Sequence[Split], encoders: Sequence[Encoders]
) -> dict[str, Work]:
    """List what is to be trained: every model in every fold, as often as is asked for."""
    return {
        f"{owner} {model}": Work(
            fold, repeat, Plan(owner, model, splits[fold], encoders[fold].shapes)
        )
        for fold, name in enumerate(names)
        for repeat, owner in enumerate(_repeat_names(name, job.config.split.repeats))
        for model in job.config.models
    }


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


@dataclass(frozen=True)
class _Retraining:
    """Repeat the training of one model with shifted EEG; travels to workers."""

    runs: Sequence[PairedRun]

    def __call__(self, job: Job, _label: str, work: tuple[str, Plan, int]) -> tuple[str, Unit]:
        label, plan, draw = work
        return label, retrain(job, plan, self.runs, draw)


def _retrain(
    job: Job, retraining: _Retraining, trainings: Mapping[str, Work]
) -> tuple[dict[str, list[Unit]], dict[str, AppError]]:
    """Repeat each training as often as is asked for; give what failed too."""
    draws = range(job.config.evaluate.retrained_draws)
    work = {
        f"{label} retrained {draw + 1}": (label, training.plan, draw)
        for label, training in trainings.items()
        for draw in draws
    }
    done, failed = job.spread(retraining, work, prefix="")
    units = {label: [unit for of, unit in done.values() if of == label] for label in trainings}
    return units, failed


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


def fold_names(owner: str, n: int) -> list[str]:
    """Name what is made in each fold; a single one needs no number."""
    return [owner] if n == 1 else [f"{owner}_fold-{i + 1}" for i in range(n)]


def _repeat_names(owner: str, n: int) -> list[str]:
    """Name what each repeat trains; the first needs no number."""
    return [owner, *(f"{owner}_repeat-{i + 1}" for i in range(1, n))]


@dataclass(frozen=True)
class _Pairing:
    """Pair a participant's recordings on the ground that all share; travels to workers."""

    grid: Grid
    channels: tuple[str, ...]

    def __call__(
        self, job: Job, _label: str, recordings: Sequence[Recording]
    ) -> tuple[list[PairedRun], dict[str, AppError]]:
        return pair_all(job, recordings, self.grid, self.channels)


def _pair(
    job: Job, recorded: Mapping[str, Sequence[Recording]]
) -> tuple[list[PairedRun], dict[str, AppError]]:
    """Pair all recordings of a task; give what failed too."""
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


def _split(job: Job, runs: Sequence[PairedRun], members: Members) -> Split:
    """Give each run whole to its participant's part."""
    parts = {part: whole_runs(runs, members[part]) for part in ("train", "valid", "test")}
    if not members["valid"]:  # too few participants to set one aside
        onsets = [run.pairs.onset[i] for run, i in zip(runs, parts["train"], strict=True)]
        gap = job.gap(run.clock.tr for run in runs)
        kept, held = hold_back(onsets, job.config.split.valid, gap)
        parts |= {"train": kept, "valid": held}
    return Split(**parts)


def _deliver(experiment: Experiment, problems: Mapping[str, AppError], page: Path) -> None:
    """Write tables, maps, models and report."""
    job, owner = experiment.job, experiment.owner
    labels = [*dict.fromkeys(run.files.participant for run in experiment.runs)]
    pages = {
        name: (f"{name}{job.selection.suffix()}.html", f"{name}.html")
        for name in map("sub-{}".format, labels)
    }
    there = {name: [p for p in found if (job.out / p).exists()] for name, found in pages.items()}
    links = {name: found[0] for name, found in there.items() if found}

    @writing_behind(job.threads)
    def write() -> None:
        write_tables(experiment)
        found = _sum_up(experiment)
        names = fold_names(owner, len(experiment.folds))
        for name, encoders in zip(names, experiment.encoders, strict=True):
            write_choices(job, name, encoders)
        for trained in experiment.published:
            # Of several trainings, the first one's scores are the last to be laid down.
            tests = [r.tested for r in reversed(experiment.results) if r.model == trained.name]
            publish_model(job, owner, trained, tests, experiment.verdicts[trained.name])
        report_group(experiment, page, found, problems, links)

    patterns = [f"{owner}_*", f"search/{owner}_*", page.name, f"group/**/*task-{experiment.task}_*"]
    patterns += [f"models/{owner}_*/*"]
    facts = {"page": page.name, "dataset": job.dataset_name, "links": links}
    tests = [one.tested for one in experiment.results]
    units = [unit for one in tests for unit in (*one.units, one.run.unit, one.trained.unit)]
    units += [one.explained.unit for one in experiment.results if one.explained]
    units += [unit for _, one in experiment.beside for unit in one.units]
    units += [one.unit for one in experiment.exchanges]
    units += [unit for one in experiment.parcels for unit in one.units.values()]
    units += [choice.unit for one in experiment.encoders for choice in one.choices]
    deliver(job, owner, units, patterns, problems, facts, write)


def _sum_up(experiment: Experiment) -> SummedUp:
    """Sum up maps, parcels and relevance over participants, and write them."""
    maps, coverage = mean_maps(experiment)
    duels = compare_maps(experiment, maps.mask) if maps is not None else {}
    if maps is not None:
        write_maps(experiment, maps, duels)
    parcels, no_parcels = sum_up_parcels(experiment.parcels)
    if parcels is not None:
        write_group_parcels(experiment, parcels)
    explanations = explain_group(experiment, alike=maps is not None)
    for one in explanations.values():
        write_group_relevance(experiment, one)
    return SummedUp(maps, coverage, duels, parcels, no_parcels, tuple(explanations.values()))
