"""Turn whatever goes wrong while the files of a run are read into one line of our own."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bids_eeg2fmri.bids.recording import EEGFiles
from bids_eeg2fmri.errors import AppError, DataError, DataWarning


@contextmanager
def reading(run: EEGFiles, path: Path, kind: type[DataError]) -> Iterator[None]:
    """Raise an error of this kind for whatever a reader stumbles over."""
    try:
        with warnings.catch_warnings():
            # pymatreader, of MATLAB objects in corners of a .set file that nobody looks into
            warnings.filterwarnings("ignore", "Complex objects", UserWarning)
            yield
    except AppError:
        raise
    except Exception as error:
        raise kind(
            f"{run.relative(path)}: cannot be read ({brief(error)}). "
            "Copy it again, or convert it again into one continuous series."
        ) from error


def brief(error: Exception) -> str:
    """Say what kind of error it was, and its first sentence."""
    first_sentence = " ".join(str(error).split()).split(". ")[0]
    return f"{type(error).__name__}: {first_sentence[:200]}"


def warn(run: EEGFiles, text: str) -> None:
    """Tell what was odd in a run and was dealt with."""
    warnings.warn(f"{run.name}: {text}.", DataWarning, stacklevel=3)
