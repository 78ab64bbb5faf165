"""Run every command of the documentation that can be run here; `fences` checks the others.

::

    python docs/tools/try_commands.py [PAGE ...]           on a small simulated dataset
    python docs/tools/try_commands.py --whole [PAGE ...]   as they stand, in a copy of the repository

Each page has a folder of its own, with simulated datasets `BIDS` and `EEG`, and the app under the
names by which the pages call it. Without ``--whole``, it learns as little as can be, and ``make``
only says what it would do. What stands in a block titled ``prints`` must have been printed by the
commands before it, apart from numbers, which differ from machine to machine.
"""

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import fences
from fences import ROOT, Block, blocks

SIMULATE = "--participants 3 --volumes 120 --grid 9 10 9 --channels 12 --sfreq 150 --coupling 0.9"
QUICK = {
    "evaluate.null_draws": 20,
    "evaluate.phase_draws": 2,
    "model.latent": 5,
    "explain.pairs": 4,
    "optimise.epochs": 1,
    "optimise.iterations": 2,
    "optimise.latent": [4, 5],
    "report.figures": "false",
    "search.candidates": 2,
    "search.epochs": 1,
    "spectrogram.fmax": 20,
    "train.epochs": 1,
}
"""With which the app has little to do; what a page itself asks for wins."""
APP = """\
\"\"\"The app, told to learn little.\"\"\"
import sys

from bids_eeg2fmri.cli import run

if __name__ == "__main__":
    if "--apply" not in sys.argv:  # a saved model brings its own settings
        sys.argv[1:1] = {options}
    run()
"""
LIMIT = 3600
"""Seconds that one block may take."""


def main() -> int:
    """Run the blocks of the pages and say what failed."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("pages", nargs="*", type=Path, help="all but the tutorial if not given")
    parser.add_argument(
        "--whole", action="store_true", help="in a copy of the repository, as they stand"
    )
    args = parser.parse_args()
    usual = [page for page in fences.PAGES if page.name != "tutorial.md"]
    pages = [page.resolve() for page in args.pages] or usual
    with tempfile.TemporaryDirectory(prefix="commands-") as folder:
        problems = [
            problem for page in pages for problem in try_page(page, Path(folder), args.whole)
        ]
    sys.stdout.write("\n\n".join(problems) + "\n" if problems else "")
    return 1 if problems else 0


def try_page(page: Path, base: Path, whole: bool) -> Iterator[str]:
    """Run the blocks of one page in their order; give what is wrong."""
    found = list(blocks(page))
    yield from (fault for block in found if (fault := fences.fault(block)))
    if not any(block.is_run for block in found):
        return
    place = base / f"{page.stem}-{len(list(base.iterdir()))}"
    prepare_whole(place) if whole else prepare(place, base / "simulated")
    printed, script = "", ""
    for block in found:
        if block.language == "toml":
            (place / block.title).write_text(block.text, encoding="utf-8")
        elif (block.language, block.title) == fences.PRINTS:
            yield from missing(block, printed)
        elif block.is_run:
            if block.language == "python":  # which may use what blocks above it have made
                script += block.text
            code, printed = run(block, place, script)
            if code:
                yield f"{block.where}: ended with {code}\n{printed[-1500:]}"
                break
    shutil.rmtree(place)


def prepare(place: Path, simulated: Path) -> None:
    """Lay out a folder with simulated datasets and the app under the names that pages use."""
    if not simulated.is_dir():
        call = [sys.executable, "-m", "bids_eeg2fmri.simulate", simulated, *SIMULATE.split()]
        subprocess.run(call, check=True, capture_output=True)
    for name in ("BIDS", "EEG"):
        shutil.copytree(simulated, place / name)
    options = [word for name, value in QUICK.items() for word in ("--set", f"{name}={value}")]
    (place / "run.py").write_text(APP.format(options=options), encoding="utf-8")
    (place / "platforms").symlink_to(ROOT / "platforms")
    put(place / "bin/bosh", f'exec "{Path(sys.executable).with_name("bosh")}" "$@"')
    put(place / "bin/python", f'exec "{sys.executable}" "$@"')
    put(place / "bin/bids-eeg2fmri", f'exec "{sys.executable}" "{place}/run.py" "$@"')
    put(place / "bin/make", f'exec "{shutil.which("make")}" -n -C "{ROOT}" "$@"')


def prepare_whole(place: Path) -> None:
    """Copy what git knows of the repository, with the environment that is there."""
    place.mkdir()
    listed = subprocess.run(
        ["git", "-C", ROOT, "ls-files", "-z"], check=True, capture_output=True, text=True
    )
    for name in listed.stdout.split("\0"):
        if (ROOT / name).is_file():
            (place / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, place / name)
    (place / ".venv/bin").mkdir(parents=True)
    for name in ("python", "pip"):
        put(
            place / ".venv/bin" / name, f'exec "{sys.executable}" {"-m pip" * (name == "pip")} "$@"'
        )
    (place / ".venv/installed").touch()


def put(path: Path, line: str) -> None:
    """Write a command."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/bash\n{line}\n", encoding="utf-8")
    path.chmod(0o755)


def run(block: Block, place: Path, script: str) -> tuple[int, str]:
    """Run a block where it belongs; give its exit code and what it printed."""
    path = f"{place / 'bin'}{os.pathsep}{os.environ['PATH']}"
    call = ["bash", "-euo", "pipefail", "-c", block.text]
    if block.language == "python":
        call = [sys.executable, "-c", script]
    sys.stdout.write(f"{block.where} ")
    sys.stdout.flush()
    since = time.monotonic()
    told = subprocess.run(
        call,
        cwd=place,
        env=os.environ | {"PATH": path, "PYTHONPATH": str(ROOT)},
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        timeout=LIMIT,
        check=False,
    )
    sys.stdout.write(f"{time.monotonic() - since:.0f} s\n")
    return told.returncode, told.stdout


def missing(block: Block, printed: str) -> Iterator[str]:
    """Say which lines of a block were not printed, in this order and apart from numbers."""
    left = iter([shape(line) for line in printed.splitlines()])
    for line in block.text.splitlines():
        wanted = ".*".join(re.escape(part) for part in shape(line).split("…"))
        if wanted not in ("", ".*") and not any(re.fullmatch(wanted, told) for told in left):
            yield f"{block.where}: was not printed here: {line}"


def shape(line: str) -> str:
    """Take numbers and the width of gaps out of a line."""
    return " ".join(re.sub(r"[-+−]?\d[\d.:]*", "0", line).split())


if __name__ == "__main__":
    sys.exit(main())
