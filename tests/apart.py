"""The program in a process of its own, which may be killed."""

import os
import runpy
import sys
from multiprocessing import get_context
from pathlib import Path

RUN = Path(__file__).parents[1] / "run.py"
FORKS = get_context("forkserver")
# The imports that take seconds are made once, in the process from which all others are forked.
FORKS.set_forkserver_preload(
    [
        "bids_eeg2fmri.app.participant",
        "bids_eeg2fmri.app.group",
        "bids_eeg2fmri.app.optimise",
        "nilearn.glm",
        "torch._dynamo",
    ]
)


def start(said, *argv):
    """Begin to run the program; what it says goes to a file."""
    process = FORKS.Process(target=_run, args=(said, [*map(str, argv)]))
    process.start()
    return process


def _run(said, argv):
    with said.open("w") as file:
        os.dup2(file.fileno(), sys.stderr.fileno())
    sys.argv = [str(RUN), *argv]
    runpy.run_path(str(RUN), run_name="__main__")
