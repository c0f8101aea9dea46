"""`Learner`: what training changes, and how it becomes a checkpoint and comes back."""

import copy
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from fashion_cnn.data.randomness import seed_of
from fashion_cnn.on_torch.classifier import load_weights, weight_arrays
from fashion_cnn.on_torch.model import StagedCNN, build_model, place
from fashion_cnn.on_torch.optim import (
    build_optimizer,
    load_optimizer_arrays,
    optimizer_arrays,
    trained_parameters,
)
from fashion_cnn.on_torch.ranks import Dropout
from fashion_cnn.on_torch.start import HEAD, take_weights
from fashion_cnn.recipes.recipe import Recipe
from fashion_cnn.recipes.schedule import steps_per_epoch
from fashion_cnn.run.checkpoint import Arrays, Checkpoint
from fashion_cnn.run.course import Course, check_optimizer_arrays
from fashion_cnn.run.weights import Weights

_WHITENED = 5000  # images: 4 million patches for the 4 x 4 numbers of their covariance


@dataclass(kw_only=True)
class Learner(Course):
    """What a step changes, and where the run stands: the content of a checkpoint.

    Attributes:
        model: trained by `optimizer`.
        average: exponential moving average of `model`, which then answers; None without EMA.
        frozen_steps: at first, in which the head alone learns.
    """

    model: nn.Module
    optimizer: torch.optim.Optimizer
    average: nn.Module | None
    frozen_steps: int = 0

    @classmethod
    def start(
        cls,
        recipe: Recipe,
        images: Tensor,
        fingerprint: str,
        classes: int = 10,
        weights: Weights | None = None,
    ) -> "Learner":
        """Build the network at its start, seeded or given, on the device of the training images.

        Args:
            images: (N, 28, 28) uint8; a network with a whitening layer fits it to the first.
            fingerprint: of the recipe and the data.
            classes: of the data set.
            weights: what it starts from, if not from a seed alone; as `start.fit` gives them.
        """
        torch.manual_seed(seed_of(recipe.seed, "start"))
        model = build_model(recipe, classes)
        if isinstance(model, StagedCNN):
            model.fit_whitening(images[:_WHITENED].cpu())
        if weights:
            take_weights(model, weights)
        model = place(model, images.device, recipe.precision).train()
        average = copy.deepcopy(model).requires_grad_(False) if recipe.ema_decay else None
        return cls(
            model=model,
            optimizer=build_optimizer(recipe, model),
            average=average,
            frozen_steps=recipe.freeze and recipe.freeze * steps_per_epoch(recipe, len(images)),
            recipe=recipe,
            fingerprint=fingerprint,
        )

    def freeze(self, frozen: bool) -> None:
        """Let the head alone learn, or all that is there to be learned.

        What does not learn acts as it does when it answers: batch norm goes by its statistics of
        before, and leaves them as they are.
        """
        learned = {id(p) for group in self.optimizer.param_groups for p in group["params"]}
        for name, parameter in self.model.named_parameters():
            if id(parameter) in learned and not name.startswith(HEAD):
                parameter.requires_grad_(not frozen)
        for name, module in self.model.named_children():
            if not isinstance(module, Dropout) and not f"{name}.".startswith(HEAD):
                module.train(not frozen)

    @property
    def answering(self) -> nn.Module:
        """The network that validation and `model.safetensors` speak of."""
        return self.average or self.model

    def count(self, loss: float, correct: int, images: int, seconds: float) -> None:
        """Note that a step was done; the average of the weights follows."""
        if self.average:
            self._move_average(self.average)
        self.step += 1
        self.loss_sum += loss * images
        self.correct += correct
        self.seen += images
        self.seconds += seconds

    @torch.no_grad()
    def _move_average(self, average: nn.Module) -> None:
        """Move the average towards the weights."""
        # The first steps have little past to average over.
        share = 1 - min(self.recipe.ema_decay, (1 + self.step) / (10 + self.step))
        torch._foreach_lerp_(  # pyright: ignore[reportPrivateImportUsage]
            _numbers(average), _numbers(self.model), share
        )

    def arrays(self) -> tuple[Arrays, Arrays]:
        """The weights that answer; the optimiser's state, and with EMA the weights in training."""
        rest = {
            name: np.array(array, order="C")
            for name, array in optimizer_arrays(self.optimizer, self.model).items()
        }
        if self.average:
            rest |= {f"{name}/weight": array for name, array in weight_arrays(self.model).items()}
        return weight_arrays(self.answering), rest

    def take(self, found: Checkpoint) -> None:
        """Become what a checkpoint holds; raises `CheckpointError` if it does not fit."""
        if self.frozen_steps:  # the optimiser has a state for what the step before changed
            self.freeze(found.state["step"] <= self.frozen_steps)
        load_weights(self.answering, found.model, str(found.path))
        rest = dict(found.optimizer)
        if self.average:
            names = [f"{name}/weight" for name in weight_arrays(self.model)]
            own = {name.removesuffix("/weight"): rest.pop(name) for name in names if name in rest}
            load_weights(self.model, own, str(found.path))
        shapes = {name: tuple(p.shape) for name, p in trained_parameters(self.model).items()}
        check_optimizer_arrays(self.recipe, shapes, rest, found.state["step"], str(found.path))
        load_optimizer_arrays(self.optimizer, self.model, rest)


def _numbers(model: nn.Module) -> list[Tensor]:
    """The parameters and buffers: what batch norm has seen is averaged as the weights are.

    Whole numbers are not: they count, or are indices.
    """
    tensors = [*model.parameters(), *model.buffers()]
    return [tensor for tensor in tensors if tensor.is_floating_point()]
