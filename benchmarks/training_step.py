"""Time of one training step, and of one synthesised volume, of each model at the shape of NODDI.

64×134×10 spectrograms in five bands, 64×64×30 volumes, the paper's own encoders. A step is forward,
loss, backward and the optimiser's; a synthesis is forward alone. ``plain`` is model (iv) as one
writes it in plain torch (`measured.straight`); ``… brain`` a model that makes the brain alone, here
30 % of the grid. All take turns, so that whatever else the machine does falls on all alike;
medians, and the ratio of their processor time to that of ``plain``.
Goals for ``topo-rff`` with one thread: 0.55 s of processor time at a batch of 4 and 2 s at 16.

    python benchmarks/training_step.py [--steps N] [--models NAME ...] [--threads N ...]
        [--batch N ...] [--voxels box brain] [--precision bfloat16]
"""

import argparse
import time
from collections.abc import Callable
from dataclasses import replace
from statistics import median

import torch
from measured import straight
from measured.training import straight_model

from bids_eeg2fmri.config import ModelConfig, TrainConfig
from bids_eeg2fmri.model.loss import synthesis_loss
from bids_eeg2fmri.model.names import MODELS, expand
from bids_eeg2fmri.model.network import Network, Shapes
from bids_eeg2fmri.model.noddi import NODDI
from bids_eeg2fmri.model.registry import build
from bids_eeg2fmri.train.fit import start

PLAIN = "plain"
BRAIN = 0.3
"""Share of the grid."""
SHAPES = replace(
    NODDI,
    bands=((0, 8), (8, 16), (16, 26), (26, 60), (60, 134)),
    lags=tuple(25.0 - 2 * window for window in range(10)),
    brain=int(BRAIN * 64 * 64 * 30),
)
Step = Callable[[], object]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=5, help="timed steps of each model")
    parser.add_argument("--models", nargs="+", default=list(MODELS), help="besides topo-rff")
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--batch", type=int, nargs="+", default=[4, 16])
    parser.add_argument("--voxels", nargs="+", default=["box"], choices=["box", "brain"])
    parser.add_argument("--precision", default="float32", choices=["float32", "bfloat16"])
    args = parser.parse_args()
    names = expand(["topo-rff", *args.models])
    each = [(n, v) for n in names for v in args.voxels if v == "box" or MODELS[n].parts]
    heads = ("threads", "batch", "wall s", "CPU s", "of plain", "volume ms")
    print(f"{'model':18}" + "".join(f"{head:>12}" for head in heads))
    for threads in args.threads:
        torch.set_num_threads(threads)
        for batch in args.batch:
            tell(each, threads, batch, args.steps, args.precision)


def tell(each: list[tuple[str, str]], threads: int, batch: int, n: int, precision: str) -> None:
    """Print the rows of one size of batches."""
    titles = [name if voxels == "box" else f"{name} brain" for name, voxels in each]
    steps = {
        title: training_step(*one, batch, precision)
        for title, one in zip(titles, each, strict=True)
    }
    taken = measure({PLAIN: plain_step(batch), **steps}, n)
    del steps
    made = measure(
        {title: synthesis(*one, batch) for title, one in zip(titles, each, strict=True)}, n
    )
    for title, (wall, cpu) in taken.items():
        volume = f"{1e3 * made[title][0] / batch:12.2f}" if title in made else ""
        print(
            f"{title:18}{threads:12}{batch:12}{wall:12.3f}{cpu:12.3f}{cpu / taken[PLAIN][1]:12.2f}"
            + volume
        )


def training_step(
    name: str, voxels: str = "box", batch: int = 4, precision: str = "float32"
) -> Step:
    """Ready a model, and return what one step of its training does."""
    cfg = TrainConfig(precision=precision)
    model = network(name, voxels)
    brain = torch.arange(NODDI.bold[0] * NODDI.bold[1] * NODDI.bold[2]) < SHAPES.brain
    mean = torch.zeros(NODDI.bold).numpy()
    optimizer = start(model.train(), cfg, mean, brain.view(NODDI.bold).numpy()).optimizer
    eeg, bold = batch_of(batch)

    def step() -> None:
        synthesis_loss(model(eeg, bold), bold, cfg.regularisation).backward()
        optimizer.step()
        optimizer.zero_grad()

    return step


def plain_step(batch: int = 4) -> Step:
    """Ready model (iv) in plain torch, and return what one step of its training does."""
    torch.manual_seed(0)
    step, given = straight.stepper(straight_model(NODDI)), batch_of(batch)
    return lambda: step(*given)


def synthesis(name: str, voxels: str = "box", batch: int = 16) -> Step:
    """Ready a model, and return what makes a batch of volumes."""
    model, (eeg, _) = network(name, voxels).eval(), batch_of(batch)

    @torch.inference_mode()
    def make() -> None:
        model(eeg)

    return make


def network(name: str, voxels: str) -> Network:
    """Draw a model."""
    torch.manual_seed(0)
    return build(name, SHAPES, ModelConfig(voxels=voxels))


def batch_of(n: int, shapes: Shapes = SHAPES) -> tuple[torch.Tensor, torch.Tensor]:
    """Draw spectrograms and volumes."""
    return torch.randn(n, *shapes.eeg), torch.randn(n, *shapes.bold)


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
