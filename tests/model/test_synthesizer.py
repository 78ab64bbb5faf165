from dataclasses import replace

import pytest
import torch

from bids_eeg2fmri.config import ModelConfig
from bids_eeg2fmri.errors import UsageError
from bids_eeg2fmri.model.loss import cosine_distance, mean_absolute_error, synthesis_loss
from bids_eeg2fmri.model.names import MODELS
from bids_eeg2fmri.model.network import Network, Shapes
from bids_eeg2fmri.model.registry import build
from bids_eeg2fmri.types import Architecture

SHAPES = Shapes(
    eeg=(6, 8, 5),
    bold=(7, 6, 5),
    eeg_encoder=Architecture(((3, 5, 3),), ((1, 1, 1),), (2, 2, 1)),
    bold_encoder=Architecture(((4, 3, 2),), ((1, 1, 1),), (2, 2, 2)),
)
CONFIG = ModelConfig(latent=3)
NORMALISED = replace(CONFIG, fourier="normalised")
EEG, BOLD = torch.randn(4, 6, 8, 5), torch.randn(4, 7, 6, 5)

ALWAYS = {"eeg_encoder", "bold_encoder", "decoder"}
TRAINED = {
    "linear": ALWAYS | {"projection"},
    "topo": ALWAYS | {"projection", "attention", "style"},
    "rff": ALWAYS,
    "topo-rff": ALWAYS | {"attention", "style"},
    "topo-unstyled": ALWAYS | {"projection", "attention"},
    "topo-rff-unstyled": ALWAYS | {"attention"},
    "topo-prior": ALWAYS | {"projection", "attention", "style"},
    "topo-rff-prior": ALWAYS | {"attention", "style"},
}
every_model = pytest.mark.parametrize("name", TRAINED)


def network(name: str, cfg: ModelConfig = CONFIG) -> Network:
    """Build a network whose decoder has left zero, so that gradients reach what is before it."""
    torch.manual_seed(0)
    model = build(name, SHAPES, cfg)
    torch.nn.init.normal_(model.decoder.weight)
    return model


def gradients(model: Network, loss: torch.Tensor) -> dict[str, torch.Tensor]:
    """Give the gradient of each parameter that a loss would change."""
    model.zero_grad()
    loss.backward(retain_graph=True)
    found = {n: p.grad.clone() for n, p in model.named_parameters() if p.grad is not None}
    return {name: grad for name, grad in found.items() if grad.abs().max() > 0}


def parts(names) -> set[str]:
    return {name.split(".")[0] for name in names}


@every_model
def test_a_model_trains_its_own_parts_and_no_others(name):
    assert parts(name for name, _ in network(name).named_parameters()) == TRAINED[name]


def test_every_network_of_the_paper_is_tested_here():
    assert set(TRAINED) == {name for name, entry in MODELS.items() if entry.table and entry.parts}


@every_model
def test_each_model_leads_from_eeg_to_volumes(name):
    prediction = network(name)(EEG, BOLD)
    assert prediction.bold.shape == BOLD.shape
    assert prediction.latent_eeg.shape == prediction.latent_bold.shape == (4, 27)
    assert (prediction.attention is not None) == MODELS[name].parts.attention


@every_model
def test_an_untrained_network_synthesises_the_volume_that_it_starts_at(name):
    model = build(name, SHAPES, CONFIG)
    model.start_at(BOLD[0])
    assert torch.equal(model(EEG).bold, BOLD[:1].expand(4, -1, -1, -1))


@every_model
def test_the_error_reaches_all_that_leads_from_eeg_to_bold_and_not_the_bold_encoder(name):
    model = network(name)
    error = mean_absolute_error(model(EEG, BOLD).bold, BOLD)
    assert parts(gradients(model, error)) == TRAINED[name] - {"bold_encoder"}


@every_model
def test_the_gradient_of_the_bold_encoder_is_that_of_the_regularisation_alone(name):
    model = network(name)
    prediction = model(EEG, BOLD)
    of_both = gradients(model, synthesis_loss(prediction, BOLD, 0.5))
    distance = cosine_distance(prediction.latent_eeg, prediction.latent_bold)
    of_distance = gradients(model, distance)
    for parameter in (n for n in of_both if n.startswith("bold_encoder")):
        torch.testing.assert_close(of_both[parameter], 0.5 * of_distance[parameter])


@every_model
def test_the_decoder_learns_from_the_error_and_the_eeg_encoder_from_both(name):
    model = network(name)
    prediction = model(EEG, BOLD)
    of_error = gradients(model, synthesis_loss(prediction, BOLD, 0.0))
    of_both = gradients(model, synthesis_loss(prediction, BOLD, 1.0))
    torch.testing.assert_close(of_both["decoder.weight"], of_error["decoder.weight"])
    assert not torch.allclose(
        of_both["eeg_encoder.head.weight"], of_error["eeg_encoder.head.weight"]
    )


@pytest.mark.parametrize("cfg", [CONFIG, NORMALISED], ids=["fixed", "normalised"])
@pytest.mark.parametrize("name", ["rff", "topo-rff"])
def test_a_step_moves_all_that_is_trained_but_neither_frequencies_nor_phases(name, cfg):
    model = network(name, cfg)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    optimizer = torch.optim.Adam(model.parameters())
    synthesis_loss(model(EEG, BOLD), BOLD, 1.0).backward()
    optimizer.step()
    moved = {n for n, value in model.state_dict().items() if not torch.equal(value, before[n])}
    trained = {name for name, _ in model.named_parameters()}
    # a bias before a batch normalisation changes nothing, so its gradient may be zero
    assert {n for n in trained if "entry.bias" not in n and "main.bias" not in n} <= moved
    assert not {"projection.omega", "projection.phase"} & (trained | moved)
    assert {"projection.omega", "projection.phase"} <= set(before)


@every_model
def test_synthesis_needs_no_volume(name):
    model = network(name).eval()
    assert torch.equal(model(EEG).bold, model(EEG, BOLD).bold)
    assert model(EEG).latent_bold is None


@every_model
@pytest.mark.parametrize("cfg", [CONFIG, NORMALISED], ids=["fixed", "normalised"])
def test_every_share_of_a_step_belongs_to_a_layer(name, cfg):
    model = network(name, cfg)
    names = [name for name, _ in model.named_parameters()]
    for layer, share in model.step_shares().items():
        assert any(name.startswith(layer) for name in names)
        assert 0 < share < 1


@every_model
def test_the_same_seed_draws_the_same_weights(name):
    one, other = network(name).state_dict(), network(name).state_dict()
    assert all(torch.equal(one[key], other[key]) for key in one)


def test_an_unknown_model_is_refused():
    with pytest.raises(UsageError, match="There is no model 'magic'"):
        build("magic", SHAPES, CONFIG)
