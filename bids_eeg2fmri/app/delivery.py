"""Bring results into the output folder, and keep what stands there true to them."""

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from bids_eeg2fmri.app.job import Job
from bids_eeg2fmri.bids.write import sweep, write_json
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

    A record in the work folder tells what stands there, and what it was made from. Files of an
    earlier delivery of the same item that are not written again are removed: they are of results
    that are no more.

    Parameters
    ----------
    patterns
        What the files of this item match, below the output folder.
    problems
        What the report tells beside the results.
    facts
        What else the files depend on, as JSON knows it.
    """
    told = {"out": str(job.out), "problems": [*map(str, problems.values())]}
    key = job.store.key("deliver", item, [job.config, {**told, **facts}], parents)
    record = job.work / "delivered" / f"{item}.json"
    before = _read(record)
    earlier: Stamps = before["files"] if before["out"] == told["out"] else {}
    kept = before["key"] == key and _stamps(job.out, [*earlier]) == earlier
    if not kept:
        sweep(job.out, patterns)
        found = _stamps(job.out, _matching(job.out, patterns))
        write()
        now = _stamps(job.out, _matching(job.out, patterns))
        written = {name: stamp for name, stamp in now.items() if found.get(name) != stamp}
        for name, stamp in earlier.items():
            if name not in written and now.get(name) == stamp:
                (job.out / name).unlink()
        earlier = written
        write_json(record, {"key": key, "out": told["out"], "files": written})
    log.tell(item, "write", f"{len(earlier)} files" + "  (kept)" * kept)


def _read(record: Path) -> dict[str, Any]:
    """Read what was delivered last; nothing where there is no record."""
    try:
        read: dict[str, Any] = json.loads(record.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {"key": "", "out": "", "files": {}}
    return read


def _matching(out: Path, patterns: Sequence[str]) -> list[str]:
    found = {path for pattern in patterns for path in out.glob(pattern) if path.is_file()}
    return sorted(path.relative_to(out).as_posix() for path in found)


def _stamps(out: Path, names: Sequence[str]) -> Stamps:
    """Look at those files that are there."""
    there = [name for name in names if (out / name).is_file()]
    seen = {name: (out / name).stat() for name in there}
    return {name: [status.st_size, status.st_mtime_ns] for name, status in seen.items()}
