"""Time and peak memory of the participant level at the size of NODDI, and where the time goes.

One simulated participant: 64 channels at 250 Hz, 300 volumes of 64×64×30 every 2.16 s, the default
settings (10 epochs of batches of 4). Goal on 2 cores: 10 minutes and 3 GB at most.

    python benchmarks/participant_noddi.py [--n-cpus N] [--runs N] [--epochs N]
"""

import argparse
import json
import math
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from datetime import datetime
from pathlib import Path

ROOT = Path(__file__).parents[1]
GOAL_SECONDS, GOAL_BYTES = 600, 3e9
SIZE = ("--volumes", "300", "--tr", "2.16", "--channels", "64", "--sfreq", "250")
GRID = ("--grid", "64", "64", "30")
STAGES = {
    "read": "reading EEG and BOLD",
    "clean": "looking for artefacts",
    "pairs": "spectrograms and volumes",
    "parcels": "parcels",
    "train": "training",
    "baselines": "baselines: fit",
    "test": "synthesis and scores, of baselines too",
    "phases": "39 surrogates of the EEG, each predicted from",
    "explain": "relevance",
    "parcel-scores": "scores of parcels",
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--n-cpus", default="2")
    parser.add_argument("--runs", type=int, default=1, help="runs of the participant")
    parser.add_argument("--epochs", default="10")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        bids, out = Path(folder, "bids"), Path(folder, "out")
        make_participant(bids, args.runs)
        simulated = _peak_bytes()
        started = time.time()
        app = [sys.executable, ROOT / "run.py", bids, out, "participant", "--n-cpus", args.n_cpus]
        app += ["--epochs", args.epochs, "--set", f"train.patience={args.epochs}"]  # all of them
        subprocess.run(app, check=True)
        ended = time.time()
        print("  clock  processor, in seconds")
        for what, (seconds, used) in split_by_stage(out / "work", started, ended).items():
            print(f"{seconds:7.1f} {used:7.1f}  {what}")
        goal = f"{(ended - started) / GOAL_SECONDS:.0%} of the goal"
        told = f"({goal}), {_cpu_seconds():.0f} s on the processor"
        print(f"participant, NODDI: {ended - started:.0f} s {told}")
        peak = _peak_bytes()
        if peak > simulated:
            print(f"peak memory: {peak / 1e9:.2f} GB ({peak / GOAL_BYTES:.0%} of the goal)")
        else:
            print(f"peak memory: below the {simulated / 1e9:.2f} GB of the simulation")


def make_participant(bids: Path, runs: int = 1, size: tuple[str, ...] = (*SIZE, *GRID)) -> None:
    """Simulate one participant; further runs are the first again."""
    call = [sys.executable, "-m", "bids_eeg2fmri.simulate", bids, "--participants", "1", *size]
    subprocess.run(call, check=True, cwd=ROOT)
    if runs == 1:
        return
    for file in [*bids.glob("sub-01/*/*_task-rest_*")]:
        for run in range(1, runs + 1):
            name = file.name.replace("_task-rest_", f"_task-rest_run-{run}_")
            if file.suffix in (".vhdr", ".vmrk"):
                text = file.read_text().replace("_task-rest_", f"_task-rest_run-{run}_")
                file.with_name(name).write_text(text)
            else:
                shutil.copy(file, file.with_name(name))
        file.unlink()


def split_by_stage(work: Path, started: float, ended: float) -> dict[str, tuple[float, float]]:
    """Tell from the units of a work folder how long each stage took, in seconds.

    By the clock and, of what is in a unit, on the processor. What is in none comes before the first
    and after the last: the start, and the files.
    """
    metas = [json.loads(path.read_text()) for path in work.glob("*/*/meta.json")]
    ends = [datetime.fromisoformat(meta["created"]).timestamp() for meta in metas]
    first = min(end - meta["seconds"] for end, meta in zip(ends, metas, strict=True))
    runs = sum(meta["stage"] == "pairs" for meta in metas)
    split = {"start and index": (first - started, math.nan)}
    for stage, what in STAGES.items():
        took = sorted((m["seconds"], m["cpu_seconds"]) for m in metas if m["stage"] == stage)
        if stage == "phases":  # made at once for all models of a run, whose units hold each other
            took = took[-runs:]
        split[what] = (sum(clock for clock, _ in took), sum(used for _, used in took))
    return split | {"figures, page and files": (ended - max(ends), math.nan)}


def _cpu_seconds() -> float:
    """Processor time of all child processes so far."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _peak_bytes() -> float:
    """Largest resident set of any child process so far."""
    return resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024


if __name__ == "__main__":
    main()
