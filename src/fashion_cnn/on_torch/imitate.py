"""Training images made to look cut out of photos, and pictures of nothing among the classes.

Whole batches, a pure function of (seed, step, index), as in `augment`. The operations imitate what
photos show (docs/log.md, 2026-11-24): clothes lie askew and spread out, in folds, in any light,
shoes in pairs, and cutting out leaves some background in and some of the garment out.
"""

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from fashion_cnn.data.randomness import stream
from fashion_cnn.data.split import Split

_TROUSER, _DRESS = "Trouser", "Dress"
_SHOES = ("Sandal", "Sneaker", "Ankle boot")
_TILT = 15.0  # degrees, of anything
_SHOE_TILT = 75.0  # degrees: shoes lie about in pairs
_ASIDE, _ABOVE = 0.3, 0.3  # shares of shoes made into pairs seen from the side, from above
_SHEAR = 0.15
_NARROWEST, _WIDEST = math.log(0.8), math.log(1.6)  # clothes laid flat are wider than worn ones
_SMALLEST, _LARGEST = 0.85, 1.02  # of the longest edge that a garment should fill
_SHIFT = 0.06  # of half the picture
_BEND = 0.05  # standard deviation, of half the picture
_NO_STEP = 2**40  # what is drawn for it, no training sees
_FAULTS = 0.35  # probability of background left in, and of garment left out


def photo_like(
    images: Tensor, labels: Tensor, share: float, seed: int, step: int, class_names: Sequence[str]
) -> Tensor:
    """Bend, widen, relight, crumple and imperfectly cut out some images of a batch; pair shoes.

    Args:
        images: (N, 28, 28) uint8.
        labels: (N,) int64, or (N, C) float32 shares; says which are shoes.
        share: probability of each image, 0 to 1.
        seed, step: decide every draw.
        class_names: of the C classes; shoes are those that Fashion-MNIST calls so.

    Returns:
        (N, 28, 28) uint8; those not chosen as they were.
    """
    count, random = len(images), stream(seed, "photo", step)
    chosen = random.random(count) < share
    label = labels if labels.ndim == 1 else labels.argmax(1)
    shoes = np.isin(label.cpu().numpy(), _labels_of(class_names, _SHOES))
    bright, view = images[:, None].float(), random.random(count)
    above = _from_above(bright, random)
    bright = _paired(bright, shoes & (view < _ASIDE), random)
    bright = torch.where(_column(images, shoes & (view > 1 - _ABOVE), torch.bool), above, bright)
    mask = _closed((bright > 0).float())
    grid = _bent_grid(mask, random)
    bright = F.grid_sample(bright, grid, align_corners=False)
    mask = F.grid_sample(mask, grid, align_corners=False)

    def draw(low: float, high: float) -> Tensor:
        return _column(images, random.uniform(low, high, count))

    gamma, gain, least = draw(0.6, 1.6), draw(0.4, 1.0), draw(0, 90)
    bright = (255 - least) * (bright / 255) ** gamma * gain + least
    bright = bright * (1 + draw(0, 0.25) * _field(images, random, 7))
    bright = bright + draw(0, 20) * _to(images, random.standard_normal((count, 1, 28, 28)))
    kept = (_field(images, random, 5) < 1.3) | (draw(0, 1) > _FAULTS)
    around = F.max_pool2d(mask, 7, stride=1, padding=3) - mask
    left_in = (_field(images, random, 5) > 0.8) & (draw(0, 1) < _FAULTS)
    bright = bright.clamp(0, 255) * mask * kept + draw(10, 230) * around * left_in
    blur = draw(-0.5, 0.5).clamp(min=0)
    bright = (1 - blur) * bright + blur * F.avg_pool2d(bright, 3, stride=1, padding=1)
    changed = bright[:, 0].round().clamp(0, 255).to(torch.uint8)
    return torch.where(_to(images, chosen, torch.bool)[:, None, None], changed, images)


def as_photos(split: Split) -> Split:
    """A split whose every image is made to look cut out of a photo, always alike."""
    images, labels = torch.from_numpy(split.images), torch.from_numpy(split.labels)
    changed = photo_like(images, labels, 1.0, 0, _NO_STEP, split.class_names)
    return replace(split, images=changed.numpy())


def outliers(
    images: Tensor, labels: Tensor, share: float, seed: int, step: int, class_names: Sequence[str]
) -> tuple[Tensor, Tensor]:
    """Turn some images into what is none of the classes, each of which then is as likely.

    The upper part of trousers looks like shorts, the lower part of a dress like a skirt; others
    become a detail of themselves, or a smooth blob. Source of training on outliers: Hendrycks,
    Mazeika, Dietterich 2018, arXiv 1812.04606.

    Args:
        images: (N, 28, 28) uint8.
        labels: (N,) int64, or (N, C) float32 shares.
        share: probability of each image, 0 to 1.
        seed, step: decide every draw.
        class_names: of the C classes; trousers and dresses are those that are called so.

    Returns:
        (N, 28, 28) uint8 and (N, C) float32.
    """
    count, random = len(images), stream(seed, "outliers", step)
    chosen = random.random(count) < share
    kind = random.random(count)
    if labels.ndim == 1:
        labels = F.one_hot(labels, len(class_names)).float()
    of_class = labels.argmax(1).cpu().numpy()
    source = np.arange(count)
    size = random.uniform(0.3, 0.6, count)
    x, y = random.uniform(-1, 1, (2, count)) * (1 - size)
    for name, most, side in ((_TROUSER, 0.35, -1), (_DRESS, 0.7, 1)):
        candidates = np.flatnonzero(np.isin(of_class, _labels_of(class_names, (name,))))
        if not len(candidates):
            continue
        these = (kind < most) & (kind >= most - 0.35)
        source[these] = candidates[random.integers(0, len(candidates), these.sum())]
        size[these] = random.uniform(0.4, 0.65, these.sum())
        x[these], y[these] = 0, side * (1 - size[these])
    zero = np.zeros(count)
    rows = np.stack([size, zero, x, zero, size, y], axis=1).reshape(-1, 2, 3)
    grid = F.affine_grid(_to(images, rows), [count, 1, 28, 28], align_corners=False)
    whole = images[_to(images, source, torch.int64)][:, None].float()
    parts = F.grid_sample(whole, grid, align_corners=False)
    blobs = _blobs(images, random)
    parts = torch.where(_column(images, kind > 0.85, torch.bool), blobs, parts)
    picked = _to(images, chosen, torch.bool)
    mixed = torch.where(picked[:, None, None], parts[:, 0].round().to(torch.uint8), images)
    return mixed, torch.where(
        picked[:, None], torch.full_like(labels, 1 / len(class_names)), labels
    )


def _labels_of(class_names: Sequence[str], wanted: Sequence[str]) -> list[int]:
    return [label for label, name in enumerate(class_names) if name in wanted]


def _paired(images: Tensor, chosen: NDArray[np.bool_], random: np.random.Generator) -> Tensor:
    """Put a turned, smaller image and its mirror image side by side: (N, 1, 28, 28) float32."""
    count = len(images)
    angle = np.radians(random.uniform(-_SHOE_TILT, _SHOE_TILT, count))
    zoom, apart = random.uniform(1.4, 1.9, count), random.uniform(0.25, 0.5, count)
    cos, sin = zoom * np.cos(angle), zoom * np.sin(angle)
    pair = []
    for side in (-1, 1):
        # The second stands across the length of the first, and may face the other way.
        mirror = 1 if side < 0 else np.where(random.random(count) < 0.5, 1, -1)
        rows = [mirror * cos, mirror * -sin, 0 * cos, sin, cos, side * zoom * apart]
        theta = _to(images, np.stack(rows, axis=1).reshape(-1, 2, 3))
        grid = F.affine_grid(theta, [count, 1, 28, 28], align_corners=False)
        pair.append(F.grid_sample(images, grid, align_corners=False))
    both = torch.maximum(*pair)
    return torch.where(_column(images, chosen, torch.bool), both, images)


def _from_above(images: Tensor, random: np.random.Generator) -> Tensor:
    """Draw a pair of shoes as they look from above, in the greys of each image: (N, 1, 28, 28).

    Two tapered ovals side by side, most with the opening for the foot, upright or turned. The data
    set shows shoes from the side alone, and people photograph pairs standing on the floor.
    """
    count = len(images)

    def draw(low: float, high: float) -> Tensor:
        return _column(images, random.uniform(low, high, count))

    def toss(share: float) -> Tensor:
        return _column(images, random.random(count) < share)

    angle = torch.deg2rad(torch.where(toss(0.5) > 0, draw(-15, 15), draw(-80, 80)))
    steps = torch.linspace(-1, 1, 28, device=images.device)
    across = steps * torch.cos(angle) + steps[:, None] * torch.sin(angle)
    along = steps[:, None] * torch.cos(angle) - steps * torch.sin(angle)
    size, half, apart = draw(0.75, 1.0), draw(0.2, 0.38), draw(0.85, 1.15)
    taper, roundness, splay, ahead = draw(-0.3, 0.3), draw(2, 3), draw(-0.08, 0.08), draw(-0.1, 0.1)
    centre, length, width = draw(0.2, 0.5), draw(0.2, 0.55), draw(0.4, 0.85)
    depth = draw(-1, 1) * toss(0.8)
    shown = images > 0
    mean = images.sum((2, 3), keepdim=True) / shown.sum((2, 3), keepdim=True).clamp(min=1)
    pair = torch.zeros_like(images)
    for side in (-1, 1):
        v = (along - side * ahead) / size
        u = (across - side * (half * apart + splay * v)) / size / half / (1 + taper * v)
        oval = v.abs() ** roundness + u.abs() ** roundness < 1
        # The image lies along the shoe: its greys, with a little of their pattern.
        grid = torch.cat([v, 0.4 * side * u], dim=1).permute(0, 2, 3, 1)
        grey = F.grid_sample(images, grid, align_corners=False)
        grey = mean + 0.4 * (grey - mean) * (grey > 0)
        opening = ((v - centre * taper.sign()) / length) ** 2 + (u / width) ** 2 < 1
        pair = torch.maximum(pair, oval * (grey * (1 + depth * opening)).clamp(20, 255))
    return pair


def _bent_grid(mask: Tensor, random: np.random.Generator) -> Tensor:
    """Where each pixel comes from: (N, 28, 28, 2) in -1..1.

    A map that widens or narrows the garment, fits its longest edge to the picture again, as the
    preparation of a photo does, and tilts it; and smooth bends.
    """
    count = len(mask)
    widen = np.exp(random.uniform(_NARROWEST, _WIDEST, count))
    fill = random.uniform(_SMALLEST, _LARGEST, count)
    (left, right), (top, bottom) = (_extent(mask.amax(axis).cpu().numpy()) for axis in (2, 3))
    longest = np.maximum((right - left) * widen, bottom - top) / 2
    angle = np.radians(random.uniform(-_TILT, _TILT, count))
    shear = random.uniform(-_SHEAR, _SHEAR, count)
    shift = random.uniform(-_SHIFT, _SHIFT, (2, count))
    across, down = longest / fill / widen, longest / fill
    cos, sin = np.cos(angle), np.sin(angle)
    x, y = (left + right) / 2 + shift[0], (top + bottom) / 2 + shift[1]
    rows = [across * cos, across * (shear - sin), x, down * sin, down * cos, y]
    theta = _to(mask, np.stack(rows, axis=1).reshape(-1, 2, 3))
    grid = F.affine_grid(theta, [count, 1, 28, 28], align_corners=False)
    bends = torch.cat([_field(mask, random, 4), _field(mask, random, 4)], dim=1)
    return grid + _BEND * bends.permute(0, 2, 3, 1)


def _extent(profile: NDArray[np.float32]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Where (N, 1, 28) profiles begin and end to be more than zero, from -1 to 1; all if never."""
    inside = profile[:, 0] > 0.5
    inside |= ~inside.any(axis=1, keepdims=True)
    first, last = inside.argmax(axis=1), 28 - inside[:, ::-1].argmax(axis=1)
    return first / 14 - 1, last / 14 - 1


def _field(images: Tensor, random: np.random.Generator, knots: int) -> Tensor:
    """Smooth noise of mean 0 and, at its knots, variance 1: (N, 1, 28, 28) float32."""
    coarse = _to(images, random.standard_normal((len(images), 1, knots, knots)))
    return F.interpolate(coarse, size=(28, 28), mode="bilinear", align_corners=True)


def _blobs(images: Tensor, random: np.random.Generator) -> Tensor:
    """One rounded shape in each picture: (N, 1, 28, 28) float32, 0 to 255."""
    count = len(images)
    steps = torch.linspace(-1, 1, 28, device=images.device)
    radii = _to(images, random.uniform(0.6, 1.0, (2, count, 1, 1, 1)))
    inside = 1 - (steps[:, None] / radii[0]) ** 2 - (steps / radii[1]) ** 2
    light = _column(images, random.uniform(60, 230, count))
    light = (light * (1 + 0.3 * _field(images, random, 6))).clamp(1, 255)
    return light * (inside + 0.3 * _field(images, random, 5) > 0)


def _closed(mask: Tensor) -> Tensor:
    """Fill gaps of up to two pixels: (N, 1, 28, 28)."""
    wider = F.max_pool2d(mask, 3, stride=1, padding=1)
    return torch.maximum(mask, -F.max_pool2d(-wider, 3, stride=1, padding=1))


def _column(like: Tensor, array: NDArray[np.generic], dtype: torch.dtype = torch.float32) -> Tensor:
    """A number for each image, (N,) to (N, 1, 1, 1)."""
    return _to(like, array[:, None, None, None], dtype)


def _to(like: Tensor, array: NDArray[np.generic], dtype: torch.dtype = torch.float32) -> Tensor:
    return torch.from_numpy(array).to(like.device, dtype)
