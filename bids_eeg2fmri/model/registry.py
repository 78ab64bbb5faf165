"""From a model's name to its network."""

from bids_eeg2fmri.config import ModelConfig
from bids_eeg2fmri.model.liu_sajda import LiuSajda
from bids_eeg2fmri.model.names import find
from bids_eeg2fmri.model.network import Network, Shapes
from bids_eeg2fmri.model.synthesizer import Synthesizer


def build(name: str, shapes: Shapes, cfg: ModelConfig) -> Network:
    """Draw an untrained model from torch's current random state.

    Raises
    ------
    UsageError
        If no model has that name.
    """
    parts = find(name).parts
    if parts is None:
        return LiuSajda(shapes.eeg, shapes.bold)
    return Synthesizer(shapes, cfg, parts)
