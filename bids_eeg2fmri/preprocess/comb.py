"""Whether the scanner left its comb in the EEG: lines at multiples of its volumes' rate."""

import numpy as np
from jaxtyping import Float64, Int64
from scipy.signal import welch

from bids_eeg2fmri.preprocess.channels import spread
from bids_eeg2fmri.preprocess.gradient import period_of
from bids_eeg2fmri.preprocess.thinning import low_pass, thin_out
from bids_eeg2fmri.types import Signal, VolumeClock, typed

PERIODS = 8
"""Repetition times in each window of the spectrum, so that lines have seven bins between them."""
BESIDE = (-4, -3, 3, 4)
"""Bins, counted from a line, in which neither it nor the next one is seen."""
BAND = (10.0, 100.0)
"""Frequencies in hertz in which lines are looked for: what trials evoke lies lower."""
MAINS = (50.0, 60.0)
"""Their multiples in hertz may be multiples of the volumes' rate by chance."""
SPARE = 5
"""How many times the highest frequency faster EEG is thinned out to, at least; the windows of the
spectrum are then still a whole number of periods long, to a ten thousandth."""
ALPHA = (8.0, 13.0)
"""In hertz."""


@typed
class Comb:
    """Spectrum of the EEG during the scan, fine enough to show the scanner's lines."""

    freqs: Float64[np.ndarray, " freqs"]
    """In hertz; every ``PERIODS``-th is a multiple of the volumes' rate."""
    power: Float64[np.ndarray, " freqs"]
    """Median over channels, in V²/Hz."""

    def lines(self, slices: int = 1) -> Int64[np.ndarray, " lines"]:
        """Find the bins at multiples of the rate of slices, by default of volumes, in ``BAND``."""
        step = PERIODS * slices
        every = np.arange(step, len(self.freqs) - PERIODS, step)
        freqs = self.freqs[every]
        far = np.all([np.abs(freqs - hum * np.round(freqs / hum)) > 1 for hum in MAINS], axis=0)
        return np.asarray(every[far & (freqs >= BAND[0]) & (freqs <= BAND[1])])

    def prominence(self, slices: int = 1) -> float:
        """Tell by how many decibels these lines rise above what lies beside them, on average.

        NaN where there are none.
        """
        lines = self.lines(slices)
        beside = self.power[lines[:, None] + BESIDE].mean(axis=1)
        return float(10 * np.log10(np.mean(self.power[lines] / beside))) if len(lines) else np.nan

    @property
    def alpha(self) -> float:
        """Power of the alpha band beside the lines, in V²/Hz."""
        every = np.arange(PERIODS, len(self.freqs) - PERIODS, PERIODS)
        beside = np.unique(every[:, None] + BESIDE)
        freqs = self.freqs[beside]
        return float(self.power[beside[(freqs >= ALPHA[0]) & (freqs <= ALPHA[1])]].mean())


def find_comb(eeg: Signal, clock: VolumeClock) -> Comb | None:
    """Take the spectrum of the EEG during the scan, of channels spread over the head.

    None where less than ``PERIODS`` repetition times of it were recorded.
    """
    period = period_of(clock)
    begin = max(0, int(clock.onset[0] * eeg.sfreq))
    end = min(eeg.n_times, int((clock.onset[-1] + period) * eeg.sfreq))
    if end - begin < round(PERIODS * period * eeg.sfreq):
        return None
    highest = min(0.4 * eeg.sfreq, BAND[1] + PERIODS / period)
    chosen = eeg.of(tuple(eeg.channels[i] for i in spread(len(eeg.channels))))
    factor = max(1, int(eeg.sfreq / (SPARE * highest)))
    if factor == 1:
        data, response = chosen.stretch(begin, end), None
    else:
        thinning = low_pass(eeg.sfreq, highest, factor)
        data, response = thin_out(chosen.stretch, begin, end, thinning), thinning.response
    sfreq = eeg.sfreq / factor
    powers = []
    for channel in data.T:
        freqs, power = welch(channel, sfreq, nperseg=round(PERIODS * period * sfreq))
        powers.append(power)
    kept = freqs < highest
    found = np.median(powers, axis=0)[kept].astype(np.float64)
    if response is not None:
        found /= response(freqs[kept] / eeg.sfreq) ** 2
    return Comb(freqs[kept], found)
