"""What the report of a participant shows, and both reports, gathered from results."""

import logging
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

import numpy as np

from bids_eeg2fmri.app.choosing import Choice, Encoders
from bids_eeg2fmri.app.explaining import Explained, describe_test
from bids_eeg2fmri.app.findings import Findings
from bids_eeg2fmri.app.job import Job
from bids_eeg2fmri.app.parcels import ParcelTest
from bids_eeg2fmri.app.provenance import provenance
from bids_eeg2fmri.app.quality import describe_quality
from bids_eeg2fmri.app.recordings import PairedRun
from bids_eeg2fmri.app.relevances import linked
from bids_eeg2fmri.app.showing import show
from bids_eeg2fmri.app.testing import Tested
from bids_eeg2fmri.app.training import Trained
from bids_eeg2fmri.bids.write import write_bytes
from bids_eeg2fmri.errors import AppError
from bids_eeg2fmri.evaluate.metrics import METRICS
from bids_eeg2fmri.report.explanation import Explanation
from bids_eeg2fmri.report.participant import (
    ParticipantReport,
    RunSummary,
    write_participant_report,
)
from bids_eeg2fmri.report.pictures import (
    Drawing,
    Picture,
    Training,
    draw,
    leaving_out_pictures,
)
from bids_eeg2fmri.report.searches import losses_picture, weights_picture
from bids_eeg2fmri.runtime import log
from bids_eeg2fmri.train.splits import Split


def report_participant(findings: Findings, page: Path) -> None:
    """Write the report of one participant; of several models, pictures are those of the first."""
    job, runs, parcels = findings.job, findings.runs, findings.parcels
    tested, trained, label = findings.tested, findings.trained, findings.participant
    pictures = leaving_out_pictures(unless=job.config.report.figures)
    with log.capture_warnings() as notes, pictures:
        report = ParticipantReport(
            participant=label,
            dataset=job.dataset_name,
            runs=tuple(
                summarise(job, run, findings.split, i, parcels.get(run.files.name))
                for i, run in enumerate(runs)
            ),
            results=tuple(
                show(job, of_run, findings.besides.get(name), parcels.get(name))
                for name, of_run in tested.items()
            ),
            training=tuple(map(training, trained)),
            search=search_pictures(job, page.stem, findings.encoders),
            metrics=METRICS,
            provenance=provenance(job, trained, runs, findings.split, parcels=parcels.values()),
            problems=reasons_of(findings.problems),
            stand_in=stand_in(job, trained[0].name),
            explanations={
                name: _explanations(job, of_run, findings.explained[name])
                for name, of_run in tested.items()
                if findings.explained[name]
            },
        )
        write_participant_report(page, report, write_bytes, job.out / label / "figures")
    for note in notes:
        log.tell(page.stem, "report", note, logging.WARNING)


def _explanations(
    job: Job, of_run: Sequence[Tested], explained: Mapping[str, Explained]
) -> tuple[Explanation, ...]:
    """Say what the models rest on in the test of one run, in their order."""
    entities = of_run[0].run.files.entities
    return tuple(
        linked(job, job.out, entities, describe_test(job, one, explained[one.trained.name]))
        for one in of_run
        if one.trained.name in explained
    )


def training(trained: Trained) -> Training:
    """Give what a report shows of a training."""
    history = trained.history
    return Training(
        trained.name,
        tuple(epoch.train_loss for epoch in history),
        tuple(epoch.valid_loss for epoch in history),
        trained.card["best_epoch"],
        sum(epoch.seconds for epoch in history),
        trained.card.get("diverged_in_epoch"),
    )


def summarise(
    job: Job, run: PairedRun, split: Split, i: int, parcels: ParcelTest | None
) -> RunSummary:
    """Describe one run and how it was divided; ``i`` is its place in the split."""
    notes = (*run.notes, *(parcels.parcellation.notes if parcels else ()))
    pairs, files, eeg = run.pairs, run.files, run.recording.eeg
    return RunSummary(
        name=files.name,
        eeg_file=files.relative(files.eeg),
        bold_file=files.relative(files.bold),
        clock=run.clock,
        n_volumes=pairs.n_volumes,
        n_pairs=len(pairs.volume),
        n_train=len(split.train[i]),
        n_valid=len(split.valid[i]),
        n_test=len(split.test[i]),
        n_channels=len(pairs.channels),
        sfreq=eeg.sfreq,
        grid=pairs.mask.shape,
        notes=tuple(note.removeprefix(f"{files.name}: ") for note in notes),
        quality=describe_quality(job, run, split, i),
    )


def search_pictures(
    job: Job, prefix: str, encoders: Encoders, folds: int = 1
) -> tuple[Drawing, ...]:
    """Draw what encoders were chosen by, where they were; of several folds, give the first's."""
    which = f"This is fold 1 of {folds}; search/ has the tables of all." if folds > 1 else ""
    by_weight = job.config.search.choose == "darts"
    make = weights_picture if by_weight else losses_picture

    def picture(choice: Choice) -> Picture:
        told = [epoch.shares if by_weight else epoch.valid_loss for epoch in choice.history]
        return make(prefix, encoder_name(choice), np.array(told), choice.chosen + 1, which)

    return tuple(
        draw(f"the search for the {encoder_name(choice)}", partial(picture, choice))
        for choice in encoders.choices
    )


def encoder_name(choice: Choice) -> str:
    """Name what was chosen, e.g. ``EEG encoder``."""
    return f"{choice.kind.upper()} encoder"


def reasons_of(problems: Mapping[str, AppError]) -> tuple[str, ...]:
    """Say of each failure what failed, where the reason does not."""
    reasons = {name: str(error) for name, error in problems.items()}
    return tuple(
        reason if reason.startswith(name) else f"{name}: {reason}"
        for name, reason in reasons.items()
    )


def stand_in(job: Job, shown: str) -> str:
    """Say whose pictures a report has, where the first model that was asked for has no result."""
    first = job.config.models[0]
    if shown == first:
        return ""
    return f"{first}, the first model asked for, has no result. What is shown is of {shown}."
