"""Finding the recordings of many participants."""

from collections.abc import Callable
from pathlib import Path

from bids import BIDSLayout
from dry_run import multiply

from bids_eeg2fmri.bids.query import find_runs
from bids_eeg2fmri.bids.selection import Selection
from bids_eeg2fmri.simulate import SimulationConfig, simulate

SMALL = {"volumes": 100, "grid": (9, 10, 9), "channels": 8, "sfreq": 100.0}


def many_participants(folder: Path, participants: int, **_which: object) -> None:
    """Link the files of one simulated participant under the names of many."""
    simulate(folder / "one", SimulationConfig(participants=1, **SMALL))
    for number in range(1, participants + 1):
        multiply(folder / "one", folder / "bids", f"sub-{number:03}", "task-rest")


def our_index_again(folder: Path, participants: int, chosen: int) -> Callable[[], object]:
    """Ready what the app does so from the second start on."""
    work = our_index(folder, participants, chosen, folder / "index")
    work()
    return work


def our_index(
    folder: Path, participants: int, chosen: int, index: Path | None = None
) -> Callable[[], object]:
    """Ready what the app does before it reads a recording."""
    labels = tuple(f"{number:03}" for number in range(1, chosen + 1))
    selection = Selection(participants=labels if chosen < participants else (), index=index)

    def work() -> list[str]:
        runs, refused = find_runs(folder / "bids", selection)
        assert len(runs) == chosen
        assert not refused
        return [str(run.bold) for run in runs]

    return work


def pybids_index(folder: Path, participants: int, chosen: int) -> Callable[[], object]:
    """Ready pybids without a database."""
    labels = [f"{number:03}" for number in range(1, chosen + 1)]

    def work() -> list[str]:
        layout = BIDSLayout(folder / "bids", validate=False)
        layout.get(subject=labels, suffix="eeg", extension=".vhdr", return_type="file")
        return layout.get(subject=labels, suffix="bold", extension=".nii.gz", return_type="file")

    return work
