"""What the user wants of a dataset, as the command line tells it."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, NamedTuple

from bids_eeg2fmri.bids.matching import Matches
from bids_eeg2fmri.bids.pairing import Scan
from bids_eeg2fmri.bids.sidecars import spelt
from bids_eeg2fmri.errors import MissingInputError, UsageError

NATIVE = ("func", "native")
"""What fMRIPrep and its users call the space of the scanner, which file names leave out."""


class Derivative(NamedTuple):
    """What a pipeline has made of the dataset."""

    name: str
    """By which sidecars refer to it."""
    path: Path


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
    matches: Matches = field(default_factory=Matches)
    """EEG and BOLD that belong together though their labels differ."""
    echo: int | Literal["combined"] | None = None
    """Which echo of a multi-echo run is taken; the first by default."""
    eeg_from: Path | None = None
    """Folder of derivatives whose EEG is taken instead of the raw one."""
    derivatives: tuple[Derivative, ...] = ()
    """Where preprocessed BOLD, confounds and segmentations are sought before the dataset's own
    ``derivatives``."""
    space: Mapping[str, str] | None = None
    """Labels of the preprocessed BOLD to be taken, e.g. ``{"space": "T1w", "res": "2"}``; empty for
    that in the scanner's own space, None for the raw BOLD."""
    index: Path | None = None
    """Folder where the list of files is kept for the next time, if anywhere."""

    @property
    def datasets(self) -> tuple[Derivative, ...]:
        """All folders of derivatives that the user names."""
        eeg = (Derivative("eeg", self.eeg_from),) if self.eeg_from else ()
        return (*self.derivatives, *eeg)

    def entities(self, task: str | None = None) -> dict[str, str]:
        """Name the chosen sessions, tasks (or the given one), runs and space as file names do."""
        chosen = {"ses": self.sessions, "task": (task,) if task else self.tasks, "run": self.runs}
        named = {
            key: "+".join(sorted({spelt(key, label) for label in labels}))
            for key, labels in chosen.items()
            if labels
        }
        return {**named, **(self.space or {})}

    def suffix(self, task: str | None = None) -> str:
        """Lay out ``entities`` as part of a file name, e.g. ``_ses-1_task-rest``."""
        return "".join(f"_{key}-{label}" for key, label in self.entities(task).items())

    def absent(self, scans: Iterable[Scan]) -> list[str]:
        """Labels of chosen participants of whom there is none of these files."""
        present = {scan.entities["sub"] for scan in scans}
        return [label for label in bare(self.participants, "sub-") if label not in present]

    def takes(self, entities: Mapping[str, str]) -> bool:
        """Tell whether a file with these entities is of a chosen session, task and run."""
        chosen = {"ses": self.sessions, "task": self.tasks, "run": self.runs}
        return all(
            spelt(key, entities.get(key, "")) in {spelt(key, label) for label in labels}
            for key, labels in chosen.items()
            if labels
        )


def bare(labels: Iterable[str], prefix: str) -> list[str]:
    """Take the prefix off labels that carry it."""
    return [label.removeprefix(prefix) for label in labels]


def natural(*names: str) -> list[str | int]:
    """Give a sort key that puts sub-2 before sub-10."""
    return [int(part) if part.isdecimal() else part for part in re.split(r"(\d+)", " ".join(names))]


def parse_derivative(text: str) -> Derivative:
    """Read ``NAME=PATH``, or a path alone, whose last part is the name.

    Raises
    ------
    UsageError
        The name cannot be used.
    MissingInputError
        There is no such folder.
    """
    name, equals, path = text.rpartition("=")
    folder = existing_folder(Path(path), "--derivatives")
    name = name if equals else re.sub(r"[^A-Za-z0-9]", "", folder.name)
    if not re.fullmatch(r"[A-Za-z0-9_.-]+", name) or name == "raw":
        raise UsageError(f"--derivatives {text}: give a name of letters and digits other than raw.")
    return Derivative(name, folder)


def existing_folder(path: Path, option: str) -> Path:
    """Resolve a folder that an option names.

    Raises
    ------
    MissingInputError
        There is no such folder.
    """
    if not path.is_dir():
        raise MissingInputError(f"{path}: no such folder. Check {option}.")
    return path.resolve()


def parse_space(text: str) -> dict[str, str]:
    """Read ``SPACE[:res-N]`` as labels of a file name; none for the scanner's own space.

    Raises
    ------
    UsageError
        It is not written like that.
    """
    space, *more = text.removeprefix("space-").split(":")
    labels = [part.partition("-") for part in more]
    well = all(key.isalpha() and label.isalnum() for key, _, label in labels)
    if not (space.isalnum() and well):
        raise UsageError(f"--space {text}: write it as fMRIPrep does, e.g. T1w or MNI152Lin:res-2.")
    named = {} if space in NATIVE else {"space": space}
    return named | {key: label for key, _, label in labels}
