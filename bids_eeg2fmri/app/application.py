"""EEG alone: synthesise the BOLD of each participant with a saved model."""

import logging
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from bids_eeg2fmri.app.applied_outputs import write_applied
from bids_eeg2fmri.app.applied_report import report_applied
from bids_eeg2fmri.app.applying import apply_model, domain_note, find_montage, times
from bids_eeg2fmri.app.delivery import deliver
from bids_eeg2fmri.app.job import Job
from bids_eeg2fmri.app.saved import SavedModel, open_model
from bids_eeg2fmri.app.triage import attempt, conclude, find_by, merged
from bids_eeg2fmri.bids.behind import writing_behind
from bids_eeg2fmri.bids.dataset import write_participants
from bids_eeg2fmri.bids.eeg_only import find_eeg
from bids_eeg2fmri.bids.query import Refusal
from bids_eeg2fmri.bids.read import read_eeg_header
from bids_eeg2fmri.bids.recording import EEGFiles
from bids_eeg2fmri.errors import AppError, DataError
from bids_eeg2fmri.runtime import log


def describe_origin(folder: Path) -> str:
    """Say for the README which model a dataset was made with, and whether to believe it.

    Raises
    ------
    AppError
        If there is no model, or it cannot be applied.
    """
    model = open_model(folder, "cpu")
    text = f"from EEG alone, with the model `{model.name}`, trained on {model.card['dataset']}."
    return f"{text}\n\n{model.caution} {model.reasons}".replace("\n ", "\n")


def run_application(job: Job, folder: Path) -> None:
    """Apply the model in a folder to the EEG of all chosen participants.

    Raises
    ------
    AppError
        If there is no model, or participants or recordings failed, after the others are done.
    """
    model = open_model(folder, "cpu")
    level = logging.WARNING if model.caution else logging.INFO
    log.tell(model.name, "model", model.caution or model.verdict, level)
    found = find_by(job, find_eeg)
    step = partial(apply_to_participant, folder=folder, refused=found.problems)
    done, failed = job.spread(step, found.runs)
    if done:
        write_participants(job.out, job.bids_dir)
    for label in done:
        log.tell(f"sub-{label}", "report", str(job.out / f"{_owner(job, label)}.html"))
    conclude(found, [*done], failed, merged(done.values()))


def apply_to_participant(
    job: Job,
    label: str,
    files: Sequence[EEGFiles],
    folder: Path,
    refused: Mapping[str, Mapping[str, AppError]],
) -> dict[str, AppError]:
    """Synthesise, write and report what belongs to one participant; say why recordings failed."""
    model = open_model(folder, job.device)
    applied, failed = attempt(partial(apply_model, job, model), {one.name: one for one in files})
    failed = {**refused.get(label, {}), **failed}
    for one in applied:
        if note := domain_note(job.config.apply, one.synthesis.outside):
            log.tell(one.heard.files.name, "domain", note, logging.WARNING)
    owner = _owner(job, label)
    page = job.out / f"{owner}.html"

    @writing_behind(job.threads)
    def write() -> None:
        for one in applied:
            write_applied(job, model, one)
        report_applied(job, page, label, model, applied, failed)

    patterns = [f"sub-{label}/**/{one.heard.files.name}_*" for one in applied]
    facts = {"dataset": job.dataset_name, "card": model.card}
    units = [unit for one in applied for unit in (one.heard.reading, one.heard.unit, one.unit)]
    deliver(job, owner, units, [*patterns, page.name], failed, facts, write)
    return failed


def _owner(job: Job, label: str) -> str:
    """Name what is made of a participant's recordings, e.g. ``sub-01_task-rest_applied``."""
    return f"sub-{label}{job.selection.suffix()}_applied"


def foresee(job: Job, folder: Path) -> tuple[list[tuple[str, dict[str, Any]]], list[Refusal]]:
    """Tell from headers alone what would be made of each recording, or why nothing.

    Raises
    ------
    AppError
        If there is no model, or it cannot be applied.
    """
    model = open_model(folder, "cpu")
    recordings, refusals = find_eeg(job.bids_dir, job.selection)
    return [(one.name, _foresee(job, model, one)) for one in recordings], refusals


def _foresee(job: Job, model: SavedModel, files: EEGFiles) -> dict[str, Any]:
    row: dict[str, Any] = {
        "participant": files.participant,
        "session": files.session,
        "task": files.task,
        "run": files.run,
        "eeg": files.relative(files.eeg),
    }
    try:
        header = read_eeg_header(files)
        clock = times(job.config, model, header.sfreq, header.duration, files.name)
        montage = find_montage(job.config, model, header.channels, header.positions, files.name)
    except DataError as error:
        return row | {"refused": str(error)}
    lost = [name for name, site in zip(model.channels, montage.source, strict=True) if not site]
    made = {
        "model": model.name,
        "verdict": model.verdict,
        "first_volume_eeg_s": float(clock.onset[0]),
        "tr_s": clock.tr,
        "n_volumes": len(clock.onset),
        "n_electrodes": len(model.channels),
        "interpolated": lost,
    }
    return row | {"synthesis": made}
