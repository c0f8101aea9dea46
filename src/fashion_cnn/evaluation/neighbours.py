"""Which training images a network sees as it sees an image; and all of them in a plane."""

import numpy as np
from numpy.typing import NDArray

from fashion_cnn.data.randomness import seed_of, stream
from fashion_cnn.run.predictions import Predictions

NEIGHBOURS = 8
"""Of an image."""

_AT_ONCE = 250  # images whose distances are in memory together
_PERPLEXITY = 30.0
_STEPS = 500  # of t-SNE, half of scikit-learn's; source: docs/results/trials/map-steps.txt


def images_to_map(
    predictions: Predictions, first: NDArray[np.int64], most: int
) -> NDArray[np.int64]:
    """Choose up to `most` images: `first`, then every mistake, then others at random.

    Returns:
        int64 positions, ascending, each once.
    """
    count = len(predictions.labels)
    others = stream(0, "map").permutation(count)
    order = np.concatenate([first, np.flatnonzero(~predictions.correct), others])
    _, begins = np.unique(order, return_index=True)
    return np.sort(order[np.sort(begins)[:most]])


def nearest(
    features: NDArray[np.float32], training: NDArray[np.float32], count: int = NEIGHBOURS
) -> NDArray[np.int64]:
    """The training images whose features are nearest, by Euclidean distance.

    Args:
        features: (N, F) of the images.
        training: (M, F) of the training images, M > count.

    Returns:
        int64 (N, count) positions, the nearest first.
    """
    lengths = (training**2).sum(1)
    found = np.empty((len(features), count), np.int64)
    for begin in range(0, len(features), _AT_ONCE):
        some = features[begin : begin + _AT_ONCE]
        distances = lengths - 2 * some @ training.T  # but for the image's own length
        closest = np.argpartition(distances, count, axis=1)[:, :count]
        order = np.take_along_axis(distances, closest, 1).argsort(1, kind="stable")
        found[begin : begin + _AT_ONCE] = np.take_along_axis(closest, order, 1)
    return found


def in_a_plane(features: NDArray[np.float32]) -> NDArray[np.float32]:
    """Lay features (N, F), N >= 4, out in a plane so that neighbours stay neighbours: (N, 2).

    Distances between groups, and how large a group is, mean nothing.

    Source: t-SNE, van der Maaten and Hinton 2008; as scikit-learn does it.
    """
    from sklearn.manifold import TSNE  # here: nothing else needs it

    seed = seed_of(0, "t-SNE") % 2**32
    perplexity = min(_PERPLEXITY, (len(features) - 1) / 3)
    plane = TSNE(perplexity=perplexity, init="pca", max_iter=_STEPS, random_state=seed)
    return plane.fit_transform(features)
