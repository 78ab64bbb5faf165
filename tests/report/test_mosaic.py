import numpy as np
import pytest
from nibabel import orientations

from bids_eeg2fmri.report.mosaic import axial_view, draw_map, draw_volumes, to_png

MASK = np.ones((7, 8, 9), bool)
VOLUME = np.arange(MASK.size, dtype=float).reshape(MASK.shape)
AFFINE = np.array([[3.0, 0, 0, -9], [0, 4, 0, -14], [0, 0, 5, -20], [0, 0, 0, 1]])


def test_a_slice_is_laid_out_with_left_on_the_left_and_front_up():
    picture = axial_view(MASK, AFFINE, slices=1, columns=1).lay_out(VOLUME)
    np.testing.assert_array_equal(picture, VOLUME[:, :, 4].T)  # row 0 is drawn at the bottom


@pytest.mark.parametrize("stored", ["LAS", "RPI", "PSR", "AIL"])
def test_the_picture_does_not_depend_on_how_the_volume_is_stored(stored):
    turn = orientations.ornt_transform(
        orientations.axcodes2ornt("RAS"), orientations.axcodes2ornt(stored)
    )
    volume = orientations.apply_orientation(VOLUME, turn)
    affine = AFFINE @ orientations.inv_ornt_aff(turn, VOLUME.shape)
    views = [axial_view(v > -1, a, slices=4, columns=2)
             for v, a in ((VOLUME, AFFINE), (volume, affine))]  # fmt: skip
    np.testing.assert_array_equal(views[0].lay_out(VOLUME), views[1].lay_out(volume))
    np.testing.assert_allclose(views[0].heights, views[1].heights)
    assert views[0].aspect == pytest.approx(views[1].aspect) == pytest.approx(4 / 3)


def test_heights_are_world_millimetres():
    view = axial_view(MASK, AFFINE, slices=9, columns=5)
    np.testing.assert_allclose(view.heights, 5 * view.levels - 20)


def test_rows_of_slices_are_even():
    view = axial_view(np.ones((4, 4, 11), bool), np.eye(4), slices=9, columns=7)
    assert (len(view.levels), view.columns) == (9, 5)


def test_slices_keep_to_the_mask():
    mask = np.zeros_like(MASK)
    mask[2:4, 3:5, 5:7] = True
    view = axial_view(mask, AFFINE, slices=7, columns=7)
    assert set(view.levels.tolist()) <= {5, 6}
    assert view.box == (slice(1, 5), slice(2, 6))


def test_observed_and_synthesised_share_a_grey_scale_and_the_residual_is_centred():
    view = axial_view(MASK, AFFINE, slices=3, columns=3)
    rows = {"observed": VOLUME, "synthesised": VOLUME / 2}
    first, second, residual = (
        ax.images[0].get_clim()
        for ax in draw_volumes(view, rows, VOLUME / 2, MASK, "a.u.").axes
        if ax.images
    )
    assert first == second
    assert residual[0] == -residual[1]


def test_a_map_fades_towards_zero():
    view = axial_view(MASK, AFFINE, slices=1, columns=1)
    values = VOLUME - VOLUME[:, :, 4].mean()
    overlay = draw_map(view, values, VOLUME, MASK, "r").axes[0].images[1]
    alpha, shown = np.asarray(overlay.get_alpha()), np.abs(view.lay_out(values))
    assert alpha[shown == shown.min()].max() < 0.05
    assert alpha[shown == shown.max()].min() == 1


@pytest.mark.parametrize("mask", [MASK, ~MASK], ids=["full mask", "empty mask"])
def test_maps_without_a_single_number_are_drawn(mask):
    nothing = np.full(MASK.shape, np.nan)
    view = axial_view(mask, AFFINE, slices=3, columns=3)
    assert to_png(draw_map(view, nothing, nothing, mask, "r", mask)).startswith(b"\x89PNG")
    assert to_png(draw_volumes(view, {"observed": nothing}, nothing, mask, "a.u."))
