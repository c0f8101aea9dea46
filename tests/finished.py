"""Finished runs that nobody trained: a classifier whose mistakes come from a seed."""

import dataclasses
import shutil
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from conftest import make_split
from fashion_cnn.data.fashion_mnist import SHA256
from fashion_cnn.data.split import Split, TrainingData
from fashion_cnn.evaluation.evaluate import evaluate_run
from fashion_cnn.recipes.recipe import Recipe
from fashion_cnn.run.folder import Run
from fashion_cnn.run.history import EpochRecord, Trained
from fashion_cnn.run.results import CheckpointMetrics, Evaluation, Metrics


class Guesser:
    """Knows the labels of its images, and forgets some of them; too sure of itself."""

    def __init__(self, *splits: Split, skill: float = 2.5, seed: int = 0) -> None:
        self._known = {len(split): split.labels for split in (TRAINING, *splits)}
        self._skill, self._seed = skill, seed
        self._classes = len(splits[0].class_names)

    def logits(self, images: np.ndarray) -> np.ndarray:
        labels = self._known[len(images)]
        noise = np.random.default_rng(self._seed).gumbel(size=(len(labels), self._classes))
        return (2 * (noise + self._skill * np.eye(self._classes)[labels])).astype(np.float32)


TRAINING = make_split(400, seed=3)


def around(validation: Split) -> TrainingData:
    """Data with this validation part."""
    places = np.arange(len(TRAINING)), np.arange(len(validation))
    training = dataclasses.replace(TRAINING, class_names=validation.class_names)
    return TrainingData(training, validation, *places)


# By what was asked for: those of the usual images are made once and copied.
_MADE: dict[str, tuple[Path, Metrics]] = {}
_PLACE = tempfile.TemporaryDirectory()


def finished_run(
    folder: Path,
    *,
    test: Split | None = None,
    validation: Split | None = None,
    skill: float = 2.5,
    sealed: bool = False,
    validation_share: float = 0.1,
    **fields: Any,
) -> tuple[Run, Metrics, Split]:
    """A run folder as an evaluation leaves it, its metrics, and the images that it speaks of."""
    recipe = Recipe(**{"epochs": 3, "validation": validation_share, **fields})
    key, is_usual = str((skill, sealed, recipe)), test is validation is None
    test = test or make_split(1200, seed=1)
    validation = validation or make_split(800, seed=2)
    what = recipe, test, validation, skill, sealed
    if not is_usual:
        return (run := Run(folder)), _evaluated(run, *what), validation if sealed else test
    if key not in _MADE:
        place = Path(_PLACE.name, str(len(_MADE)))
        _MADE[key] = place, _evaluated(Run(place), *what)
    place, metrics = _MADE[key]
    return Run(shutil.copytree(place, folder)), metrics, validation if sealed else test


def _evaluated(
    run: Run, recipe: Recipe, test: Split, validation: Split, skill: float, sealed: bool
) -> Metrics:
    run.path.mkdir(parents=True)
    environment = {"framework": "pytorch", "device": "cpu", "threads": 2, "data_sha256": SHA256}
    run.describe(
        {**environment, "command": ["fashion-cnn", "train"], "deterministic": False},
        {"seed": recipe.seed, "test_sealed": sealed, "fingerprint": "0" * 16},
    )
    run.record_history(
        [EpochRecord(e, 10 * e, 1e-3, 1 / e, 0.8, 0.9 / e, 0.85, 1.5, 1e3) for e in (1, 2, 3)]
    )
    run.record_recipe(recipe)
    guesser = Guesser(test, validation, skill=skill, seed=recipe.seed)
    metrics = evaluate_run(
        run,
        lambda checkpoint: guesser,
        around(validation),
        None if sealed else lambda: test,
        Trained("finished", 30, 3.0, 4.5),
    )
    run.results.write_metrics(metrics)
    return metrics


def metrics_of(shown: Evaluation) -> Metrics:
    """The metrics of a run whose checkpoints all measure the same."""
    test = shown if shown.split == "test" else None
    both = CheckpointMetrics(1, 1, test, shown)
    return Metrics(
        status="finished",
        framework="pytorch",
        class_names=tuple(one.name for one in shown.per_class),
        test_readings=1,
        best_is="the epoch of lowest validation loss",
        reports_speak_of="best",
        reports_speak_on=shown.split,
        training_seconds=1.0,
        best=both,
        final=both,
    )
