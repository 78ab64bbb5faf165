import numpy as np

from bids_eeg2fmri.report import figures


def test_the_histogram_holds_every_draw_and_marks_the_true_r():
    ax = figures.null_histogram(np.linspace(-0.05, 0.05, 60), 0.12).axes[0]
    assert sum(bar.get_height() for bar in ax.patches) == 60
    assert ax.lines[0].get_xdata()[0] == 0.12


def test_a_null_of_one_draw_is_drawn():
    assert figures.to_svg(figures.null_histogram(np.zeros(1), 0.0))


def test_the_kept_epoch_is_marked_in_both_curves():
    for ax in figures.training_curves([3.0, 2.0, 1.0], [3.0, 1.0, 2.0], 2).axes:
        assert ax.lines[0].get_xdata()[0] == 2
        assert ax.lines[2].get_xdata() == [2]


def test_each_time_course_has_its_own_panel():
    time = np.arange(5.0)
    panels = [figures.Course(title, time, -time) for title in ("best", "worst")]
    figure = figures.time_courses(time, panels, "%")
    assert [ax.get_title(loc="left") for ax in figure.axes] == ["best", "worst"]


def test_the_same_figure_gives_the_same_bytes_without_a_date():
    first, again = (
        figures.to_svg(figures.training_curves([2.0, 1.0], [2.0, 1.0], 2)) for _ in range(2)
    )
    assert first == again
    assert b"dc:date" not in first


def test_a_dark_figure_has_no_colour_of_the_light_one_left():
    light = figures.to_svg(figures.null_histogram(np.linspace(0, 1, 20), 0.5))
    dark = figures.darken(light)
    assert figures.INK.encode() in light
    assert not any(colour.encode() in dark for colour in figures.DARK)
