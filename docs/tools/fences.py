"""The fenced blocks of the documentation: what each is, and whether it is well formed.

The language of a fence, and the title beside it, say what a block is:

=============================  =====================================================
``bash``                       commands that can be run on a simulated dataset
``bash title="needs docker"``  commands that need what is not at hand: see ``NEEDS``
``bash title="hpc/a.sbatch"``  the file of that name beside the page, word for word
``python``                     the same three for Python
``toml title="settings.toml"`` a file that the commands below it use
``yaml``, ``json``             files of other programs
``text title="prints"``        what the commands before it print, apart from numbers
``text``                       a tree of files, a scheme
=============================  =====================================================
"""

import ast
import json
import re
import shlex
import subprocess
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import yaml

from bids_eeg2fmri.arguments import make_parser, with_hyphens
from bids_eeg2fmri.errors import UsageError
from bids_eeg2fmri.jobs import configure
from bids_eeg2fmri.settings import from_mapping
from bids_eeg2fmri.simulate.__main__ import make_parser as make_simulator_parser

ROOT = Path(__file__).parents[2]
PAGES = tuple(
    sorted([ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").rglob("*.md")])
)
NEEDS = (
    "docker",
    "apptainer",
    "SLURM",
    "a GPU",
    "a dask cluster",
    "nipoppy",
    "BABS",
    "other data",
    "network",
)
"""What a title may say that commands need."""
PRINTS = ("text", "prints")
"""Language and title of what the commands before it print."""

FENCE = re.compile(
    r'^( *)```(\S*)(?: title="([^"]+)")?[^\n]*\n(.*?)^\1```$', re.MULTILINE | re.DOTALL
)
SPAN = re.compile(r"(?<!`)`([^`\n]+)`(?!`)")
CALL = re.compile(r"(?:python run\.py|(?<![\w.-])run\.py|bids-eeg2fmri)(?= )")


@dataclass(frozen=True)
class Block:
    """One fenced block of a page."""

    page: Path
    line: int
    language: str
    title: str
    text: str

    @property
    def where(self) -> str:
        """Name the block for people."""
        return f"{self.page.relative_to(ROOT)}:{self.line}"

    @property
    def needs(self) -> str:
        """What the block needs that is not at hand; empty where it can be run."""
        return self.title.removeprefix("needs ") if self.title.startswith("needs ") else ""

    @property
    def quotes(self) -> Path | None:
        """The file that the block repeats, if its title names one."""
        path = self.page.parent / self.title
        return path if self.title and path.is_file() else None

    @property
    def is_run(self) -> bool:
        """Whether the block can be run here."""
        return self.language in ("bash", "python") and not self.title


def blocks(page: Path) -> Iterator[Block]:
    """Go through the fenced blocks of a page."""
    text = page.read_text(encoding="utf-8")
    for found in FENCE.finditer(text):
        indent, language, title, body = found.groups(default="")
        line = text.count("\n", 0, found.start()) + 1
        dedented = "".join(row.removeprefix(indent) for row in body.splitlines(keepends=True))
        yield Block(page, line, language, title, dedented)


def fault(block: Block) -> str:
    """Say what is wrong with a block; empty where nothing is."""
    try:
        check(block)
    except (ValueError, SyntaxError, UsageError, yaml.YAMLError) as error:
        return f"{block.where}: {error}"
    return ""


def check(block: Block) -> None:
    """Check a block as far as that can be done without running it.

    Raises
    ------
    ValueError, SyntaxError, UsageError, YAMLError
        If it is of no known kind, or what is in it cannot be parsed.
    """
    check_text(block.language, block.text)
    if not block.title or block.language == "toml" or (block.language, block.title) == PRINTS:
        return
    if block.needs:
        if block.needs not in NEEDS:
            raise ValueError(f"needs {block.needs!r}, which is none of {', '.join(NEEDS)}")
    elif not block.quotes:
        raise ValueError(f"title {block.title!r} is neither a need nor a file beside the page")
    elif block.quotes.read_text(encoding="utf-8") != block.text:
        raise ValueError(f"is not what stands in {block.title}")


def check_text(language: str, text: str) -> None:
    """Parse what stands in a block."""
    match language:
        case "bash":
            check_shell(text)
        case "python":
            ast.parse(text)
        case "toml":
            from_mapping(tomllib.loads(text))
        case "yaml":
            yaml.safe_load(text)
        case "json":
            json.loads(text)
        case "text":
            return
        case other:
            raise ValueError(f"{other or 'no language'}: give bash, python, toml, yaml, json, text")


def check_shell(text: str) -> None:
    """Check the syntax of commands, and every call of the app among them."""
    told = subprocess.run(["bash", "-n"], input=text, text=True, capture_output=True, check=False)
    if told.returncode:
        raise ValueError(told.stderr.strip())
    for command in commands(text):
        check_command(command)


def commands(text: str) -> Iterator[list[str]]:
    """Split shell text into commands of words, comments and continuations taken out."""
    text = re.sub(r"\$\{?\w+\}?|\$\(\(?[^()]*(?:\([^()]*\)[^()]*)*\)?\)", "2", text)
    for line in text.replace("\\\n", " ").splitlines():
        words = shlex.split(line, comments=True)
        while words:
            if re.fullmatch(r"\w+=.*", words[0]):
                words.pop(0)
                continue
            end = next((i for i, word in enumerate(words) if word in ("&", "&&", "|", ";")), None)
            yield words[:end]
            words = words[end + 1 :] if end is not None else []


def check_command(words: list[str]) -> None:
    """Check a command if it is a call of the app, of the simulator, of make or of a script."""
    match words:
        case ["make", *targets]:
            check_targets([target for target in targets if "=" not in target])
        case ["docker", "run", *rest] | ["apptainer", "run" | "exec", *rest]:
            check_contained(rest)
        case [python, "-m", "bids_eeg2fmri.simulate", *rest] if is_python(python):
            parsed(make_simulator_parser(), rest)
        case [python, "run.py", *rest] if is_python(python):
            check_call(rest)
        case ["bids-eeg2fmri" | "run.py", *rest]:
            check_call(rest)
        case [python, script, *_] if is_python(python) and script.endswith(".py"):
            if not any((folder / script).is_file() for folder in (ROOT, ROOT / "docs/how-to/hpc")):
                raise ValueError(f"{script}: no such script")


def is_python(word: str) -> bool:
    """Tell whether a word calls Python."""
    return Path(word).name.startswith("python")


def check_targets(targets: list[str]) -> None:
    """Check that the Makefile knows these targets."""
    known = re.findall(
        r"^([\w./-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE
    )
    for target in targets:
        if target not in known:
            raise ValueError(f"make {target}: no such target")


def check_contained(words: list[str]) -> None:
    """Check what is given to the app in an image; the image's name ends the container's options."""
    images = [i for i, word in enumerate(words) if re.match(r"(\S*/)?bids-eeg2fmri\S*$", word)]
    if not images:
        raise ValueError("no image of the app is named")
    entry = words.index("--entrypoint") if "--entrypoint" in words[: images[-1]] else None
    rest = words[images[-1] + 1 :]
    check_command([words[entry + 1], *rest] if entry is not None else ["bids-eeg2fmri", *rest])


def check_call(words: list[str]) -> None:
    """Check the arguments of the app, and the settings among them."""
    args = parsed(make_parser(), with_hyphens(words))
    if args and not args.config:
        configure(args)


def parsed(parser, words):  # type: ignore[no-untyped-def]
    """Parse arguments; nothing where they only ask for help or the version."""
    try:
        return parser.parse_args(words)
    except SystemExit as end:
        if end.code:
            raise ValueError(f"{parser.prog} {shlex.join(words)}: see above") from None
        return None


def spans(page: Path) -> Iterator[str]:
    """List the calls of the app in a page's running text, without what they leave open."""
    text = FENCE.sub("", page.read_text(encoding="utf-8"))
    for span in SPAN.findall(text):
        if found := CALL.match(span):
            rest = span[found.end() :].replace("DS …", "DS OUT group").replace("…", "")
            yield rest.replace("{participant,group}", "group")
