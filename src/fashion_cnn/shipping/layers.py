"""What a network sees in one image, as a page shows it."""

import base64
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fashion_cnn.evaluation.calibration import Calibration
from fashion_cnn.evaluation.occlusion import BLOCK, occlusion_by_class
from fashion_cnn.shipping.inside import Inside, Seen, Window

_MOST_CLASSES = 10
_MOST_CHANNELS = 8  # of a class, those that add or take most
_DIGITS = 5  # of a number that a page computes with


def layers_of(inside: Inside, image: NDArray[np.uint8]) -> dict[str, Any]:
    """Look at one image, (28, 28) uint8, as JSON holds it.

    Pixels are bytes in base64. So are maps and evidence, signed: of a stage 127 stands for its
    `largest` value, of the evidence for `points`, percentage points.

    Raises:
        UsageError: it is no such image.
    """
    seen, classifier = inside.see(image), inside.classifier
    calibration = Calibration.from_dict(classifier.facts["calibration"])
    shares = np.exp(calibration.log_probabilities(seen.logits[None]))[0]
    order = np.argsort(-shares, kind="stable")[:_MOST_CLASSES].tolist()
    evidence = occlusion_by_class(classifier, image, calibration.log_probabilities)
    evidence = evidence[order, ::BLOCK, ::BLOCK]
    values, most = _bytes(evidence, 0.01)
    return {
        "recipe": classifier.facts["recipe"]["name"],
        "picture": base64.b64encode(image.tobytes()).decode(),
        "notes": seen.notes,
        "stages": [_stage(maps) for maps in seen.stages],
        "of_maps": seen.of_maps,
        "window": seen.window and _window(seen.window),
        "classes": [
            {
                "label": classifier.class_names[label],
                "probability": float(shares[label]),
                "score": float(seen.logits[label]),
                **_channels(seen, label),
            }
            for label in order
        ],
        "evidence": {"side": evidence.shape[1], "points": 100 * most, "values": values},
    }


def _stage(maps: NDArray[np.float32]) -> dict[str, Any]:
    values, largest = _bytes(maps, 1e-9)
    channels, height, width = maps.shape
    return {
        "channels": channels,
        "height": height,
        "width": width,
        "largest": largest,
        "maps": values,
    }


def _window(window: Window) -> dict[str, Any]:
    return {
        "plane": _numbers(window.plane),
        "weights": [_numbers(weights) for weights in window.weights],
        "bias": _numbers(window.bias),
        "side": window.weights.shape[1:],
        "pads": window.pads,
        "strides": window.strides,
        "then": window.then,
    }


def _channels(seen: Seen, label: int) -> dict[str, Any]:
    """What the strongest channels add to a class's score, and all others together."""
    if seen.features is None or seen.weights is None or seen.bias is None:
        return {"channels": None}
    added = seen.weights[label] * seen.features
    order = np.argsort(-np.abs(added), kind="stable")
    strongest = order[:_MOST_CHANNELS]
    return {
        "channels": [[int(one), float(added[one])] for one in strongest],
        "others": [len(order) - len(strongest), float(added[order[_MOST_CHANNELS:]].sum())],
        "bias": float(seen.bias[label]),
    }


def _bytes(values: NDArray[np.floating[Any]], least: float) -> tuple[str, float]:
    """Values as signed bytes in base64, and what 127 of them stands for, `least` at least."""
    most = max(float(np.abs(values).max()), least)
    return base64.b64encode(np.rint(127 * values / most).astype(np.int8).tobytes()).decode(), most


def _numbers(values: NDArray[np.float32]) -> list[float]:
    return [float(f"{value:.{_DIGITS}g}") for value in values.ravel().tolist()]
