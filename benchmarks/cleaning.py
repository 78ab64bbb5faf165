"""How much of the scanner's artefacts is taken out of real EEG, and of the EEG with them.

To real EEG of seven people, 19 electrodes and an ECG, is added what gradients and beats of the
heart would: shapes of three gradients, slice by slice, whose shares in each electrode change as the
head moves, on a clock that drifts; and two waves after each real beat, of changing size and delay.
Prints, as medians over people, what is left of the artefacts and what became of the EEG. With
``--big``, time and memory of 64 channels at 5 kHz for half an hour. The data are not part of this
project.
"""

import argparse
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import mne
import numpy as np
from jaxtyping import Float64
from measured.memory import watching
from scipy.signal import butter, resample_poly, sosfiltfilt, welch

from bids_eeg2fmri.config import CleanConfig
from bids_eeg2fmri.preprocess.artifact import clean_eeg
from bids_eeg2fmri.preprocess.comb import find_comb
from bids_eeg2fmri.preprocess.pulse import find_beats, locked_share
from bids_eeg2fmri.types import EEG, VolumeClock

DATA = Path(__file__).parents[2] / "shared" / "data" / "semisynthetic" / "eeg_eegmat"
SFREQ, LAST = 1000.0, 250.0
TR, SLICES, DRIFT = 2.1, 30, 4e-6
FMAX = 67.0
Cleaner = Callable[[EEG, np.ndarray, VolumeClock], EEG]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=DATA, help="the real recordings")
    parser.add_argument("--big", action="store_true", help="measure time and memory instead")
    args = parser.parse_args()
    if args.big:
        measure()
        return
    if not args.data.is_dir():
        sys.exit(f"{args.data}: no such folder. Give the one with the recordings by --data.")
    people = [read(path) for path in sorted(args.data.glob("*_1.edf"))]
    describe(people)
    print("gradients                  volume lines  slice lines  alpha      its course  error")
    for name, clean in GRADIENTS.items():
        print(f"{name:25}  {row([score_gradients(eeg, ecg, clean) for eeg, ecg in people])}")
    people = [(eeg, ecg) for eeg, ecg in people if find_beats(eeg, ecg)]
    print(f"\nheart, {len(people)} people           share of beats  alpha      its course  error")
    for name, clean in HEART.items():
        print(f"{name:25}  {row([score_heart(eeg, ecg, clean) for eeg, ecg in people])}")


def describe(people: list[tuple[EEG, np.ndarray]]) -> None:
    """Tell what ``auto`` would find in EEG that has seen no scanner."""
    lines, shares = [], []
    for eeg, ecg in people:
        _, clock = gradients(1, eeg.duration, eeg.sfreq)
        lines.append(find_comb(eeg, clock).prominence())
        if beats := find_beats(eeg, ecg):
            shares.append(locked_share(eeg, beats))
    print(
        f"without a scanner: volume lines {min(lines):.1f} to {max(lines):.1f} dB, share of beats"
    )
    print(f"{min(shares):.1%} to {max(shares):.1%} in {len(shares)} of {len(people)} people\n")


def read(path: Path) -> tuple[EEG, np.ndarray]:
    """Read three minutes of rest and bring them to ``SFREQ``."""
    raw = mne.io.read_raw(path, preload=True, verbose="ERROR").filter(0.5, 100, verbose="ERROR")
    raw.resample(SFREQ, verbose="ERROR")
    names = [name for name in raw.ch_names if "ECG" not in name and "A2" not in name]
    ecg = next(name for name in raw.ch_names if "ECG" in name)
    data = raw.get_data(picks=names).astype(np.float32)
    eeg = EEG(data, SFREQ, tuple(names), np.full((len(names), 3), np.nan))
    return eeg, raw.get_data(picks=[ecg])[0].astype(np.float32)


def gradients(n_channels: int, duration: float, sfreq: float) -> tuple[np.ndarray, VolumeClock]:
    """Make the artefact of a scan that begins 10 s after the EEG, some millivolts in size."""
    rng = np.random.default_rng(0)
    onset = 10.0 + TR * (1 + DRIFT) * np.arange(int((duration - 15) / TR))
    since = np.arange(round(duration * sfreq)) / sfreq - onset[0]
    volume = np.floor(since / (TR * (1 + DRIFT))).astype(int)
    during = (volume >= 0) & (volume < len(onset))
    phase = since / (1 + DRIFT) % (TR / SLICES)
    made = np.zeros((n_channels, len(since)))
    for _ in range(3):
        shape = np.zeros_like(since)
        for freq in (38.0, 74.0, 112.0, 163.0, 221.0):
            middle, turn = rng.uniform(0.02, 0.05), rng.uniform(0, 6)
            wave = np.cos(2 * np.pi * freq * phase + turn)
            shape += rng.normal() * np.exp(-(((phase - middle) / 0.006) ** 2)) * wave
        moves = 1 + 0.01 * np.cumsum(rng.normal(0, 0.3, (n_channels, len(onset))), axis=1)
        size = rng.normal(0, 1e-3, (n_channels, 1)) * moves
        made[:, during] += size[:, volume[during]] * shape[during]
    return made, VolumeClock(onset, TR, "truth", 0, 0.0, 0.0)


def pulses(eeg: EEG, ecg: np.ndarray) -> np.ndarray:
    """Make two waves after each beat, some 50 µV in size, which change from beat to beat."""
    rng = np.random.default_rng(0)
    t = np.arange(round(0.8 * eeg.sfreq)) / eeg.sfreq
    made = np.zeros((2, eeg.data.shape[1]))
    for beat in find_beats(eeg, ecg).time - 0.21:
        first, late = round(beat * eeg.sfreq), t - rng.normal(0, 0.02)
        for row, (freq, middle) in zip(made, ((5.0, 0.25), (3.5, 0.35)), strict=True):
            wave = np.exp(-(((late - middle) / 0.11) ** 2)) * np.sin(
                2 * np.pi * freq * (late - 0.2)
            )
            room = row[first : first + len(t)]
            room += rng.normal(1, 0.2) * wave[: len(room)]
    return 6e-5 * rng.standard_normal((len(eeg.data), 2)) @ made


def ours(**settings: object) -> Cleaner:
    def clean(eeg: EEG, ecg: np.ndarray, clock: VolumeClock) -> EEG:
        return clean_eeg(eeg, clock, CleanConfig(**settings), FMAX, SLICES, "", lambda: ecg)[0]

    return clean


def by_mne(eeg: EEG, _ecg: np.ndarray, clock: VolumeClock) -> EEG:
    info = mne.create_info([*eeg.channels], eeg.sfreq, "eeg", verbose="ERROR")
    raw = mne.io.RawArray(eeg.data, info, verbose="ERROR")
    samples = np.round(clock.onset * eeg.sfreq).astype(int)
    mne.preprocessing.remove_fmri_gradient_artifact(
        raw, samples, window=(10, 10), tr_tol=1, copy=False, verbose="ERROR"
    )
    return slower(EEG(raw.get_data().astype(np.float32), eeg.sfreq, eeg.channels, eeg.positions))


def slower(eeg: EEG) -> EEG:
    data = resample_poly(eeg.data, 1, int(eeg.sfreq / LAST), axis=1, padtype="line")
    return EEG(data.astype(np.float32), LAST, eeg.channels, eeg.positions)


def untouched(eeg: EEG, _ecg: np.ndarray, _clock: VolumeClock) -> EEG:
    return slower(eeg)


GRADIENTS: dict[str, Cleaner] = {
    "nothing": untouched,
    "MNE, 20 volumes": by_mne,
    "ours, template alone": ours(method="gradient", components=0),
    "ours": ours(method="gradient"),
    "ours, 11 volumes": ours(method="gradient", averaged=11),
    "ours, 31 volumes": ours(method="gradient", averaged=31),
}
HEART: dict[str, Cleaner] = {
    "nothing": ours(method="gradient"),
    **{f"ours, {n} shapes": ours(method="gradient+bcg", beat_components=n) for n in (1, 2, 3, 4)},
}


def score_gradients(eeg: EEG, ecg: np.ndarray, clean: Cleaner) -> list[float]:
    added, clock = gradients(len(eeg.data), eeg.duration, eeg.sfreq)
    spoilt = EEG((eeg.data + added).astype(np.float32), eeg.sfreq, eeg.channels, eeg.positions)
    made = clean(spoilt, ecg, clock)
    comb = find_comb(made, clock)
    return [comb.prominence(), comb.prominence(SLICES), *kept(made, slower(eeg), clock)]


def score_heart(eeg: EEG, ecg: np.ndarray, clean: Cleaner) -> list[float]:
    added, clock = gradients(len(eeg.data), eeg.duration, eeg.sfreq)
    added += pulses(eeg, ecg)
    spoilt = EEG((eeg.data + added).astype(np.float32), eeg.sfreq, eeg.channels, eeg.positions)
    made = clean(spoilt, ecg, clock)
    share = locked_share(made, find_beats(eeg, ecg))
    return [100 * share, *kept(made, slower(eeg), clock)]


def kept(made: EEG, truth: EEG, clock: VolumeClock) -> list[float]:
    """Compare in the scan: alpha power in dB, r of its course over 2 s, error from 1 to 45 Hz."""
    part = slice(round(clock.onset[0] * LAST), round((clock.onset[-1] + TR) * LAST))
    pair = [one.data[:, part].astype(np.float64) for one in (made, truth)]
    powers = [alpha(one) for one in pair]
    change = 10 * np.log10(np.median(powers[0].mean(axis=1) / powers[1].mean(axis=1)))
    courses = [np.log(one) for one in powers]
    r = np.median([np.corrcoef(*both)[0, 1] for both in zip(*courses, strict=True)])
    band = butter(4, (1, 45), "bandpass", fs=LAST, output="sos")
    left, own = (sosfiltfilt(band, one).std(axis=1) for one in (pair[0] - pair[1], pair[1]))
    return [float(change), float(r), float(np.median(left / own))]


def alpha(data: np.ndarray) -> Float64[np.ndarray, "channels windows"]:
    size = round(2 * LAST)
    windows = data[:, : data.shape[1] // size * size].reshape(len(data), -1, size)
    freqs, power = welch(windows, LAST, nperseg=size)
    return np.asarray(power[..., (freqs >= 8) & (freqs <= 13)].mean(axis=-1))


def row(scores: list[list[float]]) -> str:
    """Give medians over people."""
    *lines, change, r, error = np.median(scores, axis=0)
    told = "  ".join(f"{one:+12.1f}" for one in lines)
    return f"{told}  {change:+6.2f} dB  {r:10.3f}  {error:5.2f}"


def measure() -> None:
    """Clean 64 channels at 5 kHz of half an hour, from a file into a file."""
    sfreq, duration, n = 5000.0, 1800.0, 64
    rng = np.random.default_rng(0)
    with tempfile.TemporaryDirectory() as folder:
        shape = (n, round(duration * sfreq))
        data = np.memmap(Path(folder) / "raw", np.float32, "w+", shape=shape)
        added, clock = gradients(1, duration, sfreq)
        ecg = np.zeros(shape[1], np.float32)
        ecg[np.cumsum(rng.integers(4200, 4800, shape[1] // 4800 - 1))] = 1
        wave = np.exp(-((np.arange(-1000, 1000) / 400) ** 2)).astype(np.float32)
        pulse = 1e-4 * np.convolve(ecg, wave, "same")
        for i in range(n):
            data[i] = 2e-5 * rng.standard_normal(shape[1], np.float32) + pulse
            data[i] += rng.normal() * added[0]
        ecg = 1e-3 * np.convolve(ecg, wave[::25], "same")
        data.flush()
        del added, data, pulse
        data = np.memmap(Path(folder) / "raw", np.float32, "r", shape=shape)
        eeg = EEG(data, sfreq, tuple(map(str, range(n))), np.full((n, 3), np.nan))
        with watching() as peaks:
            start = time.perf_counter()
            made, account = clean_eeg(
                eeg, clock, CleanConfig(), FMAX, SLICES, "", lambda: ecg,
                lambda shape, dtype: np.memmap(Path(folder) / "clean", dtype, "w+", shape=shape),
            )  # fmt: skip
            print(f"{time.perf_counter() - start:.0f} s")
    print(account.in_words())
    print(f"{made.data.shape[1]} samples at {made.sfreq:g} Hz")
    print("most memory: " + ", ".join(f"{name} {size:.2f} GB" for name, size in peaks.items()))


if __name__ == "__main__":
    main()
