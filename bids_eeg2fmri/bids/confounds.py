"""Head motion, where a preprocessing pipeline has estimated it."""

import warnings
from pathlib import Path

import numpy as np
from jaxtyping import Float64

from bids_eeg2fmri.bids.query import RunFiles
from bids_eeg2fmri.bids.sidecars import read_table
from bids_eeg2fmri.errors import DataWarning

MOTION = ("trans_x", "trans_y", "trans_z", "rot_x", "rot_y", "rot_z")
"""Columns of the tables that fMRIPrep writes: millimetres and radians."""


def find_confounds(files: RunFiles) -> Path | None:
    """Find the table of confounds of a BOLD series below the dataset's ``derivatives`` folder.

    It is called like the series, with ``desc-confounds_timeseries.tsv`` or, of older releases,
    ``desc-confounds_regressors.tsv`` at its end. Of several the first by name serves.
    """
    stem = files.bold.name.split(".")[0].removesuffix("_bold")
    folder = files.bold.parent.relative_to(files.root)
    found = sorted((files.root / "derivatives").glob(f"*/{folder}/{stem}_desc-confounds_*.tsv"))
    return found[0] if found else None


def read_motion(files: RunFiles, n_volumes: int) -> Float64[np.ndarray, "volumes 6"] | None:
    """Read translations and rotations of the head at all stored volumes; none where unknown.

    A table that does not fit the series is named in a warning and left aside.
    """
    path = find_confounds(files)
    if path is None:
        return None
    table = read_table(path)
    missing = [name for name in MOTION if name not in table]
    name = path.relative_to(files.root)
    if missing:
        _leave_aside(f"{name}: has no {', '.join(missing)}")
        return None
    if len(table) != n_volumes:
        _leave_aside(f"{name}: has {len(table)} rows for {n_volumes} volumes")
        return None
    try:
        return np.asarray(table[[*MOTION]].replace("n/a", "0").to_numpy(np.float64))
    except ValueError as error:
        _leave_aside(f"{name}: {error}")
        return None


def _leave_aside(what: str) -> None:
    warnings.warn(f"{what}; head motion is left aside", DataWarning, stacklevel=3)
