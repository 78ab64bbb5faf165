"""Who trains, who chooses the epoch, and who tests: participants at group level."""

from collections.abc import Sequence

import numpy as np

from bids_eeg2fmri.app.job import Job
from bids_eeg2fmri.app.recordings import PairedRun
from bids_eeg2fmri.errors import UsageError
from bids_eeg2fmri.train.splits import Index, fold_participants, split_participants

Members = dict[str, tuple[str, ...]]
"""Labels of participants by part: ``train``, ``valid`` and ``test``."""


def draw_folds(job: Job, labels: Sequence[str]) -> list[Members]:
    """Divide participants once, holding out those named or some drawn, or fold by fold.

    Raises
    ------
    UsageError
        If a participant who was named is not among ``labels``, who have usable runs.
    DataError
        If there are too few of them.
    """
    asked = [label.removeprefix("sub-") for label in job.test_participants]
    folds = job.config.split.folds
    unknown = [label for label in asked if label not in labels]
    if unknown:
        raise UsageError(
            f"--test-participants: sub-{unknown[0]} has no usable run. "
            f"There are {', '.join(map('sub-{}'.format, labels))}."
        )
    held_out: Sequence[Sequence[str]] = [asked]
    if folds != 1:
        held_out = fold_participants(labels, folds or len(labels), job.config.seed)
    return [_divide(job, labels, part) for part in held_out]


def whole_runs(runs: Sequence[PairedRun], labels: Sequence[str]) -> tuple[Index, ...]:
    """Give the pairs of each run, all of them or, if it is no run of these participants, none."""
    return tuple(
        np.arange(len(run.pairs.volume) if run.files.participant in labels else 0) for run in runs
    )


def _divide(job: Job, labels: Sequence[str], test: Sequence[str]) -> Members:
    parts = split_participants(labels, test, job.config.split, job.config.seed)
    return dict(zip(("train", "valid", "test"), parts, strict=True))
