"""Real layouts: metadata of published datasets, filled with signals whose clock is known."""

import json
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

SHARED = Path(__file__).parents[2] / "shared"
ALL = """
import sys
tools, folder, names, *options = sys.argv[1:]
sys.path.insert(0, tools)
import hydrate
for name in names.split():
    sys.argv[1:] = [f"{folder}/{name}", f"{folder}/filled/{name}", *options]
    hydrate.main()
"""
"""One process for all spares each the import of MNE."""


def hydrate(name, folder, *options):
    """Fill the skeleton of a real dataset; the answer is its folder."""
    unpack(name, folder)
    command = [sys.executable, SHARED / "tools" / "hydrate.py", folder / name, folder / "out"]
    subprocess.run([*command, *options], check=True, capture_output=True)
    return folder / "out"


def hydrate_all(names, folder, *options):
    """Fill several skeletons at once; the answer is the folder in which each has its own."""
    for name in names:
        unpack(name, folder)
    command = [sys.executable, "-c", ALL, SHARED / "tools", folder, " ".join(names)]
    subprocess.run([*command, *options], check=True, capture_output=True)
    return folder / "filled"


def unpack(name, folder):
    """Lay out the metadata of a real dataset, or skip the test where it is not at hand."""
    archive = SHARED / "data" / "skeletons" / f"{name}.tgz"
    if not archive.exists():
        pytest.skip(f"the skeleton of {name} is not at hand")
    with tarfile.open(archive) as tar:
        tar.extractall(folder, filter="data")


def truth_of(root):
    """What a filled dataset holds, by run."""
    entries = json.loads((root / "sourcedata" / "hydrate_truth.json").read_text())["runs"]
    return {entry["run"]: entry for entry in entries}
