"""What evaluation, reports and serving know of a model: images in, logits out."""

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from fashion_cnn.errors import UsageError


class Classifier(Protocol):
    """Anything that scores images: a PyTorch, Keras or ONNX model."""

    def logits(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Score images.

        Args:
            images: (N, 28, 28) uint8, 0 = black background as in the data set, any N >= 0.

        Returns:
            (N, C) float32, a column a class: unnormalised log-probabilities.

        Raises:
            UsageError: another dtype or shape.
        """
        ...


def with_mirror_images(
    classifier: Classifier, images: NDArray[np.uint8], logits: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Test-time augmentation: the mean of the logits of images and of their mirror images, (N, C).

    Args: logits: those of `images` as they are.
    """
    return (logits + classifier.logits(np.flip(images, axis=2))) * np.float32(0.5)


class Teacher(Protocol):
    """Whose answers a training learns."""

    def probabilities(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Score images, as `Classifier.logits` does: (N, C) float32, calibrated probabilities."""
        ...


def check_images(images: NDArray[np.uint8]) -> None:
    """Raise `UsageError` unless `images` is a uint8 array of shape (N, 28, 28)."""
    if not isinstance(images, np.ndarray) or images.dtype != np.uint8:
        found = getattr(images, "dtype", type(images).__name__)
        raise UsageError(f"images are {found}; a classifier takes uint8 pixels from 0 to 255")
    if images.ndim != 3 or images.shape[1:] != (28, 28):
        raise UsageError(f"images have shape {images.shape}; a classifier takes (N, 28, 28)")
