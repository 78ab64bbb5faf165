"""Pictures of the experiments: what they draw and what they say."""

import itertools
import struct
from typing import NamedTuple

import numpy as np
import pytest
from made_up import ball
from matplotlib.colors import to_rgba

from bids_eeg2fmri.report import experiment_figures, experiments, mosaic, searches
from bids_eeg2fmri.report.figures import BLUE, ORANGE
from bids_eeg2fmri.report.words import percent

GRID = (9, 10, 8)
MASK = ball(GRID)
AFFINE = np.diag([3.0, 3.0, 4.0, 1.0])
FLAT = np.where(MASK, 1.0, np.nan)
WEIGHTS = np.array([[0.3, 0.3, 0.4], [0.2, 0.6, 0.2], [0.25, 0.75, np.nan]])


class Pair(NamedTuple):
    first: str
    second: str
    difference: float
    q: float
    n: int = 4


def halves() -> np.ndarray:
    """Give the left half to the first, a quarter to the second and the rest to neither."""
    labels = np.zeros(GRID, np.int8)
    labels[:4], labels[6:] = 1, -1
    return labels


def test_all_residual_maps_share_one_scale_from_zero():
    view = mosaic.axial_view(MASK, AFFINE, slices=3, columns=3)
    figure = mosaic.draw_sizes(view, {"linear": FLAT, "topo": 5 * FLAT}, MASK, "SD")
    scales = [ax.images[0].get_clim() for ax in figure.axes if ax.images]
    assert scales[0] == scales[1] == (0, 5)


def test_the_residual_picture_gives_each_models_median_in_words():
    picture = experiments.residual_picture(
        "group", {"linear": FLAT, "topo": 5 * FLAT}, MASK, AFFINE, "SD"
    )
    assert not picture.is_svg
    assert "linear: Median over the mask 1," in picture.alt
    assert "topo: Median over the mask 5," in picture.alt


def test_the_normalised_picture_warns_against_comparing_brightness():
    picture = experiments.normalised_residual_picture("group", {"linear": FLAT}, MASK, AFFINE)
    assert "not to be compared" in picture.caption


def test_each_winner_has_its_own_colour_and_neither_has_none():
    view = mosaic.axial_view(MASK, AFFINE, slices=1, columns=1)
    ax = mosaic.draw_winners(view, {("a", "b"): halves()}, FLAT, MASK).axes[0]
    drawn = ax.images[1]
    colours = drawn.to_rgba(drawn.get_array())
    labels = view.lay_out(np.where(MASK, halves(), 0).astype(float))
    assert (colours[labels == 1] == to_rgba(mosaic.FIRST)).all()
    assert (colours[labels == -1] == to_rgba(mosaic.SECOND)).all()
    assert (colours[labels == 0][:, 3] == 0).all()


def test_the_winners_are_named_in_their_colours():
    view = mosaic.axial_view(MASK, AFFINE, slices=1, columns=1)
    ax = mosaic.draw_winners(view, {("linear", "topo"): halves()}, FLAT, MASK).axes[0]
    named = {text.get_text(): text.get_color() for text in ax.texts if "■" in text.get_text()}
    assert [name.split()[1] for name in named] == ["linear", "topo"]
    assert [*named.values()] == [mosaic.FIRST, mosaic.SECOND]


def test_the_words_say_how_much_of_the_mask_each_has_and_by_which_test():
    first, second = (np.mean(halves()[MASK] == label) for label in (1, -1))
    picture = experiments.best_model_picture(
        "group", {("linear", "topo"): halves()}, FLAT, MASK, AFFINE, "paired t-test"
    )
    assert f"linear {percent(first, 1)}, topo {percent(second, 1)}" in picture.alt
    assert "Test: paired t-test." in picture.caption
    assert picture.file_name == "group_desc-linear-vs-topo_winner.png"


@pytest.mark.parametrize("mask", [MASK, np.zeros_like(MASK)], ids=["mask", "empty mask"])
def test_many_pairs_or_nothing_at_all_are_drawn(mask):
    nothing = np.zeros(GRID, np.int8)
    pairs = {("a", "b"): nothing, ("a", "c"): nothing, ("b", "c"): nothing}
    picture = experiments.best_model_picture(
        "group", pairs, np.full(GRID, np.nan), mask, AFFINE, ""
    )
    assert picture.data.startswith(b"\x89PNG")


def test_more_rows_than_fit_make_a_higher_picture_rather_than_illegible_rows():
    view = mosaic.axial_view(MASK, AFFINE, slices=7, columns=7)
    rows = {str(i): FLAT for i in range(12)}
    assert mosaic.draw_sizes(view, rows, MASK, "SD").get_figheight() > mosaic.LOWEST * 12


def test_as_many_pairs_as_the_paper_has_models_stay_on_one_screen():
    names = [f"model-{i}" for i in range(9)]
    nothing = np.zeros(GRID, np.int8)
    pairs = dict.fromkeys(itertools.islice(itertools.combinations(names, 2), 19), nothing)
    picture = experiments.best_model_picture("group", pairs, FLAT, MASK, AFFINE, "")
    width, height = struct.unpack(">II", picture.data[16:24])  # of the header of a PNG
    assert height < 1.7 * width


def test_panels_side_by_side_fill_the_width_and_do_not_overlap():
    view = mosaic.axial_view(MASK, AFFINE, slices=5, columns=7)
    figure = mosaic.draw_sizes(view, dict.fromkeys("abcde", FLAT), MASK, "SD", columns=2)
    *panels, bar = [ax.get_position() for ax in figure.axes]
    assert len({round(place.x0, 3) for place in panels}) == 2
    assert len({round(place.y0, 3) for place in panels}) == 3
    assert panels[0].x1 < panels[1].x0
    assert panels[1].x1 < bar.x0
    assert figure.get_figwidth() <= mosaic.WIDTH


def test_one_line_a_candidate_and_the_chosen_one_stands_out():
    ax = experiment_figures.candidate_weights(WEIGHTS, 2).axes[0]
    lines = [line for line in ax.lines if len(line.get_xdata()) == 3]
    np.testing.assert_array_equal([line.get_ydata() for line in lines], WEIGHTS.T)
    assert [line.get_color() for line in lines] == [BLUE, ORANGE, BLUE]
    assert sorted(text.get_text() for text in ax.texts) == ["1", "2", "3"]


def test_a_candidate_that_is_out_ends_in_a_cross():
    ax = experiment_figures.candidate_weights(WEIGHTS, 2).axes[0]
    (cross,) = [line for line in ax.lines if line.get_marker() == "x"]
    assert (cross.get_xdata(), cross.get_ydata()) == ([2], [0.2])
    picture = searches.weights_picture("sub-01", "EEG encoder", WEIGHTS, 2)
    assert "1 of 3" in picture.caption
    assert "ends at 0.750; the largest of the others ends at 0.250" in picture.alt


LOSSES = np.array([[0.5, 0.4, 0.1], [0.2, 0.45, np.nan], [0.3, 0.46, np.nan]])


def test_losses_that_chose_a_candidate_are_drawn_with_its_lowest_marked():
    dot, *lines = experiment_figures.candidate_losses(LOSSES, 1).axes[0].lines
    assert (dot.get_xdata(), dot.get_ydata()) == ([2], [0.2])
    curves = [line for line in lines if len(line.get_xdata()) == 3]
    np.testing.assert_array_equal([line.get_ydata() for line in curves], LOSSES.T)
    assert curves[0].get_color() == ORANGE


def test_a_search_by_losses_does_not_speak_of_weights():
    picture = searches.losses_picture("group", "BOLD encoder", LOSSES, 1, "This is fold 1 of 5.")
    assert "chosen for the lowest error" in picture.caption
    assert "weight" not in picture.caption + picture.alt
    assert picture.caption.endswith("(1 of 3). This is fold 1 of 5.")
    assert "lowest is 0.2; that of the others is 0.4. 3 candidates over 3 epochs" in picture.alt


def test_labels_of_equal_weights_do_not_cover_each_other():
    ax = experiment_figures.candidate_weights(np.full((3, 10), 0.1), 4).axes[0]
    heights = np.sort([text.get_position()[1] for text in ax.texts])
    low, high = ax.get_ylim()
    assert np.diff(heights).min() > 0.05 * (high - low)
    assert low <= heights[0]
    assert heights[-1] <= high


SCORES = np.array([np.nan, 0.5, 0.7, np.nan, 0.4])


def test_the_trace_holds_every_trial_and_the_best_so_far_never_rises():
    ax = experiment_figures.optimisation_trace(SCORES, [4, 5, 6, 8, 7], "MSE", 0.6).axes[0]
    best, trials, failed = ax.lines[:3]
    np.testing.assert_array_equal(best.get_ydata(), [np.nan, 0.5, 0.5, 0.5, 0.4])
    np.testing.assert_array_equal(trials.get_xdata(), [2, 3, 5])
    np.testing.assert_array_equal(failed.get_xdata(), [1, 4])


def test_each_latent_size_has_its_column_failed_ones_included():
    _, ax = experiment_figures.optimisation_trace(SCORES, [4, 5, 6, 8, 7], "MSE", 0.6).axes
    assert [label.get_text() for label in ax.get_xticklabels()] == ["4", "5", "6", "7", "8"]
    assert np.round(ax.lines[1].get_xdata()).tolist() == [0, 4]


def test_a_search_at_one_latent_size_has_no_second_panel():
    assert len(experiment_figures.optimisation_trace(SCORES, [7] * 5, "MSE", 0.6).axes) == 1


def test_the_mean_volume_is_a_line_in_view_although_every_trial_is_better():
    for ax in experiment_figures.optimisation_trace(SCORES, [4, 5, 6, 8, 7], "MSE", 0.9).axes:
        (line,) = (line for line in ax.lines if line.get_label() == "mean volume")
        assert set(line.get_ydata()) == {0.9}
        assert ax.get_ylim()[0] < 0.4 < 0.9 < ax.get_ylim()[1]


def test_a_diverged_trial_does_not_flatten_the_others():
    scores = np.append(SCORES, 1e6)
    ax = experiment_figures.optimisation_trace(scores, [7] * 6, "MSE", 0.6).axes[0]
    assert ax.get_yscale() == "log"


def test_the_optimisation_is_told_in_words():
    picture = experiments.optimisation_picture(
        "group", "phase 1, the BOLD autoencoder", SCORES, [4, 5, 6, 8, 7], "MSE", 0.6
    )
    for words in (
        "5 trials, 2 of which failed; the lowest score is 0.4 in trial 5 with K = 7",
        "the training mean volume scores 0.6",
    ):
        assert words in picture.caption
        assert words in picture.alt
    assert picture.file_name == "group_desc-phase-1_trials.svg"


def test_an_optimisation_of_which_nothing_came_is_drawn():
    picture = experiments.optimisation_picture(
        "group", "phase 1", np.full(3, np.nan), [4, 5, 6], "MSE", 0.6
    )
    assert "3 trials, 3 of which failed; none gave a score" in picture.alt


def test_the_matrix_is_row_minus_column_with_the_better_one_in_colour():
    differences, q = np.array([[np.nan, -0.2], [0.2, np.nan]]), np.full((2, 2), 0.01)
    better = np.array([[0, 1], [-1, 0]])
    ax = experiment_figures.comparison_matrix(["a", "b"], differences, q, better).axes[0]
    said = {text.get_text(): text for text in ax.texts}
    upper, lower = said["−0.200"], said["+0.200"]
    assert (upper.get_position()[0], upper.get_color()) == (1, BLUE)
    assert (lower.get_position()[0], lower.get_color()) == (0, ORANGE)


@pytest.mark.parametrize(
    ("higher_is_better", "told"),
    [
        (False, "topo beats linear."),
        (True, "linear beats topo."),
        (None, "No difference is significant."),
    ],
)
def test_who_beats_whom_follows_from_what_is_better(higher_is_better, told):
    pairs = [Pair("linear", "topo", 0.1, 0.01), Pair("linear", "rff", 0.2, 0.2, n=5)]
    picture = experiments.comparison_picture(
        "group", "RMSE", [*pairs, Pair("topo", "rff", np.nan, np.nan)],
        higher_is_better=higher_is_better,
    )  # fmt: skip
    assert picture.alt.endswith(told)
    assert "4 to 5 test participants" in picture.caption


def test_one_participant_is_no_plural():
    picture = experiments.comparison_picture(
        "group", "RMSE", [Pair("linear", "topo", 0.1, np.nan, n=1)], higher_is_better=False
    )
    assert "mean over 1 test participant;" in picture.caption
    assert "One alone allows no test." in picture.caption


def test_a_table_of_few_models_takes_half_a_page():
    pairs = [Pair("linear", name, 0.1, 0.2) for name in "abcd"]
    for n in (3, 4):
        picture = experiments.comparison_picture("g", "RMSE", pairs[:n], higher_is_better=False)
        assert picture.wide is (n == 4)


@pytest.mark.parametrize("n", [2, 9])
def test_undefined_comparisons_of_any_number_of_models_are_drawn(n):
    nothing = np.full((n, n), np.nan)
    names = [f"model-{i}" for i in range(n)]
    figure = experiment_figures.comparison_matrix(
        names, nothing, nothing, np.zeros((n, n), np.int64)
    )
    assert "q –" in {text.get_text() for text in figure.axes[0].texts}


def test_line_pictures_have_a_dark_twin():
    picture = searches.weights_picture("sub-01", "EEG encoder", WEIGHTS, 2)
    assert picture.is_svg
    assert picture.dark_source != picture.source
