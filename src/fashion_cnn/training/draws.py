"""What augmentation draws for a step: pure functions of (seed, step), the same in every framework.

Each operation draws from a stream of its own, so switching one on leaves the others as they were.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fashion_cnn.data.randomness import stream
from fashion_cnn.recipes.recipe import Recipe

MEAN_GREY = 73
"""Of the training images: what normalises to zero, and so the grey of cutout's square."""

_SIZE = 28
_ERASED_AREA = (0.02, 0.4)  # of the image; both from Zhong et al. 2017, arXiv 1708.04896, sec. 5
_ERASED_LOG_ASPECT = (math.log(0.3), -math.log(0.3))


@dataclass(frozen=True)
class Mix:
    """How a batch of N images is mixed with itself.

    Attributes:
        partner: (N,) int64, the image that each is mixed with.
        share: (N,) float32, the part of the mixture and of its label that stays each image's own.
        boxes: (N, 4) int64 top, left, height, width of what is pasted.
    """

    partner: NDArray[np.int64]
    share: NDArray[np.float32]
    boxes: NDArray[np.int64]


def mirrored_in(epoch: int, count: int, seed: int) -> NDArray[np.bool_]:
    """Which of `count` images an epoch (counted from 0) shows mirrored: (count,) bool.

    A coin decides in epoch 0; after that every image alternates, so that two epochs show both
    sides of each. Source: K. Jordan 2024, arXiv 2404.00498, sec. 3.6.
    """
    return (stream(seed, "flip").random(count) < 0.5) ^ bool(epoch % 2)


def draw_degrees(recipe: Recipe, step: int, count: int) -> NDArray[np.float32]:
    """How far to turn each image, counter-clockwise: (count,) degrees."""
    reach = recipe.rotate
    return stream(recipe.seed, "rotate", step).uniform(-reach, reach, count).astype(np.float32)


def draw_shifts(recipe: Recipe, step: int, count: int) -> NDArray[np.int64]:
    """How far to shift each image: (count, 2) pixels down and right."""
    reach = recipe.translate
    return stream(recipe.seed, "translate", step).integers(-reach, reach + 1, (count, 2))


def draw_erasures(
    recipe: Recipe, step: int, count: int
) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """The noise, (count, 28, 28), and the boxes, (count, 4), of random erasing, as the paper does.

    A rectangle that would not fit is cut to the image; the paper draws again. A box is top, left,
    height, width, and empty for an image that is left alone.
    """
    random = stream(recipe.seed, "erase", step)
    chosen = random.random(count) < recipe.erase
    area = random.uniform(*_ERASED_AREA, count) * _SIZE * _SIZE
    aspect = np.exp(random.uniform(*_ERASED_LOG_ASPECT, count))
    height = np.clip(np.round(np.sqrt(area * aspect)), 1, _SIZE).astype(np.int64)
    width = np.clip(np.round(np.sqrt(area / aspect)), 1, _SIZE).astype(np.int64)
    top = random.integers(0, _SIZE - height + 1)
    left = random.integers(0, _SIZE - width + 1)
    boxes = np.stack([top, left, height * chosen, width * chosen], axis=1)
    return random.integers(0, 256, (count, _SIZE, _SIZE), dtype=np.uint8), boxes


def draw_cutouts(recipe: Recipe, step: int, count: int) -> NDArray[np.int64]:
    """The boxes to cover, (count, 4); a part of one may lie outside the image."""
    centres = stream(recipe.seed, "cutout", step).integers(0, _SIZE, (count, 2))
    sides = np.full((count, 2), recipe.cutout)
    return np.concatenate([centres - recipe.cutout // 2, sides], axis=1)


def draw_mix(recipe: Recipe, step: int, count: int) -> Mix | None:
    """How to mix the batch by CutMix; None for a step that mixes nothing.

    Source: Yun et al. 2019, arXiv 1905.04899, with a share uniform in 0..1.
    """
    random = stream(recipe.seed, "cutmix", step) if recipe.cutmix else None
    if random is None or random.random() >= recipe.cutmix:
        return None
    partner, share = random.permutation(count), random.random(count)
    half = np.sqrt(1 - share) * _SIZE / 2
    centre = random.random((2, count)) * _SIZE
    low = np.clip(np.round(centre - half), 0, _SIZE).astype(np.int64)
    high = np.clip(np.round(centre + half), 0, _SIZE).astype(np.int64)
    share = 1 - (high - low).prod(axis=0) / _SIZE**2
    return Mix(partner, share.astype(np.float32), np.concatenate([low, high - low]).T)
