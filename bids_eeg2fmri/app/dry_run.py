"""Say what would be done, from headers and markers alone."""

import json
import math
from typing import Any

from bids_eeg2fmri.app.job import Job
from bids_eeg2fmri.bids.query import RunFiles, find_runs
from bids_eeg2fmri.bids.read import read_bold_header, read_markers
from bids_eeg2fmri.errors import DataError
from bids_eeg2fmri.preprocess.clock import find_clock
from bids_eeg2fmri.runtime import log
from bids_eeg2fmri.types import VolumeClock


def dry_run(job: Job, *, as_json: bool) -> None:
    """Print each run with its clock, or why it is refused; as lines of JSON if asked to."""
    with log.capture_warnings():
        runs, refusals = find_runs(job.bids_dir, job.selection)
        for run in runs:
            row = describe_run(job, run)
            print(json.dumps(row, ensure_ascii=False) if as_json else _line(run.name, row))  # noqa: T201  # what was asked for
    for refusal in refusals:
        row = {"participant": refusal.participant, "session": None, "task": None, "run": None}
        row |= {"eeg": None, "bold": None, "refused": refusal.reason}
        print(json.dumps(row, ensure_ascii=False) if as_json else _line(refusal.name, row))  # noqa: T201  # what was asked for


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
        "drift_ppm": clock.drift if math.isfinite(clock.drift) else None,
        "residual_s": clock.residual,
    }


def _line(name: str, row: dict[str, Any]) -> str:
    if "refused" in row:
        return f"{name}  refused: {row['refused']}"
    clock = row["clock"]
    return (
        f"{name}  {clock['source']}  first volume at {clock['first_volume_eeg_s']:.3f} s of the "
        f"EEG, {clock['n_volumes']} volumes every {clock['tr_s']:g} s"
    )
