"""Augmentation of whole batches, a pure function of (seed, step, index).

Each operation draws from a stream of its own, so switching one on leaves the others as they were.
"""

import math

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from fashion_cnn.data.randomness import stream
from fashion_cnn.recipes.recipe import Recipe

_ERASED_AREA = (0.02, 0.4)  # of the image; both from Zhong et al. 2017, arXiv 1708.04896, sec. 5
_ERASED_LOG_ASPECT = (math.log(0.3), -math.log(0.3))


def augment(images: Tensor, recipe: Recipe, step: int) -> Tensor:
    """Apply what the recipe asks for: rotate, then flip and translate, then erase.

    Args:
        images: (N, 28, 28) uint8, a whole global batch.
        recipe: its `flip`, `translate`, `rotate`, `erase` and `seed`.
        step: counted from 0 over the run; with the seed it decides every draw.

    Returns:
        (N, 28, 28) uint8 on the same device; `images` itself if nothing is asked for.
    """
    count, seed = len(images), recipe.seed
    if recipe.rotate:
        degrees = stream(seed, "rotate", step).uniform(-recipe.rotate, recipe.rotate, count)
        images = rotate(images, _to(images, degrees.astype(np.float32)))
    if recipe.flip:
        images = flip(images, _to(images, stream(seed, "flip", step).random(count) < 0.5))
    if recipe.translate:
        reach = recipe.translate
        shifts = stream(seed, "translate", step).integers(-reach, reach + 1, (count, 2))
        images = translate(images, _to(images, shifts))
    if recipe.erase:
        images = erase(images, *_draw_erasures(images, recipe, step))
    return images


def flip(images: Tensor, chosen: Tensor) -> Tensor:
    """Mirror the chosen images left to right: (N, 28, 28) uint8, (N,) bool."""
    return torch.where(chosen[:, None, None], images.flip(2), images)


def translate(images: Tensor, shifts: Tensor) -> Tensor:
    """Shift each image; what enters at a border is the image reflected there.

    Args:
        images: (N, 28, 28) uint8.
        shifts: (N, 2) int64 pixels down and right, each from -27 to 27.
    """
    count, size = len(images), images.shape[1]
    position = torch.arange(size, device=images.device)
    source = (position[None, :, None] - shifts[:, None, :]).abs()  # (N, 28, 2)
    source = torch.minimum(source, 2 * (size - 1) - source)
    rows, columns = source[:, :, 0], source[:, :, 1]
    index = torch.arange(count, device=images.device)
    return images[index[:, None, None], rows[:, :, None], columns[:, None, :]]


def rotate(images: Tensor, degrees: Tensor) -> Tensor:
    """Turn each image about its centre, counter-clockwise, bilinear, black where nothing was.

    Args:
        images: (N, 28, 28) uint8.
        degrees: (N,) float32.
    """
    radians = degrees * (math.pi / 180)
    cos, sin, zero = radians.cos(), radians.sin(), torch.zeros_like(radians)
    rows = torch.stack([cos, -sin, zero, sin, cos, zero], dim=1).view(-1, 2, 3)
    grid = F.affine_grid(rows, [len(images), 1, *images.shape[1:]], align_corners=False)
    turned = F.grid_sample(images[:, None].float(), grid, align_corners=False)
    return turned[:, 0].round().to(torch.uint8)


def erase(images: Tensor, boxes: Tensor, noise: Tensor) -> Tensor:
    """Fill a rectangle of each image.

    Args:
        images: (N, 28, 28) uint8.
        boxes: (N, 4) int64 top, left, height, width; an empty box leaves the image alone.
        noise: (N, 28, 28) uint8, what the rectangle is filled with.
    """
    position = torch.arange(images.shape[1], device=images.device)[None, :]
    top, left, height, width = boxes.T[:, :, None]
    rows = (position >= top) & (position < top + height)
    columns = (position >= left) & (position < left + width)
    return torch.where(rows[:, :, None] & columns[:, None, :], noise, images)


def _draw_erasures(images: Tensor, recipe: Recipe, step: int) -> tuple[Tensor, Tensor]:
    """Draw the boxes and the noise of one step's random erasing, as the paper does.

    A rectangle that would not fit is cut to the image; the paper draws again.
    """
    random, count, size = stream(recipe.seed, "erase", step), *images.shape[:2]
    chosen = random.random(count) < recipe.erase
    area = random.uniform(*_ERASED_AREA, count) * size * size
    aspect = np.exp(random.uniform(*_ERASED_LOG_ASPECT, count))
    height = np.clip(np.round(np.sqrt(area * aspect)), 1, size).astype(np.int64)
    width = np.clip(np.round(np.sqrt(area / aspect)), 1, size).astype(np.int64)
    top = random.integers(0, size - height + 1)
    left = random.integers(0, size - width + 1)
    boxes = np.stack([top, left, height * chosen, width * chosen], axis=1)
    noise = random.integers(0, 256, tuple(images.shape), dtype=np.uint8)
    return _to(images, boxes), _to(images, noise)


def _to(like: Tensor, array: np.ndarray) -> Tensor:
    return torch.from_numpy(array).to(like.device)
