"""A network of somebody's own in Keras: checked once on a sample, and wrapped to take pixels."""

import functools
import re
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
    near,
    sample,
)
from fashion_cnn.recipes.recipe import Recipe

OWN = "network."
"""What the names of its weights begin with."""
_COUNT = r"_\d+(?=_|$)"
_OTHER_SEED = 9_973  # what was drawn and is no weight shows by it


def make_own(recipe: Recipe, classes: int, seed: int, *, trained: bool = False) -> keras.Model:
    """Make the network that a recipe names, which takes float32 (N, 28, 28, 1), normalised.

    Args:
        seed: of whatever its layers draw.
        trained: it was tried out when it began to train, and is not again.

    Raises:
        UsageError: its code may not be run, or fails, or makes what cannot be trained here.
    """
    source, policy = allowed(recipe), keras.config.dtype_policy()
    try:
        keras.utils.set_random_seed(seed)
        network = _make_checked(source, recipe, classes)
        if not trained:
            _check_made_again(network, source, recipe, classes)
            keras.utils.set_random_seed(seed)
        return network
    finally:
        keras.config.set_dtype_policy(policy)  # its code may set one for all that follows


def _make_checked(source: Source, recipe: Recipe, classes: int) -> keras.Model:
    network = source.make(recipe, classes)
    if not isinstance(network, keras.Model):
        raise UsageError(
            f"{source.name} in {source.file} gives a {type(network).__name__}, not a keras.Model"
        )
    check_no_own_step(network, ("train_step", "compute_loss"), source)
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
    if any(layer.compute_dtype == "float16" for layer in network._flatten_layers()):
        raise UsageError(
            f"{source.name} in {source.file} computes in float16, where small gradients vanish; "
            "take mixed_bfloat16, or leave the policy out"
        )
    if not network.trainable_weights:
        raise UsageError(f"{source.name} in {source.file} has no weights to learn")
    return network


def _check_made_again(network: keras.Model, source: Source, recipe: Recipe, classes: int) -> None:
    """Raise `UsageError` unless another one with the same weights gives the same answers.

    Evaluation, export and resuming make the network anew and know nothing but its weights.
    """
    images = sample(28, 28, 1)
    keras.utils.set_random_seed(_OTHER_SEED)
    try:
        twin = source.make(recipe, classes)
        twin(images, training=False)
        twin.set_weights(network.get_weights())
        answers = [
            keras.ops.convert_to_numpy(keras.ops.cast(one(images, training=False), "float32"))
            for one in (network, twin)
        ]
    except FAILURES as error:
        raise UsageError(f"{source.name} cannot be made again: {source.describe(error)}") from error
    if not near(*answers):
        raise UsageError(
            f"{source.name}, made again with the same weights, answers otherwise: some of its "
            "layers or tensors are not registered; hold layers as attributes, in lists or dicts of "
            "them, and make tensors with add_weight"
        )


def own_weights(model: keras.Model) -> dict[str, keras.Variable] | None:
    """The weights of a network of somebody's own, numbered in its order; None for one of ours.

    Keras's own names count all layers and variables that a process ever made, so they are not the
    same twice.
    """
    found = [layer for layer in model.layers if isinstance(layer, keras.Model)]
    if not found:
        return None
    weights = enumerate(found[0].weights)
    return {f"{OWN}{i}.{re.sub(_COUNT, '', weight.name)}": weight for i, weight in weights}


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
