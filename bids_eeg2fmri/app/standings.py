"""How models and baselines stand beside each other, for both reports."""

from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from bids_eeg2fmri.app.baselines import ORACLES
from bids_eeg2fmri.app.testing import BASELINE
from bids_eeg2fmri.evaluate.baselines import BASELINES
from bids_eeg2fmri.evaluate.evidence import Evidence, sum_up
from bids_eeg2fmri.evaluate.surrogates import NULLS
from bids_eeg2fmri.evaluate.verdict import Verdict
from bids_eeg2fmri.report.forest import NOWHERE, Estimate, Standing
from bids_eeg2fmri.report.page import Chance

Row = Mapping[str, float]
"""Scores by metric."""


def of_run(rows: Mapping[str, Row], evidence: Mapping[str, Evidence]) -> tuple[Standing, ...]:
    """Lay the models of one run beside each other: those that look at the EEG, then the others.

    Parameters
    ----------
    rows
        Scores by model.
    evidence
        By model, of those that look at the EEG.
    """
    others = [name for name in _honest(rows) if name not in evidence and name in BASELINES]
    plain = [
        Standing(
            name,
            Estimate(rows[name]["pearsoncorrelation"]),
            Estimate(rows[name]["skill"]),
            tells=False,
        )
        for name in others
    ]
    return (*(of_evidence(name, one) for name, one in evidence.items()), *plain)


def of_evidence(name: str, evidence: Evidence) -> Standing:
    """Put the scores of one run before what shifts of the EEG beyond the shortest give."""
    numbers, least = sum_up([[evidence]]), evidence.min_shift

    def estimate(value: float, ends: tuple[float, float], by_shift: np.ndarray) -> Estimate:
        beyond = by_shift[least : len(by_shift) - least + 1] if evidence.draws else np.empty(0)
        known = np.extract(np.isfinite(beyond), beyond)
        low, high = np.percentile(known, [5, 95]) if known.size else NOWHERE
        return Estimate(value, ends, (float(low), float(high)))

    r, skill = numbers.r, numbers.skill
    return Standing(
        name,
        estimate(r.mean, (r.low, r.high), evidence.r_by_shift),
        estimate(skill.mean, (skill.low, skill.high), evidence.skill_by_shift),
    )


def of_means(
    values: Mapping[str, Mapping[str, Sequence[float]]],
    intervals: Mapping[str, Mapping[str, tuple[float, float]]],
    models: Iterable[str],
) -> tuple[Standing, ...]:
    """Lay means over participants beside each other: models and the baselines of ``_honest``."""

    def estimate(name: str, metric: str) -> Estimate:
        known = np.extract(np.isfinite(values[name][metric]), values[name][metric])
        mean = float(known.mean()) if known.size else np.nan
        return Estimate(mean, intervals.get(name, {}).get(metric, NOWHERE))

    tell = {*models, *(name for name, one in BASELINES.items() if one.eeg)}
    return tuple(
        Standing(
            name,
            estimate(name, "pearsoncorrelation"),
            estimate(name, "skill"),
            tells=name in tell,
        )
        for name in _honest(values)
        if name in tell or name in BASELINES
    )


def chances(verdicts: Mapping[str, Verdict]) -> dict[str, dict[str, Chance]]:
    """Tell by model and null the p of temporal r and the draws behind it."""
    found: dict[str, dict[str, Chance]] = {}
    first = next(iter(NULLS.values()))
    for model, verdict in verdicts.items():
        numbers = verdict.numbers
        found[model] = {first.title: (numbers.p_r, numbers.draws)}
        for name, p in numbers.p_other.items():
            found[model][NULLS[name].title] = (p, numbers.draws_other[name])
    return found


def _honest(rows: Iterable[str]) -> list[str]:
    """Leave out oracles, and the mean volume, whose r is undefined and whose skill is 0."""
    return [name for name in rows if name not in ORACLES | {BASELINE}]
