import dataclasses

import numpy as np
import pytest
from made_up import METRICS, OUTCOME, RIVALS, ROWS

from bids_eeg2fmri.bids.write import write_bytes
from bids_eeg2fmri.report.page import columns, headline, write
from bids_eeg2fmri.report.pictures import Picture
from bids_eeg2fmri.report.words import counted, duration, number, probability, signed

BEATEN = "The model does not beat the training-mean volume."


def test_the_headline_gives_the_score_beside_its_null():
    assert headline(OUTCOME) == (
        "Temporal r 0.120 (shifted EEG 0.010 ± 0.024, p = 0.020), "
        "skill +0.010 against the mean volume (shifted EEG −0.020).",
    )


@pytest.mark.parametrize("skill", [0.0, -1e-6, -0.2])
def test_a_model_without_skill_is_said_not_to_beat_the_mean_volume(skill):
    assert headline(dataclasses.replace(OUTCOME, skill=skill))[1] == BEATEN


def test_a_temporal_r_within_its_null_is_said_to_be_chance():
    chance = "Its temporal r cannot be told from chance."
    assert headline(dataclasses.replace(OUTCOME, p=0.3))[1] == chance
    assert chance not in headline(dataclasses.replace(OUTCOME, p=np.nan))


@pytest.mark.parametrize(("skill_shifted", "is_said"), [(0.02, True), (0.01, True), (0.0, False)])
def test_a_skill_that_shifted_eeg_has_too_is_said_not_to_be_due_to_the_eeg(skill_shifted, is_said):
    *_, last = headline(dataclasses.replace(OUTCOME, skill_shifted=skill_shifted))
    assert ("not due to the EEG" in last) is is_said


def test_a_model_with_skill_is_not_said_to_be_beaten():
    assert BEATEN not in headline(dataclasses.replace(OUTCOME, skill=1e-6))


def test_undefined_scores_are_said_to_be_undefined():
    nothing = dataclasses.replace(
        OUTCOME, r=np.nan, skill=np.nan, null=np.full(3, np.nan), p=np.nan
    )
    sentences = " ".join(headline(nothing))
    assert "nan" not in sentences
    assert "Temporal r undefined" in sentences
    assert "Nothing shows that the model beats" in sentences


def test_a_test_too_short_for_a_null_is_said_to_be():
    short = dataclasses.replace(OUTCOME, null=np.empty(0), p=np.nan)
    assert "no null: the test is too short" in headline(short)[0]


def test_the_best_of_a_column_is_found_in_the_right_direction():
    by_name = {column.metric.name: column for column in columns(ROWS, METRICS, RIVALS)}
    assert by_name["RMSE"].best == (True, False, False)
    assert by_name["Temporal r"].best == (True, False, False)
    assert by_name["Deviation ratio"].best == (False, False, False)
    assert by_name["Temporal r"].cells == ("0.1200", "0.0100", "–")


def test_shifted_eeg_is_never_the_best_of_a_column():
    rows = ROWS | {"topo-rff on shifted EEG": {"rmse": 0.4, "pearsoncorrelation": 0.9}}
    rmse, r, _ = columns(rows, METRICS, RIVALS)
    assert rmse.best == r.best == (True, False, False)


def test_without_rivals_nothing_is_best():
    assert not any(any(column.best) for column in columns(ROWS, METRICS))


@pytest.mark.parametrize(
    ("values", "texts"),
    [
        ((512.34, 512.41), ("512.3", "512.4")),
        ((31.234, 2.0), ("31.23", "2.00")),
        ((0.0, 0.0), ("0.0000", "0.0000")),
        ((np.nan, -0.5), ("–", "−0.5000")),
        (([1.0, 3.0], [2.0, np.nan]), ("2.000 ± 1.414", "2.000")),
    ],
)
def test_a_column_has_four_digits(values, texts):
    rows = {i: {"rmse": value} for i, value in enumerate(values)}
    assert columns(rows, METRICS)[0].cells == texts


def test_metrics_that_no_row_has_make_no_column():
    assert [c.metric.name for c in columns({"linear": {"rmse": 1.0}}, METRICS)] == ["RMSE"]


def test_small_numbers_keep_their_sign():
    assert (signed(-0.0003), signed(0.012), signed(np.nan)) == ("−0.0003", "+0.012", "–")
    assert (number(-0.5, 1), number(-1e-9), number(np.inf)) == ("−0.5", "0.000", "–")
    assert duration(75.2) == "1 min 15 s"


def test_numbers_of_a_network_that_diverged_stay_short():
    assert (signed(-2.456e29), number(7.24e13)) == ("−2.46e+29", "7.24e+13")


def test_one_alone_stands_in_the_singular():
    assert [counted(n, "epoch") for n in (0, 1, 2)] == ["0 epochs", "1 epoch", "2 epochs"]


def test_a_p_value_is_never_written_as_zero():
    assert [probability(p) for p in (0.0204, 1e-4, np.nan)] == ["0.020", "0.0001", "–"]


def test_a_file_name_keeps_letters_of_any_script_and_no_path():
    assert Picture("sub-ü/<b>_漢", b"<svg>", "", "").file_name == "sub-ü__b__漢.svg"


def test_nothing_but_the_named_files_is_left_behind(tmp_path):
    picture = Picture("curve", b"<svg/>", "", "")
    figures = tmp_path / "sub-01" / "figures"
    paths = write(tmp_path / "sub-01.html", "ü", [picture], write_bytes, figures)
    assert paths == [p for p in sorted(tmp_path.rglob("*"), reverse=True) if p.is_file()]
    assert paths[0].read_bytes() == "ü".encode()
