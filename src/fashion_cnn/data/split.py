"""Images with labels, and the seeded, stratified ways to divide them."""

import hashlib
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fashion_cnn.classifier import Teacher
from fashion_cnn.data.randomness import stream
from fashion_cnn.errors import DataError, UsageError
from fashion_cnn.recipes.recipe import Recipe


@dataclass(frozen=True, eq=False)
class Split:
    """Images and their labels.

    Attributes:
        images: uint8 (N, 28, 28), 0 is the black background.
        labels: int64 (N,), positions in `class_names`.
        class_names: of all classes, also those that no image here is of.

    Raises:
        DataError: a wrong dtype, shape or label, or lengths that differ.
    """

    images: NDArray[np.uint8]
    labels: NDArray[np.int64]
    class_names: tuple[str, ...]

    def __post_init__(self) -> None:
        if self.images.dtype != np.uint8 or self.images.shape[1:] != (28, 28):
            raise DataError(
                f"images are {self.images.dtype} {self.images.shape}, not uint8 (N, 28, 28)"
            )
        if self.labels.dtype != np.int64 or self.labels.shape != self.images.shape[:1]:
            raise DataError(
                f"labels are {self.labels.dtype} {self.labels.shape} "
                f"for {len(self.images)} images, not int64 ({len(self.images)},)"
            )
        last = len(self.class_names) - 1
        if len(self.labels) and not 0 <= self.labels.min() <= self.labels.max() <= last:
            raise DataError(
                f"labels run from {self.labels.min()} to {self.labels.max()}, not 0-{last}"
            )

    def __len__(self) -> int:
        return len(self.labels)

    def select(self, indices: NDArray[np.int64]) -> "Split":
        """Copy the images and labels at `indices`, int64 (M,)."""
        return Split(self.images[indices], self.labels[indices], self.class_names)


@dataclass(frozen=True, eq=False)
class TrainingData:
    """What training sees: a training and a validation part of the training images.

    Attributes:
        training, validation: the two parts, disjoint.
        training_indices, validation_indices: int64 (N,) positions in the files, ascending.
        teacher: the model whose probabilities are learned too, with the recipe's `distill` as
            weight; None without one.
        ground: grey value of the images' background, 0 or 255.
    """

    training: Split
    validation: Split
    training_indices: NDArray[np.int64]
    validation_indices: NDArray[np.int64]
    teacher: Teacher | None = None
    ground: int = 0

    def fingerprint(self) -> str:
        """Digest which images are in which part: 16 hexadecimal digits."""
        digest = hashlib.sha256()
        for indices in (self.training_indices, self.validation_indices):
            digest.update(len(indices).to_bytes(8, "big") + indices.astype(">i8").tobytes())
        return digest.hexdigest()[:16]


def divide(
    split: Split,
    *,
    validation: float = Recipe.validation,
    seed: int = Recipe.seed,
    train_images: int = Recipe.train_images,
) -> TrainingData:
    """Divide the training files into a training and a validation part, both stratified by class.

    >>> images = np.zeros((20, 28, 28), np.uint8)
    >>> data = divide(Split(images, np.arange(20) % 2, ("a", "b")))
    >>> len(data.training), len(data.validation)
    (18, 2)

    Args:
        split: all images of the training files.
        validation: the share kept for validation, above 0 and below 1.
        train_images: how many of the rest to train on, >= 0; 0 for all of them.
        seed: >= 0; the same seed gives the same parts.

    Returns:
        `.training` and `.validation`, each a `Split`; `.training_indices` and
        `.validation_indices`, int64 positions in `split`.

    Raises:
        UsageError: a part would be empty, `train_images` is more than there are, or it or `seed` is
            below 0.
    """
    if min(seed, train_images) < 0:
        raise UsageError(f"seed is {seed}, train_images {train_images}; both must be at least 0")
    everything = np.arange(len(split))
    count = round(validation * len(split))
    if not 0 < count < len(split):
        raise UsageError(
            f"a validation share of {validation:.3g} of {len(split)} images leaves a part empty; "
            "give another --validation"
        )
    held_out = stratified_sample(split.labels, count, seed, "validation")
    rest = np.setdiff1d(everything, held_out)
    if train_images > len(rest):
        raise UsageError(
            f"train_images is {train_images}; {len(rest)} images are left to train on beside the "
            f"{count} of validation; ask for at most {len(rest)}, or 0 for all"
        )
    if train_images:
        rest = rest[stratified_sample(split.labels[rest], train_images, seed, "train_images")]
    return TrainingData(split.select(rest), split.select(held_out), rest, held_out)


def stratified_sample(
    labels: NDArray[np.int64], count: int, seed: int, purpose: str
) -> NDArray[np.int64]:
    """Choose `count` positions at random, each class in proportion to its share.

    A class's quota is rounded down; the places left go to the largest remainders.

    Returns:
        int64 (count,) ascending positions in `labels`.
    """
    classes, sizes = np.unique(labels, return_counts=True)
    quotas = sizes * count / len(labels)
    taken = np.floor(quotas).astype(np.int64)
    remainders = np.argsort(taken - quotas, kind="stable")
    taken[remainders[: count - taken.sum()]] += 1
    chosen = [
        stream(seed, purpose, int(label)).permutation(np.flatnonzero(labels == label))[:quota]
        for label, quota in zip(classes, taken, strict=True)
    ]
    return np.sort(np.concatenate(chosen))


def epoch_order(count: int, seed: int, epoch: int) -> NDArray[np.int64]:
    """Shuffle the positions of `count` images for one epoch (counted from 0): int64 (count,)."""
    return stream(seed, "order", epoch).permutation(count)
