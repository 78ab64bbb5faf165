"""Tables of parcels: which rows are shown, and what is said of their q."""

import dataclasses

import numpy as np
import pytest
from made_up import METRICS, Page, Score

from bids_eeg2fmri.bids.write import write_bytes
from bids_eeg2fmri.report.group import write_group_report
from bids_eeg2fmri.report.parcels import ParcelTable, reach_of_q, reach_over_people
from bids_eeg2fmri.report.participant import write_participant_report

ENDS = {name: Score("End", "1", "Of the interval.", None) for name in ("r_low", "r_high")}
FILE = "sub-01/func/sub-01_task-rest_desc-parcels_metrics.tsv"


def table(r):
    r = np.asarray(r, float)
    scores = {"pearsoncorrelation": r, "r_low": r - 0.1, "r_high": r + 0.1}
    names = tuple(f"area <{i}>" for i in range(len(r)))
    return ParcelTable("topo-rff", "AAL2.nii", names, scores, METRICS | ENDS, "A remark.", FILE)


def test_of_many_parcels_the_best_the_median_and_the_last_are_shown():
    shown = table(np.linspace(0.5, -0.5, 101)).shown
    assert [*shown] == [*map(str, range(1, 11)), "51 (median)", "101 (last)"]
    assert [*shown.values()] == [*range(10), 50, 100]


def test_few_parcels_are_all_shown_and_those_without_r_are_counted():
    few = table([0.1, np.nan, 0.3, 0.2])
    assert few.shown == {"1": 2, "2": 3, "3": 0}
    assert few.sentences[:1] == ("4 parcels: AAL2.nii.",)
    assert few.sentences[1].startswith("1 of them has no temporal r")


def test_a_temporal_r_is_told_with_its_interval():
    (column,) = table([0.1, 0.3]).columns
    assert column.cells == ("0.300", "0.100")
    assert column.intervals == ("0.200 to 0.400", "0.000 to 0.200")


@pytest.mark.parametrize(
    ("n", "volumes", "said"),
    [
        (94, 300, "q over 94 parcels from 300 test volumes can never fall below 94/300 = 0.313 "),
        (94, 48, "q over 94 parcels from 48 test volumes is 1 for a parcel alone"),
        (0, 48, "There are no p and q"),
    ],
)
def test_how_low_q_can_fall_is_said(n, volumes, said):
    p = np.r_[np.full(n, 0.5), np.nan]
    assert reach_of_q(p, volumes).startswith(said)


def test_one_participant_is_said_to_allow_no_test():
    assert reach_over_people(1).startswith("One test participant allows no interval")
    assert reach_over_people(5) == "Intervals, t, p and q are over 5 test participants."


def test_the_table_stands_in_the_report_of_the_run(tmp_path, participant, result):
    result = dataclasses.replace(result, parcels=table([0.1, 0.3]))
    report = dataclasses.replace(participant, results=(result,))
    path, *_ = write_participant_report(
        tmp_path / "sub-01.html", report, write_bytes, tmp_path / "figures"
    )
    page = Page(path.read_text(encoding="utf-8"))
    assert "#run-1-parcels" in page.links
    assert "run-1-parcels" in page.ids
    assert FILE in page.links
    for words in (
        "2 parcels: AAL2.nii. A remark.",
        FILE.split("/")[-1],
        "area <1>",
        "0.200 to 0.400",
    ):
        assert words in page.text


def test_a_group_has_the_table_or_the_reason_why_not(tmp_path, group):
    for report, words in (
        (dataclasses.replace(group, maps=None, parcels=table([0.1])), "1 parcel: AAL2.nii."),
        (dataclasses.replace(group, maps=None, no_parcels="They differ."), "They differ."),
    ):
        path, *_ = write_group_report(
            tmp_path / "group.html", report, write_bytes, tmp_path / "figures"
        )
        assert words in Page(path.read_text(encoding="utf-8")).text
