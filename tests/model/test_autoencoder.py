import pytest
import torch

from bids_eeg2fmri.config import ModelConfig
from bids_eeg2fmri.model.autoencoder import Autoencoder
from bids_eeg2fmri.model.loss import mean_absolute_error, synthesis_loss
from bids_eeg2fmri.model.network import Shapes
from bids_eeg2fmri.types import Architecture

SHAPES = Shapes(
    eeg=(6, 8, 5),
    bold=(7, 6, 5),
    eeg_encoder=Architecture(((3, 5, 3),), ((1, 1, 1),), (2, 2, 1)),
    bold_encoder=Architecture(((4, 3, 2),), ((1, 1, 1),), (2, 2, 2)),
)
BOLD = torch.randn(4, 7, 6, 5, generator=torch.Generator().manual_seed(0))


@pytest.fixture
def untrained():
    torch.manual_seed(0)
    return Autoencoder(SHAPES, ModelConfig(latent=3))


@pytest.fixture
def model(untrained):
    """An autoencoder whose decoder has left zero."""
    torch.nn.init.normal_(untrained.decoder.weight)
    return untrained


def test_the_reconstruction_is_a_weighted_sum_of_the_latent_and_an_offset(model):
    model.eval().start_at(BOLD[0])
    prediction = model(BOLD)
    torch.testing.assert_close(prediction.latent_bold, model.bold_encoder(BOLD))
    weight = model.decoder.weight.view(7, 6, 5, 27)
    expected = torch.einsum("xyzl,bl->bxyz", weight, prediction.latent_bold) + BOLD[0]
    torch.testing.assert_close(prediction.bold, expected)


def test_an_untrained_autoencoder_reconstructs_the_volume_that_it_starts_at(untrained):
    untrained.start_at(BOLD[0])
    assert torch.equal(untrained(BOLD).bold, BOLD[:1].expand(4, -1, -1, -1))


def test_the_loss_is_the_mean_absolute_error_alone(model):
    prediction = model(BOLD, BOLD)
    error = mean_absolute_error(prediction.bold, BOLD)
    assert torch.equal(synthesis_loss(prediction, BOLD, regularisation=1.0), error)


def test_the_gradient_of_the_offset_is_the_mean_sign_of_the_error(model):
    volumes = model(BOLD).bold
    mean_absolute_error(volumes, BOLD).backward()
    expected = (volumes - BOLD).sign().mean(dim=0).flatten() / BOLD[0].numel()
    torch.testing.assert_close(model.decoder.bias.grad, expected)


def test_the_error_reaches_every_weight(model):
    mean_absolute_error(model(BOLD).bold, BOLD).backward()
    assert all(weight.grad.any() for weight in model.bold_encoder.head.parameters())
    assert all(weight.grad is not None for weight in model.parameters())


def test_what_is_to_be_reconstructed_does_not_leak_past_the_encoder(model):
    model.eval()
    assert torch.equal(model(BOLD, BOLD.flip(0)).bold, model(BOLD).bold)


def test_dropout_acts_while_training_alone(model):
    assert (model.train()(BOLD).latent_bold == 0).float().mean() == pytest.approx(0.5, abs=0.2)
    assert not (model.eval()(BOLD).latent_bold == 0).any()


def test_every_share_of_a_step_belongs_to_a_layer(model):
    names = [name for name, _ in model.named_parameters()]
    for layer, share in model.step_shares().items():
        assert any(name.startswith(layer) for name in names)
        assert 0 < share < 1
