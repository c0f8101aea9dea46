"""How much training fits into a given time: `train --minutes`."""

import dataclasses
import math
import tempfile
import time
from pathlib import Path

import numpy as np

from fashion_cnn.data.fashion_mnist import DataSet
from fashion_cnn.data.fetch import data_directory
from fashion_cnn.data.split import TrainingData
from fashion_cnn.errors import UsageError
from fashion_cnn.evaluation.evaluate import TRAINING_IMAGES
from fashion_cnn.frameworks import Framework, Hardware, beside_others, open_framework
from fashion_cnn.process import launch
from fashion_cnn.process.interruption import Interruption
from fashion_cnn.process.machine import CoreTimes
from fashion_cnn.recipes.recipe import MOST_EPOCHS, Recipe
from fashion_cnn.run.folder import Run
from fashion_cnn.run.history import EpochRecord
from fashion_cnn.text import duration
from fashion_cnn.training.progress import Progress

MOST_MINUTES = 10_080.0
"""A week."""

_MEASURED = 2.0  # seconds of steps that a measurement should see
_AT_FIRST = 8  # batches, to learn how many that takes
_VALIDATED = 1000  # images, of which validation's speed is learned
_CLOSE = 0.01  # so near a whole number of epochs, all images are trained on
_DRAWING = 3.0  # seconds: of plots and report


@dataclasses.dataclass(frozen=True)
class Pace:
    """How fast a recipe trains here.

    Attributes:
        image_seconds: of training, for each image.
        scoring_seconds: of validation and evaluation, for each image.
        epoch_seconds: what an epoch takes besides, to be recorded.
    """

    image_seconds: float
    scoring_seconds: float
    epoch_seconds: float


def fit_to_minutes(
    minutes: float,
    recipe: Recipe,
    data_dir: str | Path | None,
    hardware: Hardware,
    *,
    test: bool = True,
) -> tuple[Recipe, Hardware]:
    """Set a recipe's `epochs`, and where they must be cut to fit its `train_images`, to a time.

    The first seconds of it go into measuring the speed: steps of the recipe on its own data, in a
    folder that is thrown away. What comes back is a plain recipe, so that the run is repeated and
    resumed as any other; the speed is not kept.

    Args:
        minutes: from now to the end of the evaluation, whose length is estimated.
        recipe, data_dir, hardware, test: as `job.train` takes them.

    Returns:
        The recipe, and the hardware with as many threads as were measured with.

    Raises:
        UsageError: the time is out of range, or too short for one batch an epoch; or several
            ranks train, which may not be equally fast. Else as `job.train`.
    """
    if type(minutes) not in (int, float):
        raise UsageError(f"minutes is {minutes!r:.60}; it must be a number")
    if not 0 < minutes <= MOST_MINUTES:
        raise UsageError(f"minutes is {minutes:g}; it must be above 0 and at most {MOST_MINUTES:g}")
    if launch.ranks() > 1:
        raise UsageError("minutes is for one process; under torchrun give epochs")
    cores = CoreTimes.now()
    began = cores.at
    with Progress() as progress:
        data_set = DataSet.open(data_directory(data_dir, progress.say))
        data = data_set.divided(recipe)
        hardware = beside_others(hardware, cores, progress.say)
        framework = open_framework(hardware)
        framework.check(recipe)
        with framework:
            if recipe.teacher:
                from fashion_cnn.shipping.teacher import with_teacher

                known, threads = dict(data_set.contents.sha256), launch.threads(hardware.threads)
                recipe, data, _ = with_teacher(recipe, data, known, threads, lambda line: None)
            pace = measure(recipe, data, framework)
        # Both checkpoints are evaluated, unless the last epoch is the best one.
        images = min(len(data.training), TRAINING_IMAGES) + len(data.validation)
        if test:
            images += data_set.contents.count("test")
        after = 2 * images * pace.scoring_seconds + _DRAWING
        fitted = fit(recipe, data, pace, 60 * minutes - (time.monotonic() - began) - after)
        images = fitted.train_images or len(data.training)
        progress.say(
            f"{minutes:g} minutes: {fitted.epochs} epochs of {images:,} images, "
            f"{duration(_epoch(images, data, pace))} each; about {duration(after)} to evaluate"
        )
    return fitted, dataclasses.replace(hardware, threads=launch.threads(hardware.threads))


def fit(recipe: Recipe, data: TrainingData, pace: Pace, seconds: float) -> Recipe:
    """Set `epochs` to as many as fit into the time; fewer images where whole epochs do not.

    No recipe has more than `MOST_EPOCHS`: of data that small, training ends before the time.

    Raises:
        UsageError: not even one batch an epoch does.
    """
    images = len(data.training)
    whole = _epoch(images, data, pace)
    epochs = max(1, math.floor(seconds / whole * (1 + _CLOSE)))
    if epochs >= MOST_EPOCHS:
        return recipe.replace(epochs=MOST_EPOCHS)
    if math.isclose(epochs * whole, seconds, rel_tol=_CLOSE):
        return recipe.replace(epochs=epochs)
    epochs += whole * epochs < seconds
    room = round((seconds / epochs - _epoch(0, data, pace)) / pace.image_seconds)
    room -= room % recipe.batch_size == 1  # a last batch of one image is of little use, or of none
    if room < max(recipe.batch_size, len(data.training.class_names)):
        raise UsageError(
            f"{max(seconds, 0):.1f} s are left for training, less than one batch and its "
            "validation take here; give more minutes"
        )
    return recipe.replace(epochs=epochs, train_images=min(images, room))


def _epoch(images: int, data: TrainingData, pace: Pace) -> float:
    """Seconds of an epoch of so many images."""
    validation = len(data.validation) * pace.scoring_seconds
    return images * pace.image_seconds + validation + pace.epoch_seconds


def measure(recipe: Recipe, data: TrainingData, framework: Framework) -> Pace:
    """Train two short epochs, of which the second tells the speed; twice if they were too short."""
    batches = _AT_FIRST
    pace = _measured(recipe, data, framework, batches)
    wanted = math.ceil(_MEASURED / (pace.image_seconds * recipe.batch_size))
    if wanted > batches:
        pace = _measured(recipe, data, framework, wanted)
    return pace


def _measured(recipe: Recipe, data: TrainingData, framework: Framework, batches: int) -> Pace:
    few = np.arange(min(batches * recipe.batch_size, len(data.training)))
    some = np.arange(min(_VALIDATED, len(data.validation)))
    part = dataclasses.replace(
        data,
        training=data.training.select(few),
        validation=data.validation.select(some),
        training_indices=data.training_indices[few],
        validation_indices=data.validation_indices[some],
    )
    short = recipe.replace(epochs=2, early_stopping=0, freeze=0)
    with tempfile.TemporaryDirectory(prefix="fashion-cnn-") as folder:
        run = Run(folder)
        # An interruption that is not entered: Ctrl+C leaves at once, for there is nothing to keep.
        clock = _Clock()
        framework.train(short, part, run, Interruption(), clock)
        last = run.history[-1]
    training = len(few) / last.images_per_second
    before, after = clock.ends[-2:]
    return Pace(
        training / len(few),
        max(0.0, last.seconds - training) / len(some),
        max(0.0, after - before - last.seconds),
    )


class _Clock(Progress):
    """Notes when each epoch is over, whatever that takes besides training and validation."""

    def __init__(self) -> None:
        super().__init__(quiet=True)
        self.ends: list[float] = []

    def epoch(self, record: EpochRecord, *, best: bool) -> None:
        """As `Progress.epoch`, but to note the time."""
        self.ends.append(time.monotonic())
