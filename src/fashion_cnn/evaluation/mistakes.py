"""Which images a classifier gets wrong, how surely, and how well it knows each class."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fashion_cnn.evaluation.metrics import wilson_interval
from fashion_cnn.run.predictions import Predictions
from fashion_cnn.run.results import Confusion


@dataclass(frozen=True)
class ClassScores:
    """Precision, recall and F1 of one class, each with its 95 % interval; None where undefined.

    Attributes:
        support: images of the class.
        precision, recall, f1: from 0 to 1: the value, its lower and its upper end.
    """

    support: int
    precision: tuple[float, float, float] | None
    recall: tuple[float, float, float] | None
    f1: tuple[float, float, float] | None


def class_scores(confusion: Confusion) -> list[ClassScores]:
    """Score each class of a confusion matrix, whose rows are the true classes.

    The intervals are Wilson's. The Jaccard index J = hits / (hits + misses + false alarms) is a
    proportion, and F1 is 2J / (1 + J); so the interval of F1 is that of J, mapped in the same way.

    Source: Wilson 1927, doi 10.1080/01621459.1927.10502953.
    """
    matrix = np.asarray(confusion, np.int64)
    scores = []
    for label, hits in enumerate(matrix.diagonal().tolist()):
        support, called = int(matrix[label].sum()), int(matrix[:, label].sum())
        jaccard = _proportion(hits, support + called - hits)
        scores.append(
            ClassScores(
                support,
                _proportion(hits, called),
                _proportion(hits, support),
                jaccard and tuple(2 * j / (1 + j) for j in jaccard),  # type: ignore[arg-type]
            )
        )
    return scores


def confident_mistakes(predictions: Predictions, count: int) -> NDArray[np.int64]:
    """Positions of the wrong answers, the surest first."""
    return _ordered(predictions, ~predictions.correct, surest=True)[:count]


def doubtful_hits(predictions: Predictions, count: int) -> NDArray[np.int64]:
    """Positions of the right answers, the least sure first."""
    return _ordered(predictions, predictions.correct, surest=False)[:count]


def mistakes_between(predictions: Predictions, label: int, guess: int) -> NDArray[np.int64]:
    """Positions of images of class `label` taken for `guess`, the surest first.

    Where both are one class, the hits of that class, the least sure first.
    """
    chosen = (predictions.labels == label) & (predictions.predicted == guess)
    return _ordered(predictions, chosen, surest=label != guess)


def mistake_rows(predictions: Predictions, class_names: Sequence[str]) -> list[list[object]]:
    """The table of `errors.csv`: a header, and a row a mistake, the surest first."""
    header = ["index", "label", "predicted", "confidence", "label_probability"]
    rows: list[list[object]] = [[*header, "label_name", "predicted_name"]]
    confidence = predictions.confidence
    for index in confident_mistakes(predictions, len(predictions.labels)).tolist():
        label, guess = int(predictions.labels[index]), int(predictions.predicted[index])
        own = predictions.probabilities[index, label]
        sure = [f"{confidence[index]:.6f}", f"{own:.6f}"]
        rows.append([index, label, guess, *sure, class_names[label], class_names[guess]])
    return rows


def _ordered(
    predictions: Predictions, chosen: NDArray[np.bool_], *, surest: bool
) -> NDArray[np.int64]:
    places = np.flatnonzero(chosen)
    confidence = predictions.confidence[places]
    return places[np.argsort(-confidence if surest else confidence, kind="stable")]


def _proportion(part: int, whole: int) -> tuple[float, float, float] | None:
    return (part / whole, *wilson_interval(part, whole)) if whole else None
