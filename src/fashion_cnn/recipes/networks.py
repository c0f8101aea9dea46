"""What the networks are made of: every framework, and the export, builds them from this."""

from dataclasses import dataclass

NETWORKS = ("simple_cnn", "strided_cnn", "resnet", "wide_resnet")

TIMM = "timm:"
"""What stands before the name of one of timm's networks, in `Recipe.model`."""

HIDDEN = 128
"""Units of the hidden layer of `simple_cnn`."""

PATCH = 2
"""Side of the whitening layer's filters, of which there are two a pixel."""

NORM_EPSILON = 1e-5
"""Of every batch norm. Source: torch.nn.BatchNorm2d."""

HEAD_SCALE = 0.1
"""On the logits of the staged networks, so that they start small."""


@dataclass(frozen=True)
class Stages:
    """The three stages of a staged network, which follow its whitening layer.

    Attributes:
        widths: channels of each.
        strides: of each one's first convolution.
        blocks: residual blocks of each.
    """

    widths: tuple[int, int, int]
    strides: tuple[int, int, int]
    blocks: tuple[int, int, int]


def stages(model: str, width: int, blocks: int) -> Stages:
    """What a staged network is made of.

    Args: as `Recipe.model`, `Recipe.width` and `Recipe.blocks`.

    Raises:
        KeyError: that network has no stages.
    """
    two, four = 2 * width, 4 * width
    return {
        "strided_cnn": Stages((width, two, two), (2, 2, 2), (0, 0, 1)),
        "resnet": Stages((width, two, four), (2, 2, 2), (blocks, blocks, blocks)),
        # Its first maps are the largest by far.
        "wide_resnet": Stages((width, two, four), (1, 2, 2), (blocks - 1, blocks, blocks)),
    }[model]


def own_network(model: str) -> tuple[str, str] | None:
    """The file and the name in it of a network of somebody's own, FILE.py:NAME; else None."""
    file, _, name = model.rpartition(":")
    return (file, name) if file.endswith(".py") and name.isidentifier() else None


def timm_name(model: str) -> str | None:
    """What timm calls a recipe's network; None for one of ours."""
    return model.removeprefix(TIMM) if model.startswith(TIMM) else None
