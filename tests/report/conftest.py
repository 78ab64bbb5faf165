import dataclasses

import numpy as np
import pytest
from made_up import METRICS, OUTCOME, PROVENANCE, RIVALS, ROWS, TRAINING, make_result, make_run

from bids_eeg2fmri.report.group import GroupMaps, GroupReport
from bids_eeg2fmri.report.participant import ParticipantReport
from bids_eeg2fmri.report.result import RunResult


@pytest.fixture(scope="session")
def result() -> RunResult:
    return make_result("sub-01_task-rest")


@pytest.fixture(scope="session")
def participant(result: RunResult) -> ParticipantReport:
    run = make_run("sub-01_task-rest")
    return ParticipantReport("sub-01", "Rest", (run,), (result,), (TRAINING,), METRICS, PROVENANCE)


@pytest.fixture(scope="session")
def large_participant(participant: ParticipantReport) -> ParticipantReport:
    large = make_result("sub-01_task-rest", (64, 64, 30))
    return dataclasses.replace(participant, results=(large,))


@pytest.fixture(scope="session")
def group(result: RunResult) -> GroupReport:
    maps = GroupMaps(
        result.affine, result.mask, result.mean, result.r_map, result.skill_map,
        {"topo-rff": np.abs(result.r_map)}, "Native grids.",
    )  # fmt: skip
    tested = ("sub-03", "sub-04")
    return GroupReport(
        "Rest", "task-rest", ("sub-01", "sub-02"), tested, "topo-rff",
        dict.fromkeys(tested, OUTCOME), dict.fromkeys(tested, ROWS),
        {model: {name: [value] * 2 for name, value in row.items()} for model, row in ROWS.items()},
        RIVALS, "± is over two participants.", METRICS, (TRAINING,), PROVENANCE, maps=maps,
        links={"sub-03": "sub-03.html"},
    )  # fmt: skip
