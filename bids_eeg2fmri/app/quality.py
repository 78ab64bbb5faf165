"""How good the data of a run are, for its report."""

import re

import numpy as np
from jaxtyping import Float64

from bids_eeg2fmri.app.job import Job
from bids_eeg2fmri.app.recordings import PairedRun
from bids_eeg2fmri.bids.confounds import read_motion
from bids_eeg2fmri.preprocess.artifact import Account
from bids_eeg2fmri.preprocess.quality import (
    framewise_displacement,
    power_spectrum,
)
from bids_eeg2fmri.report.cleaning import Cleaning
from bids_eeg2fmri.report.group import RunData
from bids_eeg2fmri.report.quality import Quality, Spectrum
from bids_eeg2fmri.runtime import log
from bids_eeg2fmri.train.splits import Split


def describe_quality(job: Job, run: PairedRun, split: Split, i: int) -> Quality:
    """Gather what is told of a run's data before any result; ``i`` is its place in the split."""
    pairs, clock = run.pairs, run.clock
    displacement = _displacement(run)
    part = np.full(pairs.n_volumes, "lost", dtype="<U5")
    part[pairs.volume] = "gap"
    for name, index in (("train", split.train), ("valid", split.valid), ("test", split.test)):
        part[pairs.volume[index[i]]] = name
    freqs, power = power_spectrum(run.eeg)
    cfg = job.config.spectrogram
    return Quality(
        clock.onset - clock.onset[0],
        tuple(part.tolist()),
        clock.marker_time - clock.onset[0],
        clock.marker_residual,
        displacement,
        Spectrum(freqs, np.percentile(power, [5, 50, 95], axis=0), (cfg.fmin, cfg.fmax)),
        _printed(run.cleaned.account) if job.config.clean.method != "none" else "",
        _cleaning(run),
    )


def _cleaning(run: PairedRun) -> Cleaning | None:
    """Set EEG as recorded beside what was cleaned; none where nothing was taken out."""
    account = run.cleaned.account
    if not account.after.size:
        return None
    n = len(account.after)
    return Cleaning(
        account.freqs[:n],
        1e12 * account.before[:n],
        1e12 * account.after,
        account.slices / run.clock.tr,
        account.volume_lines,
        account.slice_lines,
        account.alpha_change,
        account.time,
        1e6 * account.mean_before,
        1e6 * account.mean_after,
        account.rate,
        account.locked,
    )


def summarise_data(run: PairedRun) -> RunData:
    """Tell in numbers how the data of a run are."""
    clock, pairs, displacement = run.clock, run.pairs, _displacement(run)
    return RunData(
        run.files.name,
        pairs.n_volumes,
        len(pairs.volume),
        clock.source,
        clock.residual,
        clock.drift,
        np.nan if displacement is None else float(np.median(displacement)),
        len(run.recording.eeg.bad),
    )


def _displacement(run: PairedRun) -> Float64[np.ndarray, " volumes"] | None:
    """Find how far the head moved from volume to volume; none where motion is unknown."""
    with log.capture_warnings():  # told when the baselines were fitted
        motion = read_motion(run.files, run.pairs.n_volumes)
    return None if motion is None else framewise_displacement(motion)


def _printed(account: Account) -> str:
    """Put what the log says of artefacts as pages print it."""
    text = re.sub(r"(?<= )-(?=\d)", "\N{MINUS SIGN}", account.in_words())
    return re.sub(r"(?<=\d)%", "\N{NO-BREAK SPACE}%", text)
