import pytest
import torch

from bids_eeg2fmri.model.liu_sajda import LiuSajda
from bids_eeg2fmri.model.loss import synthesis_loss

EEG, BOLD = torch.randn(4, 6, 8, 5), torch.randn(4, 7, 6, 5)


def network(eeg=EEG.shape[1:], bold=BOLD.shape[1:]) -> LiuSajda:
    """Build a network whose last layer has left zero and whose normalisations know their inputs."""
    torch.manual_seed(0)
    model = LiuSajda(tuple(eeg), tuple(bold))
    torch.nn.init.normal_(model.response.weight)
    for module in model.modules():
        if isinstance(module, (torch.nn.BatchNorm2d, torch.nn.BatchNorm3d)):
            module.momentum = 1.0
    model(torch.randn(4, *eeg))
    return model


@pytest.mark.parametrize(
    ("eeg", "bold"), [((8, 60, 3), (9, 10, 9)), ((1, 1, 1), (2, 1, 3)), ((5, 4, 2), (20, 17, 8))]
)
def test_any_shape_leads_to_one_volume(eeg, bold):
    prediction = network(eeg, bold)(torch.randn(2, *eeg))
    assert prediction.bold.shape == (2, *bold)
    assert prediction.latent_eeg is prediction.latent_bold is prediction.attention is None


def test_at_the_shape_of_noddi_it_has_the_source_grid_and_parameters_that_it_says():
    model = LiuSajda((64, 134, 10), (64, 64, 30))
    assert model.source_grid == (16, 16, 7)
    count = sum(p.numel() for p in model.parameters())
    assert f"{count:,} trained parameters" in LiuSajda.__doc__


def test_an_untrained_network_synthesises_the_volume_that_it_starts_at():
    model = LiuSajda(tuple(EEG.shape[1:]), tuple(BOLD.shape[1:]))
    model.start_at(BOLD[0])
    assert torch.equal(model(EEG).bold, BOLD[:1].expand(4, -1, -1, -1))


def test_it_is_not_linear():
    model = network().eval()
    zero = model(0 * EEG).bold
    together = model(EEG[:1] + EEG[1:2]).bold
    alone = model(EEG[:1]).bold + model(EEG[1:2]).bold - zero[:1]
    assert not torch.allclose(together, alone, atol=1e-3)


def test_the_loss_is_the_error_alone_and_reaches_every_weight():
    model = network()
    loss = synthesis_loss(model(EEG, BOLD), BOLD, 1.0)
    assert loss == (model(EEG).bold - BOLD).abs().mean()
    loss.backward()
    assert all(parameter.grad.abs().max() > 0 for parameter in model.parameters())


def test_windows_and_electrodes_are_not_interchangeable():
    model = network().eval()
    for axis in (1, 2, 3):
        assert not torch.allclose(model(EEG.flip(axis)).bold, model(EEG).bold, atol=1e-3)


def test_every_share_of_a_step_belongs_to_a_layer():
    model = network()
    names = [name for name, _ in model.named_parameters()]
    for layer in model.step_shares():
        assert any(name.startswith(layer) for name in names)
