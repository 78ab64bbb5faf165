"""Write ``reference/settings.md`` from the docstrings in ``config.py``."""

import ast
import dataclasses
import inspect
import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from bids_eeg2fmri import config
from bids_eeg2fmri.settings import allowed, settings, spell_type, spell_value

PAGE = Path(__file__).parent / "reference" / "settings.md"

INTRODUCTION = """\
# Settings

<!-- Written by docs/make_settings.py from bids_eeg2fmri/config.py; do not edit. -->

Every setting can stand in a file given with `--config FILE.toml` or be changed alone with
`--set section.key=value`; later ones win. The values below are those of `--preset paper`, the
paper's where it names one (Calhas & Henriques 2022, to which the section, table and equation
numbers refer); what `--preset recommended`, with which a call begins unless told otherwise, changes
of them stands [elsewhere](../how-to/models.md#presets). `--set section.key=none`
unsets a setting that may be unset. What a call really used stands in `logs/…_config.toml` of its
output.
"""


class Setting(NamedTuple):
    """One setting, as it is told to the user."""

    section: str
    key: str
    kind: str
    default: str
    text: str


def describe() -> list[Setting]:
    """List every setting with its type, default and the text under it in ``config.py``."""
    defaults = dict(settings(config.Config()))
    found = []
    for section, cls in sections():
        kinds = {entry.name: entry.type for entry in dataclasses.fields(cls)}
        for key, text in field_texts(cls).items():
            name = f"{section}.{key}" if section else key
            kind = spell_type(kinds[key], allowed(name))
            default = "none" if defaults[name] is None else spell_value(defaults[name])
            found.append(Setting(section, key, kind, default, text))
    return found


def sections() -> Iterator[tuple[str, Any]]:
    """Go through the sections; first, under the empty name, what belongs to none."""
    yield "", config.Config
    for entry in dataclasses.fields(config.Config):
        if dataclasses.is_dataclass(entry.type):
            yield entry.name, entry.type


def field_texts(cls: type) -> dict[str, str]:
    """Read the string literal under each field of a dataclass; fields without one are left out."""
    texts = {}
    for entry, below in itertools.pairwise(class_body(cls)):
        match entry, below:
            case (
                ast.AnnAssign(target=ast.Name(id=name)),
                ast.Expr(value=ast.Constant(value=str(text))),
            ):
                texts[name] = " ".join(text.split())
    return texts


def class_body(cls: type) -> list[ast.stmt]:
    """Parse the source of a class."""
    match ast.parse(inspect.getsource(cls)).body:
        case [ast.ClassDef(body=body)]:
            return body
    raise ValueError(f"{cls} is not a class written at the top of a module")


def page() -> str:
    """Put all settings into Markdown tables, one for each section."""
    entries, parts = describe(), [INTRODUCTION]
    for section, cls in sections():
        heading = f"## {section}\n\n{inspect.getdoc(cls)}" if section else "## Of the whole run"
        rows = [
            f"| `{e.key}` | `{e.default}` | {e.kind} | {e.text.replace('``', '`')} |"
            for e in entries
            if e.section == section
        ]
        table = "| setting | default | takes | what it is |\n|---|---|---|---|\n" + "\n".join(rows)
        parts.append(f"\n{heading}\n\n{table}\n")
    return "".join(parts)


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
