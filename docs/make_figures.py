"""Draw tables of the pages into ``pictures/``: ``python docs/make_figures.py``."""

import re
import textwrap
from collections.abc import Sequence
from pathlib import Path

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

DOCS = Path(__file__).parent
BENCHMARKS = DOCS / "reference" / "benchmarks.md"
SSIM = DOCS / "explanation" / "ssim.md"
PICTURES = DOCS / "pictures"
STYLE = {
    "axes.spines.right": False,
    "axes.spines.top": False,
    "font.family": "sans-serif",
    "font.size": 9,
    "legend.frameon": False,
    "svg.fonttype": "none",
    "svg.hashsalt": "benchmarks",
}
INK, GREY = "#222222", "#888888"
COLOURS = {
    "`hybrid`": "#1f5fbf",
    "`hrf-ridge`, recommended": "#d07a1f",
    "plain ridge": "#4f9a5b",
    "`hrf-ridge`, paper": "#a04f9a",
}
"""Of what is compared, by how its row begins."""


def main() -> None:
    """Draw all figures."""
    PICTURES.mkdir(exist_ok=True)
    with mpl.rc_context(STYLE):
        save(recovery(), "recovery.svg")
        save(against_others(), "against-others.svg")
        save(growth(), "growth.svg")
        save(likeness(), "likeness.svg")


def save(figure: Figure, name: str) -> None:
    """Write a figure, the same bytes for the same numbers."""
    figure.savefig(PICTURES / name, metadata={"Date": None, "Creator": None})


def table(head: str, page: Path = BENCHMARKS) -> list[list[str]]:
    """Read the table of a page whose first cells are ``head``, its head included."""
    lines = page.read_text(encoding="utf-8").splitlines()
    start = next(i for i, line in enumerate(lines) if line.startswith(f"| {head} |"))
    end = next(i for i, line in enumerate(lines[start:], start) if not line.startswith("|"))
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[start:end]]
    return [rows[0], *rows[2:]]


def number(cell: str) -> float:
    """Read the number with which a cell begins."""
    found = re.match(r"[-−]?\d*\.?\d+", cell)
    if not found:
        raise ValueError(f"{cell!r} begins with no number")
    return float(found[0].replace("−", "-"))


def recovery() -> Figure:
    """Draw what is recovered of a planted coupling."""
    figure = Figure(figsize=(7.6, 3.4), layout="constrained")
    left, right = figure.subplots(1, 2, sharey=True)
    draw_recovery(left, table("within, planted r"), "within one person, 25 minutes")
    draw_recovery(right, table("held out, planted r"), "people held out, 6 to learn from")
    left.set_ylabel("temporal r of coupled parcels")
    left.legend(loc="upper left", fontsize=8)
    return figure


def draw_recovery(axes: Axes, rows: Sequence[Sequence[str]], title: str) -> None:
    """Draw one table, the ceiling as a dashed line."""
    planted = [number(cell) for cell in rows[0][1:]]
    ceiling = [number(cell) for cell in rows[1][1:]]
    axes.plot(planted, ceiling, color=GREY, linestyle="--", label="ceiling")
    for row in rows[2:]:
        colour = next((c for name, c in COLOURS.items() if row[0].startswith(name)), None)
        if colour is None or (row[0].startswith("plain") and "paper" in row[0]):
            continue
        label = row[0].replace("`", "").replace(" on lagged band power", "")
        axes.plot(planted, [number(cell) for cell in row[1:]], "o-", color=colour, label=label)
    axes.axhline(0, color=INK, linewidth=0.6)
    axes.set_xticks(planted)
    axes.set_xlabel("planted r")
    axes.set_title(title, fontsize=9)


def against_others() -> Figure:
    """Draw time and memory as shares of what one would take instead."""
    rows, above = [], ("", "")
    for work, ours, against, theirs, ratio, *_ in table("work | ours")[1:]:
        above = (work or above[0], ours or above[1])  # what is compared twice stands there once
        name = re.sub(r", a (step|volume)$", "", above[0])
        memory = memory_of(above[1]) / memory_of(theirs)
        rows.append((f"{name}\nagainst {against}", number(ratio), memory))
    figure = Figure(figsize=(7.6, 0.36 * len(rows) + 0.7), layout="constrained")
    axes = figure.subplots()
    heights = range(len(rows), 0, -1)
    axes.axvline(1, color=INK, linewidth=0.8)
    axes.plot([row[2] for row in rows], heights, "D", color="#d07a1f", ms=5, label="memory")
    axes.plot([row[1] for row in rows], heights, "o", color="#1f5fbf", ms=6, label="time")
    axes.set_yticks(heights, [row[0] for row in rows], fontsize=7)
    axes.set_xscale("log")
    axes.xaxis.set_major_formatter("{x:g}")
    axes.set_xlabel("ours as a share of theirs; left of the line, less")
    axes.grid(axis="y", linewidth=0.3)
    axes.legend(loc="lower right", fontsize=8)
    return figure


def likeness() -> Figure:
    """Draw what SSIM and temporal r tell of the same volumes."""
    head, *rows = table("coupling", SSIM)
    coupling = {"strong": "strong coupling", "none": "no coupling"}
    names = [f"{row[1].split(',')[0]}, {coupling[row[0]]}" for row in rows]
    figure = Figure(figsize=(7.6, 2.9), layout="constrained")
    left, right = figure.subplots(1, 2, sharey=True)
    for axes, column in ((left, "SSIM"), (right, "temporal r")):
        cells = [row[head.index(column)] for row in rows]
        known = [(number(cell), -i) for i, cell in enumerate(cells) if cell != "–"]
        axes.plot(*zip(*known, strict=True), "o", color="#1f5fbf")
        axes.axvline(0, color=INK, linewidth=0.6)
        axes.grid(axis="y", linewidth=0.3)
        axes.set_xlabel(column)
    left.set_xlim(0, 1.03)
    left.set_yticks([-i for i in range(len(names))], names, fontsize=8)
    return figure


def growth() -> Figure:
    """Draw how time and memory grow, as multiples of those of the smallest."""
    curves: dict[str, list[list[str]]] = {}
    for work, grows, *cells in table("work | grows")[1:]:
        name = f"{work}\n{grows}" if work else [*curves][-1]
        curves.setdefault(name, []).append(cells)
    figure = Figure(figsize=(7.6, 2.3 * ((len(curves) + 2) // 3)), layout="constrained")
    panels = figure.subplots((len(curves) + 2) // 3, 3).flat
    for axes, (name, rows) in zip(panels, curves.items(), strict=True):
        draw_growth(axes, rows, *name.split("\n"))
    figure.axes[0].legend(fontsize=8)
    return figure


def draw_growth(axes: Axes, rows: Sequence[Sequence[str]], work: str, grows: str) -> None:
    """Draw one curve; of workers the time on the wall, which they are to shorten."""
    sizes = [float(row[0].replace(",", "")) for row in rows]
    clock = 2 if grows == "workers" else 1
    times = [seconds(row[clock]) for row in rows]
    peaks = [number(row[3]) for row in rows]
    ideal = [(size / sizes[0]) ** (-1 if grows == "workers" else 1) for size in sizes]
    axes.plot(sizes, ideal, color=GREY, linestyle="--", label="in proportion")
    axes.plot(sizes, [time / times[0] for time in times], "o-", color="#1f5fbf", label="time")
    axes.plot(
        sizes, [peak / peaks[0] for peak in peaks], "D-", color="#d07a1f", ms=4, label="memory"
    )
    axes.set_xscale("log")
    axes.set_yscale("log", base=2)
    axes.set_xticks(sizes, [row[0] for row in rows], fontsize=7)
    axes.minorticks_off()
    axes.yaxis.set_major_formatter("{x:g}×")
    axes.set_xlabel(grows, fontsize=8)
    axes.set_title(textwrap.fill(work, 30), fontsize=8)


def seconds(cell: str) -> float:
    """Read a time."""
    return number(cell) * (1e-3 if cell.endswith(" ms") else 1)


def memory_of(cell: str) -> float:
    """Read the peak of memory, the last part of a cell, in GB."""
    return number(cell.split("·")[-1].strip())


if __name__ == "__main__":
    main()
