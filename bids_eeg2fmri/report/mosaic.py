"""Brain volumes as axial slices, left on the left, drawn as they are stored: no interpolation."""

import io
from collections.abc import Sequence
from typing import Any

import matplotlib
import numpy as np
from jaxtyping import Float, Int8
from matplotlib.axes import Axes
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure
from matplotlib.image import AxesImage

from bids_eeg2fmri.report.views import AxialView, Extent, Finer, Mask, PlanesView, Volume
from bids_eeg2fmri.report.views import axial_view as axial_view  # who draws slices chooses them
from bids_eeg2fmri.report.words import percent

NIGHT, CHALK, MUTED, ALERT = "#000000", "#e6e9ee", "#9aa4b1", "#f0904b"
DIVERGING = "berlin"  # dark where nothing is, told apart by colour-blind eyes
SEQUENTIAL = "inferno"  # as dark where nothing is
FIRST, SECOND = "#56b4e9", "#f0904b"  # after Okabe & Ito: told apart by colour-blind eyes
WIDTH, HEIGHT = 10.4, 7.0  # inches, at most
LOWEST = 1.2  # inches a row, for which a picture of many rows may be higher

STYLE: dict[Any, str] = {
    "image.aspect": "auto",
    "image.interpolation": "nearest",
    "image.origin": "lower",
    "font.family": "DejaVu Sans",
}

Labels = Int8[np.ndarray, "x y z"]


@matplotlib.rc_context(STYLE)
def draw_volumes(
    view: AxialView, rows: dict[str, Volume], residual: Volume, mask: Mask, units: str
) -> Figure:
    """Draw volumes in rows on one grey scale, and their difference below on its own scale."""
    images = {name: view.lay_out(volume) for name, volume in rows.items()}
    inside = np.concatenate([volume[mask] for volume in rows.values()])
    low, high = limits(inside, 1.0, 99.5)
    figure, axes = _canvas(view, len(rows) + 1)
    for ax, (name, image) in zip(axes, images.items(), strict=False):
        shown = ax.imshow(image, cmap="gray", vmin=low, vmax=high)
        _annotate(ax, view, name)
    _colour_bar(figure, shown, axes[0], axes[-2], units)
    _, limit = limits(np.abs(residual[mask]), 0.0, 99.0)
    image = np.where(view.lay_out(mask.astype(float)) == 1, view.lay_out(residual), np.nan)
    shown = axes[-1].imshow(image, cmap=DIVERGING, vmin=-limit, vmax=limit)
    _annotate(axes[-1], view, "residual")
    _colour_bar(figure, shown, axes[-1], axes[-1], units)
    return figure


@matplotlib.rc_context(STYLE)
def draw_map(
    view: AxialView,
    values: Volume,
    background: Finer,
    mask: Mask,
    units: str,
    significant: Mask | None = None,
) -> Figure:
    """Draw a signed map over the anatomy, fainter where it is nearer to zero.

    Nothing is hidden by a threshold (Taylor et al. 2023); the mask is outlined, and voxels that are
    ``significant`` are ringed.
    """
    figure, (ax,) = _canvas(view, 1)
    _draw_background(ax, view, background, mask, 0.4)
    _, limit = limits(np.abs(values[mask]), 0.0, 99.5)
    image = view.lay_out(np.where(mask, values, np.nan))
    strength = np.nan_to_num(np.clip(1.5 * np.abs(image) / limit, 0, 1))
    shown = ax.imshow(image, cmap="RdBu_r", vmin=-limit, vmax=limit, alpha=strength)
    _outline(ax, view, mask, MUTED, 0.6)
    if significant is not None:
        _outline(ax, view, significant, "white", 1.0)
    _annotate(ax, view)
    _colour_bar(figure, shown, ax, ax, units)
    return figure


@matplotlib.rc_context(STYLE)
def draw_sizes(
    view: AxialView, maps: dict[str, Volume], mask: Mask, units: str, *, columns: int = 1
) -> Figure:
    """Draw maps of what is never negative below each other, on one scale from zero."""
    inside = np.concatenate([volume[mask] for volume in maps.values()])
    _, high = limits(inside, 0.0, 99.5)
    figure, axes = _canvas(view, len(maps), columns=columns)
    for ax, (name, volume) in zip(axes, maps.items(), strict=True):
        image = view.lay_out(np.where(mask, volume, np.nan))
        shown = ax.imshow(image, cmap=SEQUENTIAL, vmin=0, vmax=high)
        _annotate(ax, view, name)
    _colour_bar(figure, shown, axes[min(columns, len(axes)) - 1], axes[-1], units)
    return figure


@matplotlib.rc_context(STYLE)
def draw_winners(
    view: AxialView,
    pairs: dict[tuple[str, str], Labels],
    background: Finer,
    mask: Mask,
    *,
    columns: int = 1,
) -> Figure:
    """Draw which of two has each voxel, pair by pair, each name in the colour of its voxels.

    The labels are 1 for the first of a pair, −1 for the second, 0 for neither.
    """
    figure, axes = _canvas(view, len(pairs), columns=columns, titled=True)
    for ax, ((first, second), labels) in zip(axes, pairs.items(), strict=True):
        # the anatomy stays dark, so that both colours stand out from it alike
        _draw_background(ax, view, background, mask, 1.0)
        won = view.lay_out(np.where(mask & (labels != 0), labels, np.nan))
        ax.imshow(won, cmap=ListedColormap([SECOND, FIRST]), vmin=-1, vmax=1)
        _outline(ax, view, mask, MUTED, 0.6)
        _annotate(ax, view)
        first, second = (
            f"■ {name} {percent(share(labels, label, mask))}"
            for name, label in ((first, 1), (second, -1))
        )
        _name_both(ax, first, second)
    return figure


@matplotlib.rc_context(STYLE)
def draw_planes(
    view: PlanesView, values: Volume, background: Finer, mask: Mask, units: str
) -> Figure:
    """Draw a signed map over the anatomy in three planes, as ``draw_map`` does on slices."""
    _, limit = limits(np.abs(values[mask]), 0.0, 99.5)
    figure, axes = _row(view.sizes)
    for axis, ax in enumerate(axes):
        right, up = (view.at[other] for other in range(3) if other != axis)
        image, anatomy = (view.cut(v, axis) for v in (np.where(mask, values, np.nan), background))
        _draw_anatomy(ax, anatomy, background, mask, 0.4, view.extent(axis))
        strength = np.nan_to_num(np.clip(1.5 * np.abs(image) / limit, 0, 1))
        shown = ax.imshow(image, cmap="RdBu_r", vmin=-limit, vmax=limit, alpha=strength)
        ax.axhline(up, color=MUTED, linewidth=0.8)
        ax.axvline(right, color=MUTED, linewidth=0.8)
        ax.set_axis_off()
        label = f"{'xyz'[axis]} {view.millimetres[axis]:.0f}".replace("-", "−")
        ax.text(0.01, 0.01, label, transform=ax.transAxes, color=CHALK, size=9)
        if axis:  # the sagittal plane has no left and right
            ax.text(0.01, 0.99, "L", transform=ax.transAxes, color=CHALK, size=9, va="top")
            ax.text(
                0.99, 0.99, "R", transform=ax.transAxes, color=CHALK, size=9, va="top", ha="right"
            )
    _colour_bar(figure, shown, axes[-1], axes[-1], units)
    return figure


def share(labels: Labels, label: int, mask: Mask) -> float:
    """Share of the mask that has this label."""
    return float(np.mean(labels[mask] == label)) if mask.any() else 0.0


def to_png(figure: Figure) -> bytes:
    """Write a figure as PNG; the same figure gives the same bytes."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", metadata={"Software": None})
    return buffer.getvalue()


def _draw_background(
    ax: Axes, view: AxialView, background: Finer, mask: Mask, darker: float
) -> None:
    """Draw the anatomy behind slices."""
    _draw_anatomy(ax, view.lay_out(background), background, mask, darker, view.extent)


def _draw_anatomy(
    ax: Axes,
    image: Float[np.ndarray, "rows columns"],
    background: Finer,
    mask: Mask,
    darker: float,
    extent: Extent,
) -> None:
    """Draw the anatomy in greys that leave a share of their range unused."""
    fine = background.shape[0] // mask.shape[0]
    low, high = limits(background[np.kron(mask, np.ones((fine,) * 3, bool))], 1.0, 99.5)
    top = high + darker * (high - low)
    ax.imshow(image, cmap="gray", vmin=low, vmax=top, extent=extent)


def limits(values: Float[np.ndarray, " voxels"], low: float, high: float) -> tuple[float, float]:
    """Return two percentiles that differ, whatever the values are."""
    finite = values[np.isfinite(values)]
    bottom, top = np.percentile(finite, [low, high]) if finite.size else (0.0, 0.0)
    return float(bottom), float(top if top > bottom else bottom + 1.0)


def _canvas(
    view: AxialView, panels: int, *, columns: int = 1, titled: bool = False
) -> tuple[Figure, list[Axes]]:
    """Make a dark figure with axes that fit the slices exactly, row by row; sizes in inches."""
    margin, bar, title = 0.15, 1.0, 0.3 if panels > 1 or titled else 0.15
    voxels, lines = view.shape
    ratio, rows = lines * view.aspect / voxels, -(-panels // columns)
    room = (WIDTH - bar) / columns - margin
    inner = min(room, max(HEIGHT / rows, LOWEST) / ratio)
    step = inner * ratio + title
    width, height = columns * (margin + inner) + bar, rows * step + margin
    figure = Figure(figsize=(width, height), facecolor=NIGHT, dpi=150)
    axes = []
    for row, column in (divmod(panel, columns) for panel in range(panels)):
        left, bottom = margin + column * (margin + inner), height - (row + 1) * step
        place = (left / width, bottom / height, inner / width, (step - title) / height)
        ax = figure.add_axes(place)
        ax.set(xlim=(-0.5, voxels - 0.5), ylim=(-0.5, lines - 0.5))
        ax.set_autoscale_on(False)
        axes.append(ax)
    return figure, axes


def _row(sizes: Sequence[tuple[float, float]]) -> tuple[Figure, list[Axes]]:
    """Make a dark figure with axes side by side, whose sizes are to each other as these."""
    margin, bar = 0.15, 1.0
    room = WIDTH - bar - margin * len(sizes)
    scale = min(room / sum(width for width, _ in sizes), 3.6 / max(high for _, high in sizes))
    width = scale * sum(width for width, _ in sizes) + margin * len(sizes) + bar
    height = scale * max(high for _, high in sizes) + 2 * margin
    figure, left, axes = Figure(figsize=(width, height), facecolor=NIGHT, dpi=150), margin, []
    for wide, high in sizes:
        place = (left / width, margin / height, scale * wide / width, scale * high / height)
        axes.append(figure.add_axes(place))
        left += scale * wide + margin
    return figure, axes


def _name_both(ax: Axes, first: str, second: str) -> None:
    """Write both names above the slices, each in its own colour."""
    said = ax.text(0, 1.02, first, transform=ax.transAxes, color=FIRST, size=10, va="bottom")
    ax.annotate(second, (1, 0), (18, 0), xycoords=said, textcoords="offset points",
                color=SECOND, size=10, va="bottom")  # fmt: skip


def _annotate(ax: Axes, view: AxialView, title: str = "") -> None:
    """Say what is shown, where left and right are, and how high each slice lies."""
    ax.set_axis_off()
    ax.set_title(title, color=CHALK, size=10, loc="left", pad=5)
    width, height = (side - 1 for side in view.tile)
    left, bottom = view.corner(0)
    top = bottom + height - 0.03 * height
    ax.text(left, top, "L", color=CHALK, size=9, ha="left", va="top")
    ax.text(left + width - 1, top, "R", color=CHALK, size=9, ha="right", va="top")
    for number, z in enumerate(view.heights):
        left, bottom = view.corner(number)
        label = f"{z:.0f}".replace("-", "−") + (" mm" if number == 0 else "")
        ax.text(left, bottom, label, color=MUTED, size=8, ha="left", va="bottom")


def _outline(ax: Axes, view: AxialView, region: Mask, colour: str, width: float) -> None:
    """Draw the border along the edges of voxels."""
    drawn = np.nan_to_num(view.lay_out(region.astype(float)))
    if not drawn.any():
        return
    columns, rows = view.shape
    fine = np.kron(np.pad(drawn, 1), np.ones((8, 8)))
    extent = (-1.5, columns + 0.5, -1.5, rows + 0.5)
    lines = ax.contour(fine, levels=[0.5], colors=colour, linewidths=width, extent=extent)
    lines.set_clip_on(False)  # where the region ends with the grid, the border is the axes' own


def _colour_bar(figure: Figure, shown: AxesImage, top: Axes, bottom: Axes, units: str) -> None:
    """Put the scale to the right of the rows that it is for."""
    above, below = top.get_position(), bottom.get_position()
    width = figure.get_size_inches()[0]
    height = above.y1 - below.y0
    place = (above.x1 + 0.12 / width, below.y0 + 0.1 * height, 0.1 / width, 0.8 * height)
    bar = figure.colorbar(shown, cax=figure.add_axes(place))
    bar.set_label(units, color=CHALK, size=9)
    bar.ax.tick_params(colors=CHALK, labelsize=8, length=2)
    bar.ax.spines["outline"].set_visible(False)
