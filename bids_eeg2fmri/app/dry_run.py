"""Say what would be done, from headers and markers alone."""

import json
import logging
import time
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from bids_eeg2fmri.app.clocks import tie
from bids_eeg2fmri.app.job import Job
from bids_eeg2fmri.app.members import draw_folds
from bids_eeg2fmri.bids.query import find_runs
from bids_eeg2fmri.bids.recording import RunFiles
from bids_eeg2fmri.bids.write import plain
from bids_eeg2fmri.errors import AppError, DataWarning
from bids_eeg2fmri.runtime import log
from bids_eeg2fmri.runtime.execute import Failure, Pool, map_items

Row = dict[str, Any]
_ENTITIES = {"session": "ses", "task": "task", "run": "run"}
_PARTS = {"train": "trains", "valid": "chooses the epoch", "test": "tests"}
_WORTH_A_PROCESS = 10.0
"""Seconds of work for which another process is started, which itself takes about two."""


@dataclass(frozen=True)
class Outlook:
    """What a level would do."""

    rows: list[tuple[str, Row]]
    """Each recording by its name, with its clock, or why it is refused."""
    notes: list[str]
    """What was odd in the dataset."""
    undivided: dict[str, AppError]
    """Tasks whose participants cannot be divided at group level, and why."""


def look_ahead(job: Job, level: str) -> Outlook:
    """Describe each run with its clock, or why it is refused.

    With a saved model that is to be applied, each EEG recording and what it gives.

    Raises
    ------
    AppError
        If the dataset cannot be read, or there is no model.
    """
    with log.capture_warnings() as notes:
        if job.model is None:
            runs, refusals = find_runs(job.bids_dir, job.selection)
            names = [run.name for run in runs]
            rows = [*zip(names, describe_runs(job, runs), strict=True)]
        else:
            from bids_eeg2fmri.app.application import foresee  # torch takes seconds

            rows, refusals = foresee(job, job.model)
    undivided = _divide(job, [row for _, row in rows]) if level == "group" else {}
    for refusal in refusals:
        row: Row = {"participant": refusal.participant}
        row |= {name: refusal.entities.get(key) for name, key in _ENTITIES.items()}
        row |= {"eeg": refusal.eeg, "bold": refusal.bold, "refused": refusal.reason}
        rows.append((f"sub-{refusal.participant}", row))
    return Outlook(rows, notes, undivided)


def dry_run(job: Job, level: str, *, as_json: bool) -> None:
    """Print what :func:`look_ahead` finds; as lines of JSON if asked to.

    Raises
    ------
    AppError
        If at group level the participants of a task cannot be divided, after all rows; or if there
        is no model.
    """
    say = _print_json if as_json else _print_line
    outlook = look_ahead(job, level)
    for name, row in outlook.rows:
        say(name, row)
    tell_oddities(outlook)


def tell_oddities(outlook: Outlook) -> None:
    """Log what was odd.

    Raises
    ------
    AppError
        The first task whose participants cannot be divided.
    """
    for note in outlook.notes:
        log.tell("dataset", "note", note, logging.WARNING)
    for task, error in outlook.undivided.items():
        log.tell_failure(f"task-{task}", error)
    if outlook.undivided:
        raise next(iter(outlook.undivided.values()))


def describe_runs(job: Job, runs: Sequence[RunFiles]) -> list[Row]:
    """Find the clock of each run without its signals, side by side where that takes long."""
    describe, tenth = partial(_describe, job), len(runs) // 10
    started = time.monotonic()
    told = map_items(describe, runs[:tenth], Pool())
    left = 9 * (time.monotonic() - started)
    workers = min(job.n_cpus, int(left / _WORTH_A_PROCESS))
    told += map_items(describe, runs[tenth:], Pool(workers))
    rows = []
    for run, one in zip(runs, told, strict=True):
        row, notes = (_unforeseen(run, one), ()) if isinstance(one, Failure) else one
        for note in notes:
            warnings.warn(note, DataWarning, stacklevel=2)
        rows.append(row)
    return rows


def _describe(job: Job, run: RunFiles) -> tuple[Row, Sequence[str]]:
    """Find the clock of one run, and what was odd; warnings do not leave a process."""
    with log.capture_warnings() as notes:
        try:
            clock = tie(run, job.config.clock)
        except AppError as error:
            return _about(run) | {"refused": str(error)}, notes
    return _about(run) | {"clock": clock.summary()}, notes


def _about(run: RunFiles) -> Row:
    return {
        "participant": run.participant,
        "session": run.session,
        "task": run.task,
        "run": run.run,
        "eeg": run.relative(run.eeg),
        "bold": run.relative(run.bold),
    }


def _unforeseen(run: RunFiles, failure: Failure[RunFiles]) -> Row:
    """Refuse in one line what nobody foresaw; with -v the traceback is told."""
    log.LOGGER.debug("%s", failure.traceback)
    reason = " ".join(str(failure.error).split())
    known = isinstance(failure.error, AppError)
    return _about(run) | {"refused": reason if known else f"{reason}. Please report it."}


def _divide(job: Job, rows: Sequence[Row]) -> dict[str, AppError]:
    """Add to each usable run what it would serve for at group level; give the tasks that fail."""
    refused: dict[str, AppError] = {}
    usable = [row for row in rows if "clock" in row]
    for task in dict.fromkeys(row["task"] for row in usable):
        of_task = [row for row in usable if row["task"] == task]
        try:
            folds = draw_folds(job, [*dict.fromkeys(row["participant"] for row in of_task)])
        except AppError as error:
            refused[task] = error
            continue
        for row in of_task:
            own = {part for one in folds for part in one if row["participant"] in one[part]}
            row["part"] = next(part for part in ("test", "valid", "train") if part in own)
    return refused


def _print_json(_name: str, row: Row) -> None:
    print(json.dumps(plain(row), ensure_ascii=False))  # noqa: T201  # what was asked for


def _print_line(name: str, row: Row) -> None:
    text = f"{name}  "
    if "refused" in row:
        text += f"refused: {row['refused'].removeprefix(f'{name}: ')}"
    elif "synthesis" in row:
        made = row["synthesis"]
        text += (
            f"{made['n_volumes']} volumes every {made['tr_s']:g} s from "
            f"{made['first_volume_eeg_s']:.3f} s of the EEG on, {len(made['interpolated'])} of "
            f"{made['n_electrodes']} electrodes interpolated; model {made['verdict']}"
        )
    else:
        clock = row["clock"]
        text += (
            f"{clock['source']}  first volume at {clock['first_volume_eeg_s']:.3f} s of the EEG, "
            f"{clock['n_volumes']} volumes every {clock['tr_s']:g} s"
        )
    if "part" in row:
        text += f", {_PARTS[row['part']]}"
    print(text)  # noqa: T201  # what was asked for
