"""Say what would be done, from headers and markers alone."""

import json
import logging
import math
from typing import Any

from bids_eeg2fmri.app.job import Job
from bids_eeg2fmri.bids.query import RunFiles, find_runs
from bids_eeg2fmri.bids.read import read_bold_header, read_markers
from bids_eeg2fmri.errors import DataError
from bids_eeg2fmri.preprocess.clock import find_clock
from bids_eeg2fmri.runtime import log
from bids_eeg2fmri.types import VolumeClock

_ENTITIES = {"session": "ses", "task": "task", "run": "run"}


def dry_run(job: Job, *, as_json: bool) -> None:
    """Print each run with its clock, or why it is refused; as lines of JSON if asked to."""
    say = _print_json if as_json else _print_line
    with log.capture_warnings() as notes:
        runs, refusals = find_runs(job.bids_dir, job.selection)
        for run in runs:
            say(run.name, describe_run(job, run))
    for refusal in refusals:
        row: dict[str, Any] = {"participant": refusal.participant}
        row |= {name: refusal.entities.get(key) for name, key in _ENTITIES.items()}
        row |= {"eeg": refusal.eeg, "bold": refusal.bold, "refused": refusal.reason}
        say(f"sub-{refusal.participant}", row)
    for note in notes:
        log.tell("dataset", "note", note, logging.WARNING)


def describe_run(job: Job, run: RunFiles) -> dict[str, Any]:
    """Find the clock of a run, without its signals."""
    row: dict[str, Any] = {
        "participant": run.participant,
        "session": run.session,
        "task": run.task,
        "run": run.run,
        "eeg": run.relative(run.eeg),
        "bold": run.relative(run.bold),
    }
    try:
        recorded = read_markers(run)
        shape, tr = read_bold_header(run)
        clock = find_clock(
            recorded.markers,
            recorded.sfreq,
            recorded.duration,
            shape[3],
            tr,
            job.config.clock,
            run.name,
        )
    except DataError as error:
        return row | {"refused": str(error)}
    return row | {"clock": _clock(clock)}


def _clock(clock: VolumeClock) -> dict[str, Any]:
    return {
        "source": clock.source,
        "first_volume_eeg_s": round(float(clock.onset[0]), 6),
        "tr_s": clock.tr,
        "n_volumes": len(clock.onset),
        "n_markers": clock.n_markers,
        "drift_ppm": round(clock.drift, 3) if math.isfinite(clock.drift) else None,
        "residual_s": round(clock.residual, 6),
    }


def _print_json(_name: str, row: dict[str, Any]) -> None:
    print(json.dumps(row, ensure_ascii=False))  # noqa: T201  # what was asked for


def _print_line(name: str, row: dict[str, Any]) -> None:
    text = f"{name}  "
    if "refused" in row:
        text += f"refused: {row['refused'].removeprefix(f'{name}: ')}"
    else:
        clock = row["clock"]
        text += (
            f"{clock['source']}  first volume at {clock['first_volume_eeg_s']:.3f} s of the EEG, "
            f"{clock['n_volumes']} volumes every {clock['tr_s']:g} s"
        )
    print(text)  # noqa: T201  # what was asked for
