"""What a network sees in one image, as a page shows it."""

import base64
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fashion_cnn.errors import ModelError
from fashion_cnn.evaluation.calibration import Calibration
from fashion_cnn.evaluation.occlusion import BLOCK, occlusion_by_class
from fashion_cnn.shipping.inside import Inside, Seen, Window

_MOST_CLASSES = 10
_MOST_CHANNELS = 8  # of a class, those that add or take most
_DIGITS = 5  # of a number that a page computes with

NO_EVIDENCE = "Where the evidence lies cannot be told: covered in parts, the picture has no answer."


@dataclass(frozen=True)
class Stage:
    """Maps of one size: signed bytes in base64, of which 127 stands for `largest`."""

    channels: int
    height: int
    width: int
    largest: float
    maps: str


@dataclass(frozen=True)
class FirstLayer:
    """The first convolution: what it is given, its filters, and the operators behind it."""

    plane: list[float]
    weights: list[list[float]]
    bias: list[float]
    side: tuple[int, int]
    pads: tuple[int, int]
    strides: tuple[int, int]
    then: tuple[str, ...]


@dataclass(frozen=True)
class ClassEvidence:
    """A class, its score (logit), and what the strongest channels and all others add to it."""

    label: str
    probability: float
    score: float
    channels: list[tuple[int, float]] | None = None
    others: tuple[int, float] | None = None
    bias: float | None = None


@dataclass(frozen=True)
class Evidence:
    """By class in the order of `classes`: side x side signed bytes; 127 stands for `points`."""

    side: int
    points: float
    values: str


@dataclass(frozen=True)
class SeenLayers:
    """What the network saw on its way to an answer; `notes` say what cannot be shown of it.

    With `of_maps` a channel is a map of the last stage, else a unit of the layer before the last.
    """

    recipe: str
    picture: str
    notes: list[str]
    stages: list[Stage]
    of_maps: bool
    window: FirstLayer | None
    classes: list[ClassEvidence]
    evidence: Evidence


def seen_layers(inside: Inside, image: NDArray[np.uint8]) -> dict[str, Any]:
    """Look at one image, (28, 28) uint8: `SeenLayers` as JSON holds it; pixels are in base64 too.

    Raises:
        UsageError: it is no such image.
        ModelError: the model has no usable answer for it.
    """
    seen, classifier = inside.see(image), inside.classifier
    calibration = Calibration.from_dict(classifier.facts["calibration"])
    shares = np.exp(calibration.log_probabilities(seen.logits[None]))[0]
    order = np.argsort(-shares, kind="stable")[:_MOST_CLASSES].tolist()
    notes = seen.notes
    try:
        evidence = occlusion_by_class(
            classifier, image, calibration.log_probabilities, classifier.framing.ground
        )
    except ModelError:
        evidence, notes = np.zeros((len(shares), *image.shape)), [*notes, NO_EVIDENCE]
    evidence = evidence[order, ::BLOCK, ::BLOCK]
    values, most = _bytes(evidence, 0.01)
    found = SeenLayers(
        recipe=classifier.facts["recipe"]["name"],
        picture=base64.b64encode(image.tobytes()).decode(),
        notes=notes,
        stages=[_stage(maps) for maps in seen.stages],
        of_maps=seen.of_maps,
        window=seen.window and _first_layer(seen.window),
        classes=[
            ClassEvidence(
                classifier.class_names[label],
                float(shares[label]),
                float(seen.logits[label]),
                *_channels(seen, label),
            )
            for label in order
        ],
        evidence=Evidence(evidence.shape[1], 100 * most, values),
    )
    return asdict(found)


def _stage(maps: NDArray[np.float32]) -> Stage:
    values, largest = _bytes(maps, 1e-9)
    channels, height, width = maps.shape
    return Stage(channels, height, width, largest, values)


def _first_layer(window: Window) -> FirstLayer:
    weights = [_numbers(weights) for weights in window.weights]
    height, width = window.weights.shape[1:]
    return FirstLayer(
        _numbers(window.plane),
        weights,
        _numbers(window.bias),
        (height, width),
        window.pads,
        window.strides,
        window.then,
    )


def _channels(seen: Seen, label: int) -> tuple[Any, ...]:
    """What the strongest channels add to a class's score, all others together, and the bias."""
    if seen.features is None or seen.weights is None or seen.bias is None:
        return ()
    added = seen.weights[label].astype(np.float64) * seen.features  # or it might overflow
    order = np.argsort(-np.abs(added), kind="stable")
    strongest, others = order[:_MOST_CHANNELS], order[_MOST_CHANNELS:]
    return (
        [(int(one), float(added[one])) for one in strongest],
        (len(others), float(added[others].sum())),
        float(seen.bias[label]),
    )


def _bytes(values: NDArray[np.floating[Any]], least: float) -> tuple[str, float]:
    """Values as signed bytes in base64, and what 127 of them stands for, `least` at least."""
    most = max(float(np.abs(values).max()), least)
    return base64.b64encode(np.rint(values / most * 127).astype(np.int8).tobytes()).decode(), most


def _numbers(values: NDArray[np.float32]) -> list[float]:
    return [float(f"{value:.{_DIGITS}g}") for value in values.ravel().tolist()]
