"""The report of EEG that a saved model was applied to: whether to believe it comes first."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from itertools import chain
from pathlib import Path

import matplotlib
import numpy as np
from jaxtyping import Bool, Float, Float64
from matplotlib.figure import Figure

from bids_eeg2fmri.report import mosaic, scalp
from bids_eeg2fmri.report.figures import (
    BLUE,
    GREY,
    HALF,
    ORANGE,
    STYLE,
    SYNTHESISED,
    WHOLE,
    glyphs,
    to_svg,
)
from bids_eeg2fmri.report.maps import LAYOUT
from bids_eeg2fmri.report.page import Provenance, Save, folder_link, render, write
from bids_eeg2fmri.report.pictures import (
    Drawing,
    Picture,
    Training,
    draw,
    in_words,
    training_picture,
)
from bids_eeg2fmri.report.quality import Spectrum, spectrum_picture
from bids_eeg2fmri.report.words import counted, percent
from bids_eeg2fmri.types import typed

USUAL = 0.02
"""Share of the EEG of the training itself that lies outside its range."""


@typed
class ElectrodeMap:
    """How the electrodes of the model follow from those that were recorded."""

    channels: tuple[str, ...]
    """The model's electrodes."""
    positions: Float64[np.ndarray, "channels 3"]
    """Where they sit, in metres; NaN where unknown."""
    interpolated: Bool[np.ndarray, " channels"]
    """Which were not recorded."""
    summary: str
    """The same in words."""


@typed
class Domain:
    """How far the EEG lies from that of the training."""

    freqs: Float64[np.ndarray, " freqs"]
    """In hertz."""
    outside: Float64[np.ndarray, "channels freqs"]
    """Share of windows outside the range from the 1st to the 99th percentile of the training."""
    limit: float
    """Share from which on the report warns."""

    @property
    def share(self) -> float:
        """Mean over electrodes and frequencies."""
        return float(self.outside.mean())


@typed
class AppliedRun:
    """What a model made of one recording."""

    name: str
    """E.g. ``sub-01_task-rest``."""
    facts: dict[str, str]
    """What is told of it, by what it is."""
    mapping: ElectrodeMap
    domain: Domain
    spectrum: Spectrum
    time: Float64[np.ndarray, " time"]
    """When each volume was synthesised, in seconds since the EEG began."""
    courses: dict[str, Float64[np.ndarray, " time"]]
    """Synthesised signals in percent of their mean, by what they are of."""
    mean: Float[np.ndarray, "x y z"]
    """Mean of the synthesised volumes."""
    sd: Float[np.ndarray, "x y z"]
    """Their standard deviation over time, in percent of the mean."""
    mask: Bool[np.ndarray, "x y z"]
    """Brain mask of the model."""
    affine: Float64[np.ndarray, "4 4"]
    """From voxel indices to millimetres."""
    notes: tuple[str, ...]
    """What was odd and how it was dealt with."""
    files: dict[str, tuple[str, ...]]
    """Paths of the data behind the pictures, relative to the page, by the name of the picture."""


@dataclass(frozen=True)
class AppliedReport:
    """All that the page says."""

    participant: str
    dataset: str
    model: str
    """Name of the model."""
    headline: tuple[str, ...]
    """Whether to believe it."""
    caution: str
    """Why not; empty where it was found informative."""
    model_facts: Mapping[str, str]
    """What it was trained on and how it did, by what it is."""
    runs: tuple[AppliedRun, ...]
    training: Training
    provenance: Provenance
    problems: tuple[str, ...] = ()
    """What failed and why."""
    search: tuple[Drawing, ...] = ()


def write_applied_report(
    path: Path, report: AppliedReport, save: Save, figures_dir: Path
) -> list[Path]:
    """Write one self-contained page and, below ``figures_dir``, each figure as a file."""
    pictures = {run.name: _drawings(run) for run in report.runs}
    curve = partial(training_picture, report.training, path.stem)
    training = (draw(f"the training of {report.training.model}", curve),)
    html = render(
        "applied.html.jinja",
        figures_at=folder_link(path, figures_dir),
        report=report,
        drawings=pictures,
        training=training,
    )
    shown = [*chain(*(one.values() for one in pictures.values())), *training]
    return write(path, html, shown, save, figures_dir)


def _drawings(run: AppliedRun) -> dict[str, Drawing]:
    makers = {
        "montage": lambda: _montage_picture(run),
        "spectrum": lambda: spectrum_picture(run.name, run.spectrum),
        "domain": lambda: _domain_picture(run),
        "mean": lambda: _map_picture(run, "mean"),
        "sd": lambda: _map_picture(run, "sd"),
        "time": lambda: _time_picture(run),
    }
    return {
        name: draw(f"{run.name}, {name}", make, *run.files.get(name, ()))
        for name, make in makers.items()
    }


def _montage_picture(run: AppliedRun) -> Picture:
    mapping = run.mapping
    on_scalp = bool(np.isfinite(mapping.positions).all())
    n = len(mapping.channels)
    places = scalp.project(mapping.positions) if on_scalp else scalp.circle(n)
    figure = scalp.montage(places, mapping.channels, mapping.interpolated, on_scalp=on_scalp)
    where = "seen from above, nose up" if on_scalp else "on a circle, as their places are unknown"
    return Picture(
        f"{run.name}_desc-montage_electrodes",
        to_svg(figure),
        f"The model's electrodes, {where}: {mapping.summary}.",
        f"The model's electrodes, {where}. Blue: recorded. Orange rings: interpolated by spherical "
        "splines from what was recorded.",
    )


def _domain_picture(run: AppliedRun) -> Picture:
    domain = run.domain
    return Picture(
        f"{run.name}_desc-domain_shift",
        to_svg(_domain_plot(run)),
        f"Share of the EEG outside the range of the training EEG by frequency; "
        f"{percent(domain.share, 1)} on the whole, {percent(USUAL)} in the training itself.",
        "Share of the EEG, as the model sees it, outside the 1st to 99th percentile of its "
        f"training EEG; dotted at {percent(USUAL)}, which the training itself has. "
        f"{percent(domain.share, 1)} on the whole.",
    )


@matplotlib.rc_context(STYLE)
def _domain_plot(run: AppliedRun) -> Figure:
    domain, lost = run.domain, run.mapping.interpolated
    figure = Figure(figsize=(HALF, 3.0), layout="constrained")
    ax = figure.subplots()
    for colour, those, label in ((BLUE, ~lost, "recorded"), (ORANGE, lost, "interpolated")):
        if those.any():
            share = 100 * domain.outside[those].mean(axis=0)
            ax.plot(domain.freqs, share, color=colour, linewidth=1.2, label=label)
    ax.axhline(100 * USUAL, color=GREY, linewidth=1, linestyle=(0, (1, 2)))
    ax.set(xlabel="Hz", ylabel="outside, %")
    ax.set_ylim(bottom=0)
    ax.legend()
    return figure


def _map_picture(run: AppliedRun, which: str) -> Picture:
    values, title, units = {
        "mean": (run.mean, "Mean of the synthesised volumes", "units of the model's BOLD"),
        "sd": (run.sd, "Standard deviation of the synthesised signal over time", "% of the mean"),
    }[which]
    view = mosaic.axial_view(run.mask, run.affine, slices=7, columns=7)
    told = {
        "mean": "It is that of the people whom the model was trained on.",
        "sd": "Where it is 0 the output is constant.",
    }[which]
    return Picture(
        f"{run.name}_stat-{which}_map",
        mosaic.to_png(mosaic.draw_sizes(view, {"": values}, run.mask, units)),
        f"{title} on {counted(len(view.levels), 'axial slice')}. {in_words(values[run.mask])}",
        f"{title}. {told} {LAYOUT} {in_words(values[run.mask])}",
        wide=True,
    )


def _time_picture(run: AppliedRun) -> Picture:
    return Picture(
        f"{run.name}_desc-signal_timecourse",
        to_svg(_courses_plot(run)),
        f"Synthesised signal, one panel each: {'; '.join(run.courses)}.",
        "Synthesised signal of the brain and of the parcels in which it varies most. Nothing was "
        "observed that it could be held against.",
        wide=True,
    )


@matplotlib.rc_context(STYLE)
def _courses_plot(run: AppliedRun) -> Figure:
    n = len(run.courses)
    figure = Figure(figsize=(WHOLE, 0.6 + 1.5 * n), layout="constrained")
    axes = figure.subplots(n, 1, sharex=True, squeeze=False)[:, 0]
    for ax, (title, series) in zip(axes, run.courses.items(), strict=True):
        ax.plot(run.time, series, color=SYNTHESISED)
        ax.set(title=glyphs(title), ylabel="% of the mean")
        ax.margins(x=0.01)
    axes[-1].set_xlabel("seconds since the EEG began")
    return figure
