"""Real layouts: metadata of published datasets, filled with signals whose clock is known."""

import json
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

SHARED = Path(__file__).parents[2] / "shared"


def hydrate(name, folder, *options):
    """Fill the skeleton of a real dataset; the answer is its folder."""
    archive = SHARED / "data" / "skeletons" / f"{name}.tgz"
    if not archive.exists():
        pytest.skip(f"the skeleton of {name} is not at hand")
    with tarfile.open(archive) as tar:
        tar.extractall(folder, filter="data")
    command = [sys.executable, SHARED / "tools" / "hydrate.py", folder / name, folder / "out"]
    subprocess.run([*command, *options], check=True, capture_output=True)
    return folder / "out"


def truth_of(root):
    """What a filled dataset holds, by run."""
    entries = json.loads((root / "sourcedata" / "hydrate_truth.json").read_text())["runs"]
    return {entry["run"]: entry for entry in entries}
