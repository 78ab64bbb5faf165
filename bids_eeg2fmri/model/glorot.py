"""Weights as the authors' public code inherits them from Keras."""

import torch
from torch import nn


@torch.no_grad()
def draw_glorot(model: nn.Module, filters: int) -> None:
    r"""Draw the weights of dense layers and 3-D convolutions as Glorot & Bengio (2010), Eq. 16.

    .. math:: w \sim U\left(\pm\sqrt{6 / (n_\text{in} + n_\text{out})}\right)

    Offsets become zero. A convolution of more than ``filters`` filters makes both paths of a block
    at once, and each path is drawn as the layer of its own that it is in the public code.
    """
    for module in model.modules():
        if isinstance(module, nn.Conv3d | nn.Linear):
            size = filters if isinstance(module, nn.Conv3d) else module.out_features
            for weight in torch.split(module.weight, size):
                nn.init.xavier_uniform_(weight)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
