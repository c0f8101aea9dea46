"""The map of a run's features, and each image's neighbours among the training images."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fashion_cnn.classifier import Classifier
from fashion_cnn.data.split import Split
from fashion_cnn.errors import UsageError
from fashion_cnn.evaluation.neighbours import NEIGHBOURS, images_to_map, in_a_plane, nearest
from fashion_cnn.reporting.pages import in_bytes
from fashion_cnn.reporting.pictures import Sheet, sheet_of
from fashion_cnn.run.predictions import Predictions

MOST_POINTS = 3000
"""Images of a map."""

_MOST_NEIGHBOURS = 4500  # pictures of training images, which a page has room for


@dataclass(frozen=True)
class FeatureMap:
    """N images in a plane.

    Attributes:
        chosen: int64 (N,), their positions.
        places: (N, 2), where they lie.
        neighbours: int64 (N, 8), training images, the nearest first.
        labels: int64 (N, 8), of these.
        pictures: of the neighbours, as many as a page has room for.
        has_all_mistakes: whether there was room for each.
    """

    chosen: NDArray[np.int64]
    places: NDArray[np.float32]
    neighbours: NDArray[np.int64]
    labels: NDArray[np.int64]
    pictures: Sheet
    has_all_mistakes: bool


def map_features(
    classifier: Classifier,
    images: Split,
    predictions: Predictions,
    first: Sequence[int],
    training: Split,
) -> FeatureMap:
    """Map images by what the last layer sees of them.

    Args:
        classifier: of the run.
        images: those that the predictions speak of.
        predictions: of the run; every mistake is mapped, where there is room.
        first: positions of images that must be on the map.
        training: the training part.

    Raises:
        UsageError: the network does not end in a fully connected layer, or there are too few
            images.
    """
    if len(training) <= NEIGHBOURS or len(images) < 4:
        raise UsageError(
            f"a map needs more than {NEIGHBOURS} training images and at least 4 to show, not "
            f"{len(training)} and {len(images)}; leave it out"
        )
    chosen = images_to_map(predictions, np.array(first, np.int64), MOST_POINTS)
    features = _features(classifier, images.images[chosen])
    found = nearest(features, _features(classifier, training.images))
    urgent = np.isin(chosen, first).astype(int) * 2 + ~predictions.correct[chosen]
    shown: dict[int, None] = {}
    for place in np.argsort(-urgent, kind="stable").tolist():
        row = found[place].tolist()
        if len(shown.keys() | set(row)) <= _MOST_NEIGHBOURS:
            shown |= dict.fromkeys(row)
    return FeatureMap(
        chosen,
        in_a_plane(features),
        found,
        training.labels[found],
        sheet_of({index: training.images[index] for index in shown}, lossy=True),
        bool(np.isin(np.flatnonzero(~predictions.correct), chosen).all()),
    )


def _features(classifier: Classifier, images: NDArray[np.uint8]) -> NDArray[np.float32]:
    return classifier.features(images)  # type: ignore[attr-defined]


def map_data(found: FeatureMap, sheet: Sheet) -> dict[str, Any]:
    """What the page's script draws; numbers have 16 bits each.

    Args: sheet: the page's, which holds every image of the map.
    """
    low, high = found.places.min(0), found.places.max(0)
    scale = float((high - low).max()) or 1.0
    # Where a neighbour has no picture its place is beyond the sheet.
    none = len(found.pictures.places)
    pictures = [
        [found.pictures.places.get(i, none) for i in row] for row in found.neighbours.tolist()
    ]
    return {
        "images": in_bytes([sheet.places[index] for index in found.chosen.tolist()], "u2"),
        "places": in_bytes(np.rint((found.places - low) / scale * 65_535), "u2"),
        "near": in_bytes(pictures, "u2"),
        "nearLabels": in_bytes(found.labels, "u2"),
        "pictures": none,
        "of": NEIGHBOURS,
    }
