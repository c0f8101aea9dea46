"""The learning rate as a pure function of the step and of the validation losses so far."""

import math
from collections.abc import Sequence

from fashion_cnn.errors import UsageError
from fashion_cnn.recipes.recipe import Recipe

_PLATEAU_THRESHOLD = 1e-4  # relative; source: torch.optim.lr_scheduler.ReduceLROnPlateau
_ONE_CYCLE_START = 1 / 25  # of the peak; source: torch.optim.lr_scheduler.OneCycleLR
_ONE_CYCLE_END = 1 / 25 / 1e4


def learning_rate(recipe: Recipe, step: int, steps: int, val_losses: Sequence[float]) -> float:
    """The learning rate of one optimiser step.

    Args:
        recipe: its `schedule`, `learning_rate` and `epochs`, and the fields that `schedule` names.
        step: counted from 0 over the whole run.
        steps: those of one epoch, >= 1.
        val_losses: one a finished epoch; only "plateau" looks at them.
    """
    peak, total = recipe.learning_rate, recipe.epochs * steps
    match recipe.schedule:
        case "constant":
            return peak
        case "step":
            return peak * recipe.schedule_factor ** (step // steps // recipe.schedule_epochs)
        case "plateau":
            return peak * recipe.schedule_factor ** _cuts(val_losses, recipe.schedule_epochs)
        case "cosine":
            return _ease(peak, 0.0, step / total)
        case "one-cycle":
            top = recipe.warmup * total - 1  # the step that has the peak rate, as in OneCycleLR
            if step < top:
                return _ease(peak * _ONE_CYCLE_START, peak, step / top)
            return _ease(peak, peak * _ONE_CYCLE_END, (step - top) / (total - 1 - top))
        case "triangle":
            top = recipe.warmup * total
            return peak * min((step + 1) / max(top, 1), (total - step) / (total - top), 1.0)
    raise AssertionError(recipe.schedule)


def steps_per_epoch(recipe: Recipe, images: int) -> int:
    """How many batches cover `images`; the last may be smaller.

    Raises:
        UsageError: one batch alone is larger.
    """
    if recipe.batch_size > images:
        raise UsageError(
            f"batch_size is {recipe.batch_size}, more than the {images} images to train on; "
            "give a smaller --batch-size"
        )
    return math.ceil(images / recipe.batch_size)


def ending(recipe: Recipe, step: int, steps: int, val_losses: Sequence[float]) -> str | None:
    """How the run has ended by `step`: "finished", "stopped early", or None if it has not.

    Args:
        step: optimiser steps done.
        steps: those of one epoch.
        val_losses: one a finished epoch.
    """
    if step >= recipe.epochs * steps:
        return "finished"
    ended, patience = len(val_losses), recipe.early_stopping
    waited = ended >= recipe.freeze + patience  # for all layers: the head alone levels off soon
    if step == ended * steps and waited and stops_early(val_losses, patience):
        return "stopped early"
    return None


def stops_early(val_losses: Sequence[float], patience: int) -> bool:
    """Whether the last `patience` epochs brought no lower validation loss; never if it is 0."""
    if not patience or len(val_losses) <= patience:
        return False
    return min(val_losses[:-patience]) <= min(val_losses[-patience:])


def _cuts(val_losses: Sequence[float], patience: int) -> int:
    """How often the rate is cut: each time more than `patience` epochs running are no better."""
    best, waited, cuts = math.inf, 0, 0
    for loss in val_losses:
        if loss < best * (1 - _PLATEAU_THRESHOLD):
            best, waited = loss, 0
        else:
            waited += 1
        if waited > patience:
            cuts, waited = cuts + 1, 0
    return cuts


def _ease(start: float, end: float, share: float) -> float:
    """Half a cosine wave from `start` (share 0) to `end` (share 1)."""
    return end + (start - end) * (1 + math.cos(math.pi * share)) / 2


def schedule_after_extension(before: Recipe, after: Recipe) -> str | None:
    """Say what another number of epochs does to the learning rate; None if nothing."""
    if before.epochs in (0, after.epochs):
        return None
    course = f"{before.epochs} -> {after.epochs} epochs: the {after.schedule} schedule "
    if after.schedule in ("cosine", "one-cycle", "triangle"):
        return course + (
            "is stretched. From here on the learning rate is that of a run of the new length at "
            "this step: it jumps, and the result is not that of such a run from the start"
        )
    return course + "goes on as it would have; the result is that of such a run from the start"
