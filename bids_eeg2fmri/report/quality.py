"""How the data of a run are: what became of each volume, the clock, the head, the EEG."""

from itertools import groupby

import matplotlib
import numpy as np
from jaxtyping import Float, Float64
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from bids_eeg2fmri.report.cleaning import Cleaning, cleaning_picture
from bids_eeg2fmri.report.figures import (
    FILL,
    GREY,
    HALF,
    OBSERVED,
    PARTS,
    STYLE,
    WHOLE,
    to_svg,
)
from bids_eeg2fmri.report.pictures import Drawing, Picture, draw
from bids_eeg2fmri.report.words import counted, number, percent
from bids_eeg2fmri.types import typed

LEAST_ROOM = 0.1
"""Residuals of the clock in milliseconds up to which all clocks look alike."""
PARTS_IN_WORDS = {
    "train": "training",
    "valid": "validation",
    "test": "test",
    "gap": "left out between them",
    "lost": "without EEG history",
}


@typed
class Spectrum:
    """How strong the EEG of a run is at each frequency."""

    freqs: Float64[np.ndarray, " freqs"]
    """In hertz."""
    power: Float64[np.ndarray, "3 freqs"]
    """5th percentile, median and 95th over the channels, in µV²/Hz."""
    used: tuple[float, float]
    """Lowest and highest frequency that models see, in hertz."""


@typed
class Quality:
    """What is told of a run's data before any result."""

    onset: Float64[np.ndarray, " volumes"]
    """When each stored volume was acquired, in seconds since the first."""
    part: tuple[str, ...]
    """What became of it, one of ``figures.PARTS``."""
    marker_time: Float64[np.ndarray, " markers"]
    """When each marker of the clock came, in seconds since the first volume; empty without any."""
    marker_residual: Float64[np.ndarray, " markers"]
    """How far from the volume's time on the fitted clock, in seconds."""
    displacement: Float64[np.ndarray, " volumes"] | None = None
    """Framewise displacement of the head in millimetres; none where motion is unknown."""
    spectrum: Spectrum | None = None
    """Of the EEG."""
    artefacts: str = ""
    """What was found of the scanner in the EEG, and what became of it; empty if nobody looked."""
    cleaning: Cleaning | None = None
    """The EEG before and after; none where nothing was taken out."""


def quality_drawings(run: str, quality: Quality | None) -> dict[str, Drawing]:
    """Draw what is known of a run's data."""
    if quality is None:
        return {}
    made = {"timeline": draw(f"the timeline of {run}", lambda: _timeline_picture(run, quality))}
    spectrum = quality.spectrum
    if spectrum is not None:
        made["spectrum"] = draw(f"the EEG of {run}", lambda: spectrum_picture(run, spectrum))
    cleaning = quality.cleaning
    if cleaning is not None:
        made["cleaning"] = draw(f"the artefacts of {run}", lambda: cleaning_picture(run, cleaning))
    return made


def _timeline_picture(run: str, quality: Quality) -> Picture:
    told = ", ".join(f"{counted(n, 'volume')} {PARTS_IN_WORDS[part]}" for part, n in _runs(quality))
    panels = [f"In order of time: {told}."]
    caption = "What became of each volume, over the whole run."
    if quality.marker_time.size:
        residual = 1000 * np.abs(quality.marker_residual)
        panels.append(
            f"Markers lie {number(float(np.median(residual)), 2)} ms from the clock in the median, "
            f"{number(float(residual.max()), 2)} ms at most."
        )
        caption += " Clock: each marker minus the time that the fitted clock gives its volume."
    if quality.displacement is not None:
        moved = quality.displacement
        often = percent(float(np.mean(moved > 0.5)))
        panels.append(
            f"Framewise displacement: median {number(float(np.median(moved)), 2)} mm, largest "
            f"{number(float(moved.max()), 2)} mm, above 0.5 mm in {often}."
        )
        caption += (
            " Head: framewise displacement (Power et al. 2012: rotations on a sphere of 50 mm), "
            "dashed at 0.5 mm."
        )
    return Picture(
        f"{run}_desc-quality_timeline",
        to_svg(timeline(quality)),
        " ".join(panels),
        caption,
        wide=True,
    )


def spectrum_picture(run: str, spectrum: Spectrum) -> Picture:
    """Draw the spectrum of the EEG, and say what part of it models see."""
    strongest = spectrum.freqs[1:][spectrum.power[1, 1:].argmax()]
    low, high = spectrum.used
    return Picture(
        f"{run}_desc-eeg_spectrum",
        to_svg(spectrum_plot(spectrum)),
        f"Power of the EEG from {spectrum.freqs[1]:.2g} to {spectrum.freqs[-1]:.3g} Hz; its median "
        f"over channels is largest at {strongest:.2g} Hz.",
        "The EEG that the models' windows are cut from: median over channels, and in grey from "
        f"the 5th to the 95th percentile. Models see {low:g} to {high:g} Hz (between the dashed "
        "lines). A comb of narrow peaks at multiples of the slices' rate is left of the scanner's "
        "gradients.",
    )


def _runs(quality: Quality) -> list[tuple[str, int]]:
    """Count neighbours that share their fate."""
    return [(part, len([*members])) for part, members in groupby(quality.part)]


@matplotlib.rc_context(STYLE)
def timeline(quality: Quality) -> Figure:
    """Draw what became of each volume, and below it the clock's residuals and the head's motion."""
    panels = ["part"]
    panels += ["clock"] * bool(quality.marker_time.size)
    panels += ["head"] * (quality.displacement is not None)
    heights = {"part": 0.35, "clock": 1.2, "head": 1.2}
    sizes = [heights[name] for name in panels]
    figure = Figure(figsize=(WHOLE, 0.6 + sum(sizes) + 0.1 * len(panels)), layout="constrained")
    axes = figure.subplots(len(panels), 1, sharex=True, squeeze=False, height_ratios=sizes)[:, 0]
    for ax, name in zip(axes, panels, strict=True):
        if name == "part":
            _draw_parts(ax, quality)
        elif name == "clock":
            residual = 1000 * quality.marker_residual
            _draw_series(ax, quality.marker_time, residual, "clock, ms", ".")
            room = max(LEAST_ROOM, 1.2 * float(np.abs(residual).max()))
            ax.set_ylim(-room, room)
        elif quality.displacement is not None:
            ax.axhline(0.5, color=GREY, linewidth=1, linestyle=(0, (3, 2)))
            _draw_series(ax, quality.onset, quality.displacement, "head, mm", "-")
            ax.set_ylim(bottom=0)
    axes[-1].set_xlabel("seconds since the first volume of the run")
    return figure


def _draw_parts(ax: Axes, quality: Quality) -> None:
    """Draw neighbours of one fate as one bar."""
    step = float(np.median(np.diff(quality.onset))) if len(quality.onset) > 1 else 1.0
    first = 0
    for part, n in _runs(quality):
        left, right = quality.onset[first], quality.onset[first + n - 1] + step
        ax.barh(0, right - left, left=left, height=1, color=PARTS[part], linewidth=0)
        first += n
    ax.set_yticks([])
    ax.grid(visible=False)
    ax.spines[:].set_visible(False)
    ax.tick_params(axis="x", length=0)
    ax.margins(x=0.01, y=0)


def _draw_series(
    ax: Axes,
    time: Float[np.ndarray, " time"],
    values: Float[np.ndarray, " time"],
    label: str,
    mark: str,
) -> None:
    ax.plot(time, values, mark, color=OBSERVED, markersize=3, linewidth=1)
    ax.set_ylabel(label)
    ax.margins(x=0.01, y=0.15)
    ax.locator_params(axis="y", nbins=4)


@matplotlib.rc_context(STYLE)
def spectrum_plot(spectrum: Spectrum) -> Figure:
    """Draw power by frequency, median and spread over channels, on a logarithmic scale."""
    figure = Figure(figsize=(HALF, 3.0), layout="constrained")
    ax = figure.subplots()
    low, middle, high = spectrum.power[:, 1:]  # what is left at 0 Hz tells nothing
    freqs = spectrum.freqs[1:]
    ax.fill_between(freqs, low, high, color=FILL, linewidth=0)
    ax.plot(freqs, middle, color=OBSERVED, linewidth=1.2)
    for edge in spectrum.used:
        ax.axvline(edge, color=GREY, linewidth=1, linestyle=(0, (3, 2)))
    ax.set(xlabel="Hz", ylabel="µV²/Hz", yscale="log", xlim=(0, freqs[-1]))
    ax.yaxis.set_major_formatter("{x:g}")
    return figure
