"""An epoch of the baseline in Keras: a plain `fit`, and ours. Runs in a process of its own."""

import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from fashion_cnn.data.fashion_mnist import DataSet
from fashion_cnn.data.split import Split, TrainingData
from fashion_cnn.on_keras.framework import KerasFramework
from fashion_cnn.process.interruption import Interruption
from fashion_cnn.recipes.recipe import Recipe
from fashion_cnn.run.folder import Run
from fashion_cnn.training.progress import Progress


def fit_and_our_epoch(
    directory: Path, recipe: Recipe, threads: int | None
) -> tuple[float, float, dict[str, Any]]:
    """Mean seconds of two of `fit_epoch` and of `our_epoch`, in the order fit, ours, ours, fit.

    A drift of the machine's speed so moves both alike. Also what `describe` says of Keras.
    """
    with KerasFramework("cpu", threads, deterministic=False) as framework:
        data = DataSet.open(directory).divided(recipe)
        first = fit_epoch(data.training, recipe)
        ours = our_epoch(data, recipe, framework) + our_epoch(data, recipe, framework)
        return (first + fit_epoch(data.training, recipe)) / 2, ours / 2, framework.describe()


def fit_epoch(training: Split, recipe: Recipe) -> float:
    """Seconds of `fit` on the arrays, with the assignment's network in Keras's own words.

    Some hold a wait at the end, which is `fit`'s own: see `read_ahead` in on_keras/batches.py.
    """
    import keras
    from keras import layers

    images, labels = training.images[..., np.newaxis], training.labels
    began = time.perf_counter()
    model = keras.Sequential(
        [
            keras.Input((28, 28, 1), dtype="uint8"),
            layers.Rescaling(1 / 255),
            layers.Conv2D(32, 3, padding="same", activation="relu"),
            layers.MaxPooling2D(),
            layers.Conv2D(64, 3, padding="same", activation="relu"),
            layers.MaxPooling2D(),
            layers.Conv2D(128, 3, padding="same", activation="relu"),
            layers.MaxPooling2D(),
            layers.Flatten(),
            layers.Dense(128, activation="relu"),
            layers.Dropout(0.4),
            layers.Dense(10),
        ]
    )
    model.compile(
        optimizer=keras.optimizers.Adam(recipe.learning_rate),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
    )
    model.fit(images, labels, batch_size=recipe.batch_size, verbose=0)  # pyright: ignore[reportArgumentType]
    return time.perf_counter() - began


def our_epoch(data: TrainingData, recipe: Recipe, framework: KerasFramework) -> float:
    """Seconds of a one-epoch `train` less its validation pass, which `fit_epoch` has not."""
    with tempfile.TemporaryDirectory() as folder:
        run = Run(folder)
        began = time.perf_counter()
        framework.train(recipe, data, run, Interruption(), Progress(quiet=True))
        whole = time.perf_counter() - began
        (record,) = run.history
    return whole - (record.seconds - len(data.training) / record.images_per_second)
