"""The training step, and the loop around it."""

import dataclasses
import functools
import math
import time

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from fashion_cnn.data.randomness import first_seed
from fashion_cnn.data.split import Split, TrainingData
from fashion_cnn.errors import NotFiniteError
from fashion_cnn.on_torch.batches import Batches
from fashion_cnn.on_torch.classifier import predict
from fashion_cnn.on_torch.device import seed_generator
from fashion_cnn.on_torch.optim import gradient_norm
from fashion_cnn.on_torch.ranks import ALONE, Ranks
from fashion_cnn.on_torch.state import TorchState
from fashion_cnn.process.interruption import Interruption
from fashion_cnn.recipes.recipe import Recipe
from fashion_cnn.run.folder import Run
from fashion_cnn.run.history import Trained, can_be_recorded
from fashion_cnn.training.progress import Progress
from fashion_cnn.training.state import CHECKPOINT_SECONDS


def train_step(state: TorchState, images: Tensor, labels: Tensor, rate: float) -> tuple[float, int]:
    """One optimiser step.

    Args:
        state: what it changes, and how: its recipe's `label_smoothing`, `class_weights` and `seed`.
            Its step decides what dropout drops; counting it is left to the caller.
        images: (N, 28, 28) uint8, augmented: the whole batch, of which each rank takes its share.
        labels: (N,) int64, or the shares of the C classes, (N, C) float32.
        rate: the learning rate.

    Returns:
        Of the whole batch, the loss and how many images were classified right (of a mixed one: its
        larger part).

    Raises:
        NotFiniteError: the loss or the gradient is not finite, or the loss is beyond what a history
            holds; the weights are as they were (batch norm's running statistics are not).
    """
    ranks, recipe, optimizer = state.ranks, state.recipe, state.optimizer
    seed_generator(images.device, first_seed(recipe.seed, "dropout") + state.step)
    images, labels = ranks.share(images), ranks.share(labels)
    logits = state.network(images)
    loss = cross_entropy(logits, labels, recipe, ranks)
    optimizer.zero_grad()
    loss.backward()
    correct = logits.argmax(1) == (labels.argmax(1) if labels.ndim == 2 else labels)
    value, right = ranks.sum(loss.item() / ranks.size, int(correct.sum()))
    norm = gradient_norm(optimizer)
    if not (can_be_recorded(value) and math.isfinite(norm)):
        raise NotFiniteError(f"loss {value:g}, gradient norm {norm:g}")
    for group in optimizer.param_groups:
        group["lr"] = rate
    optimizer.step()
    return value, int(right)


def cross_entropy(logits: Tensor, labels: Tensor, recipe: Recipe, ranks: Ranks) -> Tensor:
    """The loss of a rank's share, scaled so that the mean over the ranks is that of the batch.

    Args:
        logits: (N, C) float32.
        labels: as in `train_step`.
        recipe: its `label_smoothing` and `class_weights`.
        ranks: those that share the batch.
    """
    weights = logits.new_tensor(recipe.class_weights) if recipe.class_weights else None
    loss = F.cross_entropy(logits, labels, weights, label_smoothing=recipe.label_smoothing)
    mixed, count = labels.ndim == 2, float(len(labels))
    if weights is not None:
        weight = (labels @ weights if mixed else weights[labels]).sum()
        if mixed:  # PyTorch divides by N here, by the weights elsewhere
            loss = loss * len(labels) / weight
        count = weight.item()
    return loss if ranks.size == 1 else loss * (count * ranks.size / ranks.sum(count)[0])


def train(
    state: TorchState,
    data: TrainingData,
    run: Run,
    interruption: Interruption,
    progress: Progress,
) -> Trained:
    """Train until the recipe is done, or stops early, or someone interrupts.

    Args: state: begun; the others, what comes of them and what is raised as in `Framework.train`.
    """
    ranks, steps = state.ranks, state.steps_per_epoch
    batches, saved = Batches(data, state.recipe, state.device), time.monotonic()
    progress.begin(state.recipe.epochs, steps, state.step, state.frozen_steps)
    while not (status := state.status):
        try:
            # Assigned only if there is one: a signal that comes meanwhile must not be wiped out.
            if heard := ranks.largest(interruption.signal or 0):
                interruption.signal = heard
                state.save(run)
                status = "interrupted"
                break
            began = time.perf_counter()
            if state.frozen_steps:
                state.freeze(state.step < state.frozen_steps)
            images, labels = batches[state.step]
            rate = state.learning_rate
            loss, correct = train_step(state, images, labels, rate)
            state.count(loss, correct, len(images), time.perf_counter() - began)
            progress.step(state.step, state.loss_sum / state.seen, state.correct / state.seen)
            if state.step % steps == 0:
                logits, *found = validate(state.answering, data.validation, ranks)
                record = state.end_epoch(rate, *found)
                run.log("epoch", **dataclasses.asdict(record))
                if ranks.first:
                    state.film(run, data, logits, functools.partial(score, state.answering))
                state.save(run)
                run.record_history(state.history)
                progress.epoch(record, best=state.is_best(record))
                saved = time.monotonic()
            elif ranks.from_first(time.monotonic() - saved)[0] > CHECKPOINT_SECONDS:
                state.save(run)
                saved = time.monotonic()
        except NotFiniteError as error:
            state.roll_back(run, progress, str(error))
    return state.end(run, status)


def validate(
    model: nn.Module, split: Split, ranks: Ranks = ALONE
) -> tuple[NDArray[np.float32], float, float, float]:
    """Measure a model on held-out images; the first rank does, and tells the others.

    Returns:
        The logits, (N, C), of which the other ranks have none; mean cross-entropy, accuracy from 0
        to 1, and the seconds that it took.

    Raises:
        NotFiniteError: the loss is not finite.
    """
    began = time.perf_counter()
    loss = accuracy = 0.0
    found = np.empty((0, 0), np.float32)
    if ranks.first:
        found = score(model, split.images)
        logits = torch.from_numpy(found).double()
        labels = torch.from_numpy(split.labels)
        loss = F.cross_entropy(logits, labels).item()
        accuracy = (logits.argmax(1) == labels).double().mean().item()
    loss, accuracy, seconds = ranks.from_first(loss, accuracy, time.perf_counter() - began)
    if not can_be_recorded(loss):
        raise NotFiniteError(f"validation loss {loss:g}")
    return found, loss, accuracy, seconds


def score(model: nn.Module, images: NDArray[np.uint8]) -> NDArray[np.float32]:
    """The logits of images, uint8 (N, 28, 28) on the CPU: float32 (N, C) there."""
    device = next(model.parameters()).device
    return predict(model, torch.from_numpy(images).to(device)).float().cpu().numpy()
