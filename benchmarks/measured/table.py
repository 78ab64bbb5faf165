"""Lay the outcomes of rows out for people and machines."""

import os
import platform
from collections.abc import Iterator, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from statistics import median

from measured.turns import Goal, Outcome, Row, ratios

LIBRARIES = ("torch", "numpy", "scipy", "mne", "nibabel", "nilearn", "scikit-image", "pybids")
HEAD = ("work", "ours", "against", "theirs", "ratio", "goal", "met")
LEGEND = """\
Seconds are medians for one piece: of processor time, by the clock on the wall; then the peak memory
of the largest process. The ratio is ours to theirs, by processor time or, where it says so, by the
clock on the wall: median of the turns (least to most); below 1 we are faster."""


def machine() -> str:
    """Say on what was measured."""
    model = platform.processor() or platform.machine()
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        model = next(line.split(":")[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        pass
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9
    libraries = ", ".join(f"{name} {version(name)}" for name in LIBRARIES)
    return (
        f"{model}, {os.cpu_count()} processors, {memory:.0f} GB, load {os.getloadavg()[0]:.1f} at "
        f"the start; Python {platform.python_version()}, {libraries}"
    )


def lines(row: Row, outcomes: Sequence[Outcome], quick: bool) -> Iterator[tuple[str, ...]]:
    """Yield the cells of a row, one line for each rival, ours and the goals beside the first."""
    ours, *theirs = outcomes
    options, remark = row.arguments(quick), ours.taken[-1].remark
    title = (f"{row.title}, {row.unit}" if row.unit else row.title).format(**options)
    about = cost(row, ours)
    goals = [(word(goal), "yes" if reached(goal, row, outcomes) else "no") for goal in row.goals]
    told = "; ".join(text for text, _ in goals), "; ".join(met for _, met in goals)
    if not theirs:
        yield title, about, "", "", "", *told
    for rival, outcome in zip(row.rivals, theirs, strict=True):
        found = ratios(ours, outcome, row.clock)
        ratio = f"{number(median(found))} ({number(min(found))}–{number(max(found))})"
        ratio += " wall" * (row.clock == "wall")
        name = " ".join(filter(None, (rival.title.format(**options), note(outcome))))
        yield title, about, name, cost(row, outcome), ratio, *told
        title, about, told = "", "", ("", "")
    if remark:
        yield f"  {remark}", *[""] * (len(HEAD) - 1)


def note(outcome: Outcome) -> str:
    """Give in brackets what a rival says of itself."""
    return f"({outcome.taken[-1].remark})" if outcome.taken[-1].remark else ""


def cost(row: Row, outcome: Outcome) -> str:
    """Processor time, wall time and peak memory."""
    cpu, wall = (duration(outcome.seconds(clock)) for clock in ("cpu", "wall"))
    return f"{cpu} · {wall} · {outcome.peak / 1e9:.2f} GB"


def reached(goal: Goal, row: Row, outcomes: Sequence[Outcome]) -> bool:
    """Tell whether a goal is met, by the median."""
    ours = outcomes[0]
    match goal.of:
        case "ratio":
            return median(ratios(ours, outcomes[1], row.clock)) <= goal.limit
        case "peak":
            return ours.peak <= goal.limit
    return ours.seconds(goal.of) <= goal.limit


def word(goal: Goal) -> str:
    """Say what the goal is."""
    match goal.of:
        case "ratio":
            return f"≤ {number(goal.limit)}×"
        case "peak":
            return f"≤ {goal.limit / 1e9:.1f} GB"
    return f"≤ {duration(goal.limit)} {'CPU' if goal.of == 'cpu' else 'wall'}"


def duration(seconds: float) -> str:
    """Three figures and a unit."""
    for unit, size in (("s", 1.0), ("ms", 1e-3)):
        if seconds >= size:
            return f"{seconds / size:.3g} {unit}" if seconds < 1000 else f"{seconds:.0f} s"
    return f"{seconds * 1e6:.3g} µs"


def number(value: float) -> str:
    """Two figures, or whole numbers."""
    return f"{value:.2g}" if value < 100 else f"{value:.0f}"


def as_text(table: Sequence[Sequence[str]]) -> str:
    """Align columns with blanks."""
    whole = [line for line in table if any(line[1:])]
    widths = [max(len(line[i]) for line in whole) for i in range(len(table[0]))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in table
    )


def as_markdown(table: Sequence[Sequence[str]]) -> str:
    """Write the table as documents hold it."""
    head, *rest = table
    bars = [head, ["---"] * len(head), *rest]
    return "\n".join(f"| {' | '.join(line)} |" for line in bars)


def as_json(name: str, row: Row, outcomes: Sequence[Outcome]) -> Mapping[str, object]:
    """Give every single measurement."""
    titles = ["ours", *(rival.title for rival in row.rivals)]
    return {
        "row": name,
        "pieces": row.per,
        "threads": row.threads,
        "sides": {
            title: {
                "wall_s": [one.wall for one in outcome.taken],
                "cpu_s": [one.cpu for one in outcome.taken],
                "peak_bytes": outcome.peak,
                "remark": outcome.taken[-1].remark,
            }
            for title, outcome in zip(titles, outcomes, strict=True)
        },
    }
