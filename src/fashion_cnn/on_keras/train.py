"""Keras `fit`, an epoch a call, and the callback that keeps the run's records."""

import dataclasses
import functools
import time
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from fashion_cnn.data.split import Split, TrainingData
from fashion_cnn.errors import NotFiniteError
from fashion_cnn.on_keras.batches import Batches, read_ahead
from fashion_cnn.on_keras.classifier import predict
from fashion_cnn.on_keras.state import KerasState
from fashion_cnn.process.interruption import Interruption
from fashion_cnn.recipes.networks import own_network
from fashion_cnn.run.folder import Run
from fashion_cnn.run.history import Trained, can_be_recorded
from fashion_cnn.training.film import loss_and_accuracy
from fashion_cnn.training.progress import Progress
from fashion_cnn.training.state import CHECKPOINT_SECONDS


class Recorder(keras.callbacks.Callback):
    """Sets each step's learning rate, and writes the run's records, checkpoints and progress."""

    def __init__(
        self,
        state: KerasState,
        run: Run,
        data: TrainingData,
        interruption: Interruption,
        progress: Progress,
    ) -> None:
        """Args: as in `train`."""
        super().__init__()
        self._state, self._run, self._data = state, run, data
        self._interruption, self._progress = interruption, progress
        self._rate, self._saved = 0.0, time.monotonic()
        self._mark = time.perf_counter()

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        """Go on with the sums of an epoch that was begun before."""
        self._state.write_sums()

    def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
        """Set the learning rate, and where a network of somebody's own draws from."""
        if own_network(self._state.recipe.model):
            self._state.place_draws(self._state.step)
        if (rate := self._state.learning_rate) != self._rate:
            self._rate = self.model.optimizer.learning_rate = rate

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        """Count the step; stop where someone interrupts, save every few minutes.

        Raises:
            NotFiniteError: a loss of this epoch is not finite.
        """
        state, logs = self._state, logs or {}
        state.step += 1
        now = time.perf_counter()
        state.seconds, self._mark = state.seconds + now - self._mark, now
        if not can_be_recorded(logs["loss"]):
            raise NotFiniteError(f"loss {logs['loss']:g}")
        self._progress.step(state.step, logs["loss"], logs["accuracy"])
        if state.step % state.steps_per_epoch == 0:
            return
        if self._interruption.signal is not None:
            state.read_sums()
            self.model.stop_training = True  # `train` saves
        elif time.monotonic() - self._saved > CHECKPOINT_SECONDS:
            state.read_sums()
            self._save()

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Validate and record a whole epoch."""
        if self._state.step % self._state.steps_per_epoch:
            return
        self._state.read_sums()
        logits, *found = validate(self.model, self._data.validation)
        record = self._state.end_epoch(self._rate, *found)
        self._run.log("epoch", **dataclasses.asdict(record))
        self._state.film(self._run, self._data, logits, functools.partial(predict, self.model))
        self._save()
        self._run.record_history(self._state.history)
        self._progress.epoch(record, best=self._state.is_best(record))
        self._mark = time.perf_counter()

    def _save(self) -> None:
        self._state.save(self._run)
        self._saved, self._mark = time.monotonic(), time.perf_counter()


def train(
    state: KerasState,
    data: TrainingData,
    run: Run,
    interruption: Interruption,
    progress: Progress,
) -> Trained:
    """Train until the recipe is done, or stops early, or someone interrupts.

    Args: state: begun; the others, what comes of them and what is raised as in `Framework.train`.
    """
    recorder = Recorder(state, run, data, interruption, progress)
    progress.begin(state.recipe.epochs, state.steps_per_epoch, state.step)
    while not (status := state.status):
        epoch, first = divmod(state.step, state.steps_per_epoch)
        try:
            if interruption.signal is not None:
                state.save(run)
                status = "interrupted"
                break
            state.model.fit(
                read_ahead(Batches(data, state.recipe, epoch, first)),
                initial_epoch=epoch,
                epochs=epoch + 1,
                callbacks=[recorder],
                shuffle=False,  # Keras would shuffle the batches once more
                verbose=0,
            )
        except NotFiniteError as error:
            state.roll_back(run, progress, str(error))
    return state.end(run, status)


def validate(model: keras.Model, split: Split) -> tuple[NDArray[np.float32], float, float, float]:
    """Measure a model on held-out images.

    Returns:
        The logits, (N, C), mean cross-entropy, accuracy from 0 to 1, and the seconds that it took.

    Raises:
        NotFiniteError: the loss is not finite.
    """
    began = time.perf_counter()
    found = predict(model, split.images)
    loss, accuracy = loss_and_accuracy(found, split.labels)
    if not can_be_recorded(loss):
        raise NotFiniteError(f"validation loss {loss:g}")
    return found, loss, accuracy, time.perf_counter() - began
