"""What pictures of an explanation show and say."""

import dataclasses

import numpy as np
import pytest
from made_up import NAMES, PLACES, Page, make_explanation, make_run

from bids_eeg2fmri.bids.write import write_bytes
from bids_eeg2fmri.report import scalp
from bids_eeg2fmri.report.explanation import draw_explanations
from bids_eeg2fmri.report.participant import write_participant_report

EVIL = '<script>alert("ü漢")</script>&$x$'


@pytest.fixture(scope="module")
def explanation():
    return make_explanation()


def draw_one(explanation, prefix):
    """Draw all there is of one explanation."""
    (one,) = draw_explanations([explanation], prefix)
    return one.drawings


@pytest.fixture
def pictures(explanation):
    return draw_one(explanation, "run")


def test_the_largest_relevances_are_named_with_their_shares(pictures):
    eeg, bands, graph, _ = pictures
    assert "electrodes O1 −40" in eeg.alt
    assert "bands alpha −40" in eeg.caption
    assert "EEG 4 s before the volume" in eeg.caption
    assert "alpha: O1 −40" in bands.alt
    assert graph.alt.endswith("Strongest: Pz ← O1.")


def test_every_picture_of_a_model_that_is_not_informative_says_so(explanation, pictures):
    doubtful = dataclasses.replace(explanation, verdict="near-constant output", is_believed=False)
    told = draw_one(doubtful, "run")
    assert all(one.caption.startswith("Verdict: near-constant output. ") for one in told)
    lines = [one for one in told if one.is_svg]
    assert [one for one in lines if b"Verdict: near-constant output." not in one.data] == []
    assert not any("Verdict" in one.caption for one in pictures)


def test_pictures_of_a_network_without_weight_say_so(explanation):
    unused = draw_one(dataclasses.replace(explanation, is_used=False), "run")
    assert [one.caption.startswith("Of a network that has no") for one in unused] == [0, 0, 1, 1]


def test_electrodes_without_positions_stand_in_a_circle_and_it_is_said(explanation):
    unknown = dataclasses.replace(explanation, positions=np.full((5, 3), np.nan))
    eeg, graph, _ = draw_one(unknown, "run")
    assert eeg.stem.endswith("_eeg")
    assert "Electrodes stand in a circle, as not all have a position." in graph.caption
    one = PLACES.copy()
    one[0] = np.nan
    found = draw_one(dataclasses.replace(explanation, positions=one), "run")
    assert "1 electrode without a position of its own left out" in found[1].caption


def test_electrodes_at_one_place_count_once(explanation):
    alike = np.concatenate([PLACES[:4], PLACES[3:4]])
    _, bands, *_ = draw_one(dataclasses.replace(explanation, positions=alike), "run")
    assert "1 electrode without a position of its own left out" in bands.caption


def test_other_models_have_files_of_their_own_and_no_voxels(explanation):
    first, other = draw_explanations([explanation, make_explanation("topo")], "run")
    assert len(first.drawings) == len(other.drawings) + 1
    assert all(one.stem.startswith("run_model-topo_desc") for one in other.drawings)


def test_each_picture_links_to_its_data(explanation):
    files = {"graph": ("sub-01/eeg/graph.tsv", "sub-01/eeg/graph.graphml")}
    _, _, graph, _ = draw_one(dataclasses.replace(explanation, files=files), "run")
    assert graph.files == files["graph"]


def test_what_there_is_none_of_is_not_drawn(explanation):
    bare = dataclasses.replace(
        explanation, graph=None, voxels=None, paths={"network": np.zeros((5, 6, 4))}, bands={}
    )
    assert draw_one(bare, "run") == ()
    without_bands = dataclasses.replace(explanation, bands={}, graph=None, voxels=None)
    assert [one.stem for one in draw_one(without_bands, "r")] == ["r_desc-relevance_eeg"]


def test_names_of_electrodes_cannot_become_markup(tmp_path, participant, explanation):
    named = dataclasses.replace(explanation, channels=(*NAMES[:3], EVIL, "O2"), remarks=(EVIL,))
    name = participant.results[0].name
    report = dataclasses.replace(participant, runs=(make_run(name),), explanations={name: (named,)})
    path, *_ = write_participant_report(
        tmp_path / "page.html", report, write_bytes, tmp_path / "figures"
    )
    page = Page(path.read_text(encoding="utf-8"))
    assert "script" not in page.tags
    assert page.text.count(EVIL) >= 4
    assert len(page.images) == 7 + 4
    assert all(len(str(image["alt"])) > 40 for image in page.images)
    assert {link[1:] for link in page.links if link.startswith("#")} <= set(page.ids)


def test_the_head_is_flattened_about_its_top():
    ears = scalp.project(np.array([[0.0, 0.0, 0.09], [0.09, 0.0, 0.0], [0.0, 0.09, 0.0]]))
    np.testing.assert_allclose(ears, [[0, 0], [1, 0], [0, 1]], atol=1e-12)
    np.testing.assert_allclose(scalp.circle(4), [[0, 1], [1, 0], [0, -1], [-1, 0]], atol=1e-12)
