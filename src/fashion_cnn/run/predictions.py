"""`Predictions`: what a run answers, a row of `predictions.csv` an image."""

import csv
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

    Raises `ValueError`, `IndexError`, `OverflowError` or `csv.Error` for anything else.
    """
    rows = list(csv.reader(io.StringIO(text)))
    values = np.array(rows[1:], np.float64)
    classes = [f"p{i}" for i in range(values.shape[1] - 4)]
    if rows[0] != ["index", "label", "predicted", "confidence", *classes] or len(classes) < 2:
        raise ValueError("another header")
    whole = values[:, :3].astype(np.int64)
    if not (
        np.isfinite(values).all()
        and (whole == values[:, :3]).all()
        and (whole[:, 0] == np.arange(len(values))).all()
        and 0 <= whole[:, 1:].min() <= whole[:, 1:].max() < len(classes)
        and 0 <= values[:, 4:].min() <= values[:, 4:].max() <= 1
    ):
        raise ValueError("rows missing, or numbers that cannot be")
    return Predictions(whole[:, 1], whole[:, 2], values[:, 4:])
