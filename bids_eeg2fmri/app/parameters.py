"""Count what each model trains: ``python -m bids_eeg2fmri.app.parameters``."""

import argparse
import sys
from collections.abc import Iterator, Sequence

import torch

from bids_eeg2fmri.app.choosing import first_shapes
from bids_eeg2fmri.config import Config, ModelConfig
from bids_eeg2fmri.errors import ShapeError, UsageError
from bids_eeg2fmri.model.names import ALL_PAPER
from bids_eeg2fmri.model.network import Network, Shapes
from bids_eeg2fmri.model.noddi import NODDI
from bids_eeg2fmri.model.registry import build
from bids_eeg2fmri.parser import Parser
from bids_eeg2fmri.search.architectures import Shape
from bids_eeg2fmri.settings import override, validate

COLUMNS = {
    "E_x": "eeg_encoder",
    "E_y": "bold_encoder",
    "attention": "attention",
    "style": "style",
    "projection": "projection",
    "decoder": "decoder",
}
"""Title of each column, and the part of a network that it counts."""


def main(argv: Sequence[str] | None = None) -> int:
    """Print the table that the command line asks for, and return the exit code."""
    try:
        args = _make_parser().parse_args(argv)
        cfg = validate(override(Config(), args.set))
        lines = list(table(encoders(tuple(args.eeg), tuple(args.bold), cfg), cfg.model))
    except (UsageError, ShapeError) as error:
        sys.stderr.write(f"error: {error}\n")
        return UsageError.exit_code  # whatever is wrong here was given as an argument
    sys.stdout.writelines(f"{line}\n" for line in lines)
    return 0


def table(shapes: Shapes, cfg: ModelConfig) -> Iterator[str]:
    """Yield a line for each model of the paper: its trained parameters in all and by part."""
    width = max(map(len, ALL_PAPER))
    yield f"{'model':{width}}" + "".join(f"{head:>12}" for head in ["total", *COLUMNS, "other"])
    for name in ALL_PAPER:
        with torch.device("meta"):  # shapes without numbers
            network = build(name, shapes, cfg)
        yield f"{name:{width}}" + "".join(f"{count:12,}" for count in count_parameters(network))


def count_parameters(network: Network) -> list[int]:
    """Count what is trained: in all, in each part of ``COLUMNS``, and in what is none of them."""
    counts = dict.fromkeys([*COLUMNS.values(), "other"], 0)
    for name, parameter in network.named_parameters():
        part = name.split(".")[0]
        counts[part if part in counts else "other"] += parameter.numel()
    return [sum(counts.values()), *counts.values()]


def encoders(eeg: Shape, bold: Shape, cfg: Config) -> Shapes:
    """Take the paper's own encoders where they fit, else the first that are found.

    Raises
    ------
    ShapeError
        If no encoder leads from a shape to the latent.
    """
    if (eeg, bold, cfg.model.latent) == (NODDI.eeg, NODDI.bold, ModelConfig().latent):
        return NODDI
    return first_shapes(cfg, eeg, bold)


def _make_parser() -> Parser:
    parser = Parser(prog="python -m bids_eeg2fmri.app.parameters", description=__doc__)
    for option, shape, axes in (
        ("--eeg", NODDI.eeg, ("CHANNELS", "FREQS", "WINDOWS")),
        ("--bold", NODDI.bold, ("X", "Y", "Z")),
    ):
        text = "shape of a sample (default: {} {} {}, as in NODDI)".format(*shape)
        parser.add_argument(option, type=_size, nargs=3, default=shape, metavar=axes, help=text)
    text = "one setting, e.g. model.fourier=normalised; may be given several times"
    parser.add_argument(
        "--set", action="append", default=[], metavar="SECTION.KEY=VALUE", help=text
    )
    return parser


def _size(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no size; give a number from 1 on")
    return int(text)


if __name__ == "__main__":
    sys.exit(main())
