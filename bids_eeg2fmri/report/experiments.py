"""Pictures of the paper's experiments: residuals, models against each other, and searches."""

from collections.abc import Mapping, Sequence
from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float, Int8

from bids_eeg2fmri.report import experiment_figures, figures, mosaic
from bids_eeg2fmri.report.pictures import Picture, in_words
from bids_eeg2fmri.report.views import Affine, Mask, Volume
from bids_eeg2fmri.report.words import counted, percent

SIGNIFICANT = 0.05
"""q below which a difference counts."""
FEW = 3
"""Panels of slices that are drawn below each other; more go side by side, on fewer slices."""


@runtime_checkable
class Comparison(Protocol):
    """How two models differ in one metric; the evaluation's own comparisons serve."""

    @property
    def first(self) -> str:
        """The one model."""

    @property
    def second(self) -> str:
        """The other."""

    @property
    def difference(self) -> float:
        """Mean of first minus second."""

    @property
    def n(self) -> int:
        """Participants whom both were tested on."""

    @property
    def q(self) -> float:
        """Two-sided, adjusted over all pairs; NaN where undefined."""


def residual_picture(
    prefix: str, maps: Mapping[str, Volume], mask: Mask, affine: Affine, units: str
) -> Picture:
    """Draw the mean absolute residuals of all models on one scale, Fig. 2 of the paper."""
    return _map_rows(
        f"{prefix}_stat-mae_desc-models_map",
        "Mean absolute residual",
        "All models share one scale: the darker, the closer to what was observed.",
        maps, mask, affine, units,
    )  # fmt: skip


def normalised_residual_picture(
    prefix: str, maps: Mapping[str, Volume], mask: Mask, affine: Affine
) -> Picture:
    """Draw where each model errs most, its map over its own largest value, Fig. 3 of the paper."""
    return _map_rows(
        f"{prefix}_stat-mae_desc-normalised_map",
        "Normalised mean absolute residual",
        "Each map is divided by its own largest value in the mask: it shows where a model errs "
        "most, and models are not to be compared by their brightness.",
        maps, mask, affine, "share of the map's maximum",
    )  # fmt: skip


def best_model_picture(
    prefix: str,
    pairs: Mapping[tuple[str, str], Int8[np.ndarray, "x y z"]],
    background: Volume,
    mask: Mask,
    affine: Affine,
    test: str,
) -> Picture:
    """Draw which of two models errs less in each voxel, pair by pair, Figs 4 and 11 of the paper.

    Parameters
    ----------
    prefix
        With which the name of its file begins.
    pairs
        For each pair of models 1 where the first is better, −1 where the second is, 0 for neither.
    background
        Mean volume.
    mask, affine
        Brain mask; from voxel indices to millimetres.
    test
        How it was tested, in words.
    """
    alone = len(pairs) == 1
    slices, columns = (14, 1) if alone else _layout(len(pairs))
    view = mosaic.axial_view(mask, affine, slices=slices, columns=7)
    figure = mosaic.draw_winners(view, dict(pairs), background, mask, columns=columns)
    which = "-vs-".join(next(iter(pairs))) if alone else "pairs"
    shares = "; ".join(
        f"{first} {percent(mosaic.share(labels, 1, mask), 1)}, "
        f"{second} {percent(mosaic.share(labels, -1, mask), 1)}"
        for (first, second), labels in pairs.items()
    )
    return Picture(
        f"{prefix}_desc-{which}_winner",
        mosaic.to_png(figure),
        "Voxels where one of two models errs significantly less, on "
        f"{counted(len(view.levels), 'axial slice')}. Share of the mask: {shares}.",
        f"Where one of two models has the smaller absolute residual, q < {SIGNIFICANT:g}; the "
        "number beside a model is its share of the mask. Voxels without colour tell neither "
        f"apart. Test: {test}. Left is left, front is up; the numbers below are heights in mm.",
        wide=True,
    )


def optimisation_picture(
    prefix: str,
    phase: str,
    scores: Float[np.ndarray, " trials"],
    latents: Sequence[int],
    score: str,
    mean_volume: float,
) -> Picture:
    """Draw the trials of a Bayesian optimisation, Fig. 8 of the paper.

    Parameters
    ----------
    prefix
        With which the name of its file begins.
    phase
        Which search, e.g. ``phase 1, the BOLD autoencoder``.
    scores
        Score of each trial in their order, lower is better; NaN where the trial failed.
    latents
        Latent size K of each trial.
    score
        What the score is, for the axis.
    mean_volume
        Score of the training mean volume, which knows no network.
    """
    failed = int(np.count_nonzero(~np.isfinite(scores)))
    found = "none gave a score"
    if failed < len(scores):
        best = int(np.nanargmin(scores))
        found = (
            f"the lowest score is {scores[best]:.4g} in trial {best + 1} with K = {latents[best]}"
        )
    tried = f"{counted(len(scores), 'trial')}, {failed} of which failed"
    found += f"; the training mean volume scores {mean_volume:.4g}"
    return Picture(
        f"{prefix}_desc-{phase.partition(',')[0].replace(' ', '-')}_trials",
        figures.to_svg(experiment_figures.optimisation_trace(scores, latents, score, mean_volume)),
        f"Scores of the optimisation, {phase}: {tried}; {found}.",
        f"Bayesian optimisation, {phase}: {tried}; {found} (dashed), as does a network that learns "
        "nothing. Crosses at the foot are failed trials, which have no score. Lower is better.",
        wide=len(set(latents)) > 1,
    )


def comparison_picture(
    prefix: str,
    metric: str,
    comparisons: Sequence[Comparison],
    *,
    higher_is_better: bool | None,
) -> Picture:
    """Draw the paired comparisons of all models in one metric as a table.

    Parameters
    ----------
    prefix
        With which the name of its file begins.
    metric
        Its name in plain words.
    comparisons
        One for each pair of models.
    higher_is_better
        Which way is better; ``None`` where neither is.
    """
    names = list(dict.fromkeys(name for c in comparisons for name in (c.first, c.second)))
    difference, q = np.full((2, len(names), len(names)), np.nan)
    for c in comparisons:
        i, j = names.index(c.first), names.index(c.second)
        difference[i, j], difference[j, i] = c.difference, -c.difference
        q[i, j] = q[j, i] = c.q
    direction = {True: 1, False: -1, None: 0}[higher_is_better]
    won = np.where(q < SIGNIFICANT, direction * np.sign(difference), 0).astype(np.int64)
    told = [f"{names[i]} beats {names[j]}" for i, j in np.argwhere(won == 1).tolist()]
    least, most = (f(c.n for c in comparisons) for f in (min, max))
    people = f"{least} to {most}" if least < most else str(most)
    alone = " One alone allows no test." * (most == 1)
    return Picture(
        f"{prefix}_desc-{metric.replace(' ', '-')}_comparisons",
        figures.to_svg(experiment_figures.comparison_matrix(names, difference, q, won)),
        f"{metric} of {counted(len(names), 'model')} compared pair by pair. "
        + ("; ".join(told) if told else "No difference is significant")
        + ".",
        f"{metric} of the row's model minus that of the column's, mean over {people} test "
        f"participant{'s' * (most != 1)}; below it q of the paired t-test over participants "
        f"(Benjamini & Hochberg). Bold where q < {SIGNIFICANT:g}: blue if the row's model is "
        f"better, orange if the column's is.{alone}",
        wide=len(names) > experiment_figures.NARROW,
    )


def _map_rows(
    stem: str,
    title: str,
    explanation: str,
    maps: Mapping[str, Volume],
    mask: Mask,
    affine: Affine,
    units: str,
) -> Picture:
    slices, columns = _layout(len(maps))
    view = mosaic.axial_view(mask, affine, slices=slices, columns=7)
    words = " ".join(f"{model}: {in_words(values[mask])}" for model, values in maps.items())
    return Picture(
        stem,
        mosaic.to_png(mosaic.draw_sizes(view, dict(maps), mask, units, columns=columns)),
        f"{title} of {counted(len(maps), 'model')} on {counted(len(view.levels), 'axial slice')}. "
        f"{words}",
        f"{title}, in {units}. {explanation} Left is left, front is up; the numbers are heights in "
        "mm.",
        wide=True,
    )


def _layout(panels: int) -> tuple[int, int]:
    """Give the slices of each panel and how many panels stand side by side."""
    return (7, 1) if panels <= FEW else (5, 2)
