"""What the person who waits is told: the console, progress, and a log file that keeps all of it.

On a terminal rich draws; elsewhere, and in worker processes, there are plain lines on stderr.
"""

import logging
import os
import socket
import sys
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from traceback import format_exc
from typing import TextIO

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from bids_eeg2fmri.errors import AppError, DataWarning, OutputError, is_shortage, shortage
from bids_eeg2fmri.runtime.store import Unit

LOGGER = logging.getLogger("bids_eeg2fmri")

CHATTER = {
    "mne": logging.WARNING,
    "pybids": logging.WARNING,
    "bids": logging.WARNING,
    "nilearn": logging.WARNING,
    "nibabel.global": logging.ERROR,  # its warnings on headers say nothing that we do not check
}


@dataclass(frozen=True)
class Place:
    """Where the log goes: all that a worker process needs to join in."""

    file: Path | None
    """The log file; none where nothing is written."""
    verbosity: int
    """0 for the lines of the work, 1 for the details, −1 for warnings and errors only."""
    on_stdout: bool = False
    """Whether the console is stdout; else stderr."""


def setup(out: Path | None, verbosity: int, *, on_stdout: bool = False) -> None:
    """Start to log to the console and, if ``out`` is given, to a new file in ``out/logs``.

    Raises
    ------
    OutputError
        If the log file cannot be written.
    """
    file = None
    if out is not None:
        stamp = time.strftime("%Y%m%dT%H%M%S")
        file = _folder(out / "logs") / f"{stamp}_{socket.gethostname()}_{os.getpid()}.log"
    rich = not on_stdout and sys.stderr.isatty()
    _attach(Place(file, verbosity, on_stdout), rich=rich)


def place() -> Place | None:
    """Tell where this process logs to; none before :func:`setup`."""
    if not (handlers := _handlers()):
        return None
    console, *others = handlers
    files = [Path(one.baseFilename) for one in others if isinstance(one, logging.FileHandler)]
    on_stdout = getattr(console, "stream", None) is sys.stdout
    return Place(files[0] if files else None, (logging.INFO - console.level) // 10, on_stdout)


def file_stem() -> str:
    """Give the part of the log file's name that other files of the same call share."""
    where = place()
    return where.file.stem if where and where.file else ""


def join(where: Place | None) -> None:
    """Let a worker process log to where its parent does, in plain lines.

    A worker may have served another call before, which logged elsewhere.
    """
    if where is not None and place() != where:
        _attach(where, rich=False)


@contextmanager
def relayed(send: Callable[[int, str], None]) -> Iterator[None]:
    """Send the level and text of each line elsewhere, rather than tell it on this machine."""
    relay = _Relay(send)
    for old in _handlers():  # of a run in this process
        LOGGER.removeHandler(old)
        old.close()
    LOGGER.addHandler(relay)
    LOGGER.setLevel(logging.DEBUG)
    LOGGER.propagate = False
    try:
        yield
    finally:
        LOGGER.removeHandler(relay)


def pass_on(level: int, text: str) -> None:
    """Log a line that was told on another machine."""
    LOGGER.log(level, "%s", text)


def tell(run: str, stage: str, text: str, level: int = logging.INFO) -> None:
    """Log one line in columns: the run, e.g. ``sub-03_task-rest``, the stage, and the text."""
    text = text.removeprefix(f"{run}: ")
    LOGGER.log(level, "%-16s  %-7s %s", run.replace("_", " "), stage, text)


def tell_unit(run: str, stage: str, unit: Unit, text: str, notes: Sequence[str] = ()) -> None:
    """Log what a stage gave, whether it was there already, and what was odd in the data."""
    tell(run, stage, text + "  (kept)" * unit.reused)
    if unit.why not in ("", "first time"):
        tell(run, stage, f"made anew: {unit.why}", logging.DEBUG)
    for note in notes:
        tell(run, stage, note, logging.WARNING)


def tell_failure(run: str, error: AppError) -> None:
    """Log why something failed, unless it was told before."""
    if not error.told:
        tell(run, "failed", str(error), logging.ERROR)
        error.told = True


def tell_end(error: AppError) -> None:
    """Say why the program ends, unless it was told before or, with no log yet, on stderr alone."""
    if not error.told:
        if place() is None:
            _attach(Place(None, 0), rich=False)
        LOGGER.error("%s", error)


@contextmanager
def progress(total: int, description: str) -> Iterator[Callable[[int], None]]:
    """Show on a terminal how far a loop is and how long it will take.

    Elsewhere the loop's own lines tell it.

    Yields
    ------
    advance
        To be called with the number of steps that are done.
    """
    console = next((h.console for h in LOGGER.handlers if isinstance(h, _Screen)), None)
    if console is None:
        yield lambda steps: None
        return
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, TimeRemainingColumn(), console=console, transient=True) as bar:
        task = bar.add_task(description, total=total)
        yield lambda steps: bar.advance(task, steps)


@contextmanager
def capture_warnings() -> Iterator[list[str]]:
    """Collect what every ``DataWarning`` says, each text once; log other warnings as details."""
    texts: list[str] = []

    def collect(
        message: Warning | str,
        category: type[Warning],
        filename: str,
        lineno: int,
        file: TextIO | None = None,
        line: str | None = None,
    ) -> None:
        if not issubclass(category, DataWarning):
            LOGGER.debug("%s:%d: %s: %s", filename, lineno, category.__name__, message)
        elif str(message) not in texts:
            texts.append(str(message))

    with warnings.catch_warnings():
        warnings.simplefilter("always")
        warnings.showwarning = collect
        yield texts


@contextmanager
def keeping_crashes(logs: Path | None, label: str) -> Iterator[None]:
    """Turn an error that nobody foresaw into one line, and its traceback into a file.

    Where no file may be written, the traceback is among what ``-v`` tells.

    Raises
    ------
    AppError
        In its place; those of our own pass unchanged.
    """
    try:
        yield
    except AppError:
        raise
    except Exception as error:
        if is_shortage(error):
            raise shortage(error) from error
        reason = f"{type(error).__name__}: {error}"
        if logs is None:
            LOGGER.debug(format_exc())
            text = f"{label}: {' '.join(reason.split())}. Please report it with what -v adds."
            raise AppError(text) from error
        raise crash(logs, label, reason, format_exc()) from error


def crash(logs: Path, label: str, reason: str, traceback_text: str) -> AppError:
    """Make an error of what nobody foresaw, which names the file that keeps the traceback."""
    path = crash_file(logs, label.replace(" ", "_"), traceback_text)
    return AppError(f"{label}: {' '.join(reason.split())}. Please report it with {path}.")


def crash_file(logs: Path, label: str, traceback_text: str) -> Path:
    """Keep the traceback of an unexpected error, so that the console has one line.

    Raises
    ------
    OutputError
        If the file cannot be written.
    """
    path = _folder(logs) / f"crash-{label}-{time.strftime('%Y%m%dT%H%M%S')}-{os.getpid()}.txt"
    path.write_text(traceback_text, encoding="utf-8")
    return path


class _Lines(logging.Formatter):
    """Plain text; warnings and errors say that they are."""

    def format(self, record: logging.LogRecord) -> str:
        """Format a record as one line."""
        text = super().format(record)
        return text if record.levelno <= logging.INFO else f"{record.levelname.lower()}: {text}"


class _File(logging.FileHandler):
    """The log file. A full disk ends it, but not the work, which tells of the disk itself."""

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802  # logging calls it so
        """Say nothing: logging would print a traceback for each line."""


class _Relay(logging.Handler):
    """What takes lines to another machine."""

    def __init__(self, send: Callable[[int, str], None]) -> None:
        super().__init__()
        self.send = send

    def emit(self, record: logging.LogRecord) -> None:
        """Send one line."""
        self.send(record.levelno, self.format(record))


class _Screen(logging.Handler):
    """A terminal, on which lines scroll by above the progress bar."""

    def __init__(self, console: Console | None = None) -> None:
        super().__init__()
        self.console = console or Console(stderr=True)

    def emit(self, record: logging.LogRecord) -> None:
        """Print one line as it is; warnings in yellow, errors in red."""
        colours = {logging.WARNING: "yellow", logging.ERROR: "red"}
        self.console.print(
            self.format(record),
            style=colours.get(record.levelno),
            markup=False,
            highlight=False,
            soft_wrap=True,
        )


def _attach(where: Place, *, rich: bool) -> None:
    """Put a console and, if there is a place for it, a file on the logger in place of its own."""
    for old in _handlers():
        LOGGER.removeHandler(old)
        old.close()
    console = (
        _Screen() if rich else logging.StreamHandler(sys.stdout if where.on_stdout else sys.stderr)
    )
    console.setLevel(logging.INFO - 10 * where.verbosity)
    console.setFormatter(_Lines("%(message)s"))
    LOGGER.addHandler(console)
    if where.file is not None:
        file = _File(where.file, encoding="utf-8")
        file.setFormatter(_Lines("%(asctime)s %(message)s"))
        LOGGER.addHandler(file)
    LOGGER.setLevel(logging.DEBUG)
    LOGGER.propagate = False
    _silence()


def _handlers() -> list[logging.Handler]:
    """List the handlers that are ours: the console and, if there is one, the file."""
    return [handler for handler in LOGGER.handlers if isinstance(handler.formatter, _Lines)]


def _silence() -> None:
    """Keep libraries from talking over the lines of the work."""
    os.environ["MNE_LOGGING_LEVEL"] = "WARNING"  # MNE sets its own level when it is imported
    for name, level in CHATTER.items():
        logging.getLogger(name).setLevel(level)


def _folder(logs: Path) -> Path:
    try:
        logs.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(
            f"{logs}: cannot be written ({error.strerror}). Choose another output folder."
        ) from error
    return logs
