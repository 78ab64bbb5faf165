"""Find the runs: which EEG recording belongs to which BOLD series of a BIDS dataset."""

import warnings
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from bids_eeg2fmri.bids.contents import check_contents
from bids_eeg2fmri.bids.derivatives import find_mask, find_preprocessed, where
from bids_eeg2fmri.bids.index import list_scans, matlab_eeg, told_matlab
from bids_eeg2fmri.bids.listing import looking_once
from bids_eeg2fmri.bids.pairing import Pair, Unpaired, pair, run_entities
from bids_eeg2fmri.bids.recording import RunFiles
from bids_eeg2fmri.bids.selection import Selection, natural
from bids_eeg2fmri.bids.sidecars import check_dataset, entities_of, read_json, spell
from bids_eeg2fmri.errors import AppError, DatasetError, DataWarning, NothingFoundError


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
    label, they belong together as well. Of several echoes the first is taken, unless the selection
    says otherwise; in its space, BOLD that a pipeline has preprocessed.

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
        It is empty, or has no valid ``dataset_description.json``.
    NothingFoundError
        A participant does not exist, there is no EEG or no BOLD, or the filters matched nothing.
    UsageError
        A filter names an entity that BIDS does not know.
    """
    root = root.resolve()
    check_dataset(root, selection.validate)
    with looking_once():
        return _find_runs(root, selection)


def _find_runs(root: Path, selection: Selection) -> tuple[list[RunFiles], list[Refusal]]:
    scans = list_scans(root, selection)
    eeg, bold = scans["eeg"], scans["bold"]
    runs: list[RunFiles] = []
    refusals = [_refuse_absent(label) for label in selection.absent((*eeg, *bold))]
    refusals += _refuse_matlab(root, {scan.entities["sub"] for scan in bold})
    for match in pair(eeg, bold, selection.echo):
        if isinstance(match, Unpaired):
            refusals.append(_refuse_half(root, match))
            continue
        run = _run(root, match, selection)
        try:
            run = _preprocessed(run, selection)
            _check_contents(run)
        except AppError as error:
            files = run.relative(run.eeg), run.relative(run.bold)
            refusals.append(Refusal(run.participant, run.name, error, run.entities, *files))
        else:
            runs.append(run)
    _tell_broken_json(root, [refusal.reason for refusal in refusals])
    return (
        sorted(runs, key=lambda run: natural(run.relative(run.scan))),
        sorted(refusals, key=lambda refusal: natural(refusal.participant, refusal.name)),
    )


def _run(root: Path, found: Pair, selection: Selection) -> RunFiles:
    labels = found.eeg.entities | found.bold.entities
    return RunFiles(
        root=root,
        participant=labels["sub"],
        session=labels.get("ses"),
        task=labels["task"],
        run=labels.get("run"),
        entities=run_entities(found.bold),
        eeg=found.eeg.path,
        bold=found.bold.path,
        echoes=tuple(scan.path for scan in found.echoes),
        derivatives=selection.datasets,
    )


def _preprocessed(run: RunFiles, selection: Selection) -> RunFiles:
    """Put the series of a pipeline in the place of the raw one, if its space was asked for."""
    if selection.space is None:
        return run
    func = run.bold.parent.relative_to(run.root)
    bold = find_preprocessed([home / func for home in run.pipelines], run.entities, selection.space)
    space = where(bold)
    return replace(
        run,
        entities=run.entities | space,
        bold=bold,
        echoes=(),
        raw=run.bold,
        space=space,
        mask=find_mask(bold),
    )


def _check_contents(run: RunFiles) -> None:
    check_contents(run.root, run.data(), run.tables(), run.homes)


def _refuse_absent(label: str) -> Refusal:
    return Refusal(label, f"sub-{label}", NothingFoundError(f"sub-{label}: neither EEG nor BOLD."))


def _refuse_matlab(root: Path, participants: Iterable[str]) -> list[Refusal]:
    """Name EEG in MATLAB files, of participants who have BOLD."""
    found = {label: matlab_eeg(root, label) for label in participants}
    return [
        Refusal(label, spell(root, files[0]), NothingFoundError(told_matlab(root, files)))
        for label, files in found.items()
        if files
    ]


def _refuse_half(root: Path, half: Unpaired) -> Refusal:
    scan, file = half.scan, spell(root, half.scan.path)
    kind = "bold" if ".nii" in scan.path.suffixes else "eeg"
    error = NothingFoundError(f"{file}: {half.reason}")
    own = scan.entities | entities_of(scan.path)
    return Refusal(scan.entities["sub"], file, error, own, **{kind: file})


def _tell_broken_json(root: Path, told: Sequence[str]) -> None:
    """Name invalid JSON at the top of the dataset that no run needs."""
    for path in sorted(root.glob("*.json")):
        try:
            read_json(root, path)
        except DatasetError as error:
            if path.name != "dataset_description.json" and str(error) not in told:
                warnings.warn(f"{error} No run needs it.", DataWarning, stacklevel=3)
