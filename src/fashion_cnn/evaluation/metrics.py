"""Metrics of logits against labels."""

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fashion_cnn.errors import UsageError
from fashion_cnn.run.results import ClassMetrics, Confusion, Evaluation

Z95 = 1.959963984540054  # the 97.5th percentile of the normal distribution
_ROUNDING, _ROUNDED = 1e-4, 1e-3  # of a sum of probabilities; of each, to three digits
_MOST_OFF = 0.1  # of a sum: logits of very many classes that are all near 0 may sum to less than 1
BINS = 15  # of confidence. Source: Guo et al. 2017, arXiv 1706.04599


def measure(
    logits: NDArray[np.float32],
    labels: NDArray[np.int64],
    class_names: tuple[str, ...],
    split: str,
) -> Evaluation:
    """Measure logits against labels.

    >>> measure(np.array([[3, -1], [0.5, 2]]), np.array([0, 1]), ("a", "b"), "test").accuracy
    1.0

    Args:
        logits: float (N, C), N >= 1, finite; of probabilities their logarithms.
        labels: whole numbers (N,), from 0 to C - 1.
        class_names: C names.
        split: what the images are: "training", "validation" or "test".

    Raises:
        UsageError: no images, shapes that do not fit, a label that is no class, or logits that are
            not finite, or are probabilities; or what gives no array.
    """
    classes = len(class_names)
    logits, labels = _array(logits, "logits"), _array(labels, "labels")
    if labels.ndim != 1 or not len(labels) or logits.shape != (len(labels), classes):
        raise UsageError(
            f"logits are {logits.shape}; for {len(labels)} labels and {classes} classes they must "
            f"be ({len(labels)}, {classes}), with at least one image"
        )
    if labels.dtype.kind not in "iu":
        raise UsageError(f"labels are of type {labels.dtype}; they must be whole numbers")
    if not 0 <= labels.min() <= labels.max() < classes:
        raise UsageError(
            f"labels run from {labels.min()} to {labels.max()}; they must be 0 to {classes - 1}"
        )
    if not np.isfinite(logits).all():
        raise UsageError("logits are not finite")
    _check_no_probabilities(logits)
    labels = labels.astype(np.int64)  # uint8's would not hold what follows
    predicted = logits.argmax(1)
    correct = predicted == labels
    confusion = np.bincount(labels * classes + predicted, minlength=classes**2)
    confusion = confusion.reshape(classes, classes)
    return Evaluation(
        split=split,
        n=len(labels),
        accuracy=float(correct.mean()),
        interval=wilson_interval(int(correct.sum()), len(labels)),
        per_class=_of_classes(confusion, class_names),
        confusion=tuple(map(tuple, confusion.tolist())),
        **probability_scores(log_softmax(logits), labels),
    )


def _array(given: Any, what: str) -> NDArray[Any]:
    try:
        return np.asarray(given)
    except (RuntimeError, TypeError, ValueError) as error:  # ragged; or PyTorch says what to do
        raise UsageError(f"{what} cannot be made an array: {error}") from None


def _check_no_probabilities(logits: NDArray[Any]) -> None:
    """Raise `UsageError` for probabilities, also rounded ones or percentages."""
    wide = logits.astype(np.float64)  # half precision would sum to something else
    if _are_probabilities(wide):
        said, written = "probabilities", "probabilities"
    # As logits, 0 and 100 alone say what they say as percentages.
    elif _are_probabilities(wide / 100) and not np.isin(wide, (0, 100)).all():
        said, written = "probabilities in percent", "(percent / 100)"
    else:
        return
    raise UsageError(
        f"these are {said}, and scored as logits they would be others; give their logarithms: "
        f"np.log({written}.clip(1e-12))"
    )


def _are_probabilities(values: NDArray[np.float64]) -> bool:
    if values.min() < 0 or values.max() > 1 + _ROUNDED:
        return False
    off = min(max(_ROUNDING, values.shape[1] * _ROUNDED), _MOST_OFF)
    return bool(np.abs(values.sum(1) - 1).max() < off)


def _of_classes(
    confusion: NDArray[np.int64], class_names: tuple[str, ...]
) -> tuple[ClassMetrics, ...]:
    hits, support, called = confusion.diagonal(), confusion.sum(1), confusion.sum(0)
    scores = (
        hits / np.maximum(called, 1),
        hits / np.maximum(support, 1),
        2 * hits / np.maximum(support + called, 1),
        support,
    )
    rows = zip(class_names, *(of.tolist() for of in scores), strict=True)
    return tuple(ClassMetrics(label, *row) for label, row in enumerate(rows))


def probability_scores(
    log_probabilities: NDArray[np.float64], labels: NDArray[np.int64]
) -> dict[str, float]:
    """How good probabilities are: `loss`, `brier`, `ece` and `mean_confidence` of `Evaluation`.

    Args:
        log_probabilities: (N, C) natural logarithms, N >= 1.
        labels: int64 (N,).
    """
    probabilities = np.exp(log_probabilities)
    confidence = probabilities.max(1)
    truth = np.eye(log_probabilities.shape[1])[labels]
    return {
        "loss": float(-log_probabilities[np.arange(len(labels)), labels].mean()),
        "brier": float(((probabilities - truth) ** 2).sum(1).mean()),
        "ece": expected_calibration_error(confidence, log_probabilities.argmax(1) == labels),
        "mean_confidence": float(confidence.mean()),
    }


def log_softmax(logits: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
    """Natural logarithms of the probabilities that logits (N, C) stand for, in float64."""
    shifted = logits.astype(np.float64) - logits.max(1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(1, keepdims=True))


def wilson_interval(successes: int, n: int) -> tuple[float, float]:
    """The Wilson score interval of a proportion, 95 %.

    Raises:
        UsageError: not 0 <= successes <= n, or n is 0.

    Source: Wilson 1927, doi 10.1080/01621459.1927.10502953.
    """
    if not 0 <= successes <= n or n == 0:
        raise UsageError(f"{successes} of {n} is not a proportion")
    p, z = successes / n, Z95
    centre = (p + z * z / (2 * n)) / (1 + z * z / n)
    half = z * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n)) / (1 + z * z / n)
    return max(0.0, min(p, centre - half)), min(1.0, max(p, centre + half))  # despite rounding


def expected_calibration_error(
    confidence: NDArray[np.float64], correct: NDArray[np.bool_], bins: int = BINS
) -> float:
    """How far confidence and accuracy are apart, weighted over equal-width bins (low, high].

    Args:
        confidence: (N,) from 0 to 1.
        correct: (N,) bool.
    """
    gaps = np.bincount(bin_of(confidence, bins), weights=confidence - correct)
    return float(np.abs(gaps).sum() / len(confidence))


def bin_of(confidence: NDArray[np.float64], bins: int = BINS) -> NDArray[np.int64]:
    """Which of so many bins of equal width, (low, high], each confidence is in: from 0."""
    return np.maximum(np.ceil(confidence * bins).astype(int) - 1, 0)


def most_confused(confusion: Confusion, count: int) -> list[tuple[int, int, int]]:
    """The unordered pairs of classes most often taken for each other: (images, class, class)."""
    classes = range(len(confusion))
    pairs = [(confusion[a][b] + confusion[b][a], a, b) for a in classes for b in classes if a < b]
    return sorted(pairs, reverse=True)[:count]
