"""From arguments to a job: settings laid over each other, and what does not go together refused.

The command line and the Python API both come this way, so that they do and refuse the same. Nothing
heavy is imported before the arguments are known to be good.
"""

import argparse
import dataclasses
import json
import os
import shlex
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from bids_eeg2fmri.arguments import with_hyphens
from bids_eeg2fmri.config import Config
from bids_eeg2fmri.errors import MissingInputError, UsageError
from bids_eeg2fmri.model.names import expand, first_encoding, with_style
from bids_eeg2fmri.presets import PRESETS
from bids_eeg2fmri.settings import (
    from_mapping,
    override,
    read_toml,
    settings,
    validate,
)

if TYPE_CHECKING:
    from bids_eeg2fmri.app.job import Job
    from bids_eeg2fmri.bids.selection import Selection


_FREE_WITH_A_MODEL = ("read.", "apply.", "clock.eeg_onset")
"""Beginnings of the settings that a saved model leaves open."""


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
        "clean.method": json.dumps(args.clean_eeg) if args.clean_eeg else None,
        "bold.clean": args.bold_clean,
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


@contextmanager
def ready(
    args: argparse.Namespace, argv: Sequence[str], *, on_stdout: bool = False
) -> Iterator["Job"]:
    """Check the arguments, set up log and environment, and give the job to whoever carries it out.

    What goes wrong with it then is an ``AppError`` too, be it an interruption or unforeseen.

    Parameters
    ----------
    args
        As the parser gives them.
    argv
        The same as they were typed, for the record.
    on_stdout
        Whether to log there in the place of stderr.

    Raises
    ------
    AppError
        If an argument cannot be used or a folder cannot be written to, before anything is done.
    """
    from bids_eeg2fmri.runtime.environment import prepare_environment

    config = configure(args)
    _check_arguments(args, config)
    work = args.work_dir or args.output_dir / "work"
    _check_files(args, work)
    prepare_environment(work)

    from bids_eeg2fmri.runtime import log
    from bids_eeg2fmri.runtime.execute import interruptible

    log.setup(None if args.dry_run else args.output_dir, args.verbose, on_stdout=on_stdout)
    job = _make_job(args, argv, config, work)
    logs = None if args.dry_run else job.out / "logs"
    with interruptible(), log.keeping_crashes(logs, args.analysis_level):
        yield job


def _make_job(args: argparse.Namespace, argv: Sequence[str], config: Config, work: Path) -> "Job":
    from bids_eeg2fmri.app.job import Job
    from bids_eeg2fmri.runtime.workers import choose_device, count_cpus

    chosen = "cpu" if args.dry_run else args.device  # a dry run need not load torch
    device, gpus = choose_device(chosen, bool(args.dask_scheduler))
    return Job(
        bids_dir=args.bids_dir.resolve(),
        out=args.output_dir.resolve(),
        work=work.resolve(),
        config=config,
        selection=select(args),
        test_participants=tuple(args.test_participants),
        atlas=tuple(path.resolve() for path in args.atlas),
        model=args.apply.resolve() if args.apply else None,
        device=device,
        n_cpus=args.n_cpus or count_cpus(os.environ),
        threads=args.omp_nthreads,
        gpus=gpus,
        scheduler=args.dask_scheduler or "",
        stop_on_first_crash=args.stop_on_first_crash,
        reports_only=args.reports_only,
        command=_command(argv),
    )


def _command(argv: Sequence[str]) -> str:
    """Spell the command that gives the results, be it only their pages that are made this time."""
    kept = [word for word in argv if with_hyphens([word]) != ["--reports-only"]]
    return shlex.join(["bids-eeg2fmri", *kept])


def _check_arguments(args: argparse.Namespace, config: Config) -> None:
    if not args.bids_dir.is_dir():
        raise MissingInputError(f"{args.bids_dir}: no such folder. Check bids_dir.")
    for name in ("n_cpus", "omp_nthreads"):
        if (number := getattr(args, name)) is not None and number < 1:
            raise UsageError(f"--{name.replace('_', '-')} {number}: give at least 1.")
    for option in ("test_participants", "folds"):
        if getattr(args, option) not in ((), None) and args.analysis_level != "group":
            raise UsageError(f"--{option.replace('_', '-')} is for the group level; drop it.")
    if args.apply:
        _check_application(args, config)
    _check_together(args, config)


def _check_files(args: argparse.Namespace, work: Path) -> None:
    """Refuse files and folders that cannot be used, and make those that are written to."""
    if args.atlas:
        from bids_eeg2fmri.bids.atlas import read_atlas

        read_atlas(*args.atlas)  # to refuse what is none before hours are spent
    if args.bids_database_dir:
        from bids_eeg2fmri.bids.write import check_place

        check_place("--bids-database-dir", args.bids_database_dir, args.bids_dir)
    if not args.dry_run:
        from bids_eeg2fmri.bids.write import check_output

        check_output(args.output_dir, args.bids_dir, work)


def _check_application(args: argparse.Namespace, config: Config) -> None:
    """Refuse what a saved model has settled already."""
    if args.analysis_level != "participant":
        raise UsageError("--apply is for the participant level: a model is applied to each alone.")
    for names, told in (
        (("optimise", "atlas"), "nothing is searched or scored"),
        (("match", "echo", "space"), "no BOLD is read"),
        (("clean_eeg",), "EEG is taken as it is"),
    ):
        clash = [name for name in names if getattr(args, name) not in (None, [], ())]
        if clash:
            raise UsageError(f"--apply: {told} then; drop --{clash[0].replace('_', '-')}.")
    check_open_with_a_model(config, from_mapping(PRESETS["recommended"]))


def check_open_with_a_model(config: Config, default: Config) -> None:
    """Refuse settings that a saved model brings itself.

    Raises
    ------
    UsageError
        If one of them is not what it is by default.
    """
    usual = dict(settings(default))
    changed = [name for name, value in settings(config) if value != usual[name]]
    settled = [n for n in changed if not n.startswith(_FREE_WITH_A_MODEL)]
    if settled:
        more = f" and {len(settled) - 3} more" if len(settled) > 3 else ""
        raise UsageError(
            f"--apply: the model brings its own {', '.join(settled[:3])}{more}; drop the options, "
            "the preset or the file that set them. Only read, apply and clock.eeg_onset are free."
        )


def _check_together(args: argparse.Namespace, config: Config) -> None:
    """Refuse what does not go together."""
    several = config.split.folds != 1
    for clash, text in (
        (
            args.json and not args.dry_run,
            "--json goes with --dry-run: it prints what would be run.",
        ),
        (
            args.reports_only and (args.optimise or args.dry_run),
            "--reports-only: nothing is searched or looked up then; drop --optimise or --dry-run.",
        ),
        (
            args.iterations is not None and not args.optimise,
            "--iterations goes with --optimise: it is the budget of that search.",
        ),
        (
            args.test_participants and several,
            "--test-participants: with --folds everyone is tested; drop one of them.",
        ),
        (
            args.echo and args.space,
            "--echo: preprocessed BOLD has its echoes combined; drop --echo or --space.",
        ),
        (
            args.optimise and several,
            "--optimise: with --folds, who gives scores would be tested too; drop one of them.",
        ),
        (
            args.optimise and args.atlas,
            "--atlas: a search for hyperparameters scores no parcels; drop one of them.",
        ),
        (
            len(args.atlas) > 2,
            f"--atlas: {len(args.atlas)} files; give one image and, at most, one table.",
        ),
    ):
        if clash:
            raise UsageError(text)
    if config.search.choose != "first" or 2 in args.optimise:
        first_encoding(config.models)


def select(args: argparse.Namespace) -> "Selection":
    """Gather which recordings are wanted.

    Raises
    ------
    AppError
        If a file, a folder or a label cannot be used.
    """
    from bids_eeg2fmri.bids.matching import read_matches
    from bids_eeg2fmri.bids.selection import (
        Selection,
        existing_folder,
        parse_derivative,
        parse_space,
    )

    return Selection(
        tuple(args.participant_label),
        tuple(args.session_label),
        tuple(args.task_id),
        tuple(args.run_id),
        _read_filters(args.bids_filter_file),
        not args.skip_bids_validation,
        read_matches(args.match, args.bids_dir),
        args.echo,
        existing_folder(args.eeg_from, "--eeg-from") if args.eeg_from else None,
        tuple(map(parse_derivative, args.derivatives)),
        parse_space(args.space) if args.space else None,
        _index(args),
    )


def _index(args: argparse.Namespace) -> Path | None:
    """Say where the list of files is kept; a dry run makes no folder of its own accord."""
    work = args.work_dir or args.output_dir / "work"
    index: Path = args.bids_database_dir or work / "index"
    is_wanted = args.bids_database_dir or index.is_dir() or not args.dry_run
    return index.resolve() if is_wanted else None


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
