"""Find the EEG recordings of a dataset, be there BOLD or not."""

from collections.abc import Sequence
from itertools import groupby
from pathlib import Path

from bids_eeg2fmri.bids.formats import EEG_EXTENSIONS, companions
from bids_eeg2fmri.bids.pairing import Scan, run_entities
from bids_eeg2fmri.bids.query import (
    Refusal,
    Selection,
    _bare,
    _index,
    _natural,
    _participants,
    _query,
)
from bids_eeg2fmri.bids.recording import EEGFiles
from bids_eeg2fmri.bids.sidecars import check_dataset, inherited, read_json
from bids_eeg2fmri.errors import AppError, DatasetError, MissingInputError, NothingFoundError


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
        It is empty, has no valid ``dataset_description.json``, or a sidecar at its top is broken.
    NothingFoundError
        A participant does not exist, there is no EEG, or the filters matched none.
    UsageError
        A filter names an entity that BIDS does not know.
    """
    root = root.resolve()
    check_dataset(root, selection.validate)
    layout = _index(root, _participants(root, selection))
    scans = sorted(_query(layout, "eeg", selection), key=lambda scan: _natural(scan.path.name))
    if not scans:
        raise NothingFoundError(
            f"{root}: no EEG file ({', '.join(EEG_EXTENSIONS)}) in sub-*/[ses-*/]eeg, or none that "
            "the filters match. Check labels, tasks and sessions."
        )
    refusals = [
        Refusal(label, f"sub-{label}", NothingFoundError(f"sub-{label}: no EEG."))
        for label in _bare(selection.participants, "sub-")
        if label not in {scan.entities["sub"] for scan in scans}
    ]
    found: list[EEGFiles] = []
    for _, same in groupby(scans, key=run_entities):
        files = _files(root, [*same])
        error = _obstacle(files)
        if error is None:
            found.append(files)
        else:
            where = files.relative(files.eeg)
            refusals.append(Refusal(files.participant, files.name, error, files.entities, where))
    return found, refusals


def _files(root: Path, scans: Sequence[Scan]) -> EEGFiles:
    """Take the files of the preferred format, unless they are incomplete."""

    def rank(scan: Scan) -> tuple[bool, int]:
        incomplete = not all(path.exists() for path in (scan.path, *companions(scan.path)))
        return incomplete, EEG_EXTENSIONS.index(scan.path.suffix)

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
    )


def _obstacle(files: EEGFiles) -> AppError | None:
    """Why a recording cannot be read, as far as that shows without opening it."""
    for path in (files.eeg, *companions(files.eeg)[:1]):
        if not path.exists():
            told = "a link without content. Fetch it: datalad get."
            if not path.is_symlink():
                told = f"missing, though {files.eeg.name} names it. Copy it too, or mend the name."
            return MissingInputError(f"{files.relative(path)}: {told}")
    for path in inherited(files.root, files.eeg, "eeg", ".json"):
        try:
            read_json(files.root, path)
        except DatasetError as error:
            if path.parent == files.root:  # it concerns every participant
                raise
            return error
    return None
