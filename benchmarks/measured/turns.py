"""Let the sides of a row take turns, so that whatever else the machine does falls on all alike."""

import tempfile
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Literal

from measured.process import Side, Taken

Clock = Literal["cpu", "wall"]


@dataclass(frozen=True)
class Rival:
    """What a user would pick instead."""

    title: str
    """What it is; options may stand in it in braces."""
    target: str
    """``module:function`` that prepares it."""


@dataclass(frozen=True)
class Goal:
    """What a row is to reach, at most."""

    limit: float
    of: Literal["ratio", "cpu", "wall", "peak"] = "ratio"
    """Of the ratio of ours to the first rival, of our seconds, or of our peak memory in bytes."""


@dataclass(frozen=True)
class Row:
    """One line of the table: work, and what it is held against."""

    title: str
    """What the work is; options may stand in it in braces."""
    ours: str
    """``module:function`` that prepares our side."""
    rivals: tuple[Rival, ...] = ()
    options: Mapping[str, object] = field(default_factory=dict)
    """Arguments for all sides, and for ``material``."""
    quick: Mapping[str, object] = field(default_factory=dict)
    """Those that differ where time is short."""
    material: str | None = None
    """``module:function`` that makes files for all sides."""
    goals: tuple[Goal, ...] = ()
    clock: Clock = "cpu"
    """By which ratios are taken."""
    per: int = 1
    """Pieces in one turn, e.g. volumes; seconds are told for one of them."""
    turns: int = 5
    warm: bool = True
    """Whether a turn before the first one counts nothing."""
    threads: int = 1
    unit: str = ""
    """What one piece is, if it is not the whole."""

    def arguments(self, quick: bool) -> dict[str, object]:
        """Give the arguments of all sides."""
        return {**self.options, **(self.quick if quick else {})}


@dataclass(frozen=True)
class Outcome:
    """How often a side did its work, what it cost each time, and its peak memory in bytes."""

    taken: tuple[Taken, ...]
    peak: int
    per: int = 1

    def seconds(self, clock: Clock) -> float:
        """Median for one piece."""
        return median(getattr(one, clock) for one in self.taken) / self.per


def ratios(ours: Outcome, rival: Outcome, clock: Clock) -> list[float]:
    """Divide what ours took by what the rival took in the same turn."""
    pairs = zip(ours.taken, rival.taken, strict=True)
    return [getattr(a, clock) / max(getattr(b, clock), 1e-9) for a, b in pairs]


def measure(row: Row, turns: int, quick: bool = False, home: Path | None = None) -> list[Outcome]:
    """Let our side and its rivals do their work in turn, each in a process of its own.

    Parameters
    ----------
    home
        Folder for temporary files; the system's own by default.

    Returns
    -------
    Ours, then each rival's, in the order of the row.
    """
    options = row.arguments(quick)
    with tempfile.TemporaryDirectory(dir=home) as folder, ExitStack() as stack:
        if row.material:
            Side(row.material, Path(folder), options).end()
        targets = [row.ours, *(rival.target for rival in row.rivals)]
        sides = [Side(target, Path(folder), options, row.threads) for target in targets]
        for side in sides:
            stack.callback(side.kill)  # of no account once it has ended
        taken: Sequence[list[Taken]] = [[] for _ in sides]
        for turn in range(turns + row.warm):
            for side, so_far in zip(sides, taken, strict=True):
                so_far.append(side.once())
            if row.warm and not turn:
                for so_far in taken:
                    so_far.clear()
        return [
            Outcome(tuple(so_far), side.end(), row.per)
            for side, so_far in zip(sides, taken, strict=True)
        ]
