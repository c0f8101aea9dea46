"""A frame of a run's film: what the network says at the end of an epoch."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fashion_cnn.data.randomness import stream
from fashion_cnn.data.split import TrainingData, stratified_sample
from fashion_cnn.run.film import LARGEST, Film, shown_images, some_filters
from fashion_cnn.run.history import EpochRecord

_MOST_PLAIN = 1000  # training images scored as they are
_SHARE_PLAIN = 20  # one of so many, where there are few: what a frame costs stays beside the point


def film_epoch(
    data: TrainingData,
    record: EpochRecord,
    seed: int,
    logits: NDArray[np.floating[Any]],
    score: Callable[[NDArray[np.uint8]], NDArray[np.floating[Any]]],
    filters: NDArray[np.floating[Any]] | None,
) -> Film | None:
    """Make the frame of an epoch; None where the data have too many classes for a film.

    The images are the same in each epoch: a function of the seed.

    Args:
        data: the training and the validation part.
        record: of the epoch.
        seed: of the recipe.
        logits: (N, C) of the whole validation part, N images, by the weights that answer.
        score: gives the logits of images, uint8 (M, 28, 28), by the same weights.
        filters: (K, channels, S, S) of the first convolution that learns; None without one.
    """
    validation, training, classes = data.validation, data.training, logits.shape[1]
    if not (most := shown_images(classes)):
        return None
    count = min(most, len(validation))
    shown = stratified_sample(validation.labels, count, seed, "film")
    count = min(_MOST_PLAIN, -(-len(training) // _SHARE_PLAIN))
    plain = stream(seed, "film of training").permutation(len(training))[:count]
    measured = loss_and_accuracy(score(training.images[plain]), training.labels[plain])
    places = validation.labels * classes + logits.argmax(1)
    confusion = np.bincount(places, minlength=classes**2).reshape(1, classes, classes)
    return Film(
        images=validation.images[shown],
        labels=validation.labels[shown],
        epoch=np.array([record.epoch]),
        step=np.array([record.step]),
        confusion=confusion.astype(np.int32),
        logits=np.clip(logits[None, shown], -LARGEST, LARGEST).astype(np.float16),
        filters=some_filters(filters),
        training=np.array([measured], np.float32),
    )


def loss_and_accuracy(
    logits: NDArray[np.floating[Any]], labels: NDArray[np.int64]
) -> tuple[float, float]:
    """Mean cross-entropy and accuracy, from 0 to 1, of logits (N, C) for labels (N,)."""
    x = logits.astype(np.float64)
    x -= x.max(1, keepdims=True)
    losses = np.log(np.exp(x).sum(1)) - x[np.arange(len(x)), labels]
    return float(losses.mean()), float((x.argmax(1) == labels).mean())
