"""The networks: uint8 images in, logits out."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from fashion_cnn.recipes.recipe import Recipe

PIXEL_MEAN = 0.2860405969887955
PIXEL_STD = 0.3530242445149223
"""Of the 60,000 training images scaled to 0..1. Source: computed; a test repeats it."""


def build_model(recipe: Recipe) -> nn.Module:
    """The network that a recipe names, started by PyTorch's defaults from its global generator."""
    return {"simple_cnn": SimpleCNN}[recipe.model](recipe.dropout)


def place(model: nn.Module, device: torch.device) -> nn.Module:
    """Move to a device, in the memory layout that CPUs and tensor cores convolve fastest in."""
    return model.to(device=device, memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]


class SimpleCNN(nn.Module):
    """The assignment's network: three 3x3 convolutions, each with a 2x2 max pool, and two layers.

    241,546 parameters; 15.2 MFLOP an image forward.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, dropout: float = 0.4) -> None:
        """Args: dropout: share of the 128 hidden units dropped while training."""
        super().__init__()
        self.register_buffer("mean", torch.tensor(PIXEL_MEAN))
        self.register_buffer("std", torch.tensor(PIXEL_STD))
        self.conv1 = nn.Conv2d(1, 32, 3, padding=1)
        self.conv2 = nn.Conv2d(32, 64, 3, padding=1)
        self.conv3 = nn.Conv2d(64, 128, 3, padding=1)
        self.hidden = nn.Linear(128 * 3 * 3, 128)
        self.dropout = nn.Dropout(dropout)
        self.output = nn.Linear(128, 10)

    def forward(self, images: Tensor) -> Tensor:
        """Score images: (N, 28, 28) uint8 to (N, 10) float32 logits."""
        x = (images.unsqueeze(1) / 255 - self.mean) / self.std
        x = x.contiguous(memory_format=torch.channels_last)
        x = _stage(x, self.conv1, (1, 1, 1, 1))
        x = _stage(x, self.conv2, (1, 1, 1, 1))
        # The last pool leaves the seventh row and column of its input out, so they are not
        # computed: a border of zeros on two sides instead of four gives the first six alone.
        x = _stage(x, self.conv3, (1, 0, 1, 0))
        x = F.relu(self.hidden(x.flatten(1)))
        return self.output(self.dropout(x))


def _stage(x: Tensor, conv: nn.Conv2d, border: tuple[int, int, int, int]) -> Tensor:
    """Zero border, convolution, ReLU, 2x2 max pool, in an order that costs less.

    Neither adding a channel's bias nor ReLU changes which of four numbers is the largest, so both
    wait until a quarter of the numbers is left: the same values.
    """
    if len(set(border)) == 1:
        x = F.conv2d(x, conv.weight, padding=border[0])
    else:
        x = F.conv2d(F.pad(x, border), conv.weight)
    assert conv.bias is not None
    return F.relu_(F.max_pool2d(x, 2) + conv.bias[:, None, None])
