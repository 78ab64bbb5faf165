"""Whether to believe a model, in one label and a plain paragraph.

The rules, in this order; p is one-sided against shifted EEG and counts below ``ALPHA``:

1. ``near-constant output``: the output varies less than ``NEARLY`` of the signal and its temporal r
   is not above chance; or it varies less than ``SHRUNKEN`` of what r justifies. A prediction that
   correlates by r errs least with a deviation of r times the signal's, so a weak coupling has a
   small output by right, and that is no fault.
2. ``not better than the mean volume``: the skill is 0 or less, or undefined.
3. ``not distinguishable from shifted EEG``: the p of temporal r or that of the skill is not below
   ``ALPHA``, also where the test is too short to show anything. A skill above 0 may come from luck
   or from a mean that drifts; only that of the right moment comes from the EEG.
4. ``informative``: what is left.

So without any coupling a model is called informative in about ``ALPHA`` of all tests at most.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Literal

from bids_eeg2fmri.evaluate.evidence import Chance, Evidence, Numbers, sum_up
from bids_eeg2fmri.evaluate.null import resolution, smallest_p
from bids_eeg2fmri.evaluate.statistics import Interval
from bids_eeg2fmri.evaluate.surrogates import NULLS

Label = Literal[
    "informative",
    "not better than the mean volume",
    "not distinguishable from shifted EEG",
    "near-constant output",
]
"""What a model can be called; the rules are at the top of this file."""

ALPHA = 0.05
"""p below which a score is above chance."""
NEARLY = 0.05
"""Deviation ratio below which an output that tells nothing counts as constant."""
SHRUNKEN = 0.1
"""Share of the deviation that r justifies below which an output counts as constant anyway."""
_OPENING: Mapping[Label, str] = {
    "informative": "The EEG told this model something about the BOLD signal.",
    "not better than the mean volume": (
        "This model errs no less than the mean volume, for which no EEG is needed."
    ),
    "not distinguishable from shifted EEG": (
        "It is not shown that this model does better with the true EEG than with EEG of another "
        "time."
    ),
    "near-constant output": "The output of this model hardly changes over time.",
}


@dataclass(frozen=True)
class Verdict:
    """Whether a model is to be believed, and why."""

    label: Label
    """In a few words, always one of four."""
    numbers: Numbers
    """What it rests on."""
    paragraph: str
    """The same in plain sentences."""

    @property
    def is_informative(self) -> bool:
        """Whether it may be believed."""
        return self.label == "informative"

    def summary(self) -> dict[str, object]:
        """Give all of it as what JSON knows, the label under ``verdict``."""
        return {
            "verdict": self.label,
            "verdict_text": self.paragraph,
            "verdict_numbers": asdict(self.numbers),
        }


def judge(
    participants: Sequence[Sequence[Evidence]], others: Mapping[str, Chance] | None = None
) -> Verdict:
    """Judge a model by the runs of each test participant, one run of one participant included.

    See the top of this file for the rules and ``evidence.sum_up`` for the numbers.
    """
    numbers = sum_up(participants, others)
    label = _label(numbers)
    return Verdict(label, numbers, " ".join(_sentences(label, numbers)))


def _label(numbers: Numbers) -> Label:
    """Apply the rules at the top of this file; what is undefined passes none."""
    r, sd_ratio = numbers.r.mean, numbers.sd_ratio
    follows = numbers.p_r < ALPHA
    if (sd_ratio < NEARLY and not follows) or sd_ratio < SHRUNKEN * r:
        return "near-constant output"
    if not numbers.skill.mean > 0:
        return "not better than the mean volume"
    if not (follows and numbers.p_skill < ALPHA):
        return "not distinguishable from shifted EEG"
    return "informative"


def _sentences(label: Label, numbers: Numbers) -> list[str]:
    """Put a verdict into words, what it rests on after what it is."""
    follows, over_people = numbers.p_r < ALPHA, numbers.over_people
    other = ", ".join(_against(numbers, name) for name in NULLS if name in numbers.p_other)
    reach = resolution(numbers.draws, ALPHA)
    remarks = {
        f"{reach[0].upper()}{reach[1:]}.": (smallest_p(numbers.draws) >= ALPHA and not over_people),
        "What varies in it does follow the signal, so that its size or its level is wrong.": (
            label in ("not better than the mean volume", "near-constant output") and follows
        ),
        "How much it gains is uncertain: the interval of its skill reaches below 0.": (
            label == "informative" and numbers.skill.low <= 0
        ),
        f"Its temporal r has other p beside these: {other}.": bool(other),
        "This holds for what was tested and says nothing about other people.": not over_people,
        f"Intervals and p are over {numbers.participants} test participants.": over_people,
    }
    told = [remark for remark, holds in remarks.items() if holds]
    return [_OPENING[label], _correlation(numbers), _error(numbers), *told]


def _against(numbers: Numbers, name: str) -> str:
    n = numbers.draws_other[name]
    draws = f"{n} draw{'s' * (n > 1)}" + " a run" * (numbers.runs > 1 and NULLS[name].by_run)
    return f"against {NULLS[name].title} {_p(numbers.p_other[name])} ({draws})"


def _correlation(numbers: Numbers) -> str:
    r = numbers.r
    varies = f"its output varies {numbers.sd_ratio:.2g} times as much as the signal."
    if math.isnan(r.mean):
        return (
            f"Its temporal r is undefined: no voxel varies both in it and in the signal; {varies}"
        )
    p = _p(numbers.p_r)
    told = f"{_number(r.mean, '.3f')} ({_range(r, 3)}, {p} against shifted EEG)"
    return f"Its temporal r is {told}; {varies}"


def _error(numbers: Numbers) -> str:
    skill = numbers.skill
    if math.isnan(skill.mean):
        return "Its skill is undefined: the signal does not deviate from the mean volume."
    side = f"{100 * abs(skill.mean):.2f} % {'below' if skill.mean > 0 else 'above'} "
    return (
        f"Its squared error is {side * (skill.mean != 0)}that of the mean volume (skill "
        f"{_number(skill.mean, '+.4f')}, {_range(skill, 4)}, {_p(numbers.p_skill)} against "
        "shifted EEG)."
    )


def _range(interval: Interval, decimals: int) -> str:
    if math.isnan(interval.low):
        return "no interval"
    low, high = (_number(end, f".{decimals}f") for end in (interval.low, interval.high))
    return f"95 % interval {low} to {high}"


def _number(value: float, spec: str) -> str:
    return format(value, spec).replace("-", "−")


def _p(p: float) -> str:
    return f"p = {p:.2g}" if math.isfinite(p) else "no p"
