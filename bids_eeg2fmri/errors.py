"""Everything that can go wrong, each with the exit code that the command line returns.

::

    AppError                    1
    ├── DatasetError           16   bids_dir is not a valid BIDS dataset
    ├── NothingFoundError      18   the filters matched no simultaneous EEG and BOLD
    ├── UsageError             64   an argument or a setting cannot be used
    ├── DataError              65   a file is there, but what it holds cannot be used
    │   ├── EEGError
    │   ├── BOLDError
    │   ├── ClockError              the EEG and BOLD clocks could not be tied together
    │   └── ShapeError              no encoder leads from this shape to the latent space
    ├── MissingInputError      66   a file or folder that was named does not exist
    ├── PartialFailureError    70   some participants failed, the others are done
    ├── OutputError            73   a result cannot be written
    └── TemporaryError         75   try again: interrupted, or another process is at work
        ├── DamageError             a stored file is not what it was; it is made again
        └── MemoryShortageError     more memory is needed than there is

Exit code 17 (unknown analysis level) belongs to the argument parser alone. Each message says what
is wrong, where, and what to do about it, in one line.

``DataWarning`` is for what was odd and could be dealt with: the shell catches it and tells it in
the log and the report.
"""

import errno
from collections.abc import Mapping


class AppError(Exception):
    """The root of what this program raises on purpose."""

    exit_code = 1
    told = False
    """Whether it stands in the log already; who passes it on need not tell it again."""


class DatasetError(AppError):
    """The input folder is not a BIDS dataset that can be read."""

    exit_code = 16


class NothingFoundError(AppError):
    """The dataset, or what the filters leave of it, holds no simultaneous EEG and BOLD."""

    exit_code = 18


class UsageError(AppError):
    """An argument or a setting cannot be used."""

    exit_code = 64


class DataError(AppError):
    """A file is there, but what it holds cannot be used."""

    exit_code = 65


class EEGError(DataError):
    """An EEG recording cannot be used."""


class BOLDError(DataError):
    """A BOLD series cannot be used."""


class ClockError(DataError):
    """The EEG and BOLD clocks could not be tied together."""


class ShapeError(DataError):
    """No encoder leads from this shape to the latent space."""


class MissingInputError(AppError):
    """A file or folder that was named does not exist."""

    exit_code = 66


class PartialFailureError(AppError):
    """Some participants failed; what the others gave is written."""

    exit_code = 70

    def __init__(self, message: str, failed: Mapping[str, AppError] | None = None) -> None:
        super().__init__(message)
        self.failed = dict(failed or {})
        """Why, by what failed: a participant, a recording, or a model of one."""


class OutputError(AppError):
    """A result cannot be written."""

    exit_code = 73


class TemporaryError(AppError):
    """The work was interrupted, or is being done by another process; run again."""

    exit_code = 75


class DamageError(TemporaryError):
    """A stored file is no longer what was written; what it belongs to has been given up."""


class MemoryShortageError(TemporaryError):
    """More memory is needed than there is, here and now."""


_WORDS = (
    "out of memory",
    "can't allocate memory",
    "cannot allocate memory",
    "not enough memory",
    "bad_alloc",
    "alloc_failed",
    "could not create a primitive",
)
"""By which to tell lack of memory: torch has no error of its own for it on most devices."""


def is_shortage(error: Exception) -> bool:
    """Tell whether an error of Python, the system, numpy or torch is lack of memory."""
    if isinstance(error, OSError) and error.errno == errno.ENOMEM:
        return True
    words = str(error).lower()
    return isinstance(error, MemoryError) or any(word in words for word in _WORDS)


def shortage(error: Exception) -> MemoryShortageError:
    """Put such an error into one line."""
    reason = " ".join(f"{type(error).__name__}: {error}".split())[:150].rstrip(": ")
    return MemoryShortageError(
        f"The memory does not suffice ({reason}). Give more, or fewer --n-cpus, and run again."
    )


class DataWarning(UserWarning):
    """Something in the data was odd and was dealt with; the text says what and how."""
