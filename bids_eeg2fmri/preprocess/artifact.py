"""Which artefacts of the scanner are in the EEG, and the order in which they are taken out.

Those of the gradients at the full rate, then a low pass and fewer samples, then those of the heart.
"""

import warnings
from collections.abc import Callable
from dataclasses import field, replace

import numpy as np
from jaxtyping import Float32, Float64
from scipy.signal import resample_poly

from bids_eeg2fmri.config import CleanConfig
from bids_eeg2fmri.errors import DataWarning
from bids_eeg2fmri.preprocess.channels import rows_of, spread
from bids_eeg2fmri.preprocess.comb import Comb, find_comb
from bids_eeg2fmri.preprocess.gradient import Scan, find_scan, mean_volume, subtract
from bids_eeg2fmri.preprocess.pulse import find_beats, locked_share, subtract_beats
from bids_eeg2fmri.types import EEG, Allocate, Signal, VolumeClock, nothing, typed

LEAST_RATE = 250.0
"""Lowest rate in hertz to which cleaned EEG is brought."""
ROOM = 2.5
"""How many times the highest frequency that models see that rate is at least: the low pass begins
at four fifths of half of it."""
SHOWN = 400
"""Points of the mean volume that are kept for its picture."""

ReadECG = Callable[[], Float32[np.ndarray, " time"] | None]
"""Read the channel of the heart, at the rate of the EEG; gives none where there is none."""


@typed
class Account:
    """What the scanner had left in the EEG of a run, and what became of it."""

    steps: tuple[str, ...] = ()
    """What was taken out, e.g. ``gradient``."""
    volumes: int = 0
    """Volumes whose artefact was taken out, be they stored or not."""
    slices: int = 1
    """Excitations in each volume; 1 where nobody tells."""
    freqs: Float64[np.ndarray, " freqs"] = field(default_factory=nothing)
    """Of the spectra, in hertz; empty where the scan was too short for one, or nobody looked."""
    before: Float64[np.ndarray, " freqs"] = field(default_factory=nothing)
    """Spectrum of the EEG as recorded, see ``Comb``."""
    after: Float64[np.ndarray, " cleaned"] = field(default_factory=nothing)
    """Spectrum of the cleaned EEG at the first of these frequencies; empty where it is the same."""
    time: Float64[np.ndarray, " time"] = field(default_factory=nothing)
    """Seconds since the volume began, of its mean; empty where nothing was taken out."""
    mean_before: Float64[np.ndarray, " time"] = field(default_factory=nothing)
    """Root mean square over channels of their mean volumes as recorded, in volts."""
    mean_after: Float64[np.ndarray, " time"] = field(default_factory=nothing)
    """The same of what is left, in volts."""
    heart: str = ""
    """What told the beats of the heart, ``ECG`` or ``EEG``; empty where none were found."""
    rate: float = np.nan
    """Beats a minute."""
    locked: tuple[float, ...] = ()
    """Share of the EEG's power that all beats have in common, without the gradients' artefact and,
    if it was taken out, without that of the heart."""

    @property
    def combs(self) -> tuple[Comb, ...]:
        """The spectrum before and, where something was taken out, after."""
        spectra = [one for one in (self.before, self.after) if one.size]
        return tuple(Comb(self.freqs[: len(one)], one) for one in spectra)

    @property
    def volume_lines(self) -> tuple[float, ...]:
        """How far multiples of the volumes' rate rise before and after, in decibels."""
        return tuple(comb.prominence() for comb in self.combs)

    @property
    def slice_lines(self) -> tuple[float, ...]:
        """The same of the slices' rate; empty where nobody tells it."""
        return tuple(comb.prominence(self.slices) for comb in self.combs if self.slices > 1)

    @property
    def alpha_change(self) -> float:
        """Change of the alpha band beside the lines in decibels; NaN where it was not cleaned."""
        powers = [comb.alpha for comb in self.combs]
        return float(10 * np.log10(powers[1] / powers[0])) if len(powers) > 1 else np.nan

    def summary(self) -> dict[str, object]:
        """Give the figures of merit, under names that tell the units; NaN for what is unknown."""
        told: dict[str, object] = {"removed": list(self.steps), "volumes": self.volumes}
        for name, values in (
            ("volume_lines_db", self.volume_lines),
            ("slice_lines_db", self.slice_lines),
            ("heart_locked_share", self.locked),
        ):
            told[name] = dict(zip(("before", "after"), values, strict=False))
        if self.steps:
            told["alpha_change_db"] = self.alpha_change
        if self.heart:
            told |= {"beats_from": self.heart, "beats_per_minute": self.rate}
        return told

    def in_words(self) -> str:
        """Tell it in one line."""
        lines = [f"{line:z.1f}" for line in self.volume_lines]
        if not self.steps:
            if not lines:
                return "too few volumes to look for artefacts"
            return f"no artefact of the gradients taken out; their lines rise {lines[0]} dB"
        text = f"gradients of {self.volumes} volumes taken out"
        if lines:
            text += f", lines from {' to '.join(lines)} dB"
        if self.heart:
            shares = " to ".join(f"{share:.1%}" for share in self.locked)
            found = "taken out, from" if "bcg" in self.steps else "left alone, at"
            text += f"; heart at {self.rate:.0f}/min by {self.heart} {found} {shares} of the power"
        return text


def clean_eeg(
    eeg: Signal,
    clock: VolumeClock,
    cfg: CleanConfig,
    fmax: float,
    slices: int,
    run: str,
    read_ecg: ReadECG,
    allocate: Allocate = np.empty,
) -> tuple[Signal, Account]:
    """Take out of the EEG what ``cfg.method`` says, and bring it to the rate that models need.

    A few channels are in memory at a time. ``allocate`` is called at most once.

    Parameters
    ----------
    fmax
        Highest frequency that models see, in hertz.
    slices
        Excitations in each volume; 1 where nobody tells.
    run
        For messages.

    Returns
    -------
    The EEG itself where nothing is taken out.
    """
    if cfg.method == "none":
        return eeg, Account()
    comb = find_comb(eeg, clock)
    account = Account(slices=slices)
    if comb:
        account = replace(account, freqs=comb.freqs, before=comb.power)
    if cfg.method == "auto" and not (comb and comb.prominence() >= cfg.prominence):
        return eeg, account
    scan = find_scan(eeg, clock, cfg.averaged, cfg.components)
    if scan is None:
        _warn(f"{run}: too few volumes have EEG for a template of their artefact; not cleaned")
        return eeg, account
    factor = max(1, int(eeg.sfreq / max(LEAST_RATE, ROOM * fmax)))
    cleaned, account = _without_gradients(eeg, scan, factor, allocate, account)
    if cfg.method != "gradient":
        ecg = read_ecg()
        heart = None if ecg is None else _slower(subtract(ecg, scan), factor)
        account = _without_pulse(cleaned, heart, cfg, run, account)
    after = find_comb(cleaned, clock)
    if after and after.prominence() >= cfg.prominence:
        _warn(
            f"{run}: lines of the gradients still rise {after.prominence():.0f} dB in the "
            "cleaned EEG; look at its spectrum, and leave the run out if models see them"
        )
    if after:
        account = replace(account, after=after.power[: len(account.freqs)])
    return cleaned, account


def _without_gradients(
    eeg: Signal, scan: Scan, factor: int, allocate: Allocate, account: Account
) -> tuple[EEG, Account]:
    """Clean channel by channel, and keep one sample of ``factor``."""
    n = len(eeg.channels)
    data = allocate((n, -(-eeg.n_times // factor)), np.float32)
    shown = spread(n)
    squares = []
    for i, series in enumerate(rows_of(eeg, range(n))):
        cleaned = subtract(series, scan)
        if i in shown:
            squares.append([mean_volume(one, scan) ** 2 for one in (series, cleaned)])
        data[i] = _slower(cleaned, factor)
    mean = np.asarray(squares, np.float64).mean(axis=0)
    step = max(1, mean.shape[1] // SHOWN)
    mean = np.sqrt(mean[:, : mean.shape[1] // step * step].reshape(2, -1, step).mean(axis=2))
    time = (np.arange(mean.shape[1]) + 0.5) * step / eeg.sfreq
    return EEG(data, eeg.sfreq / factor, eeg.channels, eeg.positions, eeg.bad), replace(
        account,
        steps=("gradient",),
        volumes=len(scan.first),
        time=time,
        mean_before=mean[0],
        mean_after=mean[1],
    )


def _slower(series: Float32[np.ndarray, " time"], factor: int) -> Float32[np.ndarray, " kept"]:
    """Keep one sample of ``factor``, without what is too fast for it."""
    if factor == 1:
        return series
    return np.asarray(resample_poly(series, 1, factor, padtype="line"), np.float32)


def _without_pulse(
    eeg: EEG,
    ecg: Float32[np.ndarray, " time"] | None,
    cfg: CleanConfig,
    run: str,
    account: Account,
) -> Account:
    """Take the artefact of the heart out of the EEG, in its place."""
    beats = find_beats(eeg, ecg)
    if beats is None:
        where = "the EEG" if ecg is None else "the ECG or the EEG"
        _warn(f"{run}: no regular beats of a heart in {where}; their artefact is left alone")
        return account
    share = locked_share(eeg, beats)
    account = replace(account, heart=beats.source, rate=beats.rate, locked=(share,))
    if cfg.method == "auto" and share < cfg.locked:
        return account
    for series in eeg.data:
        series[:] = subtract_beats(series, eeg.sfreq, beats, cfg.beat_components)
    locked = (share, locked_share(eeg, beats))
    return replace(account, steps=(*account.steps, "bcg"), locked=locked)


def _warn(text: str) -> None:
    warnings.warn(text, DataWarning, stacklevel=3)
