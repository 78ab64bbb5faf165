"""Line plots of experiments: searches by epoch and by trial, and models against each other."""

from collections.abc import Sequence

import matplotlib
import numpy as np
from jaxtyping import Float, Int64
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, MaxNLocator, NullLocator
from matplotlib.transforms import blended_transform_factory
from scipy.optimize import isotonic_regression

from bids_eeg2fmri.report.figures import BLUE, GREY, GRID, HALF, INK, ORANGE, STYLE, WHOLE
from bids_eeg2fmri.report.words import minus

NARROW = 4
"""Models whose comparisons fit into half the width of a page."""


@matplotlib.rc_context(STYLE)
def candidate_weights(weights: Float[np.ndarray, "epochs candidates"], chosen: int) -> Figure:
    """Draw the weight of each candidate by epoch, NaN once it is out.

    ``chosen`` is counted from one.
    """
    figure = Figure(figsize=(HALF, 3.4), layout="constrained")
    ax = figure.subplots()
    ax.axhline(1 / weights.shape[1], color=GREY, linewidth=1, linestyle=(0, (3, 2)))
    _draw_candidates(ax, weights, chosen, "weight")
    return figure


@matplotlib.rc_context(STYLE)
def candidate_losses(losses: Float[np.ndarray, "epochs candidates"], chosen: int) -> Figure:
    """Draw the validation loss of each candidate by epoch, NaN once it is out.

    ``chosen`` is counted from one; its lowest loss has a large dot.
    """
    figure = Figure(figsize=(HALF, 3.4), layout="constrained")
    ax = figure.subplots()
    own = losses[:, chosen - 1]
    best = int(np.nanargmin(own))
    ax.plot(best + 1, own[best], "o", color=ORANGE, markersize=8)
    _draw_candidates(ax, losses, chosen, "validation loss")
    return figure


def _draw_candidates(
    ax: Axes, values: Float[np.ndarray, "epochs candidates"], chosen: int, label: str
) -> None:
    """Draw one line a candidate, which ends in a cross where it was dropped."""
    epochs = np.arange(1, len(values) + 1)
    for number, line in enumerate(values.T, start=1):
        colour, width = _look(number, chosen)
        ax.plot(epochs, line, color=colour, linewidth=width, zorder=width + 1,
                marker="o", markersize=2 * width)  # fmt: skip
        lasted = int(np.isfinite(line).sum())
        if 0 < lasted < len(line):
            ax.plot(lasted, line[lasted - 1], "x", color=colour, markersize=8)
            ax.text(lasted + 0.15, line[lasted - 1], str(number), color=colour, va="bottom")
    _label_ends(ax, values[-1], chosen)
    ax.set(xlabel="epoch", ylabel=label)
    ax.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))


def _look(number: int, chosen: int) -> tuple[str, float]:
    """Colour and width of a candidate's line."""
    return (ORANGE, 2.2) if number == chosen else (BLUE, 1.2)


def _label_ends(ax: Axes, ends: Float[np.ndarray, " candidates"], chosen: int) -> None:
    """Write each candidate's number at the right, near its last weight."""
    ax.set_title("candidate", loc="right", fontsize=9, color=GREY)
    place = blended_transform_factory(ax.transAxes, ax.transData)
    stayed = np.flatnonzero(np.isfinite(ends))
    heights = _spread(ends[stayed], ax.get_ylim(), 0.055)
    for number, height in zip((stayed + 1).tolist(), heights, strict=True):
        colour, _ = _look(number, chosen)
        ax.text(1.02, height, str(number), transform=place, color=colour, va="center")


@matplotlib.rc_context(STYLE)
def optimisation_trace(
    scores: Float[np.ndarray, " trials"], latents: Sequence[int], label: str, mean_volume: float
) -> Figure:
    """Draw the score of each trial, NaN where it failed, the lowest so far, and scores by K.

    ``mean_volume`` is the score of the training mean volume, to be beaten.
    """
    sizes, trials = sorted(set(latents)), np.arange(1, len(scores) + 1)
    several = len(sizes) > 1
    figure = Figure(figsize=(WHOLE if several else HALF, 3.4), layout="constrained")
    by_trial, *by_size = figure.subplots(
        1, 1 + several, sharey=True, squeeze=False, width_ratios=(3, 2)[: 1 + several]
    )[0]
    best = np.fmin.accumulate(scores)
    by_trial.step(trials, best, color=ORANGE, where="post", label="best so far")
    _draw_trials(by_trial, trials, scores)
    by_trial.set(xlabel="trial", ylabel=label, xlim=(0.5, len(scores) + 0.5))
    by_trial.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    for ax in by_size:
        _draw_trials(ax, np.array([sizes.index(k) for k in latents]) + _side_steps(latents), scores)
        ax.set_xticks(range(len(sizes)), [str(k) for k in sizes])
        ax.set(xlabel="latent size K", xlim=(-0.5, len(sizes) - 0.5))
        ax.grid(visible=False, axis="x")
    for ax in (by_trial, *by_size):
        ax.axhline(mean_volume, color=GREY, linewidth=1, linestyle=(0, (3, 2)), zorder=1,
                   label="mean volume")  # fmt: skip
    figure.legend(*by_trial.get_legend_handles_labels(), loc="outside upper right", ncols=4)
    return figure


@matplotlib.rc_context(STYLE)
def comparison_matrix(
    names: Sequence[str],
    differences: Float[np.ndarray, "models models"],
    q: Float[np.ndarray, "models models"],
    better: Int64[np.ndarray, "models models"],
) -> Figure:
    """Draw row minus column of each pair of models as a table, with q below the difference.

    ``better`` is 1 where the row's model is significantly better, −1 where the column's is.
    """
    n, size = len(names), np.nanmax(np.abs(differences), initial=0)
    decimals = int(np.clip(2 - np.floor(np.log10(size)), 0, 6)) if size else 1
    width = max(WHOLE, 1.6 + 0.95 * n) if n > NARROW else HALF
    figure = Figure(figsize=(width, 0.9 + 0.52 * n), layout="constrained")
    ax = figure.subplots()
    for i, j in zip(*np.nonzero(~np.eye(n, dtype=bool)), strict=True):
        colour = {1: BLUE, -1: ORANGE}.get(better[i, j], INK)
        weight = "bold" if better[i, j] else "normal"
        text, told = f"{differences[i, j]:+z.{decimals}f}", f"q {_rounded(q[i, j])}"
        ax.text(j, i - 0.17, _tidy(text), color=colour, weight=weight, ha="center", va="center")
        ax.text(j, i + 0.2, _tidy(told), color=GREY, size=7.5, ha="center", va="center")
    ax.hlines(np.arange(n + 1) - 0.5, -0.5, n - 0.5, color=GRID, linewidth=0.8)
    ax.set(xlim=(-0.5, n - 0.5), ylim=(n - 0.5, -0.5))
    ax.set_xticks(range(n), names, rotation=0 if n < 6 else 20, ha="center" if n < 6 else "left")
    ax.set_yticks(range(n), names)
    ax.tick_params(length=0, labeltop=True, labelbottom=False)
    ax.grid(visible=False)
    ax.spines[:].set_visible(False)
    return figure


def _tidy(text: str) -> str:
    return minus(text.replace("+nan", "–").replace("nan", "–"))


def _rounded(p: float) -> str:
    return f"{p:.1g}" if p < 0.001 else f"{p:.3f}"


def _spread(
    heights: Float[np.ndarray, " labels"], limits: tuple[float, float], share: float
) -> Float[np.ndarray, " labels"]:
    """Move labels apart until each is a share of the axis away from the next, in their order."""
    order = np.argsort(heights, kind="stable")
    steps = share * (limits[1] - limits[0]) * np.arange(len(heights))
    # labels that run into each other form one block around their common mean
    block = isotonic_regression(heights[order] - steps).x
    return (np.clip(block, limits[0], limits[1] - steps[-1]) + steps)[np.argsort(order)]


def _draw_trials(
    ax: Axes,
    x: Float[np.ndarray, " trials"] | Int64[np.ndarray, " trials"],
    scores: Float[np.ndarray, " trials"],
) -> None:
    """Draw one mark a trial: the failed ones below all others, the best one large."""
    failed = ~np.isfinite(scores)
    ax.plot(x[~failed], scores[~failed], "o", color=BLUE, markersize=4, label="trial")
    below = blended_transform_factory(ax.transData, ax.transAxes)
    ax.plot(x[failed], np.full(failed.sum(), 0.04), "x", color=GREY, markersize=5, transform=below,
            label="failed trial")  # fmt: skip
    ax.margins(y=0.14)
    if failed.all():
        ax.set_yticks([])
        return
    best = np.nanargmin(scores)
    ax.plot(x[best], scores[best], "o", color=ORANGE, markersize=8)
    # a few diverged trials must not flatten the others
    if 0 < 10 * scores[best] < np.max(scores[~failed]):
        ax.set_yscale("log")
        ax.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        ax.yaxis.set_major_formatter("{x:g}")
        ax.yaxis.set_minor_locator(NullLocator())


def _side_steps(groups: Sequence[int]) -> Float[np.ndarray, " trials"]:
    """Step aside by the order within the group, so that equal scores are not hidden."""
    seen = [groups[:i].count(group) for i, group in enumerate(groups)]
    return 0.12 * (np.array(seen) % 5 - 2.0)
