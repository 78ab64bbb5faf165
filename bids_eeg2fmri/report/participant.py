"""The report of one participant: its data, what was synthesised, and how good that is."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from itertools import chain
from pathlib import Path

from bids_eeg2fmri.report.explanation import Explanation, draw_explanations
from bids_eeg2fmri.report.page import (
    Metric,
    Provenance,
    Save,
    as_sentence,
    columns,
    folder_link,
    headline,
    render,
    write,
)
from bids_eeg2fmri.report.pictures import Drawing, Training, draw, training_picture
from bids_eeg2fmri.report.quality import Quality, quality_drawings
from bids_eeg2fmri.report.result import RunResult, result_drawings
from bids_eeg2fmri.types import VolumeClock


@dataclass(frozen=True)
class RunSummary:
    """What one run holds and how it was divided."""

    name: str
    """E.g. ``sub-01_task-rest``."""
    eeg_file: str
    """Path of the EEG, relative to the dataset."""
    bold_file: str
    """Path of the BOLD, relative to the dataset."""
    clock: VolumeClock
    """How the two were tied together."""
    n_volumes: int
    """Volumes stored."""
    n_pairs: int
    """Volumes with full EEG history."""
    n_train: int
    """Pairs that the model learnt from."""
    n_valid: int
    """Pairs that chose the epoch."""
    n_test: int
    """Pairs that the scores rest on."""
    n_channels: int
    """EEG channels used."""
    sfreq: float
    """Sampling rate of the EEG in hertz."""
    grid: tuple[int, int, int]
    """Voxels of the BOLD along each axis."""
    notes: tuple[str, ...] = ()
    """What was odd in the data and how it was dealt with."""
    quality: Quality | None = None
    """How clock, head and EEG behaved over the run."""

    @property
    def parts(self) -> dict[str, int]:
        """Count its volumes by what became of them, see ``figures.PARTS``."""
        rest = self.n_pairs - self.n_train - self.n_valid - self.n_test
        known = {"train": self.n_train, "valid": self.n_valid, "test": self.n_test, "gap": rest}
        return {**known, "lost": self.n_volumes - self.n_pairs}


@dataclass(frozen=True)
class ParticipantReport:
    """All that the report of one participant says."""

    participant: str
    """E.g. ``sub-01``."""
    dataset: str
    """Name of the dataset."""
    runs: tuple[RunSummary, ...]
    """The runs in order."""
    results: tuple[RunResult, ...]
    """Their results; a run may have none."""
    training: tuple[Training, ...]
    """One for each model that was trained here."""
    metrics: Mapping[str, Metric]
    """What each score of ``RunResult.rows`` means."""
    provenance: Provenance
    """How it came about."""
    search: tuple[Drawing, ...] = ()
    """How the encoders were chosen, where they were."""
    stand_in: str = ""
    """Whose pictures these are, where the first model that was asked for has no result."""
    problems: tuple[str, ...] = ()
    """What failed and why."""
    explanations: Mapping[str, tuple[Explanation, ...]] = field(default_factory=dict)
    """What models rest on, by run, the shown one first; none where that was not asked for."""


def write_participant_report(
    path: Path, report: ParticipantReport, save: Save, figures_dir: Path
) -> list[Path]:
    """Write one self-contained page and, below ``figures_dir``, each figure as a file.

    Returns
    -------
    Every file written, the page first.
    """
    results = {result.name: result_drawings(result) for result in report.results}
    quality = {run.name: quality_drawings(run.name, run.quality) for run in report.runs}
    training = tuple(
        draw(f"the training of {t.model}", partial(training_picture, t, path.stem))
        for t in report.training
    )
    explained = {name: draw_explanations(of, name) for name, of in report.explanations.items()}
    shown = [*chain(*(of.values() for of in (*quality.values(), *results.values()))), *training]
    shown += [
        *chain(*(one.drawings for of_run in explained.values() for one in of_run)),
        *report.search,
    ]
    html = render(
        "participant.html.jinja",
        figures_at=folder_link(path, figures_dir),
        report=report,
        results={result.name: result for result in report.results},
        headlines={result.name: _headline(result) for result in report.results},
        scores={
            result.name: columns(result.rows, report.metrics, result.rivals)
            for result in report.results
        },
        drawings=results,
        quality=quality,
        training=training,
        explained=explained,
    )
    return write(path, html, shown, save, figures_dir)


def _headline(result: RunResult) -> tuple[str, ...]:
    """Open with the verdict on the model that is shown."""
    if result.model not in result.verdicts:
        return headline(result.outcome)
    return as_sentence(result.verdicts[result.model])
