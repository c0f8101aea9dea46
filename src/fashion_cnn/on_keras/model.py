"""The network in Keras: uint8 images in, logits out."""

from typing import Any

import keras
from keras import layers

from fashion_cnn.data.fashion_mnist import PIXEL_MEAN, PIXEL_STD
from fashion_cnn.data.randomness import seed_of
from fashion_cnn.errors import UsageError
from fashion_cnn.on_keras.own_network import connected, make_own
from fashion_cnn.recipes.fields import format_value
from fashion_cnn.recipes.networks import HIDDEN, own_network
from fashion_cnn.recipes.own_network import allowed
from fashion_cnn.recipes.recipe import Recipe

# What ~/.keras/keras.json says must not change a model.
_FIXED: dict[str, Any] = {"dtype": "float32"}
_MAPS: dict[str, Any] = {**_FIXED, "data_format": "channels_last"}

_TRAINED = {
    "optimizer": ("adam", "adamw", "sgd"),
    "precision": ("float32",),
    "ema_decay": (0.0,),
    "init_from": ("",),
    "freeze": (0,),
    "teacher": ("",),
    "outliers": (0.0,),
    "photo": (0.0,),
}
"""What recipes may ask for besides the network; the rest of a recipe is done as in PyTorch."""


def check_recipe(recipe: Recipe) -> None:
    """Raise `UsageError`, naming the field, for what Keras here does not train exactly."""
    if own_network(recipe.model):
        allowed(recipe)
    else:
        _check(recipe, "model", ("simple_cnn",))
    for name, values in _TRAINED.items():
        _check(recipe, name, values)


def build_model(recipe: Recipe, classes: int, *, trained: bool = False) -> keras.Model:
    """The network that a recipe names, for so many classes, at its seeded start.

    Args: trained: one of somebody's own was tried out when it began to train.

    Raises:
        UsageError: that network is not there in Keras; or is one of somebody's own, as `make_own`.
    """
    if own_network(recipe.model):
        network = make_own(recipe, classes, _seed(recipe, "start"), trained=trained)
        images = keras.Input((28, 28), dtype="uint8", name="images")
        logits = connected(network, normalised(images), recipe)
        if logits.dtype != "float32":
            logits = keras.ops.cast(logits, "float32")
        return keras.Model(images, logits, name="own")
    _check(recipe, "model", ("simple_cnn",))
    return _simple_cnn(recipe, classes)


def normalised(images: Any) -> Any:
    """Grey levels, uint8 (N, 28, 28), to what networks take: float32 (N, 28, 28, 1)."""
    x = layers.Reshape((28, 28, 1), dtype="uint8")(images)
    return (layers.Rescaling(1 / 255, **_FIXED)(x) - PIXEL_MEAN) / PIXEL_STD


def _check(recipe: Recipe, name: str, values: tuple[object, ...]) -> None:
    value = getattr(recipe, name)
    if value not in values:
        wanted = " or ".join(format_value(item) for item in values)
        raise UsageError(
            f"{name} is {value!r}, which Keras does not do here; with --framework keras it must "
            f"be {wanted}"
        )


def _simple_cnn(recipe: Recipe, classes: int) -> keras.Model:
    """The assignment's network, with PyTorch's layers, names and start.

    Pooling comes before ReLU, which changes no value and leaves a quarter of the ReLUs. The last
    pool leaves the seventh row and column of its input out, so they are not computed: a border of
    zeros on two sides instead of four gives the first six alone.
    """
    width = recipe.width
    images = keras.Input((28, 28), dtype="uint8", name="images")
    x = normalised(images)
    fan_in = 9
    for number, filters in enumerate((width, 2 * width, 4 * width), start=1):
        if number == 3:
            x = layers.ZeroPadding2D(((1, 0), (1, 0)), **_MAPS)(x)
        x = layers.Conv2D(
            filters,
            3,
            padding="valid" if number == 3 else "same",
            name=f"conv{number}",
            **_start(recipe, f"conv{number}", fan_in),
            **_MAPS,
        )(x)
        x = layers.MaxPooling2D(**_MAPS)(x)
        x = layers.ReLU(**_FIXED)(x)
        fan_in = 9 * filters
    x = layers.Flatten(**_MAPS)(x)
    x = layers.Dense(HIDDEN, "relu", name="hidden", **_start(recipe, "hidden", fan_in), **_FIXED)(x)
    x = layers.Dropout(recipe.dropout, seed=_seed(recipe, "dropout"), name="dropout", **_FIXED)(x)
    start = _start(recipe, "output", HIDDEN)
    logits = layers.Dense(classes, name="output", **start, **_FIXED)(x)
    return keras.Model(images, logits, name=recipe.model)


def _start(recipe: Recipe, layer: str, fan_in: int) -> dict[str, keras.initializers.Initializer]:
    """PyTorch's default start: uniform within one over the root of the inputs of a unit.

    Source: torch.nn.Linear.reset_parameters, torch.nn.modules.conv.
    """
    reach = fan_in**-0.5
    return {
        f"{part}_initializer": keras.initializers.RandomUniform(
            -reach, reach, seed=_seed(recipe, f"start {layer} {part}")
        )
        for part in ("kernel", "bias")
    }


def _seed(recipe: Recipe, purpose: str) -> int:
    return seed_of(recipe.seed, purpose) >> 33  # 31 bits: every backend's seeds hold them
