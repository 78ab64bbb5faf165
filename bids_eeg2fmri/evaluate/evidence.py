"""The numbers that a verdict rests on: of one run, of several, of several participants."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple

import numpy as np
from jaxtyping import Float64
from scipy import stats

from bids_eeg2fmri.evaluate.effective import effective_size
from bids_eeg2fmri.evaluate.null import p_value, shift_p, smallest_p
from bids_eeg2fmri.evaluate.statistics import (
    MIN_PARTICIPANTS,
    Interval,
    fisher_z,
    mean_correlation_interval,
    mean_interval,
    paired_t,
)
from bids_eeg2fmri.evaluate.surrogates import NULLS
from bids_eeg2fmri.types import typed


class Chance(NamedTuple):
    """What one null says."""

    p: float
    """One-sided p of the correlation against it."""
    draws: int
    """Draws of the null behind it."""


@typed
class Drawn:
    """What a model reaches in draws of one null."""

    r: dict[str, Float64[np.ndarray, " draws"]]
    """Temporal correlation, mean over the mask, by test run."""


@typed
class Evidence:
    """What one model did on one run, beside what it does when the EEG is shifted."""

    r_by_shift: Float64[np.ndarray, " shifts"]
    """Temporal correlation by shift, the true one first, see ``null.correlation_by_shift``."""
    skill_by_shift: Float64[np.ndarray, " shifts"]
    """Skill against the mean volume by shift, see ``null.skill_by_shift``."""
    min_shift: int
    """Shift in volumes from which on the EEG is that of another time, see ``null.least_shift``."""
    sd_ratio: float
    """Deviation over time of the synthesised over that of the observed, pooled over the mask."""
    p_other: dict[str, float] = field(default_factory=dict)
    """p of the correlation against the other nulls that ran, by name in ``surrogates.NULLS``."""
    draws_other: dict[str, int] = field(default_factory=dict)
    """Draws behind each of these."""

    @property
    def draws(self) -> int:
        """Shifts that p counts; 0 where the test is too short for one of ``min_shift``."""
        n = len(self.r_by_shift)
        return n - 1 if n >= 2 * self.min_shift else 0


def hold_against(evidence: Evidence, name: str, null: Float64[np.ndarray, " draws"]) -> Evidence:
    """Add what another null says, by its name in ``surrogates.NULLS``; nothing without draws."""
    if not len(null):
        return evidence
    p = p_value(float(evidence.r_by_shift[0]), null)
    return replace(
        evidence,
        p_other={**evidence.p_other, name: p},
        draws_other={**evidence.draws_other, name: len(null)},
    )


def average(trainings: Sequence[Evidence]) -> Evidence:
    """Make one of what several trainings of a model did on one run, which is not independent.

    Of the p against other nulls the median is kept.
    """
    if len(trainings) == 1:
        return trainings[0]
    names = [name for name in NULLS if all(name in one.p_other for one in trainings)]
    return Evidence(
        np.mean([one.r_by_shift for one in trainings], axis=0),
        np.mean([one.skill_by_shift for one in trainings], axis=0),
        max(one.min_shift for one in trainings),
        float(np.mean([one.sd_ratio for one in trainings])),
        {name: float(np.median([one.p_other[name] for one in trainings])) for name in names},
        {name: min(one.draws_other[name] for one in trainings) for name in names},
    )


@dataclass(frozen=True)
class Numbers:
    """What a verdict rests on; NaN where undefined."""

    r: Interval
    """Temporal correlation with its 95 % interval."""
    p_r: float
    """p of it against shifted EEG."""
    skill: Interval
    """Skill against the mean volume with its 95 % interval."""
    p_skill: float
    """p of it against shifted EEG."""
    sd_ratio: float
    """Deviation ratio."""
    participants: int
    """Test participants. From ``MIN_PARTICIPANTS`` on, intervals and p are over them, else over
    shifts of the EEG."""
    draws: int
    """Shifts of the EEG that p is worth; 0 where the test is too short for any."""
    p_other: Mapping[str, float]
    """p of temporal r against the other nulls, by name; these are told and do not decide."""
    draws_other: Mapping[str, int]
    """Draws behind each of these; where the p of several runs are combined, the fewest of a run."""
    runs: int = 1
    """Test runs."""

    @property
    def over_people(self) -> bool:
        """Whether intervals and p tell of other people too."""
        return self.participants >= MIN_PARTICIPANTS


def sum_up(
    participants: Sequence[Sequence[Evidence]], others: Mapping[str, Chance] | None = None
) -> Numbers:
    """Sum up what a model did on the runs of test participants, be it one run of one.

    From ``MIN_PARTICIPANTS`` on, p is that of a one-sided t-test over participants of what the true
    EEG adds to the mean of the shifted, and the intervals are over participants: they tell of other
    people. With fewer, an interval is the estimate give or take what it varies by when the EEG is
    shifted, which knows how signals are correlated in time and space; the p of the runs are
    combined (Fisher 1925), and all of it holds for these runs only. The p of the other nulls are
    combined so in any case. As p, the interval of a run's skill knows of fluctuations about the
    level and the trend of the test alone, and not that these too may agree by luck.

    Parameters
    ----------
    participants
        The runs of each, one or more, every run once: the p of several trainings tested on one run
        are not independent, so average their scores by shift first.
    others
        What nulls say that take all participants together, by name.
    """
    people = [_pool([_within(run) for run in runs]) for runs in participants]
    within = replace(_with(_pool(people), others or {}), participants=len(people))
    if len(people) < MIN_PARTICIPANTS:
        return within
    added = [np.mean([_added(run) for run in runs], axis=0) for runs in participants]
    p_r, p_skill = (_above_zero(values) for values in np.transpose(added))
    r, skill = (np.array([getattr(one, name).mean for one in people]) for name in ("r", "skill"))
    return replace(
        within,
        r=mean_correlation_interval(r),
        p_r=p_r,
        skill=mean_interval(skill),
        p_skill=p_skill,
    )


def _within(evidence: Evidence) -> Numbers:
    """Take p and intervals from the shifts of the EEG."""
    z = _give_or_take(fisher_z(evidence.r_by_shift), evidence.draws)
    return Numbers(
        Interval(*(math.tanh(end) for end in (z.mean, z.low, z.high))),
        shift_p(evidence.r_by_shift, evidence.min_shift),
        _give_or_take(evidence.skill_by_shift, evidence.draws),
        shift_p(evidence.skill_by_shift, evidence.min_shift),
        evidence.sd_ratio,
        participants=1,
        draws=evidence.draws,
        p_other=evidence.p_other,
        draws_other=evidence.draws_other,
    )


def _with(numbers: Numbers, others: Mapping[str, Chance]) -> Numbers:
    return replace(
        numbers,
        p_other={**numbers.p_other, **{name: one.p for name, one in others.items()}},
        draws_other={**numbers.draws_other, **{name: one.draws for name, one in others.items()}},
    )


def _pool(numbers: Sequence[Numbers]) -> Numbers:
    """Average runs or participants; what is undefined in one of them is left out."""
    if len(numbers) == 1:
        return numbers[0]
    names = [name for name in NULLS if any(name in one.p_other for one in numbers)]
    floor = _combine([smallest_p(one.draws) for one in numbers if one.draws])
    return Numbers(
        _average([one.r for one in numbers]),
        _combine([one.p_r for one in numbers]),
        _average([one.skill for one in numbers]),
        _combine([one.p_skill for one in numbers]),
        float(np.mean([one.sd_ratio for one in numbers])),
        participants=1,
        draws=int(1 / floor) - 1 if math.isfinite(floor) else 0,
        p_other={n: _combine([o.p_other.get(n, math.nan) for o in numbers]) for n in names},
        draws_other={
            n: min(o.draws_other[n] for o in numbers if n in o.draws_other) for n in names
        },
        runs=sum(one.runs for one in numbers),
    )


def _average(intervals: Sequence[Interval]) -> Interval:
    known = [one for one in intervals if math.isfinite(one.mean)]
    if not known:
        return Interval(math.nan, math.nan, math.nan)
    mean = float(np.mean([one.mean for one in known]))
    half = math.hypot(*(one.high - one.mean for one in known)) / len(known)
    return Interval(mean, mean - half, mean + half)


def _combine(p: Sequence[float]) -> float:
    known = [one for one in p if math.isfinite(one)]
    return float(stats.combine_pvalues(known).pvalue) if known else math.nan


def _give_or_take(by_shift: Float64[np.ndarray, " shifts"], draws: int) -> Interval:
    """Find the interval of the score without a shift from what it varies by under all others.

    They vary about the mean over a whole turn, which is what no coupling gives. Neighbours are
    alike, so their deviation is known as if from fewer shifts, each independent of the others:
    hence Student's quantile. p counts all of them too; those beyond ``min_shift`` alone are so few
    in a short test that half of the intervals would miss the truth.
    """
    estimate, about = float(by_shift[0]), by_shift[1:] - by_shift.mean()
    if not draws:
        return Interval(estimate, math.nan, math.nan)
    (independent,) = effective_size(about[:, None], about[:, None])
    half = float(stats.t.ppf(0.975, independent) * np.sqrt(np.mean(about**2)))
    return Interval(estimate, estimate - half, estimate + half)


def _added(run: Evidence) -> tuple[float, float]:
    """Tell what r and skill the true EEG adds to the shifted; nothing where that is undefined."""
    beyond = slice(run.min_shift, len(run.r_by_shift) - run.min_shift + 1)
    r, skill = (
        float(np.nan_to_num(one[0] - one[beyond].mean())) if run.draws else 0.0
        for one in (run.r_by_shift, run.skill_by_shift)
    )
    return r, skill


def _above_zero(values: Float64[np.ndarray, " participants"]) -> float:
    """One-sided p of their t-test; NaN where all are the same."""
    t, p = paired_t(values)
    return float(np.where(t > 0, p / 2, 1 - p / 2))
