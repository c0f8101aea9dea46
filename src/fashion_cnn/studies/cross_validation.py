"""Out-of-fold predictions: every training image scored by a network that did not train on it."""

import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fashion_cnn.data.randomness import stream
from fashion_cnn.data.split import Split, TrainingData
from fashion_cnn.errors import UsageError
from fashion_cnn.evaluation.metrics import log_softmax
from fashion_cnn.frameworks import Hardware, open_framework
from fashion_cnn.process.interruption import Interruption
from fashion_cnn.recipes.recipe import Recipe
from fashion_cnn.run.folder import Run
from fashion_cnn.training.progress import Progress


def folds(labels: NDArray[np.int64], count: int, seed: int) -> NDArray[np.int64]:
    """Deal images into folds, each class evenly: int64 (N,) from 0 to `count` - 1.

    Raises:
        UsageError: `count` is below 2, or above the images of a class.
    """
    fewest = int(np.bincount(labels, minlength=1)[np.unique(labels)].min(initial=len(labels)))
    if not 2 <= count <= fewest:
        raise UsageError(
            f"folds is {count}; it must be from 2 to {fewest}, the images of the smallest class"
        )
    fold = np.empty(len(labels), np.int64)
    dealt = 0
    for label in np.unique(labels):
        places = stream(seed, "folds", int(label)).permutation(np.flatnonzero(labels == label))
        fold[places] = (dealt + np.arange(len(places))) % count
        dealt += len(places)  # the next class goes on where this one ended: folds of equal size
    return fold


def out_of_fold(
    split: Split, recipe: Recipe, count: int, hardware: Hardware, say: Callable[[str], None]
) -> NDArray[np.float64]:
    """Train `count` networks, each without one fold, and score that fold with it.

    Each scores with the checkpoint of its last epoch: choosing one by its fold would let the
    fold's labels in.

    Args:
        split: all training images; folds are drawn by the recipe's seed.
        recipe: how each is trained; a batch is at most what a network trains on.
        hardware: where to compute.
        say: gets a line a fold.

    Returns:
        (N, C) float64 probabilities.

    Raises: as `fashion_cnn.job.train`.
    """
    fold = folds(split.labels, count, recipe.seed)
    smallest = len(split) - int(np.bincount(fold).max())
    recipe = recipe.replace(batch_size=min(recipe.batch_size, smallest))
    probabilities = np.empty((len(split), len(split.class_names)))
    with open_framework(hardware) as framework:
        for number in range(count):
            rest, held_out = np.flatnonzero(fold != number), np.flatnonzero(fold == number)
            data = TrainingData(split.select(rest), split.select(held_out), rest, held_out)
            with tempfile.TemporaryDirectory() as folder:
                run = Run(Path(folder))
                run.describe({}, {"class_names": list(split.class_names), "test_sealed": True})
                # Never entered, so signals act as usual: there is nothing to save.
                framework.train(recipe, data, run, Interruption(), Progress(quiet=True))
                logits = framework.open_classifier(run, "final").logits(data.validation.images)
            probabilities[held_out] = np.exp(log_softmax(logits))
            right = f"{100 * (logits.argmax(1) == data.validation.labels).mean():.2f} %"
            say(f"fold {number + 1} of {count}: {right} of {len(held_out):,} images right")
    return probabilities
