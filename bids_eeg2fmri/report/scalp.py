"""Figures of the scalp: seen from above, nose up, in the colours of the line plots."""

from collections.abc import Mapping, Sequence

import matplotlib
import numpy as np
from jaxtyping import Bool, Float
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Circle, FancyArrowPatch

from bids_eeg2fmri.report.figures import BLUE, FILL, GREY, HALF, INK, ORANGE, STYLE, WHOLE

FEWEST = 4
"""Electrodes that a surface can be drawn through."""
MAP = "RdBu_r"
MOST_NAMED = 100
"""Electrodes whose names fit beside the rows of a picture."""

Places = Float[np.ndarray, "channels 2"]


def project(positions: Float[np.ndarray, "channels 3"]) -> Places:
    """Flatten the head about its top; the circle of radius one is the height of the ears."""
    x, y, z = positions.T
    from_above, radius = np.arctan2(np.hypot(x, y), z) / (np.pi / 2), np.hypot(x, y)
    places: Places = positions[:, :2] * (from_above / np.where(radius > 0, radius, 1))[:, None]
    return places


def circle(n: int) -> Places:
    """Put electrodes without positions on a circle, clockwise from the top."""
    angle = np.pi / 2 - 2 * np.pi * np.arange(n) / n
    return np.stack([np.cos(angle), np.sin(angle)], axis=1)


@matplotlib.rc_context(STYLE)
def spectrum_and_lags(
    names: Sequence[str],
    freqs: Float[np.ndarray, " freqs"],
    spectrum: Float[np.ndarray, "channels freqs"],
    lags: Float[np.ndarray, " windows"],
    by_lag: Mapping[str, Float[np.ndarray, " windows"]],
    warning: str = "",
) -> Figure:
    """Draw relevance by electrode and frequency, and beside it by time before the volume."""
    height = float(np.clip(1.2 + 0.12 * len(names), 3.2, 11))
    figure = Figure(figsize=(WHOLE, height), layout="constrained")
    left, right = figure.subplots(1, 2, width_ratios=(2, 1))
    edges = (freqs[0] - _half(freqs), freqs[-1] + _half(freqs), len(names) - 0.5, -0.5)
    limit = _limit(spectrum)
    shown = left.imshow(
        spectrum, aspect="auto", cmap=MAP, extent=edges, interpolation="nearest",
        vmin=-limit, vmax=limit,
    )  # fmt: skip
    left.set(xlabel="Hz", title="by electrode and frequency")
    left.grid(visible=False)
    step = -(-len(names) // MOST_NAMED)
    left.set_yticks(range(0, len(names), step), names[::step], size=7)
    bar = figure.colorbar(shown, ax=left, shrink=min(1.0, 3 / height), label="relevance")
    bar.outline.set_visible(False)
    for (name, values), colour in zip(by_lag.items(), (BLUE, ORANGE), strict=False):
        right.plot(lags, values, color=colour, marker="o", markersize=3, label=name)
    right.axhline(0, color=GREY, linewidth=1)
    right.set(xlabel="s before the volume", title="by time")
    right.invert_xaxis()
    if len(by_lag) > 1:
        right.legend()
    return _warned(figure, warning)


@matplotlib.rc_context(STYLE)
def topographies(
    places: Places, by_band: Mapping[str, Float[np.ndarray, " channels"]], warning: str = ""
) -> Figure:
    """Draw one map of the scalp for each band, all on one scale."""
    from mne.viz import plot_topomap  # here, as it takes a second and few commands need it

    figure = Figure(figsize=(WHOLE, 2.5), layout="constrained")
    axes = figure.subplots(1, len(by_band), squeeze=False)[0]
    limit = _limit(np.concatenate([*by_band.values()]))
    for ax, (name, values) in zip(axes, by_band.items(), strict=True):
        shown, _ = plot_topomap(
            values, places, axes=ax, show=False, cmap=MAP, vlim=(-limit, limit), contours=0,
            sphere=(0.0, 0.0, 0.0, 1.0), sensors=False,
        )  # fmt: skip
        for line in ax.lines:
            line.set_color(GREY)
        ax.plot(*places.T, ".", color=INK, markersize=2)
        ax.set_title(name, loc="center")
    bar = figure.colorbar(shown, ax=axes[-1], shrink=0.8, label="relevance")
    bar.outline.set_visible(False)
    return _warned(figure, warning)


@matplotlib.rc_context(STYLE)
def graph(
    places: Places,
    names: Sequence[str],
    relevance: Float[np.ndarray, "channels channels"],
    edges: Bool[np.ndarray, "channels channels"],
    warning: str = "",
    *,
    on_scalp: bool,
) -> Figure:
    """Draw the edges between electrodes, the wider the larger, those without an edge fainter."""
    figure, ax = _plan(places, on_scalp=on_scalp)
    joined = np.logical_or(edges.any(axis=0), edges.any(axis=1)).tolist()
    largest = np.abs(relevance[edges]).max()
    for to, origin in np.argwhere(edges):
        value = relevance[to, origin]
        arrow = FancyArrowPatch(
            places[origin], places[to], arrowstyle="-|>", mutation_scale=9,
            connectionstyle="arc3,rad=0.08", shrinkA=7, shrinkB=7,
            linewidth=0.8 + 2.2 * abs(value) / largest, color=ORANGE if value > 0 else BLUE,
        )  # fmt: skip
        ax.add_patch(arrow)
    x, y = places.T
    ax.scatter(x, y, s=np.where(joined, 26, 12), c=np.where(joined, INK, GREY), zorder=3)
    for place, name, is_joined in zip(places, names, joined, strict=True):
        if is_joined:
            outward = place / max(np.linalg.norm(place), 1e-9) * 8
            ax.annotate(name, place, outward, textcoords="offset points", size=8,
                        ha="center", va="center")  # fmt: skip
    return _warned(figure, warning)


def _plan(places: Places, *, on_scalp: bool) -> tuple[Figure, Axes]:
    """Make room for all places, on a head if they are where electrodes sit."""
    figure = Figure(figsize=(HALF, HALF), layout="constrained")
    ax = figure.subplots()
    if on_scalp:
        _head(ax)
    reach = 1.15 * max(1.0, np.abs(places).max())
    ax.set(xlim=(-reach, reach), ylim=(-reach, reach), aspect="equal")
    ax.set_axis_off()
    return figure, ax


def _warned(figure: Figure, warning: str) -> Figure:
    """Write above a figure why not to believe it, so that it goes where the figure goes."""
    if warning:
        figure.suptitle(warning.strip(), x=0.01, ha="left", size=8, color=ORANGE)
    return figure


@matplotlib.rc_context(STYLE)
def montage(
    places: Places,
    names: Sequence[str],
    interpolated: Bool[np.ndarray, " channels"],
    *,
    on_scalp: bool,
) -> Figure:
    """Draw electrodes, those that were recorded filled, those that were not as rings."""
    figure, ax = _plan(places, on_scalp=on_scalp)
    fills = np.where(interpolated, "none", BLUE).tolist()
    edges = np.where(interpolated, ORANGE, BLUE).tolist()
    x, y = places.T
    ax.scatter(x, y, s=22, c=fills, edgecolors=edges, zorder=3)
    for place, name in zip(places, names, strict=True):
        ax.annotate(name, place, (0, 5), textcoords="offset points", size=6, ha="center")
    return figure


def _head(ax: Axes) -> None:
    ax.add_patch(Circle((0, 0), 1, fill=False, edgecolor=FILL, linewidth=1.5))
    ax.plot([-0.1, 0, 0.1], [0.995, 1.1, 0.995], color=FILL, linewidth=1.5)


def _half(freqs: Float[np.ndarray, " freqs"]) -> float:
    """Half the width of a bin."""
    return float(freqs[1] - freqs[0]) / 2 if len(freqs) > 1 else 0.5


def _limit(values: np.ndarray) -> float:
    return float(np.abs(values).max()) or 1.0
