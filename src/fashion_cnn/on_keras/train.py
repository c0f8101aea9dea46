"""Keras `fit`, an epoch a call, and the callback that keeps the run's records."""

# pyright: reportOptionalMemberAccess=false, reportOptionalOperand=false, reportArgumentType=false
# pyright: reportAttributeAccessIssue=false, reportCallIssue=false
# Keras has no types; what a checker guesses of its attributes is wrong.

import dataclasses
import math
import time
from typing import Any

import keras
import numpy as np

from fashion_cnn.data.split import Split, TrainingData
from fashion_cnn.errors import NotFiniteError
from fashion_cnn.on_keras.batches import Batches, read_ahead
from fashion_cnn.on_keras.classifier import predict
from fashion_cnn.on_keras.learner import Learner
from fashion_cnn.recipes.recipe import Recipe
from fashion_cnn.recipes.schedule import ending, learning_rate, steps_per_epoch
from fashion_cnn.run.course import CHECKPOINT_SECONDS
from fashion_cnn.run.folder import Run
from fashion_cnn.run.interruption import Interruption
from fashion_cnn.run.progress import Progress


class Recorder(keras.callbacks.Callback):
    """Sets each step's learning rate, and writes the run's records, checkpoints and progress."""

    def __init__(
        self,
        learner: Learner,
        run: Run,
        data: TrainingData,
        interruption: Interruption,
        progress: Progress,
    ) -> None:
        """Args: as in `train`."""
        super().__init__()
        self._learner, self._run, self._validation = learner, run, data.validation
        self._interruption, self._progress = interruption, progress
        self._steps = steps_per_epoch(learner.recipe, len(data.training))
        self._rate, self._saved = 0.0, time.monotonic()
        self._mark = time.perf_counter()

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        """Go on with the sums of an epoch that was begun before."""
        self._learner.write_sums()

    def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
        """Set the learning rate."""
        learner = self._learner
        rate = learning_rate(learner.recipe, learner.step, self._steps, learner.val_losses)
        rate *= 0.5**learner.rollbacks
        if rate != self._rate:
            self._sync()
            self._rate = self.model.optimizer.learning_rate = rate

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        """Count the step; stop where someone interrupts, save every few minutes.

        Raises:
            NotFiniteError: a loss of this epoch is not finite.
        """
        learner, logs = self._learner, logs or {}
        learner.step += 1
        now = time.perf_counter()
        learner.seconds, self._mark = learner.seconds + now - self._mark, now
        if not math.isfinite(logs["loss"]):
            raise NotFiniteError(f"loss {logs['loss']:g}")
        self._progress.step(learner.step, logs["loss"], logs["accuracy"])
        if learner.step % self._steps == 0:
            return
        if self._interruption.signal is not None:
            self._sync()
            learner.read_sums()
            self.model.stop_training = True  # `train` saves
        elif time.monotonic() - self._saved > CHECKPOINT_SECONDS:
            self._sync()
            learner.read_sums()
            self._save()

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Validate and record a whole epoch."""
        if self._learner.step % self._steps:
            return
        self._learner.read_sums()
        record = self._learner.end_epoch(
            epoch + 1, self._rate, *validate(self.model, self._validation)
        )
        self._run.log("epoch", **dataclasses.asdict(record))
        self._save()
        self._run.record_history(self._learner.history)
        self._progress.epoch(record)
        self._mark = time.perf_counter()

    def _sync(self) -> None:
        """Bring the variables up to date: JAX trains on a copy of them until it is asked."""
        if keras.backend.backend() == "jax":
            self.model.jax_state_sync()

    def _save(self) -> None:
        self._learner.save(self._run)
        self._saved, self._mark = time.monotonic(), time.perf_counter()


def train(
    recipe: Recipe,
    data: TrainingData,
    run: Run,
    device: str,
    interruption: Interruption,
    progress: Progress,
    *,
    ranks: None = None,
    resume: bool = False,
) -> str:
    """Train until the recipe is done, or stops early, or someone interrupts.

    Args:
        run: locked, and new unless `resume`.
        device: where `configure` said that Keras computes; it needs no telling.
        interruption: looked at after every step.
        ranks: what `joined` gives: nobody to train with.
        resume: continue from the newest checkpoint that verifies.

    Returns:
        "finished", "stopped early" or "interrupted"; a checkpoint of that moment is published.

    Raises:
        UsageError: a batch is larger than the training part, or the recipe has something that the
            Keras side does not do exactly.
        CheckpointError: `resume`, and there is nothing to resume from.
        DivergedError: the loss stayed non-finite after `MOST_ROLLBACKS` roll-backs.
        OSError: the disk is full or failing.
    """
    steps = steps_per_epoch(recipe, len(data.training))
    began = time.perf_counter()
    fingerprint = recipe.fingerprint(data.fingerprint())
    learner = Learner.start(recipe, fingerprint, len(data.training.class_names))
    learner.seconds = time.perf_counter() - began
    learner.begin(run, progress, resume=resume)
    recorder = Recorder(learner, run, data, interruption, progress)
    progress.begin(recipe.epochs, steps, learner.step)
    while not (status := ending(recipe, learner.step, steps, learner.val_losses)):
        if interruption.signal is not None:
            learner.save(run)
            status = "interrupted"
            break
        epoch, first = divmod(learner.step, steps)
        try:
            learner.model.fit(
                read_ahead(Batches(data.training, recipe, epoch, first)),
                initial_epoch=epoch,
                epochs=epoch + 1,
                callbacks=[recorder],
                shuffle=False,  # Keras would shuffle the batches once more
                verbose=0,
            )
        except NotFiniteError as error:
            learner.roll_back(run, progress, str(error))
    run.link_results(learner.step, learner.history)
    run.log(status, step=learner.step)
    return status


def validate(model: keras.Model, split: Split) -> tuple[float, float, float]:
    """Measure a model on held-out images.

    Returns:
        Mean cross-entropy, accuracy from 0 to 1, and the seconds that it took.

    Raises:
        NotFiniteError: the loss is not finite.
    """
    began = time.perf_counter()
    logits = predict(model, split.images).astype(np.float64)
    logits -= logits.max(axis=1, keepdims=True)
    of_labels = logits[np.arange(len(logits)), split.labels]
    loss = float((np.log(np.exp(logits).sum(axis=1)) - of_labels).mean())
    if not math.isfinite(loss):
        raise NotFiniteError(f"validation loss {loss:g}")
    accuracy = float((logits.argmax(axis=1) == split.labels).mean())
    return loss, accuracy, time.perf_counter() - began
