"""Keras variables under PyTorch's names and in PyTorch's layout: the only place that converts."""

import keras
import numpy as np
from numpy.typing import NDArray

from fashion_cnn.data.fashion_mnist import PIXEL_MEAN, PIXEL_STD
from fashion_cnn.errors import CheckpointError
from fashion_cnn.on_keras.own_network import OWN, own_weights
from fashion_cnn.run.checkpoint import Arrays, check_layout

_MAP = 3  # side of the map that the first fully connected layer sees
_CONSTANTS = {"mean": np.array(PIXEL_MEAN, np.float32), "std": np.array(PIXEL_STD, np.float32)}
"""PyTorch's model holds these as buffers, Keras's in its normalisation layer."""


def parameters(model: keras.Model) -> dict[str, keras.Variable]:
    """The trained variables by PyTorch's names, for instance "conv1.weight"."""
    if own := own_weights(model):
        return {name: weight for name, weight in own.items() if weight.trainable}
    return {
        f"{layer.name}.{'weight' if part == 'kernel' else part}": getattr(layer, part)
        for layer in model.layers
        if layer.trainable_variables
        for part in ("kernel", "bias")
    }


def to_torch(name: str, array: NDArray[np.generic]) -> NDArray[np.generic]:
    """Bring a variable's values, or an optimiser's about it, into PyTorch's layout, in C order.

    Filters (H, W, I, O) become (O, I, H, W); matrices (in, out) become (out, in), and the inputs of
    `hidden`, a flattened map, go from the order (H, W, C) to (C, H, W). Networks of somebody's own
    keep Keras's layout: nobody knows how PyTorch would have it.
    """
    if name.startswith(OWN):
        return np.array(array, order="C")
    if array.ndim == 4:
        array = array.transpose(3, 2, 0, 1)
    elif name == "hidden.weight":
        array = array.reshape(_MAP, _MAP, -1, array.shape[1]).transpose(3, 2, 0, 1)
        array = array.reshape(len(array), -1)
    elif array.ndim == 2:
        array = array.T
    return np.array(array, order="C")


def to_keras(name: str, array: NDArray[np.generic]) -> NDArray[np.generic]:
    """Undo `to_torch`."""
    if name.startswith(OWN):
        return np.array(array, order="C")
    if array.ndim == 4:
        array = array.transpose(2, 3, 1, 0)
    elif name == "hidden.weight":
        array = array.reshape(len(array), -1, _MAP, _MAP).transpose(2, 3, 1, 0)
        array = array.reshape(-1, array.shape[3])
    elif array.ndim == 2:
        array = array.T
    return np.array(array, order="C")


def shapes(model: keras.Model) -> dict[str, tuple[int, ...]]:
    """The shapes that the trained parameters have in PyTorch."""
    return {
        name: to_torch(name, np.broadcast_to(np.float32(0), tuple(variable.shape))).shape
        for name, variable in parameters(model).items()
    }


def weight_arrays(model: keras.Model) -> dict[str, NDArray[np.generic]]:
    """What PyTorch's `state_dict` of the same model holds."""
    kept = {name: to_torch(name, variable.numpy()) for name, variable in _variables(model).items()}
    return _CONSTANTS | kept


def _variables(model: keras.Model) -> dict[str, keras.Variable]:
    """All that a checkpoint keeps: what batch norm has seen, too."""
    return own_weights(model) or parameters(model)


def load_weights(model: keras.Model, arrays: Arrays, what: str) -> None:
    """Set the weights; raises `CheckpointError` unless names, shapes and constants all fit."""
    check_layout(arrays, weight_arrays(model), what)
    for name, constant in _CONSTANTS.items():
        if arrays[name] != constant:
            raise CheckpointError(
                f"{what}: {name} is {arrays[name]:.9g}, and Keras normalises with {constant:.9g}"
            )
    for name, variable in _variables(model).items():
        variable.assign(to_keras(name, arrays[name]))
