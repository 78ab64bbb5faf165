"""Ask pybids for the EEG and BOLD files of some participants, and keep its answer.

pybids takes seconds to be imported and to index hundreds of participants. Its answer follows from
the names of their files alone, which are read in hundredths of a second: it is kept beside a digest
of these, so that a file that is added, removed or renamed is noticed at once.
"""

import hashlib
import json
import os
import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bids_eeg2fmri.bids.formats import EEG_EXTENSIONS
from bids_eeg2fmri.bids.write import write_json
from bids_eeg2fmri.errors import DatasetError, OutputError, UsageError

if TYPE_CHECKING:
    from bids import BIDSLayout

_DATATYPES = ("eeg", "func")
_SUFFIXES = ("_eeg.", "_bold.")


@dataclass(frozen=True)
class Question:
    """Which files are asked for."""

    root: Path
    """The dataset."""
    participants: Sequence[str]
    """Their labels; all have a folder."""
    kinds: Sequence[str]
    """``eeg`` and ``bold``, or one of them."""
    filters: Mapping[str, Mapping[str, Any]]
    """pybids filters by kind."""


@dataclass(frozen=True)
class Answer:
    """Files by kind, relative to the dataset."""

    there: Mapping[str, Sequence[str]]
    """All of them."""
    left: Mapping[str, Sequence[str]]
    """Those that the filters leave."""


def list_files(question: Question, kept: Path | None) -> Answer:
    """List EEG and BOLD files by kind.

    Parameters
    ----------
    kept
        Folder where answers are kept; one that cannot be written to is only read.

    Raises
    ------
    DatasetError
        The description of the dataset is JSON, but no object.
    UsageError
        A filter names an entity that BIDS does not know.
    """
    if kept is None:
        return _ask(question)
    asked = [str(question.root), *map(list, (question.participants, question.kinds))]
    path = kept / f"{_digest([*asked, question.filters])}.json"
    state = _digest(_state(question))
    answer = _read(path, state)
    if answer is None:
        answer = _ask(question)
        with suppress(OutputError):
            write_json(path, {"state": state, **vars(answer)})
    return answer


def _read(path: Path, state: str) -> Answer | None:
    """Read an answer; none where there is none, a damaged one, or one to other files."""
    try:
        told = json.loads(path.read_text(encoding="utf-8"))
        answer = Answer(dict(told["there"]), dict(told["left"]))
        return answer if told["state"] == state else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _state(question: Question) -> list[Any]:
    """Give all that an answer follows from."""
    seen: list[Any] = [version("pybids")]
    with suppress(OSError):  # pybids reads it too, and refuses what is no object
        status = (question.root / "dataset_description.json").stat()
        seen.append([status.st_size, status.st_mtime_ns])
    for label in question.participants:
        folder = question.root / f"sub-{label}"
        sessions = [name for name in _names(folder) if name.startswith("ses-")]
        for place in (folder, *(folder / name for name in sessions)):
            seen += [[str(place), *_recordings(place)]]
    return seen


def _recordings(folder: Path) -> list[str]:
    return [
        f"{datatype}/{name}"
        for datatype in _DATATYPES
        for name in _names(folder / datatype)
        if any(suffix in name for suffix in _SUFFIXES)
    ]


def _names(folder: Path) -> list[str]:
    with suppress(OSError):
        return sorted(os.listdir(folder))
    return []


def _digest(value: Any) -> str:
    text = json.dumps(value, sort_keys=True, ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def _ask(question: Question) -> Answer:
    layout = _index(question.root, question.participants)
    there = {kind: _query(question.root, layout, kind, {}) for kind in question.kinds}
    filtered = [kind for kind in question.kinds if kind in question.filters]
    left = {kind: _query(question.root, layout, kind, question.filters[kind]) for kind in filtered}
    return Answer(there, {**there, **left})


def _index(root: Path, participants: Sequence[str]) -> "BIDSLayout":
    """Index the EEG and BOLD files of these participants only, and no metadata.

    pybids would read every JSON file for the metadata and crash on the first broken one.
    """
    from bids import BIDSLayout, BIDSLayoutIndexer

    labels = "|".join(re.escape(label) for label in participants)
    wanted = rf"/sub-({labels})(/ses-[^/]+)?(/(eeg|func)(/[^/]+_(eeg|bold)\.[^/]+)?)?$"
    others = re.compile(f"^(?!{wanted})")
    indexer = BIDSLayoutIndexer(validate=False, index_metadata=False, ignore=[others])
    try:
        return BIDSLayout(root, validate=False, indexer=indexer)
    except (AttributeError, RecursionError) as error:  # of a list, or one of lists of lists
        description = root / "dataset_description.json"
        raise DatasetError(f"{description}: not a JSON object. Mend or remove it.") from error


def _query(root: Path, layout: "BIDSLayout", kind: str, filters: Mapping[str, Any]) -> list[str]:
    from bids.layout import Query

    scans: dict[str, dict[str, Any]] = {
        "eeg": {"datatype": "eeg", "suffix": "eeg", "extension": list(EEG_EXTENSIONS)},
        "bold": {
            "datatype": "func",
            "suffix": "bold",
            "extension": [".nii", ".nii.gz"],
            "part": ["mag", None],
        },
    }
    special = {None: Query.NONE, "*": Query.ANY}
    spelt = {
        key: special.get(value, value) if value is None or isinstance(value, str) else value
        for key, value in filters.items()
    }
    wanted = {"task": Query.ANY, **scans[kind], **spelt}
    try:
        paths = layout.get(return_type="file", **wanted)
    except ValueError as error:
        reason = str(error).split(". ")[0].rstrip(".")
        raise UsageError(f"--bids-filter-file: {kind}: {reason}.") from error
    return [Path(path).relative_to(root).as_posix() for path in paths]
