"""From a model and EEG to volumes on their native grid, in the scanner's units."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from jaxtyping import Float32

from bids_eeg2fmri.model.network import Network
from bids_eeg2fmri.preprocess.bold import resize
from bids_eeg2fmri.preprocess.scale import from_model, meet
from bids_eeg2fmri.runtime import arrays
from bids_eeg2fmri.train.examples import Examples
from bids_eeg2fmri.train.fit import synthesise
from bids_eeg2fmri.train.splits import Index
from bids_eeg2fmri.types import Pairs, Scale

_AT_A_TIME = 32
"""Volumes synthesised at a time: the weights of the last layers, which have one for each voxel, are
read once for all of them."""


def keep_synthesised(
    folder: Path, model: Network, scale: Scale, pairs: Pairs, index: Index
) -> Float32[np.ndarray, "volumes x y z"]:
    """Synthesise the volumes of some pairs into a unit of the store."""
    shape = (len(index), *pairs.mask.shape)
    volumes = arrays.allocate(folder, "synthesised", shape, np.float32)
    synthesise_into(volumes, model, scale, pairs, index)
    volumes.flush()
    return volumes


def synthesise_into(
    volumes: Float32[np.ndarray, "volumes x y z"],
    model: Network,
    scale: Scale,
    pairs: Pairs,
    index: Index,
) -> None:
    """Synthesise the volumes of some pairs on their native grid."""
    done = 0
    for native in synthesise_natively(model, scale, pairs, index):
        volumes[done : done + len(native)] = native
        done += len(native)


def synthesise_natively(
    model: Network, scale: Scale, pairs: Pairs, index: Index
) -> Iterator[Float32[np.ndarray, "batch x y z"]]:
    """Yield the synthesised volumes of some pairs in order, on their native grid."""
    scale = meet(scale, pairs, index)
    for batch in synthesise(model, Examples([pairs], [index], scale), _AT_A_TIME):
        yield resize(from_model(batch, scale, pairs.run), pairs.mask.shape)
