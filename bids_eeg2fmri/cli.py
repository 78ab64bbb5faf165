"""The command line: arguments to settings, errors to exit codes.

Nothing heavy is imported before the arguments are known to be good.
"""

import argparse
import dataclasses
import json
import os
import shlex
import sys
import typing
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from bids_eeg2fmri import __version__
from bids_eeg2fmri.config import Config
from bids_eeg2fmri.errors import AppError, MissingInputError, UsageError
from bids_eeg2fmri.model.names import MODELS, Style, expand, with_style
from bids_eeg2fmri.presets import PRESETS
from bids_eeg2fmri.settings import from_mapping, override, read_toml, to_toml, validate

if TYPE_CHECKING:
    from bids_eeg2fmri.app.job import Job
    from bids_eeg2fmri.bids.query import Selection

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


def make_parser() -> Parser:
    """Describe the command line; both ``--a-b`` and ``--a_b`` are understood."""
    parser = Parser(
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
    _add_learning(parser.add_argument_group("learning"))
    _add_running(parser.add_argument_group("where and how it runs"))
    _add_telling(parser.add_argument_group("what you are told"))
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run the app and return its exit status."""
    argv = list(sys.argv[1:] if argv is None else argv)
    try:
        args = make_parser().parse_args(_with_hyphens(argv))
    except SystemExit as end:
        return int(end.code or 0)
    try:
        _run(args, argv)
    except AppError as error:
        from bids_eeg2fmri.runtime import log

        log.tell_end(error)
        return error.exit_code
    return 0


def run() -> NoReturn:
    """Be the console script."""
    sys.exit(main())


def configure(args: argparse.Namespace) -> Config:
    """Lay file, ``--set`` and single options over the defaults.

    Raises
    ------
    UsageError
        If a setting is unknown or cannot be used.
    MissingInputError
        If the settings file does not exist.
    """
    config = from_mapping(PRESETS[args.preset])
    if args.config:
        config = from_mapping(read_toml(args.config), config)
    config = override(config, args.set)
    given = {
        "clock.trigger": json.dumps(args.trigger) if args.trigger else None,
        "clock.eeg_onset": args.eeg_onset,
        "train.epochs": args.epochs,
        "search.choose": args.search,
        "split.folds": args.folds,
        "optimise.iterations": args.iterations,
        "models": json.dumps(args.models) if args.models else None,
        "seed": args.seed,
    }
    options = [f"{name}={value}" for name, value in given.items() if value is not None]
    config = override(config, options)
    models = expand(config.models)
    if args.style:
        models = tuple(dict.fromkeys(with_style(name, args.style) for name in models))
    return validate(dataclasses.replace(config, models=models))


def _run(args: argparse.Namespace, argv: Sequence[str]) -> None:
    from bids_eeg2fmri.runtime.environment import prepare_environment

    config = configure(args)
    _check_arguments(args, config)
    work = args.work_dir or args.output_dir / "work"
    if not args.dry_run:
        from bids_eeg2fmri.bids.write import check_output

        check_output(args.output_dir, args.bids_dir, work)
    prepare_environment(work)

    from bids_eeg2fmri.app.job import Job
    from bids_eeg2fmri.runtime import log
    from bids_eeg2fmri.runtime.execute import interruptible

    log.setup(None if args.dry_run else args.output_dir, args.verbose)
    job = Job(
        bids_dir=args.bids_dir.resolve(),
        out=args.output_dir.resolve(),
        work=work.resolve(),
        config=config,
        selection=_selection(args),
        test_participants=tuple(args.test_participants),
        device="cpu" if args.dry_run else _device(args.device),
        n_cpus=args.n_cpus,
        threads=args.omp_nthreads,
        stop_on_first_crash=args.stop_on_first_crash,
        command=shlex.join(["bids-eeg2fmri", *argv]),
    )
    with interruptible():
        if args.dry_run:  # without torch, which takes seconds to import
            from bids_eeg2fmri.app.dry_run import dry_run

            dry_run(job, args.analysis_level, as_json=args.json)
            return
        with log.keeping_crashes(job.out / "logs", args.analysis_level):
            _begin(job)
            _run_level(job, args.analysis_level, sorted(set(args.optimise)))


def _run_level(job: "Job", level: str, phases: Sequence[int]) -> None:
    if phases:
        from bids_eeg2fmri.app.optimise import run_optimisation

        run_optimisation(job, level, phases)
    elif level == "participant":
        from bids_eeg2fmri.app.participant import run_participants

        run_participants(job)
    else:
        from bids_eeg2fmri.app.group import run_group

        run_group(job)


def _begin(job: "Job") -> None:
    """Write what describes the output folder as a whole, before hours are spent."""
    from bids_eeg2fmri.bids.dataset import write_dataset
    from bids_eeg2fmri.bids.sidecars import check_dataset
    from bids_eeg2fmri.bids.write import write_json, write_text
    from bids_eeg2fmri.runtime import log
    from bids_eeg2fmri.runtime.environment import versions

    check_dataset(job.bids_dir, job.selection.validate)
    write_dataset(
        job.out,
        job.bids_dir,
        command=job.command,
        version=__version__,
        container=os.environ.get("BIDS_EEG2FMRI_IMAGE"),
    )
    stem = log.file_stem()
    write_text(job.out / "logs" / f"{stem}_config.toml", to_toml(job.config))
    write_json(job.out / "logs" / f"{stem}_environment.json", versions())


def _check_arguments(args: argparse.Namespace, config: Config) -> None:
    if not args.bids_dir.is_dir():
        raise MissingInputError(f"{args.bids_dir}: no such folder. Check bids_dir.")
    for name in ("n_cpus", "omp_nthreads"):
        if getattr(args, name) < 1:
            raise UsageError(f"--{name.replace('_', '-')} {getattr(args, name)}: give at least 1.")
    for option in ("test_participants", "folds"):
        if getattr(args, option) not in ((), None) and args.analysis_level != "group":
            raise UsageError(f"--{option.replace('_', '-')} is for the group level; drop it.")
    for clash, text in (
        (
            args.json and not args.dry_run,
            "--json goes with --dry-run: it prints what would be run.",
        ),
        (
            args.iterations is not None and not args.optimise,
            "--iterations goes with --optimise: it is the budget of that search.",
        ),
        (
            args.test_participants and config.split.folds != 1,
            "--test-participants: with --folds everyone is tested; drop one of them.",
        ),
    ):
        if clash:
            raise UsageError(text)


def _selection(args: argparse.Namespace) -> "Selection":
    from bids_eeg2fmri.bids.query import Selection

    return Selection(
        tuple(args.participant_label),
        tuple(args.session_label),
        tuple(args.task_id),
        tuple(args.run_id),
        _read_filters(args.bids_filter_file),
        not args.skip_bids_validation,
    )


def _read_filters(path: Path | None) -> dict[str, dict[str, object]] | None:
    if path is None:
        return None
    try:
        filters = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise MissingInputError(f"{path}: no such file. Check --bids-filter-file.") from None
    except (OSError, ValueError) as error:
        raise UsageError(f"{path}: not valid JSON ({error}). Check --bids-filter-file.") from None
    if not isinstance(filters, dict) or not all(isinstance(x, dict) for x in filters.values()):
        example = '{"bold": {"direction": "AP"}}'
        raise UsageError(f"{path}: must look like {example}. Check --bids-filter-file.")
    return filters


def _device(name: str) -> str:
    import torch

    if name == "cuda" and not torch.cuda.is_available():
        raise UsageError("--device cuda: torch sees no GPU here. Use auto or cpu.")
    return "cuda" if name != "cpu" and torch.cuda.is_available() else "cpu"


def _with_hyphens(argv: Sequence[str]) -> list[str]:
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
        help="EEG time of the first stored volume, where no marker tells it",
    )


def _add_learning(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--preset", choices=PRESETS, default="paper", help="settings to start from (paper)"
    )
    group.add_argument(
        "--models",
        nargs="+",
        metavar="MODEL",
        help=f"models to train, or all-paper: {', '.join(MODELS)} (topo-rff)",
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


def _folds(text: str) -> int:
    """Read the number of folds; leaving one participant out is 0."""
    if text == "loo":
        return 0
    if not text.isdecimal() or int(text) < 2:
        raise argparse.ArgumentTypeError(f"{text!r} is no number of folds; give 2 or more, or loo")
    return int(text)


def _add_running(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "-w", "--work-dir", type=Path, metavar="DIR", help="intermediate results (output_dir/work)"
    )
    group.add_argument(
        "--n-cpus",
        "--nprocs",
        type=int,
        default=os.cpu_count() or 1,
        metavar="N",
        help="processors to use (all): one process for each omp-nthreads of them",
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
        "--stop-on-first-crash",
        action="store_true",
        help="end at the first participant that fails",
    )


def _add_telling(group: argparse._ArgumentGroup) -> None:
    group.add_argument("--dry-run", action="store_true", help="say what would be done, do nothing")
    group.add_argument(
        "--json", action="store_true", help="with --dry-run: one JSON object a recording"
    )
    group.add_argument("-v", "--verbose", action="count", default=0, help="say more")
