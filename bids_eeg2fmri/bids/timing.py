"""Gather what EEG and BOLD tell of each other's clocks, without their signals."""

import warnings
from contextlib import suppress

from bids_eeg2fmri.bids.bold import bold_metadata, read_bold_header
from bids_eeg2fmri.bids.guard import reading
from bids_eeg2fmri.bids.markers import tabled_markers
from bids_eeg2fmri.bids.read import read_markers
from bids_eeg2fmri.bids.recording import RunFiles
from bids_eeg2fmri.bids.sidecars import told_number
from bids_eeg2fmri.errors import AppError, BOLDError, DataWarning
from bids_eeg2fmri.types import Evidence, Markers, Recorded

_DISCARDED = ("NumberOfVolumesDiscardedByUser", "NumberOfVolumesDiscardedByScanner")


def read_evidence(run: RunFiles) -> Evidence:
    """Read what the clock of a run can rest on, other recordings of its EEG aside.

    Raises
    ------
    EEGError
        The EEG cannot be opened, or is truncated.
    BOLDError
        The BOLD cannot be opened, is no series of volumes, or its repetition time is unknown.
    """
    recorded = read_markers(run)
    shape, tr = read_bold_header(run)
    metadata = bold_metadata(run)
    user, scanner = (max(0, int(told_number(metadata, name) or 0)) for name in _DISCARDED)
    return Evidence(run.name, recorded, shape[3], tr, (user, scanner), _trials(run))


def read_other_recordings(run: RunFiles) -> tuple[Recorded, ...]:
    """Read the markers of other recordings of the run's EEG; those that cannot be read are none."""
    found = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DataWarning)  # of files that nothing may come to rest on
        for other in run.other_eeg:
            with suppress(AppError):
                found.append(read_markers(other))
    return tuple(found)


def _trials(run: RunFiles) -> Markers:
    """Read the nearest ``events.tsv`` of the scan; no events where there is none."""
    for events in run.sidecars(run.scan, "events", ".tsv")[-1:]:
        with reading(run, events, BOLDError):
            return tabled_markers(events, sfreq=None)
    return Markers.none()
