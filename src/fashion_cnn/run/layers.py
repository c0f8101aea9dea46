"""`Layer`: a row of the table of what a network is made of."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from fashion_cnn.run.typed import Count, decode


@dataclass(frozen=True)
class Layer:
    """A layer that holds numbers.

    Attributes:
        name: as its weights' names begin.
        kind: its class.
        output: its shape for one image; empty if unknown.
        parameters: how many numbers it learns.
        flop: floating-point operations an image, forward, of its products and convolutions.
    """

    name: str
    kind: str
    output: tuple[Count, ...]
    parameters: Count
    flop: Count


def describe_layers(layers: Sequence[Layer]) -> dict[str, Any]:
    """The table as JSON holds it, with its sums."""
    return {
        "parameters": sum(layer.parameters for layer in layers),
        "flop": sum(layer.flop for layer in layers),
        "layers": [asdict(layer) for layer in layers],
    }


@dataclass(frozen=True)
class _Table:
    parameters: Count
    flop: Count
    layers: tuple[Layer, ...]


def check_layers(values: Any) -> None:
    """Raise `ValueError`, which says where, unless it is what `describe_layers` gives."""
    decode(_Table, values)
