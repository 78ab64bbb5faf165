"""A process that is somebody else's, a notebook say: what a run changes in it is put back."""

import logging
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager

from bids_eeg2fmri.runtime import log
from bids_eeg2fmri.runtime.environment import CACHES

_VARIABLES = ("HOME", "TMPDIR", "OMP_WAIT_POLICY", "MNE_LOGGING_LEVEL", *CACHES)
"""What a run sets in the environment, apart from numbers of threads, which it puts back itself."""


@contextmanager
def borrowed_process() -> Iterator[None]:
    """Leave environment, temporary folder and loggers as they were found.

    Worker processes that wait for more work are left to end by themselves, within a minute.
    """
    before = {name: os.environ.get(name) for name in _VARIABLES}
    folder = tempfile.tempdir
    loggers = [log.LOGGER, *map(logging.getLogger, log.CHATTER)]
    levels = [(one, one.level, one.propagate, [*one.handlers]) for one in loggers]
    try:
        yield
    finally:
        for logger, level, propagate, handlers in levels:
            for handler in {*logger.handlers} - {*handlers}:
                handler.close()
            logger.setLevel(level)
            logger.propagate, logger.handlers = propagate, handlers
        tempfile.tempdir = folder
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
