"""`Learner`: what training changes, and how it becomes a checkpoint and comes back."""

import copy
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor, nn

from fashion_cnn.data.randomness import seed_of
from fashion_cnn.errors import CheckpointError
from fashion_cnn.on_torch.classifier import load_weights, weight_arrays
from fashion_cnn.on_torch.model import StagedCNN, build_model, place
from fashion_cnn.on_torch.optim import (
    build_optimizer,
    check_optimizer_arrays,
    load_optimizer_arrays,
    optimizer_arrays,
)
from fashion_cnn.recipes.recipe import Recipe
from fashion_cnn.run.checkpoint import Checkpoint
from fashion_cnn.run.folder import Run
from fashion_cnn.run.history import EpochRecord

_WHITENED = 5000  # images: 4 million patches for the 4 x 4 numbers of their covariance
_STATE = ("step", "rollbacks", "loss_sum", "correct", "seen", "seconds")


@dataclass
class Learner:
    """What a step changes, and where the run stands: the content of a checkpoint.

    Attributes:
        model: trained by `optimizer`.
        average: exponential moving average of `model`, which then answers; None without EMA.
        recipe: what is trained.
        fingerprint: of the recipe and the data; a checkpoint of another is refused.
        step: optimiser steps done.
        rollbacks: how often training became non-finite; each halves the learning rate.
        loss_sum, correct, seen, seconds: of the epoch under way, up to `step`; the first epoch's
            seconds begin with the building of the network.
        history: one record a finished epoch.
    """

    model: nn.Module
    optimizer: torch.optim.Optimizer
    average: nn.Module | None
    recipe: Recipe
    fingerprint: str
    step: int = 0
    rollbacks: int = 0
    loss_sum: float = 0.0
    correct: int = 0
    seen: int = 0
    seconds: float = 0.0
    history: list[EpochRecord] = field(default_factory=list)

    @classmethod
    def start(cls, recipe: Recipe, images: Tensor, fingerprint: str) -> "Learner":
        """Build the network at its seeded start, on the device of the training images.

        Args: images: (N, 28, 28) uint8; a network with a whitening layer fits it to the first.
        """
        torch.manual_seed(seed_of(recipe.seed, "start"))
        model = build_model(recipe)
        if isinstance(model, StagedCNN):
            model.fit_whitening(images[:_WHITENED].cpu())
        model = place(model, images.device, recipe.precision).train()
        average = copy.deepcopy(model).requires_grad_(False) if recipe.ema_decay else None
        return cls(model, build_optimizer(recipe, model), average, recipe, fingerprint)

    @property
    def answering(self) -> nn.Module:
        """The network that validation and `model.safetensors` speak of."""
        return self.average or self.model

    @property
    def val_losses(self) -> list[float]:
        """One a finished epoch."""
        return [record.val_loss for record in self.history]

    def count(self, loss: float, correct: int, images: int, seconds: float) -> None:
        """Note that a step was done, and move the average towards the weights."""
        if self.average:
            # The first steps have little past to average over.
            share = 1 - min(self.recipe.ema_decay, (1 + self.step) / (10 + self.step))
            with torch.no_grad():
                torch._foreach_lerp_(  # pyright: ignore[reportPrivateImportUsage]
                    _numbers(self.average), _numbers(self.model), share
                )
        self.step += 1
        self.loss_sum += loss * images
        self.correct += correct
        self.seen += images
        self.seconds += seconds

    def end_epoch(
        self, epoch: int, rate: float, val_loss: float, val_accuracy: float, val_seconds: float
    ) -> EpochRecord:
        """Turn the sums of the epoch under way into a record, and begin the next."""
        record = EpochRecord(
            epoch=epoch,
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

    def save(self, run: Run) -> None:
        """Publish a checkpoint; raises `NotFiniteError` if a tensor is not finite."""
        rest = {
            name: np.array(array, order="C")
            for name, array in optimizer_arrays(self.optimizer, self.model).items()
        }
        if self.average:
            rest |= {f"{name}/weight": array for name, array in weight_arrays(self.model).items()}
        state = {name: getattr(self, name) for name in _STATE} | {"run": self.fingerprint}
        run.save_checkpoint(weight_arrays(self.answering), rest, state, self.history)

    def restore_newest(self, run: Run) -> list[str]:
        """Become what the newest usable checkpoint holds.

        Returns:
            A line on each newer checkpoint that was rejected.

        Raises:
            CheckpointError: there is none.
        """
        found, self.history, rejected = run.newest_checkpoint(self.fingerprint, self._restore)
        for name in _STATE:
            setattr(self, name, found.state[name])
        return rejected

    def _restore(self, found: Checkpoint) -> None:
        if unknown := {name for name in _STATE if type(found.state.get(name)) not in (int, float)}:
            raise CheckpointError(f"{found.path}: state.json lacks {sorted(unknown)}")
        load_weights(self.answering, found.model, str(found.path))
        rest = dict(found.optimizer)
        if self.average:
            names = [f"{name}/weight" for name in weight_arrays(self.model)]
            own = {name.removesuffix("/weight"): rest.pop(name) for name in names if name in rest}
            load_weights(self.model, own, str(found.path))
        check_optimizer_arrays(self.recipe, self.model, rest, found.state["step"], str(found.path))
        load_optimizer_arrays(self.optimizer, self.model, rest)


def _numbers(model: nn.Module) -> list[Tensor]:
    """The parameters and buffers: what batch norm has seen is averaged as the weights are."""
    return [*model.parameters(), *model.buffers()]
