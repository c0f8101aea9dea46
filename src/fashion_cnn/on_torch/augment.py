"""Augmentation of whole batches, a pure function of (seed, epoch, step, index).

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
# Turn, shear along x and y, shift along x and y at magnitude 30; radians, and shares of half the
# image. Source: torchvision's RandAugment, which has them from Cubuk et al. 2019, arXiv 1909.13719.
_STRONGEST = np.array([math.radians(30), 0.3, 0.3, 300 / 331, 300 / 331])
_MEAN_GREY = 73  # of the training images: what normalises to zero
_CLASSES = 10


def augment(
    images: Tensor, labels: Tensor, recipe: Recipe, step: int, mirrored: Tensor | None
) -> tuple[Tensor, Tensor]:
    """Apply what the recipe asks for: warp, flip, translate, erase, cut out, then mix.

    Args:
        images: (N, 28, 28) uint8, a whole global batch.
        labels: (N,) int64.
        recipe: its `rotate`, `randaugment`, `magnitude`, `translate`, `erase`, `cutout`, `cutmix`,
            `mixup` and `seed`; all but the mixing is only for the classes in its
            `augment_classes`, if any are named.
        step: counted from 0 over the run; with the seed it decides every draw.
        mirrored: (N,) bool, what to flip, see `mirrored_in`; None for nothing.

    Returns:
        (N, 28, 28) uint8 and labels, on the same device; what came in if nothing is asked for.
        Mixed labels are (N, 10) float32, each row the shares of the classes.
    """
    count, seed, plain = len(images), recipe.seed, images
    if recipe.rotate:
        degrees = stream(seed, "rotate", step).uniform(-recipe.rotate, recipe.rotate, count)
        images = rotate(images, _to(images, degrees.astype(np.float32)))
    if recipe.randaugment:
        images = warp(images, _to(images, _draw_warps(count, recipe, step)))
    if mirrored is not None:
        images = flip(images, mirrored)
    if recipe.translate:
        reach = recipe.translate
        shifts = stream(seed, "translate", step).integers(-reach, reach + 1, (count, 2))
        images = translate(images, _to(images, shifts))
    if recipe.erase:
        images = paste(images, *_draw_erasures(images, recipe, step))
    if recipe.cutout:
        corners = stream(seed, "cutout", step).integers(0, 28, (count, 2)) - recipe.cutout // 2
        boxes = np.concatenate([corners, np.full((count, 2), recipe.cutout)], axis=1)
        images = paste(images, torch.full_like(images, _MEAN_GREY), _to(images, boxes))
    if recipe.augment_classes:  # after the draws, so that an image's own do not depend on others
        chosen = torch.isin(labels, labels.new_tensor(recipe.augment_classes))
        images = torch.where(chosen[:, None, None], images, plain)
    for kind, probability in (("cutmix", recipe.cutmix), ("mixup", recipe.mixup)):
        random = stream(seed, kind, step)
        if probability and random.random() < probability and labels.ndim == 1:
            images, labels = _mix(kind, images, labels, random)
    return images, labels


def mirrored_in(epoch: int, count: int, seed: int) -> np.ndarray:
    """Which of `count` images an epoch (counted from 0) shows mirrored: (count,) bool.

    A coin decides in epoch 0; after that every image alternates, so that two epochs show both
    sides of each. Source: K. Jordan 2024, arXiv 2404.00498, sec. 3.6.
    """
    return (stream(seed, "flip").random(count) < 0.5) ^ bool(epoch % 2)


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
    """Turn each image about its centre, counter-clockwise.

    Args:
        images: (N, 28, 28) uint8.
        degrees: (N,) float32.
    """
    radians = degrees * (math.pi / 180)
    cos, sin, zero = radians.cos(), radians.sin(), torch.zeros_like(radians)
    return warp(images, torch.stack([cos, -sin, zero, sin, cos, zero], dim=1).view(-1, 2, 3))


def warp(images: Tensor, maps: Tensor) -> Tensor:
    """Resample each image through an affine map, bilinear, black where nothing was.

    Args:
        images: (N, 28, 28) uint8.
        maps: (N, 2, 3) float32, from (x, y, 1) of a pixel to where its value is taken, both from
            -1 at the image's left and upper edge to 1 at the other.
    """
    grid = F.affine_grid(maps, [len(images), 1, *images.shape[1:]], align_corners=False)
    warped = F.grid_sample(images[:, None].float(), grid, align_corners=False)
    return warped[:, 0].round().to(torch.uint8)


def paste(images: Tensor, others: Tensor, boxes: Tensor) -> Tensor:
    """Replace a rectangle of each image by the same rectangle of another.

    Args:
        images, others: (N, 28, 28) uint8.
        boxes: (N, 4) int64 top, left, height, width; what lies outside the image is cut off, and
            an empty box leaves the image alone.
    """
    position = torch.arange(images.shape[1], device=images.device)[None, :]
    top, left, height, width = boxes.T[:, :, None]
    rows = (position >= top) & (position < top + height)
    columns = (position >= left) & (position < left + width)
    return torch.where(rows[:, :, None] & columns[:, None, :], others, images)


def blend(images: Tensor, others: Tensor, shares: Tensor) -> Tensor:
    """Mix two images pixel by pixel: (N, 28, 28) uint8 twice, (N,) float32 of the first."""
    share = shares[:, None, None]
    return (share * images + (1 - share) * others).round().to(torch.uint8)


def _mix(
    kind: str, images: Tensor, labels: Tensor, random: np.random.Generator
) -> tuple[Tensor, Tensor]:
    """Mix each image and its label with another of the batch, in shares uniform in 0..1.

    Sources: cutmix, Yun et al. 2019, arXiv 1905.04899; mixup, Zhang et al. 2017, arXiv 1710.09412.
    """
    count, size = len(images), images.shape[1]
    partner = _to(images, random.permutation(count))
    share = random.random(count)
    if kind == "cutmix":
        half = np.sqrt(1 - share) * size / 2
        centre = random.random((2, count)) * size
        low = np.clip(np.round(centre - half), 0, size).astype(np.int64)
        high = np.clip(np.round(centre + half), 0, size).astype(np.int64)
        images = paste(images, images[partner], _to(images, np.concatenate([low, high - low]).T))
        share = 1 - (high - low).prod(axis=0) / size**2
        weight = _to(images, share.astype(np.float32))
    else:
        weight = _to(images, share.astype(np.float32))
        images = blend(images, images[partner], weight)
    ours = F.one_hot(labels, _CLASSES).float()
    return images, weight[:, None] * ours + (1 - weight[:, None]) * ours[partner]


def _draw_warps(count: int, recipe: Recipe, step: int) -> np.ndarray:
    """Chain `randaugment` operations an image, each of the five or none: (N, 2, 3) float32.

    RandAugment without its operations on colours: as many draws of equal strength, either sign.
    """
    random = stream(recipe.seed, "randaugment", step)
    whole = np.tile(np.eye(3), (count, 1, 1))
    for _ in range(recipe.randaugment):
        drawn = random.integers(0, len(_STRONGEST) + 1, count)[:, None] == range(len(_STRONGEST))
        sign = random.choice((-1, 1), (count, 1))
        turn, shear_x, shear_y, right, down = (drawn * sign * _STRONGEST * recipe.magnitude / 30).T
        rows = [np.cos(turn), shear_x - np.sin(turn), right, shear_y + np.sin(turn), np.cos(turn)]
        one = np.tile(np.eye(3), (count, 1, 1))
        one[:, :2] = np.stack([*rows, down], axis=1).reshape(-1, 2, 3)
        whole = whole @ one
    return whole[:, :2].astype(np.float32)


def _draw_erasures(images: Tensor, recipe: Recipe, step: int) -> tuple[Tensor, Tensor]:
    """Draw the noise and the boxes of one step's random erasing, as the paper does.

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
    return _to(images, noise), _to(images, boxes)


def _to(like: Tensor, array: np.ndarray) -> Tensor:
    return torch.from_numpy(array).to(like.device)
