"""List the EEG and BOLD files of a dataset that were asked for."""

import os
import re
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

from bids_eeg2fmri.bids.catalogue import Question, list_files
from bids_eeg2fmri.bids.formats import EEG_EXTENSIONS
from bids_eeg2fmri.bids.pairing import Scan
from bids_eeg2fmri.bids.selection import Selection, bare, natural
from bids_eeg2fmri.bids.sidecars import entities_of
from bids_eeg2fmri.errors import NothingFoundError


def list_scans(
    root: Path, selection: Selection, kinds: Sequence[str] = ("eeg", "bold")
) -> dict[str, list[Scan]]:
    """List EEG and BOLD files of the chosen participants, sessions, tasks and runs, by kind.

    Where both are wanted, EEG stands under the labels of the BOLD that it is matched with.

    Raises
    ------
    NothingFoundError
        A participant does not exist, there are none of a kind, or the filters matched none.
    UsageError
        A filter names an entity that BIDS does not know.
    """
    participants = _participants(root, selection)
    question = Question(root, participants, kinds, selection.filters or {})
    answer = list_files(question, selection.index)
    there, left = (_scans(root, found) for found in (answer.there, answer.left))
    if selection.eeg_from is not None:
        there["eeg"] = left["eeg"] = _derived_eeg(selection.eeg_from, participants)
    if "bold" in kinds:
        left["eeg"] = selection.matches.apply(left["eeg"], left["bold"])
    left = {
        kind: [scan for scan in scans if selection.takes(scan.entities)]
        for kind, scans in left.items()
    }
    _check_found(root, participants, selection, there, left)
    return left


def matlab_eeg(root: Path, participant: str) -> list[Path]:
    """List a participant's EEG in bare MATLAB files."""
    return sorted((root / f"sub-{participant}").glob("**/[eE][eE][gG]/*.mat"))


def told_matlab(root: Path, files: Sequence[Path]) -> str:
    """Say why EEG in MATLAB files is skipped."""
    others = f" and {len(files) - 1} others" if len(files) > 1 else ""
    return (
        f"{files[0].relative_to(root).as_posix()}{others}: skipped, as MATLAB files say nothing of "
        "the layout of what they hold. Convert them to BrainVision, EDF or EEGLAB .set."
    )


def _participants(root: Path, selection: Selection) -> list[str]:
    """Labels of the chosen participants, all of which must exist."""
    folders = sorted((path.name for path in root.glob("sub-*") if path.is_dir()), key=natural)
    existing = bare(folders, "sub-")
    chosen = bare(selection.participants, "sub-")
    unknown = [label for label in chosen if label not in existing]
    if unknown:
        examples = ", ".join(existing[:5]) + (", …" if len(existing) > 5 else "")
        raise NothingFoundError(
            f"{root}: no participant {', '.join(unknown)}. There are {examples or 'none'}."
        )
    return chosen or existing


def _scans(root: Path, listed: Mapping[str, Sequence[str]]) -> dict[str, list[Scan]]:
    return {
        kind: [Scan(path, entities_of(path)) for path in map(root.joinpath, names)]
        for kind, names in listed.items()
    }


def _derived_eeg(folder: Path, participants: Sequence[str]) -> list[Scan]:
    """List what pipelines left in folders such as ``eeg`` or ``eeg_pp``, however they name it."""
    found = [
        Scan(path, entities_of(path))
        for home in _homes(folder, participants)
        for path in sorted({*home.glob("**/eeg*/*sub-*_eeg*")})
        if path.suffix in EEG_EXTENSIONS and not path.name.startswith(".")
    ]
    return [scan for scan in found if scan.entities.get("sub") in participants]


def _homes(folder: Path, participants: Collection[str]) -> list[Path]:
    """Find the folders of participants, without a look into those of others."""
    found: list[Path] = []
    for place, folders, _ in os.walk(folder):
        named = {name: re.match(r"sub-([A-Za-z0-9]*)", name) for name in folders}
        found += [
            Path(place, name) for name, match in named.items() if match and match[1] in participants
        ]
        folders[:] = [name for name, match in named.items() if not match]
    return sorted(found)


def _check_found(
    root: Path,
    participants: Sequence[str],
    selection: Selection,
    there: Mapping[str, list[Scan]],
    left: Mapping[str, list[Scan]],
) -> None:
    """Say which of the two is missing, and whether the filters are to blame."""
    missing = [kind for kind, scans in left.items() if not scans]
    if absent := [kind.upper() for kind in missing if not there[kind]]:
        whose = ", ".join(f"sub-{label}" for label in bare(selection.participants, "sub-"))
        raise NothingFoundError(
            f"{(absent == ['EEG'] and selection.eeg_from) or root}: no {' and no '.join(absent)} "
            f"file of {whose or 'any participant'}. {_wanted(there.keys())}"
            f"{' From EEG alone a saved model makes it: --apply.' if absent == ['BOLD'] else ''}"
            f"{_matlab_hint(root, participants)}"
        )
    if missing:
        labels = {
            key: ", ".join(sorted({s.entities[key] for s in scans if key in s.entities}))
            for scans in [[scan for scans in there.values() for scan in scans]]
            for key in ("task", "ses")
        }
        raise NothingFoundError(
            f"{root}: the filters match no {' and no '.join(map(str.upper, missing))} file. "
            f"Tasks: {labels['task']}; sessions: {labels['ses'] or 'none'}."
        )


def _wanted(kinds: Collection[str]) -> str:
    """Say which files are needed, and where they stand."""
    formats = ", ".join(EEG_EXTENSIONS)
    if "bold" in kinds:
        return f"Both EEG ({formats}) and BOLD are needed, in sub-*/[ses-*/]eeg and func."
    return f"EEG ({formats}) is needed, in sub-*/[ses-*/]eeg."


def _matlab_hint(root: Path, participants: Sequence[str]) -> str:
    files = [path for label in participants for path in matlab_eeg(root, label)]
    return f" {told_matlab(root, files)}" if files else ""
