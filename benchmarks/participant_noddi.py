"""Time and peak memory of the participant level at the size of NODDI.

One simulated participant: 64 channels at 250 Hz, 300 volumes of 64×64×30 every 2.16 s, the default
settings (10 epochs of batches of 4). Goal on 2 cores: 10 minutes and 3 GB at most.

    python benchmarks/participant_noddi.py [--n-cpus N]
"""

import argparse
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).parents[1]
GOAL_SECONDS, GOAL_BYTES = 600, 3e9


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--n-cpus", default="2")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        bids, out = Path(folder, "bids"), Path(folder, "out")
        size = ["--participants", "1", "--volumes", "300", "--tr", "2.16", "--channels", "64"]
        size += ["--sfreq", "250", "--grid", "64", "64", "30"]
        subprocess.run([sys.executable, "-m", "bids_eeg2fmri.simulate", bids, *size], check=True)
        simulated = _peak_bytes()
        started = time.monotonic()
        app = [sys.executable, ROOT / "run.py", bids, out, "participant", "--n-cpus", args.n_cpus]
        app += ["--set", "train.patience=10"]  # all ten epochs, also where fewer would do
        subprocess.run(app, check=True)
        seconds = time.monotonic() - started
        print(f"participant, NODDI: {seconds:.0f} s ({seconds / GOAL_SECONDS:.0%} of the goal)")
        peak = _peak_bytes()
        if peak > simulated:
            print(f"peak memory: {peak / 1e9:.2f} GB ({peak / GOAL_BYTES:.0%} of the goal)")
        else:
            print(f"peak memory: below the {simulated / 1e9:.2f} GB of the simulation")


def _peak_bytes() -> float:
    """Largest resident set of any child process so far."""
    return resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024


if __name__ == "__main__":
    main()
