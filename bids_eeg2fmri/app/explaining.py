"""What the synthesised volumes of a test rest on."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Bool, Float64
from torch import Tensor

from bids_eeg2fmri.app.job import Job
from bids_eeg2fmri.app.recordings import PairedRun
from bids_eeg2fmri.app.testing import Tested
from bids_eeg2fmri.app.training import Trained, load_model
from bids_eeg2fmri.app.triage import try_each
from bids_eeg2fmri.app.verdicts import verdicts_of
from bids_eeg2fmri.errors import AppError, UsageError
from bids_eeg2fmri.evaluate.verdict import Verdict
from bids_eeg2fmri.explain.graph import electrode_graph
from bids_eeg2fmri.explain.relevance import explain as explain_pairs
from bids_eeg2fmri.model.names import find
from bids_eeg2fmri.preprocess.bands import band_bins, window_lags
from bids_eeg2fmri.preprocess.bold import resize
from bids_eeg2fmri.preprocess.scale import meet
from bids_eeg2fmri.report.explanation import ElectrodeGraph, Explanation, VoxelRelevance
from bids_eeg2fmri.runtime import arrays, log
from bids_eeg2fmri.runtime.store import Unit
from bids_eeg2fmri.train.examples import Examples
from bids_eeg2fmri.train.splits import Index, extents
from bids_eeg2fmri.types import Relevance

BATCH = 4
"""Pairs in memory at a time."""
WHOLES = {
    "output": "the absolute values of the synthesised volumes",
    "variance": "the variance of the synthesised volumes over time",
}
"""What relevances are shares of, by ``ExplainConfig.start``."""


@dataclass(frozen=True)
class Explained:
    """What the output of a model rests on in the test of one run."""

    run: PairedRun
    trained: Trained
    unit: Unit

    @property
    def relevance(self) -> Relevance:
        """Means over the pairs that were explained, on the model's grid."""
        return arrays.load(self.unit.folder, "relevance", Relevance)


def explain(job: Job, tested: Tested) -> Explained | None:
    """Propagate relevance from the synthesised test volumes of a run; none if none is asked for."""
    cfg, run, trained = job.config.explain, tested.run, tested.trained
    if not cfg.pairs:
        return None
    chosen = _spread(tested.index, cfg.pairs)

    def make(folder: Path) -> None:
        model, pairs = load_model(job, trained), run.pairs
        scale = meet(trained.scale, pairs, tested.index)
        examples = Examples([pairs], [chosen], scale)

        def batches() -> Iterator[tuple[Tensor, Tensor]]:
            for first in range(0, len(chosen), BATCH):
                some = np.arange(first, min(first + BATCH, len(chosen)))
                yield examples.take(some, str(model.device))

        arrays.save(folder, "relevance", explain_pairs(model, batches, cfg))

    given: dict[str, Any] = {"start": cfg.start, "epsilon": cfg.epsilon}
    given |= {"pairs": len(chosen), "test_pairs": extents([tested.index])}
    item = f"{run.files.name}_{trained.name}"
    unit = job.store.unit("explain", item, [given], [trained.unit, run.unit], make)
    explained = Explained(run, trained, unit)
    share = 100 * _reaching(explained.relevance)
    text = f"{trained.name}  {share:.1f} % of the {cfg.start} is traced back to the EEG"
    log.tell_unit(run.files.name, "explain", unit, text)
    return explained


def explain_all(
    job: Job, tested: Sequence[Tested]
) -> tuple[dict[str, Explained], dict[str, AppError]]:
    """Explain the tests of several models; give by model what comes of it, and what failed."""
    named = {f"{one.run.files.name} explanation of {one.trained.name}": one for one in tested}
    done, failed = try_each(lambda one: explain(job, one), named)
    return {one.trained.name: one for one in done if one is not None}, failed


def describe_test(job: Job, tested: Tested, explained: Explained) -> Explanation:
    """Put the explanation of one test into what is written and shown."""
    verdict = verdicts_of([tested])[tested.trained.name]
    return describe(job, explained.relevance, [explained], verdict)


def describe(
    job: Job,
    relevance: Relevance,
    explained: Sequence[Explained],
    verdict: Verdict,
    *,
    has_voxels: bool = True,
) -> Explanation:
    """Put a relevance, of one run or averaged over several, into what is written and shown.

    Parameters
    ----------
    explained
        The tests that it is of; electrodes and grid are those of the first.
    has_voxels
        Whether the grids of all lie alike.
    """
    first, cfg = explained[0], job.config
    pairs = first.run.pairs
    return Explanation(
        model=first.trained.name,
        whole=WHOLES[cfg.explain.start],
        verdict=verdict.label,
        is_believed=verdict.is_informative,
        remarks=(
            *_remarks(job, first.trained.name, relevance, verdict),
            *_missing(first, relevance, has_voxels=has_voxels),
            *_moved([one.run for one in explained]),
        ),
        channels=pairs.channels,
        positions=_positions(first.run),
        freqs=pairs.freqs,
        lags=window_lags(cfg.window, cfg.spectrogram, first.run.clock.tr),
        bands=_bands(pairs.freqs),
        is_used=relevance.network_weight > 0,
        paths=relevance.eeg,
        graph=_graph(relevance, cfg.explain.percentile),
        voxels=_voxels(first, relevance) if has_voxels else None,
    )


def _bands(freqs: Float64[np.ndarray, " freqs"]) -> dict[str, Bool[np.ndarray, " freqs"]]:
    try:
        return band_bins(freqs)
    except UsageError:  # the baselines have told that no frequency lies in a band
        return {}


def _graph(relevance: Relevance, percentile: float) -> ElectrodeGraph | None:
    attention, scores = relevance.attention, relevance.scores
    if attention is None or scores is None:
        return None
    return ElectrodeGraph(attention, scores, electrode_graph(attention, percentile))


def _positions(run: PairedRun) -> Float64[np.ndarray, "channels 3"]:
    eeg = run.recording.eeg
    return eeg.positions[[eeg.channels.index(name) for name in run.pairs.channels]]


def _voxels(explained: Explained, relevance: Relevance) -> VoxelRelevance | None:
    """Bring the relevance of the BOLD to the native grid, with the training mean beneath it.

    What a voxel of the model has is shared among those that it is cut into.
    """
    if relevance.bold is None:
        return None
    run, mask = explained.run, explained.run.pairs.mask
    part = np.float32(relevance.bold.size / mask.size)
    values = np.where(mask, part * resize(relevance.bold[None], mask.shape)[0], np.nan)
    mean = explained.trained.mean_on(run)
    return VoxelRelevance(values, np.asarray(mean), mask, run.recording.bold.affine)


def _remarks(job: Job, name: str, relevance: Relevance, verdict: Verdict) -> Iterator[str]:
    """Say what one must know before one looks."""
    if not verdict.is_informative:
        yield (
            f"The verdict on {name} is: {verdict.label}. What follows shows what its output rests "
            "on, and is no finding about the brain."
        )
    share = _reaching(relevance)
    if not any(one.any() for one in relevance.eeg.values()):
        yield (
            f"No relevance reaches the EEG: the output of {name} is constant, or all ways to it "
            "lead through the cosines of the Fourier features, where relevance ends."
        )
    else:
        yield (
            f"{100 * share:.1f} % of {WHOLES[job.config.explain.start]} is traced back to the EEG, "
            f"over {relevance.n_pairs} test pairs{_rest(job, name, relevance)}."
        )
    if relevance.network_weight == 0:
        yield (
            "Validation gave the network beside the linear path no weight. Electrode graph and "
            "relevance of the BOLD are of that network, on which the output does not rest."
        )
    elif relevance.network_weight < 1:
        yield (
            f"The network beside the linear path counts {relevance.network_weight:.2f} of itself "
            "in the output. Electrode graph and relevance of the BOLD are of that network."
        )


def _missing(explained: Explained, relevance: Relevance, *, has_voxels: bool) -> Iterator[str]:
    """Say what there is none of, and why."""
    name = explained.trained.name
    if relevance.attention is None:
        yield f"There is no electrode graph: {name} takes no style from attention scores."
    elif not relevance.attention.any():
        yield "There is no electrode graph: no attention score has any relevance."
    if relevance.bold is None:
        yield f"There is no relevance of the BOLD: {name} has no encoder of it."
    elif not has_voxels:
        yield "There is no relevance of the BOLD: the grids of the participants differ."
    if relevance.attention is not None and not np.isfinite(_positions(explained.run)).all():
        yield "Not all electrodes have a position: the graph stands on a circle, not on the scalp."


def _moved(runs: Sequence[PairedRun]) -> Iterator[str]:
    """Say whose head the electrodes are drawn on, where there are several."""
    first = _positions(runs[0])
    if not all(np.allclose(_positions(run), first, equal_nan=True) for run in runs[1:]):
        name = runs[0].files.name
        yield f"Electrodes stand where they are in {name}; in other runs they lie a little apart."


def _rest(job: Job, name: str, relevance: Relevance) -> str:
    """Say with what the relevance stays that does not reach the EEG."""
    cfg, model = job.config, find(name)
    uses_network = relevance.network_weight > 0
    style = model.parts.style if model.parts and uses_network else None
    fourier = bool(model.parts and model.parts.fourier and uses_network)
    found = {
        "offsets": uses_network or cfg.explain.start == "output",
        "the cosines of the Fourier features": fourier,
        "the softmax of the attention": style == "posterior" and cfg.model.attention == "softmax",
        "what the logarithm of a band's mean power has beyond that of its bins": (
            model.linear_path and cfg.spectrogram.value == "log"
        ),
    }
    *others, last = [what for what, holds in found.items() if holds] or [""]
    named = f"{', '.join(others)} and {last}" if others else last
    way = "; of the network only what attention gives the style is traced"
    return f"; the rest stays with {named}" * bool(named) + way * (fourier and style == "posterior")


def _reaching(relevance: Relevance) -> float:
    return float(sum(one.sum(dtype=np.float64) for one in relevance.eeg.values()))


def _spread(index: Index, most: int) -> Index:
    """Choose pairs evenly over the test."""
    places = np.linspace(0, len(index) - 1, min(most, len(index))).round().astype(int)
    return np.asarray(index[places])
