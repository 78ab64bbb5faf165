"""The BOLD of a run as models see it: smoothed, cleaned, in percent, if that was asked for."""

from functools import partial
from pathlib import Path

import numpy as np
from jaxtyping import Float64

from bids_eeg2fmri.app.job import Job
from bids_eeg2fmri.bids.confounds import find_confounds, read_motion
from bids_eeg2fmri.bids.recording import RunFiles
from bids_eeg2fmri.config import BoldConfig
from bids_eeg2fmri.errors import BOLDError
from bids_eeg2fmri.preprocess import nuisance
from bids_eeg2fmri.runtime import arrays, log
from bids_eeg2fmri.runtime.store import Unit, fingerprint
from bids_eeg2fmri.types import BOLD

UNITS = {"scanner": "arbitrary", "percent": "percent"}
"""Of the BOLD, as sidecars name them."""


def prepare_bold(job: Job, files: RunFiles, reading: Unit) -> Unit | None:
    """Prepare the BOLD of a run; none where it is taken as it was read.

    Raises
    ------
    BOLDError
        Head motion is to be regressed out, and there is no table of it that fits.
    """
    cfg = job.config.bold
    if cfg == BoldConfig():
        return None
    table = find_confounds(files) if cfg.clean == "confounds" else None

    def make(folder: Path) -> None:
        bold = arrays.load(reading.folder, "bold", BOLD)
        motion = _motion(files, bold.n_volumes) if cfg.clean == "confounds" else None
        mask = np.asarray(np.load(reading.folder / "mask.npy"))
        allocate = partial(arrays.allocate, folder, "bold.data", fortran=True)
        arrays.save(folder, "bold", nuisance.prepare_bold(bold, mask, motion, cfg, allocate))

    seen = [fingerprint(table.parent, [table])] if table else []
    unit = job.store.unit("bold", files.name, [cfg], [reading, *seen], make)
    log.tell_unit(files.name, "bold", unit, preparation(cfg))
    return unit


def preparation(cfg: BoldConfig) -> str:
    """Say in words how the BOLD was prepared."""
    motion = f" and {cfg.motion} regressors of head motion" if cfg.clean == "confounds" else ""
    slow = f", cosines slower than {cfg.high_pass:g} Hz" if cfg.high_pass else ""
    said = {
        f"smoothed by {cfg.smoothing:g} mm": cfg.smoothing > 0,
        f"cleaned of linear trends{slow}{motion}": cfg.clean != "none",
        "in percent of the mean": cfg.units == "percent",
    }
    return ", ".join(text for text, holds in said.items() if holds) or "as it was read"


def _motion(files: RunFiles, n_volumes: int) -> Float64[np.ndarray, "volumes 6"]:
    motion = read_motion(files, n_volumes)
    if motion is None:
        raise BOLDError(
            f"{files.relative(files.bold)}: --bold-clean confounds, but no table of head motion "
            "that fits. Name the folder of the pipeline with --derivatives, or use detrend."
        )
    return motion
