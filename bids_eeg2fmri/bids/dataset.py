"""Write what describes the whole output dataset; every job may do so, beside any other."""

import os
import warnings
from collections.abc import Mapping
from pathlib import Path

import pandas as pd

from bids_eeg2fmri.bids.origin import describe_dataset, licence_of
from bids_eeg2fmri.bids.references import CREDITS, bibliography, reference_list
from bids_eeg2fmri.bids.sidecars import read_description, read_json, read_table
from bids_eeg2fmri.bids.write import write_bytes, write_json, write_table, write_text
from bids_eeg2fmri.errors import DatasetError, DataWarning

_DESCRIPTIONS = {
    "attention": "Relevance of attention scores between electrodes",
    "brain": "Voxels inside the brain",
    "lrp": "Layer-wise relevance propagation",
    "montage": "Where the electrodes of a model came from",
    "parcels": "Parcels, and scores of their mean signals",
    "relevance": "Relevance of the EEG for the synthesised BOLD",
    "residual": "Observed minus synthesised BOLD",
    "synth": "BOLD synthesised from the EEG alone, and scores of it",
    "target": "Observed BOLD of the volumes that were synthesised",
}
# Without trailing slashes, with which the validator matches nothing. It knows `logs`, and skips
# hidden files by itself.
_BIDSIGNORE = """\
*.html
figures
models
group
search
work
*_boldmap.*
*_timeseries.*
*_metrics.*
*_graph.*
*_spectrogram.*
"""
_README = """\
# fMRI synthesised from EEG: {name}

Made by bids_eeg2fmri {version} {origin}

| where | what |
|---|---|
| `sub-*.html`, `group*.html` | Reports: read these first |
| `sub-*/func/*_desc-synth_bold.nii.gz` | Synthesised BOLD of the test volumes, or of EEG alone |
| `sub-*/func/*_desc-target_bold.nii.gz` | What the scanner observed at the same volumes |
| `sub-*/func/*_desc-residual_bold.nii.gz` | Observed minus synthesised |
| `sub-*/func/*_stat-*_desc-synth_boldmap.nii.gz` | Scores by voxel |
| `sub-*/func/*_desc-synth_timeseries.tsv` | Scores by volume |
| `sub-*/func/*_desc-synth_metrics.tsv` | Scores by model |
| `sub-*/func/*_desc-parcels_metrics.tsv`, `…_dseg.*` | Scores by parcel, and the parcels |
| `sub-*/func/*_desc-parcels_timeseries.tsv` | Of EEG alone: synthesised signals of parcels |
| `sub-*/eeg/*_desc-montage_channels.tsv` | Of EEG alone: where electrodes came from |
| `group_task-*_metrics.tsv`, `group/` | Scores and maps of participants that no model had seen |
| `models/` | Trained models |
| `logs/` | What to cite; of each call the log, the settings, the software |

Synthesised BOLD is a prediction, not a measurement. Compare each score with its rows for the mean
volume and for shifted EEG: a model that is no better than both has learnt nothing from the EEG
about what changes from volume to volume.

The last command that wrote here:

    {command}
"""


def write_dataset(
    out: Path,
    bids_dir: Path,
    *,
    command: str,
    version: str,
    container: str | None = None,
    derivatives: Mapping[str, Path] | None = None,
    origin: str = "from simultaneous EEG and fMRI.",
) -> None:
    """Describe the output dataset: its origin, its files, what the validator leaves out, citations.

    Parameters
    ----------
    out, bids_dir
        The output and the input dataset.
    command
        As it was typed, for the README.
    version
        Of this program.
    container
        Image tag, where it runs in one.
    derivatives
        Other datasets that results may rest on, by name.
    origin
        What the results were made from, for the README; ends the sentence that begins "Made by".

    Raises
    ------
    OutputError
        A file cannot be written.
    """
    source = read_description(bids_dir)
    given = {"raw": bids_dir, **(derivatives or {})}
    links = {name: _link(folder, out) for name, folder in given.items()}
    described = describe_dataset(source, links, version, container)
    write_json(out / "dataset_description.json", described)
    if licence := licence_of(bids_dir):
        write_bytes(out / "LICENSE", licence)
    told = {"name": source["Name"], "version": version, "command": command, "origin": origin}
    write_text(out / "README.md", _README.format(**told))
    write_text(out / ".bidsignore", _BIDSIGNORE)
    _write_descriptions(out)
    write_text(out / "logs" / "CITATION.md", _citation())
    write_text(out / "logs" / "CITATION.bib", bibliography(CREDITS))


def write_participants(out: Path, bids_dir: Path) -> None:
    """Copy the input's rows on those participants that have a folder in ``out``.

    Any number of jobs may do so at once, after they made their own folders.

    Raises
    ------
    OutputError
        A file cannot be written.
    """
    table, columns = _read_participants(bids_dir)
    about = {"Description": "Participants whose recordings were used"}
    # The folders tell who is done, and are looked at again after writing: whoever writes last has
    # seen everyone, so that no lock is needed, which network file systems may not have.
    written: list[str] = []
    while (done := sorted(folder.name for folder in out.glob("sub-*/"))) != written:
        chosen = table.reindex(done, fill_value="n/a").reset_index()
        rows = {str(name): values.tolist() for name, values in chosen.items()}
        write_table(out / "participants.tsv", rows, columns, metadata=about)
        written = done


def _link(bids_dir: Path, out: Path) -> str:
    """Say where the input is: relative where the two datasets move together."""
    raw, derived = bids_dir.resolve(), out.resolve()
    if derived.is_relative_to(raw) or raw.is_relative_to(derived):
        return Path(os.path.relpath(raw, derived)).as_posix()
    return raw.as_uri()


def _citation() -> str:
    works = "\n".join(f"- {work}" for work in reference_list(CREDITS))
    return f"# What to cite\n\n{CREDITS}\n\n{works}\n"


def _write_descriptions(out: Path) -> None:
    labels = [f"desc-{label}" for label in _DESCRIPTIONS]
    rows = {"desc_id": labels, "description": list(_DESCRIPTIONS.values())}
    columns = {
        "desc_id": {"Description": "Part of the file name"},
        "description": {"Description": "What files of that name hold"},
    }
    about = {"Description": "What the files of this dataset hold"}
    write_table(out / "descriptions.tsv", rows, columns, metadata=about)


def _read_participants(bids_dir: Path) -> tuple[pd.DataFrame, dict[str, dict[str, object]]]:
    """Return the input's participants by label, as text, and what it says of each column."""
    path = bids_dir / "participants.tsv"
    table, described = pd.DataFrame(index=pd.Index([], name="participant_id")), {}
    try:
        if path.is_file():
            rows = read_table(path).replace("", "n/a").drop_duplicates("participant_id")
            table = rows.set_index("participant_id")
        if path.with_suffix(".json").is_file():
            described = read_json(bids_dir, path.with_suffix(".json"))
    except (DatasetError, KeyError, ValueError) as error:
        warnings.warn(
            f"{path}: cannot be read ({error}); what it says is left out.", DataWarning, 3
        )
    columns = [str(name) for name in table.reset_index()]
    return table, {
        name: described.get(name, {"Description": "As in the input dataset"}) for name in columns
    }
