"""What an output dataset says of where it comes from: sources, people, licence, program."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

_DOI = re.compile(r"10\.\d[\d.]*/[^\s\"'<>]+")
"""A DOI wherever it stands: bare, behind ``doi:``, or in an address."""
_SNAPSHOT = re.compile(r"openneuro\.ds\d+\.v(\d+\.\d+\.\d+)$")
"""DOIs of OpenNeuro end with the version of the dataset."""
_LARGEST_LICENCE = 1_000_000
"""Bytes; what is larger is no licence."""


def describe_dataset(
    source: Mapping[str, Any], links: Mapping[str, str], version: str, container: str | None
) -> dict[str, object]:
    """Return dataset_description.json of what was derived.

    Parameters
    ----------
    source
        That of the input. Its authors are credited, its licence is kept word for word, and its DOI
        names it wherever it is read.
    links
        Where the input (``raw``) and other datasets lie, by name.
    version
        Of this program.
    container
        Image tag, where it runs in one.
    """
    doi = _doi(source)
    generator: dict[str, object] = {"Name": "bids_eeg2fmri", "Version": version}
    if container:
        generator["Container"] = {"Type": "docker", "Tag": container}
    # A path of this machine means nothing where the dataset is published; its DOI does. A relative
    # one holds wherever both go together.
    is_local = links["raw"].startswith("file:")
    raw = {"raw": doi} if doi and is_local else {}
    return {
        "Name": f"fMRI synthesised from EEG: {source['Name']}",
        "BIDSVersion": "1.11.1",
        "DatasetType": "derivative",
        **({"License": licence} if (licence := _text(source, "License")) else {}),
        # At least two, or the validator suspects that someone was forgotten.
        "Authors": [*_authors(source), "The bids_eeg2fmri developers"],
        "HowToAcknowledge": _acknowledgement(source, doi),
        "GeneratedBy": [generator],
        "SourceDatasets": [_source_of(doi) if doi else {"URL": links["raw"]}],
        "DatasetLinks": {**links, **raw},
    }


def licence_of(bids_dir: Path) -> bytes | None:
    """Return the full text of the input's licence, where a file of the dataset holds it."""
    path = bids_dir / "LICENSE"
    if not path.is_file() or not path.resolve().is_relative_to(bids_dir.resolve()):
        return None
    return path.read_bytes() if path.stat().st_size <= _LARGEST_LICENCE else None


def _text(source: Mapping[str, Any], name: str) -> str:
    value = source.get(name)
    return value.strip() if isinstance(value, str) else ""


def _doi(source: Mapping[str, Any]) -> str:
    """Spell the input's DOI as a URI; empty where it has none."""
    found = _DOI.search(_text(source, "DatasetDOI"))
    return f"doi:{found[0]}" if found else ""


def _source_of(doi: str) -> dict[str, str]:
    snapshot = _SNAPSHOT.search(doi)
    version = {"Version": snapshot[1]} if snapshot else {}
    return {"DOI": doi, "URL": _address(doi), **version}


def _address(doi: str) -> str:
    return f"https://doi.org/{doi.removeprefix('doi:')}"


def _authors(source: Mapping[str, Any]) -> list[str]:
    given = source.get("Authors")
    names = given if isinstance(given, list) else [given]
    known = [name for name in names if isinstance(name, str) and name.strip()]
    return known or [f"The authors of {source['Name']}"]


def _acknowledgement(source: Mapping[str, Any], doi: str) -> str:
    own = "Of this derivative, cite what logs/CITATION.md names."
    if theirs := _text(source, "HowToAcknowledge"):
        return f"{theirs.rstrip('.')}. {own}"
    address = f" ({_address(doi)})" if doi else ""
    return f"Cite the dataset it was made from, {source['Name']}{address}. {own}"
