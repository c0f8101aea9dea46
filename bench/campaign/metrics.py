"""What is measured, against scikit-learn."""

from typing import Any

import numpy as np
import scipy.special
import sklearn.metrics

from bench.campaign.experiment import Experiment, Trial
from fashion_cnn.evaluation.metrics import measure

_MEASURED = 100  # a trial
_OFF = 1e-12


def _trial(trial: Trial) -> None:
    draw = np.random.default_rng(trial.number)
    for _ in range(_MEASURED):
        classes, count = int(draw.integers(2, 13)), int(draw.choice((1, 2, 30, 400)))
        scale = draw.choice((0.0, 0.1, 5.0, 1e3, 1e30))
        logits = (scale * draw.standard_normal((count, classes))).astype(np.float32)
        if draw.random() < 0.3:
            logits = np.round(logits)  # ties
        labels = draw.integers(0, draw.integers(1, classes + 1), count)  # the last may be absent
        if scale < 1e3 and draw.random() < 0.5:
            logits[np.arange(count), labels] += np.float32(3)
        _compare(logits, labels, classes)


def _compare(logits: np.ndarray, labels: np.ndarray, classes: int) -> None:
    found = measure(logits, labels, tuple(f"class {n}" for n in range(classes)), "test")
    every, predicted = [*range(classes)], logits.argmax(1)
    confusion = sklearn.metrics.confusion_matrix(labels, predicted, labels=every)
    assert np.array_equal(found.confusion, confusion)
    undefined: Any = 0  # for which scikit-learn's stub knows words alone
    of_classes = sklearn.metrics.precision_recall_fscore_support(
        labels, predicted, labels=every, zero_division=undefined
    )
    ours = [(c.precision, c.recall, c.f1, c.support) for c in found.per_class]
    _near(np.transpose(ours), np.array(of_classes), "of classes")
    _near(found.accuracy, sklearn.metrics.accuracy_score(labels, predicted), "accuracy")
    logs = scipy.special.log_softmax(logits.astype(np.float64), axis=1)
    _near(found.loss, -logs[np.arange(len(labels)), labels].mean(), "loss")
    squares = (np.exp(logs) - np.eye(classes)[labels]) ** 2
    _near(found.brier, squares.sum(1).mean(), "Brier score")


def _near(ours: object, theirs: object, what: str) -> None:
    np.testing.assert_allclose(ours, theirs, rtol=_OFF, atol=_OFF, err_msg=what)  # type: ignore[arg-type]


METRICS = Experiment(
    "metrics",
    "100 sets of random logits and labels: the confusion matrix is scikit-learn's, and every score "
    "of classes, accuracy, loss and Brier score within 1e-12",
    50,
    _trial,
)
