"""From a trained model to shares that add up, and to the graph of its electrodes."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from test_lrp import CONFIG, SHAPES, trained

from bids_eeg2fmri.config import ExplainConfig
from bids_eeg2fmri.explain.graph import electrode_graph
from bids_eeg2fmri.explain.relevance import average, explain
from bids_eeg2fmri.model.registry import build

OUTPUT, VARIANCE = ExplainConfig(epsilon=0.0), ExplainConfig(epsilon=0.0, start="variance")
rng = torch.Generator().manual_seed(7)
EEG, BOLD = (
    torch.randn(10, *SHAPES.eeg, generator=rng),
    torch.randn(10, *SHAPES.bold, generator=rng),
)


def batches(size=4):
    def go():
        for first in range(0, len(EEG), size):
            yield EEG[first : first + size].clone(), BOLD[first : first + size].clone()

    return go


def total(arrays):
    return sum(one.sum(dtype=np.float64) for one in arrays.values())


@pytest.mark.parametrize("cfg", [OUTPUT, VARIANCE], ids=lambda cfg: cfg.start)
@pytest.mark.parametrize("name", ["hybrid", "topo", "linear"])
def test_relevance_does_not_depend_on_the_batches(name, cfg):
    model = trained(name).float()
    one, other = (explain(model, batches(size), cfg) for size in (3, 10))
    for path in one.eeg:
        np.testing.assert_allclose(one.eeg[path], other.eeg[path], atol=2e-6)
    if one.attention is not None:
        np.testing.assert_allclose(one.attention, other.attention, atol=2e-6)


def test_a_linear_path_explains_all_of_its_variance():
    model = trained("hybrid").float()
    model.mix.zero_()
    found = explain(model, batches(), VARIANCE)
    assert found.network_weight == 0
    assert total(found.eeg) == pytest.approx(1, abs=1e-4)
    assert not found.eeg["network"].any()


def test_the_share_of_a_feature_is_its_covariance_with_the_output():
    model = trained("hybrid").float()
    model.mix.zero_()
    path, found = model.linear, explain(model, batches(), VARIANCE)
    with torch.no_grad():
        volumes = path(EEG).flatten(1)
        own = EEG.clone()
        own[:, torch.arange(len(EEG[0])) != 2] = 0  # the third electrode alone
        part = path(own).flatten(1)
    away = volumes - volumes.mean(dim=0)
    share = (part * away).sum() / (away**2).sum()
    np.testing.assert_allclose(found.eeg["linear"][2].sum(), share, rtol=1e-3)


def test_relevance_of_the_output_adds_up_to_it_where_nothing_is_added():
    model = trained("linear", replace(CONFIG, batch_norm=False)).float()
    for key, parameter in model.named_parameters():
        if key.endswith("bias"):
            parameter.zero_()
    output = model(EEG).bold.detach()
    share = (output.sum() / output.abs().sum()).item()
    assert total(explain(model, batches(), OUTPUT).eeg) == pytest.approx(share, abs=1e-4)


def test_paths_of_the_hybrid_are_told_apart_and_mixed_as_in_the_model():
    model = trained("hybrid").float()
    model.mix.fill_(0.5)
    found = explain(model, batches(), OUTPUT)
    assert found.network_weight == 0.5
    assert found.eeg.keys() == {"linear", "network"}
    assert all(one.any() for one in found.eeg.values())


@pytest.mark.parametrize(
    ("name", "has_attention", "has_bold"),
    [("topo-rff", True, True), ("topo-unstyled", False, True), ("topo-prior", False, True),
     ("rff", False, True), ("liu-sajda", False, False), ("hybrid", True, True)],
)  # fmt: skip
def test_a_model_gives_what_it_has(name, has_attention, has_bold):
    found = explain(trained(name).float(), batches(), VARIANCE)
    assert (found.attention is not None, found.bold is not None) == (has_attention, has_bold)
    assert (found.scores is not None) == has_attention
    if has_attention:
        np.testing.assert_allclose(found.scores.sum(axis=1), 1, rtol=1e-5)


def test_relevance_collapses_when_weights_are_drawn_anew():
    """The sanity check of Adebayo et al. (2018): an explanation must depend on what was learnt."""
    model = trained("hybrid").float()
    weights = torch.zeros(12, *SHAPES.bold)
    weights[4] = 1.0  # the first band of the third electrode
    model.linear.weights.copy_(weights.flatten(1))
    model.mix.zero_()
    share = explain(model, batches(), VARIANCE).eeg["linear"].sum(axis=(1, 2))
    assert share.argmax() == 2
    assert share[2] == pytest.approx(1, abs=1e-4)
    model.linear.weights.normal_(generator=torch.Generator().manual_seed(0))
    drawn = explain(model, batches(), VARIANCE).eeg["linear"].sum(axis=(1, 2))
    assert drawn[2] < 0.5


def test_tests_are_averaged_and_those_whose_network_counts_more_count_more_in_what_is_of_it():
    model = trained("hybrid").float()
    found = []
    for mix in (0.25, 0.75):
        model.mix.fill_(mix)
        model.network.decoder.weight.mul_(1 + mix)
        found.append(explain(model, batches(), OUTPUT))
    whole = average(found, 10)
    assert (whole.n_pairs, whole.network_weight) == (10, 0.5)
    np.testing.assert_allclose(
        whole.eeg["linear"], (found[0].eeg["linear"] + found[1].eeg["linear"]) / 2, atol=1e-7
    )
    wanted = 0.25 * found[0].attention + 0.75 * found[1].attention
    np.testing.assert_allclose(whole.attention, wanted, rtol=1e-5)


def test_a_constant_output_has_no_relevance():
    model = build("topo-rff", SHAPES, CONFIG)  # its decoder is still zero
    found = explain(model, batches(), VARIANCE)
    assert not any(one.any() for one in (*found.eeg.values(), found.attention))


def test_edges_are_the_largest_relevances_of_either_sign_between_different_electrodes():
    relevance = np.zeros((5, 5), np.float32)
    np.fill_diagonal(relevance, 9)
    relevance[0, 3], relevance[4, 1], relevance[2, 0] = -3, 2, 1
    edges = electrode_graph(relevance, 90.0)
    assert np.argwhere(edges).tolist() == [[0, 3], [4, 1]]


@pytest.mark.parametrize("n", [1, 4])
def test_without_relevance_there_is_no_edge(n):
    assert not electrode_graph(np.zeros((n, n), np.float32), 99.7).any()
