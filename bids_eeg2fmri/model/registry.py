"""From a model's name to its network."""

from bids_eeg2fmri.config import ModelConfig
from bids_eeg2fmri.model.hybrid import HaemodynamicPath, Hybrid
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
    entry = find(name)
    if entry.parts is None:
        return LiuSajda(shapes.eeg, shapes.bold)
    network = Synthesizer(shapes, cfg, entry.parts)
    return Hybrid(HaemodynamicPath(shapes), network) if entry.linear_path else network
