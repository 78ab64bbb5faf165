"""What the table of one run holds: scores and verdicts of models and baselines."""

from collections.abc import Sequence

from bids_eeg2fmri.app.baselines import ORACLES, Beside
from bids_eeg2fmri.app.testing import BASELINE, Tested
from bids_eeg2fmri.evaluate.evidence import Evidence
from bids_eeg2fmri.evaluate.verdict import Verdict, judge


def summaries_of(
    tested: Sequence[Tested], beside: Beside | None = None
) -> dict[str, dict[str, float]]:
    """Gather the scores of one run by model, what needs no EEG at the end."""
    rows = {name: one.summary for tested_ in tested for name, one in tested_.scores.items()}
    mean = rows.pop(BASELINE)
    if beside is not None:
        rows |= {name: one.summary for name, one in beside.scores.items()}
    return rows | {BASELINE: mean}


def shown(model: str) -> str:
    """Name a row for people, who are told which is an oracle."""
    return f"{model} (oracle)" if model in ORACLES else model


def verdicts_of(tested: Sequence[Tested], beside: Beside | None = None) -> dict[str, Verdict]:
    """Judge, by one run, each model and each baseline that looks at the EEG."""
    return {name: judge([[own]]) for name, own in evidence_of(tested, beside).items()}


def evidence_of(tested: Sequence[Tested], beside: Beside | None = None) -> dict[str, Evidence]:
    """Gather what the verdicts of one run rest on."""
    evidence = {one.trained.name: one.evidence for one in tested}
    return evidence if beside is None else evidence | beside.evidence
