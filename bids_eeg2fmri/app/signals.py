"""Where the EEG of a stored unit is: in the unit, or still in its file."""

from pathlib import Path

from bids_eeg2fmri.bids.multiplexed import FileEEG, Layout
from bids_eeg2fmri.bids.recording import EEGFiles
from bids_eeg2fmri.runtime import arrays
from bids_eeg2fmri.types import EEG, Signal


def keep_signal(folder: Path, eeg: EEG | FileEEG) -> None:
    """Write EEG, or where it is to be read."""
    if isinstance(eeg, EEG):
        arrays.save(folder, "eeg", eeg)
    else:
        arrays.save(folder, "layout", eeg.layout)


def kept_signal(folder: Path, files: EEGFiles) -> Signal:
    """Find EEG again: memory-mapped, or to be read from its file."""
    if (folder / "eeg.json").exists():
        return arrays.load(folder, "eeg", EEG)
    layout = arrays.load(folder, "layout", Layout)
    return FileEEG(files, layout, tuple(range(len(layout.channels))))
