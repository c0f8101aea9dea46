"""`EpochRecord`, one row of `history.csv`."""

import csv
import dataclasses
import io
import math
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from fashion_cnn.errors import UsageError
from fashion_cnn.files import read_text, to_csv

EVENT_FILE = "fashion-cnn.tfevents.0"
"""The history as TensorBoard reads it: any file whose name has "tfevents" in it."""


@dataclass(frozen=True)
class EpochRecord:
    """What one epoch measured.

    Attributes:
        epoch: counted from 1.
        step: optimiser steps done by the epoch's end.
        learning_rate: of the epoch's last step.
        train_loss, train_accuracy: means over the epoch's batches as they were trained on: with
            augmentation, dropout, label smoothing and class weights.
        val_loss, val_accuracy: of the validation part at the epoch's end. The loss is plain
            cross-entropy.
        seconds: training and validation, wall clock.
        images_per_second: of training alone.
    """

    epoch: int
    step: int
    learning_rate: float
    train_loss: float
    train_accuracy: float
    val_loss: float
    val_accuracy: float
    seconds: float
    images_per_second: float


@dataclass(frozen=True)
class Trained:
    """How far training came.

    Attributes:
        status: "finished", "stopped early" or "interrupted".
        step: optimiser steps.
        epochs: a stop inside an epoch makes it a fraction.
        seconds: of training and validation.
    """

    status: str
    step: int
    epochs: float
    seconds: float


def history_to_csv(records: Iterable[EpochRecord]) -> str:
    """A header and a row an epoch; floats are written so that they read back exactly."""
    header = [item.name for item in dataclasses.fields(EpochRecord)]
    return to_csv([header, *map(dataclasses.astuple, records)])


def read_history(path: Path) -> list[EpochRecord]:
    """Read `history.csv`, empty without it. Raises `UsageError` if it was altered beyond use."""
    text = read_text(path, UsageError) if path.exists() else ""
    types = {item.name: item.type for item in dataclasses.fields(EpochRecord)}
    try:
        history = [
            EpochRecord(**{name: types[name](value) for name, value in row.items()})  # type: ignore
            for row in csv.DictReader(io.StringIO(text))
        ]
        for record in history:
            if not all(math.isfinite(value) for value in dataclasses.astuple(record)):
                raise ValueError(f"a number of epoch {record.epoch} is not finite")
        return history
    except (ValueError, TypeError, KeyError, OverflowError, csv.Error) as error:
        raise UsageError(f"{path} is not a history as it was written ({error})") from None


def best_record(history: Iterable[EpochRecord]) -> EpochRecord | None:
    """The epoch of lowest validation loss, the earliest of equals; None without an epoch."""
    return min(history, key=lambda record: record.val_loss, default=None)
