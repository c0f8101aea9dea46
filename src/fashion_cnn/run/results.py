"""`Results`: what an evaluation left in a run folder, and its figures, typed."""

import dataclasses
import hashlib
import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from fashion_cnn.data.manifest import check_class_names
from fashion_cnn.errors import CheckpointError, DataError, UsageError
from fashion_cnn.files import MOST_BYTES, MOST_TEXT, from_json, read_bytes, to_json
from fashion_cnn.run.calibration_file import check_calibration
from fashion_cnn.run.command import run_command
from fashion_cnn.run.predictions import Predictions, predictions_from_csv, predictions_to_csv
from fashion_cnn.run.typed import Count, Positive, Share, decode
from fashion_cnn.text import to_utf8

_METRICS = "metrics.json"
_CHECKSUM = "checksum"  # a key of it
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

Confusion = tuple[tuple[Count, ...], ...]
"""A row a true class, in it a count a predicted class."""


@dataclass(frozen=True)
class ClassMetrics:
    """One class: precision, recall and F1 from 0 to 1 (0 where undefined), `support` images."""

    label: Count
    name: str
    precision: Share
    recall: Share
    f1: Share
    support: Count


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
    n: Count
    loss: Positive
    accuracy: Share
    interval: tuple[Share, Share]
    per_class: tuple[ClassMetrics, ...] = field(repr=False)
    confusion: Confusion = field(repr=False)
    ece: Share
    brier: Positive
    mean_confidence: Share


@dataclass(frozen=True)
class CheckpointMetrics:
    """One checkpoint.

    Attributes:
        step: optimiser steps.
        epoch: a stop inside an epoch makes it a fraction.
        test: None while the test set is sealed.
        validation: on the validation part.
        training: on at most 10,000 images of the training part, as on the others: without dropout
            or augmentation; None where that was not measured.
        sha256: of the file of its weights; "" if that was not noted.
    """

    step: Count
    epoch: Positive
    test: Evaluation | None
    validation: Evaluation
    training: Evaluation | None = None
    sha256: str = field(default="", repr=False)


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
        run: the fingerprint of the run's recipe and data; "" if that was not noted.
        files: the SHA-256 of the other results, by name; none if that was not noted.
    """

    status: str
    framework: str
    class_names: tuple[str, ...] = field(repr=False)
    test_readings: Count
    best_is: str
    reports_speak_of: str
    reports_speak_on: str = "test"  # it could not stay sealed before this was noted
    training_seconds: Positive
    best: CheckpointMetrics | None
    final: CheckpointMetrics
    tta: CheckpointMetrics | None = None
    evaluated_in: str = ""
    command_seconds: Positive = 0.0
    run: str = field(default="", repr=False)
    files: Mapping[str, str] = field(default_factory=dict, repr=False)

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
        return {**values, _CHECKSUM: _checksum(values)}

    @classmethod
    def from_dict(cls, values: Any) -> "Metrics":
        """Read what `to_dict` gave. Raises `ValueError` for anything else."""
        found = decode(cls, values)
        checkpoints = {"best": found.best, "final": found.final}
        answering = checkpoints.get(found.reports_speak_of)
        if answering is None or found.reports_speak_on not in ("test", "validation"):
            raise ValueError("it has no figures of the checkpoint or of the images that it reports")
        if found.reports_speak_on == "test" and answering.test is None:
            raise ValueError("it lacks the figures of the test images, which it reports")
        if any(os.path.basename(name) != name for name in found.files):
            raise ValueError("it names files that are not beside it")
        try:
            check_class_names(found.class_names, "class_names")
        except DataError as error:
            raise ValueError(error) from None
        classes = len(found.class_names)
        for one in (found.best, found.final, found.tta):
            for part in (one.test, one.validation, one.training) if one else ():
                if part:
                    _check_sizes(part, classes)
        if values.get(_CHECKSUM) not in (None, _checksum(values)):  # there was none at first
            raise ValueError("a value in it was altered")
        return found


def _checksum(values: Mapping[str, Any]) -> str:
    """SHA-256 of what `metrics.json` holds besides: a flipped bit of a digit is none of a form."""
    others = {name: value for name, value in values.items() if name != _CHECKSUM}
    written = f"{json.dumps(others, indent=2)}\n"  # whatever the file's own line breaks are
    return hashlib.sha256(written.encode()).hexdigest()


def _check_sizes(part: Evaluation, classes: int) -> None:
    sizes = {len(part.per_class), len(part.confusion), *map(len, part.confusion)}
    if sizes != {classes}:
        raise ValueError(f"its figures are not of {classes} classes")
    if not 0 < part.n == sum(map(sum, part.confusion)):
        raise ValueError(f"its matrix is not of its {part.n} images")


def most_bytes(images: int, classes: int) -> int:
    """Of a `predictions.csv`, with some to spare."""
    return (images + 1) * (60 + 9 * classes)  # a probability has 8 characters and a comma


class Results:
    """The files that an evaluation writes, and their one reader.

    What is read is a plain file of a size that can be, the one that was written where its hash is
    known, of this run, finite and of the right types.

    Attributes:
        folder: of the run.
    """

    def __init__(
        self,
        folder: Path,
        write: Callable[[str, bytes], None],
        fingerprint: Callable[[], str | None],
    ) -> None:
        """Name the folder.

        Args:
            write: replaces a file of that name in the folder.
            fingerprint: of the run's recipe and data; None where that is not known.
        """
        self.folder = folder
        self._write = write
        self._fingerprint = fingerprint
        self._written: dict[str, str] = {}

    def exist(self) -> bool:
        """Whether the run was evaluated."""
        return os.path.lexists(self.folder / _METRICS)

    @property
    def metrics(self) -> Metrics:
        """The figures. Raises `UsageError`: not evaluated yet, altered, or of another run."""
        if not self.exist():
            raise UsageError(f"{self.folder} was not evaluated yet; run: {self._again()}")
        path = self.folder / _METRICS
        try:
            found = Metrics.from_dict(
                from_json(read_bytes(path, UsageError), str(path), CheckpointError)
            )
        except UsageError:
            raise
        except (CheckpointError, ValueError) as error:
            raise self._altered(_METRICS, error) from None
        if found.run and found.run != (self._fingerprint() or found.run):
            raise self._altered(_METRICS, "it is of another recipe, seed or data set")
        return found

    def write_metrics(self, metrics: Metrics) -> None:
        """Write `metrics.json`: last, for a run that has it has all its results."""
        self._write(_METRICS, to_json(metrics.to_dict()))

    def written(self) -> dict[str, str]:
        """The SHA-256 of the results written here, by name, but for pages and pictures."""
        return dict(sorted(self._written.items()))

    def are_whole(self) -> bool:
        """Whether there are metrics, and all the files beside them that they were written with."""
        try:
            for name in self.metrics.files:
                self._read(name)
        except UsageError:
            return False
        return True

    @property
    def calibration(self) -> dict[str, Any] | None:
        """`calibration.json`, which `evaluation.calibration` reads; None before the evaluation.

        Raises:
            UsageError: it was altered.
        """
        if not os.path.lexists(self.folder / _CALIBRATION):
            return None
        try:
            found = from_json(
                self._read(_CALIBRATION), str(self.folder / _CALIBRATION), CheckpointError
            )
            check_calibration(found)
            covered = len(found["measured"]["conformal"]["coverage_by_class"])
            measured = found["measured"]["n"]
            if not (found["fitted_on"]["n"] and measured):
                raise ValueError("it is of no images")
            if _CALIBRATION not in self._written and self.exist():
                classes, n = len(self.metrics.class_names), self.metrics.shown.n
                if covered != classes:
                    raise ValueError(f"it is of {covered} classes, not of {classes}")
                if measured != n:
                    raise ValueError(f"it is of {measured:,} images, not of {n:,}")
        except UsageError:
            raise
        except (CheckpointError, ValueError) as error:
            raise self._altered(_CALIBRATION, error) from None
        return found

    def write_calibration(self, calibration: dict[str, Any]) -> None:
        """Write `calibration.json`."""
        self._keep(_CALIBRATION, to_json(calibration))

    @property
    def have_predictions(self) -> bool:
        """Whether there is a `predictions.csv`."""
        return os.path.lexists(self.folder / _PREDICTIONS)

    @property
    def predictions(self) -> Predictions:
        """A row an image that the results speak of.

        Raises:
            UsageError: it is missing, altered, or not the file that the metrics were written with.
        """
        path = self.folder / _PREDICTIONS
        if not path.exists():
            raise UsageError(f"{path} is missing; write it with: {self._again()}")
        shape, most = None, MOST_TEXT
        if _PREDICTIONS in self._written:
            most = MOST_BYTES
        elif self.exist():
            metrics = self.metrics
            shape = (metrics.shown.n, len(metrics.class_names))
            most = min(MOST_BYTES, most_bytes(*shape))
        data = self._read(_PREDICTIONS, most)
        try:
            found = predictions_from_csv(data.decode())
            if shape not in (None, found.probabilities.shape):
                raise ValueError("it is not of {:,} images and {} classes".format(*shape))
            return found
        except ValueError as error:
            raise UsageError(f"{path} is not as it was written ({error})") from None

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
        if abs(found.correct.mean() - metrics.shown.accuracy) > 1e-9:
            raise self._not_of_metrics(_PREDICTIONS)
        return found

    def _read(self, name: str, most: int = MOST_BYTES) -> bytes:
        """A result, as it was written here, or else as the metrics say that it was."""
        data = read_bytes(self.folder / name, UsageError, most)
        known = self._written
        if name not in known and self.exist():
            known = self.metrics.files
        if known.get(name) not in (None, hashlib.sha256(data).hexdigest()):
            raise self._not_of_metrics(name)
        return data

    def _keep(self, name: str, data: bytes) -> None:
        self._write(name, data)
        self._written[name] = hashlib.sha256(data).hexdigest()

    def _altered(self, name: str, reason: object) -> UsageError:
        return UsageError(
            f"{self.folder / name} is not as it was written ({reason}); write it again with: "
            f"{self._again()}"
        )

    def _not_of_metrics(self, name: str) -> UsageError:
        return UsageError(
            f"{self.folder / name} does not belong to metrics.json beside it; write both again "
            f"with: {self._again()}"
        )

    def _again(self) -> str:
        return run_command("evaluate", self.folder)

    def write_predictions(self, predictions: Predictions) -> None:
        """Write `predictions.csv`."""
        self._keep(_PREDICTIONS, predictions_to_csv(predictions).encode())

    def write_table(self, name: str, csv: str) -> None:
        """Write "confusion_matrix", "errors" or "answers" as CSV."""
        self._keep(f"{name}.csv", to_utf8(csv))

    def write_page(self, html: str) -> Path:
        """Write `report.html`; returns where it is."""
        self._write(_PAGE, to_utf8(html))
        return self.folder / _PAGE

    def write_report(self, text: str, values: dict[str, Any]) -> None:
        """Write `classification_report.txt` and `.json`."""
        self._keep(f"{_REPORT}.txt", to_utf8(text))
        self._keep(f"{_REPORT}.json", to_json(values))

    def write_plot(self, name: str, png: bytes, svg: bytes) -> None:
        """Write a picture: "loss_…" and "accuracy_…", "confusion_matrix…" or "reliability"."""
        self._write(f"{name}.png", png)
        self._write(f"{name}.svg", svg)
