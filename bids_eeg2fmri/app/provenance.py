"""How results came about: what the methods text and the reports' last pages say."""

from collections.abc import Iterable, Sequence

import numpy as np

from bids_eeg2fmri.app.job import Job
from bids_eeg2fmri.app.members import Members
from bids_eeg2fmri.app.parcels import ParcelTest
from bids_eeg2fmri.app.recordings import PairedRun
from bids_eeg2fmri.app.training import Trained
from bids_eeg2fmri.bids.methods import Network, methods_text
from bids_eeg2fmri.bids.recording import RunFiles
from bids_eeg2fmri.bids.references import REFERENCES
from bids_eeg2fmri.model.names import MODELS
from bids_eeg2fmri.report.page import Provenance
from bids_eeg2fmri.settings import to_toml
from bids_eeg2fmri.train.splits import Split
from bids_eeg2fmri.types import VolumeClock


def provenance(
    job: Job,
    trained: Sequence[Trained],
    runs: Sequence[PairedRun],
    split: Split,
    folds: Sequence[Members] = (),
    parcels: Iterable[ParcelTest] = (),
) -> Provenance:
    """Say how results came about, in words and with what to cite.

    Parameters
    ----------
    split
        The parts of each run; of the first fold, if there are several.
    folds
        The participants of each part, fold by fold; none at participant level.
    parcels
        Tests whose parcels were scored too.
    """
    members: Members = folds[0] if folds else {}
    software = trained[0].card["software"]
    tasks = [f"task-{run.files.task}" for run in runs]
    tested = {task for task, index in zip(tasks, split.test, strict=True) if len(index)}
    residuals = [run.clock.residual for run in runs if run.clock.n_markers]
    text = methods_text(
        job.config,
        {
            "participants": len({run.files.participant for run in runs}),
            "runs": len(runs),
            "volumes": sum(run.pairs.n_volumes for run in runs),
            "pairs": sum(len(run.pairs.volume) for run in runs),
            "spaces": sorted({_space_in_words(run.files) for run in runs if run.files.raw}),
            "delays": sorted({run.clock.delay for run in runs} - {0.0}),
            "combined": any(run.files.echoes for run in runs),
            "masked": all(run.files.mask for run in runs),
            "tr": sorted({run.clock.tr for run in runs}),
            "channels": len(runs[0].pairs.channels),
            "clocks": sorted({_in_words(run.clock) for run in runs}),
            "cleaned": sum("gradient" in run.cleaned.account.steps for run in runs),
            "beats": sum("bcg" in run.cleaned.account.steps for run in runs),
            "clock_residual": max(residuals, default=None),
            "native_grids": sorted({run.pairs.mask.shape for run in runs}),
            "grid": runs[0].pairs.bold.shape[1:],
            "split": (_count(split.train), _count(split.valid), _count(split.test)),
            "gap": job.gap(run.clock.tr for run in runs),
            "undivided": sorted({*tasks} - tested),
            "choosing": [f"sub-{label}" for label in members.get("valid", ())],
            "held_out": [f"sub-{label}" for label in members.get("test", ())],
            "folds": len(folds) or 1,
            "parcels": sorted({one.parcellation.kind for one in parcels}),
            "networks": [_describe(one) for one in trained],
            "software": software,
        },
    )
    works = [(work.text, work.url) for work in REFERENCES.values() if work.label in text]
    paragraphs = tuple(text.split("\n\n"))
    given = (job.command, job.config.seed, to_toml(job.config))
    return Provenance(paragraphs, tuple(works), software, *given)


def _describe(trained: Trained) -> Network:
    card = trained.card
    entry = MODELS[trained.name]
    return {
        "title": entry.title,
        "kind": "hybrid" if entry.linear_path else "paper" if entry.parts else "transcoder",
        "fourier": entry.parts is not None and entry.parts.fourier,
        "posterior": entry.parts is not None and entry.parts.style == "posterior",
        "parameters": card["parameters"],
        "epochs": len(card["history"]),
        "best_epoch": card["best_epoch"],
    }


def _space_in_words(files: RunFiles) -> str:
    if not files.space:
        return "the scanner's own space"
    return "the space " + " ".join(files.space.values())


def _in_words(clock: VolumeClock) -> str:
    if not clock.n_markers:
        return "the user"
    kind, _, label = clock.source.partition(":")
    return f"{'trials that both have seen, ' if kind == 'trials' else 'the markers '}{label}"


def _count(parts: Sequence[np.ndarray]) -> int:
    return sum(map(len, parts))
