"""The training step, and the loop around it."""

import dataclasses
import math
import time

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from fashion_cnn.classifier import Teacher
from fashion_cnn.data.randomness import first_seed
from fashion_cnn.data.split import Split, TrainingData, epoch_order
from fashion_cnn.errors import NotFiniteError, UsageError
from fashion_cnn.on_torch.augment import augment
from fashion_cnn.on_torch.classifier import predict
from fashion_cnn.on_torch.device import seed_generator
from fashion_cnn.on_torch.learner import Learner
from fashion_cnn.on_torch.optim import gradient_norm
from fashion_cnn.on_torch.ranks import ALONE, Ranks
from fashion_cnn.on_torch.start import starting_weights
from fashion_cnn.recipes.augmentation import mirrored_in
from fashion_cnn.recipes.recipe import Recipe
from fashion_cnn.recipes.schedule import ending, learning_rate, steps_per_epoch
from fashion_cnn.run.course import CHECKPOINT_SECONDS
from fashion_cnn.run.folder import Run
from fashion_cnn.run.interruption import Interruption
from fashion_cnn.run.progress import Progress


def train_step(
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    images: Tensor,
    labels: Tensor,
    rate: float,
    recipe: Recipe,
    step: int,
    ranks: Ranks = ALONE,
) -> tuple[float, int]:
    """One optimiser step.

    Args:
        images: (N, 28, 28) uint8, augmented: the whole batch, of which each rank takes its share.
        labels: (N,) int64, or the shares of the C classes, (N, C) float32.
        rate: the learning rate.
        recipe: its `label_smoothing`, `class_weights` and `seed`.
        step: decides what dropout drops.
        ranks: those that train `model` together.

    Returns:
        Of the whole batch, the loss and how many images were classified right (of a mixed one: its
        larger part).

    Raises:
        NotFiniteError: the loss or the gradient is not finite; the weights are as they were
            (batch norm's running statistics are not).
    """
    seed_generator(images.device, first_seed(recipe.seed, "dropout") + step)
    images, labels = ranks.share(images), ranks.share(labels)
    logits = model(images)
    loss = cross_entropy(logits, labels, recipe, ranks)
    optimizer.zero_grad()
    loss.backward()
    correct = logits.argmax(1) == (labels.argmax(1) if labels.ndim == 2 else labels)
    value, right = ranks.sum(loss.item() / ranks.size, int(correct.sum()))
    norm = gradient_norm(optimizer)
    if not (math.isfinite(value) and math.isfinite(norm)):
        raise NotFiniteError(f"loss {value:g}, gradient norm {norm:g}")
    for group in optimizer.param_groups:
        group["lr"] = rate
    optimizer.step()
    return value, int(right)


def cross_entropy(logits: Tensor, labels: Tensor, recipe: Recipe, ranks: Ranks) -> Tensor:
    """The loss of a rank's share, scaled so that the mean over the ranks is that of the batch.

    Args: logits: (N, C) float32; the others as in `train_step`.
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
    recipe: Recipe,
    data: TrainingData,
    run: Run,
    device: torch.device,
    interruption: Interruption,
    progress: Progress,
    *,
    ranks: Ranks = ALONE,
    resume: bool = False,
) -> str:
    """Train until the recipe is done, or stops early, or someone interrupts.

    Args:
        run: locked by the first rank, and new unless `resume`.
        device: where to compute; the data move there whole.
        interruption: looked at after every step; a signal to any rank stops all.
        ranks: those that train together; the first one writes.
        resume: continue from the newest checkpoint that verifies.

    Returns:
        "finished", "stopped early" or "interrupted"; a checkpoint of that moment is published.

    Raises:
        UsageError: a batch is larger than the training part, or smaller than the ranks are many;
            or the recipe names a teacher and `data` has none.
        ModelError: what training is to start from is missing, or not what it should be.
        CheckpointError: `resume`, and there is nothing to resume from.
        DivergedError: the loss stayed non-finite after `MOST_ROLLBACKS` roll-backs.
        OSError: the disk is full or failing.
    """
    if recipe.teacher and data.teacher is None:
        raise UsageError(f"teacher is {recipe.teacher}, but the data come without it")
    steps, class_names = steps_per_epoch(recipe, len(data.training)), data.training.class_names
    ranks.check_batches(len(data.training), recipe.batch_size)
    images, labels = _to_device(data.training, device)
    held_out = _to_device(data.validation, device)
    began = time.perf_counter()
    recipe, weights = (recipe, None) if resume else starting_weights(recipe, len(class_names))
    fingerprint = recipe.fingerprint(data.fingerprint())
    learner = Learner.start(recipe, images, fingerprint, len(class_names), weights)
    network = ranks.together(learner.model, in_parts=recipe.freeze > 0)
    learner.seconds = time.perf_counter() - began
    learner.begin(run, progress, resume=resume)
    if weights:
        run.log("took weights", file=str(weights.file), sha256=weights.sha256, anew=weights.anew)

    shuffled, order, mirrored = -1, labels, None
    saved = time.monotonic()
    progress.begin(recipe.epochs, steps, learner.step)
    while not (status := ending(recipe, learner.step, steps, learner.val_losses)):
        epoch, batch = divmod(learner.step, steps)
        try:
            # Assigned only if there is one: a signal that comes meanwhile must not be wiped out.
            if heard := ranks.largest(interruption.signal or 0):
                interruption.signal = heard
                learner.save(run)
                status = "interrupted"
                break
            began = time.perf_counter()
            if epoch != shuffled:
                shuffled = epoch
                order = torch.from_numpy(epoch_order(len(labels), recipe.seed, epoch)).to(device)
                if recipe.flip:
                    sides = mirrored_in(epoch, len(labels), recipe.seed)
                    mirrored = torch.from_numpy(sides).to(device)
            chosen = order[batch * recipe.batch_size : (batch + 1) * recipe.batch_size]
            if recipe.freeze:
                learner.freeze(learner.step < learner.frozen_steps)
            rate = learning_rate(recipe, learner.step, steps, learner.val_losses)
            rate *= 0.5**learner.rollbacks
            batch_images, batch_labels = augment(
                images[chosen],
                labels[chosen],
                recipe,
                learner.step,
                None if mirrored is None else mirrored[chosen],
                class_names,
            )
            if data.teacher:
                batch_labels = taught(batch_images, batch_labels, data.teacher, recipe.distill)
            loss, correct = train_step(
                network,
                learner.optimizer,
                batch_images,
                batch_labels,
                rate,
                recipe,
                learner.step,
                ranks,
            )
            learner.count(loss, correct, len(chosen), time.perf_counter() - began)
            progress.step(
                learner.step, learner.loss_sum / learner.seen, learner.correct / learner.seen
            )
            if batch + 1 == steps:
                found = validate(learner.answering, *held_out, ranks)
                record = learner.end_epoch(epoch + 1, rate, *found)
                run.log("epoch", **dataclasses.asdict(record))
                learner.save(run)
                run.record_history(learner.history)
                progress.epoch(record)
                saved = time.monotonic()
            elif ranks.from_first(time.monotonic() - saved)[0] > CHECKPOINT_SECONDS:
                learner.save(run)
                saved = time.monotonic()
        except NotFiniteError as error:
            learner.roll_back(run, progress, str(error))
    run.link_results(learner.step, learner.history)
    run.log(status, step=learner.step)
    return status


def taught(images: Tensor, labels: Tensor, teacher: Teacher, share: float) -> Tensor:
    """Mix what a teacher sees in the very images that the network is to learn into the labels.

    Source: L. Beyer et al. 2021, arXiv 2106.05237: teacher and student see the same augmentation.

    Args:
        images: (N, 28, 28) uint8, augmented.
        labels: (N,) int64, or shares of the classes, (N, C) float32.
        share: of the teacher, 0 to 1.

    Returns:
        Shares of the classes, (N, C) float32.
    """
    answer = torch.from_numpy(teacher.probabilities(images.cpu().numpy())).to(labels.device)
    ours = labels if labels.ndim == 2 else F.one_hot(labels, answer.shape[1]).float()
    return share * answer + (1 - share) * ours


def validate(
    model: nn.Module, images: Tensor, labels: Tensor, ranks: Ranks = ALONE
) -> tuple[float, float, float]:
    """Measure a model on held-out images; the first rank does, and tells the others.

    Returns:
        Mean cross-entropy, accuracy from 0 to 1, and the seconds that it took.

    Raises:
        NotFiniteError: the loss is not finite.
    """
    began = time.perf_counter()
    loss = accuracy = 0.0
    if ranks.first:
        logits, labels = predict(model, images).cpu().double(), labels.cpu()  # MPS has no float64
        loss = F.cross_entropy(logits, labels).item()
        accuracy = (logits.argmax(1) == labels).double().mean().item()
    loss, accuracy, seconds = ranks.from_first(loss, accuracy, time.perf_counter() - began)
    if not math.isfinite(loss):
        raise NotFiniteError(f"validation loss {loss:g}")
    return loss, accuracy, seconds


def _to_device(split: Split, device: torch.device) -> tuple[Tensor, Tensor]:
    return torch.from_numpy(split.images).to(device), torch.from_numpy(split.labels).to(device)
