"""The clock of a run, and its EEG without what the scanner added."""

from dataclasses import dataclass
from functools import partial
from pathlib import Path

from bids_eeg2fmri.app.clocks import tie
from bids_eeg2fmri.app.job import Job
from bids_eeg2fmri.app.notes import keep_notes, notes_of
from bids_eeg2fmri.app.signals import kept_signal
from bids_eeg2fmri.bids.bold import excitations
from bids_eeg2fmri.bids.read import read_ecg
from bids_eeg2fmri.bids.recording import RunFiles
from bids_eeg2fmri.preprocess.artifact import Account, clean_eeg
from bids_eeg2fmri.runtime import arrays, log
from bids_eeg2fmri.runtime.store import Unit
from bids_eeg2fmri.types import EEG, Signal, VolumeClock


@dataclass(frozen=True)
class Cleaned:
    """The EEG of a run and its clock; the scanner's artefacts are gone."""

    files: RunFiles
    reading: Unit
    unit: Unit

    @property
    def eeg(self) -> Signal:
        """The EEG; as recorded where nothing was taken out."""
        own = (self.unit.folder / "eeg.json").exists()
        return kept_signal((self.unit if own else self.reading).folder, self.files)

    @property
    def clock(self) -> VolumeClock:
        """How EEG and BOLD were tied together."""
        return arrays.load(self.unit.folder, "clock", VolumeClock)

    @property
    def account(self) -> Account:
        """What was found of the scanner, and what became of it."""
        return arrays.load(self.unit.folder, "account", Account)


def clean(job: Job, files: RunFiles, reading: Unit) -> Cleaned:
    """Find the clock of a run, and by it the artefacts that the scanner left in its EEG."""
    cfg = job.config

    def make(folder: Path) -> None:
        eeg = kept_signal(reading.folder, files)
        with log.capture_warnings() as notes:
            clock = tie(files, cfg.clock)
            cleaned, account = clean_eeg(
                eeg,
                clock,
                cfg.clean,
                cfg.spectrogram.fmax,
                excitations(files),
                files.name,
                partial(read_ecg, files, eeg),
                partial(arrays.allocate, folder, "eeg.data"),
            )
        if isinstance(cleaned, EEG) and cleaned is not eeg:
            arrays.save(folder, "eeg", cleaned)
        arrays.save(folder, "clock", clock)
        arrays.save(folder, "account", account)
        keep_notes(folder, notes)

    config = [cfg.clock, cfg.clean, {"fmax": cfg.spectrogram.fmax}]
    cleaned = Cleaned(files, reading, job.store.unit("clean", files.name, config, [reading], make))
    notes = notes_of(cleaned.unit)
    log.tell_unit(files.name, "clock", cleaned.unit, _in_words(cleaned.clock), notes)
    if cfg.clean.method != "none":
        log.tell_unit(files.name, "clean", cleaned.unit, cleaned.account.in_words())
    return cleaned


def _in_words(clock: VolumeClock) -> str:
    text = f"{clock.source}, a volume every {clock.tr:g} s"
    if clock.delay:
        text += f", values {clock.delay:g} s after the onset of each volume"
    if clock.n_markers:
        by_trials = clock.source.startswith("trials:")
        markers = "trials" if by_trials else f"of {len(clock.onset)} volumes"
        text += f", {clock.n_markers} {markers}, drift {clock.drift:z.1f} ppm"
    return text
