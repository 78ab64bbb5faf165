"""Whether the clock that is found recovers a coupling, and a wrong one loses it.

Layouts of real datasets are filled with real EEG and with BOLD of which an occipital region follows
posterior alpha on the true clock (planted r −0.6). Prints for each dataset how wrong the clock is
that was found, and the median over runs of the correlation of that region with alpha power,
convolved with a haemodynamic response, on the clock that was found, on the true one and on the
wrong ones that lie at hand: the EEG's first sample, a decoy. The data are not part of this project.

    python benchmarks/clocks.py [--volumes N] [NAME …]
"""

import argparse
import sys
import tempfile
import warnings
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import nibabel as nib
import numpy as np
from jaxtyping import Float64
from nilearn.glm.first_level import glover_hrf
from scipy.signal import butter, sosfiltfilt

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
from hydrated import hydrate, truth_of

from bids_eeg2fmri.app.clocks import tie
from bids_eeg2fmri.bids.query import find_runs
from bids_eeg2fmri.bids.read import open_eeg
from bids_eeg2fmri.bids.recording import RunFiles
from bids_eeg2fmri.bids.selection import Selection
from bids_eeg2fmri.config import ClockConfig, ReadConfig
from bids_eeg2fmri.types import Signal

NAMES = (
    "bids-examples_eeg_rest_fmri",
    "ds002158",
    "ds002336",
    "ds002338",
    "ds002725",
    "ds003768",
    "nm000254_natview",
)
POSTERIOR = {"O1", "O2", "OZ", "POZ", "PO3", "PO4", "PO7", "PO8", "P3", "P4", "PZ", "P1", "P2"}
RATE = 10
"""Hertz of band power."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("names", nargs="*", default=NAMES)
    parser.add_argument("--volumes", default="150")
    args = parser.parse_args()
    warnings.simplefilter("ignore")
    print("dataset                       runs  largest error, ms  median r: found   true  wrong")
    for name in args.names:
        with tempfile.TemporaryDirectory() as folder:
            root = hydrate(name, Path(folder), "--volumes", args.volumes)
            report(name, root)


def report(name: str, root: Path) -> None:
    """Print the row of one dataset."""
    truth, errors, found = truth_of(root), [], defaultdict(list)
    for run in find_runs(root, Selection())[0]:
        true, clock = truth[run.name], tie(run, ClockConfig())
        errors.append(1000 * abs(clock.onset[0] - true["first_volume_eeg_s"]))
        steps = np.arange(true["n_volumes"])
        clocks = {
            "found": clock.onset,
            "true": true["first_volume_eeg_s"] + true["tr_s"] * steps,
            **{wrong: first + tr * steps for wrong, (first, tr) in true["wrong_clocks"].items()},
        }
        for label, r in correlations(root, run, clocks):
            found[label].append(r)
    r = {label: np.median(values) for label, values in found.items()}
    wrong = ", ".join(f"{value:+.2f} ({n})" for n, value in r.items() if n not in ("found", "true"))
    text = f"{r['found']:17.2f}  {r['true']:5.2f}  {wrong}"
    print(f"{name:28} {len(errors):5} {max(errors):18.1f} {text}", flush=True)


def correlations(
    root: Path, run: RunFiles, clocks: dict[str, Float64[np.ndarray, " volumes"]]
) -> Iterator[tuple[str, float]]:
    """Correlate the region with alpha power on each clock, where the EEG tells it."""
    regions = np.asarray(nib.load(root / "sourcedata/hydrate_regions.nii.gz").dataobj)
    series = np.asarray(nib.load(run.bold).dataobj)[regions == 1].mean(axis=0)
    driver = response(open_eeg(run, ReadConfig()))
    time = (np.arange(len(driver)) + 0.5) / RATE
    for label, onset in clocks.items():
        known = (onset > 32) & (onset < time[-1])
        yield label, np.corrcoef(series[known], np.interp(onset[known], time, driver))[0, 1]


def response(eeg: Signal) -> Float64[np.ndarray, " time"]:
    """Posterior alpha power, ten times a second, through a haemodynamic response."""
    chosen = [i for i, name in enumerate(eeg.channels) if name.upper() in POSTERIOR]
    sos = butter(4, [8, 12], "bandpass", fs=eeg.sfreq, output="sos")
    power = (sosfiltfilt(sos, eeg.rows(chosen).astype(float), axis=1) ** 2).mean(axis=0)
    edges = np.arange(0, len(power) - 1, eeg.sfreq / RATE).astype(int)
    power = np.add.reduceat(power, edges) / np.diff(np.append(edges, len(power)))
    power = power.clip(max=np.percentile(power, 98))
    return np.convolve(power - power.mean(), glover_hrf(1 / RATE, oversampling=1))[: len(power)]


if __name__ == "__main__":
    main()
