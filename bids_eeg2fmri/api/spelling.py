"""Keywords to the command line, so that whatever the one takes and refuses, so does the other."""

import argparse
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence

from bids_eeg2fmri.arguments import make_parser
from bids_eeg2fmri.errors import UsageError
from bids_eeg2fmri.parser import Parser
from bids_eeg2fmri.settings import read_value, spell_value

_ONE_BY_ONE = ("match", "set")
"""Options that are given once for each of their values."""


class _Keywords(Parser):
    """What understands a command line that keywords were spelt as."""

    help_by = "help(Study)"


def parse(argv: Sequence[str]) -> argparse.Namespace:
    """Understand a command line.

    Raises
    ------
    UsageError
        If it cannot be understood.
    """
    return make_parser(_Keywords).parse_args(argv)


def spell_options(options: Mapping[str, object]) -> Iterator[str]:
    """Spell keywords as options, e.g. ``omp_nthreads=1`` as ``--omp-nthreads 1``.

    What is None, False or empty is left out.
    """
    for name, value in options.items():
        option = f"--{name.replace('_', '-')}"
        if value is True:
            yield option
        elif isinstance(value, Iterable) and not isinstance(value, str):
            texts = [_text(item) for item in value]
            if name in _ONE_BY_ONE:
                for text in texts:
                    yield from (option, text)
            elif texts:
                yield from (option, *texts)
        elif value is not None and value is not False:
            text = _text(value)
            # argparse takes what begins with a hyphen for an option.
            yield from (f"{option}={text}",) if text.startswith("-") else (option, text)


def spell_settings(settings: Mapping[str, object], section: str = "") -> Iterator[str]:
    """Spell settings as ``section.key=value``; sections may be mappings of their own.

    Raises
    ------
    UsageError
        If a value is of a kind that no setting is.
    """
    for key, value in settings.items():
        name = section + key
        if isinstance(value, Mapping):
            yield from spell_settings(value, f"{name}.")
        else:
            yield f"{name}={_value(name, value)}"


def _value(name: str, value: object) -> str:
    """Spell the value of a setting in TOML; text that can stand bare stands bare."""
    if value is None:
        return "none"
    plain = value.tolist() if hasattr(value, "tolist") else value  # of numpy
    if isinstance(plain, str) and plain == plain.strip() and read_value(plain) == plain:
        return plain
    try:
        return spell_value(plain)
    except (TypeError, ValueError):
        raise UsageError(f"{name} = {value!r}: no setting is of this kind.") from None


def _text(value: object) -> str:
    """Spell a value; a home folder as a shell would have it."""
    text = str(value)
    return os.path.expanduser(text) if text.startswith("~/") else text
