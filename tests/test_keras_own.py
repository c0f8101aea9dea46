"""Networks of somebody's own in Keras: which train, what they are made of, what is told."""

import math
from pathlib import Path

import keras
import numpy as np
import pytest

from fashion_cnn.errors import UsageError
from fashion_cnn.on_keras.classifier import KerasClassifier
from fashion_cnn.on_keras.layers import layers_of
from fashion_cnn.on_keras.model import build_model
from fashion_cnn.on_keras.weights import load_weights
from fashion_cnn.recipes.own_network import given
from fashion_cnn.recipes.recipe import Recipe
from fashion_cnn.run.folder import Run
from short import content, train

IMAGES = np.random.default_rng(0).integers(0, 256, (6, 28, 28), dtype=np.uint8)


def recipe_of(code: str, folder: Path, **fields) -> Recipe:
    (folder / "own.py").write_text(f"import keras\nfrom keras import layers\n{code}\n")
    return Recipe(**given(f"{folder}/own.py:net"), batch_size=48, epochs=2, **fields)


def opened(run: Run, recipe: Recipe) -> KerasClassifier:
    """The last checkpoint, in a network that is made anew."""
    model = build_model(recipe, 10, trained=True)
    load_weights(model, run.checkpoints.load("final").model, "it")
    return KerasClassifier(model)


def sequential(*of: str) -> str:
    inside = ", ".join(["keras.Input((28, 28, 1))", *of])
    return f"def net(classes): return keras.Sequential([{inside}])"


NAMELESS = """
class Linear(layers.Layer):
    def __init__(self, units):
        super().__init__()
        self.units = units
    def build(self, shape):
        self.w = self.add_weight(shape=(shape[-1], self.units), initializer="glorot_uniform")
        self.b = self.add_weight(shape=(self.units,), name=f"{self.name}_b")
    def call(self, x):
        return x @ self.w + self.b
"""
RANDOM = """
class DropPath(layers.Layer):
    def __init__(self):
        super().__init__()
        self.rng = keras.random.SeedGenerator(1)
    def call(self, x, training=False):
        if not training:
            return x
        shares = keras.random.uniform((keras.ops.shape(x)[0], 1), seed=self.rng)
        return x * keras.ops.cast(shares > 0.3, x.dtype)
"""


@pytest.mark.parametrize(
    "code",
    [
        NAMELESS + sequential("layers.Flatten()", "Linear(classes)"),
        RANDOM + sequential("layers.Flatten()", "DropPath()", "layers.Dense(classes)"),
    ],
    ids=["weights without names", "a generator of another name"],
)
def test_it_is_resumed_exactly_and_opened_however_often(
    tmp_path: Path, small_data, code: str
) -> None:
    recipe = recipe_of(code, tmp_path)
    whole = train("keras", recipe, small_data, tmp_path / "whole")
    train("keras", recipe, small_data, tmp_path / "parts", stop=5)
    parts = train("keras", recipe, small_data, tmp_path / "parts", resume=True)
    assert content(parts) == content(whole)
    answers = [opened(whole, recipe).logits(IMAGES) for _ in range(2)]
    np.testing.assert_array_equal(*answers)


SUBCLASS = """
class net(keras.Model):
    def __init__(self, classes):
        super().__init__()
        self.conv, self.out = layers.Conv2D(4, 3, padding="same"), layers.Dense(classes)
        self.shift = self.add_weight(shape=(1,), name="shift")
    def call(self, x):
        return self.out(keras.ops.mean(self.conv(x) + self.shift, (1, 2)))
"""
OF_ANY_SIDE = """
def net(classes):
    images = keras.Input((None, None, 1))
    base = keras.Model(images, layers.GlobalMaxPooling2D()(layers.Conv2D(4, 3)(images)))
    given = keras.Input((28, 28, 1))
    return keras.Model(given, layers.Dense(classes)(base(layers.Resizing(14, 14)(given))))
"""
ROWS = "layers.Reshape((28, 28))"
CONV, DENSE = 2 * 28 * 28 * 9 * 4, 2 * 4 * 10
MADE_OF = {
    "a subclass": (SUBCLASS, CONV + DENSE),
    "of any side": (OF_ANY_SIDE, 2 * 12 * 12 * 9 * 4 + DENSE),
    "recurrent": (
        sequential(ROWS, "layers.LSTM(8)", "layers.Dense(classes)"),
        28 * 2 * (28 * 32 + 8 * 32) + 2 * 8 * 10,
    ),
    "both ways": (
        sequential(ROWS, "layers.Bidirectional(layers.GRU(8))", "layers.Dense(classes)"),
        2 * 28 * 2 * (28 * 24 + 8 * 24) + 2 * 16 * 10,
    ),
    "at each row": (
        sequential(
            ROWS, "layers.TimeDistributed(layers.Dense(3))", "layers.Flatten()",
            "layers.Dense(classes)",
        ),
        28 * 2 * 28 * 3 + 2 * 84 * 10,
    ),
    "sums over any axes": (
        sequential(
            ROWS, "layers.EinsumDense('...x,xy->...y', output_shape=3)", "layers.Flatten()",
            "layers.Dense(classes)",
        ),
        2 * 28 * 28 * 3 + 2 * 84 * 10,
    ),
    "attention": (
        "def net(classes):\n    images = keras.Input((28, 28, 1))\n"
        "    x = layers.Reshape((28, 28))(images)\n"
        "    x = layers.MultiHeadAttention(2, 7)(x, x)\n"
        "    return keras.Model(images, layers.Dense(classes)(layers.Flatten()(x)))",
        28 * 2 * (4 * 28 * 14) + 2 * 784 * 10,
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", MADE_OF)
def test_what_it_is_made_of_is_counted_once_and_whole(tmp_path: Path, name: str) -> None:
    code, flop = MADE_OF[name]
    model = build_model(recipe_of(code, tmp_path), 10)
    rows = layers_of(model)
    learned = sum(math.prod(one.shape) for one in model.trainable_weights)
    assert sum(row.parameters for row in rows) == learned
    assert sum(row.flop for row in rows) == flop


def test_a_policy_that_its_code_sets_is_its_own(tmp_path: Path) -> None:
    layers = "layers.Flatten()", "layers.Dense(classes)"
    before = keras.config.dtype_policy().name
    policy = "keras.mixed_precision.set_global_policy('{}')\n"
    half = recipe_of(policy.format("mixed_bfloat16") + sequential(*layers), tmp_path)
    assert build_model(half, 10).predict_on_batch(IMAGES).dtype == np.float32
    assert keras.config.dtype_policy().name == before
    (tmp_path / "smaller").mkdir()
    small = recipe_of(policy.format("mixed_float16") + sequential(*layers), tmp_path / "smaller")
    with pytest.raises(UsageError, match="computes in float16.* take mixed_bfloat16"):
        build_model(small, 10)
    assert keras.config.dtype_policy().name == before


UNREGISTERED = """
class Block:
    def __init__(self, units):
        self.dense = layers.Dense(units, activation="relu")
    def __call__(self, x):
        return self.dense(x)
class net(keras.Model):
    def __init__(self, classes):
        super().__init__()
        self.block, self.flat, self.out = Block(16), layers.Flatten(), layers.Dense(classes)
    def call(self, x):
        return self.out(self.block(self.flat(x)))
"""


def test_what_is_not_registered_is_told(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="answers otherwise: some of its layers .* not registered"):
        build_model(recipe_of(UNREGISTERED, tmp_path), 10)
    held = (
        UNREGISTERED.replace("class Block:", "class Block(layers.Layer):")
        .replace(
            "def __init__(self, units):", "def __init__(self, units):\n        super().__init__()"
        )
        .replace("__call__", "call")
    )
    (tmp_path / "held").mkdir()
    assert build_model(recipe_of(held, tmp_path / "held"), 10)


def test_a_loss_of_its_own_is_told(tmp_path: Path) -> None:
    code = SUBCLASS + "    def compute_loss(self, x=None, y=None, y_pred=None, **rest): return 0\n"
    with pytest.raises(UsageError, match="net has a compute_loss of its own, which is not called"):
        build_model(recipe_of(code, tmp_path), 10)


def test_features_come_from_the_last_part_of_a_sequence(tmp_path: Path, small_data) -> None:
    inner = (
        "keras.Sequential([keras.Input((28, 28, 1)), layers.Flatten(), layers.Dense(5), "
        "layers.Dense(classes)])"
    )
    recipe = recipe_of(sequential("layers.Rescaling(0.3530, 0.2860)", inner), tmp_path)
    run = train("keras", recipe, small_data, tmp_path / "run")
    found = opened(run, recipe)
    features = found.features(IMAGES)
    assert features.shape == (6, 5)
    kernel, bias = found.network.layers[-1].layers[-1].get_weights()
    np.testing.assert_allclose(features @ kernel + bias, found.logits(IMAGES), atol=1e-4)
