"""`TorchState`: what training changes, and how it becomes a checkpoint and comes back."""

import copy
import time
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from fashion_cnn.data.randomness import seed_of
from fashion_cnn.data.split import TrainingData
from fashion_cnn.on_torch.classifier import load_weights, weight_arrays
from fashion_cnn.on_torch.model import StagedCNN, build_model, to_device
from fashion_cnn.on_torch.optim import (
    build_optimizer,
    load_optimizer_arrays,
    optimizer_arrays,
    trained_parameters,
)
from fashion_cnn.on_torch.own_network import OwnCNN, check_lone_image
from fashion_cnn.on_torch.pixels import PixelNetwork
from fashion_cnn.on_torch.ranks import ALONE, Ranks
from fashion_cnn.on_torch.start import head_of, read_start
from fashion_cnn.recipes.recipe import Recipe
from fashion_cnn.run.checkpoint import Arrays, Checkpoint
from fashion_cnn.run.folder import Run
from fashion_cnn.run.weights import Weights
from fashion_cnn.training.progress import Progress
from fashion_cnn.training.schedule import steps_per_epoch
from fashion_cnn.training.state import TrainingState, check_optimizer_arrays

_WHITENED = 5000  # images: 4 million patches for the 4 x 4 numbers of their covariance


@dataclass(kw_only=True)
class TorchState(TrainingState):
    """A network in PyTorch, what trains it, and how far it has come.

    Attributes:
        model: trained by `optimizer`.
        optimizer: its learning rate is set at every step.
        average: exponential moving average of `model`, which then answers; None without EMA.
        ranks: those that train together.
        network: `model`, as the ranks share it.
        weights: what `model` started from; None for a seed alone, and for a run that goes on.
    """

    model: PixelNetwork
    optimizer: torch.optim.Optimizer
    average: nn.Module | None
    ranks: Ranks
    network: nn.Module
    weights: Weights | None

    @classmethod
    def start(
        cls,
        recipe: Recipe,
        data: TrainingData,
        device: torch.device,
        ranks: Ranks = ALONE,
        *,
        resume: bool = False,
    ) -> "TorchState":
        """Build the network at its start, seeded or given.

        Args:
            recipe: if it starts from weights of before, the state's names them by their SHA-256.
            data: a network with a whitening layer fits it to the first training images.
            device: where to train.
            ranks: those that train together.
            resume: a checkpoint will give the weights: those of before are not read.

        Raises:
            ModelError: what training is to start from is missing, or not what it should be.
            UsageError: a batch leaves a rank without an image; or as `build_model`.
        """
        began = time.perf_counter()
        ranks.check_batches(len(data.training), recipe.batch_size)
        steps = steps_per_epoch(recipe, len(data.training))
        torch.manual_seed(seed_of(recipe.seed, "start"))
        model = build_model(recipe, len(data.training.class_names))
        check_lone_image(model, recipe, len(data.training))
        if isinstance(model, StagedCNN):
            model.fit_whitening(torch.from_numpy(data.training.images[:_WHITENED]))
        weights = None if resume else read_start(recipe, model)
        if weights:
            recipe = recipe.replace(init_sha256=weights.sha256)
        model = to_device(model, device, recipe.precision).train()
        return cls(
            model=model,
            average=copy.deepcopy(model).requires_grad_(False) if recipe.ema_decay else None,
            optimizer=build_optimizer(recipe, model),
            ranks=ranks,
            network=ranks.together(model, in_parts=recipe.freeze > 0 or isinstance(model, OwnCNN)),
            weights=weights,
            recipe=recipe,
            fingerprint=recipe.fingerprint(data.fingerprint()),
            classes=len(data.training.class_names),
            steps_per_epoch=steps,
            seconds=time.perf_counter() - began,
        )

    @property
    def device(self) -> torch.device:
        """Where the network is."""
        return next(self.model.parameters()).device

    @property
    def frozen_steps(self) -> int:
        """How many steps at first change the head alone."""
        return self.recipe.freeze * self.steps_per_epoch

    def begin(self, run: Run, progress: Progress, *, resume: bool) -> None:
        """As `TrainingState.begin`; the log says what weights were taken."""
        super().begin(run, progress, resume=resume)
        if taken := self.weights:
            run.log("took weights", file=str(taken.file), sha256=taken.sha256, anew=taken.anew)

    def wait_for_others(self) -> None:
        """As `TrainingState.wait_for_others`."""
        self.ranks.sum(0.0)

    def freeze(self, frozen: bool) -> None:
        """Let the head alone learn, or all that is there to be learned.

        What does not learn acts as it does when it answers: batch norm goes by its statistics of
        before, and leaves them as they are.
        """
        learned = {id(p) for group in self.optimizer.param_groups for p in group["params"]}
        head = head_of(self.model)
        for name, parameter in self.model.named_parameters():
            if id(parameter) in learned and not name.startswith(head):
                parameter.requires_grad_(not frozen)
        inside, _, layer = head.removesuffix(".").rpartition(".")
        for name, module in self.model.get_submodule(inside).named_children():
            if not isinstance(module, nn.Dropout) and name != layer:
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

    def first_filters(self) -> NDArray[np.float32] | None:
        """As `TrainingState.first_filters`; a whitening layer is no parameter."""
        found = (weights for weights in self.answering.parameters() if weights.ndim == 4)
        weights = next(found, None)
        return None if weights is None else weights.detach().float().cpu().numpy()

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
        if isinstance(self.model, OwnCNN):  # what it does not use has no gradient, so no state
            kept = {name.rpartition("/")[0] for name in rest}
            shapes = {name: shape for name, shape in shapes.items() if name in kept}
        check_optimizer_arrays(self.recipe, shapes, rest, found.state["step"], str(found.path))
        load_optimizer_arrays(self.optimizer, self.model, rest)


def _numbers(model: nn.Module) -> list[Tensor]:
    """The parameters and buffers: what batch norm has seen is averaged as the weights are.

    Not whole numbers, which count, or are indices; nor buffers that no checkpoint keeps, which are
    as the network was made with them: masks, for instance, of -inf.
    """
    kept = set(map(id, model.state_dict(keep_vars=True).values()))
    tensors = [*model.parameters(), *model.buffers()]
    return [one for one in tensors if one.is_floating_point() and id(one) in kept]
