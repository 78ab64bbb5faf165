"""An EEG recording of a BIDS dataset, the BOLD series acquired with it, and the files of both."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from bids_eeg2fmri.bids.formats import EEG_EXTENSIONS, companions
from bids_eeg2fmri.bids.selection import Derivative
from bids_eeg2fmri.bids.sidecars import entities_of, inherited, spell, spelt
from bids_eeg2fmri.bids.write import bids_uri


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
    derivatives: tuple[Derivative, ...] = field(default=(), kw_only=True)
    """What the user says that pipelines have left."""

    @property
    def name(self) -> str:
        """What the run is called, e.g. ``sub-01_ses-1_task-rest_run-1``."""
        return "_".join(f"{key}-{label}" for key, label in self.entities.items())

    @property
    def homes(self) -> tuple[Path, ...]:
        """The dataset and the folders of pipelines, in which all files of the run are."""
        return (self.root, *(one.path for one in self.derivatives))

    def relative(self, path: Path) -> str:
        """Path inside the dataset, with forward slashes; the whole path of what lies outside."""
        return spell(self.root, path)

    def uri(self, path: Path) -> str:
        """Name a file as sidecars do, e.g. ``bids:raw:sub-01/func/…``."""
        if path.is_relative_to(self.root):
            return bids_uri(path, self.root)
        name, home = next(one for one in self.derivatives if path.is_relative_to(one.path))
        return bids_uri(path, home, name)

    def sidecars(self, path: Path, suffix: str, extension: str) -> list[Path]:
        """Sidecars that apply to one of the files, in its own dataset; the nearest one last."""
        home = next(home for home in self.homes if path.is_relative_to(home))
        return inherited(home, path, suffix, extension)

    def data(self) -> list[Path]:
        """Give what the recording itself consists of, its header first."""
        return [self.eeg, *companions(self.eeg)]

    def tables(self) -> list[Path]:
        """Give what stands beside the recording."""
        return [
            *self.sidecars(self.eeg, "eeg", ".json"),
            *self.sidecars(self.eeg, "channels", ".tsv"),
            *self.sidecars(self.eeg, "electrodes", ".tsv"),
            *self.sidecars(self.eeg, "coordsystem", ".json"),
            *self.sidecars(self.eeg, "events", ".tsv"),
        ]

    def files(self) -> tuple[Path, ...]:
        """Every file that reading depends on; of those that the header names, what is there."""
        header, *named = EEGFiles.data(self)
        return (header, *(path for path in named if path.exists()), *self.tables())


@dataclass(frozen=True)
class RunFiles(EEGFiles):
    """An EEG recording and the BOLD series acquired at the same time.

    Its entities are those of the BOLD file except echo and part.
    """

    bold: Path
    """The series that is read, or its first echo."""
    echoes: tuple[Path, ...] = ()
    """All its echoes, where they are to be combined."""
    raw: Path | None = None
    """The series of the scanner, where a pipeline has made ``bold`` from it."""
    space: Mapping[str, str] = field(default_factory=dict)
    """Those of ``entities`` that say where such a series lies."""
    mask: Path | None = None
    """The brain, where the pipeline tells it."""

    @property
    def stem(self) -> str:
        """What the names of a pipeline's files begin with: ``name`` without the space."""
        labels = (f"{key}-{self.entities[key]}" for key in self.entities if key not in self.space)
        return "_".join(labels)

    @property
    def scan(self) -> Path:
        """The series as the scanner gave it."""
        return self.raw or self.bold

    @property
    def pipelines(self) -> tuple[Path, ...]:
        """Folders in which pipelines left what they made, those that the user names first."""
        own = sorted(path for path in (self.root / "derivatives").glob("*") if path.is_dir())
        return tuple(dict.fromkeys((*(one.path for one in self.derivatives), *own)))

    @property
    def series(self) -> tuple[Path, ...]:
        """The BOLD, or all echoes of it that are combined."""
        return self.echoes or (self.bold,)

    @property
    def sources(self) -> tuple[Path, ...]:
        """What results rest on: the BOLD and the EEG."""
        return (*self.series, self.eeg)

    def data(self) -> list[Path]:
        """Give what the recordings themselves consist of, the header of the EEG first."""
        return [*super().data(), *self.series]

    def tables(self) -> list[Path]:
        """Give what stands beside the recordings."""
        return [
            *super().tables(),
            *self.bold_sidecars(),
            *self.sidecars(self.scan, "events", ".tsv"),
            *(path for echo in self.echoes for path in self.sidecars(echo, "bold", ".json")),
            *([self.mask] if self.mask else []),
        ]

    @property
    def other_eeg(self) -> tuple[EEGFiles, ...]:
        """Other recordings of the same EEG: raw where this is derived, or derived where it is raw.

        They carry the labels of this one in their names.
        """
        folders = {self.root / "derivatives", *self.homes, *self.pipelines}
        below = f"sub-{self.participant}/**/eeg*/*sub-{self.participant}*_eeg*"
        found = {path for folder in folders for path in folder.glob(below)} - {self.eeg}
        about = (self.root, self.participant, self.session, self.task, self.run, self.entities)
        return tuple(
            EEGFiles(*about, path, derivatives=self.derivatives)
            for path in sorted(found)
            if path.suffix in EEG_EXTENSIONS and _labels(path) == _labels(self.eeg)
        )

    def bold_sidecars(self) -> list[Path]:
        """Sidecars of the series: those of the scanner's, and after them those of a pipeline."""
        series = (self.scan, self.bold)
        found = [path for one in series for path in self.sidecars(one, "bold", ".json")]
        return [*dict.fromkeys(found)]

    def files(self) -> tuple[Path, ...]:
        """Every file that reading this run depends on."""
        others = [path for other in self.other_eeg for path in other.data() if path.exists()]
        return (*super().files(), *self.series, *others)


def _labels(path: Path) -> dict[str, str]:
    return {key: spelt(key, label) for key, label in entities_of(path).items()}
