"""Command line of the simulator: ``python -m bids_eeg2fmri.simulate OUT``."""

import argparse
import logging
import sys
from collections.abc import Sequence
from pathlib import Path

from bids_eeg2fmri.errors import AppError
from bids_eeg2fmri.parser import Parser
from bids_eeg2fmri.simulate import SimulationConfig, simulate


def make_parser() -> argparse.ArgumentParser:
    """Describe the options; what is not given stays as in ``SimulationConfig``."""
    default = SimulationConfig()
    parser = Parser(
        prog="python -m bids_eeg2fmri.simulate",
        description="Write a BIDS dataset of simultaneous EEG and fMRI whose coupling is known.",
        argument_default=argparse.SUPPRESS,
    )
    parser.add_argument("out", type=Path, metavar="OUT", help="folder to write; new or empty")
    for name, metavar, meaning in [
        ("participants", "N", "how many people"),
        ("volumes", "V", "BOLD volumes of each"),
        ("tr", "S", "repetition time in seconds"),
        ("channels", "C", "scalp electrodes of the 10-10 system; an ECG comes on top"),
        ("sfreq", "HZ", "EEG sampling rate"),
        ("coupling", "R", "correlation of a coupled voxel with its driver; 0 for a null dataset"),
        ("seed", "S", "from which every draw is derived"),
    ]:
        value = getattr(default, name)
        text = f"{meaning} (default: {value:g})"
        parser.add_argument(f"--{name}", type=type(value), metavar=metavar, help=text)
    grid = "BOLD voxels along each axis, over the whole brain (default: {} {} {})"
    parser.add_argument(
        "--grid", type=int, nargs=3, metavar=("X", "Y", "Z"), help=grid.format(*default.grid)
    )
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Simulate a dataset as the command line says, and return the exit code."""
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stdout)
    try:
        options = vars(make_parser().parse_args(argv))
        out = options.pop("out")
        if "grid" in options:
            options["grid"] = tuple(options["grid"])
        simulate(out, SimulationConfig(**options))
    except AppError as error:
        sys.stderr.write(f"{error}\n")
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
