"""Find the EEG recordings of a dataset, be there BOLD or not."""

from collections.abc import Iterable
from itertools import groupby
from pathlib import Path

from bids_eeg2fmri.bids.contents import check_contents
from bids_eeg2fmri.bids.index import list_scans, matlab_eeg, told_matlab
from bids_eeg2fmri.bids.pairing import Scan, rank, run_entities
from bids_eeg2fmri.bids.query import Refusal
from bids_eeg2fmri.bids.recording import EEGFiles
from bids_eeg2fmri.bids.selection import Selection, natural
from bids_eeg2fmri.bids.sidecars import check_dataset
from bids_eeg2fmri.errors import AppError, NothingFoundError


def find_eeg(root: Path, selection: Selection) -> tuple[list[EEGFiles], list[Refusal]]:
    """List the EEG recordings that were chosen; of several formats of one, the first that is whole.

    Returns
    -------
    recordings
        In natural order.
    refusals
        Recordings without content or with a broken sidecar, and chosen participants without any.

    Raises
    ------
    MissingInputError
        ``root`` is not a folder.
    DatasetError
        It is empty, or has no valid ``dataset_description.json``.
    NothingFoundError
        A participant does not exist, there is no EEG, or the filters matched none.
    UsageError
        A filter names an entity that BIDS does not know.
    """
    root = root.resolve()
    check_dataset(root, selection.validate)
    scans = list_scans(root, selection, ("eeg",))["eeg"]
    refusals = [_refuse_absent(root, label) for label in selection.absent(scans)]
    found: list[EEGFiles] = []
    scans.sort(key=lambda scan: natural(scan.path.name))
    for _, same in groupby(scans, key=run_entities):
        files = _files(root, same, selection)
        try:
            check_contents(root, files.data(), files.tables(), files.homes)
        except AppError as error:
            where = files.relative(files.eeg)
            refusals.append(Refusal(files.participant, files.name, error, files.entities, where))
        else:
            found.append(files)
    return found, refusals


def _refuse_absent(root: Path, label: str) -> Refusal:
    matlab = matlab_eeg(root, label)
    told = told_matlab(root, matlab) if matlab else f"sub-{label}: no EEG."
    return Refusal(label, f"sub-{label}", NothingFoundError(told))


def _files(root: Path, scans: Iterable[Scan], selection: Selection) -> EEGFiles:
    """Take the files of the preferred format, unless they are incomplete."""
    scan = min(scans, key=rank)
    labels = scan.entities
    return EEGFiles(
        root=root,
        participant=labels["sub"],
        session=labels.get("ses"),
        task=labels["task"],
        run=labels.get("run"),
        entities=run_entities(scan),
        eeg=scan.path,
        derivatives=selection.datasets,
    )
