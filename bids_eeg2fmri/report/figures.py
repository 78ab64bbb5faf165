"""Line plots as SVG without a background, in colours that each have a twin for dark pages."""

import io
from collections.abc import Sequence
from typing import Any

import matplotlib
import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from matplotlib.transforms import blended_transform_factory

from bids_eeg2fmri.report.words import minus

INK, GREY, GRID, FILL = "#1c2430", "#697482", "#dde2e8", "#c3cad3"
BLUE, ORANGE = "#0072b2", "#c84f00"  # after Okabe & Ito: told apart by colour-blind eyes
DARK = {
    INK: "#dfe4ea",
    GREY: "#98a2b0",
    GRID: "#2b323c",
    FILL: "#4b5563",
    BLUE: "#56b4e9",
    ORANGE: "#f0904b",
}
STYLE: dict[Any, Any] = {
    "axes.axisbelow": True,
    "axes.edgecolor": GREY,
    "axes.grid": True,
    "axes.labelcolor": INK,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlelocation": "left",
    "axes.titlesize": 10,
    "font.family": "DejaVu Sans",
    "font.size": 9,
    "grid.color": GRID,
    "grid.linewidth": 0.8,
    "legend.frameon": False,
    "legend.labelcolor": INK,
    "lines.linewidth": 1.6,
    "svg.hashsalt": "bids_eeg2fmri",
    "text.color": INK,
    "text.parse_math": False,
    "xtick.color": GREY,
    "xtick.labelcolor": INK,
    "ytick.color": GREY,
    "ytick.labelcolor": INK,
}
HALF, WHOLE = 4.8, 9.8  # inches: half and whole width of a page

Series = Float[np.ndarray, " time"]


@matplotlib.rc_context(STYLE)
def to_svg(figure: Figure) -> bytes:
    """Write a figure as SVG; the same figure gives the same bytes."""
    buffer = io.BytesIO()
    nobody = {"Creator": None, "Date": None, "Format": None, "Type": None}
    figure.savefig(buffer, format="svg", transparent=True, metadata=nobody)
    return buffer.getvalue()


def darken(svg: bytes) -> bytes:
    """Recolour a figure of this module for a dark page."""
    for light, dark in DARK.items():
        svg = svg.replace(light.encode(), dark.encode())
    return svg


@matplotlib.rc_context(STYLE)
def training_curves(
    train_loss: Sequence[float], valid_loss: Sequence[float], best_epoch: int
) -> Figure:
    """Draw both losses by epoch, each on its own scale; ``best_epoch`` is counted from one."""
    figure = Figure(figsize=(HALF, 3.4), layout="constrained")
    axes = figure.subplots(2, 1, sharex=True)
    epochs = np.arange(1, len(train_loss) + 1)
    pairs = ((train_loss, "training loss", BLUE), (valid_loss, "validation loss", ORANGE))
    for ax, (losses, title, colour) in zip(axes, pairs, strict=True):
        ax.axvline(best_epoch, color=GREY, linewidth=1, linestyle=(0, (3, 2)))
        ax.plot(epochs, losses, color=colour, marker="o", markersize=3)
        ax.plot(best_epoch, losses[best_epoch - 1], "o", color=colour, markersize=7)
        ax.set_title(title)
        ax.margins(x=0.06, y=0.15)
        ax.ticklabel_format(axis="y", useOffset=False)
    axes[1].set_xlabel("epoch")
    axes[1].xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    return figure


@matplotlib.rc_context(STYLE)
def null_histogram(null: Float[np.ndarray, " draws"], r: float) -> Figure:
    """Draw the temporal r that shifted EEG gives, and where the true one lies."""
    figure = Figure(figsize=(HALF, 3.0), layout="constrained")
    ax = figure.subplots()
    ax.hist(null, bins=min(30, max(5, len(null) // 4)), color=FILL, edgecolor=GREY, linewidth=0.5)
    ax.axvline(r, color=ORANGE, linewidth=2)
    left = r > np.mean(null)
    place = blended_transform_factory(ax.transData, ax.transAxes)
    ax.annotate(
        f"EEG in time\nr = {minus(f'{r:z.3f}')}",
        (r, 0.97),
        xycoords=place,
        xytext=(-6 if left else 6, 0),
        textcoords="offset points",
        color=ORANGE,
        ha="right" if left else "left",
        va="top",
    )
    ax.margins(x=0.08, y=0.12)
    ax.grid(visible=False, axis="x")
    ax.set(xlabel="mean temporal r over the mask", ylabel="shifted EEG, draws")
    ax.locator_params(axis="x", nbins=6)
    ax.yaxis.set_major_locator(MaxNLocator(6, integer=True))
    return figure


@matplotlib.rc_context(STYLE)
def time_courses(time: Series, panels: Sequence[tuple[str, Series, Series]], units: str) -> Figure:
    """Draw observed and synthesised signal, one panel each: its title and the two series."""
    figure = Figure(figsize=(WHOLE, 0.6 + 1.7 * len(panels)), layout="constrained")
    axes = figure.subplots(len(panels), 1, sharex=True, squeeze=False)[:, 0]
    for ax, (title, observed, synthesised) in zip(axes, panels, strict=True):
        ax.plot(time, observed, color=GREY, linewidth=1.2, label="observed")
        ax.plot(time, synthesised, color=BLUE, linewidth=1.8, label="synthesised")
        ax.set(title=title, ylabel=units)
        ax.margins(x=0.01)
    axes[0].legend(loc="lower right", bbox_to_anchor=(1, 1), ncols=2, borderaxespad=0)
    axes[-1].set_xlabel("seconds since the first volume of the run")
    return figure


@matplotlib.rc_context(STYLE)
def participant_scores(
    names: Sequence[str],
    r: Float[np.ndarray, " participants"],
    null_interval: Float[np.ndarray, "participants 2"],
    skill: Float[np.ndarray, " participants"],
    skill_shifted: Float[np.ndarray, " participants"],
) -> Figure:
    """Draw each participant's temporal r and skill beside what shifted EEG gives."""
    figure = Figure(figsize=(WHOLE, 1.2 + 0.26 * len(names)), layout="constrained")
    left, right = figure.subplots(1, 2, sharey=True)
    rows = np.arange(len(names))
    left.hlines(rows, *null_interval.T, color=FILL, linewidth=9, label="shifted EEG, 5 to 95 %")
    left.plot(r, rows, "o", color=ORANGE, markersize=6, label="EEG in time")
    left.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=2, borderaxespad=0.2)
    left.set_xlabel("mean temporal r over the mask")
    right.plot(skill_shifted, rows, "|", color=GREY, markersize=14, markeredgewidth=3)
    right.plot(skill, rows, "o", color=BLUE, markersize=6)
    right.set_xlabel("skill against the training-mean volume (0 is no better)")
    left.set_yticks(rows, printable(names))
    for ax in (left, right):
        _mark_zero(ax, len(names))
    return figure


def printable(names: Sequence[str]) -> list[str]:
    """Replace what DejaVu, which knows European scripts, has no glyphs for."""
    return [name.encode("latin-1", "replace").decode("latin-1") for name in names]


def _mark_zero(ax: Axes, rows: int) -> None:
    ax.axvline(0, color=GREY, linewidth=1)
    ax.set_ylim(rows - 0.4, -0.6)
    ax.margins(x=0.12)
    ax.locator_params(axis="x", nbins=6)
    ax.grid(visible=False, axis="y")
