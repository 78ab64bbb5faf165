"""Files that tell what a synthesis rests on."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import networkx as nx
import numpy as np

from bids_eeg2fmri.app.explaining import Explained, describe_test
from bids_eeg2fmri.app.job import Job
from bids_eeg2fmri.app.labels import model_folder, own_label, sources_of
from bids_eeg2fmri.app.testing import Tested
from bids_eeg2fmri.bids.images import write_image
from bids_eeg2fmri.bids.write import derivative_path, write_table, write_text
from bids_eeg2fmri.report.explanation import ElectrodeGraph, Explanation


def write_relevance(
    job: Job, owner: str, tested: Sequence[Tested], explained: Mapping[str, Explained]
) -> None:
    """Write what the output of each model rests on in the test of one run."""
    for one in tested:
        if one.trained.name in explained:
            given = describe_test(job, one, explained[one.trained.name])
            about = {**sources_of([one.run]), "Model": model_folder(owner, one.trained)}
            write_explanation(job, job.out, one.run.files.entities, given, about)


def write_explanation(
    job: Job,
    out: Path,
    entities: Mapping[str, str],
    given: Explanation,
    about: Mapping[str, object],
) -> None:
    """Write tables of electrodes, of the spectrogram and of the graph, and the map of the BOLD.

    Parameters
    ----------
    out, entities
        Folder and recordings that they are of.
    about
        For the sidecars: sources and model.
    """
    cfg, paths = job.config.explain, _paths(job, out, entities, given)
    facts = {
        **about,
        "Method": "Layer-wise relevance propagation (Bach et al. 2015), epsilon rule",
        "Epsilon": cfg.epsilon,
        "Remarks": given.remarks,
        "Verdict": given.verdict,
    }
    if given.eeg.any():
        _write_channels(paths["channels"], given, facts)
        _write_spectrogram(paths["spectrogram"], given, facts)
    if given.graph is not None:
        _write_graph(paths["graph"], given, given.graph, facts | {"Percentile": cfg.percentile})
        write_text(paths["graphml"], graphml(given, given.graph))
    if given.voxels is not None:
        text = f"Relevance of observed BOLD for its latent, which {given.model} brings near to that"
        write_image(
            paths["bold"],
            given.voxels.values,
            given.voxels.affine,
            metadata=facts
            | {
                "Description": f"{text} of the EEG; as a share of the latent's size, inside the "
                "brain mask",
                "Units": "1",
            },
        )


def linked(job: Job, out: Path, entities: Mapping[str, str], given: Explanation) -> Explanation:
    """Let the pictures of an explanation name the files that ``write_explanation`` writes."""
    paths = {
        name: path.relative_to(job.out).as_posix()
        for name, path in _paths(job, out, entities, given).items()
    }
    of_pictures = {
        "eeg": ("spectrogram", "channels"),
        "bands": ("channels",),
        "graph": ("graph", "graphml"),
        "bold": ("bold",),
    }
    files = {name: tuple(paths[one] for one in of) for name, of in of_pictures.items()}
    return replace(given, files=files)


def _paths(job: Job, out: Path, entities: Mapping[str, str], given: Explanation) -> dict[str, Path]:
    """Say where each file of an explanation stands."""
    label = own_label(job.config.models, given.model)

    def path(datatype: str, desc: str, suffix: str, extension: str, **more: str) -> Path:
        parts = {"desc": f"{desc}{label}", "suffix": suffix, "extension": extension, **more}
        return derivative_path(out, entities, datatype, **parts)

    return {
        "channels": path("eeg", "relevance", "channels", ".tsv"),
        "spectrogram": path("eeg", "relevance", "spectrogram", ".tsv"),
        "graph": path("eeg", "attention", "graph", ".tsv"),
        "graphml": path("eeg", "attention", "graph", ".graphml"),
        "bold": path("func", "lrp", "boldmap", ".nii.gz", stat="relevance"),
    }


def graphml(given: Explanation, graph: ElectrodeGraph) -> str:
    """Spell the edges of the electrode graph and all electrodes as GraphML."""
    found = nx.DiGraph(model=given.model, verdict=given.verdict)
    for name, place in zip(given.channels, given.positions.tolist(), strict=True):
        known = dict(zip("xyz", place, strict=True)) if np.isfinite(place).all() else {}
        found.add_node(name, **known)
    for to, origin in np.argwhere(graph.edges):
        found.add_edge(
            given.channels[origin],
            given.channels[to],
            relevance=float(graph.relevance[to, origin]),
            score=float(graph.scores[to, origin]),
        )
    return "\n".join(nx.generate_graphml(found)) + "\n"


def _write_channels(path: Path, given: Explanation, facts: Mapping[str, object]) -> None:
    whole = f"as a share of {given.whole}"
    sums = {name: values.sum(axis=(1, 2)) for name, values in given.paths.items()}
    rows: dict[str, Sequence[object] | np.ndarray] = {
        "name": given.channels,
        "type": ["EEG"] * len(given.channels),
        "units": ["V"] * len(given.channels),
        "relevance": given.eeg.sum(axis=(1, 2)),
    }
    columns: dict[str, dict[str, object]] = {
        "name": {"Description": "Electrode"},
        "type": {"Description": "Type of channel"},
        "units": {"Description": "Unit of the recorded signal"},
        "relevance": {
            "Description": f"Relevance of all frequencies and windows, {whole}",
            "Units": "1",
        },
    }
    if len(sums) > 1:
        for name, values in sums.items():
            rows[f"relevance_{name}"] = values
            columns[f"relevance_{name}"] = {
                "Description": f"The part of it that goes by the {name} path",
                "Units": "1",
            }
    for band, values in given.by_band.items():
        low, high = given.freqs[given.bands[band]][[0, -1]]
        rows[f"relevance_{band}"] = values
        columns[f"relevance_{band}"] = {
            "Description": f"Relevance of {low:g} to {high:g} Hz, {whole}",
            "Units": "1",
        }
    about = {"Description": f"Relevance of each electrode for the output of {given.model}"}
    write_table(path, rows, columns, metadata={**about, **facts})


def _write_spectrogram(path: Path, given: Explanation, facts: Mapping[str, object]) -> None:
    n, f = len(given.channels), len(given.freqs)
    rows: dict[str, Sequence[object] | np.ndarray] = {
        "name": np.repeat(given.channels, f),
        "frequency": np.tile(given.freqs, n),
    }
    columns: dict[str, dict[str, object]] = {
        "name": {"Description": "Electrode"},
        "frequency": {"Description": "Centre of the frequency bin", "Units": "Hz"},
    }
    for i, lag in enumerate(given.lags):
        rows[f"lag_{lag:g}"] = given.eeg[:, :, i].ravel()
        columns[f"lag_{lag:g}"] = {
            "Description": f"Relevance of the window whose middle lies {lag:g} s before the volume",
            "Units": "1",
        }
    about = {
        "Description": f"Relevance of the spectrogram for the output of {given.model}, as a share "
        f"of {given.whole}"
    }
    write_table(path, rows, columns, metadata={**about, **facts})


def _write_graph(
    path: Path, given: Explanation, graph: ElectrodeGraph, facts: Mapping[str, object]
) -> None:
    n = len(given.channels)
    rows: dict[str, Sequence[object] | np.ndarray] = {
        "source": np.tile(given.channels, n),
        "target": np.repeat(given.channels, n),
        "relevance": graph.relevance.ravel(),
        "score": graph.scores.ravel(),
        "edge": [str(bool(one)).lower() for one in graph.edges.ravel()],
    }
    columns = {
        "source": {"Description": "Electrode that is drawn on"},
        "target": {"Description": "Electrode that draws on it"},
        "relevance": {
            "Description": "Relevance of the attention score, as a share of the size of what the "
            "network with attention gives out",
            "Units": "1",
        },
        "score": {"Description": "Mean attention score", "Units": "1"},
        "edge": {
            "Description": "Whether it is an edge of the graph: the electrodes differ, and the "
            "size of the relevance lies above Percentile of all such pairs"
        },
    }
    about = {"Description": f"Relevance of the attention of {given.model} between electrodes"}
    write_table(path, rows, columns, metadata={**about, **facts})
