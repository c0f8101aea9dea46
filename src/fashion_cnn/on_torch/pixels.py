"""`PixelNetwork`: normalisation is inside the network, so that nothing outside can forget it."""

import torch
from torch import Tensor, nn

from fashion_cnn.data.fashion_mnist import PIXEL_MEAN, PIXEL_STD


class PixelNetwork(nn.Module):
    """A network from images, uint8 (N, 28, 28), to logits, float32 (N, C).

    Attributes:
        mean, std: of the pixels, from 0 to 1, that it learned from.
        convolve_in: what its convolutions compute in.
        memory_format: of its filters.
    """

    mean: Tensor
    std: Tensor
    convolve_in: torch.dtype = torch.float32
    memory_format: torch.memory_format = torch.channels_last

    def __init__(self, mean: Tensor | float = PIXEL_MEAN, std: Tensor | float = PIXEL_STD) -> None:
        """Make no layer."""
        super().__init__()
        self.register_buffer("mean", torch.as_tensor(mean))
        self.register_buffer("std", torch.as_tensor(std))

    def normalised(self, pixels: Tensor) -> Tensor:
        """Pixels from 0 to 1 to those of mean 0 and deviation 1."""
        return (pixels - self.mean) / self.std
