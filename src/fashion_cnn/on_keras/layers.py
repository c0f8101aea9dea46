"""What a network is made of: its layers, their parameters, and the work that an image takes."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np

from fashion_cnn.run.layers import Layer

Shape = tuple[int, ...]


@dataclass(frozen=True)
class _Call:
    """That a layer was called: what it was given and what it gave, shapes for one image."""

    layer: keras.Layer
    given: Shape
    found: Shape


def layers_of(model: keras.Model) -> list[Layer]:
    """The layers that hold numbers, each whole, however many it is made of.

    Products with their filters and matrices are counted, at each place of what comes out.

    Args: model: it is called once on one image.
    """
    calls, rows, counted = _calls(model), [], set[int]()
    for layer in _leaves(model):
        if not layer.weights:
            continue
        inside = {id(one) for one in layer._flatten_layers()}
        learned = {id(one): math.prod(one.shape) for one in layer.trainable_weights}
        own = [call for call in calls if call.layer is layer]
        rows.append(
            Layer(
                name=layer.name,
                kind=type(layer).__name__,
                output=own[-1].found if own else (),
                parameters=sum(n for one, n in learned.items() if one not in counted),
                flop=sum(_flop(call) for call in calls if id(call.layer) in inside),
            )
        )
        counted |= learned.keys()
    rest = sum(math.prod(one.shape) for one in model.trainable_weights if id(one) not in counted)
    if rest:  # of networks themselves
        rows.append(Layer("(of the network)", "constant", (), rest, 0))
    return rows


def _leaves(model: keras.Model) -> Iterator[keras.Layer]:
    """The layers of a network and of those inside of it, each once."""
    seen = set[int]()
    for layer in model.layers:
        for one in _leaves(layer) if isinstance(layer, keras.Model) else [layer]:
            if id(one) not in seen:
                seen.add(id(one))
                yield one


def _calls(model: keras.Model) -> list[_Call]:
    """Every call of a layer while the network answers one image."""
    noted, plain = list[_Call](), keras.Layer.__call__

    def noting(self: keras.Layer, *args: Any, **kwargs: Any) -> Any:
        found = plain(self, *args, **kwargs)
        given = args[0] if args else next(iter(kwargs.values()), None)
        noted.append(_Call(self, _shape(given), _shape(found)))
        return found

    keras.Layer.__call__ = noting
    try:
        model(np.zeros((1, 28, 28), np.uint8), training=False)
    finally:
        keras.Layer.__call__ = plain
    steps = {id(one) for call in noted for one in _inside_steps(call.layer)}
    return [call for call in noted if id(call.layer) not in steps]


def _inside_steps(layer: keras.Layer) -> list[keras.Layer]:
    """What a recurrent layer calls at each step."""
    if not isinstance(layer, keras.layers.RNN):
        return []
    return list(layer._flatten_layers(include_self=False))


def _shape(tensors: Any) -> Shape:
    first = tensors[0] if isinstance(tensors, list | tuple) and tensors else tensors
    return tuple(getattr(first, "shape", ())[1:])


def _flop(call: _Call) -> int:
    """Of a layer's own filters and matrices; two operations a product, and its sum."""
    layer = call.layer
    if isinstance(layer, keras.layers.Embedding):  # it looks up
        return 0
    if isinstance(layer, keras.layers.RNN):
        return sum(2 * call.given[0] * one for one in _sizes(layer.weights))
    if isinstance(layer, keras.layers.TimeDistributed):
        return call.given[0] * _flop(_Call(layer.layer, call.given[1:], call.found[1:]))
    if isinstance(layer, keras.layers.EinsumDense):
        given, filters = layer.equation.split("->")[0].split(",")
        sides: dict[str, int] = dict(zip(filters, layer.kernel.shape, strict=True))
        shared = math.prod(sides[one] for one in given if one in sides)
        return 2 * math.prod(layer.kernel.shape) * math.prod(call.given) // shared
    return sum(2 * math.prod(call.found[:-1]) * one for one in _sizes(layer._trainable_variables))


def _sizes(weights: Any) -> list[int]:
    matrices = (one for one in weights if len(one.shape) > 1 and "bias" not in one.name)  # GRU's
    return [math.prod(one.shape) for one in matrices]
