"""Head motion, where a preprocessing pipeline has estimated it."""

import warnings
from pathlib import Path

import numpy as np
from jaxtyping import Float64

from bids_eeg2fmri.bids.contents import fetched
from bids_eeg2fmri.bids.recording import RunFiles
from bids_eeg2fmri.bids.sidecars import read_table
from bids_eeg2fmri.errors import DataWarning

MOTION = ("trans_x", "trans_y", "trans_z", "rot_x", "rot_y", "rot_z")
"""Columns of the tables that fMRIPrep writes: millimetres and radians."""


def find_confounds(files: RunFiles) -> Path | None:
    """Find the table of confounds of a BOLD series in the folders of pipelines.

    It is called like the raw series, with ``desc-confounds_timeseries.tsv`` or, of older releases,
    ``desc-confounds_regressors.tsv`` at its end. Of several the first serves: that of a pipeline
    which the user names, else by name.
    """
    return next(iter(fetched(_tables(files))), None)


def read_motion(files: RunFiles, n_volumes: int) -> Float64[np.ndarray, "volumes 6"] | None:
    """Read translations and rotations of the head at all stored volumes; none where unknown.

    A table that does not fit the series is named in a warning and left aside.
    """
    path = find_confounds(files)
    if path is None:
        for one in _tables(files):
            _leave_aside(f"{files.relative(one)}: a link without content (datalad get)")
        return None
    name = files.relative(path)
    try:
        table = read_table(path)
    except ValueError as error:
        _leave_aside(f"{name}: {error}")
        return None
    missing = [column for column in MOTION if column not in table]
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


def _tables(files: RunFiles) -> list[Path]:
    func = files.scan.parent.relative_to(files.root)
    named = f"{files.stem}_desc-confounds_*.tsv"
    return [path for home in files.pipelines for path in sorted((home / func).glob(named))]


def _leave_aside(what: str) -> None:
    warnings.warn(f"{what}; head motion is left aside", DataWarning, stacklevel=3)
