"""The graph of an ONNX file, read for its shapes alone: no weights are kept.

Source: field numbers, onnx/onnx.proto.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fashion_cnn.shipping.onnx_file import RefusedError
from fashion_cnn.shipping.protobuf import fields, packed, signed

MOST_VALUES = 1024
"""Numbers that a tensor may have to be kept: shapes and axes have a handful."""

_KINDS = {
    1: "<f4", 2: "u1", 3: "i1", 4: "<u2", 5: "<i2", 6: "<i4", 7: "<i8", 9: "?", 10: "<f2",
    11: "<f8", 12: "<u4", 13: "<u8",
}  # fmt: skip
_BFLOAT16 = 16
_GRAPH, _NODE, _INITIALIZER, _INPUT, _OUTPUT = 7, 1, 5, 11, 12


@dataclass(frozen=True, eq=False)
class Array:
    """What an operator takes or gives.

    Attributes:
        shape: for some number of images.
        width: bytes a number.
        value: the numbers, where they are few and known before the model runs.
        constant: whether it is the same for all images.
    """

    shape: tuple[int, ...]
    width: int
    value: NDArray[Any] | None = None
    constant: bool = False

    @property
    def size(self) -> int:
        """How many numbers."""
        return math.prod(self.shape)

    @property
    def nbytes(self) -> int:
        """Of all its numbers."""
        return self.size * self.width


@dataclass
class Node:
    """An operator with what it is given; "" stands for an input that is left out."""

    operator: str = ""
    inputs: list[str] = field(default_factory=list)
    outputs: list[str] = field(default_factory=list)
    attributes: dict[str, Any] = field(default_factory=dict)


@dataclass
class Graph:
    """Operators in their order, and what they begin with."""

    nodes: list[Node] = field(default_factory=list)
    constants: dict[str, Array] = field(default_factory=dict)
    inputs: list[str] = field(default_factory=list)
    outputs: list[str] = field(default_factory=list)


def read_graph(data: bytes) -> Graph:
    """Read a model that `check_model` let through.

    Raises:
        RefusedError: a tensor is not what it says.
        WireError: it is no message.
    """
    found = Graph()
    for number, graph in fields(memoryview(data)):
        if number != _GRAPH or isinstance(graph, int):
            continue
        for inner, value in fields(graph):
            if isinstance(value, int):
                continue
            if inner == _NODE:
                found.nodes.append(_read_node(value))
            elif inner == _INITIALIZER:
                name, array = read_tensor(value)
                found.constants[name] = array
            elif inner in (_INPUT, _OUTPUT):
                names = found.inputs if inner == _INPUT else found.outputs
                names.extend(_text(one) for at, one in fields(value) if at == 1)
    found.inputs = [name for name in found.inputs if name not in found.constants]
    return found


def width_of(kind: int) -> int:
    """Bytes that a number of a type of ONNX's takes while it is computed with."""
    if kind in (10, _BFLOAT16):
        return 6  # the CPU widens it to 32 bits on the way
    if kind in _KINDS:
        return np.dtype(_KINDS[kind]).itemsize
    raise RefusedError(f"holds numbers of a type ({kind}) that no model here has")


def kind_of(number: int) -> np.dtype[Any] | None:
    """The type that numpy has for one of ONNX's; None if there is none."""
    return np.dtype(_KINDS[number]) if number in _KINDS else None


def _read_node(message: memoryview) -> Node:
    node = Node()
    for number, value in fields(message):
        if number == 1:
            node.inputs.append(_text(value))
        elif number == 2:
            node.outputs.append(_text(value))
        elif number == 4:
            node.operator = _text(value)
        elif number == 5 and not isinstance(value, int):
            name, found = _read_attribute(value)
            node.attributes[name] = found
    return node


def _read_attribute(message: memoryview) -> tuple[str, Any]:
    name, found, many = "", None, []
    kinds: list[int] = []
    for number, value in fields(message):
        if number in (2, 3, 4, 5, 7, 8, 9):
            kinds.append(number)
        if number == 1:
            name = _text(value)
        elif number == 2:
            found = _floats(value)[0]
        elif number == 3 and isinstance(value, int):
            found = signed(value)
        elif number == 4:
            found = _text(value)
        elif number == 5 and not isinstance(value, int):
            found = read_tensor(value)[1]
        elif number == 7:
            many += _floats(value)
        elif number == 8:
            many += packed(value)
    # A tensor that is given twice is put together of both.
    if len({*kinds}) > 1 or kinds.count(5) > 1:
        raise RefusedError(f"holds an attribute {name!r:.40} of several values")
    return name, many or found


def read_tensor(message: memoryview) -> tuple[str, Array]:
    """The name of a tensor and what it is; its numbers if they are few.

    Raises: `RefusedError`: it has not as many numbers as it says.
    """
    name, dims, kind, raw = "", [], 0, None
    typed: dict[int, list[int | memoryview]] = {4: [], 5: [], 7: [], 10: [], 11: []}
    for number, value in fields(message):
        if number == 1:
            dims += packed(value)
        elif number == 2 and isinstance(value, int):
            kind = value
        elif number == 8:
            name = _text(value)
        elif number == 9 and not isinstance(value, int):
            raw = value
        elif number in typed:
            typed[number].append(value)
    if min(dims, default=0) < 0:
        raise RefusedError("holds a tensor of less than nothing")
    array = Array(tuple(dims), width_of(kind), constant=True)
    given = sum(1 if isinstance(one, int) else len(one) for many in typed.values() for one in many)
    bits = 2 if kind == _BFLOAT16 else np.dtype(_KINDS[kind]).itemsize
    if array.size * bits != len(raw) if raw is not None else array.size > given:
        raise RefusedError(f"holds a tensor {name!r:.40} that has not as many numbers as it says")
    if array.size > MOST_VALUES or kind not in _KINDS:
        return name, array
    values = np.array(raw, copy=True).view(_KINDS[kind]) if raw is not None else _numbers(typed)
    if values is None or values.size != array.size:
        return name, array
    return name, Array(array.shape, array.width, values.reshape(array.shape), constant=True)


def _numbers(typed: Mapping[int, list[int | memoryview]]) -> NDArray[Any] | None:
    """Numbers that are not given as raw bytes: whole ones and floats; others are never shapes."""
    whole = [number for field in (5, 7) for value in typed[field] for number in packed(value)]
    real = [number for value in typed[4] for number in _floats(value)]
    return np.array(whole, np.int64) if whole else np.array(real, np.float32)


def _floats(value: int | memoryview) -> list[float]:
    if isinstance(value, int) or len(value) % 4:
        raise RefusedError("holds damaged numbers")
    return np.frombuffer(value, "<f4").tolist()


def _text(value: int | memoryview) -> str:
    if isinstance(value, int):
        raise RefusedError("is no ONNX model")
    return bytes(value).decode(errors="replace")
