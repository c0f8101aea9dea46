"""What a classifier's probabilities are worth, and what to answer by them.

All is fitted on validation images and measured on others (`reliability.py`). The fewer validation
images, the more the outcome scatters about what was asked for: `calibration.json` says by how much.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fashion_cnn.errors import UsageError
from fashion_cnn.evaluation.metrics import Z95, log_softmax, wilson_interval
from fashion_cnn.run.calibration_file import Choices, Sets
from fashion_cnn.run.typed import decode

COVERAGE = 0.95
"""How often a prediction set is wanted to hold the true class."""

ERROR_RATES = (0.005, 0.01, 0.02, 0.03, 0.05)
"""For which a confidence is sought above which no larger share of the answers is wrong."""

ERROR_RATE = 0.02
"""The one of them at which a classifier rejects, unless another is asked for."""

_COLDEST, _HOTTEST = 0.05, 20.0
_HALVINGS = 50  # of what is between them, down to a double's last digits

LEAST_KEPT = 0.03
"""Of what a class has that smoothing alone would give it; see `unsmoothed`. Chosen on validation
images: docs/log.md, 2026-11-27."""


@dataclass(frozen=True)
class _Fitted:
    """What is read of what `fit` found."""

    temperature: float
    conformal: Sets
    reject: Choices
    label_smoothing: float = 0.0  # from before it was undone


@dataclass(frozen=True)
class Answer:
    """What a calibrated classifier says of N images with C classes.

    Attributes:
        probabilities: float64 (N, C); rows sum to 1.
        predicted: int64 (N,), the most probable class.
        confidence: float64 (N,), its probability.
        sets: bool (N, C), the classes that it may be; never none.
        accepted: bool (N,), whether it is sure enough to answer at all.
    """

    probabilities: NDArray[np.float64]
    predicted: NDArray[np.int64]
    confidence: NDArray[np.float64]
    sets: NDArray[np.bool_]
    accepted: NDArray[np.bool_]


@dataclass(frozen=True)
class Calibration:
    """Turns logits into answers: three numbers, each fitted on validation images.

    Attributes:
        temperature: divides the logits, unsmoothed; above 1 for a classifier that is too sure of
            itself.
        set_threshold: a class is in the set if those more probable have no more than this
            together, from 0 to 1.
        reject_threshold: the least confidence that is answered; None if none is high enough.
        label_smoothing: that of the recipe, from 0 to 1; not fitted.

    Raises:
        UsageError: a number is not finite or out of its range.
    """

    temperature: float
    set_threshold: float
    reject_threshold: float | None
    label_smoothing: float = 0.0

    def __post_init__(self) -> None:
        ranges = {
            "temperature": (1e-6, 1e6),
            "set_threshold": (0.0, 1.0),
            "label_smoothing": (0.0, 1.0),
        }
        if self.reject_threshold is not None:
            ranges["reject_threshold"] = (0.0, 1.0)
        for name, (low, high) in ranges.items():
            value = getattr(self, name)
            if type(value) not in (int, float) or not low <= value <= high:
                raise UsageError(f"{name} is {value!r}; it must be from {low:g} to {high:g}")

    @classmethod
    def from_dict(cls, values: Mapping[str, Any], error_rate: float | None = None) -> "Calibration":
        """Read what `calibration.json` holds.

        Args: error_rate: one of `ERROR_RATES` to reject at; None for that of the file.

        Raises:
            UsageError: it is not a calibration, or has no threshold for that error rate.
        """
        try:
            found = decode(_Fitted, values)
        except ValueError as error:
            raise UsageError(f"the calibration cannot be used ({error})") from None
        rows = {row.error_rate: row.threshold for row in found.reject.choices}
        rate = found.reject.error_rate if error_rate is None else error_rate
        for asked in (rate, found.reject.error_rate):
            if asked not in rows:
                known = ", ".join(f"{known:g}" for known in rows)
                raise UsageError(
                    f"there is no threshold for an error rate of {asked:g}; choose one of {known}"
                )
        return cls(found.temperature, found.conformal.threshold, rows[rate], found.label_smoothing)

    def log_probabilities(self, logits: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
        """The natural logarithms of the calibrated probabilities of logits (N, C)."""
        return log_softmax(unsmoothed(logits, self.label_smoothing) / self.temperature)

    def answer(self, logits: NDArray[np.floating[Any]]) -> Answer:
        """Say what logits (N, C) mean."""
        probabilities = np.exp(self.log_probabilities(logits))
        confidence = probabilities.max(1)
        least = math.inf if self.reject_threshold is None else self.reject_threshold
        return Answer(
            probabilities,
            logits.argmax(1),
            confidence,
            _mass_above(probabilities) <= self.set_threshold,
            confidence >= least,
        )


def unsmoothed(logits: NDArray[np.floating[Any]], label_smoothing: float) -> NDArray[np.float64]:
    """Undo what label smoothing did to logits (N, C): float64 (N, C), in the same order.

    A network learns the distribution of its targets, so trained on (1 - s) x one-hot + s / C it
    says (1 - s) p + s / C where p is right. This solves for p, as unnormalised logarithms. A class
    that has less than s / C keeps a small part of it: never 0, and behind those with more.

    Source of smoothing: Szegedy et al. 2015, arXiv 1512.00567, sec. 7.
    """
    x = logits.astype(np.float64)
    if not label_smoothing:
        return x
    x = log_softmax(x)
    by_smoothing = label_smoothing / x.shape[1] * np.exp(np.minimum(-x, 700))  # short of overflow
    return x + np.log(np.maximum(1 - by_smoothing, LEAST_KEPT))


def fit(
    logits: NDArray[np.floating[Any]], labels: NDArray[np.int64], label_smoothing: float = 0.0
) -> dict[str, Any]:
    """Fit temperature, prediction sets and reject thresholds on validation images.

    Args:
        logits: (N, C), N >= 1, finite.
        labels: int64 (N,).
        label_smoothing: that the network was trained with.

    Returns:
        `calibration.json` but for what is measured; `Calibration.from_dict` reads it.
    """
    logits = unsmoothed(logits, label_smoothing)
    temperature, interval = fit_temperature(logits, labels)
    probabilities = np.exp(log_softmax(logits / temperature))
    confidence, correct = probabilities.max(1), logits.argmax(1) == labels
    threshold, expected = fit_sets(probabilities, labels, COVERAGE)
    choices = [
        {"error_rate": rate, **_fit_rejection(confidence, correct, rate)} for rate in ERROR_RATES
    ]
    chosen = next(row for row in choices if row["error_rate"] == ERROR_RATE)
    return {
        "label_smoothing": label_smoothing,
        "temperature": temperature,
        "temperature_interval": interval,
        "fitted_on": {"split": "validation", "n": len(labels)},
        "conformal": {
            "method": "adaptive prediction sets, not randomised, never empty",
            "coverage": COVERAGE,
            "threshold": threshold,
            "expected_coverage_interval": expected,
        },
        "reject": {
            "error_rate": ERROR_RATE,
            "threshold": chosen["threshold"],
            "choices": choices,
        },
    }


def fit_temperature(
    logits: NDArray[np.floating[Any]], labels: NDArray[np.int64]
) -> tuple[float, list[float]]:
    """Find the temperature of least cross-entropy, from 0.05 to 20, and its 95 % interval.

    The interval is the normal one of 1 / temperature, with the sandwich variance, which holds
    also where no temperature makes the probabilities right. Where the optimum is at an end (no
    mistakes at all: the colder the better), the temperature is that end.

    Source: Guo et al. 2017, arXiv 1706.04599; White 1982, doi 10.2307/1912526.
    """
    x = logits.astype(np.float64) - logits.max(1, keepdims=True)
    of_label = x[np.arange(len(labels)), labels]

    def gradients(inverse: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """First and second derivative, (N,), of each image's loss by 1 / temperature."""
        probabilities = np.exp(log_softmax(x * inverse))
        mean = (probabilities * x).sum(1)
        return mean - of_label, (probabilities * x**2).sum(1) - mean**2

    low, high = 1 / _HOTTEST, 1 / _COLDEST
    # The loss is convex in 1 / temperature, so its derivative has one root or none.
    if gradients(low)[0].mean() >= 0:
        inverse = low
    elif gradients(high)[0].mean() <= 0:
        inverse = high
    else:
        inverse = _root(lambda value: gradients(value)[0].mean(), low, high)
    first, second = gradients(inverse)
    error = Z95 * math.sqrt((first**2).sum()) / max(second.sum(), 1e-12)
    return 1 / inverse, [1 / min(inverse + error, high), 1 / max(inverse - error, low)]


def _root(rising: Callable[[float], float], low: float, high: float) -> float:
    """Where a function that rises through 0 does so, by halving: scipy would be imported for it."""
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        low, high = (middle, high) if rising(middle) < 0 else (low, middle)
    return (low + high) / 2


def fit_sets(
    probabilities: NDArray[np.float64], labels: NDArray[np.int64], coverage: float
) -> tuple[float, list[float]]:
    """Find the threshold of adaptive prediction sets, and how far coverage will scatter.

    An image's score is the probability of all classes above its true one; the threshold is the
    ceil((n + 1) x coverage)-th smallest score of n images, 1 (all classes) where there are fewer.
    A new image's set then holds its class with at least the wanted probability, whatever the
    classifier. Without random tie-breaking the most probable class is always in, so a classifier
    that is right more often than `coverage` covers as often as it is right.

    Returns:
        The threshold, and the central 95 % interval of the coverage over draws of the validation
        images (a Beta distribution).

    Source: Romano, Sesia, Candès 2020, arXiv 2006.02544; Vovk 2012, arXiv 1209.2673.
    """
    from scipy.special import betaincinv

    n = len(labels)
    scores = np.sort(_mass_above(probabilities)[np.arange(n), labels])
    rank = math.ceil((n + 1) * coverage)
    if rank > n:
        return 1.0, [1.0, 1.0]
    expected = [float(betaincinv(rank, n + 1 - rank, tail)) for tail in (0.025, 0.975)]
    return float(min(scores[rank - 1], 1.0)), expected


def _mass_above(probabilities: NDArray[np.float64]) -> NDArray[np.float64]:
    """For each class the probability of those before it in order, most probable first: (N, C)."""
    order = np.argsort(-probabilities, axis=1, kind="stable")
    ranked = np.take_along_axis(probabilities, order, 1)
    above = np.zeros_like(ranked)
    np.put_along_axis(above, order[:, 1:], np.cumsum(ranked, 1)[:, :-1], 1)
    return above


def _fit_rejection(
    confidence: NDArray[np.float64], correct: NDArray[np.bool_], error_rate: float
) -> dict[str, Any]:
    """The lowest confidence above which (wrong + 1) / (answered + 1) is at most `error_rate`.

    The one added stands for the next image: without it a handful of right answers would promise
    perfection.
    """
    order = np.argsort(-confidence)
    sure = confidence[order]
    estimate = (np.cumsum(~correct[order]) + 1) / (np.arange(len(order)) + 2)
    ends = np.append(sure[1:] < sure[:-1], True)  # images of one confidence go together
    good = np.flatnonzero((estimate <= error_rate) & ends)
    threshold = float(sure[good[-1]]) if len(good) else None
    return {"threshold": threshold, "validation": rejection(confidence, correct, threshold)}


def rejection(
    confidence: NDArray[np.float64], correct: NDArray[np.bool_], threshold: float | None
) -> dict[str, Any]:
    """The share that is answered, and the share of these that is wrong with its interval."""
    answered = confidence >= (math.inf if threshold is None else threshold)
    n, wrong = int(answered.sum()), int((answered & ~correct).sum())
    return {
        "answered": n / len(correct),
        "wrong": wrong / n if n else None,
        "interval": wilson_interval(wrong, n) if n else None,
    }
