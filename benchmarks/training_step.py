"""Time of one training step of each model at the shape of NODDI.

64×134×10 spectrograms, 64×64×30 volumes, batches of 4, the paper's own encoders: forward, loss,
backward and the step of the optimiser, with 1 and with 2 threads. The models take turns, so that
whatever else the machine does falls on all alike; medians, and the ratio of their processor time to
that of ``topo-rff``.
Goal for ``topo-rff`` with one thread: 0.55 s of processor time.

    python benchmarks/training_step.py [--steps N] [--models NAME ...] [--threads N ...]
"""

import argparse
import time
from collections.abc import Callable
from statistics import median

import torch

from bids_eeg2fmri.app.parameters import NODDI
from bids_eeg2fmri.config import ModelConfig, TrainConfig
from bids_eeg2fmri.model.loss import synthesis_loss
from bids_eeg2fmri.model.names import MODELS, expand
from bids_eeg2fmri.model.registry import build
from bids_eeg2fmri.train.fit import start

REFERENCE = "topo-rff"
Step = Callable[[], None]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=5, help="timed steps of each model")
    parser.add_argument("--models", nargs="+", default=list(MODELS), help="besides topo-rff")
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    args = parser.parse_args()
    names = expand([REFERENCE, *args.models])
    print(
        f"{'model':18}" + "".join(f"{head:>14}" for head in ("threads", "wall s", "CPU s", "ratio"))
    )
    for threads in args.threads:
        torch.set_num_threads(threads)
        times = measure({name: training_step(name) for name in names}, args.steps)
        reference = times[REFERENCE][1]
        for name, (wall, cpu) in times.items():
            print(f"{name:18}{threads:14}{wall:14.3f}{cpu:14.3f}{cpu / reference:14.2f}")


def training_step(name: str) -> Step:
    """Ready a model, and return what one step of its training does."""
    cfg = TrainConfig()
    torch.manual_seed(0)
    model = build(name, NODDI, ModelConfig()).train()
    optimizer = start(model, cfg, torch.zeros(NODDI.bold).numpy()).optimizer
    eeg, bold = (torch.randn(cfg.batch_size, *shape) for shape in (NODDI.eeg, NODDI.bold))

    def step() -> None:
        synthesis_loss(model(eeg, bold), bold, cfg.regularisation).backward()
        optimizer.step()
        optimizer.zero_grad()

    return step


def measure(steps: dict[str, Step], n: int) -> dict[str, tuple[float, float]]:
    """Return the median wall and processor time of each model's steps, in seconds."""
    times: dict[str, list[tuple[float, float]]] = {name: [] for name in steps}
    for turn in range(n + 1):
        for name, step in steps.items():
            wall, cpu = time.perf_counter(), time.process_time()
            step()
            if turn:  # the first one warms up
                times[name].append((time.perf_counter() - wall, time.process_time() - cpu))
    return {name: tuple(map(median, zip(*taken, strict=True))) for name, taken in times.items()}


if __name__ == "__main__":
    main()
