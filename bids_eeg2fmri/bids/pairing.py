"""Decide by their labels which EEG and BOLD files belong together."""

import re
import warnings
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Literal, NamedTuple

from bids_eeg2fmri.bids.formats import EEG_EXTENSIONS, companions
from bids_eeg2fmri.bids.sidecars import spelt
from bids_eeg2fmri.errors import DataWarning

PAIRED_BY = ("sub", "ses", "task", "run", "acq")
"""Entities that decide which EEG and BOLD belong together."""
_WITHIN_RUN = ("echo", "part", "split")
"""Entities that tell the files of one run apart."""

Echo = int | Literal["combined"] | None


class Scan(NamedTuple):
    """One EEG or BOLD file."""

    path: Path
    entities: dict[str, str]
    """Under which it is paired: its own, or what the user says."""

    @property
    def task(self) -> tuple[str, ...]:
        """Where its partner must be sought."""
        return tuple(self.entities.get(key, "") for key in PAIRED_BY[:3])

    @property
    def labels(self) -> tuple[str, ...]:
        """What tells the runs of one task apart; run-1 and run-01 are the same index."""
        return tuple(spelt(key, self.entities.get(key, "")) for key in PAIRED_BY[3:])

    @property
    def stem(self) -> str:
        """Name without what tells the files of one run apart."""
        return re.sub(rf"_({'|'.join(_WITHIN_RUN)})-[^_.]+", "", self.path.name.split(".")[0])

    @property
    def echo(self) -> int:
        """Number of the echo; 0 where there is only one."""
        label = self.entities.get("echo", "")
        return int(label) if label.isdecimal() else 0


class Pair(NamedTuple):
    """Files that belong together."""

    eeg: Scan
    bold: Scan
    echoes: tuple[Scan, ...] = ()
    """All echoes of the run, where they are to be combined."""


class Unpaired(NamedTuple):
    """A file that belongs to no other, or to too many."""

    scan: Scan
    reason: str


_Labelled = defaultdict[tuple[str, ...], list[Scan]]
"""Files of one task by what tells its runs apart."""


def run_entities(scan: Scan) -> dict[str, str]:
    """All entities except those that tell the images of one run apart."""
    return {key: label for key, label in scan.entities.items() if key not in _WITHIN_RUN}


def pair(eeg: Iterable[Scan], bold: Iterable[Scan], echo: Echo = None) -> Iterator[Pair | Unpaired]:
    """Match the files of each task by run and acquisition.

    Of several echoes the first stands for its run, or the one that is asked for.
    """
    tasks: defaultdict[tuple[str, ...], tuple[_Labelled, _Labelled]] = defaultdict(
        lambda: (defaultdict(list), defaultdict(list))
    )
    for side, scans in enumerate((eeg, bold)):
        for scan in scans:
            tasks[scan.task][side][scan.labels].append(scan)
    for task, (recordings, series) in tasks.items():
        _join_lone(recordings, series)
        sessions = {
            ses: sides
            for (sub, ses, name), sides in tasks.items()
            if (sub, name) == (task[0], task[2]) and ses != task[1]
        }
        for labels in recordings.keys() | series.keys():
            found = recordings.get(labels, []), series.get(labels, [])
            elsewhere = [ses for ses, sides in sessions.items() if sides[bool(found[0])]]
            yield _match(*found, echo, sorted(filter(None, elsewhere)))


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


def _match(
    eeg: list[Scan], bold: list[Scan], echo: Echo, elsewhere: Sequence[str]
) -> Pair | Unpaired:
    """Pair the files that share all labels, or say why not.

    ``elsewhere`` are other sessions in which the task has what is missing here.
    """
    if not eeg or not bold:
        return Unpaired((eeg or bold)[0], _lonely((eeg or bold)[0], bool(eeg), elsewhere))
    if any(len({scan.stem for scan in scans}) > 1 for scans in (eeg, bold)):
        names = ", ".join(scan.path.name for scan in (*eeg, *bold))
        reason = f"ambiguous: {names} fit each other. Choose with --bids-filter-file or --match."
        return Unpaired((eeg if len(eeg) > len(bold) else bold)[0], reason)
    series = sorted(bold, key=rank)
    echoes = {scan.echo: scan for scan in reversed(series) if scan.echo}
    if isinstance(echo, int) and echoes and echo not in echoes:
        there = ", ".join(map(str, sorted(echoes)))
        return Unpaired(series[0], f"no echo {echo} of this run; there are {there}. Check --echo.")
    first = echoes.get(echo, series[0]) if isinstance(echo, int) else series[0]
    several = echo == "combined" and len(echoes) > 1
    return Pair(min(eeg, key=rank), first, tuple(echoes[n] for n in sorted(echoes)) * several)


def _lonely(scan: Scan, is_eeg: bool, elsewhere: Sequence[str]) -> str:
    """Say why a file has no partner."""
    kind, other = ("EEG", "BOLD") if is_eeg else ("BOLD", "EEG")
    if elsewhere and "ses" in scan.entities:
        sessions = " and ".join(f"ses-{label}" for label in elsewhere)
        own, theirs = f"ses-{scan.entities['ses']}", f"ses-{elsewhere[0]}"
        eeg, bold = (own, theirs) if is_eeg else (theirs, own)
        return (
            f"{kind} of {own}, {other} of {sessions}: sessions are visits, so these are not "
            f"simultaneous. If they are, say --match eeg.{eeg}=bold.{bold}."
        )
    return (
        f"{kind} without {other}: none has the same participant, session, task, run and "
        "acquisition. Name its partner with --match, or leave it out with --bids-filter-file."
    )


def rank(scan: Scan) -> tuple[bool, int, str, int]:
    """Sort the files of one run: complete ones, first echoes and parts, the preferred format."""
    incomplete = not all(path.exists() for path in (scan.path, *companions(scan.path)))
    formats = (*EEG_EXTENSIONS, ".nii", ".gz")
    part = scan.entities.get("split", "")
    return incomplete, scan.echo, part, formats.index(scan.path.suffix)
