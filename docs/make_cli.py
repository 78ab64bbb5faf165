"""Write ``reference/cli.md`` and ``reference/exit-codes.md`` from the parsers and ``errors.py``."""

import argparse
import inspect
from collections.abc import Iterator, Mapping
from pathlib import Path

from bids_eeg2fmri import errors
from bids_eeg2fmri.arguments import UNKNOWN_LEVEL, make_parser
from bids_eeg2fmri.simulate.__main__ import make_parser as make_simulator_parser

REFERENCE = Path(__file__).parent / "reference"
WRITTEN = "<!-- Written by docs/make_cli.py from the parsers and errors.py; do not edit. -->"

COMMAND_LINE = f"""\
# Command line

{WRITTEN}

```text
python run.py [options] BIDS_DIR OUTPUT_DIR {{participant,group}}
```

`bids-eeg2fmri` does the same where the package is installed. Options may be spelt `--like-this` or
`--like_this`; labels may keep or drop their `sub-`, `ses-`, `task-` or `run-`. Most options that concern
learning are a [setting](settings.md) too; an option wins over `--set`, that over a file of `--config`, and all
over the preset. What a call ends with says its [exit code](exit-codes.md).
"""

SIMULATOR = """\
## The simulator

```text
python -m bids_eeg2fmri.simulate OUT [options]
```

[Simulates a dataset](../how-to/simulate.md) whose coupling is known.
"""

MORE = {
    "--match": "your-dataset.md#recordings-whose-labels-differ",
    "--eeg-from": "preprocessed.md#eeg-that-was-preprocessed",
    "--echo": "preprocessed.md#multi-echo-bold",
    "--derivatives": "preprocessed.md#bold-that-was-preprocessed",
    "--space": "preprocessed.md#bold-that-was-preprocessed",
    "--bids-database-dir": "resume.md#the-list-of-files",
    "--trigger": "../explanation/clock.md",
    "--eeg-onset": "../explanation/clock.md",
    "--clean-eeg": "../explanation/cleaning.md",
    "--bold-clean": "preprocessed.md#preparing-the-bold",
    "--preset": "models.md#presets",
    "--models": "models.md#models",
    "--style": "models.md#models",
    "--search": "search.md#encoders",
    "--optimise": "search.md#hyperparameters",
    "--iterations": "search.md#hyperparameters",
    "--config": "models.md#settings",
    "--set": "models.md#settings",
    "--apply": "eeg-alone.md",
    "--atlas": "atlas.md",
    "--work-dir": "resume.md",
    "--n-cpus": "hpc.md#one-machine",
    "--omp-nthreads": "hpc.md#one-machine",
    "--device": "gpu.md",
    "--dask-scheduler": "hpc.md#a-dask-cluster",
    "--reports-only": "resume.md#reports-alone",
    "--dry-run": "your-dataset.md#look-before-you-run",
    "--json": "your-dataset.md#look-before-you-run",
}
"""Pages of ``how-to/`` that tell more about an option."""

WHAT_TO_DO = {
    0: "read the reports",
    1: "report it, with the file in `logs/`",
    16: "run the BIDS validator",
    17: "give `participant` or `group`",
    18: "check labels, tasks, sessions; `--dry-run` says what is there",
    64: "the message names it",
    65: "the message names it",
    66: "check the path, or what the container mounts",
    70: "see the messages; run again for the rest",
    73: "check space and permissions",
    75: "run again, where memory was short with more of it or a smaller `--n-cpus`; what was damaged "
    "is then made again",
}

WITHOUT_ERROR = {
    0: "All is done.",
    1: "There is a mistake in the program.",
    UNKNOWN_LEVEL: "The analysis level is unknown.",
}
"""What no error of ``errors.py`` stands for."""


def command_line() -> str:
    """Tell every argument of the app and of the simulator."""
    return "\n".join([COMMAND_LINE, *tables(make_parser()), SIMULATOR, *rows_of(simulator())])


def tables(parser: argparse.ArgumentParser) -> Iterator[str]:
    """Give a heading and a table for each group of arguments."""
    for group in parser._action_groups:
        actions = group._group_actions
        if not actions:
            continue
        title = {"positional arguments": "What is given first", "options": "In general"}.get(
            group.title or "", group.title or ""
        )
        yield f"## {title[0].upper()}{title[1:]}\n"
        yield from rows_of(actions)


def simulator() -> list[argparse.Action]:
    """List the arguments of the simulator, in the order of its help."""
    return [action for action in make_simulator_parser()._actions if action.dest != "help"]


def rows_of(actions: list[argparse.Action]) -> Iterator[str]:
    """Give one table; the last line is empty."""
    yield "| argument | what it is |"
    yield "|---|---|"
    for action in actions:
        yield f"| {spell(action)} | {sentence(action)} |"
    yield ""


def spell(action: argparse.Action) -> str:
    """Spell an argument as it is typed."""
    if not action.option_strings:
        return f"`{str(action.metavar or action.dest).upper()}`"
    names = sorted(action.option_strings, key=lambda name: not name.startswith("--"))
    first = f"{names[0]} {values(action)}".rstrip()
    return ", ".join(f"`{name}`" for name in [first, *names[1:]]).replace("|", "\\|")


def values(action: argparse.Action) -> str:
    """Spell what an option takes."""
    if action.nargs == 0:
        return ""
    if isinstance(action.metavar, tuple):
        repeated = action.nargs == "+"
        return (
            f"{action.metavar[0]} [{action.metavar[1]}]" if repeated else " ".join(action.metavar)
        )
    if action.metavar is None:
        return "{" + ",".join(map(str, action.choices or ())) + "}"
    return f"{action.metavar} …" if action.nargs == "+" else action.metavar


def sentence(action: argparse.Action) -> str:
    """Say what an argument is, and where more is told."""
    text = (action.help or "").replace("%(prog)s ", "").replace("|", "\\|")
    for name in action.option_strings:
        if name in MORE:
            page = MORE[name] if MORE[name].startswith("..") else f"../how-to/{MORE[name]}"
            return f"{text} ([more]({page}))"
    return text


def exit_codes() -> str:
    """Tell every exit code: what it means and what to do."""
    rows = [
        f"| {code} | {text} | {WHAT_TO_DO[code]} |" for code, text in sorted(meanings().items())
    ]
    tree = (inspect.getdoc(errors) or "").split("::\n\n")[1].split("\n\n")[0]
    table = "\n".join(["| code | meaning | what to do |", "|---|---|---|", *rows])
    return f"""\
# Exit codes

{WRITTEN}

{table}

Where nobody succeeded, the code is that of the reason. A message tells in one line what is wrong, where, and what
to do.

## As exceptions

From Python, the same are exceptions of `bids_eeg2fmri.errors`:

```text
{inspect.cleandoc(tree)}
```
"""


def meanings() -> Mapping[int, str]:
    """Say for each exit code what its error says of itself."""
    kinds = errors.AppError.__subclasses__()
    return WITHOUT_ERROR | {kind.exit_code: (kind.__doc__ or "").strip() for kind in kinds}


if __name__ == "__main__":
    (REFERENCE / "cli.md").write_text(command_line(), encoding="utf-8")
    (REFERENCE / "exit-codes.md").write_text(exit_codes(), encoding="utf-8")
