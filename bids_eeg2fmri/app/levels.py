"""Run a level: say what the output folder is and who works, and make damaged files anew."""

import dataclasses
import logging
import os
from collections.abc import Sequence

from bids_eeg2fmri import __version__
from bids_eeg2fmri.app.application import describe_origin, run_application
from bids_eeg2fmri.app.group import run_group
from bids_eeg2fmri.app.job import Job
from bids_eeg2fmri.app.optimise import run_optimisation
from bids_eeg2fmri.app.participant import run_participants
from bids_eeg2fmri.bids.dataset import write_dataset
from bids_eeg2fmri.bids.sidecars import check_dataset
from bids_eeg2fmri.bids.write import write_json, write_text
from bids_eeg2fmri.errors import DamageError
from bids_eeg2fmri.runtime import log
from bids_eeg2fmri.runtime.cluster import check
from bids_eeg2fmri.runtime.environment import versions
from bids_eeg2fmri.runtime.threads import limited_threads
from bids_eeg2fmri.settings import to_toml


def run_level(job: Job, level: str, phases: Sequence[int] = ()) -> None:
    """Do the work; once more where stored files turn out to be damaged, to make them anew.

    Parameters
    ----------
    level
        ``participant`` or ``group``.
    phases
        Of the search for hyperparameters, if there is to be one.

    Raises
    ------
    AppError
        If it cannot be done, or part of it could not, after all else is done.
    """
    # What this process computes itself takes as many threads as what its workers do.
    with limited_threads(job.threads):
        _begin(job)
        try:
            _run(job, level, phases)
        except DamageError as error:
            log.tell("store", "damaged", str(error), logging.WARNING)
            _run(dataclasses.replace(job, thorough=True), level, phases)


def _run(job: Job, level: str, phases: Sequence[int]) -> None:
    _tell_cluster(job)
    if job.model:
        run_application(job, job.model)
    elif phases:
        run_optimisation(job, level, phases)
    elif level == "participant":
        run_participants(job)
    else:
        run_group(job)


def _begin(job: Job) -> None:
    """Write what describes the output folder as a whole, before hours are spent."""
    about = {"origin": describe_origin(job.model)} if job.model else {}  # refuses what is no model
    check_dataset(job.bids_dir, job.selection.validate)
    write_dataset(
        job.out,
        job.bids_dir,
        command=job.command,
        version=__version__,
        container=os.environ.get("BIDS_EEG2FMRI_IMAGE"),
        derivatives=dict(job.selection.datasets),
        **about,
    )
    stem = log.file_stem()
    write_text(job.out / "logs" / f"{stem}_config.toml", to_toml(job.config))
    write_json(job.out / "logs" / f"{stem}_environment.json", versions())


def _tell_cluster(job: Job) -> None:
    """Say who will do the work, unless it is this machine; refuse workers that are not fit."""
    if cluster := job.pool.cluster:
        n = check(cluster)
        text = f"{n} worker{'s' * (n != 1)}" if n else "no worker yet; waits for some"
        log.tell("dask", "cluster", f"{text} at {cluster.scheduler}")
