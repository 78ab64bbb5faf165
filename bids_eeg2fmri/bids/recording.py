"""An EEG recording of a BIDS dataset, and the files that reading it depends on."""

from dataclasses import dataclass
from pathlib import Path

from bids_eeg2fmri.bids.formats import companions
from bids_eeg2fmri.bids.sidecars import inherited


@dataclass(frozen=True)
class EEGFiles:
    """An EEG recording, be there a BOLD series or not."""

    root: Path
    """The dataset."""
    participant: str
    session: str | None
    task: str
    run: str | None
    entities: dict[str, str]
    """Entities that name the run, by their short names, in BIDS order."""
    eeg: Path

    @property
    def name(self) -> str:
        """What the run is called, e.g. ``sub-01_ses-1_task-rest_run-1``."""
        return "_".join(f"{key}-{label}" for key, label in self.entities.items())

    def relative(self, path: Path) -> str:
        """Path inside the dataset, with forward slashes."""
        return path.relative_to(self.root).as_posix()

    def files(self) -> tuple[Path, ...]:
        """Every file that reading this run depends on."""
        sidecars = [
            *inherited(self.root, self.eeg, "eeg", ".json"),
            *inherited(self.root, self.eeg, "channels", ".tsv"),
            *inherited(self.root, self.eeg, "electrodes", ".tsv"),
            *inherited(self.root, self.eeg, "coordsystem", ".json"),
            *inherited(self.root, self.eeg, "events", ".tsv"),
        ]
        present = [path for path in companions(self.eeg) if path.exists()]
        return (self.eeg, *present, *sidecars)
