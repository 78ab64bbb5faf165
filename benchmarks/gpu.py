"""A full training at the size of NODDI on a GPU, and how much of the card it uses.

2,296 pairs of noise in memory-mapped files, ten epochs, every model: time of an epoch once the
first is over, time of the whole, memory, and what share that is of what the card does at most.
That most is measured on the same card: a copy, and a product of large matrices. What a step moves
follows from shapes: Adam reads weight, gradient and both moments and writes three of them; the
decoder's weights are read forward and backward, and their gradient is written. What it computes,
torch counts.

Without CUDA it says so and ends. On a CPU, to try it: ``--device cpu --pairs 8 --epochs 2``.

    python benchmarks/gpu.py [--models NAME ...] [--batches N ...] [--variants SETTINGS ...]
        [--pairs N] [--epochs N] [--device NAME] [--markdown]
"""

import argparse
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median

import numpy as np
import torch
from measured.table import as_markdown, as_text, duration, machine
from torch.utils.flop_counter import FlopCounterMode

from bids_eeg2fmri.config import Config, ScaleConfig, TrainConfig
from bids_eeg2fmri.model.loss import synthesis_loss
from bids_eeg2fmri.model.names import MODELS, expand
from bids_eeg2fmri.model.network import Network, Shapes
from bids_eeg2fmri.model.noddi import NODDI
from bids_eeg2fmri.model.registry import build
from bids_eeg2fmri.preprocess.scale import expected, fit_scale, mean_volume
from bids_eeg2fmri.settings import override
from bids_eeg2fmri.train.examples import Examples
from bids_eeg2fmri.train.fit import fit, start
from bids_eeg2fmri.types import Pairs

GOAL = 30.0
"""Seconds for ten epochs of model (iv) in batches of 4 on one H100."""
HEAD = ("model", "batch", "settings", "epoch", "step", "all", "memory", "bandwidth", "FLOP/s")
VALID = 10
"""One pair in so many more is for validation."""
SHAPES = replace(NODDI, bands=((0, 67), (67, 134)), lags=tuple(np.arange(25.0, 6.0, -2).tolist()))
"""Those of NODDI, with what the linear path of the hybrid must know."""


@dataclass(frozen=True)
class Peak:
    """The most that the device does."""

    bandwidth: float
    """Bytes read and written in a second."""
    flops: float
    """Floating-point operations in a second, of a product of matrices in single precision."""


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--models", nargs="+", default=list(MODELS))
    parser.add_argument("--batches", type=int, nargs="+", default=[4, 16, 64])
    text = "settings beside the defaults, joined by commas; each is a training of its own"
    parser.add_argument(
        "--variants", nargs="+", default=[""], metavar="SECTION.KEY=VALUE", help=text
    )
    parser.add_argument("--pairs", type=int, default=2296)
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--markdown", action="store_true", help="print the table as Markdown")
    args = parser.parse_args(argv)
    if args.device == "cuda" and not torch.cuda.is_available():
        print("There is no CUDA here; nothing is measured.")
        return
    peak = measure_peak(args.device)
    print(f"{machine()}; {device_name(args.device)}")
    print(
        f"At most {peak.bandwidth / 1e9:,.0f} GB/s and {peak.flops / 1e12:,.2f} TFLOP/s, measured"
    )
    table = [HEAD]
    with tempfile.TemporaryDirectory() as folder:
        examples = stored_noise(Path(folder), args.pairs)
        for name in expand(args.models):
            for batch in args.batches:
                for variant in args.variants:
                    settings = [one for one in variant.split(",") if one]
                    cfg = override(Config(), [*settings, f"train.batch_size={batch}"])
                    cfg = override(cfg, [f"train.epochs={args.epochs}"])
                    cfg = override(cfg, [f"train.patience={args.epochs}"])
                    sys.stderr.write(f"{name}, batches of {batch} {variant} …\n")
                    told = train(name, cfg, examples, args.device, peak)
                    table.append((name, str(batch), variant or "–", *told))
    print()
    print((as_markdown if args.markdown else as_text)(table))
    print(f"\nGoal: {GOAL:.0f} s for all ten epochs of topo-rff in batches of 4 on one H100.")


def train(
    name: str,
    cfg: Config,
    examples: tuple[Examples, Examples],
    device: str,
    peak: Peak,
    shapes: Shapes = SHAPES,
) -> tuple[str, ...]:
    """Train a model and tell what it took, in the order of the table."""
    if device == "cuda":
        torch.cuda.reset_peak_memory_stats()
    torch.manual_seed(0)
    model = build(name, shapes, cfg.model).to(device)
    ours, valid = examples
    flops = flops_of_step(model, cfg.train, shapes)
    mean = expected(mean_volume(ours.runs, ours.index, ours.scale), ours.scale)
    fitting = start(model, cfg.train, mean)
    began = time.monotonic()
    for _ in fit(fitting, ours, valid, cfg.train, seed=0):
        pass
    if device == "cuda":
        torch.cuda.synchronize()
    whole = time.monotonic() - began
    epochs = [epoch.seconds for epoch in fitting.history]
    epoch = median(epochs[1:] or epochs)
    steps = -(-len(ours) // cfg.train.batch_size)
    moved, held = bytes_of_step(model), 0
    if device == "cuda":
        held = torch.cuda.max_memory_allocated()
    return (
        duration(epoch),
        duration(epoch / steps),
        duration(whole),
        f"{held / 1e9:.2f} GB" if held else "–",
        f"{moved * steps / epoch / peak.bandwidth:.0%}",
        f"{flops * steps / epoch / peak.flops:.1%}",
    )


def bytes_of_step(model: Network) -> int:
    """Count what one step moves at least, in single precision: by Adam, and by the decoder."""
    trained = sum(p.numel() for p in model.parameters() if p.requires_grad)
    decoder = getattr(model, "decoder", None) or getattr(
        getattr(model, "network", None), "decoder", None
    )
    dense = sum(p.numel() for p in decoder.parameters()) if decoder is not None else 0
    return 4 * (7 * trained + 3 * dense)


def flops_of_step(model: Network, cfg: TrainConfig, shapes: Shapes) -> int:
    """Count what forward and backward compute for one batch."""
    eeg = torch.randn(cfg.batch_size, *shapes.eeg, device=model.device)
    bold = torch.randn(cfg.batch_size, *shapes.bold, device=model.device)
    with FlopCounterMode(display=False) as counter:
        synthesis_loss(model.train()(eeg, bold), bold, cfg.regularisation).backward()
    model.zero_grad()
    return int(counter.get_total_flops())


def measure_peak(device: str) -> Peak:
    """Copy much, and multiply large matrices, and take the best of several."""
    small = device == "cpu"
    source = torch.ones((64 if small else 512) << 20, dtype=torch.uint8, device=device)
    target = torch.empty_like(source)
    n = 1024 if small else 8192
    a, b = torch.randn(n, n, device=device), torch.randn(n, n, device=device)
    copied = least_seconds(lambda: target.copy_(source), device)
    multiplied = least_seconds(lambda: torch.mm(a, b), device)
    return Peak(2 * source.numel() / copied, 2 * n**3 / multiplied)


def least_seconds(work: Callable[[], object], device: str) -> float:
    """Time some turns after a first one that counts nothing."""
    taken = []
    for _ in range(6):
        began = time.perf_counter()
        work()
        if device == "cuda":
            torch.cuda.synchronize()
        taken.append(time.perf_counter() - began)
    return min(taken[1:])


def stored_noise(folder: Path, n: int, shapes: Shapes = SHAPES) -> tuple[Examples, Examples]:
    """Write pairs of noise to memory-mapped files; give those to learn from, and some more."""
    more = max(1, n // VALID)
    rng = np.random.default_rng(0)
    stored = {}
    for name, shape in (("eeg", shapes.eeg), ("bold", shapes.bold)):
        path = folder / f"{name}.npy"
        array = np.lib.format.open_memmap(path, "w+", np.float32, (n + more, *shape))
        for i in range(n + more):
            array[i] = rng.standard_normal(shape, np.float32)
        array.flush()
        stored[name] = np.load(path, mmap_mode="r")
    pairs = Pairs(
        **stored,
        volume=np.arange(n + more),
        onset=2.16 * np.arange(n + more),
        freqs=0.5 * np.arange(1, shapes.eeg[1] + 1),
        channels=tuple(f"E{i}" for i in range(shapes.eeg[0])),
        run="sub-01_task-rest",
        mask=np.ones(shapes.bold, dtype=bool),
        n_volumes=n + more,
    )
    index = np.arange(n)
    scale = fit_scale([pairs], [index], ScaleConfig())
    rest = np.arange(n, n + more)
    return Examples([pairs], [index], scale), Examples([pairs], [rest], scale)


def device_name(device: str) -> str:
    """Name the card, or the processor's threads."""
    if device == "cuda":
        return torch.cuda.get_device_name()
    return f"{torch.get_num_threads()} threads"


if __name__ == "__main__":
    main()
