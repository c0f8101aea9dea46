"""What every form is read into: images and labels a part, whatever shape they were kept in."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fashion_cnn.data.framing import GREY, SIDE, shrink
from fashion_cnn.errors import DataError, UsageError

ONE_IMAGE = ((28, 28), (28, 28, 1))
_LAYOUTS = ((28, 28), (784,), (1, 28, 28), (3, 28, 28), (28, 28, 1), (28, 28, 3))
"""Of an array of one image, and of each in an array of several."""

_LEAST_SIDE, _MOST_SIDE = 8, 512
_OVERSHOOT = 0.1
"""Of floats from 0 to 1, beyond both: rounding, and what enlarging them adds."""
_BLACK = 1.5
"""Floats from 0 to less than this would be rounded to 0 and 1: no pixels of either range."""
_AT_ONCE = 256  # images of another size that are averaged together


class UnlabelledError(DataError):
    """A file has images and no labels, as the test files of a competition."""


@dataclass(frozen=True, eq=False)
class Part:
    """One part of a data set, as its files have it.

    Attributes:
        images: uint8 (N, 28, 28).
        labels: int64 (N,), the values in the file, which need not begin with 0.
    """

    images: NDArray[np.uint8]
    labels: NDArray[np.int64]

    def select(self, indices: NDArray[np.int64]) -> "Part":
        """Copy the images and labels at `indices`, int64 (M,)."""
        return Part(self.images[indices], self.labels[indices])


@dataclass(frozen=True, eq=False)
class Labelled:
    """A data set in another form than ours.

    Attributes:
        parts: by "train", "validation" and "test"; at least "train".
        names: of classes, by the values of their labels; empty where the files name none.
        notes: lines for people: what was changed on the way, and what was passed over.
    """

    parts: Mapping[str, Part]
    names: Mapping[int, str]
    notes: tuple[str, ...] = ()


def to_images(found: NDArray[Any], where: str) -> tuple[NDArray[np.uint8], str]:
    """Bring images of any usual layout and number type to uint8 (N, 28, 28).

    Args:
        found: (N, 28, 28), (N, 784), or with 1 or 3 channels before or behind; or squares of
            another side from 8 to 512, which are averaged over areas. Whole numbers or floats from
            0 to 255, or floats from 0 to 1.
        where: the file, for errors.

    Returns:
        The images, and a line on what was changed; "" for nothing.

    Raises:
        DataError: another shape or range.
    """
    notes = []
    shape = found.shape
    if found.ndim == 2 and shape[1] == SIDE * SIDE:
        found = found.reshape(-1, SIDE, SIDE)
    elif found.ndim == 4 and shape[1] in (1, 3) and shape[2] == shape[3]:
        found = np.moveaxis(found, 1, -1)
    if found.ndim == 4 and found.shape[-1] == 1:
        found = found[..., 0]
    colours = found.ndim == 4 and found.shape[3] == 3
    side, wide = found.shape[1:3] if found.ndim == 3 or colours else (0, 0)
    if side != wide or not _LEAST_SIDE <= side <= _MOST_SIDE:
        raise DataError(
            f"{where} has images of shape {shape[1:]}; this is for {SIDE}x{SIDE}, or squares of "
            f"{_LEAST_SIDE} to {_MOST_SIDE} pixels, with a channel or three"
        )
    if found.dtype.kind not in "buif":
        raise DataError(f"{where} has images of type {found.dtype}, which are no pixels")
    low, high = (found.min(), found.max()) if found.size else (0, 0)
    shares = found.dtype.kind in "bf" and low >= -_OVERSHOOT and high <= 1 + _OVERSHOOT
    if not (np.isfinite(low) and np.isfinite(high) and (low >= 0 or shares) and high <= 255):
        before = "; give them as they are before normalisation" if low < 0 else ""
        raise DataError(
            f"{where} has pixels from {low} to {high}; they must be within 0 to 255{before}"
        )
    if found.dtype.kind == "f" and not shares and high < _BLACK:
        raise DataError(
            f"{where} has pixels from {low} to {high}; they must be from 0 to 1, or from 0 to 255"
        )
    if shares:
        found = found.clip(0, 1) * np.float32(255)
        notes.append("pixels from 0 to 1 times 255")
    if colours:
        found = found @ GREY
        notes.append("three channels made grey")
    if side != SIDE:
        found = _averaged(found)
        notes.append(f"{side}x{side} pixels averaged to {SIDE}x{SIDE}")
    if found.dtype.kind == "f":
        found = found.round()
    return np.ascontiguousarray(found.astype(np.uint8)), ", ".join(notes)


def images_in(pixels: NDArray[Any]) -> NDArray[np.uint8] | None:
    """Images of the data set's kind, uint8 (N, 28, 28), as any array holds them; None for a photo.

    Args: pixels: one image, or several as `to_images` takes them; those of another side with an
        axis of channels.

    Raises:
        UsageError: numbers that are no pixels.
    """
    if pixels.shape in ONE_IMAGE:
        pixels = pixels[np.newaxis]
    if pixels.shape[1:] not in _LAYOUTS and pixels.ndim != 4:
        return None
    try:
        return to_images(pixels, "the array")[0]
    except DataError as error:
        raise UsageError(str(error)) from None


def _averaged(images: NDArray[Any]) -> NDArray[np.float32]:
    """Images of another size as (N, 28, 28), some at a time: all as float64 may not fit."""
    small = np.empty((len(images), SIDE, SIDE), np.float32)
    for first in range(0, len(images), _AT_ONCE):
        some = slice(first, first + _AT_ONCE)
        small[some] = shrink(images[some].astype(np.float64), (SIDE, SIDE))
    return small


def to_labels(found: NDArray[Any], count: int, where: str) -> NDArray[np.int64]:
    """Bring labels to int64 (N,): whole numbers of any type, a column of them, or one-hot rows.

    Raises:
        DataError: another shape, several classes an image, no whole numbers, or not `count`.
    """
    if found.ndim == 2 and found.shape[1] == 1:
        found = found[:, 0]
    elif found.ndim == 2 and found.dtype.kind in "buif":
        if not (np.isin(found, (0, 1)).all() and (found.sum(axis=1) == 1).all()):
            raise DataError(
                f"{where} has {found.shape[1]} labels an image; this is for one class an image"
            )
        found = found.argmax(axis=1)
    if found.ndim != 1 or found.dtype.kind not in "buif":
        raise DataError(f"{where} has labels of type {found.dtype} and shape {found.shape}")
    if len(found) != count:
        raise DataError(f"{where} has {len(found)} labels for {count} images")
    exact = found.dtype.kind != "f" or (np.abs(found) < np.float64(1 << 53)).all()  # NaN is not
    labels = found.astype(np.int64) if exact else -np.ones(count, np.int64)
    if (labels != found).any() or (labels < 0).any():
        raise DataError(f"{where} has labels that are no whole numbers from 0 on")
    return labels
