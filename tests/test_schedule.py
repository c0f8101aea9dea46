"""Schedules against PyTorch's own."""

import pytest
import torch
from torch.optim import lr_scheduler

from fashion_cnn.errors import UsageError
from fashion_cnn.recipes.recipe import Recipe
from fashion_cnn.recipes.schedule import (
    ending,
    image_side,
    learning_rate,
    steps_per_epoch,
    stops_early,
)

STEPS, EPOCHS = 7, 12
LOSSES = [1.0, 0.8, 0.9, 0.85, 0.81, 0.7, 0.7, 0.69999, 0.75, 0.71, 0.72, 0.73]


def optimizer() -> torch.optim.Optimizer:
    return torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=0.1)


def ours(**fields) -> list[float]:
    recipe = Recipe(learning_rate=0.1, epochs=EPOCHS, **fields)
    return [
        learning_rate(recipe, step, STEPS, LOSSES[: step // STEPS])
        for step in range(STEPS * EPOCHS)
    ]


def theirs(scheduler, *, each_epoch: bool, losses: bool = False) -> list[float]:
    rates = []
    for step in range(STEPS * EPOCHS):
        rates.append(scheduler.optimizer.param_groups[0]["lr"])
        scheduler.optimizer.step()
        if not each_epoch:
            if step + 1 < STEPS * EPOCHS:
                scheduler.step()
        elif (step + 1) % STEPS == 0:
            scheduler.step(*([LOSSES[step // STEPS]] if losses else []))
    return rates


def test_constant() -> None:
    assert ours() == [0.1] * STEPS * EPOCHS


def test_step() -> None:
    scheduler = lr_scheduler.StepLR(optimizer(), step_size=4, gamma=0.3)
    got = ours(schedule="step", schedule_epochs=4, schedule_factor=0.3)
    assert got == pytest.approx(theirs(scheduler, each_epoch=True))


@pytest.mark.parametrize("patience", [1, 2, 3])
def test_plateau(patience: int) -> None:
    scheduler = lr_scheduler.ReduceLROnPlateau(optimizer(), factor=0.5, patience=patience)
    got = ours(schedule="plateau", schedule_epochs=patience, schedule_factor=0.5)
    assert got == pytest.approx(theirs(scheduler, each_epoch=True, losses=True))
    assert got[-1] < 0.1


def test_cosine() -> None:
    scheduler = lr_scheduler.CosineAnnealingLR(optimizer(), T_max=STEPS * EPOCHS)
    assert ours(schedule="cosine") == pytest.approx(theirs(scheduler, each_epoch=False))


@pytest.mark.parametrize("warmup", [0.05, 0.3, 0.9])
def test_one_cycle(warmup: float) -> None:
    scheduler = lr_scheduler.OneCycleLR(
        optimizer(), max_lr=0.1, total_steps=STEPS * EPOCHS, pct_start=warmup, cycle_momentum=False
    )
    got = ours(schedule="one-cycle", warmup=warmup)
    assert got == pytest.approx(theirs(scheduler, each_epoch=False))


def test_triangle() -> None:
    rates = ours(schedule="triangle", warmup=0.25)  # 84 steps: 21 up, 63 down
    assert rates[0] == pytest.approx(0.1 / 21)
    assert rates[20] == rates[21] == max(rates) == pytest.approx(0.1)
    assert rates[22] == pytest.approx(0.1 * 62 / 63)
    assert rates[-1] == pytest.approx(0.1 / 63)


@pytest.mark.parametrize("steps", [1, 2, 3])
@pytest.mark.parametrize("schedule", ["cosine", "one-cycle"])
def test_the_shortest_runs_have_a_rate(schedule: str, steps: int) -> None:
    recipe = Recipe(schedule=schedule, epochs=1, warmup=1 / steps if steps > 1 else 0.5)
    rates = [learning_rate(recipe, step, steps, []) for step in range(steps)]
    assert all(0 < rate <= recipe.learning_rate for rate in rates)


def test_early_stopping_waits_for_its_patience() -> None:
    assert [stops_early(LOSSES[:n], 3) for n in range(len(LOSSES) + 1)] == (
        [False] * 5 + [True] + [False] * 5 + [True, True]
    )
    assert not stops_early(LOSSES, 0)
    assert stops_early([0.5, 0.5], 1), "a loss that is no lower is no better"


def test_a_run_ends_at_its_last_step_or_at_an_epochs_end() -> None:
    recipe = Recipe(epochs=3, early_stopping=1)
    assert ending(recipe, 21, 7, [3.0, 2.0, 1.0]) == "finished"
    assert ending(recipe, 20, 7, [3.0, 2.0]) is None
    assert ending(recipe, 14, 7, [2.0, 2.0]) == "stopped early"
    assert ending(recipe, 15, 7, [2.0, 2.0]) is None


def test_batches_cover_all_images() -> None:
    assert steps_per_epoch(Recipe(), 54_000) == 844
    with pytest.raises(UsageError, match="batch_size is 64, more than the 63"):
        steps_per_epoch(Recipe(), 63)


def test_images_grow_evenly_and_are_whole_for_the_last_three_tenths() -> None:
    recipe = Recipe(model="resnet", epochs=10, start_side=14)
    sides = [image_side(recipe, step, 100) for step in range(1000)]
    assert sides[0] == 14
    assert sides[350] == 21
    assert sides == sorted(sides)
    assert sides.index(28) < 700
    assert set(sides[700:]) == {28}
    assert {image_side(Recipe(), step, 100) for step in range(5000)} == {28}
