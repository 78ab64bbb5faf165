import dataclasses
import time

import numpy as np
import pytest
from made_up import TRAINING, Page, make_run

from bids_eeg2fmri.bids.write import write_bytes
from bids_eeg2fmri.report.participant import write_participant_report


@pytest.fixture(scope="module")
def files(tmp_path_factory, participant):
    folder = tmp_path_factory.mktemp("out")
    return write_participant_report(
        folder / "sub-01.html", participant, write_bytes, folder / "figures"
    )


@pytest.fixture(scope="module")
def page(files):
    return Page(files[0].read_text(encoding="utf-8"))


@pytest.fixture
def write(tmp_path):
    def write(report):
        path, *_ = write_participant_report(
            tmp_path / "page.html", report, write_bytes, tmp_path / "figures"
        )
        return Page(path.read_text(encoding="utf-8"))

    return write


def test_names_from_the_dataset_cannot_become_markup(write, participant):
    evil = '</title><script>alert("ü漢")</script>&'
    run = dataclasses.replace(make_run(evil), eeg_file=evil, bold_file=evil, notes=(evil,))
    result = dataclasses.replace(participant.results[0], name=evil)
    report = dataclasses.replace(
        participant, participant=evil, dataset=evil, runs=(run,), results=(result,),
        problems=(evil,),
    )  # fmt: skip
    page = write(report)
    assert "script" not in page.tags
    assert page.text.count(evil) >= 8


def test_each_figure_is_also_a_file_named_after_its_run(files):
    assert {file.name for file in files[1:]} == {
        "sub-01_task-rest_desc-example_volume.png",
        "sub-01_task-rest_stat-r_desc-planes_map.png",
        "sub-01_task-rest_stat-r_map.png",
        "sub-01_task-rest_stat-skill_map.png",
        "sub-01_task-rest_desc-null_histogram.svg",
        "sub-01_task-rest_desc-signal_timecourse.svg",
        "sub-01_model-topo-rff_desc-training_curve.svg",
    }
    assert all(file.parent.name == "figures" and file.exists() for file in files[1:])


def test_a_report_states_that_the_mean_volume_is_not_beaten(write, participant, result, page):
    worse = dataclasses.replace(result, outcome=dataclasses.replace(result.outcome, skill=-0.1))
    said = "The model does not beat the training-mean volume."
    assert said in write(dataclasses.replace(participant, results=(worse,))).text
    assert said not in page.text


def test_the_score_table_has_a_row_for_each_model_and_units(page):
    for words in ("mean-volume", "topo-rff on shifted EEG", "SD of BOLD"):
        assert words in page.text
    assert "(lower is better)" in page.text
    assert "(higher is better)" in page.text


def test_an_epoch_alone_is_no_plural(write, participant):
    training = dataclasses.replace(TRAINING, train_loss=(0.7,), valid_loss=(0.3,), best_epoch=1)
    page = write(dataclasses.replace(participant, results=(), training=(training,)))
    assert "1 epoch took 1 min 15 s" in page.text
    assert any("over 1 epoch. " in str(image["alt"]) for image in page.images)


def test_a_model_that_stands_in_for_the_first_is_named(write, participant, page):
    said = "linear, the first model asked for, has no result."
    assert said in write(dataclasses.replace(participant, results=(), stand_in=said)).text
    assert "first model asked for" not in page.text


def test_undefined_maps_and_a_missing_null_leave_the_rest_standing(write, participant, result):
    nothing = np.full(result.mask.shape, np.nan)
    outcome = dataclasses.replace(
        result.outcome, r=np.nan, skill=np.nan, null=np.empty(0), p=np.nan
    )
    empty = dataclasses.replace(
        result, outcome=outcome, r_map=nothing, skill_map=nothing, p_map=None, time_courses=()
    )
    page = write(dataclasses.replace(participant, results=(empty,)))
    assert "It is undefined in every voxel." in page.text
    assert "There is no null to compare with" in page.text
    assert len(page.images) == 4


def test_a_run_without_a_result_says_so_beside_its_problem(write, participant):
    failed = dataclasses.replace(make_run("sub-01_task-nap"), n_train=0, n_valid=0, n_test=0)
    problem = "sub-01_task-nap: no marker recurs every 2 s."
    report = dataclasses.replace(
        participant, runs=(*participant.runs, failed), results=(), problems=(problem,)
    )
    text = write(report).text
    assert "This run has no result." in text
    assert problem in text


def test_a_run_that_only_trains_is_said_not_to_be_in_the_test(write, participant):
    early = dataclasses.replace(make_run("sub-01_task-nap"), n_test=0)
    text = write(dataclasses.replace(participant, runs=(early,), results=())).text
    assert "This run is not in the test" in text
    assert "This run has no result." not in text


def test_a_participant_without_any_result_still_has_a_report(write, participant):
    report = dataclasses.replace(participant, runs=(), results=(), training=())
    text = write(report).text
    assert "No run has a result." in text
    assert "No model was trained here." in text


def test_the_same_report_gives_the_same_bytes(tmp_path, participant, files):
    again = write_participant_report(
        tmp_path / "sub-01.html", participant, write_bytes, tmp_path / "figures"
    )
    for one, two in zip(files, again, strict=True):
        assert one.read_bytes() == two.read_bytes()


def test_a_report_of_64_by_64_by_30_voxels_is_small_and_quick(tmp_path, large_participant):
    began = time.process_time()
    page, *_ = write_participant_report(
        tmp_path / "sub-01.html", large_participant, write_bytes, tmp_path / "figures"
    )
    assert time.process_time() - began < 20
    assert page.stat().st_size < 5e6
