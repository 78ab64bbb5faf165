from dataclasses import replace

import pytest
import torch
from torch import nn

from bids_eeg2fmri.config import ModelConfig
from bids_eeg2fmri.model.noddi import NODDI
from bids_eeg2fmri.model.resnet import Encoder, Layer, ResBlock
from bids_eeg2fmri.types import Architecture

CONFIG = ModelConfig()


def random_block(cfg: ModelConfig = CONFIG) -> ResBlock:
    torch.manual_seed(0)
    return ResBlock(2, Layer((3, 2, 4), (2, 1, 1), (2, 2, 1)), cfg)


def test_the_merged_entry_convolution_equals_two_separate_ones():
    block, x = random_block(), torch.randn(3, 2, 11, 7, 9)
    mine, other = (nn.Conv3d(2, 4, (3, 2, 4), (2, 1, 1)) for _ in range(2))
    for conv, half in ((mine, slice(0, 4)), (other, slice(4, 8))):
        conv.weight.data, conv.bias.data = block.entry.weight[half], block.entry.bias[half]
    pool, norm = nn.MaxPool3d((2, 2, 1), stride=1), nn.BatchNorm3d(4, affine=False)
    main = torch.relu(norm(pool(mine(x))))
    main = torch.relu(norm(block.main(main)))
    expected = torch.relu(main + norm(pool(other(x))))
    torch.testing.assert_close(block(x), expected)


def test_a_block_without_skip_has_one_path():
    block = random_block(replace(CONFIG, skip=False))
    assert block.entry.out_channels == 4
    assert block(torch.randn(3, 2, 11, 7, 9)).shape == (3, 4, 4, 5, 6)


@pytest.mark.parametrize("switched_off", ["max_pool", "batch_norm"])
def test_pooling_and_normalisation_can_be_left_out(switched_off):
    block = random_block(replace(CONFIG, **{switched_off: False}))
    layers = {type(module) for module in block.modules()}
    assert {"max_pool": nn.MaxPool3d, "batch_norm": nn.BatchNorm3d}[switched_off] not in layers
    assert len(layers & {nn.MaxPool3d, nn.BatchNorm3d}) == 1


@pytest.mark.parametrize(
    ("architecture", "shape", "sizes"),
    [
        (NODDI.eeg_encoder, (64, 134, 10), [(19, 19, 9), (6, 6, 8)]),
        (NODDI.bold_encoder, (64, 64, 30), [(25, 58, 18), (19, 54, 12), (7, 7, 7)]),
    ],
    ids=["eeg", "bold"],
)
def test_the_candidates_of_tables_4_and_5_shrink_as_their_kernels_say(architecture, shape, sizes):
    x = torch.zeros(1, 1, *shape)
    steps = zip(architecture.kernels, architecture.strides, strict=True)
    channels, found = 1, []
    for kernel, stride in steps:
        x = ResBlock(channels, Layer(kernel, stride, architecture.pooling), CONFIG).eval()(x)
        channels = 4
        found.append(tuple(x.shape[2:]))
    assert found == sizes


def test_an_encoder_leads_to_a_latent_of_k_cubed_numbers():
    architecture = Architecture(((4, 5, 3),), ((1, 1, 1),), (2, 2, 1))
    encoder = Encoder(architecture, (7, 8, 5), replace(CONFIG, latent=3))
    assert encoder(torch.randn(2, 7, 8, 5)).shape == (2, 27)


def test_an_encoder_joins_whatever_its_blocks_leave():
    encoder = Encoder(NODDI.eeg_encoder, (64, 134, 10), CONFIG)
    assert encoder.head.in_features == 4 * 6 * 6 * 8
    assert encoder(torch.randn(2, 64, 134, 10)).shape == (2, 7**3)


def test_an_untrained_latent_is_about_as_long_as_the_fourier_features_can_tell():
    torch.manual_seed(0)
    architecture = Architecture(((9, 33, 4),), ((1, 1, 1),), (2, 2, 1))
    latent = Encoder(architecture, (16, 40, 10), CONFIG)(torch.randn(8, 16, 40, 10))
    assert 0.3 < latent.norm(dim=1).mean() < 3
