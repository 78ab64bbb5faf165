"""Temporal r and skill in rows, each with its interval before what shifted EEG reaches."""

from collections.abc import Sequence
from dataclasses import dataclass

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.transforms import blended_transform_factory

from bids_eeg2fmri.report.figures import (
    COLOURS_OF_BASELINES,
    GREY,
    SHIFTED,
    STYLE,
    SYNTHESISED,
    WHOLE,
    glyphs,
    to_svg,
)
from bids_eeg2fmri.report.pictures import Picture
from bids_eeg2fmri.report.words import number, signed

NOWHERE = (np.nan, np.nan)


@dataclass(frozen=True)
class Estimate:
    """A score and how sure it is; NaN where unknown."""

    value: float
    """The score with the EEG in time."""
    interval: tuple[float, float] = NOWHERE
    """Where it lies at 95 %."""
    shifted: tuple[float, float] = NOWHERE
    """5th and 95th percentile of what shifted EEG reaches."""


@dataclass(frozen=True)
class Standing:
    """How one model did, or one model with one participant."""

    name: str
    """The row's name; that of a baseline gives it its colour."""
    r: Estimate
    """Temporal correlation."""
    skill: Estimate
    """Skill against the mean volume."""
    tells: bool = True
    """Whether the axes must reach to it; the others are pointed at where they lie beyond."""


def forest_picture(stem: str, rows: Sequence[Standing], caption: str) -> Picture:
    """Draw rows of temporal r and skill, and say in words how they lie to what shifted EEG gives.

    Parameters
    ----------
    stem
        Name of its file without the extension.
    rows
        From above to below.
    caption
        What the rows are.
    """
    above = "; ".join(f"{row.name}: r {number(row.r.value)}{_place(row.r)}, skill "
                      f"{signed(row.skill.value)}{_place(row.skill)}" for row in rows)  # fmt: skip
    estimates = [one for row in rows for one in (row.r, row.skill)]
    key = {
        "dots: EEG in time": True,
        "lines: 95 % intervals": np.isfinite([one.interval for one in estimates]).any(),
        "grey bands: 5 to 95 % of what shifted EEG reaches": np.isfinite(
            [one.shifted for one in estimates]
        ).any(),
    }
    told = "; ".join(what for what, is_there in key.items() if is_there)
    return Picture(
        stem,
        to_svg(forest(rows)),
        f"Temporal r and skill in rows. {above}.",
        f"{caption} D{told[1:]}. Left of zero the training-mean volume is closer.",
        wide=True,
    )


def _place(one: Estimate) -> str:
    """Say on which side of the band an estimate lies."""
    low, high = one.shifted
    if np.isnan([low, high, one.value]).any():
        return ""
    side = "above" if one.value > high else "below" if one.value < low else "within"
    return f" ({side} the range of shifted EEG)"


@matplotlib.rc_context(STYLE)
def forest(rows: Sequence[Standing]) -> Figure:
    """Draw one row each, temporal r on the left and skill on the right."""
    figure = Figure(figsize=(WHOLE, 1.0 + 0.28 * len(rows)), layout="constrained")
    left, right = figure.subplots(1, 2, sharey=True)
    colours = [COLOURS_OF_BASELINES.get(row.name.split(" ")[0], SYNTHESISED) for row in rows]
    tells = [row.tells for row in rows]
    _draw(left, [row.r for row in rows], colours, tells)
    _draw(right, [row.skill for row in rows], colours, tells)
    left.set_xlabel("temporal r, mean over the mask")
    right.set_xlabel("skill against the training-mean volume")
    left.set_yticks(range(len(rows)), [glyphs(row.name) for row in rows])
    left.set_ylim(len(rows) - 0.4, -0.6)
    return figure


def _draw(
    ax: Axes, estimates: Sequence[Estimate], colours: Sequence[str], tells: Sequence[bool]
) -> None:
    ax.axvline(0, color=GREY, linewidth=1)
    ax.grid(visible=False, axis="y")
    ax.locator_params(axis="x", nbins=6)
    shown = [(e.value, *e.interval, *e.shifted) for e, t in zip(estimates, tells, strict=True) if t]
    known = np.append(np.extract(np.isfinite(shown), shown), 0.0)
    room = 0.1 * (np.ptp(known) or 1.0)
    low, high = float(known.min() - room), float(known.max() + room)
    ax.set_xlim(low, high)
    for y, (one, colour) in enumerate(zip(estimates, colours, strict=True)):
        ax.hlines(y, *one.shifted, color=SHIFTED, linewidth=9)
        ax.hlines(y, *one.interval, color=colour, linewidth=1.6)
        if low <= one.value <= high:
            ax.plot(one.value, y, "o", color=colour, markersize=6)
        elif np.isfinite(one.value):
            _point(ax, one.value, y, colour, beyond=one.value > high)


def _point(ax: Axes, value: float, y: int, colour: str, *, beyond: bool) -> None:
    """Point at what lies outside the axes and write how far."""
    edge, side, shift = (0.995, "right", -10) if beyond else (0.005, "left", 10)
    place = blended_transform_factory(ax.transAxes, ax.transData)
    ax.plot(edge, y, ">" if beyond else "<", color=colour, markersize=6, transform=place)
    ax.annotate(signed(value), (edge, y), (shift, 0), xycoords=place, color=colour,
                textcoords="offset points", ha=side, va="center", fontsize=8)  # fmt: skip
