"""`EpochRecord`, one row of `history.csv`."""

import csv
import dataclasses
import io
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Annotated

from fashion_cnn.errors import UsageError
from fashion_cnn.files import read_text, to_csv
from fashion_cnn.recipes.fields import MOST_SIZE
from fashion_cnn.recipes.recipe import MOST_EPOCHS
from fashion_cnn.run.typed import Count, Share, Within, decode

Size = Annotated[float, Within(-MOST_SIZE, MOST_SIZE)]
"""What can be drawn, and summed."""

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

    epoch: Count
    step: Count
    learning_rate: Size
    train_loss: Size
    train_accuracy: Share
    val_loss: Size
    val_accuracy: Share
    seconds: Size
    images_per_second: Size


def can_be_recorded(loss: float) -> bool:
    """Whether a loss is a number that a history may hold; a larger one is of a ruin."""
    return abs(loss) <= MOST_SIZE


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
    return to_csv([header, *(dataclasses.astuple(record) for record in records)])


def read_history(path: Path) -> list[EpochRecord]:
    """Read `history.csv`, empty without it. Raises `UsageError` if it was altered beyond use."""
    text = read_text(path, UsageError) if path.exists() else ""
    types = {item.name: item.type for item in dataclasses.fields(EpochRecord)}
    try:
        rows = csv.DictReader(io.StringIO(text))
        history = [
            decode(EpochRecord, {name: types[name](value) for name, value in row.items()})  # type: ignore
            for row in islice(rows, MOST_EPOCHS + 1)
        ]
        if len(history) > MOST_EPOCHS:
            raise ValueError(f"it has more than {MOST_EPOCHS:,} epochs")
        return history
    except (ValueError, TypeError, KeyError, OverflowError, csv.Error) as error:
        raise UsageError(f"{path} is not a history as it was written ({error})") from None


def best_record(history: Iterable[EpochRecord]) -> EpochRecord | None:
    """The epoch of lowest validation loss, the earliest of equals; None without an epoch."""
    return min(history, key=lambda record: record.val_loss, default=None)
