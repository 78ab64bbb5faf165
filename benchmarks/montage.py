"""How well electrodes that were not recorded come back from those that were.

Of real EEG with 64 electrodes some are kept, and the others interpolated from them as a saved model
has it done. Prints how the logarithm of band power over time correlates with what was recorded
there, by the electrodes that are kept and by the distance to the nearest of them. The data are not
part of this project.
"""

import argparse
import sys
from collections.abc import Iterator, Mapping
from itertools import pairwise
from pathlib import Path

import mne
import numpy as np
from jaxtyping import Float64
from semisynthetic import Coupling, eegbci

from bids_eeg2fmri.bids.electrodes import electrode_positions, spline_weights
from bids_eeg2fmri.config import ApplyConfig, SpectrogramConfig
from bids_eeg2fmri.preprocess.eeg import spectrogram
from bids_eeg2fmri.preprocess.montage import Electrodes, map_electrodes
from bids_eeg2fmri.types import EEG

DATA = Path(__file__).parents[2] / "shared" / "data" / "semisynthetic"
_19 = "Fp1 Fp2 F7 F3 Fz F4 F8 T7 C3 Cz C4 T8 P7 P3 Pz P4 P8 O1 O2"
KEPT: Mapping[str, str] = {
    "32": f"{_19} FC5 FC1 FC2 FC6 CP5 CP1 CP2 CP6 AF3 AF4 PO3 PO4 Oz",
    "19 (10-20)": _19,
    "12": "Fp1 Fp2 F7 F8 C3 C4 Cz P7 P8 O1 O2 Fz",
    "8": "Fp1 Fp2 C3 C4 P7 P8 O1 O2",
    "4": "AF7 AF8 TP7 TP8",
    "10 in front": "Fp1 Fp2 F7 F3 Fz F4 F8 C3 Cz C4",
    "7 frontal": "Fp1 Fp2 F7 F3 Fz F4 F8",
}
BANDS = ((1, 4), (4, 8), (8, 13), (13, 30), (30, 45))
DISTANCES = (20, 30, 40, 50, 60, 80, 110, 250)
SPECTRO = SpectrogramConfig(value="log", hop=2.0, fmax=45.0)
EVERYTHING = ApplyConfig(max_uncovered=1.0)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=DATA, help="the real parts")
    data = parser.parse_args().data
    if not data.is_dir():
        sys.exit(f"{data}: no such folder. Give the one with the real parts by --data.")
    (recording,) = eegbci(data, Coupling(0.0), seed=0)
    eeg, found = recording.eeg, []
    print("kept          furthest  beyond reach  mean r  by band")
    for name, kept in KEPT.items():
        distance, r = recover(eeg, kept.upper().split())
        found.append((distance, r.mean(axis=1)))
        beyond = np.sum(distance > EVERYTHING.reach) / len(eeg.channels)
        bands = " ".join(f"{x:.2f}" for x in r.mean(axis=0))
        print(f"{name:12}  {distance.max():5.0f} mm  {beyond:12.0%}  {r.mean():6.2f}  {bands}")
    print("\ndistance    electrodes  mean r")
    distance, r = map(np.concatenate, zip(*found, strict=True))
    for low, high in pairwise(DISTANCES):
        near = (distance >= low) & (distance < high)
        print(f"{low:3} to {high:3}  {near.sum():10}  {r[near].mean():6.2f}")


def recover(
    eeg: EEG, kept: list[str]
) -> tuple[Float64[np.ndarray, " lost"], Float64[np.ndarray, "lost bands"]]:
    """Interpolate all others: how far they are from a kept one, and how well they come back."""
    sites = tuple(name.upper() for name in eeg.channels)
    info = mne.create_info([*eeg.channels], eeg.sfreq, "eeg", verbose="ERROR")
    raw = mne.io.RawArray(np.zeros((len(sites), 1)), info, verbose="ERROR")
    positions = electrode_positions(raw, "benchmark")
    rows = [sites.index(name) for name in kept]
    montage = map_electrodes(
        Electrodes(sites, positions),
        Electrodes(tuple(kept), positions[rows]),
        EVERYTHING,
        spline_weights,
        "benchmark",
    )
    lost = montage.interpolated
    true, made = (
        np.stack([*band_power(data, eeg.sfreq)])
        for data in (eeg.data[lost], (montage.weights @ eeg.data[rows])[lost])
    )
    r = np.mean(standard(true) * standard(made), axis=-1)
    return montage.distance[lost], r.T


def band_power(data: np.ndarray, sfreq: float) -> Iterator[np.ndarray]:
    """Give the mean logarithm of each band's power, electrode by window."""
    spectra, freqs = spectrogram(data, sfreq, SPECTRO)
    for low, high in BANDS:
        yield spectra[:, (freqs >= low) & (freqs < high)].mean(axis=1, dtype=np.float64)


def standard(series: np.ndarray) -> np.ndarray:
    away = series - series.mean(axis=-1, keepdims=True)
    return np.asarray(away / away.std(axis=-1, keepdims=True))


if __name__ == "__main__":
    main()
