import copy

import pytest
import torch

from bids_eeg2fmri.model.decoder import Decoder
from bids_eeg2fmri.model.voxels import Voxels
from bids_eeg2fmri.train import optimiser
from bids_eeg2fmri.train.optimiser import BlockwiseAdamW

GRID = (5, 4, 3)
RATES = {"lr": 0.01, "weight_decay": 0.1}


def drawn() -> Decoder:
    torch.manual_seed(0)
    decoder = Decoder(6, Voxels(GRID))
    torch.nn.init.normal_(decoder.weight)
    return decoder


def groups(decoder: Decoder) -> list[dict]:
    return [{"params": [decoder.weight], "lr": 0.02}, {"params": [decoder.bias]}]


def train(
    decoder: Decoder, optimizer: torch.optim.Optimizer, passes: int = 1
) -> list[torch.Tensor]:
    """Take five steps of one or more backward passes; give the gradients of all features."""
    rng = torch.Generator().manual_seed(1)
    found = []
    for _ in range(5):
        for _ in range(passes):
            features = torch.randn(4, 6, generator=rng).requires_grad_()
            wanted = torch.randn(4, *GRID, generator=rng)
            (decoder(features) - wanted).abs().mean().backward()
            found.append(features.grad)
        optimizer.step()
        optimizer.zero_grad()
    return found


@pytest.mark.parametrize("passes", [1, 2])
@pytest.mark.parametrize("block", [16, 48, 4096])
def test_weights_move_as_by_the_adam_of_torch_whatever_the_blocks(block, passes, monkeypatch):
    monkeypatch.setattr(optimiser, "BLOCK", block)
    ours, plain = drawn(), drawn()
    blockwise = BlockwiseAdamW(groups(ours), [ours], **RATES)
    whole = torch.optim.AdamW(groups(plain), fused=True, **RATES)
    gradients = [train(ours, blockwise, passes), train(plain, whole, passes)]
    torch.testing.assert_close(*gradients)
    torch.testing.assert_close(ours.state_dict(), plain.state_dict())
    torch.testing.assert_close(blockwise.state_dict()["state"], whole.state_dict()["state"])


def test_the_gradient_of_the_weights_is_never_written_down():
    decoder = drawn()
    optimizer = BlockwiseAdamW(groups(decoder), [decoder], **RATES)
    decoder(torch.randn(4, 6)).sum().backward()
    assert decoder.weight.grad is None
    assert decoder.bias.grad is not None
    ((gradients, features),) = decoder.factors
    torch.testing.assert_close(gradients.T @ features, features.sum(dim=0).expand(60, -1))
    optimizer.zero_grad()
    assert decoder.factors == []


def test_a_decoder_that_only_predicts_leaves_no_factors():
    decoder = drawn()
    BlockwiseAdamW(groups(decoder), [decoder], **RATES)
    with torch.no_grad():
        decoder(torch.randn(4, 6))
    decoder.requires_grad_(False)
    decoder(torch.randn(4, 6).requires_grad_()).sum().backward()
    assert decoder.factors == []


def test_weights_without_a_gradient_stay_where_they_are():
    decoder = drawn()
    before = copy.deepcopy(decoder.state_dict())
    BlockwiseAdamW(groups(decoder), [decoder], **RATES).step()
    assert all(torch.equal(value, before[name]) for name, value in decoder.state_dict().items())
