"""A call of the app in a process that is somebody else's."""

import sys
from collections.abc import Sequence
from typing import TextIO

import pandas as pd

from bids_eeg2fmri.api.spelling import parse
from bids_eeg2fmri.errors import PartialFailureError
from bids_eeg2fmri.jobs import ready
from bids_eeg2fmri.runtime.borrowed import borrowed_process


def carry_out(argv: Sequence[str], verbose: bool | int) -> None:
    """Do what a command line asks for.

    Parameters
    ----------
    verbose
        False for warnings and errors alone, True for a line on each step, 2 for details.

    Raises
    ------
    AppError
        If it, or a part of it, cannot be done.
    """
    from bids_eeg2fmri.app.levels import run_level

    args = parse(argv)
    args.verbose = int(verbose) - 1
    try:
        with borrowed_process(), ready(args, argv, _console()) as job:
            run_level(job, args.analysis_level, sorted(set(args.optimise)))
    except PartialFailureError as error:
        error.add_note("What was done can be had by study.results().")
        raise


def foresee(argv: Sequence[str], verbose: bool | int) -> pd.DataFrame:
    """Say what a command line with ``--dry-run`` would do, one row a recording.

    Raises
    ------
    AppError
        If that cannot be told.
    """
    from bids_eeg2fmri.app.dry_run import look_ahead, tell_oddities

    args = parse(argv)
    args.verbose = int(verbose) - 1
    with borrowed_process(), ready(args, argv, _console()) as job:
        outlook = look_ahead(job, args.analysis_level)
        tell_oddities(outlook)
    rows = [{"recording": name} | row for name, row in outlook.rows]
    table = pd.json_normalize(rows)
    table.columns = [name.split(".")[-1] for name in table.columns]
    return table.set_index("recording")


def _console() -> TextIO | None:
    """Let a notebook show the log as its own output: it paints stderr as if all were errors."""
    return sys.stdout if "ipykernel" in sys.modules else None
