"""What a synthesis rests on: electrodes, rhythms and moments of the EEG, and voxels of the BOLD."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from jaxtyping import Bool, Float

from bids_eeg2fmri.report import figures, scalp
from bids_eeg2fmri.report.maps import map_picture, mean_anatomy
from bids_eeg2fmri.report.pictures import Drawing, Picture, draw
from bids_eeg2fmri.report.words import counted, minus
from bids_eeg2fmri.types import typed

NAMED = 3
"""How many of the largest are named in words."""


@typed
class VoxelRelevance:
    """Relevance of observed volumes for the latent that they share with the EEG."""

    values: Float[np.ndarray, "x y z"]
    """Mean over the pairs, on the native grid."""
    mean: Float[np.ndarray, "x y z"]
    """Mean volume, the background."""
    mask: Bool[np.ndarray, "x y z"]
    """Brain mask."""
    affine: Float[np.ndarray, "4 4"]
    """From voxel indices to millimetres."""


@typed
class ElectrodeGraph:
    """Which electrodes draw on which: rows draw on columns."""

    relevance: Float[np.ndarray, "channels channels"]
    """Of the attention scores, for the output of the network that has them."""
    scores: Float[np.ndarray, "channels channels"]
    """The scores themselves, mean over the pairs."""
    edges: Bool[np.ndarray, "channels channels"]
    """Which of them are in the graph."""


@typed
class Explanation:
    """What the output of one model rests on."""

    model: str
    """Which model."""
    whole: str
    """What relevances are shares of, in words."""
    verdict: str
    """Whether to believe the model, in a few words."""
    is_believed: bool
    """Whether it may be believed; if not, every picture says so."""
    remarks: tuple[str, ...]
    """What one must know to read it: whether to believe it, what there is none of and why."""
    channels: tuple[str, ...]
    """Name of each electrode."""
    positions: Float[np.ndarray, "channels 3"]
    """Where it is, in metres in the head frame; NaN where unknown."""
    freqs: Float[np.ndarray, " freqs"]
    """Centre of each frequency bin in hertz."""
    lags: Float[np.ndarray, " windows"]
    """Seconds from the middle of each window to the volume."""
    bands: Mapping[str, Bool[np.ndarray, " freqs"]]
    """Bins of each band."""
    is_used: bool
    """Whether the output rests on the network that graph and voxels are of."""
    paths: Mapping[str, Float[np.ndarray, "channels freqs windows"]]
    """Relevance of the EEG by path through the model; the paths add up."""
    graph: ElectrodeGraph | None = None
    """Relevance of the attention; none without attention that gives the style."""
    voxels: VoxelRelevance | None = None
    """Relevance of the BOLD; none without an encoder of it."""
    files: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Paths of the data behind the pictures, relative to the page, by the name of the picture."""

    @property
    def warning(self) -> str:
        """What stands at every picture of a model that is not to be believed."""
        return "" if self.is_believed else f"Verdict: {self.verdict}. "

    @property
    def warning_of_network(self) -> str:
        """The same at pictures of the network beside a linear path."""
        unused = "Of a network that has no weight in the output. "
        return self.warning + ("" if self.is_used else unused)

    @property
    def eeg(self) -> Float[np.ndarray, "channels freqs windows"]:
        """Relevance of the EEG by all paths."""
        return np.asarray(np.sum([*self.paths.values()], axis=0))

    @property
    def by_band(self) -> dict[str, Float[np.ndarray, " channels"]]:
        """Relevance of each electrode by band, windows and bins added up."""
        spectrum = self.eeg.sum(axis=2)
        return {name: spectrum[:, bins].sum(axis=1) for name, bins in self.bands.items()}


@dataclass(frozen=True)
class Explained:
    """An explanation, ready to be shown."""

    given: Explanation
    eeg: tuple[Drawing, ...]
    """What of the EEG the output rests on."""
    network: tuple[Drawing, ...]
    """What its network attends to, and shares with the BOLD."""

    @property
    def drawings(self) -> tuple[Drawing, ...]:
        """All of them."""
        return (*self.eeg, *self.network)


def draw_explanations(given: Sequence[Explanation], prefix: str) -> tuple[Explained, ...]:
    """Draw what there is of explanations; of all models but the first no voxels.

    Each picture has the warning that it needs. Files of models but the first have its name.
    """
    return tuple(
        _explained(one, f"{prefix}_model-{one.model}" if i else prefix, has_voxels=not i)
        for i, one in enumerate(given)
    )


def _explained(given: Explanation, prefix: str, *, has_voxels: bool) -> Explained:
    eeg: dict[str, Callable[[], Picture]] = {}
    network: dict[str, Callable[[], Picture]] = {}
    if given.eeg.any():
        eeg["eeg"] = lambda: _eeg_picture(given, prefix)
        if given.bands and _placed(given.positions).sum() >= scalp.FEWEST:
            eeg["bands"] = lambda: _band_picture(given, prefix)
    graph, voxels = given.graph, given.voxels
    if graph is not None and graph.edges.any():
        network["graph"] = lambda: _graph_picture(given, prefix, graph)
    if voxels is not None and has_voxels:
        network["bold"] = lambda: _voxel_picture(given, prefix, voxels)

    def drawn(makers: Mapping[str, Callable[[], Picture]]) -> tuple[Drawing, ...]:
        title = f"{prefix}, relevance of {given.model}"
        return tuple(
            draw(f"{title}, {name}", make, *given.files.get(name, ()))
            for name, make in makers.items()
        )

    return Explained(given, drawn(eeg), drawn(network))


def _eeg_picture(given: Explanation, prefix: str) -> Picture:
    by_lag = {name: values.sum(axis=(0, 1)) for name, values in given.paths.items() if values.any()}
    total = given.eeg
    figure = scalp.spectrum_and_lags(
        [figures.glyphs(name) for name in given.channels],
        given.freqs,
        total.sum(axis=2),
        given.lags,
        by_lag,
        given.warning,
    )
    channels = _largest(given.channels, total.sum(axis=(1, 2)))
    bands = _largest([*given.by_band], np.array([v.sum() for v in given.by_band.values()]))
    peak = given.lags[np.argmax(np.abs(total.sum(axis=(0, 1))))]
    words = (
        f"Most relevant: electrodes {channels}; bands {bands}; EEG {peak:g} s before the volume. "
    )
    return Picture(
        f"{prefix}_desc-relevance_eeg",
        figures.to_svg(figure),
        f"Relevance of the EEG for the output of {given.model}, by electrode and frequency, and by "
        f"time before the volume. {words}",
        f"{given.warning}Relevance of the EEG for the output of {given.model}, as a share of "
        f"{given.whole}: by electrode and frequency, windows added up, and by time before the "
        f"volume, electrodes and frequencies added up. {words}",
        wide=True,
    )


def _band_picture(given: Explanation, prefix: str) -> Picture:
    """Draw a topographic map for each band."""
    placed = _placed(given.positions)
    figure = scalp.topographies(
        scalp.project(given.positions[placed]),
        {name: values[placed] for name, values in given.by_band.items()},
        given.warning,
    )
    words = ". ".join(
        f"{name}: {_largest(given.channels, values)}" for name, values in given.by_band.items()
    )
    unplaced = ""
    if not placed.all():
        n = counted(int((~placed).sum()), "electrode")
        unplaced = f" {n} without a position of its own left out."
    return Picture(
        f"{prefix}_desc-relevance_bands",
        figures.to_svg(figure),
        f"Relevance over the scalp, one map for each band. Largest at {words}.{unplaced}",
        f"{given.warning}The same over the scalp, a map for each band, all on one scale; nose "
        f"up, dots are electrodes, in between is interpolated.{unplaced} Largest at {words}.",
        wide=True,
    )


def _graph_picture(given: Explanation, prefix: str, graph: ElectrodeGraph) -> Picture:
    relevance, edges = graph.relevance, graph.edges
    on_scalp = bool(np.isfinite(given.positions).all())
    places = scalp.project(given.positions) if on_scalp else scalp.circle(len(given.channels))
    figure = scalp.graph(
        places,
        [figures.glyphs(name) for name in given.channels],
        relevance,
        edges,
        given.warning_of_network,
        on_scalp=on_scalp,
    )
    found = sorted(np.argwhere(edges).tolist(), key=lambda edge: -abs(relevance[*edge]))
    named = ", ".join(f"{given.channels[i]} ← {given.channels[j]}" for i, j in found[: 2 * NAMED])
    layout = "" if on_scalp else " Electrodes stand in a circle, as not all have a position."
    n = counted(len(found), "edge")
    return Picture(
        f"{prefix}_desc-attention_graph",
        figures.to_svg(figure),
        f"Graph of the electrodes with {n}, the attention scores with the largest relevance. "
        f"Strongest: {named}.{layout}",
        f"{given.warning_of_network}The attention scores that are most relevant for the output of "
        f"the network ({n}), the wider the more: an arrow leads from an electrode to the one that "
        f"draws on it; orange where relevance is above zero, blue below.{layout} Strongest: "
        f"{named}.",
    )


def _voxel_picture(given: Explanation, prefix: str, voxels: VoxelRelevance) -> Picture:
    picture = map_picture(
        f"{prefix}_desc-relevance_bold",
        "Relevance of the BOLD for the latent that it shares with the EEG",
        "relevance",
        voxels.values,
        mean_anatomy(voxels.mean, voxels.affine),
        voxels.mask,
        voxels.affine,
        warning=given.warning_of_network,
    )
    return replace(picture, caption=f"{given.warning_of_network}{picture.caption}")


def _placed(positions: Float[np.ndarray, "channels 3"]) -> Bool[np.ndarray, " channels"]:
    """Tell which electrodes have a position, and are the first there."""
    placed: Bool[np.ndarray, " channels"] = np.isfinite(positions).all(axis=1)
    _, first = np.unique(positions.round(4), axis=0, return_index=True)
    placed[np.setdiff1d(np.arange(len(positions)), first)] = False
    return placed


def _largest(names: Sequence[str], values: Float[np.ndarray, " names"]) -> str:
    """Name those with the largest relevance of either sign, with their shares."""
    order = np.argsort(-np.abs(values))[:NAMED]
    return minus(", ".join(f"{names[i]} {100 * values[i]:.2g}\N{NO-BREAK SPACE}%" for i in order))
