"""What a network is made of: its layers, their parameters, and the work that an image takes."""

import math

import keras

from fashion_cnn.run.layers import Layer


def layers_of(model: keras.Model) -> list[Layer]:
    """The layers that hold numbers; of each, products with its filters or matrices are counted."""
    rows = []
    for layer in model._flatten_layers(include_self=False):
        if isinstance(layer, keras.Model) or not layer.weights:
            continue
        output = _output(layer)
        places = math.prod(output[:-1])  # a matrix or filter is applied at each place of the map
        learned = [tuple(one.shape) for one in layer.trainable_weights]
        rows.append(
            Layer(
                name=layer.name,
                kind=type(layer).__name__,
                output=output,
                parameters=sum(map(math.prod, learned)),
                flop=sum(2 * places * math.prod(shape) for shape in learned if len(shape) > 1),
            )
        )
    return rows


def _output(layer: keras.Layer) -> tuple[int, ...]:
    try:
        return tuple(layer.output.shape[1:])
    except (AttributeError, ValueError):  # called several times, or inside of another layer
        return ()
