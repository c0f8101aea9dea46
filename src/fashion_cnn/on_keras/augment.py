"""Augmentation of whole batches in numpy; what it draws is in `training/draws.py`."""

import numpy as np
from numpy.typing import NDArray

from fashion_cnn.recipes.recipe import Recipe
from fashion_cnn.training.draws import (
    MEAN_GREY,
    draw_cutouts,
    draw_degrees,
    draw_erasures,
    draw_mix,
    draw_shifts,
)

Images = NDArray[np.uint8]

_SIZE = 28


def augment(
    images: Images,
    labels: NDArray[np.int64],
    recipe: Recipe,
    step: int,
    mirrored: NDArray[np.bool_] | None,
    classes: int,
) -> tuple[Images, NDArray[np.float32]]:
    """Apply what the recipe asks for: rotate, flip, translate, erase, cut out, then mix.

    The same draws and pixels as PyTorch's `augment`; a turned pixel may round to the next grey.

    Args:
        images: (N, 28, 28) uint8, a whole batch.
        labels: (N,) int64.
        recipe: its `rotate`, `translate`, `erase`, `cutout`, `cutmix` and `seed`; all but the
            mixing is only for the classes in its `augment_classes`, if any are named.
        step: counted from 0 over the run; with the seed it decides every draw.
        mirrored: (N,) bool, what to flip, see `mirrored_in`; None for nothing.
        classes: how many there are.

    Returns:
        (N, 28, 28) uint8 and the shares of the classes, (N, classes) float32.
    """
    count, plain = len(images), images
    shares = np.eye(classes, dtype=np.float32)[labels]
    if recipe.rotate:
        images = rotate(images, draw_degrees(recipe, step, count))
    if mirrored is not None:
        images = np.where(mirrored[:, None, None], images[:, :, ::-1], images)
    if recipe.translate:
        images = translate(images, draw_shifts(recipe, step, count))
    if recipe.erase:
        images = paste(images, *draw_erasures(recipe, step, count))
    if recipe.cutout:
        boxes = draw_cutouts(recipe, step, count)
        images = paste(images, np.full_like(images, MEAN_GREY), boxes)
    if recipe.augment_classes:
        chosen = np.isin(labels, recipe.augment_classes)
        images = np.where(chosen[:, None, None], images, plain)
    if mix := draw_mix(recipe, step, count):
        share = mix.share[:, None]
        images = paste(images, images[mix.partner], mix.boxes)
        shares = share * shares + (1 - share) * shares[mix.partner]
    return images, shares.astype(np.float32, copy=False)


def translate(images: Images, shifts: NDArray[np.int64]) -> Images:
    """Shift each image, (N, 2) pixels down and right; the border reflects."""
    source = np.abs(np.arange(_SIZE)[None, :, None] - shifts[:, None, :])  # (N, 28, 2)
    source = np.minimum(source, 2 * (_SIZE - 1) - source)
    rows, columns = source[:, :, None, 0], source[:, None, :, 1]
    return images[np.arange(len(images))[:, None, None], rows, columns]


def rotate(images: Images, degrees: NDArray[np.float32]) -> Images:
    """Turn each image about its centre, counter-clockwise."""
    radians = np.deg2rad(degrees)
    cos, sin, zero = np.cos(radians), np.sin(radians), np.zeros_like(radians)
    return warp(images, np.stack([cos, -sin, zero, sin, cos, zero], axis=1).reshape(-1, 2, 3))


def warp(images: Images, maps: NDArray[np.float32]) -> Images:
    """Resample each image through an affine map, bilinear, black where nothing was.

    Args:
        images: (N, 28, 28) uint8.
        maps: (N, 2, 3) float32, from (x, y, 1) of a pixel to where its value is taken, both from
            -1 at the image's left and upper edge to 1 at the other.
    """
    centres = (2 * np.arange(_SIZE, dtype=np.float32) + 1) / _SIZE - 1
    y, x = np.meshgrid(centres, centres, indexing="ij")
    places = maps @ np.stack([x, y, np.ones_like(x)]).reshape(3, -1)  # (N, 2, 784)
    places = ((places.reshape(-1, 2, _SIZE, _SIZE) + 1) * _SIZE - 1) / 2
    columns, rows = places[:, 0], places[:, 1]
    left, top = np.floor(columns), np.floor(rows)
    padded = np.pad(images, ((0, 0), (1, 1), (1, 1))).astype(np.float32)
    index = np.arange(len(images))[:, None, None]
    warped = np.zeros(images.shape, np.float32)
    for down in (0, 1):
        for right in (0, 1):
            weight = (1 - np.abs(rows - top - down)) * (1 - np.abs(columns - left - right))
            row = np.clip(top + down, -1, _SIZE).astype(np.int64) + 1
            column = np.clip(left + right, -1, _SIZE).astype(np.int64) + 1
            warped += weight * padded[index, row, column]
    return np.round(warped).astype(np.uint8)


def paste(images: Images, others: Images, boxes: NDArray[np.int64]) -> Images:
    """Replace a rectangle of each image by the same rectangle of another.

    Args:
        images, others: (N, 28, 28) uint8.
        boxes: (N, 4) int64 top, left, height, width; what lies outside the image is cut off, and
            an empty box leaves the image alone.
    """
    position = np.arange(_SIZE)[None, :]
    top, left, height, width = boxes.T[:, :, None]
    rows = (position >= top) & (position < top + height)
    columns = (position >= left) & (position < left + width)
    return np.where(rows[:, :, None] & columns[:, None, :], others, images)
