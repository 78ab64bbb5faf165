"""The command line's arguments: what may be typed, and what argparse finds wrong with it."""

import argparse
import typing
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from bids_eeg2fmri import __version__
from bids_eeg2fmri.config import BoldConfig, CleanConfig
from bids_eeg2fmri.model.names import MODELS, Style
from bids_eeg2fmri.presets import PRESETS

LEVELS = ("participant", "group")
UNKNOWN_LEVEL = 17
USAGE = 64


class Parser(argparse.ArgumentParser):
    """An argument parser that ends with the documented exit codes."""

    def error(self, message: str) -> NoReturn:
        """Say what is wrong in one line."""
        unknown_level = "analysis_level" in message and "invalid choice" in message
        self.exit(
            UNKNOWN_LEVEL if unknown_level else USAGE,
            f"error: {message}. See {self.prog} --help.\n",
        )


def make_parser(kind: type[argparse.ArgumentParser] = Parser) -> argparse.ArgumentParser:
    """Describe the command line; both ``--a-b`` and ``--a_b`` are understood."""
    parser = kind(
        prog="bids-eeg2fmri",
        description="Learn to synthesise fMRI from simultaneous EEG, and say how good it is.",
        allow_abbrev=False,
    )
    parser.add_argument("bids_dir", type=Path, help="the BIDS dataset")
    parser.add_argument("output_dir", type=Path, help="where results go")
    parser.add_argument(
        "analysis_level",
        choices=LEVELS,
        help="participant: learn and test within each participant; "
        "group: learn on some participants, test on the others",
    )
    parser.add_argument("--version", action="version", version=f"%(prog)s {__version__}")
    _add_selection(parser.add_argument_group("which recordings"))
    _add_clock(parser.add_argument_group("how the clocks are tied"))
    _add_preparing(parser.add_argument_group("how the data are prepared"))
    _add_learning(parser.add_argument_group("learning"))
    _add_applying(parser.add_argument_group("EEG alone"))
    _add_scoring(parser.add_argument_group("scoring"))
    _add_running(parser.add_argument_group("where and how it runs"))
    _add_telling(parser.add_argument_group("what you are told"))
    return parser


def with_hyphens(argv: Sequence[str]) -> list[str]:
    """Spell ``--a_b`` and ``--a_b=value`` as ``--a-b``."""
    spelt = []
    for word in argv:
        name, equals, value = word.partition("=")
        is_option = name.startswith("--")
        spelt.append((name.replace("_", "-") if is_option else name) + equals + value)
    return spelt


def _add_selection(group: argparse._ArgumentGroup) -> None:
    for names, what in (
        (("--participant-label",), "participants"),
        (("--session-label",), "sessions"),
        (("--task-id", "--task"), "tasks"),
        (("--run-id",), "runs"),
    ):
        group.add_argument(
            *names, nargs="+", default=(), metavar="LABEL", help=f"only these {what}"
        )
    group.add_argument(
        "--bids-filter-file",
        type=Path,
        metavar="FILE",
        help="JSON with pybids filters for eeg, bold",
    )
    group.add_argument(
        "--match",
        action="append",
        default=[],
        metavar="EEG=BOLD",
        help="labels that belong together, e.g. eeg.task-ECON=bold.task-EC, or a .tsv file with "
        "the columns eeg and bold; may be given several times",
    )
    group.add_argument(
        "--eeg-from",
        type=Path,
        metavar="FOLDER",
        help="take the EEG from this folder of derivatives",
    )
    group.add_argument(
        "--echo",
        type=_echo,
        metavar="N|combined",
        help="echo of multi-echo BOLD that is taken (the first), or all of them combined",
    )
    group.add_argument(
        "--derivatives",
        nargs="+",
        default=(),
        metavar="[NAME=]PATH",
        help="output of fMRIPrep; beside it what lies in the dataset's derivatives is found by "
        "itself",
    )
    group.add_argument(
        "--space",
        metavar="SPACE[:res-N]",
        help="take BOLD that fMRIPrep has preprocessed, in this space, e.g. T1w",
    )
    group.add_argument(
        "--bids-database-dir",
        type=Path,
        metavar="FOLDER",
        help="keep the list of the dataset's files here, for the next start or other jobs "
        "(WORK_DIR/index)",
    )
    group.add_argument(
        "--skip-bids-validation", action="store_true", help="do not check the dataset first"
    )


def _add_clock(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--trigger", metavar="LABEL", help="marker that stands for a volume, e.g. R128"
    )
    group.add_argument(
        "--eeg-onset",
        type=float,
        metavar="SECONDS",
        help="EEG time of the first stored volume, where no marker tells it; with --apply, of any "
        "volume to be synthesised",
    )


def _add_preparing(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--clean-eeg",
        choices=typing.get_args(typing.get_type_hints(CleanConfig)["method"]),
        help="artefacts of the scanner that are taken out of the EEG: those of its gradients, and "
        "with +bcg of the pulse in its field; by default those that are found (auto)",
    )
    group.add_argument(
        "--bold-clean",
        choices=typing.get_args(typing.get_type_hints(BoldConfig)["clean"]),
        help="what is regressed out of the BOLD: nothing (the default), linear trends, or these "
        "and head motion from a table of confounds",
    )


def _add_learning(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--preset",
        choices=PRESETS,
        default="recommended",
        help="settings to start from (recommended)",
    )
    group.add_argument(
        "--models",
        nargs="+",
        metavar="MODEL",
        help=f"models to train, or all-paper: {', '.join(MODELS)}; by default that of the preset",
    )
    group.add_argument(
        "--style",
        choices=typing.get_args(Style),
        help="where models with attention take the style of the latent from",
    )
    group.add_argument(
        "--search",
        choices=("first", "best-validation", "darts"),
        help="how encoders are chosen among candidates (first)",
    )
    group.add_argument(
        "--folds",
        type=_folds,
        metavar="K|loo",
        help="test every participant once, in K parts or leaving one out; without it some test",
    )
    group.add_argument(
        "--optimise",
        nargs="+",
        type=int,
        choices=(1, 2),
        default=(),
        metavar="PHASE",
        help="search hyperparameters instead: 1 on BOLD alone, 2 from EEG to BOLD",
    )
    group.add_argument(
        "--iterations", type=int, metavar="N", help="with --optimise: trials of each phase (100)"
    )
    group.add_argument("--epochs", type=int, metavar="N", help="passes over the training pairs")
    group.add_argument(
        "--seed", "--random-seed", type=int, metavar="N", help="from which all draws are derived"
    )
    group.add_argument(
        "--test-participants",
        nargs="+",
        default=(),
        metavar="LABEL",
        help="participants held out at group level",
    )
    group.add_argument("--config", type=Path, metavar="FILE", help="settings in TOML")
    group.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="SECTION.KEY=VALUE",
        help="one setting; may be given several times",
    )


def _add_applying(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--apply",
        type=Path,
        metavar="MODEL",
        help="participant level: learn nothing, but synthesise BOLD from EEG alone with a model "
        "from the folder models/ of an earlier call",
    )


def _add_scoring(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--atlas",
        nargs="+",
        type=Path,
        default=(),
        metavar=("NIFTI", "LABELS.tsv"),
        help="parcels: a label image in the space of the BOLD, and the names of its labels; "
        "without it a segmentation by fMRIPrep, spheres in MNI space, or blocks",
    )


def _folds(text: str) -> int:
    """Read the number of folds; leaving one participant out is 0."""
    if text == "loo":
        return 0
    if not text.isdecimal() or int(text) < 2:
        raise argparse.ArgumentTypeError(f"{text!r} is no number of folds; give 2 or more, or loo")
    return int(text)


def _echo(text: str) -> int | str:
    """Read the number of an echo, or that all are combined."""
    if text == "combined":
        return text
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no echo; give its number, or combined")
    return int(text)


def _add_running(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "-w", "--work-dir", type=Path, metavar="DIR", help="intermediate results (output_dir/work)"
    )
    group.add_argument(
        "--n-cpus",
        "--nprocs",
        type=int,
        metavar="N",
        help="processors to use (all that it may): one process for each omp-nthreads of them",
    )
    group.add_argument(
        "--omp-nthreads",
        type=int,
        default=2,
        metavar="N",
        help="threads of each process (2); results may differ in the last digits with it",
    )
    group.add_argument(
        "--device",
        choices=("auto", "cpu", "cuda"),
        default="auto",
        help="where networks are trained; auto takes a GPU if there is one",
    )
    group.add_argument(
        "--dask-scheduler",
        metavar="ADDRESS|FILE",
        help="let the workers of a dask cluster do the work, in the place of n-cpus processes of "
        "this machine",
    )
    group.add_argument(
        "--stop-on-first-crash",
        action="store_true",
        help="end at the first participant that fails",
    )
    group.add_argument(
        "--reports-only",
        action="store_true",
        help="make reports and tables again from what is stored, and compute nothing",
    )


def _add_telling(group: argparse._ArgumentGroup) -> None:
    group.add_argument("--dry-run", action="store_true", help="say what would be done, do nothing")
    group.add_argument(
        "--json", action="store_true", help="with --dry-run: one JSON object a recording"
    )
    group.add_argument("-v", "--verbose", action="count", default=0, help="say more")
