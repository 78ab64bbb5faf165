import dataclasses

import numpy as np
import pytest
from made_up import OUTCOME, Page

from bids_eeg2fmri.bids.write import write_bytes
from bids_eeg2fmri.report.group import group_headline, write_group_report
from bids_eeg2fmri.report.searches import losses_picture


@pytest.fixture
def write(tmp_path):
    def write(report):
        path, *_ = write_group_report(
            tmp_path / "group.html", report, write_bytes, tmp_path / "figures"
        )
        return Page(path.read_text(encoding="utf-8"))

    return write


def test_participants_with_a_report_of_their_own_are_linked(write, group):
    page = write(dataclasses.replace(group, maps=None))
    assert "sub-03.html" in page.links
    assert "sub-04.html" not in page.links


def test_names_from_the_dataset_cannot_become_markup(write, group):
    evil = "<img src=x onerror=alert(1)>漢"
    report = dataclasses.replace(
        group, task=evil, dataset=evil, test_participants=(evil,), outcomes={evil: OUTCOME},
        rows={evil: group.rows["sub-03"]}, problems=(evil,), maps=None,
        links={evil: "sub-<b>.html"},
    )  # fmt: skip
    page = write(report)
    assert all(image["src"] != "x" for image in page.images)
    assert page.text.count(evil) >= 6
    assert "sub-%3Cb%3E.html" in page.links


def test_the_headline_counts_whom_the_model_helps():
    outcomes = {
        name: dataclasses.replace(OUTCOME, r=r, skill=skill)
        for name, r, skill in (("a", 0.1, 0.02), ("b", 0.3, 0.04), ("c", np.nan, -0.03))
    }
    (sentence,) = group_headline(outcomes)
    assert "Temporal r 0.200 on average over 3 runs of held-out participants" in sentence
    assert "skill +0.010" in sentence
    assert "above both in 2 of 3" in sentence


def test_a_group_whose_skill_shifted_eeg_has_too_is_said_to_owe_nothing_to_the_eeg():
    *_, last = group_headline({"a": dataclasses.replace(OUTCOME, skill_shifted=0.01)})
    assert "not due to the EEG" in last


@pytest.mark.parametrize("skill", [0.0, -0.1, np.nan])
def test_a_group_without_skill_is_said_not_to_beat_the_mean_volume(skill):
    sentences = group_headline({"a": dataclasses.replace(OUTCOME, skill=skill)})
    assert sentences[1] == "The model does not beat the training-mean volume."
    assert "1 run of held-out participants " in sentences[0]


def test_a_group_tells_why_it_has_no_maps(write, group):
    page = write(dataclasses.replace(group, maps=None, coverage="There are no maps: reasons."))
    assert "There are no maps: reasons." in page.text
    assert "There are no maps" not in write(group).text


def test_the_fold_of_the_search_and_what_others_chose_are_told(write, group):
    losses = np.array([[0.5, 0.4], [0.3, 0.45]])
    picture = losses_picture("group", "EEG encoder", losses, 1, "This is fold 1 of 3.")
    choices = {"EEG encoder": {1: [1, 3], 2: [2]}}
    page = write(dataclasses.replace(group, folds=3, maps=None, search=(picture,), choices=choices))
    for candidate, folds, which in ((1, "2 of 3", "1, 3"), (2, "1 of 3", "2")):
        cells = f'<td>{candidate}</td><td>{folds}</td><td class="text">{which}</td>'
        assert f'<th scope="row">EEG encoder</th>{cells}' in page.html
    assert "This is fold 1 of 3." in page.text


def test_a_model_that_stands_in_for_the_first_is_named(write, group):
    said = "linear, the first model asked for, has no result."
    assert said in write(dataclasses.replace(group, maps=None, stand_in=said)).text


def test_no_best_is_marked_where_nothing_can_be_ranked(write, group):
    group = dataclasses.replace(group, maps=None)
    page = write(dataclasses.replace(group, rivals=()))
    assert "strong" not in page.tags
    assert "in bold" not in page.text
    assert "strong" in write(group).tags


def test_a_group_without_results_or_maps_still_has_a_report(write, group):
    report = dataclasses.replace(
        group, outcomes={}, rows={}, maps=None, training=(), problems=("sub-03: EEG ends early.",)
    )
    page = write(report)
    assert "No run of a test participant has a result." in page.text
    assert "sub-03: EEG ends early." in page.text
    assert page.images == []
