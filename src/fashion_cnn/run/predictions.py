"""`Predictions`: what a run answers, a row of `predictions.csv` an image."""

import io
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class Predictions:
    """Answers to N images with C classes.

    Attributes:
        labels: int64 (N,), the true classes.
        predicted: int64 (N,), the most probable classes.
        probabilities: float64 (N, C), calibrated; six decimals in the file.
    """

    labels: NDArray[np.int64]
    predicted: NDArray[np.int64]
    probabilities: NDArray[np.float64]

    @property
    def confidence(self) -> NDArray[np.float64]:
        """(N,) the probabilities of the predicted classes."""
        return self.probabilities[np.arange(len(self.labels)), self.predicted]

    @property
    def correct(self) -> NDArray[np.bool_]:
        """(N,) whether the predicted class is the true one."""
        return self.predicted == self.labels


def predictions_to_csv(predictions: Predictions) -> str:
    """A header and a row an image: index, label, predicted, confidence, p0, p1, …"""
    classes = predictions.probabilities.shape[1]
    header = ",".join(["index,label,predicted,confidence", *(f"p{i}" for i in range(classes))])
    columns = zip(
        predictions.labels.tolist(),
        predictions.predicted.tolist(),
        predictions.confidence.tolist(),
        predictions.probabilities.tolist(),
        strict=True,
    )
    rows = [
        f"{index},{label},{guess},{sure:.6f},{','.join(f'{p:.6f}' for p in row)}"
        for index, (label, guess, sure, row) in enumerate(columns)
    ]
    return "\n".join([header, *rows, ""])


def predictions_from_csv(text: str) -> Predictions:
    """Read what `predictions_to_csv` wrote.

    Raises `ValueError` for anything else.
    """
    header, _, rows = text.partition("\n")
    names = header.split(",")
    classes = [f"p{i}" for i in range(len(names) - 4)]
    if names != ["index", "label", "predicted", "confidence", *classes] or len(classes) < 2:
        raise ValueError("another header")
    if not rows.strip():
        raise ValueError("no row")
    values = np.loadtxt(io.StringIO(rows), comments=None, delimiter=",", ndmin=2)
    if values.shape[1] != len(names):
        raise ValueError("rows of another length than the header")
    index, answers, probabilities = values[:, 0], values[:, 1:3], values[:, 4:]
    if not (
        np.isfinite(values).all()
        and (index == np.arange(len(values))).all()
        and (answers == np.rint(answers)).all()
        and 0 <= answers.min() <= answers.max() < len(classes)
        and 0 <= probabilities.min() <= probabilities.max() <= 1
    ):
        raise ValueError("rows missing, or numbers that cannot be")
    labels, predicted = answers.astype(np.int64).T
    return Predictions(labels, predicted, probabilities)
