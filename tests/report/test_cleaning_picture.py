from dataclasses import replace

import numpy as np
from made_up import CLEANING

from bids_eeg2fmri.report.cleaning import cleaning_picture, cleaning_plot


def test_the_picture_tells_lines_and_beats_before_and_after():
    told = cleaning_picture("sub-01", CLEANING).caption
    for part in (
        "volumes' rate: 45.7 dB before, −1.1 dB after; of the slices': 47.0 dB before, −0.7 dB",
        "Alpha power between them changed by −0.2 dB",
        "The heart beat 66 times a minute; what all beats have in common was 51.0\xa0% of the "
        "power around them, 2.5\xa0% after.",
    ):
        assert part in told


def test_beats_that_were_left_and_slices_that_nobody_tells_are_told_as_such():
    left = replace(CLEANING, slice_lines=(), locked=(0.03,))
    assert "3.0\xa0% of the power around them, and stays." in cleaning_picture("x", left).caption
    assert "slices'" not in cleaning_picture("x", left).caption
    no_heart = replace(CLEANING, beats=np.nan, locked=())
    assert "heart" not in cleaning_picture("x", no_heart).caption


def test_marks_stand_at_multiples_of_the_rate_unless_there_are_too_many():
    marks = cleaning_plot(CLEANING).axes[0].lines[-1].get_xdata()
    np.testing.assert_allclose(marks, [15, 30, 45, 60, 75, 90])
    dense = cleaning_plot(replace(CLEANING, rate=0.5))
    assert len(dense.axes[0].lines) == 2
