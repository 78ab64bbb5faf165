"""Find the runs: which EEG recording belongs to which BOLD series of a BIDS dataset."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bids import BIDSLayout, BIDSLayoutIndexer
from bids.layout import Query

from bids_eeg2fmri.bids.formats import EEG_EXTENSIONS, companions
from bids_eeg2fmri.bids.pairing import Scan, Unpaired, pair, run_entities
from bids_eeg2fmri.bids.recording import EEGFiles
from bids_eeg2fmri.bids.sidecars import check_dataset, entities_of, inherited, read_json
from bids_eeg2fmri.errors import (
    AppError,
    DatasetError,
    MissingInputError,
    NothingFoundError,
    UsageError,
)

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


@dataclass(frozen=True)
class Selection:
    """What the user wants of a dataset; empty means all. Labels may carry their BIDS prefix."""

    participants: tuple[str, ...] = ()
    sessions: tuple[str, ...] = ()
    tasks: tuple[str, ...] = ()
    runs: tuple[str, ...] = ()
    filters: Mapping[str, Mapping[str, Any]] | None = None
    """pybids filters by kind of scan: ``{"eeg": {…}, "bold": {…}}``, as fMRIPrep takes them."""
    validate: bool = True
    """Whether ``dataset_description.json`` must be there and complete."""

    def entities(self, task: str | None = None) -> dict[str, str]:
        """Name the chosen sessions, tasks (or the given one) and runs as a file name does."""
        chosen = {"ses": self.sessions, "task": (task,) if task else self.tasks, "run": self.runs}
        return {
            key: "+".join(sorted({_spelt(label, key) for label in labels}))
            for key, labels in chosen.items()
            if labels
        }

    def suffix(self, task: str | None = None) -> str:
        """Lay out ``entities`` as part of a file name, e.g. ``_ses-1_task-rest``."""
        return "".join(f"_{key}-{label}" for key, label in self.entities(task).items())


def _spelt(label: str, key: str) -> str:
    """Take off the entity, and of a run's index its zeros: 1 and 01 are one run."""
    bare = label.removeprefix(f"{key}-")
    return str(int(bare)) if key == "run" and bare.isdecimal() else bare


@dataclass(frozen=True)
class RunFiles(EEGFiles):
    """An EEG recording and the BOLD series acquired at the same time.

    Its entities are those of the BOLD file except echo and part.
    """

    bold: Path

    def files(self) -> tuple[Path, ...]:
        """Every file that reading this run depends on."""
        return (*super().files(), self.bold, *inherited(self.root, self.bold, "bold", ".json"))


@dataclass(frozen=True)
class Refusal:
    """A run, or half of one, that cannot be used; the other runs go on."""

    participant: str
    name: str
    """The run, or the file relative to the dataset."""
    error: AppError
    """What is wrong and what to do."""
    entities: Mapping[str, str] = field(default_factory=dict)
    """As far as they are known, by their short names."""
    eeg: str | None = None
    """The EEG file relative to the dataset."""
    bold: str | None = None
    """The BOLD file relative to the dataset."""

    @property
    def reason(self) -> str:
        """What is wrong and what to do, in one line."""
        return str(self.error)

    @property
    def is_broken(self) -> bool:
        """Whether something is wrong with its files, rather than one of them not there."""
        return not isinstance(self.error, NothingFoundError)


def find_runs(root: Path, selection: Selection) -> tuple[list[RunFiles], list[Refusal]]:
    """Pair the EEG and BOLD files of a dataset by participant, session, task, run, acquisition.

    Where a task has one EEG and one BOLD file and only one of the two carries a run or acquisition
    label, they belong together as well. Of several echoes the first is taken.

    Returns
    -------
    runs
        In natural order of participant, session, task and run.
    refusals
        Files without a partner, ambiguous ones, and runs with a broken sidecar or without content.

    Raises
    ------
    MissingInputError
        ``root`` is not a folder.
    DatasetError
        It is empty, has no valid ``dataset_description.json``, or a sidecar at its top is broken.
    NothingFoundError
        A participant does not exist, there is no EEG or no BOLD, or the filters matched nothing.
    UsageError
        A filter names an entity that BIDS does not know.
    """
    root = root.resolve()
    check_dataset(root, selection.validate)
    layout = _index(root, _participants(root, selection))
    eeg, bold = (_query(layout, kind, selection) for kind in _SCANS)
    _check_found(root, layout, selection, {"EEG": eeg, "BOLD": bold})
    runs: list[RunFiles] = []
    refusals = [
        Refusal(label, f"sub-{label}", NothingFoundError(f"sub-{label}: neither EEG nor BOLD."))
        for label in _bare(selection.participants, "sub-")
        if label not in {scan.entities["sub"] for scan in (*eeg, *bold)}
    ]
    for match in pair(eeg, bold):
        if isinstance(match, Unpaired):
            refusals.append(_refuse_half(root, match))
            continue
        run = _run(root, *match)
        error = _obstacle(run)
        if error is None:
            runs.append(run)
        else:
            files = run.relative(run.eeg), run.relative(run.bold)
            refusals.append(Refusal(run.participant, run.name, error, run.entities, *files))
    return (
        sorted(runs, key=lambda run: _natural(run.relative(run.bold))),
        sorted(refusals, key=lambda refusal: _natural(refusal.participant, refusal.name)),
    )


def _participants(root: Path, selection: Selection) -> list[str]:
    """Labels of the chosen participants, all of which must exist."""
    folders = sorted((path.name for path in root.glob("sub-*") if path.is_dir()), key=_natural)
    existing = [name.removeprefix("sub-") for name in folders]
    chosen = _bare(selection.participants, "sub-")
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
    """
    labels = "|".join(re.escape(label) for label in participants)
    wanted = rf"/sub-({labels})(/ses-[^/]+)?(/(eeg|func)(/[^/]+_(eeg|bold)\.[^/]+)?)?$"
    others = re.compile(f"^(?!{wanted})")
    indexer = BIDSLayoutIndexer(validate=False, index_metadata=False, ignore=[others])
    return BIDSLayout(root, validate=False, indexer=indexer)


def _query(layout: BIDSLayout, kind: str, selection: Selection) -> list[Scan]:
    chosen = {
        "session": _bare(selection.sessions, "ses-"),
        "task": _bare(selection.tasks, "task-"),
        "run": _bare(selection.runs, "run-"),
    }
    special = {None: Query.NONE, "*": Query.ANY}
    filters = {
        key: special.get(value, value) if value is None or isinstance(value, str) else value
        for key, value in (selection.filters or {}).get(kind, {}).items()
    }
    query = _SCANS[kind] | {key: value for key, value in chosen.items() if value} | filters
    try:
        paths = layout.get(return_type="file", **query)
    except ValueError as error:
        reason = str(error).split(". ")[0].rstrip(".")
        raise UsageError(f"--bids-filter-file: {kind}: {reason}.") from error
    return [Scan(Path(path), entities_of(Path(path))) for path in paths]


def _check_found(
    root: Path, layout: BIDSLayout, selection: Selection, found: Mapping[str, list[Scan]]
) -> None:
    """Say which of the two is missing, and whether the filters are to blame."""
    missing = [kind for kind, scans in found.items() if not scans]
    absent = [kind for kind in missing if not layout.get(**_SCANS[kind.lower()])]
    if absent:
        whose = ", ".join(f"sub-{label}" for label in _bare(selection.participants, "sub-"))
        raise NothingFoundError(
            f"{root}: no {' and no '.join(absent)} file of {whose or 'any participant'}. Both EEG "
            f"({', '.join(EEG_EXTENSIONS)}) and BOLD are needed, in sub-*/[ses-*/]eeg and func."
        )
    if missing:
        tasks, sessions = ", ".join(layout.get_tasks()), ", ".join(layout.get_sessions())
        raise NothingFoundError(
            f"{root}: the filters match no {' and no '.join(missing)} file. "
            f"Tasks: {tasks}; sessions: {sessions or 'none'}."
        )


def _run(root: Path, eeg: Scan, bold: Scan) -> RunFiles:
    labels = eeg.entities | bold.entities
    return RunFiles(
        root=root,
        participant=labels["sub"],
        session=labels.get("ses"),
        task=labels["task"],
        run=labels.get("run"),
        entities=run_entities(bold),
        eeg=eeg.path,
        bold=bold.path,
    )


def _refuse_half(root: Path, half: Unpaired) -> Refusal:
    scan, file = half.scan, half.scan.path.relative_to(root).as_posix()
    kind = "bold" if scan.path.parent.name == "func" else "eeg"
    error = NothingFoundError(f"{file}: {half.reason}")
    return Refusal(scan.entities["sub"], file, error, scan.entities, **{kind: file})


def _obstacle(run: RunFiles) -> AppError | None:
    """Why the files of a run cannot be read, as far as that shows without opening the data."""
    for path in (run.eeg, *companions(run.eeg)[:1], run.bold):
        if path.exists():
            continue
        file = run.relative(path)
        if path.is_symlink():
            return MissingInputError(f"{file}: a link without content. Fetch it: datalad get.")
        return MissingInputError(
            f"{file}: missing, though {run.eeg.name} names it. Copy it too, or mend the name."
        )
    for path in (
        *inherited(run.root, run.eeg, "eeg", ".json"),
        *inherited(run.root, run.bold, "bold", ".json"),
    ):
        try:
            read_json(run.root, path)
        except DatasetError as error:
            if path.parent == run.root:  # it concerns every participant
                raise
            return error
    return None


def _bare(labels: Iterable[str], prefix: str) -> list[str]:
    return [label.removeprefix(prefix) for label in labels]


def _natural(*names: str) -> list[str | int]:
    """Sort key that puts sub-2 before sub-10."""
    return [int(part) if part.isdigit() else part for part in re.split(r"(\d+)", " ".join(names))]
