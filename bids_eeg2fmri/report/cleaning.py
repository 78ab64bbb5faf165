"""What the scanner left in the EEG of a run, before and after it was taken out."""

import matplotlib
import numpy as np
from jaxtyping import Float64
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from bids_eeg2fmri.report.figures import BLUE, GREY, INK, STYLE, WHOLE, to_svg
from bids_eeg2fmri.report.pictures import Picture
from bids_eeg2fmri.report.words import number, percent
from bids_eeg2fmri.types import typed


@typed
class Cleaning:
    """The EEG of a run with and without the artefacts of the scanner."""

    freqs: Float64[np.ndarray, " freqs"]
    """In hertz."""
    before: Float64[np.ndarray, " freqs"]
    """Power of the EEG as recorded, median over channels, in µV²/Hz."""
    after: Float64[np.ndarray, " freqs"]
    """Power of the cleaned EEG."""
    rate: float
    """Of slices, or else of volumes, in hertz; its multiples are marked."""
    volume_lines: tuple[float, ...]
    """How far multiples of the volumes' rate rise above what is beside them, before and after, in
    decibels."""
    slice_lines: tuple[float, ...]
    """The same of multiples of the slices' rate; empty where nobody tells it."""
    alpha: float
    """Change of the alpha band beside the lines, in decibels."""
    time: Float64[np.ndarray, " time"]
    """Seconds since a volume began."""
    mean_before: Float64[np.ndarray, " time"]
    """Mean volume, root mean square over channels, in µV."""
    mean_after: Float64[np.ndarray, " time"]
    """The same of what is left."""
    beats: float
    """Beats of the heart a minute; NaN where none were found."""
    locked: tuple[float, ...]
    """Share of the power that all beats have in common, before and, if it was taken out, after."""


def cleaning_picture(run: str, cleaning: Cleaning) -> Picture:
    """Draw the spectrum and the mean volume before and after, and tell the figures of merit."""
    told = f"Lines at multiples of the volumes' rate: {_from_to(cleaning.volume_lines)}"
    if cleaning.slice_lines:
        told += f"; of the slices': {_from_to(cleaning.slice_lines)}"
    told += f". Alpha power between them changed by {number(cleaning.alpha, 1)} dB. "
    if np.isfinite(cleaning.beats):
        first, *after = (percent(share, 1) for share in cleaning.locked)
        told += (
            f"The heart beat {cleaning.beats:.0f} times a minute; what all beats have in common "
            f"was {first} of the power around them, {f'{after[0]} after' if after else 'and stays'}"
            ". "
        )
    return Picture(
        f"{run}_desc-cleaning_spectrum",
        to_svg(cleaning_plot(cleaning)),
        told,
        f"{told}Left: spectrum of the EEG during the scan, as recorded (grey) and cleaned (blue), "
        f"median over channels, multiples of {number(cleaning.rate, 2)} Hz marked above. Right: "
        "mean of all volumes, root mean square over channels. What is left there is EEG that "
        "averaging has not cancelled. Lines below 0 dB have lost EEG with the artefact.",
        wide=True,
    )


@matplotlib.rc_context(STYLE)
def cleaning_plot(cleaning: Cleaning) -> Figure:
    """Draw spectrum and mean volume, both on logarithmic scales."""
    figure = Figure(figsize=(WHOLE, 3.0), layout="constrained")
    left, right = figure.subplots(1, 2, width_ratios=(3, 2))
    seen = cleaning.freqs > 1
    _draw(left, cleaning.freqs[seen], cleaning.before[seen], cleaning.after[seen])
    last = float(cleaning.freqs[-1])
    marks = np.arange(cleaning.rate, last, cleaning.rate)
    if len(marks) < len(cleaning.freqs) / 20:
        left.plot(marks, np.full(len(marks), 0.98), "v", color=INK, markersize=3,
                  transform=left.get_xaxis_transform())  # fmt: skip
    left.set(xlabel="Hz", ylabel="µV²/Hz", xlim=(0, last))
    _draw(right, cleaning.time, cleaning.mean_before, cleaning.mean_after)
    right.set(xlabel="seconds since the volume began", ylabel="µV")
    return figure


def _draw(
    ax: Axes,
    x: Float64[np.ndarray, " x"],
    before: Float64[np.ndarray, " x"],
    after: Float64[np.ndarray, " x"],
) -> None:
    ax.plot(x, before, color=GREY, linewidth=0.8)
    ax.plot(x, after, color=BLUE, linewidth=1.0)
    ax.set_yscale("log")
    ax.yaxis.set_major_formatter("{x:g}")
    ax.margins(x=0)


def _from_to(decibels: tuple[float, ...]) -> str:
    return f"{number(decibels[0], 1)} dB before, {number(decibels[-1], 1)} dB after"
