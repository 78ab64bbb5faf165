"""Bring results into the output folder, and keep what stands there true to them."""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from filelock import FileLock

from bids_eeg2fmri.app.job import Job
from bids_eeg2fmri.bids.write import noting_files, sweep, write_json
from bids_eeg2fmri.errors import AppError
from bids_eeg2fmri.runtime import log
from bids_eeg2fmri.runtime.store import Unit

Stamps = dict[str, list[int]]
"""Size and time of last change of files, by their path below the output folder."""


def deliver(
    job: Job,
    item: str,
    parents: Sequence[Unit],
    patterns: Sequence[str],
    problems: Mapping[str, AppError],
    facts: Mapping[str, Any],
    write: Callable[[], None],
) -> None:
    """Write an item's files into the output folder, unless just these stand there untouched.

    A job that is to make the reports again writes them all the same.

    A record in the work folder tells what stands there, and what it was made from. Files of an
    earlier delivery of the same item that are not written again are removed: they are of results
    that are no more. Jobs that deliver for the same participant, or for a group, take turns.

    Parameters
    ----------
    item
        E.g. ``sub-01_task-rest``; what stands before the first underscore takes turns.
    patterns
        Where a killed job may have left half-written files of this item, below the output folder.
    problems
        What the report tells beside the results.
    facts
        What else the files depend on, as JSON knows it.
    """
    told = {"out": str(job.out), "problems": [*map(str, problems.values())]}
    key = job.store.key("deliver", item, [job.config, {**told, **facts}], parents)
    record = job.work / "delivered" / f"{item}.json"
    with _taking_turns(job, item.split("_")[0]):
        known, earlier = _read(record, str(job.out))
        untouched = known == key and _stamps(job.out, earlier) == earlier
        kept = untouched and not job.reports_only
        if not kept:
            job.store.check(parents)
            sweep(job.out, patterns)
            with noting_files() as written:
                write()
            files = _stamps(job.out, [path.relative_to(job.out).as_posix() for path in written])
            _remove_stale(job.out, earlier, files)
            earlier = files
            write_json(record, {"key": key, "out": told["out"], "files": files})
    log.tell(item, "write", f"{len(earlier)} files" + "  (kept)" * kept)


@contextmanager
def _taking_turns(job: Job, whose: str) -> Iterator[None]:
    """Wait until no other job writes files of the same participant or group."""
    logs = job.out / "logs"
    logs.mkdir(parents=True, exist_ok=True)
    with FileLock(logs / f"{whose}.lock"):
        yield


def _read(record: Path, out: str) -> tuple[str, Stamps]:
    """Read from which key and with which files something was delivered last into this folder."""
    try:
        told = json.loads(record.read_text(encoding="utf-8"))
        return (told["key"], dict(told["files"])) if told["out"] == out else ("", {})
    except (OSError, ValueError, KeyError, TypeError):  # never delivered, or damaged
        return "", {}


def _remove_stale(out: Path, earlier: Stamps, files: Stamps) -> None:
    """Remove what was delivered earlier and is no longer, unless someone else has changed it."""
    stale = {name: stamp for name, stamp in earlier.items() if name not in files}
    for name, stamp in _stamps(out, stale).items():
        if stamp == stale[name]:
            (out / name).unlink(missing_ok=True)


def _stamps(out: Path, names: Iterable[str]) -> Stamps:
    """Look at those files that are there."""
    there = [name for name in names if (out / name).is_file()]
    seen = {name: (out / name).stat() for name in there}
    return {name: [status.st_size, status.st_mtime_ns] for name, status in seen.items()}
