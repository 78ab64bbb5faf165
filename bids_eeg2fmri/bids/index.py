"""List the EEG and BOLD files of a dataset that were asked for."""

import re
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

from bids import BIDSLayout, BIDSLayoutIndexer
from bids.layout import Query

from bids_eeg2fmri.bids.formats import EEG_EXTENSIONS
from bids_eeg2fmri.bids.pairing import Scan
from bids_eeg2fmri.bids.selection import Selection, bare, natural
from bids_eeg2fmri.bids.sidecars import entities_of
from bids_eeg2fmri.errors import DatasetError, NothingFoundError, UsageError

_SCANS: dict[str, dict[str, Any]] = {
    "eeg": {
        "datatype": "eeg",
        "suffix": "eeg",
        "task": Query.ANY,
        "extension": list(EEG_EXTENSIONS),
    },
    "bold": {
        "datatype": "func",
        "suffix": "bold",
        "task": Query.ANY,
        "extension": [".nii", ".nii.gz"],
        "part": ["mag", None],
    },
}


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
    layout = _index(root, participants)
    there = {kind: _query(layout, kind, {}) for kind in kinds}
    filters = selection.filters or {}
    left = there | {kind: _query(layout, kind, filters[kind]) for kind in there.keys() & filters}
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


def _index(root: Path, participants: Sequence[str]) -> BIDSLayout:
    """Index the EEG and BOLD files of these participants only, and no metadata.

    pybids would read every JSON file for the metadata and crash on the first broken one.

    Raises
    ------
    DatasetError
        The description of the dataset is JSON, but no object.
    """
    labels = "|".join(re.escape(label) for label in participants)
    wanted = rf"/sub-({labels})(/ses-[^/]+)?(/(eeg|func)(/[^/]+_(eeg|bold)\.[^/]+)?)?$"
    others = re.compile(f"^(?!{wanted})")
    indexer = BIDSLayoutIndexer(validate=False, index_metadata=False, ignore=[others])
    try:
        return BIDSLayout(root, validate=False, indexer=indexer)
    except (AttributeError, RecursionError) as error:  # of a list, or one of lists of lists
        description = root / "dataset_description.json"
        raise DatasetError(f"{description}: not a JSON object. Mend or remove it.") from error


def _query(layout: BIDSLayout, kind: str, filters: Mapping[str, Any]) -> list[Scan]:
    special = {None: Query.NONE, "*": Query.ANY}
    spelt = {
        key: special.get(value, value) if value is None or isinstance(value, str) else value
        for key, value in filters.items()
    }
    try:
        paths = layout.get(return_type="file", **(_SCANS[kind] | spelt))
    except ValueError as error:
        reason = str(error).split(". ")[0].rstrip(".")
        raise UsageError(f"--bids-filter-file: {kind}: {reason}.") from error
    return [Scan(Path(path), entities_of(Path(path))) for path in paths]


def _derived_eeg(folder: Path, participants: Sequence[str]) -> list[Scan]:
    """List what pipelines left in folders such as ``eeg`` or ``eeg_pp``, however they name it."""
    found = [
        Scan(path, entities_of(path))
        for path in sorted({*folder.glob("**/sub-*/**/eeg*/*sub-*_eeg*")})
        if path.suffix in EEG_EXTENSIONS and not path.name.startswith(".")
    ]
    return [scan for scan in found if scan.entities.get("sub") in participants]


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
