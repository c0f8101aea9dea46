"""Augmentation of whole batches on the device; what it draws is in `training/draws.py`."""

import math
from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from fashion_cnn.on_torch.imitate import outliers, photo_like
from fashion_cnn.recipes.recipe import Recipe
from fashion_cnn.training.draws import (
    MEAN_GREY,
    draw_cutouts,
    draw_degrees,
    draw_erasures,
    draw_mix,
    draw_shifts,
)


def augment(
    images: Tensor,
    labels: Tensor,
    recipe: Recipe,
    step: int,
    mirrored: Tensor | None,
    class_names: Sequence[str],
) -> tuple[Tensor, Tensor]:
    """Apply what the recipe asks for: rotate, flip, translate, erase, cut out, mix, imitate photos.

    Args:
        images: (N, 28, 28) uint8, a whole global batch.
        labels: (N,) int64.
        recipe: its `rotate`, `translate`, `erase`, `cutout`, `cutmix`, `outliers`, `photo` and
            `seed`; all up to the mixing is only for the classes in its `augment_classes`, if any
            are named.
        step: counted from 0 over the run; with the seed it decides every draw.
        mirrored: (N,) bool, what to flip, see `mirrored_in`; None for nothing.
        class_names: of the C classes.

    Returns:
        (N, 28, 28) uint8 and labels, on the same device; what came in if nothing is asked for.
        Mixed labels, and all of a batch with outliers, are (N, C) float32, each row the shares of
        the classes.
    """
    count, plain = len(images), images
    if recipe.rotate:
        images = rotate(images, _to(images, draw_degrees(recipe, step, count)))
    if mirrored is not None:
        images = flip(images, mirrored)
    if recipe.translate:
        images = translate(images, _to(images, draw_shifts(recipe, step, count)))
    if recipe.erase:
        noise, boxes = draw_erasures(recipe, step, count)
        images = paste(images, _to(images, noise), _to(images, boxes))
    if recipe.cutout:
        boxes = draw_cutouts(recipe, step, count)
        images = paste(images, torch.full_like(images, MEAN_GREY), _to(images, boxes))
    if recipe.augment_classes:  # after the draws, so that an image's own do not depend on others
        chosen = torch.isin(labels, labels.new_tensor(recipe.augment_classes))
        images = torch.where(chosen[:, None, None], images, plain)
    if mix := draw_mix(recipe, step, count):
        partner, share = _to(images, mix.partner), _to(images, mix.share)
        images = paste(images, images[partner], _to(images, mix.boxes))
        ours = F.one_hot(labels, len(class_names)).float()
        labels = share[:, None] * ours + (1 - share[:, None]) * ours[partner]
    if recipe.outliers:
        images, labels = outliers(images, labels, recipe.outliers, recipe.seed, step, class_names)
    if recipe.photo:
        images = photo_like(images, labels, recipe.photo, recipe.seed, step, class_names)
    return images, labels


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


def _to(like: Tensor, array: np.ndarray) -> Tensor:
    return torch.from_numpy(array).to(like.device)
