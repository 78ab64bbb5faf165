"""The program in a process of its own, which may be killed."""

import os
import runpy
import sys
from multiprocessing import get_context
from pathlib import Path

from joblib.externals.loky import get_reusable_executor

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
    try:
        runpy.run_path(str(RUN), run_name="__main__")
    finally:
        end_workers()


def end_workers():
    """End idle workers, as python does with a program's, but not with those of its children.

    The process would wait for them to end by themselves, which takes a minute.
    """
    get_reusable_executor(reuse=True).shutdown(kill_workers=True)
