"""What the small commands of the package share; the app's own arguments are in ``arguments.py``."""

import argparse
from typing import NoReturn

from bids_eeg2fmri.errors import UsageError


class Parser(argparse.ArgumentParser):
    """An argument parser whose errors are the program's own."""

    def error(self, message: str) -> NoReturn:
        """Raise what argparse found wrong.

        Raises
        ------
        UsageError
            Always.
        """
        raise UsageError(f"{message[0].upper()}{message[1:]}. See --help.")
