"""A saved model on EEG in memory: what ``applying`` does, without a job and without a file."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32, Float64

from bids_eeg2fmri.app.applying import heard_pairs, listen
from bids_eeg2fmri.app.saved import SavedModel
from bids_eeg2fmri.app.synthesising import synthesise_into
from bids_eeg2fmri.config import Config
from bids_eeg2fmri.preprocess.domain import share_outside
from bids_eeg2fmri.preprocess.montage import Montage
from bids_eeg2fmri.preprocess.scale import meet
from bids_eeg2fmri.types import Signal, VolumeClock


@dataclass(frozen=True)
class Predicted:
    """What a model makes of EEG alone."""

    volumes: Float32[np.ndarray, "volumes x y z"]
    """On the model's native grid, in the units of its BOLD."""
    clock: VolumeClock
    """When each of them lies, in seconds since the first sample of the EEG."""
    montage: Montage
    """Where the model's electrodes come from."""
    outside: Float64[np.ndarray, "channels freqs"]
    """Share of the EEG beyond the range of the training EEG."""


def predict(model: SavedModel, eeg: Signal, config: Config, run: str) -> Predicted:
    """Synthesise the BOLD that goes with EEG.

    Parameters
    ----------
    config
        What a model leaves open: ``apply`` and ``clock.eeg_onset``.
    run
        For messages.

    Raises
    ------
    EEGError
        If the EEG is too short, sampled too slowly, or lacks too many electrodes of the model.
    """
    montage, clock, spectra = listen(config, model, eeg, run)
    pairs = heard_pairs(model, spectra, clock, run)
    index = np.arange(len(pairs.volume))
    volumes = np.empty((len(index), *model.mask.shape), np.float32)
    synthesise_into(volumes, model.network, model.scale, pairs, index)
    scale = meet(model.scale, pairs, index)
    return Predicted(volumes, clock, montage, share_outside(pairs, scale, model.usual))
