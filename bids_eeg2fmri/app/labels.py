"""What derived files are called after, and what their sidecars name."""

from collections.abc import Sequence

from bids_eeg2fmri.app.recordings import PairedRun
from bids_eeg2fmri.app.training import Trained


def own_label(asked: Sequence[str], name: str) -> str:
    """Tell a model's files from others'; those of the first that was asked for have no label."""
    return "" if name == asked[0] else model_label(name)


def model_label(name: str) -> str:
    """Spell a model's name as a label of BIDS, e.g. ``topo-rff`` as ``TopoRff``."""
    return "".join(map(str.capitalize, name.split("-")))


def model_folder(owner: str, trained: Trained) -> str:
    """Say where in the output folder a trained model stands."""
    return f"models/{owner}_{trained.name}"


def sources_of(runs: Sequence[PairedRun]) -> dict[str, object]:
    """Name the recordings that a file rests on, for its sidecar."""
    files = [run.files for run in runs]
    sources = [one.uri(path) for one in files for path in one.sources]
    if any("res" in one.entities for one in files):
        return {"Sources": sources, "Resolution": "That of the BOLD among the Sources"}
    return {"Sources": sources}
