"""What can be used, what cannot, and what that means for the job."""

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Generic, NoReturn, TypeVar

from bids_eeg2fmri.app.job import Job
from bids_eeg2fmri.bids.query import Refusal, find_runs
from bids_eeg2fmri.bids.recording import EEGFiles, RunFiles
from bids_eeg2fmri.bids.selection import Selection
from bids_eeg2fmri.errors import (
    AppError,
    DataError,
    MemoryShortageError,
    MissingInputError,
    NothingFoundError,
    PartialFailureError,
)
from bids_eeg2fmri.runtime import log
from bids_eeg2fmri.runtime.execute import Failure, Pool, map_items

Files = TypeVar("Files", bound=EEGFiles)
Item = TypeVar("Item")
Result = TypeVar("Result")
WORTH = 200_000_000
"""Bytes of signals that are worth more processes: a few seconds of reading."""
Search = Callable[[Path, Selection], tuple[list[Files], list[Refusal]]]
"""Finds what can be used below a folder, and what is refused."""


@dataclass(frozen=True)
class Found(Generic[Files]):
    """What of a dataset can be used, and what cannot."""

    runs: dict[str, list[Files]]
    """By participant."""
    failed: dict[str, AppError]
    """Why participants who were asked for, or whose files are broken, have no usable run."""
    problems: dict[str, dict[str, AppError]]
    """Broken runs of participants who have others, by participant and run."""
    skipped: list[str]
    """Other participants, of whom no EEG and BOLD belong together."""


def find(job: Job) -> Found[RunFiles]:
    """List the runs of each participant, and tell what cannot be used.

    Raises
    ------
    AppError
        If no run can be used: what is broken, or a ``NothingFoundError``.
    """
    return find_by(job, find_runs)


def find_by(job: Job, search: Search[Files]) -> Found[Files]:
    """List what a search finds of each participant, and tell what cannot be used.

    Raises
    ------
    AppError
        If no recording can be used: what is broken, or a ``NothingFoundError``.
    """
    with log.capture_warnings() as notes:
        runs, refusals = search(job.bids_dir, job.selection)
    for note in notes:
        log.tell("dataset", "find", note, logging.WARNING)
    if not runs:
        _give_up(job, refusals)
    for refusal in refusals:
        _tell(refusal)
    found: dict[str, list[Files]] = {}
    for run in runs:
        found.setdefault(run.participant, []).append(run)
    chosen = [label.removeprefix("sub-") for label in job.selection.participants]
    lost = [refusal for refusal in refusals if refusal.participant not in found]
    failed = {
        one.participant: one.error for one in lost if one.is_broken or one.participant in chosen
    }
    problems: dict[str, dict[str, AppError]] = {}
    for one in refusals:
        if one.is_broken and one not in lost:
            problems.setdefault(one.participant, {})[one.name] = one.error
    return Found(
        runs=found,
        failed=failed,
        problems=problems,
        skipped=sorted({one.participant for one in lost} - failed.keys()),
    )


def attempt(
    fn: Callable[[Item], Result], items: Mapping[str, Item]
) -> tuple[list[Result], dict[str, AppError]]:
    """Apply ``fn`` to each item as ``try_each`` does, unless nothing is left.

    Raises
    ------
    AppError
        The first reason, if all failed.
    """
    done, failed = try_each(fn, items)
    if failed and not done:
        raise next(iter(failed.values()))
    return done, failed


def side_by_side(
    job: Job, fn: Callable[[Job, Item], Result], items: Mapping[str, Item], size: int
) -> tuple[list[Result], dict[str, AppError]]:
    """Apply ``fn``, which reads signals, as :func:`attempt_side_by_side` does.

    Parameters
    ----------
    size
        Bytes that they have to read in all; few are read sooner than workers have begun.

    Raises
    ------
    AppError
        The first reason, if all failed; and what is no fault of an item.
    """
    if size < WORTH:
        return attempt(partial(fn, job), items)
    # Signals are read by processors, be the models on a GPU.
    pool = replace(job.pool, workers=max(1, job.n_cpus // job.threads), gpus=())
    return attempt_side_by_side(job, partial(fn, job), items, pool)


def attempt_side_by_side(
    job: Job, fn: Callable[[Item], Result], items: Mapping[str, Item], pool: Pool | None = None
) -> tuple[list[Result], dict[str, AppError]]:
    """Apply ``fn`` as :func:`attempt` does, over all workers where this is none of them.

    Parameters
    ----------
    fn
        A function of a module, or a ``functools.partial`` of one.
    pool
        The workers; by default those of the job.

    Raises
    ------
    AppError
        The first reason, if all failed; and what is no fault of an item.
    """
    pool = pool or job.pool
    if len(items) < 2 or job.reports_only or not pool.is_shared():
        return attempt(fn, items)
    told = dict(zip(items, map_items(fn, [*items.values()], pool), strict=True))
    return attempt(partial(_take, job), {name: (name, one) for name, one in told.items()})


def _take(job: Job, told: tuple[str, Result | Failure[Item]]) -> Result:
    """Give the result of an item, or raise what went wrong with it."""
    name, one = told
    if isinstance(one, Failure):
        raise job.explain(name, one)
    return one


def try_each(
    fn: Callable[[Item], Result], items: Mapping[str, Item]
) -> tuple[list[Result], dict[str, AppError]]:
    """Apply ``fn`` to each item by its name, so that a broken one does not stop the others.

    Returns
    -------
    What was given, and for each item that failed the reason.
    """
    done: list[Result] = []
    failed: dict[str, AppError] = {}
    for name, item in items.items():
        try:
            done.append(fn(item))
        except (DataError, MissingInputError, MemoryShortageError) as error:
            failed[name] = error
            log.tell_failure(name, error)
    return done, failed


def merged(problems: Iterable[Mapping[str, AppError]]) -> dict[str, AppError]:
    """Lay what failed in several places together."""
    return {name: error for some in problems for name, error in some.items()}


def conclude(
    found: Found[Files],
    done: Sequence[str],
    failed: Mapping[str, AppError],
    problems: Mapping[str, AppError],
) -> None:
    """End a level with the exit status that it deserves.

    Parameters
    ----------
    found
        What there was to begin with.
    done, failed
        Participants, and why some of them failed.
    problems
        What else failed, e.g. runs of participants who are done, and why.

    Raises
    ------
    AppError
        The first participant's error, where nobody succeeded and all failed alike.
    PartialFailureError
        If some participants or runs failed.
    """
    for label in found.skipped:
        text = "left out: no EEG and BOLD of the same session, task and run"
        log.tell(f"sub-{label}", "skipped", text, logging.WARNING)
    failed = found.failed | dict(failed)
    if not done and len({error.exit_code for error in failed.values()}) == 1:
        raise next(iter(failed.values()))
    reasons = {f"sub-{label}": error for label, error in failed.items()}
    reasons |= merged([*found.problems.values(), problems])
    if reasons:
        raise PartialFailureError(
            f"Failed: {', '.join(reasons)}. The reasons stand above; all others are done.", reasons
        )


def _give_up(job: Job, refusals: Sequence[Refusal]) -> NoReturn:
    """Raise what is wrong with the first run that is broken, or that none has both files."""
    for refusal in refusals:
        _tell(refusal)
    broken = [refusal.error for refusal in refusals if refusal.is_broken]
    if broken:
        raise broken[0]
    raise NothingFoundError(
        f"{job.bids_dir}: no EEG and BOLD of the same participant, session, task and run."
    )


def _tell(refusal: Refusal) -> None:
    if refusal.is_broken:
        log.tell_failure(f"sub-{refusal.participant}", refusal.error)
    else:
        log.tell(f"sub-{refusal.participant}", "skipped", refusal.reason, logging.WARNING)
