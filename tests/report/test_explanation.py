"""What pictures of an explanation show and say."""

import dataclasses

import numpy as np
import pytest
from made_up import Page, make_result, make_run

from bids_eeg2fmri.bids.write import write_bytes
from bids_eeg2fmri.report import scalp
from bids_eeg2fmri.report.explanation import (
    ElectrodeGraph,
    Explanation,
    VoxelRelevance,
    explanation_drawings,
)
from bids_eeg2fmri.report.participant import write_participant_report

NAMES = ("Fz", "Cz", "Pz", "O1", "O2")
PLACES = np.array(
    [[0, 0.07, 0.06], [0, 0, 0.1], [0, -0.07, 0.06], [-0.03, -0.09, 0.02], [0.03, -0.09, 0.02]]
)
EVIL = '<script>alert("ü漢")</script>&$x$'


@pytest.fixture(scope="module")
def explanation() -> Explanation:
    rng = np.random.default_rng(0)
    eeg = 1e-5 * rng.normal(size=(5, 6, 4))
    eeg[3, 4, 2] = -0.4
    edges = np.zeros((5, 5), bool)
    edges[2, 3] = True
    result = make_result("sub-01_task-rest")
    return Explanation(
        model="topo-rff",
        whole="the variance",
        verdict="informative",
        remarks=("90 % is traced back.",),
        channels=NAMES,
        positions=PLACES,
        freqs=np.array([2.0, 4.0, 6.0, 8.0, 10.0, 12.0]),
        lags=np.array([8.0, 6.0, 4.0, 2.0]),
        bands={"theta": np.arange(6) < 3, "alpha": np.arange(6) >= 3},
        is_used=True,
        paths={"linear": eeg, "network": 0 * eeg},
        graph=ElectrodeGraph(rng.normal(size=(5, 5)), np.full((5, 5), 0.2), edges),
        voxels=VoxelRelevance(result.mean, result.mean, result.mask, result.affine),
    )


@pytest.fixture
def pictures(explanation):
    return explanation_drawings(explanation, "run")


def test_the_largest_relevances_are_named_with_their_shares(pictures):
    eeg, bands, graph, _ = pictures
    assert "electrodes O1 −40" in eeg.alt
    assert "bands alpha −40" in eeg.caption
    assert "EEG 4 s before the volume" in eeg.caption
    assert "alpha: O1 −40" in bands.alt
    assert graph.alt.endswith("Strongest: Pz ← O1.")


def test_every_picture_of_a_model_that_is_not_informative_says_so(explanation, pictures):
    doubtful = dataclasses.replace(explanation, verdict="near-constant output")
    told = explanation_drawings(doubtful, "run")
    assert all(one.caption.startswith("Verdict: near-constant output. ") for one in told)
    assert not any("Verdict" in one.caption for one in pictures)


def test_pictures_of_a_network_without_weight_say_so(explanation):
    unused = explanation_drawings(dataclasses.replace(explanation, is_used=False), "run")
    assert [one.caption.startswith("Of a network that has no") for one in unused] == [0, 0, 1, 1]


def test_electrodes_without_positions_stand_in_a_circle_and_it_is_said(explanation):
    unknown = dataclasses.replace(explanation, positions=np.full((5, 3), np.nan))
    eeg, graph, _ = explanation_drawings(unknown, "run")
    assert eeg.stem.endswith("_eeg")
    assert "Electrodes stand in a circle, as not all have a position." in graph.caption
    one = PLACES.copy()
    one[0] = np.nan
    found = explanation_drawings(dataclasses.replace(explanation, positions=one), "run")
    assert "1 electrode without a position of its own left out" in found[1].caption


def test_electrodes_at_one_place_count_once(explanation):
    alike = np.concatenate([PLACES[:4], PLACES[3:4]])
    _, bands, *_ = explanation_drawings(dataclasses.replace(explanation, positions=alike), "run")
    assert "1 electrode without a position of its own left out" in bands.caption


def test_what_there_is_none_of_is_not_drawn(explanation):
    bare = dataclasses.replace(
        explanation, graph=None, voxels=None, paths={"network": np.zeros((5, 6, 4))}, bands={}
    )
    assert explanation_drawings(bare, "run") == ()
    without_bands = dataclasses.replace(explanation, bands={}, graph=None, voxels=None)
    assert [one.stem for one in explanation_drawings(without_bands, "r")] == [
        "r_desc-relevance_eeg"
    ]


def test_names_of_electrodes_cannot_become_markup(tmp_path, participant, explanation):
    named = dataclasses.replace(explanation, channels=(*NAMES[:3], EVIL, "O2"), remarks=(EVIL,))
    name = participant.results[0].name
    report = dataclasses.replace(participant, runs=(make_run(name),), explanations={name: named})
    path, *_ = write_participant_report(tmp_path / "page.html", report, write_bytes)
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
