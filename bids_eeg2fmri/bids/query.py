"""Find the runs: which EEG recording belongs to which BOLD series of a BIDS dataset."""

import warnings
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from bids_eeg2fmri.bids.contents import check_contents
from bids_eeg2fmri.bids.derivatives import find_mask, find_preprocessed, where
from bids_eeg2fmri.bids.formats import companions
from bids_eeg2fmri.bids.index import list_scans, matlab_eeg, told_matlab
from bids_eeg2fmri.bids.pairing import Pair, Unpaired, pair, run_entities
from bids_eeg2fmri.bids.selection import Derivative, Selection, bare, natural
from bids_eeg2fmri.bids.sidecars import check_dataset, entities_of, inherited, read_json, spell
from bids_eeg2fmri.bids.write import bids_uri
from bids_eeg2fmri.errors import AppError, DatasetError, DataWarning, NothingFoundError


@dataclass(frozen=True)
class RunFiles:
    """An EEG recording and the BOLD series acquired at the same time."""

    root: Path
    """The dataset."""
    participant: str
    session: str | None
    task: str
    run: str | None
    entities: dict[str, str]
    """Entities of the BOLD file except echo and part, by their short names, in BIDS order."""
    eeg: Path
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
    derivatives: tuple[Derivative, ...] = ()
    """What the user says that pipelines have left."""

    @property
    def name(self) -> str:
        """What the run is called, e.g. ``sub-01_ses-1_task-rest_run-1``."""
        return "_".join(f"{key}-{label}" for key, label in self.entities.items())

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

    @property
    def sources(self) -> tuple[Path, ...]:
        """What results rest on: the BOLD, all echoes of it that are combined, and the EEG."""
        return (*(self.echoes or (self.bold,)), self.eeg)

    def sidecars(self, path: Path, suffix: str, extension: str) -> list[Path]:
        """Sidecars that apply to one of the files, in its own dataset; the nearest one last."""
        home = next(home for home in self.homes if path.is_relative_to(home))
        return inherited(home, path, suffix, extension)

    def data(self) -> list[Path]:
        """Give what the recordings themselves consist of, the header of the EEG first."""
        return [self.eeg, *companions(self.eeg), *self.sources[:-1]]

    def tables(self) -> list[Path]:
        """Give what stands beside the recordings."""
        return [
            *self.sidecars(self.eeg, "eeg", ".json"),
            *self.sidecars(self.eeg, "channels", ".tsv"),
            *self.sidecars(self.eeg, "electrodes", ".tsv"),
            *self.sidecars(self.eeg, "coordsystem", ".json"),
            *self.sidecars(self.eeg, "events", ".tsv"),
            *self.bold_sidecars(),
            *(path for echo in self.echoes for path in self.sidecars(echo, "bold", ".json")),
            *([self.mask] if self.mask else []),
        ]

    def bold_sidecars(self) -> list[Path]:
        """Sidecars of the series: those of the scanner's, and after them those of a pipeline."""
        series = (self.scan, self.bold)
        found = [path for one in series for path in self.sidecars(one, "bold", ".json")]
        return [*dict.fromkeys(found)]

    def files(self) -> tuple[Path, ...]:
        """Every file that reading this run depends on."""
        header, *named = self.data()
        there = [path for path in named if path.exists() or path == self.bold]
        return (header, *there, *self.tables())


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
    eeg, bold = list_scans(root, selection)
    runs: list[RunFiles] = []
    present = {scan.entities["sub"] for scan in (*eeg, *bold)}
    refusals = [
        _refuse_absent(label)
        for label in bare(selection.participants, "sub-")
        if label not in present
    ]
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
