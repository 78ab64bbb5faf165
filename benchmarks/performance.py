"""Time and memory of what the app does, beside what one would take instead.

Each side of a comparison has a process of its own; the sides take turns, so that whatever else the
machine does falls on all alike, and what counts are ratios within a turn. One thread each, unless
the row says otherwise. The whole table takes about 20 minutes on two processors, ``--quick`` three.

    python benchmarks/performance.py [--rows NAME ...] [--quick] [--turns N] [--markdown]
        [--json FILE]
"""

import argparse
import json
import sys
from pathlib import Path

from measured.rows import ELSEWHERE, ROWS
from measured.table import HEAD, LEGEND, as_json, as_markdown, as_text, lines, machine
from measured.turns import measure

QUICK = (
    "step-4",
    "synthesis",
    "pairs",
    "grid",
    "encoders",
    "index-one",
    "version",
    "read",
    "scores",
)
"""What ``--quick`` measures."""


def main() -> None:
    args = make_parser().parse_args()
    names = args.rows or (QUICK if args.quick else list(ROWS))
    where = machine()
    print(where, flush=True)
    table, kept = [HEAD], []
    for name in names:
        row = ROWS[name]
        turns = args.turns or (min(row.turns, 2) if args.quick else row.turns)
        sys.stderr.write(f"{name} …\n")
        outcomes = measure(row, turns, args.quick)
        table += lines(row, outcomes, args.quick)
        kept.append(as_json(name, row, outcomes))
        if args.json:
            given = {"machine": where, "quick": args.quick, "rows": kept}
            args.json.write_text(json.dumps(given, indent=1), encoding="utf-8")
    print()
    print((as_markdown if args.markdown else as_text)(table))
    print(f"\n{LEGEND}\n{ELSEWHERE}")


def make_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--rows", nargs="+", choices=[*ROWS], metavar="NAME", help=", ".join(ROWS))
    parser.add_argument("--quick", action="store_true", help="cheap rows, smaller, fewer turns")
    parser.add_argument("--turns", type=int, help="of each row; by default each has its own number")
    parser.add_argument("--markdown", action="store_true", help="print the table as Markdown")
    parser.add_argument("--json", type=Path, help="keep every measurement in this file")
    return parser


if __name__ == "__main__":
    main()
