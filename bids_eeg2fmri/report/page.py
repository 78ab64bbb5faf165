"""What both reports share: pictures with their words, score tables, provenance, and the writing."""

import math
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Protocol, TypeVar, runtime_checkable

import numpy as np
from jaxtyping import Bool, Float64
from jinja2 import Environment, PackageLoader, StrictUndefined

from bids_eeg2fmri.report.pictures import Drawing, are_wanted, drawn
from bids_eeg2fmri.report.words import counted, duration, number, probability, signed
from bids_eeg2fmri.types import typed

Row = TypeVar("Row")
Save = Callable[[Path, bytes], None]
"""Write a file, whole or not at all, and its folder if need be."""
UNCOMPARED = "The test is too short for shifted EEG, so nothing shows that this is due to the EEG."
CHANCE = 0.05
"""One-sided p from which on a temporal r is called chance."""


@runtime_checkable
class Metric(Protocol):
    """What a score means; the evaluation's own descriptions serve."""

    @property
    def name(self) -> str:
        """In plain words."""

    @property
    def units(self) -> str:
        """Unit of the score; ``1`` for none."""

    @property
    def description(self) -> str:
        """How it is computed."""

    @property
    def higher_is_better(self) -> bool | None:
        """Which way is better; ``None`` where neither is."""


@typed
class Outcome:
    """How well the EEG told the BOLD of one test: the numbers that a report opens with."""

    r: float
    """Temporal correlation, mean over the mask; NaN where undefined."""
    skill: float
    """One minus the squared error over that of the training-mean volume; NaN where undefined."""
    skill_shifted: float
    """The same when the EEG is shifted by half the test; NaN where that is too short."""
    null: Float64[np.ndarray, " draws"]
    """The same correlation when the EEG is shifted in time; empty where the test was too short."""
    p: float
    """One-sided p of ``r`` among all shifts of the EEG; NaN where undefined."""

    @property
    def shifted(self) -> Float64[np.ndarray, " draws"]:
        """The part of ``null`` that is defined."""
        return np.extract(np.isfinite(self.null), self.null)


Verdict = tuple[str, str]
"""Whether to believe a model: in a few words, and in plain sentences."""
Chance = tuple[float, int]
"""A p and the draws behind it."""


def as_sentence(verdict: Verdict) -> tuple[str, str]:
    """Begin the few words of a verdict as a sentence."""
    label, text = verdict
    return f"{label[0].upper()}{label[1:]}.", text


@dataclass(frozen=True)
class Provenance:
    """How the results came about and how to get them again."""

    methods: tuple[str, ...]
    """The methods in words, one text a paragraph."""
    citations: tuple[tuple[str, str], ...]
    """Each work as text and its address (DOI or arXiv); an empty address for none."""
    versions: Mapping[str, str]
    """Version of each program that matters, by name."""
    command: str
    """The command line."""
    seed: int
    """From which every draw is derived."""
    settings: str = ""
    """All settings in TOML."""


def headline(outcome: Outcome) -> tuple[str, ...]:
    """Say in plain sentences how well the EEG told the BOLD, the unwelcome ones included."""
    scores = f"Temporal r {number(outcome.r)} ({_chance(outcome)})"
    if math.isnan(outcome.r):
        scores = "Temporal r undefined (no voxel varies both as observed and as synthesised)"
    if math.isnan(outcome.skill):
        return (
            f"{scores}, skill undefined.",
            "Nothing shows that the model beats the training-mean volume.",
        )
    alone = math.isnan(outcome.skill_shifted)
    verdicts = (
        (outcome.skill <= 0, "The model does not beat the training-mean volume."),
        (alone and outcome.skill > 0, UNCOMPARED),
        (outcome.p >= CHANCE, "Its temporal r cannot be told from chance."),
        (
            0 < outcome.skill <= outcome.skill_shifted,
            "With shifted EEG its skill is no worse, so that the skill is not due to the EEG.",
        ),
    )
    sentence = f"{scores}, skill {signed(outcome.skill)} against the mean volume"
    if math.isfinite(outcome.skill_shifted):
        sentence += f" (shifted EEG {signed(outcome.skill_shifted)})"
    sentence += "."
    return sentence, *(verdict for holds, verdict in verdicts if holds)


def _chance(outcome: Outcome) -> str:
    null = outcome.shifted
    if not null.size:
        return "no null: the test is too short to shift the EEG"
    spread = f"{number(null.mean())} ± {number(null.std())}"
    return f"shifted EEG {spread}, p = {probability(outcome.p)}"


@dataclass(frozen=True)
class Column:
    """One score of several models, ready to be read."""

    metric: Metric
    """What it means."""
    cells: tuple[str, ...]
    """The values as text, in the order of the rows."""
    intervals: tuple[str, ...]
    """Where these lie at 95 %, as text; empty where nothing is known."""
    best: tuple[bool, ...]
    """Which of them no rival beats."""


def columns(
    rows: Mapping[Row, Mapping[str, float | Sequence[float]]],
    metrics: Mapping[str, Metric],
    rivals: Collection[Row] = (),
    intervals: Mapping[Row, Mapping[str, tuple[float, float]]] | None = None,
) -> tuple[Column, ...]:
    """Turn scores by row into columns with as many decimals as their values need.

    A cell with several values is written as mean ± standard deviation. Only the metrics that at
    least one row has are kept, in the order of ``metrics``.

    Parameters
    ----------
    rivals
        The rows among which the best of each column is sought.
    intervals
        Lower and upper end by row and metric, where they are known.
    """
    ends = intervals or {}
    known = [name for name in metrics if any(name in row for row in rows.values())]
    ranked = np.array([row in rivals for row in rows], bool)
    return tuple(
        _column(
            metrics[name],
            [row.get(name, ()) for row in rows.values()],
            [ends.get(row, {}).get(name, (math.nan, math.nan)) for row in rows],
            ranked,
        )
        for name in known
    )


def _column(
    metric: Metric,
    cells: Sequence[float | Sequence[float]],
    intervals: Sequence[tuple[float, float]],
    ranked: Bool[np.ndarray, " rows"],
) -> Column:
    defined = [np.extract(np.isfinite(cell), cell) for cell in cells]
    values = np.array([cell.mean() if cell.size else np.nan for cell in defined])
    finite = values[np.isfinite(values)]
    size = np.abs(finite).max(initial=0.0)
    # four digits: a model and its baseline often differ in the fourth only
    decimals = 4 if size == 0 else int(np.clip(3 - np.floor(np.log10(size)), 0, 4))
    best, rivals = np.zeros(len(values), bool), values[ranked & np.isfinite(values)]
    if metric.higher_is_better is not None and rivals.size:
        best = ranked & (values == (rivals.max() if metric.higher_is_better else rivals.min()))
    texts = tuple(
        number(value, decimals)
        + (f" ± {number(cell.std(ddof=1), decimals)}" if cell.size > 1 else "")
        for value, cell in zip(values, defined, strict=True)
    )
    ends = tuple(
        f"{number(low, decimals)} to {number(high, decimals)}" if math.isfinite(low) else ""
        for low, high in intervals
    )
    return Column(metric, texts, ends, tuple(best.tolist()))


def render(template: str, **context: object) -> str:
    """Fill a page; everything that comes from a dataset is escaped."""
    return _environment().get_template(template).render(context, with_pictures=are_wanted())


@cache
def _environment() -> Environment:
    """Compile each template once in a process."""
    environment = Environment(
        loader=PackageLoader("bids_eeg2fmri.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    for function in (number, signed, probability, counted, duration, zip):
        environment.filters[function.__name__] = function
    return environment


def folder_link(page: Path, figures_dir: Path) -> str:
    """Give the path from a page to the folder of its figures."""
    return f"{figures_dir.relative_to(page.parent).as_posix()}/"


def write(
    path: Path,
    html: str,
    drawings: Iterable[Drawing],
    save: Save,
    figures_dir: Path,
) -> list[Path]:
    """Write a page and its pictures; return all paths."""
    files = {figures_dir / p.file_name: p.data for p in drawn(drawings)}
    for file, content in {path: html.encode(errors="replace"), **files}.items():
        save(file, content)
    return [path, *files]
