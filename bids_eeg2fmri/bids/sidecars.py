"""What stands beside recordings: the dataset's description, JSON and TSV files by inheritance."""

import csv
import json
import math
import warnings
from collections.abc import ItemsView, Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from bids_eeg2fmri.bids.listing import names_by_ending
from bids_eeg2fmri.errors import DatasetError, MissingInputError

_AROUND = " \"'‘’"
"""What may stand around a label and is no part of it."""
_LARGEST = 1e30
"""Beyond this, no number in a sidecar measures anything."""


def entities_of(path: Path) -> dict[str, str]:
    """Entities of a file by their short names, in the order of its name."""
    return _entities_in(path.name)


def _entities_in(name: str) -> dict[str, str]:
    parts = name.split(".")[0].split("_")[:-1]
    return dict(part.split("-", 1) for part in parts if "-" in part)


def spelt(key: str, label: str) -> str:
    """Take off the entity, and of a run's index its zeros: 1 and 01 are one run."""
    bare = label.removeprefix(f"{key}-")
    return str(int(bare)) if key == "run" and bare.isdecimal() else bare


def inherited(root: Path, file: Path, suffix: str, extension: str) -> list[Path]:
    """Sidecars that apply to ``file`` by the BIDS inheritance principle, the nearest one last."""
    own = entities_of(file).items()
    found: list[Path] = []
    for folder in _folders(root, file):
        names = names_by_ending(folder).get(suffix + extension, ())
        applying = [folder / name for name in names if _applies(name, suffix, own)]
        found += sorted(applying, key=lambda path: (path.name.count("_"), path.name))
    return found


def _folders(root: Path, file: Path) -> list[Path]:
    """Folders from the dataset down to the file."""
    if not file.is_relative_to(root):
        return []
    below = file.parent.relative_to(root).parts
    return [root.joinpath(*below[:depth]) for depth in range(len(below) + 1)]


def _applies(name: str, suffix: str, entities: ItemsView[str, str]) -> bool:
    theirs = _entities_in(name)
    if suffix in ("electrodes", "coordsystem"):
        theirs.pop("space", None)  # of electrodes, it is no entity of their recording
    return theirs.items() <= entities


def spell(root: Path, path: Path) -> str:
    """Name a file by its place in the dataset; in full where it lies outside."""
    return (path.relative_to(root) if path.is_relative_to(root) else path).as_posix()


def read_json(root: Path, path: Path) -> dict[str, Any]:
    """Read a JSON object.

    Raises
    ------
    DatasetError
        It is not valid JSON, or not an object.
    """
    try:
        content = json.loads(path.read_text("utf-8-sig"))
    except (ValueError, OSError, RecursionError) as error:
        reason = str(error)
    else:
        if isinstance(content, dict):
            return content
        reason = "not an object"
    raise DatasetError(
        f"{spell(root, path)}: not valid JSON ({reason}). Mend the file or remove it."
    )


def told_number(metadata: Mapping[str, Any], name: str) -> float | None:
    """Take a finite number from a sidecar; none where it is missing or anything else."""
    value = metadata.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float) or abs(value) > _LARGEST:
        return None
    return None if math.isnan(value) else float(value)


def check_dataset(root: Path, validate: bool) -> None:
    """Look at the folder as a whole: is it there, has it content and, if asked, a description.

    Raises
    ------
    MissingInputError
        ``root`` is not a folder.
    DatasetError
        It is empty, or its ``dataset_description.json`` is missing, broken or incomplete.
    """
    if not root.is_dir():
        raise MissingInputError(f"{root}: no such folder. Give the folder of a BIDS dataset.")
    if not any(root.iterdir()):
        raise DatasetError(f"{root}: the folder is empty. Give the folder of a BIDS dataset.")
    if not validate:
        return
    description = root / "dataset_description.json"
    if description.is_symlink() and not description.exists():
        raise MissingInputError(f"{description}: a link without content. Fetch it: datalad get.")
    if not description.exists():
        raise DatasetError(
            f"{root}: no dataset_description.json, so not a BIDS dataset. Add one, or use "
            "--skip-bids-validation."
        )
    missing = {"Name", "BIDSVersion"} - read_json(root, description).keys()
    if missing:
        raise DatasetError(
            f"{description}: lacks {' and '.join(sorted(missing))}, which BIDS requires. Add it, "
            "or use --skip-bids-validation."
        )


def read_description(root: Path) -> dict[str, Any]:
    """Read what a dataset says of itself; where it says nothing, it is called like its folder."""
    try:
        described = read_json(root, root / "dataset_description.json")
    except DatasetError:  # a matter of ``check_dataset``
        described = {}
    return {"Name": root.name, **described}


def read_table(path: Path) -> pd.DataFrame:
    """Read a TSV as text.

    Columns that are aligned by spaces and labels in quotes are understood too (ds002336), and so is
    a byte order mark. What a row has beyond its header is left out.

    Raises
    ------
    ValueError
        It is empty, or no table.
    """
    with path.open(encoding="utf-8-sig", errors="replace") as file:
        separator = "\t" if "\t" in file.readline() else r"\s{2,}"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", pd.errors.ParserWarning)  # of longer rows
        table = pd.read_csv(
            path,
            sep=separator,
            engine="python",
            dtype=str,
            keep_default_na=False,
            quoting=csv.QUOTE_NONE,
            encoding="utf-8-sig",
            encoding_errors="replace",
            on_bad_lines=list,  # such rows as they are
            index_col=False,
        )
    table.columns = table.columns.str.strip(_AROUND)
    table = table.loc[:, ~table.columns.duplicated()].fillna("n/a")
    for name in table:
        table[name] = table[name].str.strip(_AROUND)
    return table
