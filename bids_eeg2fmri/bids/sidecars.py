"""What stands beside a recording: the JSON and TSV files that apply to it by inheritance."""

import json
from collections.abc import ItemsView
from pathlib import Path
from typing import Any

import pandas as pd

from bids_eeg2fmri.errors import DatasetError


def entities_of(path: Path) -> dict[str, str]:
    """Entities of a file by their short names, in the order of its name."""
    parts = path.name.split(".")[0].split("_")[:-1]
    return dict(part.split("-", 1) for part in parts if "-" in part)


def inherited(root: Path, file: Path, suffix: str, extension: str) -> list[Path]:
    """Sidecars that apply to ``file`` by the BIDS inheritance principle, the nearest one last."""
    own = entities_of(file).items()
    found: list[Path] = []
    for folder in reversed([parent for parent in file.parents if parent.is_relative_to(root)]):
        paths = folder.glob(f"*{suffix}{extension}")
        applying = [path for path in paths if _applies(path, suffix + extension, own)]
        found += sorted(applying, key=lambda path: (path.name.count("_"), path.name))
    return found


def _applies(sidecar: Path, ending: str, entities: ItemsView[str, str]) -> bool:
    # The space of electrodes is no entity of the recording that they belong to.
    theirs = {key: label for key, label in entities_of(sidecar).items() if key != "space"}
    return sidecar.name.split("_")[-1] == ending and theirs.items() <= entities


def read_json(root: Path, path: Path) -> dict[str, Any]:
    """Read a JSON object.

    Raises
    ------
    DatasetError
        It is not valid JSON, or not an object.
    """
    try:
        content = json.loads(path.read_text("utf-8-sig"))
    except (ValueError, OSError) as error:
        reason = str(error)
    else:
        if isinstance(content, dict):
            return content
        reason = "not an object"
    raise DatasetError(
        f"{path.relative_to(root)}: not valid JSON ({reason}). Mend the file or remove it."
    )


def read_table(path: Path) -> pd.DataFrame:
    """Read a TSV as text.

    Columns that are aligned by spaces and labels in quotes are understood too (ds002336).
    """
    with path.open(encoding="utf-8-sig", errors="replace") as file:
        separator = "\t" if "\t" in file.readline() else r"\s{2,}"
    table = pd.read_csv(
        path,
        sep=separator,
        engine="python",
        dtype=str,
        keep_default_na=False,
        quoting=3,
        encoding="utf-8-sig",
        encoding_errors="replace",
        on_bad_lines="skip",
        index_col=False,
    )
    table.columns = table.columns.str.strip()
    for name in table:
        table[name] = table[name].fillna("n/a").str.strip(" \"'‘’")
    return table
