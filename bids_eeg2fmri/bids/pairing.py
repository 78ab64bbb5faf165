"""Decide by their labels which EEG and BOLD files belong together."""

import warnings
from collections import defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from bids_eeg2fmri.bids.formats import EEG_EXTENSIONS, companions
from bids_eeg2fmri.errors import DataWarning


class Scan(NamedTuple):
    """One EEG or BOLD file."""

    path: Path
    entities: dict[str, str]

    @property
    def task(self) -> tuple[str, ...]:
        """Where its partner must be sought."""
        return tuple(self.entities.get(key, "") for key in ("sub", "ses", "task"))

    @property
    def labels(self) -> tuple[str, str]:
        """What tells the runs of one task apart; run-1 and run-01 are the same index."""
        run, acquisition = self.entities.get("run", ""), self.entities.get("acq", "")
        return (run.lstrip("0") or "0" if run else "", acquisition)


class Unpaired(NamedTuple):
    """A file that belongs to no other, or to too many."""

    scan: Scan
    reason: str


_Labelled = defaultdict[tuple[str, str], list[Scan]]
"""Files of one task by what tells its runs apart."""


def run_entities(scan: Scan) -> dict[str, str]:
    """All entities except those that tell the images of one run apart."""
    return {key: label for key, label in scan.entities.items() if key not in ("echo", "part")}


def pair(eeg: Iterable[Scan], bold: Iterable[Scan]) -> Iterator[tuple[Scan, Scan] | Unpaired]:
    """Match the files of each task by run and acquisition; the first echo stands for its run."""
    tasks: defaultdict[tuple[str, ...], tuple[_Labelled, _Labelled]] = defaultdict(
        lambda: (defaultdict(list), defaultdict(list))
    )
    for side, scans in enumerate((eeg, bold)):
        for scan in scans:
            tasks[scan.task][side][scan.labels].append(scan)
    for recordings, series in tasks.values():
        _join_lone(recordings, series)
        for labels in recordings.keys() | series.keys():
            yield _match(recordings.get(labels, []), series.get(labels, []))


def _join_lone(recordings: _Labelled, series: _Labelled) -> None:
    """Let a task's only recording and only series share labels that just one of them carries."""
    if len(recordings) != 1 or len(series) != 1:
        return
    (own,), (other,) = recordings, series
    if own != other and all(a == b or not (a and b) for a, b in zip(own, other, strict=True)):
        recordings[other] = recordings.pop(own)
        warnings.warn(
            f"{recordings[other][0].path.name} and {series[other][0].path.name} are taken to "
            "belong together: the only ones of their task, though labelled differently.",
            DataWarning,
            stacklevel=2,
        )


def _match(eeg: list[Scan], bold: list[Scan]) -> tuple[Scan, Scan] | Unpaired:
    """Pair the files that share all labels, or say why not."""
    if not eeg or not bold:
        kind, other = ("EEG", "BOLD") if eeg else ("BOLD", "EEG")
        return Unpaired(
            (eeg or bold)[0],
            f"{kind} without {other}: none has the same participant, session, task, run and "
            "acquisition. Mend the labels, or leave it out with --bids-filter-file.",
        )
    if any(run_entities(scan) != run_entities(scans[0]) for scans in (eeg, bold) for scan in scans):
        names = ", ".join(scan.path.name for scan in (*eeg, *bold))
        reason = f"ambiguous: {names} fit each other. Choose with --bids-filter-file."
        return Unpaired((eeg if len(eeg) > len(bold) else bold)[0], reason)
    return min(eeg, key=_rank), min(bold, key=_rank)


def _rank(scan: Scan) -> tuple[bool, str, int]:
    """Sort the files of one run: complete ones, the first echo, the preferred format first."""
    incomplete = not all(path.exists() for path in companions(scan.path))
    formats = (*EEG_EXTENSIONS, ".nii", ".gz")
    return incomplete, scan.entities.get("echo", "").zfill(4), formats.index(scan.path.suffix)
