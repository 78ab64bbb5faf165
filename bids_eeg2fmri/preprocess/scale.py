"""Turn pairs into the model's units and back, by what was measured on training pairs.

``ScaleConfig`` names the public code's two other ways, one of which looks at test volumes.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import SupportsFloat

import numpy as np
from jaxtyping import Float, Float32, Float64, Int64

from bids_eeg2fmri.config import ScaleConfig
from bids_eeg2fmri.errors import DataError
from bids_eeg2fmri.types import Pairs, Scale

BLOCK = 32
"""Pairs in memory at a time."""
NO_SPREAD = 1e-6
"""A standard deviation below this part of the mean is rounding, and counts as zero."""


def fit_scale(
    pairs: Sequence[Pairs],
    index: Sequence[Int64[np.ndarray, " _"]],
    cfg: ScaleConfig,
    seen: Sequence[Int64[np.ndarray, " _"]] | None = None,
) -> Scale:
    """Measure the mean of each electrode and frequency, and the spread of EEG and BOLD.

    Parameters
    ----------
    pairs
        Runs with the same channels and grid.
    index
        The training pairs of each run; no other pair is read but where ``cfg.bold`` is
        ``participant``.
    cfg
        What EEG and BOLD are standardised by.
    seen
        The pairs of each run that may be looked at; all if not given. A participant's own numbers
        come from them where ``cfg.bold`` is ``participant``, and the means of a run without
        training pairs. Who has none gets no numbers.

    Raises
    ------
    DataError
        If runs of different repetition times have different numbers of frequencies.

    Notes
    -----
    The paper names no scaling. EEG has one standard deviation for all electrodes and frequencies,
    so that a strong rhythm stands out; with one for each, the many bins of noise drown it. BOLD has
    one mean and one standard deviation over voxels and volumes, as in the authors' code but from
    training pairs only. What does not vary gets a standard deviation of one.
    """
    counts = sorted({len(p.freqs) for p in pairs})
    if len(counts) > 1:
        raise DataError(
            f"{pairs[0].run} and {len(pairs) - 1} other runs have from {counts[0]} to {counts[-1]} "
            f"frequencies. Keep {counts[0]} of all with --set spectrogram.bins={counts[0]}."
        )
    seen = [np.arange(len(p.volume)) for p in pairs] if seen is None else seen
    eeg_mean, eeg_sds = _moments(_blocks([p.eeg for p in pairs], index), axes=(0, 3))
    means = _eeg_means(pairs, index, seen) if cfg.eeg == "run" else {}
    if means:
        eeg_sds = _eeg_sds(pairs, index, means)
    bold_mean, bold_sd = _moments(_blocks([p.bold for p in pairs], index), axes=(0, 1, 2, 3))
    eeg_spread = _spread(np.sqrt(np.mean(eeg_sds**2)), np.sqrt(np.mean(eeg_mean**2)))
    scale = Scale(
        eeg_mean.astype(np.float32),
        eeg_spread,
        float(bold_mean),
        _spread(bold_sd, bold_mean),
        eeg_mean_of_run=means,
        across_electrodes=cfg.eeg == "electrodes",
        bold_of_run=_of_participants(pairs, seen) if cfg.bold == "participant" else {},
    )
    return _about_means(scale, pairs, index, seen) if cfg.target == "deviation" else scale


def own_scale(scale: Scale, run: str) -> Scale:
    """Give the scale of one run: with the numbers of its participant, where there are any."""
    if not scale.bold_of_run:
        return scale
    mean, sd = scale.bold_of_run[run]
    return replace(scale, bold_mean=mean, bold_sd=sd)


def mean_volume(
    pairs: Sequence[Pairs], index: Sequence[Int64[np.ndarray, " _"]], scale: Scale
) -> Float32[np.ndarray, "x y z"]:
    """Average the training volumes, in the scanner's units.

    Where participants have scales of their own, the average is one of scaled volumes.
    """
    blocks = (
        transfer(block, own_scale(scale, p.run), scale)
        for p, those in zip(pairs, index, strict=True)
        for block in _blocks([p.bold], [those])
    )
    mean, _ = _moments(blocks, axes=(0,))
    return mean.astype(np.float32)


def meet(scale: Scale, pairs: Pairs, index: Int64[np.ndarray, " _"]) -> Scale:
    """Let a scale know the EEG of a run that it has not seen, where runs have means of their own.

    It is taken from the EEG of the pairs to be predicted, and from no BOLD.
    """
    if not scale.eeg_mean_of_run or pairs.run in scale.eeg_mean_of_run:
        return scale
    own = _eeg_means([pairs], [index], [index])
    return replace(scale, eeg_mean_of_run={**scale.eeg_mean_of_run, **own})


def scale_eeg(
    eeg: Float32[np.ndarray, "*batch channels freqs windows"], scale: Scale, run: str = ""
) -> Float32[np.ndarray, "*batch channels freqs windows"]:
    """Bring spectrograms to zero mean for each electrode and frequency, and unit spread overall.

    The mean is that of the ``run``, where runs have means of their own.

    Or, ``across_electrodes``, to zero mean and unit spread at each frequency and window.
    """
    scaled: Float32[np.ndarray, "*batch channels freqs windows"]
    if scale.across_electrodes:
        mean, sd = eeg.mean(axis=-3, keepdims=True), eeg.std(axis=-3, keepdims=True)
        scaled = (eeg - mean) / np.where(sd > NO_SPREAD * np.abs(mean), sd, np.float32(1))
    else:
        mean = scale.eeg_mean_of_run.get(run, scale.eeg_mean)
        scaled = (eeg - mean[..., None]) / np.float32(scale.eeg_sd)
    return scaled


def scale_bold(
    bold: Float32[np.ndarray, "*batch x y z"], scale: Scale
) -> Float32[np.ndarray, "*batch x y z"]:
    """Bring volumes from the scanner's units to zero mean and unit spread."""
    return (bold - np.float32(scale.bold_mean)) / np.float32(scale.bold_sd)


def unscale_bold(
    bold: Float32[np.ndarray, "*batch x y z"], scale: Scale
) -> Float32[np.ndarray, "*batch x y z"]:
    """Bring volumes back to the scanner's units."""
    return bold * np.float32(scale.bold_sd) + np.float32(scale.bold_mean)


def to_model(
    bold: Float32[np.ndarray, "*batch x y z"], scale: Scale, run: str
) -> Float32[np.ndarray, "*batch x y z"]:
    """Turn volumes of a run into what a network is to predict: volumes, or their deviations."""
    wanted = scale_bold(bold, own_scale(scale, run))
    if scale.anatomy is not None:
        wanted -= scale.anatomy_of_run.get(run, scale.anatomy)
        wanted /= np.float32(scale.deviation_sd)
    return wanted


def from_model(
    predicted: Float32[np.ndarray, "*batch x y z"], scale: Scale, run: str
) -> Float32[np.ndarray, "*batch x y z"]:
    """Turn what a network predicts into volumes of a run, on the training mean where it deviates.

    The run's own mean is left aside: where there is EEG alone nobody knows it.
    """
    if scale.anatomy is not None:
        predicted = predicted * np.float32(scale.deviation_sd) + scale.anatomy
    return unscale_bold(predicted, own_scale(scale, run))


def expected(mean: Float32[np.ndarray, "x y z"], scale: Scale) -> Float32[np.ndarray, "x y z"]:
    """Give what a network is to predict that knows nothing: the training mean, or no deviation."""
    return scale_bold(mean, scale) if scale.anatomy is None else np.zeros_like(mean)


def transfer(
    bold: Float[np.ndarray, "*batch x y z"], source: Scale, target: Scale
) -> Float[np.ndarray, "*batch x y z"]:
    """Bring volumes from the scanner's units, as one scale sees them, to those of another."""
    stretch = target.bold_sd / source.bold_sd
    if stretch == 1 and source.bold_mean == target.bold_mean:  # rounding would change them
        return bold
    return (bold - source.bold_mean) * stretch + target.bold_mean


def _eeg_means(
    pairs: Sequence[Pairs],
    index: Sequence[Int64[np.ndarray, " _"]],
    seen: Sequence[Int64[np.ndarray, " _"]],
) -> dict[str, Float32[np.ndarray, "channels freqs"]]:
    """Find the mean spectrum of each run, of its training pairs if it has any."""
    means = {}
    for p, train, other in zip(pairs, index, seen, strict=True):
        those = train if len(train) else other
        if len(those):
            mean, _ = _moments(_blocks([p.eeg], [those]), axes=(0, 3))
            means[p.run] = mean.astype(np.float32)
    return means


def _eeg_sds(
    pairs: Sequence[Pairs],
    index: Sequence[Int64[np.ndarray, " _"]],
    means: Mapping[str, Float32[np.ndarray, "channels freqs"]],
) -> Float64[np.ndarray, "channels freqs"]:
    """Find the spread of each electrode and frequency about the means of runs."""
    blocks = (
        block - means[p.run][..., None]
        for p, those in zip(pairs, index, strict=True)
        for block in _blocks([p.eeg], [those])
    )
    _, sds = _moments(blocks, axes=(0, 3))
    return sds


def _about_means(
    scale: Scale,
    pairs: Sequence[Pairs],
    index: Sequence[Int64[np.ndarray, " _"]],
    seen: Sequence[Int64[np.ndarray, " _"]],
) -> Scale:
    """Find the mean of each run, of its training pairs if it has any, and the spread about it."""
    means, squares, n = {}, 0.0, 0
    for p, train, other in zip(pairs, index, seen, strict=True):
        those = train if len(train) else other
        if not len(those):
            continue
        own = own_scale(scale, p.run)
        blocks = (scale_bold(block.astype(np.float32), own) for block in _blocks([p.bold], [those]))
        mean, sd = _moments(blocks, axes=(0,))
        means[p.run] = mean.astype(np.float32)
        squares, n = squares + len(train) * float(np.mean(sd**2)), n + len(train)
    anatomy = scale_bold(mean_volume(pairs, index, scale), scale)
    return replace(
        scale,
        anatomy=anatomy,
        anatomy_of_run=means,
        deviation_sd=_spread(np.sqrt(squares / n), np.sqrt(np.mean(anatomy**2))),
    )


def _of_participants(
    pairs: Sequence[Pairs], seen: Sequence[Int64[np.ndarray, " _"]]
) -> dict[str, tuple[float, float]]:
    """Measure the seen volumes of each participant."""
    found: dict[str, tuple[float, float]] = {}
    for label in dict.fromkeys(p.participant for p in pairs):
        own = [(p, i) for p, i in zip(pairs, seen, strict=True) if p.participant == label]
        blocks = _blocks([p.bold for p, _ in own], [i for _, i in own])
        if any(len(i) for _, i in own):
            mean, sd = _moments(blocks, axes=(0, 1, 2, 3))
            found |= {p.run: (float(mean), _spread(sd, mean)) for p, _ in own}
    return found


def _blocks(
    arrays: Sequence[Float32[np.ndarray, "..."]], index: Sequence[Int64[np.ndarray, " _"]]
) -> Iterator[Float64[np.ndarray, "..."]]:
    """Read the indexed pairs, a few at a time."""
    for array, those in zip(arrays, index, strict=True):
        for i in range(0, len(those), BLOCK):
            yield array[those[i : i + BLOCK]].astype(np.float64)


def _moments(
    blocks: Iterable[Float64[np.ndarray, "..."]], axes: tuple[int, ...]
) -> tuple[Float64[np.ndarray, "..."], Float64[np.ndarray, "..."]]:
    """Mean and standard deviation over ``axes`` of all blocks, merged as Chan et al. (1983) do."""
    count, mean, squares = 0, np.float64(0), np.float64(0)
    for block in blocks:
        n = int(np.prod([block.shape[axis] for axis in axes]))
        away = block.mean(axis=axes) - mean
        squares = squares + n * block.var(axis=axes) + away**2 * n * count / (n + count)
        mean = mean + away * n / (n + count)
        count += n
    return np.asarray(mean), np.asarray(np.sqrt(squares / count))


def _spread(sd: SupportsFloat, mean: SupportsFloat) -> float:
    return float(sd) if float(sd) > NO_SPREAD * abs(float(mean)) else 1.0
