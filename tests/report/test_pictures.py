import dataclasses

import numpy as np
import pytest
from made_up import STANDINGS, ball
from nibabel import orientations

from bids_eeg2fmri.bids.write import write_bytes
from bids_eeg2fmri.errors import DataWarning
from bids_eeg2fmri.report import forest, mosaic, quality
from bids_eeg2fmri.report.figures import glyphs
from bids_eeg2fmri.report.participant import write_participant_report
from bids_eeg2fmri.report.pictures import (
    Picture,
    Undrawn,
    draw,
    drawn,
    leaving_out_pictures,
)
from bids_eeg2fmri.report.views import peak_view

AFFINE = np.array([[3.0, 0, 0, -9], [0, 4, 0, -14], [0, 0, 5, -20], [0, 0, 0, 1]])


def test_a_page_without_pictures_says_so_and_draws_none(tmp_path, participant):
    with leaving_out_pictures(unless=False):
        (page,) = write_participant_report(tmp_path / "p.html", participant, write_bytes, tmp_path)
    assert "<img" not in page.read_text()
    assert "Pictures were left out" in page.read_text()
    with leaving_out_pictures(unless=True):
        page, *figures = write_participant_report(page, participant, write_bytes, tmp_path)
    assert figures
    assert "Pictures were left out" not in page.read_text()


def test_a_picture_that_fails_leaves_a_line_and_a_warning():
    with pytest.warns(DataWarning, match="the map: could not be drawn"):
        failed = draw("the map", lambda: 1 / 0)
    assert failed == Undrawn("the map: could not be drawn (ZeroDivisionError: division by zero).")
    assert drawn([failed]) == []


def test_a_report_with_a_figure_that_fails_has_all_the_others(tmp_path, participant, result):
    broken = dataclasses.replace(result, time=np.arange(3.0))
    report = dataclasses.replace(participant, results=(broken,))
    with pytest.warns(DataWarning, match="the rest of the report stands"):
        page, *figures = write_participant_report(
            tmp_path / "p.html", report, write_bytes, tmp_path / "figures"
        )
    html = page.read_text(encoding="utf-8")
    assert "could not be drawn" in html
    assert not any("timecourse" in path.name for path in figures)
    assert html.count("<figure") == len(figures) > 1


def test_a_picture_names_the_files_that_it_shows():
    assert draw("x", lambda: Picture("x", b"", "", ""), "a.nii.gz").files == ("a.nii.gz",)


def test_what_lies_beyond_the_axes_is_pointed_at():
    left, right = forest.forest(STANDINGS).axes
    assert "−3.000" in [text.get_text() for text in right.texts]
    assert [*left.get_xlim()] == pytest.approx([-0.053, 0.223])  # a tenth beyond what tells


def test_a_forest_says_on_which_side_of_the_null_each_row_lies():
    picture = forest.forest_picture("x", STANDINGS, "Models.")
    assert "topo-rff: r 0.120 (above the range of shifted EEG)" in picture.alt


@pytest.mark.parametrize("stored", ["RAS", "LPI", "PSR"])
def test_planes_meet_where_a_few_voxels_are_strong_and_not_one(stored):
    mask = np.ones((7, 8, 9), bool)
    values = np.zeros(mask.shape)
    values[0, 0, 0] = 2.0
    values[3:6, 2:5, 3:6] = -1.0
    turn = orientations.ornt_transform(
        orientations.axcodes2ornt("RAS"), orientations.axcodes2ornt(stored)
    )
    values, mask = (orientations.apply_orientation(v, turn) for v in (values, mask))
    affine = AFFINE @ orientations.inv_ornt_aff(turn, (7, 8, 9))
    view = peak_view(values, mask, affine)
    assert view.at == (4, 3, 4)
    assert view.millimetres == tuple(AFFINE[:3, :3] @ [4, 3, 4] + AFFINE[:3, 3])
    assert view.sizes == [(32, 45), (21, 45), (21, 32)]
    assert [view.cut(values, axis).shape for axis in range(3)] == [(9, 8), (9, 7), (8, 7)]
    assert all(view.cut(values, axis).min() == -1 for axis in range(3))
    fine = np.kron(values, np.ones((3, 3, 3)))
    np.testing.assert_array_equal(view.cut(fine, 1)[1::3, 1::3], view.cut(values, 1))


def test_a_map_of_nothing_is_cut_in_the_middle_of_the_brain():
    mask = np.ones((7, 7, 9), bool)
    assert peak_view(np.full(mask.shape, np.nan), mask, AFFINE).at == (3, 3, 4)


def test_a_finer_background_is_cut_at_the_same_places():
    mask = ball((10, 12, 9))
    volume = np.random.default_rng(0).standard_normal(mask.shape)
    view = mosaic.axial_view(mask, AFFINE, slices=4, columns=2)
    fine = view.lay_out(np.kron(volume, np.ones((3, 3, 3))))
    np.testing.assert_array_equal(fine[1::3, 1::3], view.lay_out(volume))


def test_neighbours_of_one_fate_are_one_bar(participant):
    part = ("lost", "train", "train", "gap", "test")
    figure = quality.timeline(quality.Quality(2.0 * np.arange(5), part, np.empty(0), np.empty(0)))
    (ax,) = figure.axes
    assert [(bar.get_x(), bar.get_width()) for bar in ax.patches] == [
        (0, 2),
        (2, 4),
        (6, 2),
        (8, 2),
    ]


def test_letters_that_figures_cannot_draw_are_replaced():
    assert glyphs("sub-ü−漢 Ж") == "sub-ü−? Ж"
