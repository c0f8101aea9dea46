"""Schedules against PyTorch's own."""

import types

import pytest
import torch
from torch.optim import lr_scheduler

from fashion_cnn.errors import UsageError
from fashion_cnn.recipes.recipe import Recipe
from fashion_cnn.training.schedule import (
    ending,
    learning_rate,
    schedule_after_extension,
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
    level = [0.5] * 9
    recipe = Recipe(epochs=20, freeze=4, early_stopping=2, init_from="runs/first")
    stopped = [ending(recipe, 10 * n, 10, level[:n]) is not None for n in range(9)]
    assert stopped.index(True) == 6, "two epochs of all layers"
    assert stops_early([0.5, 0.5], 1), "a loss that is no lower is no better"
    assert not stops_early([2.0, 1.0, 3.0], 2), "the first of two was lower"


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


def rates(epochs: int, steps: int, losses: tuple[float, ...] = (), **fields) -> list[float]:
    recipe = Recipe(learning_rate=0.8, epochs=epochs, **fields)
    return [learning_rate(recipe, step, steps, losses) for step in range(epochs * steps)]


def test_rates_by_hand() -> None:
    assert (
        rates(3, 2, schedule="step", schedule_epochs=2, schedule_factor=0.5)
        == [0.8] * 4 + [0.4] * 2
    )
    assert rates(2, 2, schedule="cosine") == pytest.approx(
        [0.8, 0.4 + 0.4 * 0.5**0.5, 0.4, 0.4 - 0.4 * 0.5**0.5]
    )
    # Up in 1 step (0.25 x 8 - 1), from a 25th of the peak; down in 6, to a 250,000th.
    down = [0.8, 0.8 * 0.75 + 0.25 * 3.2e-6, 0.4 + 0.5 * 3.2e-6]
    got = rates(4, 2, schedule="one-cycle", warmup=0.25)
    assert [got[0], got[1], got[3], got[4]] == pytest.approx([0.8 / 25, *down], rel=1e-12)
    assert got[7] == pytest.approx(3.2e-6, rel=1e-9)
    # No step before the top: nothing is divided by a number below 1.
    assert rates(1, 4, schedule="triangle", warmup=0.05)[0] == pytest.approx(0.8)
    assert rates(1, 4, schedule="triangle", warmup=0.5) == pytest.approx([0.4, 0.8, 0.8, 0.4])
    # The top lies between two steps: neither is above the peak.
    up_and_down = [0.8 * share for share in (1 / 2.5, 2 / 2.5, 1, 7 / 7.5, 6 / 7.5)]
    assert rates(1, 10, schedule="triangle", warmup=0.25)[:5] == pytest.approx(up_and_down)


@pytest.mark.parametrize(
    ("losses", "cuts"),
    [
        ((), 0),
        ((1.0, 0.9, 0.8), 0),
        ((1.0, 1.0), 0),
        ((1.0, 1.0, 1.0), 1),
        ((1.0, 1.0, 1.0, 1.0), 1),
        ((1.0, 1.0, 1.0, 1.0, 1.0), 2),
        ((1.0, 1.0, 0.5, 0.5), 0),
        ((1.0, 1.0, 1 - 1e-4), 1),
        ((1.0, 1.0, 0.999899), 0),
        ((1.0, 0.5, 0.7, 0.6), 1),
    ],
    ids=str,
)
def test_a_plateau_is_more_than_its_patience_of_epochs_no_better(losses, cuts: int) -> None:
    got = rates(1, 1, losses, schedule="plateau", schedule_epochs=1, schedule_factor=0.5)
    assert got == [0.8 * 0.5**cuts]


def test_a_schedule_that_nobody_knows_is_a_fault_of_the_code() -> None:
    recipe = types.SimpleNamespace(schedule="sawtooth", learning_rate=1.0, epochs=1)
    with pytest.raises(AssertionError, match="^sawtooth$"):
        learning_rate(recipe, 0, 1, [])


def test_a_batch_may_be_all_images() -> None:
    assert steps_per_epoch(Recipe(batch_size=64), 64) == 1
    assert steps_per_epoch(Recipe(batch_size=64), 65) == 2
    with pytest.raises(UsageError) as caught:
        steps_per_epoch(Recipe(batch_size=64), 63)
    assert str(caught.value) == (
        "batch_size is 64, more than the 63 images to train on; give a smaller --batch-size"
    )


def test_stopping_by_hand() -> None:
    assert not stops_early([], 1)
    assert not stops_early([1.0], 1)
    assert stops_early([1.0, 2.0], 1)
    assert not stops_early([1.0, 2.0, 0.5], 1)
    assert stops_early([1.0, 2.0, 1.0], 2)
    assert not stops_early([2.0, 1.0, 1.5], 2)


def test_what_more_epochs_do_is_said() -> None:
    def said(epochs: int, **fields) -> str | None:
        before = Recipe(epochs=10, **fields)
        return schedule_after_extension(before, before.replace(epochs=epochs))

    assert said(10) is None
    assert schedule_after_extension(Recipe(epochs=0), Recipe(epochs=10)) is None
    assert said(12) == (
        "10 -> 12 epochs: the constant schedule goes on as it would have; the result is that of "
        "such a run from the start"
    )
    for name in ("cosine", "one-cycle", "triangle"):
        assert said(12, schedule=name) == (
            f"10 -> 12 epochs: the {name} schedule is stretched. From here on the learning rate "
            "is that of a run of the new length at this step: it jumps, and the result is not that "
            "of such a run from the start"
        )
