"""From what a user of Brainlife entered to the command line of the app."""

import argparse
import re
from collections.abc import Iterator, Mapping

from bids_eeg2fmri.arguments import make_parser
from bids_eeg2fmri.errors import UsageError

OURS = {"bids_dir", "output_dir", "work_dir"}
"""Where things are is settled here."""


def spell(config: Mapping[str, object]) -> list[str]:
    """Spell the level and the options.

    Parameters
    ----------
    config
        Each option by its name with underscores. What is ``null`` or empty was not entered. Several
        values stand in a list, or in one text: labels with blanks or commas between them, what may
        be given several times, such as ``set``, with semicolons.

    Raises
    ------
    UsageError
        There is no such option.
    """
    actions = {action.dest: action for action in make_parser()._actions}
    level = str(config.get("analysis_level") or "participant")
    known = {name for name in actions if name not in OURS | {"help", "version"}}
    staged = {key for entry in _inputs(config) for key in entry.get("keys", ())}
    options = [level]
    for name, value in config.items():
        if name.startswith("_") or name in staged | {"bids", "analysis_level"}:
            continue
        if name not in known:
            raise UsageError(f"config.json: no option {name!r}. See docs/reference/cli.md for all.")
        if value is not None and value is not False and value not in ("", []):
            options += _words(actions[name], value)
    return options


def _inputs(config: Mapping[str, object]) -> list[dict[str, list[str]]]:
    entries = config.get("_inputs") or []
    return entries if isinstance(entries, list) else []


def _words(action: argparse.Action, value: object) -> Iterator[str]:
    long = next(name for name in action.option_strings if name.startswith("--"))
    if action.nargs == 0:
        yield from [long] * (value if isinstance(value, int) else 1)  # of `verbose`, how often
    elif action.nargs == "+":
        yield from [long, *_several(value, r"[\s,]+")]
    elif isinstance(action, argparse._AppendAction):
        yield from (f"{long}={one}" for one in _several(value, r"\s*;\s*"))
    else:
        yield f"{long}={value}"


def _several(value: object, between: str) -> list[str]:
    texts = value if isinstance(value, list) else re.split(between, str(value).strip())
    return [str(one) for one in texts if str(one)]
