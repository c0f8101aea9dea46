"""A network of somebody's own in Keras: checked once on a sample, and wrapped to take pixels."""

import functools
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from fashion_cnn.errors import UsageError
from fashion_cnn.recipes.own_network import (
    FAILURES,
    Source,
    allowed,
    answer_in_training,
    check_answers,
    check_no_own_step,
    sample,
)
from fashion_cnn.recipes.recipe import Recipe

OWN = "network."
"""What the names of its weights begin with."""


def make_own(recipe: Recipe, classes: int, seed: int) -> keras.Model:
    """Make the network that a recipe names, which takes float32 (N, 28, 28, 1), normalised.

    Args: seed: of whatever its layers draw.

    Raises:
        UsageError: its code may not be run, or fails, or makes what cannot be trained here.
    """
    source = allowed(recipe)
    keras.utils.set_random_seed(seed)
    network = source.make(recipe, classes)
    if not isinstance(network, keras.Model):
        raise UsageError(
            f"{source.name} in {source.file} gives a {type(network).__name__}, not a keras.Model"
        )
    check_no_own_step(network, ("train_step",), source)
    images = sample(28, 28, 1)

    def answer(images: NDArray[np.float32]) -> Any:
        logits = network(images, training=False)
        if not hasattr(logits, "shape"):
            raise UsageError(
                f"{source.name} gives {type(logits).__name__}, not one tensor of logits"
            )
        return keras.ops.convert_to_numpy(logits)

    check_answers(answer, images, classes, source)  # which may be what gives it weights
    _check_training(network, images, classes, source)
    for weight in network.weights:
        if weight.dtype != "float32" and (weight.trainable or weight.dtype == "bfloat16"):
            raise UsageError(
                f"{weight.path} of {source.name} in {source.file} is of {weight.dtype}; leave "
                "weights in float32, also where a layer computes in less (dtype='mixed_bfloat16')"
            )
    if not network.trainable_weights:
        raise UsageError(f"{source.name} in {source.file} has no weights to learn")
    return network


def own_weights(model: keras.Model) -> dict[str, keras.Variable] | None:
    """The weights of a network of somebody's own, numbered in its order; None for one of ours.

    Keras's own names count all layers that a process ever made, so they are not the same twice.
    """
    found = [layer for layer in model.layers if isinstance(layer, keras.Model)]
    if not found:
        return None
    return {f"{OWN}{i}.{weight.name}": weight for i, weight in enumerate(found[0].weights)}


def _check_training(
    network: keras.Model, images: NDArray[np.float32], classes: int, source: Source
) -> None:
    """Call the network once as in training; it stays as it was."""
    before = [keras.ops.convert_to_numpy(variable) for variable in network.variables]
    answer_in_training(functools.partial(network, training=True), images, classes, source)
    if len(network.variables) != len(before):
        raise UsageError(
            f"{source.name} makes weights in training that it lacks in evaluation; make them in "
            "both, or leave them out"
        )
    for variable, value in zip(network.variables, before, strict=True):
        variable.assign(value)


def connected(network: keras.Model, images: Any, recipe: Recipe) -> Any:
    """What the network makes of symbolic images, float32 (N, 28, 28, 1).

    Raises:
        UsageError: it fails on them, as where it asks for the number of images.
    """
    try:
        return network(images)
    except FAILURES as error:
        source = allowed(recipe)
        raise UsageError(
            f"{source.name} works on arrays, but not on symbolic images, float32 "
            f"(None, 28, 28, 1): {source.describe(error)}"
        ) from error
