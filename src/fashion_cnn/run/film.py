"""`Film`: what a run's network said and looked like at the end of each epoch."""

import json
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import safetensors
import safetensors.numpy
from numpy.typing import NDArray

from fashion_cnn.errors import UsageError
from fashion_cnn.files import read_bytes

IMAGES = 200
"""Validation images whose answers are kept, at most; fewer where there are many classes."""

MOST_FILMED = 40
"""Of a data set of more there is no film."""

LARGEST = 6e4
"""Of a number in a film; float16 holds little more."""

_MOST_FRAMES = 200
_MOST_ANSWERS = 2000  # images times classes: 4 kB a frame
_MOST_FILTERS, _MOST_NUMBERS = 32, 800  # of a frame's filters
_MOST_BYTES = 1 << 24  # six times the largest film


@dataclass(frozen=True, eq=False)
class Film:
    """F frames of C classes, one an epoch; of the weights that answer.

    Attributes:
        images: uint8 (K, 28, 28), of the validation part; the same in every frame.
        labels: int64 (K,).
        epoch, step: int64 (F,), ascending.
        confusion: int32 (F, C, C) of the whole validation part, a row a true class.
        logits: float16 (F, K, C) of the images.
        filters: float16 (F, N, S, S), of the first convolution that learns, on its first input;
            N is 0 for a network without one.
        training: float32 (F, 2), loss and accuracy, from 0 to 1, on some training images as they
            are: without dropout, augmentation or smoothing.
    """

    images: NDArray[np.uint8]
    labels: NDArray[np.int64]
    epoch: NDArray[np.int64]
    step: NDArray[np.int64]
    confusion: NDArray[np.int32]
    logits: NDArray[np.float16]
    filters: NDArray[np.float16]
    training: NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.epoch)

    def select(self, frames: NDArray[Any]) -> "Film":
        """Some frames, by their places or a mask."""
        return replace(self, **{name: getattr(self, name)[frames] for name in _FRAMES})

    def followed_by(self, frame: "Film") -> "Film":
        """Put a frame behind those of the epochs before it; every second, fourth, … epoch is kept
        where there are more than 200, and the last one.
        """
        film = self.select(self.epoch < frame.epoch[0])
        joined = {n: np.concatenate([getattr(film, n), getattr(frame, n)]) for n in _FRAMES}
        film, apart = replace(frame, **joined), 1
        while film.epoch[-1] > _MOST_FRAMES * apart:
            apart *= 2
        # A function of the last epoch alone: whoever resumes drops the same.
        return film.select((film.epoch % apart == 0) | (film.epoch == film.epoch[-1]))

    def to_bytes(self, fingerprint: str) -> bytes:
        """As safetensors. Args: fingerprint: of the run's recipe and data."""
        tensors = {item.name: np.ascontiguousarray(getattr(self, item.name)) for item in _FIELDS}
        return safetensors.numpy.save(tensors, {"run": fingerprint})


_FIELDS = fields(Film)
_FRAMES = [item.name for item in _FIELDS if item.name not in ("images", "labels")]
_KINDS = {
    "images": (np.uint8, 3), "labels": (np.int64, 1), "epoch": (np.int64, 1),
    "step": (np.int64, 1), "confusion": (np.int32, 3), "logits": (np.float16, 3),
    "filters": (np.float16, 4), "training": (np.float32, 2),
}  # fmt: skip


def shown_images(classes: int) -> int:
    """How many images a film of so many classes follows; 0 for those that have none."""
    return min(IMAGES, _MOST_ANSWERS // classes) if classes <= MOST_FILMED else 0


def some_filters(weights: NDArray[np.floating[Any]] | None) -> NDArray[np.float16]:
    """What a frame keeps of filters (N, channels, S, S): float16 (1, n, S, S)."""
    if weights is None:
        return np.zeros((1, 0, 1, 1), np.float16)
    count = max(1, min(_MOST_FILTERS, _MOST_NUMBERS // weights[0, 0].size))
    return weights[None, :count, 0].clip(-LARGEST, LARGEST).astype(np.float16)


def read_film(path: Path, fingerprint: str | None) -> Film | None:
    """Read a film, None without one.

    Raises:
        UsageError: it is of another run, or was altered beyond use.
    """
    if not path.exists():
        return None
    data = read_bytes(path, UsageError, _MOST_BYTES)
    try:
        tensors = safetensors.numpy.load(data)
        film = Film(**tensors)
        # What safetensors keep beside the tensors is in the header, whose length comes first.
        header = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])
        run = header["__metadata__"].get("run")
    except (safetensors.SafetensorError, KeyError, TypeError, ValueError) as error:
        raise UsageError(f"{path} is not a film as it was written ({error})") from None
    if fingerprint is not None and run != fingerprint:
        raise UsageError(f"{path} is of another recipe, seed or data set")
    if not _fits(film):
        raise UsageError(f"{path} is not a film as it was written: shapes that do not fit")
    return film


def _fits(film: Film) -> bool:
    found = {name: getattr(film, name) for name in _KINDS}
    if any((found[name].dtype, found[name].ndim) != kind for name, kind in _KINDS.items()):
        return False
    count, images, classes = len(film), len(film.labels), film.logits.shape[2]
    return (
        count > 0
        and all(len(found[name]) == count for name in _FRAMES)
        and film.images.shape == (images, 28, 28)
        and film.logits.shape[1] == images
        and film.confusion.shape[1:] == (classes, classes)
        and film.training.shape[1] == 2
        and bool((np.diff(film.epoch) > 0).all())
        and bool(((film.labels >= 0) & (film.labels < classes)).all())
        and all(np.isfinite(found[name]).all() for name in ("logits", "filters", "training"))
    )
