"""The state of work under way, in one file each, which a kill leaves as it was before."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from safetensors import safe_open
from torch import Tensor

from bids_eeg2fmri.bids import models


def write_checkpoint(path: Path, tensors: Mapping[str, Tensor], history: Any) -> None:
    """Keep tensors, wherever they are, and what JSON knows of how they came about.

    Raises
    ------
    OutputError
        If the file cannot be written.
    """
    models.write_checkpoint(path, on_cpu(tensors), {"history": json.dumps(history)})


def read_checkpoint(path: Path) -> tuple[dict[str, Tensor], Any]:
    """Read back what :func:`write_checkpoint` kept."""
    with safe_open(path, framework="pt") as checkpoint:
        history = json.loads(checkpoint.metadata()["history"])
        tensors = {name: checkpoint.get_tensor(name) for name in checkpoint.keys()}  # noqa: SIM118  # it is no mapping
    return tensors, history


def on_cpu(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Bring tensors to where they can be written."""
    return {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
