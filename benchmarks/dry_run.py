"""How long a dry run takes for a dataset of hundreds of runs.

One simulated run (32 channels at 250 Hz, 300 volumes) stands for all: its files are linked, its
headers copied, under the names of many participants with three runs each, with a marker for each
volume and, where asked for, for each slice. Prints the seconds of `--dry-run --json`, imports
included, and those of a run.

    python benchmarks/dry_run.py [--participants N] [--slices N] [--n-cpus N]
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).parents[1]
RUNS = (1, 2, 3)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--participants", type=int, default=100)
    parser.add_argument("--slices", type=int, default=0)
    parser.add_argument("--n-cpus", type=int, default=os.cpu_count() or 1)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        one, many = Path(folder, "one"), Path(folder, "many")
        size = ["--participants", "1", "--volumes", "300", "--channels", "32", "--sfreq", "250"]
        simulate = [sys.executable, "-m", "bids_eeg2fmri.simulate", str(one), *size]
        subprocess.run(simulate, check=True, capture_output=True)
        add_slices(one / "sub-01/eeg/sub-01_task-rest_eeg.vmrk", args.slices)
        for participant in range(1, args.participants + 1):
            for run in RUNS:
                multiply(one, many, f"sub-{participant:03}", f"task-rest_run-{run}")
        call = [sys.executable, ROOT / "run.py", many, Path(folder, "out"), "participant"]
        started = time.monotonic()
        call += ["--dry-run", "--json", "--n-cpus", str(args.n_cpus)]
        told = subprocess.run(call, check=True, capture_output=True)
        seconds = time.monotonic() - started
    rows = [json.loads(line) for line in told.stdout.splitlines()]
    assert all("clock" in row for row in rows)
    print(f"{len(rows)} runs: {seconds:.1f} s, {1000 * seconds / len(rows):.0f} ms a run")


def add_slices(markers: Path, slices: int) -> None:
    """Put a marker for each slice behind that of its volume, 16 samples apart."""
    lines = []
    for line in markers.read_text(encoding="utf-8").splitlines():
        lines.append(line)
        if line.startswith("Mk") and "Response" in line:
            volume = int(line.split(",")[2])
            lines += [f"Mk0=Scanner,Slice,{volume + 16 * i},1,0" for i in range(slices)]
    markers.write_text("\n".join(lines), encoding="utf-8")


def multiply(one: Path, many: Path, participant: str, task: str) -> None:
    """Let the run of one dataset stand in another under another name."""
    for path in one.rglob("*"):
        name = str(path.relative_to(one)).replace("sub-01", participant)
        copy = many / name.replace("task-rest", task)
        if path.is_dir() or copy.exists():
            continue
        copy.parent.mkdir(parents=True, exist_ok=True)
        if path.suffix in (".vhdr", ".vmrk"):
            text = path.read_text(encoding="utf-8")
            copy.write_text(text.replace("sub-01", participant).replace("task-rest", task), "utf-8")
        else:
            os.link(path, copy)


if __name__ == "__main__":
    main()
