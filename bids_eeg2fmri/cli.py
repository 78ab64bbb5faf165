"""The command line: what is typed to a job, errors to exit codes.

Nothing heavy is imported before the arguments are known to be good.
"""

import sys
from collections.abc import Sequence
from typing import NoReturn

from bids_eeg2fmri.arguments import make_parser, with_hyphens
from bids_eeg2fmri.errors import AppError
from bids_eeg2fmri.jobs import ready


def main(argv: Sequence[str] | None = None) -> int:
    """Run the app and return its exit status."""
    argv = list(sys.argv[1:] if argv is None else argv)
    try:
        args = make_parser().parse_args(with_hyphens(argv))
    except SystemExit as end:
        return int(end.code or 0)
    try:
        with ready(args, argv) as job:
            if args.dry_run:  # without torch, which takes seconds to import
                from bids_eeg2fmri.app.dry_run import dry_run

                dry_run(job, args.analysis_level, as_json=args.json)
            else:
                from bids_eeg2fmri.app.levels import run_level

                run_level(job, args.analysis_level, sorted(set(args.optimise)))
    except AppError as error:
        from bids_eeg2fmri.runtime import log

        log.tell_end(error)
        return error.exit_code
    return 0


def run() -> NoReturn:
    """Be the console script."""
    sys.exit(main())
