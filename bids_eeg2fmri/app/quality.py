"""How good the data of a run are, for its report."""

import numpy as np

from bids_eeg2fmri.app.job import Job
from bids_eeg2fmri.app.recordings import PairedRun
from bids_eeg2fmri.bids.confounds import read_motion
from bids_eeg2fmri.preprocess.quality import (
    framewise_displacement,
    marker_residuals,
    power_spectrum,
)
from bids_eeg2fmri.report.quality import Quality, Spectrum
from bids_eeg2fmri.runtime import arrays, log
from bids_eeg2fmri.train.splits import Split
from bids_eeg2fmri.types import Markers


def describe(job: Job, run: PairedRun, split: Split, i: int) -> Quality:
    """Gather what is told of a run's data before any result; ``i`` is its place in the split."""
    pairs, clock = run.pairs, run.clock
    markers = arrays.load(run.recording.unit.folder, "markers", Markers)
    with log.capture_warnings():  # told when the baselines were fitted
        motion = read_motion(run.files, pairs.n_volumes)
    part = np.full(pairs.n_volumes, "lost", dtype="<U5")
    part[pairs.volume] = "gap"
    for name, index in (("train", split.train), ("valid", split.valid), ("test", split.test)):
        part[pairs.volume[index[i]]] = name
    freqs, power = power_spectrum(run.eeg)
    cfg = job.config.spectrogram
    return Quality(
        clock.onset - clock.onset[0],
        tuple(part.tolist()),
        *marker_residuals(markers, clock),
        None if motion is None else framewise_displacement(motion),
        Spectrum(freqs, np.percentile(power, [5, 50, 95], axis=0), (cfg.fmin, cfg.fmax)),
    )
