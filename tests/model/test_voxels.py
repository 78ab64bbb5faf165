"""Networks that make the brain alone are those that make the whole grid, seen there."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from bids_eeg2fmri.config import ExplainConfig, ModelConfig, TrainConfig
from bids_eeg2fmri.explain.relevance import explain
from bids_eeg2fmri.model.loss import synthesis_loss
from bids_eeg2fmri.model.network import Network, Shapes
from bids_eeg2fmri.model.registry import build
from bids_eeg2fmri.model.voxels import Voxels
from bids_eeg2fmri.train.fit import start
from bids_eeg2fmri.types import Architecture

BRAIN = torch.rand(5, 6, 5, generator=torch.Generator().manual_seed(3)) < 0.3
SHAPES = Shapes(
    eeg=(5, 6, 4),
    bold=(5, 6, 5),
    eeg_encoder=Architecture(((3, 4, 3),), ((1, 1, 1),), (2, 2, 1)),
    bold_encoder=Architecture(((3, 4, 3),), ((1, 1, 1),), (2, 2, 2)),
    bands=((0, 2), (2, 6)),
    lags=(11.0, 8.0, 5.0, 2.0),
)
EEG, BOLD = torch.randn(4, *SHAPES.eeg), torch.randn(4, *SHAPES.bold)
MEAN = torch.randn(SHAPES.bold)
BOX = ModelConfig(latent=2)
CUT = replace(BOX, voxels="brain")


def both(name: str, mean: torch.Tensor = MEAN) -> tuple[Network, Network]:
    """Draw a network of the grid and, with the same numbers, one of the brain."""
    models = []
    for shapes, cfg in ((SHAPES, BOX), (replace(SHAPES, brain=int(BRAIN.sum())), CUT)):
        torch.manual_seed(0)
        models.append(build(name, shapes, cfg))
        models[-1].keep_to(BRAIN, mean)
    box, cut = models
    torch.manual_seed(1)
    numbers = {key: torch.randn_like(value) for key, value in box.named_parameters()}
    if name == "hybrid":
        numbers["linear.weights"] = torch.randn(10, *SHAPES.bold) * BRAIN
        numbers["linear.weights"] = numbers["linear.weights"].flatten(1)
    inside = BRAIN.flatten()
    for key, value in numbers.items():
        if "decoder" in key:
            value[~inside] = 0 if value.dim() > 1 else mean[~BRAIN]
        box.state_dict()[key].copy_(value)
        at_brain = value[inside] if "decoder" in key else value
        cut.state_dict()[key].copy_(value[:, inside] if key == "linear.weights" else at_brain)
    return box.eval(), cut.eval()


@pytest.mark.parametrize("name", ["topo-rff", "linear", "hybrid", "liu-sajda"])
def test_equal_weights_give_equal_volumes_with_the_mean_around_the_brain(name):
    mean = torch.zeros(SHAPES.bold) if name == "hybrid" else MEAN
    box, cut = both(name, mean)
    volumes = cut(EEG).bold
    torch.testing.assert_close(volumes, box(EEG).bold)
    assert name == "liu-sajda" or torch.equal(volumes[:, ~BRAIN], mean[~BRAIN].expand(4, -1))


def test_the_first_step_moves_the_brain_as_that_of_the_grid_does():
    cfg, weights = TrainConfig(), []
    for shapes, model_cfg in ((SHAPES, BOX), (replace(SHAPES, brain=int(BRAIN.sum())), CUT)):
        torch.manual_seed(0)
        model = build("topo-rff", shapes, model_cfg).train()
        fitting = start(model, cfg, MEAN.numpy(), BRAIN.numpy())
        torch.manual_seed(2)
        synthesis_loss(model(EEG, BOLD), BOLD, 1.0).backward()
        fitting.optimizer.step()
        weights.append(model.decoder.weight.detach())
    torch.testing.assert_close(weights[1], weights[0][BRAIN.flatten()])


def test_a_brain_of_a_part_of_the_grid_has_that_part_of_the_weights():
    box, cut = both("topo-rff")
    assert cut.decoder.weight.numel() / box.decoder.weight.numel() == BRAIN.float().mean()


def test_training_may_start_from_zero_with_the_mean_around_the_brain():
    model = build("topo-rff", replace(SHAPES, brain=int(BRAIN.sum())), CUT)
    start(model, TrainConfig(start="zero"), MEAN.numpy(), BRAIN.numpy())
    assert torch.equal(model(EEG).bold, torch.where(BRAIN, 0, MEAN).expand(4, -1, -1, -1))


@pytest.mark.parametrize("name", ["topo-rff", "hybrid"])
def test_relevance_is_that_of_the_grid_whose_surroundings_have_no_weight(name):
    def batches():
        yield EEG.clone(), BOLD.clone()

    cfg = ExplainConfig(start="variance")
    box, cut = (explain(model, batches, cfg) for model in both(name, torch.zeros(SHAPES.bold)))
    for path, found in cut.eeg.items():
        np.testing.assert_allclose(found, box.eeg[path], rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(cut.attention, box.attention, rtol=1e-4, atol=1e-6)


def test_all_voxels_are_taken_where_none_are_counted():
    voxels = Voxels(SHAPES.bold)
    assert len(voxels) == 150
    assert torch.equal(voxels(voxels.take(BOLD)), BOLD)
    assert not voxels.state_dict()
