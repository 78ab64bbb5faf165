"""Programs of the platforms, started as a user starts them."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PLATFORMS = ROOT / "platforms"
VERSION = (ROOT / "version").read_text().strip()
DESCRIPTOR = PLATFORMS / "boutiques" / "bids-eeg2fmri.json"


def start(command, folder, *folders):
    """Run a command; programs are looked for in these folders first, then beside this Python."""
    paths = [*map(str, folders), str(Path(sys.executable).parent), os.environ["PATH"]]
    return subprocess.run(
        [*map(str, command)],
        cwd=folder,
        env={**os.environ, "PATH": ":".join(paths), "NO_COLOR": "1", "COLUMNS": "500"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )


def stand_in(path, script):
    """Write a program that stands for one that is not to be had here."""
    path.parent.mkdir(exist_ok=True)
    path.write_text(f"#!/bin/bash\n{script}")
    path.chmod(0o755)


def given(fast, option):
    """Values of an option that may be given several times."""
    return [fast[i + 1] for i, word in enumerate(fast) if word == option]


def tools(name):
    """Find the programs that have an environment of their own; `make launches` says where."""
    folder = Path(os.environ.get("PLATFORMS", "nowhere"))
    if not (folder / name).exists():
        pytest.skip(f"{name} is not here; for `make launches`")
    return folder.resolve()
