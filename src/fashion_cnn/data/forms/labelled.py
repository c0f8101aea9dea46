"""What every form is read into: images and labels a part, whatever shape they were kept in."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fashion_cnn.data.framing import SIDE
from fashion_cnn.errors import DataError

_GREY = np.array([0.299, 0.587, 0.114])
"""Source: ITU-R BT.601, as for photos."""


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

    def transposed(self) -> "Part":
        """A copy with rows and columns of the images exchanged."""
        return Part(np.ascontiguousarray(self.images.transpose(0, 2, 1)), self.labels)


@dataclass(frozen=True, eq=False)
class Labelled:
    """A data set in another form than ours.

    Attributes:
        form: what people call it, for instance "CSV".
        parts: by "train", "validation" and "test"; at least "train".
        names: of classes, by the values of their labels; empty where the files name none.
        notes: lines for people: what was changed on the way, and what was passed over.
    """

    form: str
    parts: Mapping[str, Part]
    names: Mapping[int, str]
    notes: tuple[str, ...] = ()


def to_images(found: NDArray[Any], where: str) -> tuple[NDArray[np.uint8], str]:
    """Bring images of any usual layout and number type to uint8 (N, 28, 28).

    Args:
        found: (N, 28, 28), (N, 784), or with 1 or 3 channels before or behind; whole numbers or
            floats from 0 to 255, or floats from 0 to 1.
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
    elif found.ndim == 4 and shape[1] in (1, 3) and shape[2:] == (SIDE, SIDE):
        found = np.moveaxis(found, 1, -1)
    if found.ndim == 4 and found.shape[-1] == 1:
        found = found[..., 0]
    colours = found.ndim == 4 and found.shape[1:] == (SIDE, SIDE, 3)
    if found.shape[1:] != (SIDE, SIDE) and not colours:
        raise DataError(f"{where} has images of shape {shape[1:]}; this is for {SIDE}x{SIDE}")
    if found.dtype.kind not in "buif":
        raise DataError(f"{where} has images of type {found.dtype}, which are no pixels")
    low, high = (found.min(), found.max()) if found.size else (0, 0)
    if not (np.isfinite(low) and np.isfinite(high) and low >= 0 and high <= 255):
        raise DataError(f"{where} has pixels from {low} to {high}; they must be within 0 to 255")
    if found.dtype.kind in "bf" and high <= 1:
        found = found * np.float32(255)
        notes.append("pixels from 0 to 1 times 255")
    if colours:
        found = found @ _GREY
        notes.append("three channels made grey")
    if found.dtype.kind == "f":
        found = found.round()
    return np.ascontiguousarray(found.astype(np.uint8)), ", ".join(notes)


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
