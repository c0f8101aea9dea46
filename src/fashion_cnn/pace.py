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
from fashion_cnn.frameworks import Framework, Hardware, beside_others, open_framework
from fashion_cnn.process import launch
from fashion_cnn.process.interruption import Interruption
from fashion_cnn.process.machine import CoreTimes
from fashion_cnn.recipes.recipe import Recipe
from fashion_cnn.run.folder import Run
from fashion_cnn.text import duration
from fashion_cnn.training.progress import Progress

MOST_MINUTES = 10_080.0
"""A week."""

_MEASURED = 2.0  # seconds of steps that a measurement should see
_AT_FIRST = 8  # batches, to learn how many that takes
_VALIDATED = 1000  # images, of which validation's speed is learned
_CLOSE = 0.02  # so near a whole number of epochs, all images are trained on


@dataclasses.dataclass(frozen=True)
class Pace:
    """How fast a recipe trains here.

    Attributes:
        image_seconds: of training, for each image.
        validation_seconds: of the validation after each epoch.
    """

    image_seconds: float
    validation_seconds: float


def fit_to_minutes(
    minutes: float, recipe: Recipe, data_dir: str | Path | None, hardware: Hardware
) -> tuple[Recipe, Hardware]:
    """Set a recipe's `epochs`, and where they must be cut to fit its `train_images`, to a time.

    The first seconds of it go into measuring the speed: steps of the recipe on its own data, in a
    folder that is thrown away. What comes back is a plain recipe, so that the run is repeated and
    resumed as any other; the speed is not kept.

    Args:
        minutes: of training with validation; start-up and the evaluation at the end come on top.
        recipe, data_dir, hardware: as `job.train` takes them.

    Returns:
        The recipe, and the hardware with as many threads as were measured with.

    Raises:
        UsageError: the time is out of range, or too short for one batch an epoch; or several
            ranks train, which may not be equally fast. Else as `job.train`.
    """
    if not 0 < minutes <= MOST_MINUTES:
        raise UsageError(f"minutes is {minutes:g}; it must be above 0 and at most {MOST_MINUTES:g}")
    if launch.ranks() > 1:
        raise UsageError("minutes is for one process; under torchrun give epochs")
    cores = CoreTimes.now()
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
            began = time.monotonic()
            pace = measure(recipe, data, framework)
            left = 60 * minutes - (time.monotonic() - began)
        fitted = fit(recipe, data, pace, left)
        images = fitted.train_images or len(data.training)
        epoch = images * pace.image_seconds + pace.validation_seconds
        progress.say(
            f"{minutes:g} minutes: {fitted.epochs} epochs of {images:,} images, "
            f"{duration(epoch)} each"
        )
    return fitted, hardware


def fit(recipe: Recipe, data: TrainingData, pace: Pace, seconds: float) -> Recipe:
    """Set `epochs` to as many as fit into the time; fewer images where whole epochs do not.

    Raises:
        UsageError: not even one batch an epoch does.
    """
    images = len(data.training)
    whole = images * pace.image_seconds + pace.validation_seconds
    epochs = max(1, math.floor(seconds / whole * (1 + _CLOSE)))
    if math.isclose(epochs * whole, seconds, rel_tol=_CLOSE):
        return recipe.replace(epochs=epochs)
    epochs += whole * epochs < seconds
    room = round((seconds / epochs - pace.validation_seconds) / pace.image_seconds)
    if room < max(recipe.batch_size, len(data.training.class_names)):
        raise UsageError(
            f"{max(seconds, 0):.1f} s are left for training, less than one batch and its "
            "validation take here; give more minutes"
        )
    return recipe.replace(epochs=epochs, train_images=min(images, room))


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
    part = TrainingData(
        data.training.select(few),
        data.validation.select(some),
        data.training_indices[few],
        data.validation_indices[some],
        data.teacher,
    )
    short = recipe.replace(epochs=2, early_stopping=0, freeze=0)
    with tempfile.TemporaryDirectory(prefix="fashion-cnn-") as folder:
        run = Run(folder)
        # An interruption that is not entered: Ctrl+C leaves at once, for there is nothing to keep.
        framework.train(short, part, run, Interruption(), Progress(quiet=True))
        last = run.history[-1]
    training = len(few) / last.images_per_second
    validation = max(0.0, last.seconds - training) * len(data.validation) / len(some)
    return Pace(training / len(few), validation)
