"""Line plots as SVG without a background, in colours that each have a twin for dark pages.

A colour means the same in every figure: what was observed is drawn in ink, what the EEG gives with
its timing intact in blue, what shifted EEG gives as a grey band, and each baseline in its own.
"""

import io
from collections.abc import Sequence
from typing import Any, NamedTuple

import matplotlib
import numpy as np
from jaxtyping import Float
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from matplotlib.transforms import blended_transform_factory

from bids_eeg2fmri.report.words import minus

INK, GREY, GRID, FILL = "#1c2430", "#697482", "#dde2e8", "#c3cad3"
BLUE, ORANGE = "#0072b2", "#c84f00"  # after Okabe & Ito: told apart by colour-blind eyes
PINK, BROWN, OLIVE = "#b8528f", "#8a6a45", "#66800b"
DARK = {
    INK: "#dfe4ea",
    GREY: "#98a2b0",
    GRID: "#2b323c",
    FILL: "#4b5563",
    BLUE: "#56b4e9",
    ORANGE: "#f0904b",
    PINK: "#e39bc7",
    BROWN: "#c4a67f",
    OLIVE: "#b3c95c",
    "#4f8a78": "#7cc0aa",
    "#b8860b": "#e0b84a",
    "#6b3fa0": "#b79ae2",
    "#e4e7ea": "#2c343e",
}
OBSERVED, SYNTHESISED, SHIFTED = INK, BLUE, FILL
COLOURS_OF_BASELINES = {
    "hrf-ridge": ORANGE,
    "global-signal": PINK,
    "drift": BROWN,
    "motion": OLIVE,
    "mean-volume": GREY,
    "participant-mean": GREY,
}
PARTS = {
    "train": "#4f8a78",
    "valid": "#b8860b",
    "test": "#6b3fa0",
    "gap": FILL,
    "lost": "#e4e7ea",
}
"""What became of each volume; the style sheet has the same."""
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
    pairs = (
        (train_loss, "training loss", PARTS["train"]),
        (valid_loss, "validation loss", PARTS["valid"]),
    )
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
    ax.hist(
        null, bins=min(30, max(5, len(null) // 4)), color=SHIFTED, edgecolor=GREY, linewidth=0.5
    )
    ax.axvline(r, color=SYNTHESISED, linewidth=2)
    left = r > np.mean(null)
    place = blended_transform_factory(ax.transData, ax.transAxes)
    ax.annotate(
        f"EEG in time\nr = {minus(f'{r:z.3f}')}",
        (r, 0.97),
        xycoords=place,
        xytext=(-6 if left else 6, 0),
        textcoords="offset points",
        color=SYNTHESISED,
        ha="right" if left else "left",
        va="top",
    )
    ax.margins(x=0.08, y=0.12)
    ax.grid(visible=False, axis="x")
    ax.set(xlabel="mean temporal r over the mask", ylabel="shifted EEG, draws")
    ax.locator_params(axis="x", nbins=6)
    ax.yaxis.set_major_locator(MaxNLocator(6, integer=True))
    return figure


class Course(NamedTuple):
    """One panel of ``time_courses``."""

    title: str
    observed: Series
    synthesised: Series
    shifted: Float[np.ndarray, "2 time"] | None = None
    """Lower and upper end of what shifted EEG gives."""


@matplotlib.rc_context(STYLE)
def time_courses(time: Series, panels: Sequence[Course], units: str) -> Figure:
    """Draw observed and synthesised signal before what shifted EEG gives, one panel each."""
    figure = Figure(figsize=(WHOLE, 0.6 + 1.7 * len(panels)), layout="constrained")
    axes = figure.subplots(len(panels), 1, sharex=True, squeeze=False)[:, 0]
    for ax, panel in zip(axes, panels, strict=True):
        if panel.shifted is not None:
            ax.fill_between(time, *panel.shifted, color=SHIFTED, linewidth=0, label="shifted EEG")
        ax.plot(time, panel.observed, color=OBSERVED, linewidth=1.0, label="observed")
        ax.plot(time, panel.synthesised, color=SYNTHESISED, linewidth=2.0, label="synthesised")
        ax.set(title=glyphs(panel.title), ylabel=units)
        ax.margins(x=0.01)
    handles, labels = axes[-1].get_legend_handles_labels()
    where = {"loc": "lower right", "bbox_to_anchor": (1, 1), "borderaxespad": 0}
    axes[0].legend(handles, labels, ncols=3, **where)
    axes[-1].set_xlabel("seconds since the first volume of the run")
    return figure


def glyphs(text: str) -> str:
    """Replace what DejaVu may have no glyph for; the page beside the figure has it in full."""
    known = (range(0x530), range(0x2010, 0x2027), range(0x2212, 0x2213))  # to Cyrillic, dashes, −
    return "".join(c if any(ord(c) in part for part in known) else "?" for c in text)
