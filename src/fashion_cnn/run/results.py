"""`Results`: what an evaluation left in a run folder, and its figures, typed."""

import dataclasses
import math
import types
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar, get_args, get_origin

from fashion_cnn.errors import UsageError
from fashion_cnn.files import read_json, to_json
from fashion_cnn.run.command import run_command
from fashion_cnn.run.predictions import Predictions, predictions_to_csv, read_predictions
from fashion_cnn.text import to_utf8

_METRICS = "metrics.json"
_CALIBRATION = "calibration.json"
_PREDICTIONS = "predictions.csv"
_PAGE = "report.html"
_REPORT = "classification_report"

RESULT_FILES = (
    _METRICS, _CALIBRATION, _PREDICTIONS, _PAGE, f"{_REPORT}.*", "confusion_matrix.csv",
    "errors.csv", "answers.csv", "loss_*.png", "accuracy_*.png", "confusion_matrix*.png",
    "reliability.png", "loss_*.svg", "accuracy_*.svg", "confusion_matrix*.svg", "reliability.svg",
)  # fmt: skip
"""Patterns of their names."""

Confusion = tuple[tuple[int, ...], ...]
"""A row a true class, in it a count a predicted class."""


@dataclass(frozen=True)
class ClassMetrics:
    """One class: precision, recall and F1 from 0 to 1 (0 where undefined), `support` images."""

    label: int
    name: str
    precision: float
    recall: float
    f1: float
    support: int


@dataclass(frozen=True)
class Evaluation:
    """A classifier on a split, its probabilities as its logits say: not calibrated.

    Attributes:
        split: "training", "validation" or "test".
        n: images.
        loss: mean cross-entropy (natural logarithm).
        accuracy: from 0 to 1.
        interval: 95 % Wilson score interval of the accuracy.
        per_class: one a class.
        confusion: a count a true class and a predicted one.
        ece: expected calibration error, 15 equal-width bins, from 0 to 1.
        brier: mean squared error of the probabilities, summed over the classes, from 0 to 2.
        mean_confidence: mean probability of the predicted class.
    """

    split: str
    n: int
    loss: float
    accuracy: float
    interval: tuple[float, float]
    per_class: tuple[ClassMetrics, ...]
    confusion: Confusion
    ece: float
    brier: float
    mean_confidence: float


@dataclass(frozen=True)
class CheckpointMetrics:
    """One checkpoint.

    Attributes:
        step: optimiser steps.
        epoch: a stop inside an epoch makes it a fraction.
        test: None while the test set is sealed.
        validation: on the validation part.
        training: on the training part, as on the others: without dropout or augmentation; None
            where that was not measured.
    """

    step: int
    epoch: float
    test: Evaluation | None
    validation: Evaluation
    training: Evaluation | None = None


@dataclass(frozen=True, kw_only=True)
class Metrics:
    """What `metrics.json` holds, key by key.

    Attributes:
        status: of the training: "finished", "stopped early" or "interrupted".
        framework: that trained it.
        class_names: in the order of the labels.
        test_readings: how often the run had opened the test set.
        best_is: which epoch is called so, in words.
        reports_speak_of: the checkpoint that answers, "best" or "final".
        reports_speak_on: "test", or "validation" where the test set stays sealed.
        training_seconds: of training and validation.
        best: None before an epoch was finished.
        final: where training ended.
        tta: the checkpoint that answers, with test-time augmentation; None if nobody asked.
        evaluated_in: the framework that computed these figures; "" if that was not noted.
        command_seconds: of the command that evaluated; 0 if that was not noted.
    """

    status: str
    framework: str
    class_names: tuple[str, ...]
    test_readings: int
    best_is: str
    reports_speak_of: str
    reports_speak_on: str = "test"  # it could not stay sealed before this was noted
    training_seconds: float
    best: CheckpointMetrics | None
    final: CheckpointMetrics
    tta: CheckpointMetrics | None = None
    evaluated_in: str = ""
    command_seconds: float = 0.0

    @property
    def answering(self) -> CheckpointMetrics:
        """The figures of the checkpoint that answers."""
        chosen = self.best if self.reports_speak_of == "best" else self.final
        assert chosen is not None
        return chosen

    @property
    def shown(self) -> Evaluation:
        """What report, matrices and predictions speak of."""
        test = self.answering.test
        assert test is not None or self.reports_speak_on == "validation"
        return test if test and self.reports_speak_on == "test" else self.answering.validation

    def to_dict(self) -> dict[str, Any]:
        """As JSON holds it."""
        values = dataclasses.asdict(self)
        if self.tta:
            values["tta"] = {"of": self.reports_speak_of, **values["tta"]}
        return values

    @classmethod
    def from_dict(cls, values: Any) -> "Metrics":
        """Read what `to_dict` gave. Raises `ValueError` for anything else."""
        found = decode(cls, values)
        checkpoints = {"best": found.best, "final": found.final}
        answering = checkpoints.get(found.reports_speak_of)
        if answering is None or found.reports_speak_on not in ("test", "validation"):
            raise ValueError("it speaks of a checkpoint or of images that it has no figures of")
        if found.reports_speak_on == "test" and answering.test is None:
            raise ValueError("it lacks the figures on the test images, of which it speaks")
        classes = len(found.class_names)
        for one in (found.best, found.final, found.tta):
            for part in (one.test, one.validation, one.training) if one else ():
                sizes = {classes} if part is None else {len(part.per_class), len(part.confusion)}
                sizes |= {len(row) for row in part.confusion} if part else set()
                if sizes != {classes}:
                    raise ValueError(f"its figures are not of {classes} classes")
        return found


class Results:
    """The files that an evaluation writes.

    Attributes:
        folder: of the run.
    """

    def __init__(self, folder: Path, write: Callable[[str, bytes], None]) -> None:
        """Args: write: replaces a file of that name in the folder."""
        self.folder = folder
        self._write = write

    def exist(self) -> bool:
        """Whether the run was evaluated."""
        return (self.folder / _METRICS).exists()

    @property
    def metrics(self) -> Metrics:
        """The figures. Raises `UsageError`: not evaluated yet, or altered beyond use."""
        if not self.exist():
            raise UsageError(f"{self.folder} was not evaluated yet; run: {self._again()}")
        try:
            return Metrics.from_dict(read_json(self.folder / _METRICS))
        except ValueError as error:
            raise UsageError(
                f"{self.folder / _METRICS} is not as it was written ({error}); write it again "
                f"with: {self._again()}"
            ) from None

    def write_metrics(self, metrics: Metrics) -> None:
        """Write `metrics.json`: last, for a run that has it has all its results."""
        self._write(_METRICS, to_json(metrics.to_dict()))

    @property
    def calibration(self) -> dict[str, Any] | None:
        """`calibration.json`, which `evaluation.calibration` reads; None before the evaluation."""
        path = self.folder / _CALIBRATION
        return read_json(path) if path.exists() else None

    def write_calibration(self, calibration: dict[str, Any]) -> None:
        """Write `calibration.json`."""
        self._write(_CALIBRATION, to_json(calibration))

    @property
    def predictions(self) -> Predictions:
        """A row an image that the results speak of; raises as `read_predictions`."""
        return read_predictions(self.folder / _PREDICTIONS)

    @property
    def test_predictions(self) -> Predictions:
        """The predictions on the test set, proven by the metrics: the test set stays closed.

        Raises:
            UsageError: the run was not evaluated on the test set, or its files were altered.
        """
        metrics = self.metrics
        if metrics.reports_speak_on != "test":
            raise UsageError(
                f"the test set of {self.folder} is still sealed; it is opened by: {self._again()}"
            )
        found = self.predictions
        probable = (found.probabilities >= 0) & (found.probabilities <= 1)
        if not probable.all() or abs(found.correct.mean() - metrics.shown.accuracy) > 1e-9:
            raise UsageError(
                f"{self.folder / _PREDICTIONS} is not what the metrics beside it speak of; write "
                f"both again with: {self._again()}"
            )
        return found

    def _again(self) -> str:
        return run_command("evaluate", self.folder)

    def write_predictions(self, predictions: Predictions) -> None:
        """Write `predictions.csv`."""
        self._write(_PREDICTIONS, predictions_to_csv(predictions).encode())

    def write_table(self, name: str, csv: str) -> None:
        """Write "confusion_matrix", "errors" or "answers" as CSV."""
        self._write(f"{name}.csv", to_utf8(csv))

    def write_page(self, html: str) -> Path:
        """Write `report.html`; returns where it is."""
        self._write(_PAGE, to_utf8(html))
        return self.folder / _PAGE

    def write_report(self, text: str, values: dict[str, Any]) -> None:
        """Write `classification_report.txt` and `.json`."""
        self._write(f"{_REPORT}.txt", to_utf8(text))
        self._write(f"{_REPORT}.json", to_json(values))

    def write_plot(self, name: str, png: bytes, svg: bytes) -> None:
        """Write a picture: "loss_…" and "accuracy_…", "confusion_matrix…" or "reliability"."""
        self._write(f"{name}.png", png)
        self._write(f"{name}.svg", svg)


Decoded = TypeVar("Decoded")


def decode(kind: type[Decoded], value: Any) -> Decoded:
    """Turn what JSON holds into a dataclass and all that is in it, by the types of its fields.

    Keys that are no fields are passed over; a field with a default may be missing.

    Raises:
        ValueError: it is something else; the message says where.
    """
    return _decode(kind, value, "")


def _decode(kind: Any, value: Any, where: str) -> Any:
    if dataclasses.is_dataclass(kind) and isinstance(value, dict):
        fields = dataclasses.fields(kind)
        needed = {item.name for item in fields if item.default is dataclasses.MISSING}
        if lacking := sorted(needed - value.keys()):
            raise ValueError(f"it lacks {where}{lacking[0]}")
        given = [item for item in fields if item.name in value]
        return kind(**{i.name: _decode(i.type, value[i.name], f"{where}{i.name}.") for i in given})  # type: ignore[operator]
    if isinstance(kind, types.UnionType):  # of something and None
        kind = next(one for one in get_args(kind) if one is not types.NoneType)
        return None if value is None else _decode(kind, value, where)
    if get_origin(kind) is tuple and isinstance(value, list):
        kinds = get_args(kind)
        kinds = kinds[:1] * len(value) if kinds[1:] == (...,) else kinds
        if len(kinds) == len(value):
            return tuple(_decode(one, item, where) for one, item in zip(kinds, value, strict=True))
    if isinstance(value, float) and not math.isfinite(value):
        kind = None
    if type(value) is not kind and not (kind is float and type(value) is int):
        raise ValueError(f"{where[:-1] or 'it'} is {value!r:.40}")
    return value
