import pytest
import torch

from bids_eeg2fmri.config import ModelConfig
from bids_eeg2fmri.errors import UsageError
from bids_eeg2fmri.model.loss import mean_absolute_error, synthesis_loss
from bids_eeg2fmri.model.registry import MODELS, build
from bids_eeg2fmri.model.synthesizer import Shapes, Synthesizer
from bids_eeg2fmri.types import Architecture

SHAPES = Shapes(
    eeg=(6, 8, 5),
    bold=(7, 6, 5),
    eeg_encoder=Architecture(((3, 5, 3),), ((1, 1, 1),), (2, 2, 1)),
    bold_encoder=Architecture(((4, 3, 2),), ((1, 1, 1),), (2, 2, 2)),
)
CONFIG = ModelConfig(latent=3)
EEG, BOLD = torch.randn(4, 6, 8, 5), torch.randn(4, 7, 6, 5)


def network(**switches: bool) -> Synthesizer:
    """Build a network whose decoder has left zero, so that gradients reach what is before it."""
    torch.manual_seed(0)
    model = Synthesizer(SHAPES, CONFIG, **switches)
    torch.nn.init.normal_(model.decoder.weight)
    return model


def reached(model: Synthesizer, loss: torch.Tensor) -> set[str]:
    """Name the parts of a network that a loss would change."""
    model.zero_grad()
    loss.backward()
    found = {n: p.grad for n, p in model.named_parameters() if p.grad is not None}
    return {name.split(".")[0] for name, grad in found.items() if grad.abs().max() > 0}


def test_an_untrained_network_synthesises_the_volume_that_it_starts_at():
    model = build("topo-rff", SHAPES, CONFIG)
    model.start_at(BOLD[0])
    assert torch.equal(model(EEG).bold, BOLD[:1].expand(4, -1, -1, -1))


@pytest.mark.parametrize("attention", [True, False])
@pytest.mark.parametrize("fourier", [True, False])
def test_each_model_of_the_paper_leads_from_eeg_to_volumes(attention, fourier):
    prediction = network(attention=attention, fourier=fourier)(EEG, BOLD)
    assert prediction.bold.shape == BOLD.shape
    assert prediction.latent_eeg.shape == prediction.latent_bold.shape == (4, 27)
    assert (prediction.attention is not None) == attention


def test_the_error_reaches_all_that_leads_from_eeg_to_bold_and_not_the_bold_encoder():
    model = network()
    error = mean_absolute_error(model(EEG, BOLD).bold, BOLD)
    assert reached(model, error) == {"attention", "eeg_encoder", "style", "decoder"}


def test_the_regularisation_alone_reaches_the_bold_encoder():
    model = network()
    everything = {name.split(".")[0] for name, _ in model.named_parameters()}
    assert reached(model, synthesis_loss(model(EEG, BOLD), BOLD, 1.0)) == everything
    assert "bold_encoder" not in reached(model, synthesis_loss(model(EEG, BOLD), BOLD, 0.0))


def test_frequencies_and_phases_are_not_among_the_trained():
    model = network()
    assert not [name for name, _ in model.named_parameters() if name.startswith("fourier")]
    assert {"fourier.omega", "fourier.phase"} <= set(model.state_dict())


def test_synthesis_needs_no_volume():
    model = network().eval()
    assert torch.equal(model(EEG).bold, model(EEG, BOLD).bold)
    assert model(EEG).latent_bold is None


def test_every_share_of_a_step_belongs_to_a_layer():
    for switches in ({}, {"attention": False}, {"fourier": False}):
        model = network(**switches)
        names = [name for name, _ in model.named_parameters()]
        for layer, share in model.step_shares().items():
            assert any(name.startswith(layer) for name in names)
            assert 0 < share < 1


def test_an_unknown_model_is_refused_with_the_known_ones():
    with pytest.raises(UsageError, match=r"There is no model 'magic'\. Known: topo-rff"):
        build("magic", SHAPES, CONFIG)
    assert set(MODELS) == {"topo-rff"}
