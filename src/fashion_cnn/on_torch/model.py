"""The networks: uint8 images in, logits out."""

from typing import Any, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.grad import conv2d_input

from fashion_cnn.errors import UsageError
from fashion_cnn.on_torch.device import convolution_dtype
from fashion_cnn.on_torch.own_network import build_own
from fashion_cnn.on_torch.pixels import PixelNetwork
from fashion_cnn.on_torch.ranks import BatchNorm, Dropout
from fashion_cnn.on_torch.timm_network import TimmCNN, check_network
from fashion_cnn.process import launch
from fashion_cnn.recipes.networks import (
    HEAD_SCALE,
    HIDDEN,
    NORM_EPSILON,
    PATCH,
    Stages,
    own_network,
    stages,
    timm_name,
)
from fashion_cnn.recipes.own_network import allowed
from fashion_cnn.recipes.recipe import Recipe

_WHITENING_EPSILON = 5e-4  # Source: K. Jordan 2024, arXiv 2404.00498
_SMALL_MAP = 4


def check_recipe(recipe: Recipe) -> None:
    """Raise `UsageError` for what PyTorch does not train.

    That is one of three: a network that timm does not have, or not for images of that side; one of
    timm's on several ranks, where its batch norm would see only a rank's share of a batch; and
    somebody's own network whose code may not be run.
    """
    if own_network(recipe.model):
        allowed(recipe)
    if (name := timm_name(recipe.model)) is None:
        return
    check_network(name, recipe.input_side)
    if launch.ranks() > 1:
        raise UsageError(f"{recipe.model} trains in one process here; leave torchrun out")


def build_model(recipe: Recipe, classes: int, *, trained: bool = False) -> PixelNetwork:
    """The network that a recipe names, for so many classes, from PyTorch's global generator.

    Args: trained: one of somebody's own was tried out when it began to train.

    Raises:
        UsageError: it is one of somebody's own, as `build_own`.
    """
    if own_network(recipe.model):
        return build_own(recipe, classes, trained=trained)
    if (name := timm_name(recipe.model)) is not None:
        return TimmCNN(name, recipe.dropout, recipe.input_side, classes)
    if recipe.model == "simple_cnn":
        return SimpleCNN(recipe.dropout, recipe.width, classes)
    made_of = stages(recipe.model, recipe.width, recipe.blocks)
    return StagedCNN(made_of, recipe.dropout, classes)


def to_device(
    model: PixelNetwork, device: torch.device, precision: str = "float32"
) -> PixelNetwork:
    """Move to a device, in the network's memory layout.

    Args: precision: "float32", or "mixed" for bfloat16 convolutions where they are fast.
    """
    model.to(device=device, memory_format=model.memory_format)  # pyright: ignore[reportCallIssue]
    model.convolve_in = convolution_dtype(device, precision)
    return model


class SimpleCNN(PixelNetwork):
    """The assignment's network: three 3x3 convolutions, each with a 2x2 max pool, and two layers.

    With ten classes 241,546 parameters; 15.2 MFLOP an image forward.
    """

    def __init__(self, dropout: float, width: int, classes: int) -> None:
        """Make the layers.

        Args:
            dropout: share of the hidden units dropped while training.
            width: filters of the first convolution; the others have twice and four times as many.
            classes: logits an image.
        """
        super().__init__()
        self.conv1 = nn.Conv2d(1, width, 3, padding=1)
        self.conv2 = nn.Conv2d(width, 2 * width, 3, padding=1)
        self.conv3 = nn.Conv2d(2 * width, 4 * width, 3, padding=1)
        self.hidden = nn.Linear(4 * width * 3 * 3, HIDDEN)
        self.dropout = Dropout(dropout)
        self.output = nn.Linear(HIDDEN, classes)

    def forward(self, images: Tensor) -> Tensor:
        """Score images: (N, 28, 28) uint8 to (N, classes) float32 logits."""
        x = self.normalised(images.reshape(-1, 1, 28, 28) / 255)
        x = x.to(self.convolve_in).contiguous(memory_format=torch.channels_last)
        x = _stage(x, self.conv1, (1, 1, 1, 1))
        x = _stage(x, self.conv2, (1, 1, 1, 1))
        # The last pool leaves the seventh row and column of its input out, so they are not
        # computed: a border of zeros on two sides instead of four gives the first six alone.
        x = _stage(x, self.conv3, (1, 0, 1, 0))
        x = F.relu(self.hidden(x.flatten(1).float()))
        return self.output(self.dropout(x))


def _stage(x: Tensor, conv: nn.Conv2d, border: tuple[int, int, int, int]) -> Tensor:
    """Zero border, convolution, ReLU, 2x2 max pool, in an order that costs less.

    Neither adding a channel's bias nor ReLU changes which of four numbers is the largest, so both
    wait until a quarter of the numbers is left: the same values. Runtimes add the bias inside the
    convolution at no cost, so an exported graph has it there.
    """
    assert conv.bias is not None
    filters, bias = conv.weight.to(x.dtype), conv.bias.to(x.dtype)
    inside = bias if torch.compiler.is_exporting() else None
    if len(set(border)) == 1:
        x = F.conv2d(x, filters, inside, padding=border[0])
    else:
        x = F.conv2d(F.pad(x, border), filters, inside)
    x = F.max_pool2d(x, 2)
    return F.relu_(x if inside is not None else x + bias[:, None, None])


class StagedCNN(PixelNetwork):
    """A whitening layer, three stages of 3x3 convolutions, max pool over the map, one linear layer.

    A stage is a convolution that may halve the map, and residual blocks. No filter has a bias and
    no batch norm a scale: a shift a channel is all that is learned beside the filters. Sources:
    frozen whitening, Dirac start and fixed scales: K. Jordan 2024, arXiv 2404.00498; residual
    blocks: He et al. 2015, arXiv 1512.03385; strides instead of pooling: Springenberg et al. 2014,
    arXiv 1412.6806 (on a CPU the first maps cost most, and a strided one costs a quarter).
    """

    whitening: Tensor

    def __init__(self, made_of: Stages, dropout: float, classes: int) -> None:
        """Make the layers; the whitening layer is zero until it is fitted or loaded.

        Args:
            made_of: the stages.
            dropout: share of the pooled features dropped while training.
            classes: logits an image.
        """
        super().__init__()
        self.register_buffer("whitening", torch.zeros(2 * PATCH**2, 1, PATCH, PATCH))
        layers: list[nn.Module] = []
        channels = 2 * PATCH**2
        parts = zip(made_of.widths, made_of.strides, made_of.blocks, strict=True)
        for width, stride, count in parts:
            layers += [_Convolution(channels, width, stride), _norm(width), nn.ReLU()]
            layers += [_ResidualBlock(width) for _ in range(count)]
            channels = width
        self.stages = nn.Sequential(*layers)
        self.dropout = Dropout(dropout)
        self.output = nn.Linear(channels, classes, bias=False)

    def fit_whitening(self, images: Tensor) -> None:
        """Set the first layer to what makes its outputs on these images uncorrelated.

        Its filters are the eigenvectors of the 2x2 patches' second moments, each divided by the
        root of its eigenvalue, and their negatives, because a ReLU follows.

        Args: images: (N, 28, 28) uint8.
        """
        x = self.normalised(images.double() / 255)
        patches = x.unfold(1, PATCH, 1).unfold(2, PATCH, 1).reshape(-1, PATCH**2)
        values, vectors = torch.linalg.eigh(patches.T @ patches / len(patches))
        filters = (vectors / (values + _WHITENING_EPSILON).sqrt()).T
        both = torch.cat([filters, -filters]).float()
        self.whitening.copy_(both.view_as(self.whitening))

    def forward(self, images: Tensor) -> Tensor:
        """Score images: (N, 28, 28) uint8 to (N, classes) float32 logits."""
        x = self.normalised(images / 255)
        x = x.reshape(-1, 28, 28, 1).permute(0, 3, 1, 2).to(self.convolve_in)
        x = F.relu_(F.conv2d(x, self.whitening.to(x.dtype)))
        x = self.stages(x)
        x = F.max_pool2d(x, x.shape[2]).flatten(1).float()
        return self.output(self.dropout(x)) * HEAD_SCALE


class _Convolution(nn.Conv2d):
    """3x3, no bias, the identity at the start as far as the channels go; in its input's dtype."""

    def __init__(self, channels: int, width: int, stride: int = 1) -> None:
        super().__init__(channels, width, 3, stride, padding=1, bias=False)
        with torch.no_grad():
            nn.init.dirac_(self.weight[:channels])

    def forward(self, input: Tensor) -> Tensor:
        filters, stride = self.weight.to(input.dtype), self.stride[0]
        side = (input.shape[2] - 1) // stride + 1
        if side <= _SMALL_MAP and input.dtype == torch.bfloat16 and input.device.type == "cpu":
            return cast(Tensor, _SmallMapConvolution.apply(input, filters, stride))
        return F.conv2d(input, filters, stride=stride, padding=1)


class _SmallMapConvolution(torch.autograd.Function):
    """3x3 convolution whose filters' gradient is one product of matrices.

    oneDNN's own is slower on maps of 4x4 in bfloat16. Source: docs/log.md, 2026-11-23.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, filters: Tensor, stride: int) -> Tensor:
        ctx.save_for_backward(x, filters)
        ctx.stride = stride
        return F.conv2d(x, filters, stride=stride, padding=1)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, Tensor, None]:
        (gradient,), (x, filters), stride = gradients, ctx.saved_tensors, ctx.stride
        count, channels = x.shape[:2]
        width, height = gradient.shape[1:3]
        for_x = conv2d_input(x.shape, filters, gradient, stride, padding=1)
        padded = F.pad(x.permute(0, 2, 3, 1), (0, 0, 1, 1, 1, 1))
        image, row, column, _ = padded.stride()
        patches = padded.as_strided(
            (count, height, height, 3, 3, channels),
            (image, stride * row, stride * column, row, column, 1),
        ).reshape(-1, 9 * channels)
        errors = gradient.permute(0, 2, 3, 1).reshape(-1, width)
        for_filters = (errors.T @ patches).view(width, 3, 3, channels).permute(0, 3, 1, 2)
        return for_x, for_filters, None


class _ResidualBlock(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv1, self.norm1 = _Convolution(width, width), _norm(width)
        self.conv2, self.norm2 = _Convolution(width, width), _norm(width)

    def forward(self, x: Tensor) -> Tensor:
        inner = F.relu_(self.norm1(self.conv1(x)))
        return F.relu_(x + self.norm2(self.conv2(inner)))


def _norm(width: int) -> BatchNorm:
    norm = BatchNorm(width, eps=NORM_EPSILON)
    norm.weight.requires_grad_(False)
    norm.num_batches_tracked = None  # only an average over all steps would need it
    return norm
