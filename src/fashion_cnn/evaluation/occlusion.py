"""Where a classifier finds its evidence: what happens when a part of the image is covered."""

from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray

from fashion_cnn.classifier import Classifier, check_images
from fashion_cnn.evaluation.metrics import log_softmax

_PATCH, _STRIDE = 8, 4
BLOCK = _STRIDE
"""Side in pixels of the blocks that a map is constant over."""

LogProbabilities = Callable[[NDArray[np.float32]], NDArray[np.float64]]
"""Of logits (N, C)."""


def occlusion_maps(
    classifier: Classifier,
    images: NDArray[np.uint8],
    classes: NDArray[np.int64],
    log_probabilities: LogProbabilities = log_softmax,
    ground: int = 0,
) -> NDArray[np.float64]:
    """How much each pixel's neighbourhood speaks for a class.

    An 8x8 square is made as the background is, at each of 6x6 places; a pixel's value is the
    mean fall of the class's probability over the squares that cover it. It needs no more of a
    classifier than its answers, and 36 of them an image.

    Args:
        classifier: of any framework.
        images: (N, 28, 28) uint8.
        classes: int64 (N,), the class to explain of each image.
        log_probabilities: what the logits stand for; a calibration's, where there is one.
        ground: grey value of the background, 0 to 255.

    Returns:
        (N, 28, 28) from -1 to 1; negative where covering helps the class. Constant over 4x4 pixels.

    Source: Zeiler and Fergus 2013, arXiv 1311.2901.
    """
    check_images(images)
    maps = np.zeros(images.shape)
    for here, image, label in zip(maps, images, classes, strict=True):
        here[:] = occlusion_by_class(classifier, image, log_probabilities, ground)[label]
    return maps


def occlusion_by_class(
    classifier: Classifier,
    image: NDArray[np.uint8],
    log_probabilities: LogProbabilities = log_softmax,
    ground: int = 0,
) -> NDArray[np.float64]:
    """How much each pixel's neighbourhood in one image speaks for each class.

    Args: image: (28, 28) uint8; the others as in `occlusion_maps`, whose map of a class it gives.

    Returns:
        (C, 28, 28) from -1 to 1.
    """
    squares = [*_squares(len(image))]
    shown = np.repeat(image[None], 1 + len(squares), 0)
    for covered, square in zip(shown[1:], squares, strict=True):
        covered[square] = ground
    whole, *others = np.exp(log_probabilities(classifier.logits(shown)))
    total, count = np.zeros((len(whole), *image.shape)), np.zeros(image.shape)
    for square, other in zip(squares, others, strict=True):
        total[:, *square] += (whole - other)[:, None, None]
        count[square] += 1
    return total / count


def _squares(side: int) -> Iterator[tuple[slice, slice]]:
    starts = range(0, side - _PATCH + 1, _STRIDE)
    for top in starts:
        for left in starts:
            yield slice(top, top + _PATCH), slice(left, left + _PATCH)
