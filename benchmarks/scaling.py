"""How time and memory grow with participants, channels, sampling rate, voxels and workers.

Each point is measured in a process of its own, one thread, median of several turns. The exponent p
is that of ``seconds ∝ size ** p``, fitted to all points: 1 is growth in proportion, and less where
some cost is the same for every size; of workers, by the clock on the wall, -1 is the best there is.
The peak is that of the largest process.

    python benchmarks/scaling.py [--curves NAME ...] [--turns N] [--markdown] [--figure FILE]
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from measured.curves import CURVES, Curve, slope
from measured.table import as_markdown, as_text, duration, machine
from measured.turns import Outcome

HEAD = ("work", "grows", "size", "CPU", "wall", "peak", "exponent")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    names = ", ".join(CURVES)
    parser.add_argument("--curves", nargs="+", choices=[*CURVES], metavar="NAME", help=names)
    parser.add_argument("--turns", type=int, default=3, help="of each point")
    parser.add_argument("--markdown", action="store_true", help="print the table as Markdown")
    parser.add_argument("--figure", type=Path, help="draw the curves into this .svg or .png")
    args = parser.parse_args()
    print(machine(), flush=True)
    table, measured = [HEAD], {}
    for name in args.curves or CURVES:
        sys.stderr.write(f"{name} …\n")
        measured[name] = list(CURVES[name].points(args.turns))
        table += lines(CURVES[name], measured[name])
    print()
    print((as_markdown if args.markdown else as_text)(table))
    if args.figure:
        draw(measured, args.figure)


def lines(curve: Curve, points: Sequence[Outcome]) -> list[tuple[str, ...]]:
    """Lay out a curve, one line for each point, its exponent beside the last."""
    found = slope(curve.values, [point.seconds(curve.clock) for point in points])
    return [
        (
            curve.title if not i else "",
            curve.axis if not i else "",
            f"{value:,.0f}",
            duration(point.seconds("cpu")),
            duration(point.seconds("wall")),
            f"{point.peak / 1e9:.2f} GB",
            f"{found:.2f}" if i == len(points) - 1 else "",
        )
        for i, (value, point) in enumerate(zip(curve.values, points, strict=True))
    ]


def draw(measured: dict[str, list[Outcome]], path: Path) -> None:
    """Draw time above memory, a column for each curve, and what growth in proportion would be."""
    import matplotlib as mpl  # here, so that a table needs none

    mpl.use("agg")
    from matplotlib import pyplot as plt
    from matplotlib import ticker

    figure, axes = plt.subplots(
        2, len(measured), figsize=(2.7 * len(measured), 5), squeeze=False, layout="constrained"
    )
    for (upper, lower), (name, points) in zip(axes.T, measured.items(), strict=True):
        curve = CURVES[name]
        seconds = [point.seconds(curve.clock) for point in points]
        in_proportion = [
            seconds[-1] * (value / curve.values[-1]) ** curve.expected for value in curve.values
        ]
        upper.loglog(curve.values, in_proportion, "--", color="0.6", label="in proportion")
        upper.loglog(curve.values, seconds, "o-", color="#0072b2", label="measured")
        upper.set_title(f"{curve.title}\nexponent {slope(curve.values, seconds):.2f}", wrap=True)
        lower.plot(curve.values, [point.peak / 1e9 for point in points], "o-", color="#d55e00")
        lower.set_ylim(bottom=0)
        lower.set_xscale("log")
        lower.set_xlabel(curve.axis)
        for axis in (upper, lower):
            axis.set_xticks(curve.values, [f"{value:,.0f}" for value in curve.values])
            axis.xaxis.set_minor_locator(ticker.NullLocator())
            axis.tick_params(axis="x", labelrotation=45)
        upper.yaxis.set_major_locator(ticker.LogLocator(subs=(1, 2, 5)))
        upper.yaxis.set_major_formatter("{x:g}")
        upper.yaxis.set_minor_locator(ticker.NullLocator())
        upper.set_ylabel({"cpu": "processor time (s)", "wall": "time (s)"}[curve.clock])
        lower.set_ylabel("peak memory (GB)")
    axes[0, 0].legend(frameon=False)
    for axis in axes.flat:
        axis.title.set_fontsize(8)
        axis.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, dpi=110)


if __name__ == "__main__":
    main()
