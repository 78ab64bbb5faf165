"""Write the Boutiques descriptor of the command line, from its argument parser.

``make platforms`` runs it; a test holds what is written against the parser.
"""

import argparse
import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from bids_eeg2fmri.arguments import UNKNOWN_LEVEL, make_parser
from bids_eeg2fmri.errors import AppError

ROOT = Path(__file__).parents[2]
COPIES = ("boutiques/bids-eeg2fmri.json", "nipoppy/descriptor.json")
"""Where it is wanted; a bundle of nipoppy must hold its own."""
MADE = ("output_dir", "work_dir", "bids_database_dir")
"""Folders that need not exist: a ``File`` of Boutiques has to."""
NUMBERS: Mapping[object, Mapping[str, object]] = {
    int: {"type": "Number", "integer": True},
    float: {"type": "Number"},
}
WORDS = {
    "json": "JSON",
    "bids": "BIDS",
    "eeg": "EEG",
    "bold": "BOLD",
    "id": "ID",
    "cpus": "CPUs",
    "omp": "OMP",
}
OUTPUTS = (
    ("results", "Results", "", "All results: a BIDS derivative dataset"),
    ("participant_reports", "Reports of participants", "/sub-*.html", "One page each"),
    ("group_reports", "Reports of the group", "/group*.html", "One page for each task"),
    ("participant_results", "Participants", "/sub-*", "Images, tables and figures of each"),
    ("group_tables", "Tables of the group", "/group*_metrics.tsv", "Scores over participants"),
    ("trained_models", "Models", "/models", "Trained networks, for --apply"),
    ("searches", "Searches", "/search", "Candidates, trials and best points"),
    ("logs", "Logs", "/logs", "What was run, and what to cite"),
)


def describe() -> dict[str, object]:
    """Return the descriptor, schema 0.5."""
    parser = make_parser()
    actions = list(options(parser))
    version = (ROOT / "version").read_text().strip()
    image = (ROOT / "platforms" / "image").read_text().strip()
    keys = " ".join(map(value_key, actions))
    return {
        "name": "bids_eeg2fmri",
        "description": parser.description,
        "author": "The bids_eeg2fmri developers",
        "tool-version": version,
        "schema-version": "0.5",
        "shell": "/bin/bash",  # /bin/sh would be a login shell, which forgets the PATH of the image
        "command-line": f"{parser.prog} {keys}",
        "container-image": {
            "type": "docker",
            "image": f"{image}:{version}",
            "index": "docker://",
            "entrypoint": True,
        },
        "inputs": [describe_input(parser, action) for action in actions],
        "groups": list(groups(parser)),
        "output-files": [
            {
                "id": name,
                "name": title,
                "description": f"{text}.",
                "path-template": f"[OUTPUT_DIR]{ending}",
                "optional": True,  # which of them there are depends on the level and on options
                "list": "*" in ending,
            }
            for name, title, ending, text in OUTPUTS
        ],
        "error-codes": [{"code": code, "description": text} for code, text in exit_codes()],
        "suggested-resources": {"cpu-cores": 2, "ram": 4, "walltime-estimate": 43200},
        "tags": {
            "domain": ["neuroinformatics", "eeg", "fmri"],
            "application-type": "BIDS app",
            "license": "Apache-2.0",
        },
        "tests": list(trials()),
    }


def options(parser: argparse.ArgumentParser) -> Iterator[argparse.Action]:
    """Yield all that may be asked for, but what answers and ends, such as ``--help``."""
    for action in parser._actions:
        if not isinstance(action, argparse._HelpAction | argparse._VersionAction):
            yield action


def value_key(action: argparse.Action) -> str:
    """Where an input stands in the command line."""
    return f"[{action.dest.upper()}]"


def describe_input(parser: argparse.ArgumentParser, action: argparse.Action) -> dict[str, object]:
    """Describe one argument."""
    return {
        "id": action.dest,
        "name": name(action),
        "description": description(parser, action),
        "value-key": value_key(action),
        "optional": bool(action.option_strings),
        **kind(action),
        **flag(action),
        **several(action),
        **({"value-choices": list(action.choices)} if action.choices else {}),
    }


def name(action: argparse.Action) -> str:
    """Spell the argument for people."""
    words = [WORDS.get(word, word) for word in action.dest.split("_")]
    return " ".join([words[0][0].upper() + words[0][1:], *words[1:]])


def description(parser: argparse.ArgumentParser, action: argparse.Action) -> str:
    """Take the help text, and how a value is written."""
    text = parser._get_formatter()._expand_help(action)
    metavar = action.metavar
    forms = " ".join(metavar) if isinstance(metavar, tuple) else metavar
    return f"{text[0].upper()}{text[1:]}." + (f" Written as {forms}." if forms else "")


def kind(action: argparse.Action) -> dict[str, object]:
    """Tell the type of a value."""
    if action.nargs == 0 and isinstance(action, argparse._CountAction):
        short = action.option_strings[0]  # a flag could be given only once
        return {"type": "String", "value-choices": [short, short + short[1:]]}
    if action.nargs == 0:
        return {"type": "Flag"}
    if action.type is Path:
        return {"type": "String" if action.dest in MADE else "File"}
    if action.type is int and action.choices:
        return {"type": "Number"}  # "integer" would hide the choices from Boutiques
    return dict(NUMBERS.get(action.type, {"type": "String"}))


def flag(action: argparse.Action) -> dict[str, object]:
    """Spell the option in the command line."""
    if not action.option_strings or isinstance(action, argparse._CountAction):
        return {}
    long = next(name for name in action.option_strings if name.startswith("--"))
    if action.nargs in (0, "+"):
        return {"command-line-flag": long}
    # So that no value, such as -1e-05, is taken for an option.
    return {"command-line-flag": long, "command-line-flag-separator": "="}


def several(action: argparse.Action) -> dict[str, object]:
    """Say how many values there may be, and how those of a repeated option are joined."""
    if isinstance(action, argparse._AppendAction):
        return {"list": True, "min-list-entries": 1, "list-separator": f" {separator(action)}"}
    if action.nargs != "+":
        return {}
    most = {"max-list-entries": len(action.metavar)} if isinstance(action.metavar, tuple) else {}
    return {"list": True, "min-list-entries": 1, **most}


def separator(action: argparse.Action) -> str:
    """Join two values of an option that is given again for each."""
    return "".join(map(str, flag(action).values()))


def groups(parser: argparse.ArgumentParser) -> Iterator[dict[str, object]]:
    """Sort the inputs as ``--help`` does."""
    wanted = {action.dest for action in options(parser) if action.option_strings}
    for group in parser._action_groups:
        members = [action.dest for action in group._group_actions if action.dest in wanted]
        if members:
            title = str(group.title)
            slug = re.sub(r"\W+", "_", title.lower())
            yield {"id": f"group_{slug}", "name": title, "members": members}


def exit_codes() -> Iterator[tuple[int, str]]:
    """Take each exit code and what it means from the tree of errors."""
    texts = {1: "A mistake in the program.", UNKNOWN_LEVEL: "The analysis level is unknown."}
    for error in AppError.__subclasses__():
        texts[error.exit_code] = str(error.__doc__).splitlines()[0]
    yield from sorted(texts.items())


def trials() -> Iterator[dict[str, object]]:
    """Yield calls for ``bosh test`` beside a dataset ``bids``; each takes seconds."""
    given = {"bids_dir": "bids", "output_dir": "out", "analysis_level": "participant"}
    for title, more, code in (
        ("what would be done", {"dry_run": True, "json": True}, 0),
        ("nobody of that name", {"dry_run": True, "participant_label": ["nobody"]}, 18),
        ("no processor", {"dry_run": True, "n_cpus": 0}, 64),
    ):
        yield {
            "name": title,
            "invocation": {**given, **more},
            "assertions": {"exit-code": code},
        }


def main() -> None:
    """Write the copies."""
    text = json.dumps(describe(), indent=2, ensure_ascii=False) + "\n"
    for copy in COPIES:
        (ROOT / "platforms" / copy).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
