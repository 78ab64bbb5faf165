"""Who trains, who chooses the epoch, and who tests: participants at group level."""

from collections.abc import Sequence

from bids_eeg2fmri.app.job import Job
from bids_eeg2fmri.errors import UsageError
from bids_eeg2fmri.train.splits import split_participants

Members = dict[str, tuple[str, ...]]
"""Labels of participants by part: ``train``, ``valid`` and ``test``."""


def draw_members(job: Job, labels: Sequence[str]) -> Members:
    """Hold out those whom the user named, or draw some, and divide the others.

    Raises
    ------
    UsageError
        If one of those named is not among ``labels``, who have usable runs.
    """
    asked = [label.removeprefix("sub-") for label in job.test_participants]
    unknown = [label for label in asked if label not in labels]
    if unknown:
        raise UsageError(
            f"--test-participants: sub-{unknown[0]} has no usable run. "
            f"There are {', '.join(map('sub-{}'.format, labels))}."
        )
    parts = split_participants(labels, asked, job.config.split, job.config.seed)
    return dict(zip(("train", "valid", "test"), parts, strict=True))
