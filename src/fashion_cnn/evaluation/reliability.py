"""How good calibrated answers are: measured on images that nothing was fitted on."""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fashion_cnn.evaluation.calibration import Calibration, rejection
from fashion_cnn.evaluation.metrics import (
    BINS,
    bin_of,
    log_softmax,
    probability_scores,
    wilson_interval,
)

_CURVE_POINTS = 100


def measure_calibration(
    fitted: Mapping[str, Any], logits: NDArray[np.float32], labels: NDArray[np.int64], split: str
) -> dict[str, Any]:
    """Measure what `fit` returned on images: the key `measured` of `calibration.json`.

    Args:
        logits: (N, C), N >= 1.
        labels: int64 (N,).
        split: "test", or "validation" where the test set stays sealed: then these are the images
            that it was fitted on, and what is measured flatters it.
    """
    calibration = Calibration.from_dict(fitted)
    answer = calibration.answer(logits)
    correct = answer.predicted == labels
    covered = answer.sets[np.arange(len(labels)), labels]
    sizes = answer.sets.sum(1)

    def scores(log_probabilities: NDArray[np.float64]) -> dict[str, Any]:
        confidence = np.exp(log_probabilities).max(1)
        return {
            **probability_scores(log_probabilities, labels),
            "ece_by_chance": ece_by_chance(confidence),
            "reliability": reliability(confidence, correct),
        }

    return {
        "split": split,
        "n": len(labels),
        "before": scores(log_softmax(logits)),
        "after": scores(calibration.log_probabilities(logits)),
        "conformal": {
            "coverage": float(covered.mean()),
            "interval": wilson_interval(int(covered.sum()), len(labels)),
            "mean_size": float(sizes.mean()),
            "sizes": np.bincount(sizes, minlength=logits.shape[1] + 1).tolist(),
            "coverage_by_class": [
                float(covered[labels == label].mean()) if (labels == label).any() else None
                for label in range(logits.shape[1])
            ],
        },
        "reject": [
            {
                "error_rate": row["error_rate"],
                **rejection(answer.confidence, correct, row["threshold"]),
            }
            for row in fitted["reject"]["choices"]
        ],
        "risk_coverage": risk_coverage(answer.confidence, correct),
    }


def reliability(
    confidence: NDArray[np.float64], correct: NDArray[np.bool_]
) -> list[dict[str, Any]]:
    """The reliability diagram: a row a bin (low, high] of equal width that holds an image.

    Args:
        confidence: (N,) from 0 to 1.
        correct: (N,) bool.

    Returns:
        `low`, `high`, `n`, mean `confidence`, `accuracy` and its 95 % Wilson `interval`.
    """
    bins = bin_of(confidence)
    rows = []
    for index in np.unique(bins):
        here = bins == index
        hits = int(correct[here].sum())
        rows.append(
            {
                "low": float(index / BINS),
                "high": float((index + 1) / BINS),
                "n": int(here.sum()),
                "confidence": float(confidence[here].mean()),
                "accuracy": hits / int(here.sum()),
                "interval": wilson_interval(hits, int(here.sum())),
            }
        )
    return rows


def ece_by_chance(confidence: NDArray[np.float64]) -> float:
    """The calibration error that perfect probabilities would be expected to show, by chance.

    Images are right or wrong, so a bin's accuracy scatters about its confidence; the mean absolute
    value of a normal variable of that spread is summed over the bins.

    Args: confidence: (N,) from 0 to 1, N >= 1.
    """
    weights = confidence * (1 - confidence)
    variances = np.bincount(bin_of(confidence), weights=weights, minlength=BINS)
    return float(np.sqrt(np.maximum(variances, 0) * 2 / math.pi).sum() / len(confidence))


def risk_coverage(confidence: NDArray[np.float64], correct: NDArray[np.bool_]) -> dict[str, Any]:
    """The share of wrong answers when only the surest are given, for each share that is.

    Returns:
        `area` under the curve over every share (the mean risk; lower is better), and `curve`, rows
        of `coverage`, `risk`, and the least `confidence` that is answered.

    Source: Geifman and El-Yaniv 2017, arXiv 1705.08500.
    """
    order = np.argsort(-confidence, kind="stable")
    risks = np.cumsum(~correct[order]) / np.arange(1, len(order) + 1)
    shares = np.arange(1, _CURVE_POINTS + 1) / _CURVE_POINTS
    last = np.unique(np.ceil(shares * len(order)).astype(int)) - 1
    return {
        "area": float(risks.mean()),
        "curve": [
            {
                "coverage": float((index + 1) / len(order)),
                "risk": float(risks[index]),
                "confidence": float(confidence[order[index]]),
            }
            for index in last
        ],
    }
