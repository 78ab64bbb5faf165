"""The models by name."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from types import MappingProxyType

from bids_eeg2fmri.config import ModelConfig
from bids_eeg2fmri.errors import UsageError
from bids_eeg2fmri.model.synthesizer import Shapes, Synthesizer


@dataclass(frozen=True)
class Entry:
    """One model that can be asked for."""

    title: str
    """What it is, for people."""
    build: Callable[[Shapes, ModelConfig], Synthesizer]
    """Draws its weights from torch's current random state."""


MODELS: Mapping[str, Entry] = MappingProxyType(
    {
        "topo-rff": Entry(
            "Topographical attention and random Fourier features, model (iv) of the paper",
            partial(Synthesizer, attention=True, fourier=True),
        ),
    }
)


def build(name: str, shapes: Shapes, cfg: ModelConfig) -> Synthesizer:
    """Draw an untrained model.

    Raises
    ------
    UsageError
        If no model has that name.
    """
    if name not in MODELS:
        raise UsageError(f"There is no model {name!r}. Known: {', '.join(MODELS)}.")
    return MODELS[name].build(shapes, cfg)
