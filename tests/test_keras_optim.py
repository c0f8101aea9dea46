"""Keras's optimisers by hand: PyTorch's formulas in double precision."""

import numpy as np
import pytest

import plain
from fashion_cnn import on_keras  # noqa: F401  # first of all that imports Keras: it keeps it quiet
from fashion_cnn.on_keras.optim import (
    SGD,
    Adam,
    build_optimizer,
    load_optimizer_arrays,
    optimizer_arrays,
)
from fashion_cnn.recipes.recipe import Recipe

keras = pytest.importorskip("keras")
KERNEL, BIAS = np.array([[1.0, -2.0, 3.0], [0.5, 0.25, -1.0]]), np.array([1.0, 2.0, -3.0])


def network() -> "keras.Model":
    """Two numbers in, three out; in PyTorch's layout the matrix is (3, 2)."""
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(3, name="output")])
    model.layers[0].kernel.assign(KERNEL)
    model.layers[0].bias.assign(BIAS)
    return model


def gradients_of(step: int) -> list[np.ndarray]:
    random = np.random.default_rng(step)
    return [random.normal(size=shape).astype(np.float32) for shape in ((2, 3), (3,))]


def go(optimizer, model, steps: range = range(3)) -> None:
    for step in steps:
        gradients = [keras.ops.convert_to_tensor(g) for g in gradients_of(step)]
        optimizer.apply(gradients, model.trainable_variables)


@pytest.mark.parametrize(
    "fields",
    [
        {"optimizer": "adam", "beta2": 0.9},
        {"optimizer": "adam", "momentum": 0.5, "beta2": 0.95, "weight_decay": 0.3},
        {"optimizer": "adam", "momentum": 0.0, "beta2": 0.999},
        {"optimizer": "adamw", "momentum": 0.8, "beta2": 0.9, "weight_decay": 0.3},
        {"optimizer": "adamw", "momentum": 0.8, "beta2": 0.9},
        {"optimizer": "sgd", "momentum": 0.8, "weight_decay": 0.3},
        {"optimizer": "sgd", "momentum": 0.0, "weight_decay": 0.3},
        {"optimizer": "sgd", "momentum": 0.5},
    ],
    ids=lambda fields: fields["optimizer"],
)
def test_three_steps_by_hand(fields: dict) -> None:
    recipe, model = Recipe(learning_rate=0.02, **fields), network()
    optimizer = build_optimizer(recipe, model)
    assert type(optimizer) is (SGD if recipe.optimizer == "sgd" else Adam)
    go(optimizer, model)
    known = recipe.optimizer, recipe.momentum, recipe.beta2, recipe.weight_decay
    update, weights = plain.optimiser(*known), [KERNEL, BIAS]
    for step in range(3):
        gradients = gradients_of(step)
        for place, weight in enumerate(weights):
            gradient = gradients[place].astype(np.float64)
            weights[place] = update(str(place), weight, gradient, recipe.learning_rate)
    for variable, weight in zip(model.trainable_variables, weights, strict=True):
        np.testing.assert_allclose(variable.numpy(), weight, rtol=2e-6, atol=1e-6)


def test_a_gradient_of_nearly_nothing_is_divided_by_epsilon() -> None:
    """Adam's first step is rate x gradient / (gradient + 1e-8)."""
    model = network()
    optimizer = build_optimizer(Recipe(optimizer="adam", learning_rate=0.5), model)
    gradients = [keras.ops.full((2, 3), 1e-8), keras.ops.zeros((3,))]
    optimizer.apply(gradients, model.trainable_variables)
    np.testing.assert_allclose(model.layers[0].kernel.numpy(), KERNEL - 0.25, atol=1e-6)


@pytest.mark.parametrize(
    ("fields", "slots"),
    [
        ({"optimizer": "adam"}, {"step", "exp_avg", "exp_avg_sq"}),
        ({"optimizer": "sgd", "momentum": 0.8}, {"momentum_buffer"}),
        ({"optimizer": "sgd", "momentum": 0.0}, set()),
    ],
)
def test_a_state_that_was_kept_goes_on_in_the_same_bits(fields: dict, slots: set[str]) -> None:
    recipe, model, twin = Recipe(learning_rate=0.02, **fields), network(), network()
    optimizer, other = build_optimizer(recipe, model), build_optimizer(recipe, twin)
    assert optimizer_arrays(optimizer, model) == {}
    go(optimizer, model, range(2))
    arrays = optimizer_arrays(optimizer, model)
    assert set(arrays) == {f"output.{part}/{slot}" for part in ("weight", "bias") for slot in slots}
    for name, array in arrays.items():
        if name.endswith("/step"):
            assert (array.dtype, array.shape, float(array)) == (np.float32, (), 2.0)
        else:
            assert array.shape == ((3, 2) if "weight" in name else (3,))
    if "exp_avg" in slots:
        first, second = (gradients_of(step)[0].T for step in (0, 1))
        wanted = 0.1 * (0.9 * first + second)
        np.testing.assert_allclose(arrays["output.weight/exp_avg"], wanted, rtol=1e-5)
    go(other, twin, range(5, 6))
    for variable, now in zip(twin.trainable_variables, model.trainable_variables, strict=True):
        variable.assign(now)
    load_optimizer_arrays(other, twin, arrays, 2)
    assert int(other.iterations.numpy()) == 2
    go(optimizer, model, range(2, 3))
    go(other, twin, range(2, 3))
    for variable, now in zip(twin.trainable_variables, model.trainable_variables, strict=True):
        np.testing.assert_array_equal(variable.numpy(), now.numpy())
    load_optimizer_arrays(other, twin, {}, 0)
    assert optimizer_arrays(other, twin) == {}
    assert not any(tensor.numpy().any() for slot in other.slots.values() for tensor in slot)


def test_the_rate_is_the_recipes_until_it_is_set() -> None:
    optimizer = build_optimizer(Recipe(learning_rate=0.25), network())
    assert float(optimizer.learning_rate.numpy()) == 0.25
    assert optimizer.built
