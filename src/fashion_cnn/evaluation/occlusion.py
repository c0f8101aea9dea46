"""Where a classifier finds its evidence: what happens when a part of the image is covered."""

import numpy as np
from numpy.typing import NDArray

from fashion_cnn.classifier import Classifier, check_images
from fashion_cnn.evaluation.metrics import log_softmax

_PATCH, _STRIDE = 8, 4
_WARM = np.array([255.0, 140.0, 40.0])
_DIM = 0.45  # of the image beneath


def occlusion_maps(
    classifier: Classifier, images: NDArray[np.uint8], classes: NDArray[np.int64]
) -> NDArray[np.float64]:
    """How much each pixel's neighbourhood speaks for a class.

    An 8x8 square is blackened, as the background is, at each of 6x6 places; a pixel's value is the
    mean fall of the class's log-probability over the squares that cover it. It needs no more of a
    classifier than its answers, and 36 of them an image.

    Args:
        classifier: of any framework.
        images: (N, 28, 28) uint8.
        classes: int64 (N,), the class to explain of each image.

    Returns:
        (N, 28, 28), natural logarithms; negative where covering helps the class.

    Source: Zeiler and Fergus 2013, arXiv 1311.2901.
    """
    check_images(images)
    every = np.arange(len(images))
    whole = log_softmax(classifier.logits(images))[every, classes]
    total, count = np.zeros(images.shape), np.zeros(images.shape[1:])
    starts = range(0, images.shape[1] - _PATCH + 1, _STRIDE)
    for top in starts:
        for left in starts:
            square = (slice(top, top + _PATCH), slice(left, left + _PATCH))
            covered = images.copy()
            covered[:, *square] = 0
            fall = whole - log_softmax(classifier.logits(covered))[every, classes]
            total[:, *square] += fall[:, None, None]
            count[square] += 1
    return total / count


def draw_maps(images: NDArray[np.uint8], maps: NDArray[np.float64]) -> NDArray[np.uint8]:
    """Lay maps (N, 28, 28) over images (N, 28, 28), each to its own scale: RGB (N, 28, 28, 3)."""
    warm = np.clip(maps, 0, None)
    warm = (warm / np.maximum(warm.max((1, 2), keepdims=True), 1e-12))[..., None]
    return np.clip(_DIM * images[..., None] * (1 - warm / 2) + _WARM * warm, 0, 255).astype(
        np.uint8
    )
