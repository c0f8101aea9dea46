"""`TrainingState`: what a run has learned so far; how it is saved, resumed and rolled back."""

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Container, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fashion_cnn.data.split import TrainingData
from fashion_cnn.errors import CheckpointError, DivergedError, UsageError
from fashion_cnn.recipes.fields import MOST_SIZE
from fashion_cnn.recipes.recipe import Recipe
from fashion_cnn.run.checkpoint import Arrays, Checkpoint, check_layout
from fashion_cnn.run.command import run_command
from fashion_cnn.run.folder import Run
from fashion_cnn.run.history import EpochRecord, Trained, best_record
from fashion_cnn.training.film import film_epoch
from fashion_cnn.training.progress import Progress
from fashion_cnn.training.schedule import ending, learning_rate

MOST_ROLLBACKS = 3
_SLOWER = 0.25  # times the learning rate, each roll-back
CHECKPOINT_SECONDS = 300.0
"""Between checkpoints inside an epoch; there is one at each epoch's end anyway."""

_STATE = ("step", "rollbacks", "loss_sum", "correct", "seen", "seconds")


@dataclass(kw_only=True)
class TrainingState(ABC):
    """How far a run has come: the content of a checkpoint. A framework adds what it trains.

    Attributes:
        recipe: what is trained.
        fingerprint: of the recipe and the data; a checkpoint of another is refused.
        classes: to tell apart.
        steps_per_epoch: batches of an epoch.
        step: optimiser steps done.
        rollbacks: how often training diverged; each quarters the learning rate.
        loss_sum, correct, seen, seconds: of the epoch under way, up to `step`; the first epoch's
            seconds begin with the building of the network.
        history: one record a finished epoch.
    """

    recipe: Recipe
    fingerprint: str
    classes: int
    steps_per_epoch: int
    step: int = 0
    rollbacks: int = 0
    loss_sum: float = 0.0
    correct: int = 0
    seen: int = 0
    seconds: float = 0.0
    history: list[EpochRecord] = field(default_factory=list)

    @abstractmethod
    def arrays(self) -> tuple[Arrays, Arrays]:
        """The weights that answer, and what else the next step needs; by PyTorch's names."""

    @abstractmethod
    def first_filters(self) -> NDArray[np.floating[Any]] | None:
        """(K, channels, S, S) of the first convolution that learns, in the weights that answer."""

    @abstractmethod
    def take(self, found: Checkpoint) -> None:
        """Become what a checkpoint holds; raises `CheckpointError` if it does not fit."""

    @property
    def val_losses(self) -> list[float]:
        """One a finished epoch."""
        return [record.val_loss for record in self.history]

    @property
    def learning_rate(self) -> float:
        """Of the next step."""
        rate = learning_rate(self.recipe, self.step, self.steps_per_epoch, self.val_losses)
        return rate * _SLOWER**self.rollbacks

    @property
    def status(self) -> str | None:
        """How the run has ended: "finished", "stopped early", or None if it goes on."""
        return ending(self.recipe, self.step, self.steps_per_epoch, self.val_losses)

    def end_epoch(
        self, rate: float, val_loss: float, val_accuracy: float, val_seconds: float
    ) -> EpochRecord:
        """Turn the sums of the epoch under way into a record, and begin the next."""
        record = EpochRecord(
            epoch=self.step // self.steps_per_epoch,
            step=self.step,
            learning_rate=rate,
            train_loss=self.loss_sum / self.seen,
            train_accuracy=self.correct / self.seen,
            val_loss=val_loss,
            val_accuracy=val_accuracy,
            seconds=self.seconds + val_seconds,
            images_per_second=self.seen / self.seconds,
        )
        self.history.append(record)
        self.loss_sum, self.correct, self.seen, self.seconds = 0.0, 0, 0, 0.0
        return record

    def film(
        self,
        run: Run,
        data: TrainingData,
        logits: NDArray[np.floating[Any]],
        score: Callable[[NDArray[np.uint8]], NDArray[np.floating[Any]]],
    ) -> None:
        """Add the epoch that has ended to the run's film; `logits` and `score` as `film_epoch`."""
        filters = self.first_filters()
        frame = film_epoch(data, self.history[-1], self.recipe.seed, logits, score, filters)
        if frame is not None:
            run.record_frame(frame)

    def is_best(self, record: EpochRecord) -> bool:
        """Whether an epoch has the lowest validation loss of those so far."""
        return best_record(self.history) is record

    def begin(self, run: Run, progress: Progress, *, resume: bool) -> None:
        """Save the start of a new run, or become the newest checkpoint of one that goes on.

        Raises:
            CheckpointError: `resume`, and there is nothing to resume from.
            UsageError: `resume`, and more epochs are begun than the recipe has.
        """
        if resume:
            self._restore_newest(run, progress)
            if self.recipe.epochs < (done := -(-self.step // self.steps_per_epoch)):
                raise UsageError(
                    f"epochs is {self.recipe.epochs}, but {done} are begun; ask for at least {done}"
                )
            run.cut_back(self.step, self.history)
        else:
            self.save(run)
            run.record_history([])
        run.record_recipe(self.recipe)
        run.log("resumed" if resume else "started", step=self.step)

    def end(self, run: Run, status: str) -> Trained:
        """Let `final` and `best` stand for what they are, and log how it ended."""
        run.checkpoints.finish(self.step, self.history)
        run.log(status, step=self.step)
        seconds = self.seconds + sum(record.seconds for record in self.history)
        return Trained(status, self.step, self.step / self.steps_per_epoch, seconds)

    def save(self, run: Run) -> None:
        """Publish a checkpoint; raises `NotFiniteError` if a tensor is not finite."""
        model, rest = self.arrays()
        state = {name: getattr(self, name) for name in _STATE} | {"run": self.fingerprint}
        run.checkpoints.save(model, rest, state, self.history)

    def roll_back(self, run: Run, progress: Progress, what: str) -> None:
        """Return to before training went wrong, with a quarter of the rate; each time further.

        That is the newest end of an epoch whose validation loss is better than guessing's: a loss
        that is merely finite may be a ruin's. Where training has diverged again from there, it is
        the end before that; in the end the start. Later checkpoints are removed. Stops and kills
        change nothing: where inside an epoch there is a checkpoint does not matter.

        Raises:
            DivergedError: that was done `MOST_ROLLBACKS` times before; ruins are removed.
        """
        rollbacks, step = self.rollbacks + 1, self.step
        gives_up = rollbacks > MOST_ROLLBACKS
        saved = [one for one in self.history if one.step < step or run.checkpoints.has(one.step)]
        needed = run.checkpoints.needed(saved)
        accept = self._before_the_fall(needed, further=not gives_up)
        found, history, _ = run.checkpoints.newest(self.fingerprint, accept, or_start=True)
        self._become(found, history)
        self.rollbacks = rollbacks
        self.wait_for_others()  # who may still read what is removed now
        run.checkpoints.cut_back(self.step, self.history, needed)
        run.cut_back(self.step, self.history)
        if gives_up:
            run.log("diverged", step=step, to=self.step, reason=what)
            learned = f" (what it had learned before: {run_command('evaluate', run.path)})"
            raise DivergedError(
                f"training diverged at step {step} ({what}), also after the learning rate was "
                f"quartered {MOST_ROLLBACKS} times; start again with a smaller --lr"
                f"{learned if history else ''}"
            )
        run.log("rolled back", step=step, to=self.step, reason=what, rollbacks=rollbacks)
        progress.say(
            f"diverged at step {step} ({what}): back to step {self.step}, with a quarter of the "
            "learning rate"
        )

    def wait_for_others(self) -> None:  # noqa: B027
        """Until all that train together are here; alone, not at all."""

    def _restore_newest(self, run: Run, progress: Progress) -> None:
        """Become what the newest usable checkpoint holds, and name those that were rejected."""
        found, history, rejected = run.checkpoints.newest(self.fingerprint, self._accept)
        self._become(found, history)
        for line in rejected:
            progress.say(f"passed over a damaged checkpoint, {line}")

    def _become(self, found: Checkpoint, history: list[EpochRecord]) -> None:
        self.history = history
        for name in _STATE:
            setattr(self, name, found.state[name])

    def _before_the_fall(
        self, needed: Container[int], *, further: bool
    ) -> Callable[[Checkpoint], None]:
        """Accept, newest first, the first checkpoint that is worth returning to.

        Args:
            needed: steps of those that are there however often training was stopped.
            further: pass over one from which training has diverged.
        """
        guessing = math.log(self.classes)  # the loss of a network that says nothing
        tried = self.rollbacks if further else 0

        def accept(found: Checkpoint) -> None:
            nonlocal tried
            self._accept(found)
            step, history, rollbacks = (
                found.state[name] for name in ("step", "history", "rollbacks")
            )
            if step not in needed:
                raise CheckpointError("it is not an end of an epoch that is kept")
            if step and history[-1]["val_loss"] >= guessing:
                raise CheckpointError("its loss had risen already")
            if step and rollbacks < tried:
                tried = rollbacks  # one of these is passed over: its continuation has diverged
                raise CheckpointError("training diverged from there before")

        return accept

    def _accept(self, found: Checkpoint) -> None:
        check_state(found)
        self.take(found)


def check_state(found: Checkpoint) -> None:
    """Raise `CheckpointError` unless a checkpoint says how far its run had come, as it can have."""
    if unknown := {name for name in _STATE if type(found.state.get(name)) not in (int, float)}:
        raise CheckpointError(f"{found.path}: state.json lacks {sorted(unknown)}")
    most = {
        "rollbacks": MOST_ROLLBACKS,
        "correct": found.state["seen"],
        "loss_sum": MOST_SIZE**2,  # of many images
    }
    for name in _STATE:
        value = found.state[name]
        if not 0 <= value <= most.get(name, MOST_SIZE):
            raise CheckpointError(f"{found.path}: state.json says that {name} is {value!r:.40}")


def check_optimizer_arrays(
    recipe: Recipe, shapes: Mapping[str, tuple[int, ...]], arrays: Arrays, step: int, what: str
) -> None:
    """Raise `CheckpointError` unless the state is the recipe's optimiser's, or none at step 0.

    Args: shapes: of the trained parameters, by name.
    """
    wanted = {}
    for name, shape in shapes.items() if step else ():
        zeros = np.broadcast_to(np.float32(0), shape)
        if recipe.optimizer == "sgd" or (recipe.optimizer == "muon" and len(shape) == 4):
            if recipe.optimizer == "muon" or recipe.momentum:
                wanted[f"{name}/momentum_buffer"] = zeros
        else:
            wanted[f"{name}/step"] = np.zeros((), np.float32)
            wanted |= {f"{name}/exp_avg": zeros, f"{name}/exp_avg_sq": zeros}
    check_layout(arrays, wanted, what)
