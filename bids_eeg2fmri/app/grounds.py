"""On which recordings hyperparameters are searched: those of a participant or of a task.

No test pair is among them.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import chain

import numpy as np

from bids_eeg2fmri.app.job import Job
from bids_eeg2fmri.app.members import draw_folds, whole_runs
from bids_eeg2fmri.app.recordings import PairedRun, prepare
from bids_eeg2fmri.bids.recording import RunFiles
from bids_eeg2fmri.errors import AppError
from bids_eeg2fmri.train.splits import Index, hold_back, split_in_time

Parts = tuple[tuple[Index, ...], tuple[Index, ...]]
"""Pairs of each run to learn from, and those that give the score."""


@dataclass(frozen=True)
class Ground:
    """The recordings on which points are tried, without a single test pair."""

    owner: str
    """Whose search it is, e.g. ``sub-03`` or ``group_task-rest``."""
    runs: tuple[PairedRun, ...]
    train: tuple[Index, ...]
    """Pairs of each run that networks learn from."""
    valid: tuple[Index, ...]
    """Pairs of each run that give the score."""
    failed: Mapping[str, AppError]
    """Why runs could not be used."""
    kept_back: str
    """What no trial has seen, in words."""

    @property
    def seen(self) -> tuple[Index, ...]:
        """Pairs of each run that anything may be measured on."""
        return tuple(map(np.concatenate, zip(self.train, self.valid, strict=True)))


def of_participants(
    job: Job, runs: Mapping[str, Sequence[RunFiles]]
) -> dict[str, Callable[[], Ground]]:
    """Give by owner what prepares the ground of each participant."""
    named = {f"sub-{label}{job.selection.suffix()}": files for label, files in runs.items()}
    return {owner: partial(_of_participant, job, owner, files) for owner, files in named.items()}


def of_tasks(job: Job, runs: Mapping[str, Sequence[RunFiles]]) -> dict[str, Callable[[], Ground]]:
    """Give by owner what prepares the ground of each task, all participants together."""
    named: dict[str, list[RunFiles]] = {}
    for one in chain(*runs.values()):
        named.setdefault(f"group{job.selection.suffix(one.task)}", []).append(one)
    return {owner: partial(_of_task, job, owner, files) for owner, files in named.items()}


def _of_participant(job: Job, owner: str, files: Sequence[RunFiles]) -> Ground:
    """Take of a participant the pairs that do not test; the last ones give the score."""
    runs, failed = prepare(job, files)
    tasks = [run.files.task for run in runs]
    gap = job.gap(run.clock.tr for run in runs)
    split = split_in_time([run.pairs.onset for run in runs], tasks, job.config.split, gap)
    kept = f"the last {job.config.split.test:.0%} of the pairs of each task"
    return Ground(owner, tuple(runs), *_hold_back(job, runs, split.before_test), failed, kept)


def _of_task(job: Job, owner: str, files: Sequence[RunFiles]) -> Ground:
    """Take of a task the participants that do not test; some of them give the score."""
    paired, failed = prepare(job, files)
    members = draw_folds(job, [*dict.fromkeys(run.files.participant for run in paired)])[0]
    free = [run for run in paired if run.files.participant not in members["test"]]
    chosen = "as asked for" if job.test_participants else f"drawn by seed {job.config.seed}"
    kept = f"{', '.join(map('sub-{}'.format, members['test']))}, {chosen}"
    return Ground(owner, tuple(free), *_by_participants(job, free), failed, kept)


def _by_participants(job: Job, runs: Sequence[PairedRun]) -> Parts:
    """Give a share of the participants to the score; of one participant, the last pairs."""
    labels = sorted({run.files.participant for run in runs})
    if len(labels) == 1:
        return _hold_back(job, runs, whole_runs(runs, labels))
    drawn = np.random.default_rng(job.config.seed).permutation(labels)
    scoring = drawn[: max(1, round(len(labels) * job.config.optimise.valid))].tolist()
    learning = [label for label in labels if label not in scoring]
    return whole_runs(runs, learning), whole_runs(runs, scoring)


def _hold_back(job: Job, runs: Sequence[PairedRun], free: Sequence[Index]) -> Parts:
    """Give the last of each run's free pairs to the score, after a gap."""
    onsets = [run.pairs.onset[index] for run, index in zip(runs, free, strict=True)]
    gap = job.gap(run.clock.tr for run in runs)
    kept, held = hold_back(onsets, job.config.optimise.valid, gap)
    train, valid = (
        tuple(index[i] for index, i in zip(free, part, strict=True)) for part in (kept, held)
    )
    return train, valid
