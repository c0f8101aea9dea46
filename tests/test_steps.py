"""Whole trainings, step by step, against plain numpy in float64; resuming after roll-backs."""

import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

import plain
from fashion_cnn.data.split import epoch_order
from fashion_cnn.errors import DivergedError, NotFiniteError
from fashion_cnn.on_torch import train as train_module
from fashion_cnn.recipes.recipe import Recipe
from fashion_cnn.run.folder import Run
from test_train import content, go

PLAIN = Recipe(epochs=3, batch_size=50, width=8, dropout=0.0)  # 240 images: 4 full batches, 1 of 40
STEPS, ALL = 5, 15


def triangle(step: int) -> float:
    """Of 15 steps with a warm-up of 0.2: three up, twelve down."""
    return min((step + 1) / 3, (15 - step) / 12)


def one_cycle(step: int) -> float:
    """Of 15 steps with a warm-up of 0.4: from 1/25 at step 0 to 1 at 5 to 1/250,000 at step 14."""
    low, share = (1 / 25, step / 5) if step < 5 else (1 / 250_000, (14 - step) / 9)
    return low + (1 - low) * (1 - math.cos(math.pi * share)) / 2


Case = tuple[dict, Callable[[int], float]]
CASES: dict[str, Case] = {
    "adam, warmed up": (
        {"optimizer": "adam", "learning_rate": 2e-3, "momentum": 0.7, "beta2": 0.9,
         "weight_decay": 0.05, "schedule": "triangle", "warmup": 0.2},
        triangle,
    ),
    "adamw in one cycle": (
        {"optimizer": "adamw", "learning_rate": 4e-3, "momentum": 0.8, "beta2": 0.95,
         "weight_decay": 2.0, "schedule": "one-cycle", "warmup": 0.4},
        one_cycle,
    ),
    "sgd in steps": (
        {"optimizer": "sgd", "learning_rate": 0.03, "momentum": 0.8, "weight_decay": 0.1,
         "schedule": "step", "schedule_epochs": 1, "schedule_factor": 0.3},
        lambda step: 0.3 ** (step // 5),
    ),
    "sgd without momentum": (
        {"optimizer": "sgd", "learning_rate": 0.1, "momentum": 0.0, "weight_decay": 0.1,
         "schedule": "cosine"},
        lambda step: (1 + math.cos(math.pi * step / 15)) / 2,
    ),
    "muon": (
        {"optimizer": "muon", "learning_rate": 5e-3, "momentum": 0.8, "beta2": 0.9,
         "weight_decay": 2.0},
        lambda step: 1.0,
    ),
    "averaged, smoothed and weighed": (
        {"optimizer": "sgd", "learning_rate": 0.05, "momentum": 0.6, "ema_decay": 0.6,
         "label_smoothing": 0.2, "class_weights": (1.0, 3.0, 0.5, *[1.0] * 6, 2.0)},
        lambda step: 1.0,
    ),
}  # fmt: skip


def start_of(run: Run) -> dict[str, np.ndarray]:
    return dict(run.checkpoints.load("step-00000000").model)


@pytest.mark.parametrize("name", CASES)
def test_a_training_is_what_numpy_makes_of_it(small_data, tmp_path, name: str) -> None:
    fields, share = CASES[name]
    recipe = PLAIN.replace(**fields)
    start = start_of(go(recipe, small_data, tmp_path, stop=0))
    run = go(recipe, small_data, tmp_path, resume=True)
    part, rate = small_data.training, recipe.learning_rate
    rates = [rate * share(step) for step in range(ALL)]
    orders = [epoch_order(len(part), recipe.seed, epoch) for epoch in range(3)]
    wanted, average, steps = plain.train(
        start,
        part.images,
        part.labels,
        [order[first : first + 50] for order in orders for first in range(0, 240, 50)],
        rates,
        plain.optimiser(recipe.optimizer, recipe.momentum, recipe.beta2, recipe.weight_decay),
        smoothing=recipe.label_smoothing,
        weights=recipe.class_weights,
        ema=recipe.ema_decay,
    )
    found = run.checkpoints.load("final")
    assert_near(dict(found.model), average, start)
    if recipe.ema_decay:
        trained = {key: found.optimizer[f"{key}/weight"] for key in wanted}
        assert_near(trained, wanted, start)
        assert any(np.abs(trained[key] - found.model[key]).max() > 1e-3 for key in trained)
    tensors = {key: torch.tensor(array) for key, array in average.items()}
    logits = plain.simple_cnn(tensors, torch.tensor(small_data.validation.images)).numpy()
    validated = plain.measured(logits, small_data.validation.labels)
    history = run.history
    assert history[-1].val_loss == pytest.approx(validated["loss"], rel=1e-3)
    assert history[-1].val_accuracy == pytest.approx(validated["accuracy"], abs=0.017)
    for epoch, record in enumerate(history):
        of_epoch = steps[STEPS * epoch : STEPS * (epoch + 1)]
        sizes = [50, 50, 50, 50, 40]
        loss = sum(loss * size for (loss, _), size in zip(of_epoch, sizes, strict=True)) / 240
        assert record.train_loss == pytest.approx(loss, rel=1e-3)
        assert record.train_accuracy == pytest.approx(sum(h for _, h in of_epoch) / 240, abs=0.01)
        assert record.learning_rate == pytest.approx(rates[STEPS * (epoch + 1) - 1], rel=1e-9)


def assert_near(found: dict, wanted: dict, start: dict) -> None:
    """Two hundredths of the way that each tensor went."""
    assert found.keys() == wanted.keys()
    for key, array in wanted.items():
        way = np.linalg.norm(array - start[key])
        assert np.linalg.norm(found[key] - array) <= 0.02 * way + 1e-6, key


# -- roll-backs and stops --------------------------------------------------------------------------


def failing_at(monkeypatch, fails: list[int], rates: list[tuple[int, float]]) -> None:
    """Let each step of `fails` fail once, in that order, and note every step's rate."""
    step_of_the_loop = train_module.train_step

    def step(state, images, labels, rate):
        rates.append((state.step, rate))
        if fails and state.step == fails[0]:
            fails.pop(0)
            raise NotFiniteError("loss nan")
        return step_of_the_loop(state, images, labels, rate)

    monkeypatch.setattr(train_module, "train_step", step)


def test_a_resumed_run_remembers_its_roll_backs(small_data, tmp_path, monkeypatch) -> None:
    """Step 7 fails, it goes back to 5 and is stopped at 7; resumed, step 12 fails."""
    full, rates = PLAIN.learning_rate, []
    with monkeypatch.context() as patch:
        failing_at(patch, [7, 12], wanted := [])
        whole = go(PLAIN, small_data, tmp_path / "whole")
    failing_at(monkeypatch, [7, 12], rates)
    run = go(PLAIN, small_data, tmp_path / "parts", stop=10)
    found = run.checkpoints.newest()[0].state
    assert (found["step"], found["rollbacks"]) == (7, 1)
    go(PLAIN, small_data, tmp_path / "parts", resume=True)
    assert run.checkpoints.newest()[0].state["rollbacks"] == 2
    assert rates == wanted
    assert [rate for step, rate in rates if step in (6, 7)] == [full, full, full / 4, full / 4]
    assert rates[-5:] == [(step, full / 16) for step in range(10, 15)]
    assert [record.learning_rate for record in run.history] == [full, full / 4, full / 16]
    assert content(run) == content(whole)


def test_a_resumed_run_diverges_after_as_many_roll_backs(small_data, tmp_path, monkeypatch) -> None:
    failing_at(monkeypatch, [7] * 2 + [12] * 2, [])
    run = go(PLAIN, small_data, tmp_path, stop=15)
    assert run.checkpoints.newest()[0].state["rollbacks"] == 2
    with pytest.raises(DivergedError):
        go(PLAIN, small_data, tmp_path, resume=True)
    rolled = [e["rollbacks"] for e in run.events() if e["event"] == "rolled back"]
    assert rolled == [1, 2, 3]


def test_each_roll_back_from_one_place_goes_further(small_data, tmp_path, monkeypatch) -> None:
    """Step 12 fails thrice: the second way from 10 was no better, so the third begins at 5."""
    full, rates = PLAIN.learning_rate, []
    failing_at(monkeypatch, [12, 12, 7], rates)
    run = go(PLAIN, small_data, tmp_path)
    found = [(e["step"], e["to"]) for e in run.events() if e["event"] == "rolled back"]
    assert found == [(12, 10), (12, 5), (7, 0)]
    assert rates[-15:] == [(step, full / 64) for step in range(15)]
    assert [record.learning_rate for record in run.history] == [full / 64] * 3


def test_a_ruin_that_is_finite_is_nothing_to_return_to(small_data, tmp_path, monkeypatch) -> None:
    """Guessing has a loss of ln 10 = 2.3026: the first epoch ends below it, the second at it."""
    losses = [2.30, math.log(10), 1.0, 1.0]
    silent = np.zeros((len(small_data.validation), 10), np.float32)
    monkeypatch.setattr(train_module, "validate", lambda *_: (silent, losses.pop(0), 0.1, 0.0))
    failing_at(monkeypatch, [12], rates := [])
    run = go(PLAIN, small_data, tmp_path)
    (event,) = [e for e in run.events() if e["event"] == "rolled back"]
    assert (event["step"], event["to"]) == (12, 5)
    assert rates[-10:] == [(step, PLAIN.learning_rate / 4) for step in range(5, 15)]
    assert [record.val_loss for record in run.history] == [2.3, 1.0, 1.0]
    assert run.checkpoints.load("best").state["step"] == 10, "of the second way, not of the first"


def test_a_run_given_up_stands_where_it_last_had_learned_something(
    small_data, tmp_path, monkeypatch
) -> None:
    """Three roll-backs to the start, a good epoch, and one of a loss that is merely finite."""
    losses = [1.0, 1e30, 0.9, 0.8]
    silent = np.zeros((len(small_data.validation), 10), np.float32)
    monkeypatch.setattr(train_module, "validate", lambda *_: (silent, losses.pop(0), 0.1, 0.0))
    failing_at(monkeypatch, [2, 2, 2, 12], rates := [])
    with pytest.raises(DivergedError, match="at step 12 .*evaluate"):
        go(PLAIN, small_data, tmp_path)
    run = Run(tmp_path)
    assert [record.val_loss for record in run.history] == [1.0]
    for found in (run.checkpoints.newest()[0], run.checkpoints.load("best")):
        assert found.state["step"] == 5
    (event,) = [e for e in run.events() if e["event"] == "diverged"]
    assert (event["step"], event["to"]) == (12, 5)
    go(PLAIN, small_data, tmp_path, resume=True)
    assert [record.val_loss for record in run.history] == [1.0, 0.9, 0.8]
    assert rates[-10:] == [(step, PLAIN.learning_rate / 64) for step in range(5, 15)]


def test_a_run_given_up_at_its_start_has_learned_nothing(small_data, tmp_path, monkeypatch) -> None:
    failing_at(monkeypatch, [2, 2, 2, 2], [])
    with pytest.raises(DivergedError, match="smaller --lr$"):
        go(PLAIN, small_data, tmp_path)
    assert Run(tmp_path).history == []


def test_stops_around_a_roll_back_change_no_bit(small_data, tmp_path, monkeypatch) -> None:
    """A checkpoint inside an epoch is a place to go on from, and none to return to.

    Step 8 fails at the full rate, step 13 at a quarter of it, as often as they are tried.
    """
    step_of_the_loop, full = train_module.train_step, PLAIN.learning_rate

    def step(state, images, labels, rate):
        if (state.step, rate) in ((8, full), (13, full / 4)):
            raise NotFiniteError("loss nan")
        return step_of_the_loop(state, images, labels, rate)

    monkeypatch.setattr(train_module, "train_step", step)
    whole = go(PLAIN, small_data, tmp_path / "whole")
    for stop in (2, 7, 10):
        run = go(PLAIN, small_data, tmp_path / "run", stop=stop, resume=stop > 2)
    at = [e["step"] for e in run.events() if e["event"] == "interrupted"]
    assert at == [2, 5, 11], "once where it had just returned to"
    run = go(PLAIN, small_data, tmp_path / "run", resume=True)
    rolled = {(e["step"], e["to"]) for e in run.events() if e["event"] == "rolled back"}
    assert rolled == {(8, 5), (13, 10)}
    assert content(run) == content(whole)


def test_a_stop_at_an_epochs_end_is_no_place_to_return_to(
    small_data, tmp_path, monkeypatch
) -> None:
    """The second epoch is the best, and the last two are kept; what a stop leaves, chance left."""
    recipe = PLAIN.replace(epochs=9)
    silent = np.zeros((len(small_data.validation), 10), np.float32)
    found = {}
    for name in ("whole", "parts"):
        losses = [1.0, 0.5, *[1.1 + epoch / 100 for epoch in range(30)]]
        with monkeypatch.context() as patch:
            patch.setattr(
                train_module, "validate", lambda *_, losses=losses: (silent, losses.pop(0), 0.1, 0)
            )
            failing_at(patch, [42, 42, 37], [])
            if name == "parts":
                go(recipe, small_data, tmp_path / name, stop=20)
            run = go(recipe, small_data, tmp_path / name, resume=name == "parts")
        turns = [(e["step"], e["to"]) for e in run.events() if e["event"] == "rolled back"]
        assert turns == [(42, 40), (42, 35), (37, 10)]
        found[name] = content(run)
    assert found["parts"] == found["whole"]


def test_a_run_stopped_after_every_epoch_remembers_how_it_went(
    small_data, tmp_path: Path, monkeypatch
) -> None:
    """The plateau's patience, early stopping's and the best epoch, by losses that are given."""
    losses = [1.0, 0.9, 0.95, 0.93, 0.8, 0.85, 0.81, 0.82]
    done: list[float] = []

    silent = np.zeros((len(small_data.validation), 10), np.float32)

    def validate(*_) -> tuple[np.ndarray, float, float, float]:
        done.append(losses[len(done)])
        return silent, done[-1], 0.5, 0.1

    monkeypatch.setattr(train_module, "validate", validate)
    recipe = PLAIN.replace(
        epochs=20, schedule="plateau", schedule_epochs=1, schedule_factor=0.5, early_stopping=3
    )
    for epoch in range(7):
        run = go(recipe, small_data, tmp_path, stop=STEPS, resume=epoch > 0)
        assert len(run.history) == epoch + 1
    assert (run.path / "checkpoints/best").resolve().name == f"step-{5 * STEPS:08d}"
    run = go(recipe, small_data, tmp_path, resume=True)
    assert [record.val_loss for record in run.history] == losses
    assert run.events()[-1]["event"] == "stopped early"
    assert (run.path / "checkpoints/best").resolve().name == f"step-{5 * STEPS:08d}"
    full = recipe.learning_rate
    # Cut after the second epoch in a row that is no better: after epochs 4 and 7.
    wanted = [full] * 4 + [full / 2] * 3 + [full / 4]
    assert [record.learning_rate for record in run.history] == wanted
