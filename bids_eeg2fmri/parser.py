"""What raises its errors: the small commands of the package, and keywords from Python.

The app's own arguments are in ``arguments.py``.
"""

import argparse
from typing import NoReturn

from bids_eeg2fmri.errors import UsageError


class Parser(argparse.ArgumentParser):
    """An argument parser whose errors are the program's own."""

    help_by = "--help"
    """What tells more."""

    def error(self, message: str) -> NoReturn:
        """Raise what argparse found wrong.

        Raises
        ------
        UsageError
            Always.
        """
        raise UsageError(f"{message[0].upper()}{message[1:]}. See {self.help_by}.")
