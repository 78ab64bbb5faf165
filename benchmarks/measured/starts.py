"""Calls of the whole program: how soon it answers, and how long a participant takes.

Nothing heavy is imported here, or it would count as the memory of the calls.
"""

import re
import subprocess
import sys
from collections.abc import Callable
from datetime import datetime
from itertools import count
from pathlib import Path
from shutil import rmtree

RUN = Path(__file__).parents[2] / "run.py"
FAST = ("--set", "model.latent=3", "--set", "spectrogram.fmax=30", "--epochs", "2")
LINE = re.compile(r"(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3}) (?:\w+: )?(.{16,}?)  (\w+) +(\S.*)")
"""Of the log: when, whose, which stage, and what."""


def simulated(
    folder: Path, volumes: int, grid: list[int], channels: int, sfreq: int, **more: int
) -> None:
    """Simulate one participant of that size, or as many as are asked for."""
    size = ["--participants", str(more.get("participants", 1)), "--tr", "2.16"]
    size += ["--volumes", str(volumes), "--channels", str(channels), "--sfreq", str(sfreq)]
    call = [sys.executable, "-m", "bids_eeg2fmri.simulate", str(folder / "bids"), *size]
    quietly([*call, "--grid", *map(str, grid)])


def version(_folder: Path) -> Callable[[], object]:
    """Ready the shortest call of the app."""
    return lambda: quietly([sys.executable, str(RUN), "--version"])


def interpreter(_folder: Path) -> Callable[[], object]:
    """Ready the shortest call of Python with libraries that the work needs."""
    return lambda: quietly([sys.executable, "-c", "import torch, mne, nibabel"])


def again(folder: Path, **_size: object) -> Callable[[], object]:
    """Ready a call whose results are there already."""
    call = participant(folder, folder / "again", (*FAST, "--n-cpus", "1"))
    quietly(call)
    return lambda: quietly(call)


def first_time(folder: Path, **_size: object) -> Callable[[], object]:
    """Ready the same call, each time into an empty folder."""
    numbers = count()

    def work() -> None:
        out = folder / f"first{next(numbers)}"
        quietly(participant(folder, out, (*FAST, "--n-cpus", "1")))
        rmtree(out)

    return work


def whole(
    folder: Path, options: tuple[str, ...] = ("--n-cpus", "2"), **_size: object
) -> Callable[[], str]:
    """Ready a participant by the default settings, all ten epochs; tell how its time divides."""
    numbers = count()

    def work() -> str:
        out = folder / f"out{next(numbers)}"
        began = datetime.now()  # as the log
        quietly(participant(folder, out, (*options, "--set", "train.patience=10")))
        (log,) = out.glob("logs/*.log")
        stages = seconds_by_stage(log.read_text(encoding="utf-8"), began)
        rmtree(out)
        return ", ".join(f"{name} {seconds:.0f} s" for name, seconds in stages.items())

    return work


def participant(folder: Path, out: Path, options: tuple[str, ...]) -> list[str]:
    """Word a call of the participant level."""
    return [sys.executable, str(RUN), str(folder / "bids"), str(out), "participant", *options]


def seconds_by_stage(log: str, began: datetime) -> dict[str, float]:
    """Add up, by stage, the time before each line of the log: a line tells what has been done."""
    spent: dict[str, float] = {}
    for line in log.splitlines():
        if told := LINE.match(line):
            now = datetime.strptime(told[1], "%Y-%m-%d %H:%M:%S,%f")
            spent[told[3]] = spent.get(told[3], 0.0) + (now - began).total_seconds()
            began = now
    return spent


def quietly(call: list[str]) -> None:
    """Run a program, and say what it said if it fails."""
    done = subprocess.run(call, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{' '.join(call)}: exit code {done.returncode}\n{done.stdout}{done.stderr}")
