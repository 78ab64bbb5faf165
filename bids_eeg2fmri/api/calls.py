"""A call of the app in a process that is somebody else's."""

import sys
from argparse import Namespace
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, TypeVar

import pandas as pd

from bids_eeg2fmri.api.spelling import parse
from bids_eeg2fmri.errors import AppError
from bids_eeg2fmri.jobs import ready
from bids_eeg2fmri.runtime.borrowed import borrowed_process

if TYPE_CHECKING:
    from bids_eeg2fmri.app.dry_run import Outlook
    from bids_eeg2fmri.app.job import Job

Result = TypeVar("Result")


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
    __tracebackhide__ = True
    from bids_eeg2fmri.app.levels import run_level

    def do(job: "Job", args: Namespace) -> None:
        run_level(job, args.analysis_level, sorted(set(args.optimise)))

    _call(argv, verbose, do)


def foresee(argv: Sequence[str], verbose: bool | int) -> pd.DataFrame:
    """Say what a command line with ``--dry-run`` would do, one row a recording.

    Raises
    ------
    AppError
        If that cannot be told.
    """
    __tracebackhide__ = True
    from bids_eeg2fmri.app.dry_run import look_ahead, tell_oddities

    def look(job: "Job", args: Namespace) -> "Outlook":
        outlook = look_ahead(job, args.analysis_level)
        tell_oddities(outlook)
        return outlook

    outlook = _call(argv, verbose, look)
    rows = [{"recording": name} | row for name, row in outlook.rows]
    table = pd.json_normalize(rows)
    table.columns = [name.split(".")[-1] for name in table.columns]
    return table.set_index("recording")


def _call(
    argv: Sequence[str], verbose: bool | int, do: Callable[["Job", Namespace], Result]
) -> Result:
    """Understand a command line and do what it asks for.

    What goes wrong of known causes is told in a line. The frames that led to it help nobody, and
    a notebook would show them all; those of what nobody foresaw stand in the error's cause.
    """
    __tracebackhide__ = True  # IPython leaves such frames out
    try:
        args = parse(argv)
        args.verbose = int(verbose) - 1
        # A notebook paints stderr as if all of it were errors.
        on_stdout = "ipykernel" in sys.modules
        with borrowed_process(), ready(args, argv, on_stdout=on_stdout) as job:
            return do(job, args)
    except AppError as error:
        raise error.with_traceback(None)  # noqa: B904  # it is the same one, its cause as it was
