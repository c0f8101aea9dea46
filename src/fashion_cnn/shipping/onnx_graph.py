"""The graph of an ONNX file, read warily, before a runtime sees it; no weights are kept.

The runtime would follow a tensor's "external data" to any file of this machine, and run loops
without end. So the file's own bytes are walked here first, with no library that would load
anything. Which operators are let through is for `onnx_rules`.

Source: field numbers, onnx/onnx.proto.
"""

import math
from collections.abc import Iterator, Mapping, Sequence, Sized
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fashion_cnn.errors import ModelError
from fashion_cnn.shipping.protobuf import RefusedError, fields, message, packed

EXPORT_AGAIN = "; export it again with: fashion-cnn export RUN"
BLOCK = 16
"""Channels that the runtime keeps together, on processors with AVX-512; zeros fill the last."""
MOST_FILE = 512 << 20
"""Bytes of a file; ResNet-50 needs a fifth."""
MOST_VALUES = 1024
"""Numbers that a tensor may have to be kept: shapes and axes have a handful."""
_KINDS = {
    1: "<f4", 2: "u1", 3: "i1", 4: "<u2", 5: "<i2", 6: "<i4", 7: "<i8", 9: "?", 10: "<f2",
    11: "<f8", 12: "<u4", 13: "<u8",
}  # fmt: skip
_BFLOAT16 = 16
_WHOLE = range(2, 8)  # of those; unsigned ones of 32 and 64 bits are not kept
_GRAPH, _OPSET, _TRAINING, _FUNCTIONS = 7, 8, 20, 25  # of a model
_MOST_NODES = 20_000
MOST_SIDES = 64
"""Of a tensor, the most that numpy can follow; networks for images have six."""
_MOST_STATED, _MOST_NAMES, _MOST_OPSETS = 100_000, 1_000, 100
"""Beyond what any network has; without them a file of megabytes may become gigabytes."""
_VARINT = 10  # bytes at most of a number that is given as a varint
_OPSETS = (17, 18)  # what this program has exported to; in others an operator may do other things
_NODE, _INITIALIZER, _INPUT, _OUTPUT, _VALUE, _SPARSE = 1, 5, 11, 12, 13, 15  # of a graph
_TYPES = {2: 1, 3: 2, 4: 3, 5: 4, 7: 6, 8: 7}
"""By an attribute's field, the type that it has to say."""


@dataclass(frozen=True, eq=False)
class Array:
    """What an operator takes or gives.

    Attributes:
        shape: for some number of images.
        kind: ONNX's number for the type.
        value: the numbers, where they are few and known before the model runs.
        constant: whether it is the same for all images.
    """

    shape: tuple[int, ...]
    kind: int
    value: NDArray[Any] | None = None
    constant: bool = False

    @property
    def size(self) -> int:
        """How many numbers."""
        return math.prod(self.shape)

    @property
    def width(self) -> int:
        """Bytes a number."""
        return width_of(self.kind)

    @property
    def nbytes(self) -> int:
        """At most, of all its numbers: maps may be kept with channels of zeros behind."""
        sides = list(self.shape)
        if len(sides) == 4:
            sides[1] += -sides[1] % BLOCK
        return math.prod(sides) * self.width


@dataclass
class Node:
    """An operator with what it is given; "" stands for an input that is left out."""

    operator: str = ""
    inputs: list[str] = field(default_factory=list)
    outputs: list[str] = field(default_factory=list)
    attributes: dict[str, Any] = field(default_factory=dict)


@dataclass
class Graph:
    """Operators in their order, and what they begin with.

    Attributes:
        stated: by name the sides that the file says a tensor has; None for any number.
    """

    nodes: list[Node] = field(default_factory=list)
    constants: dict[str, Array] = field(default_factory=dict)
    inputs: list[str] = field(default_factory=list)
    outputs: list[str] = field(default_factory=list)
    stated: dict[str, tuple[int | None, ...]] = field(default_factory=dict)


INPUTS, OUTPUTS = ["images"], ["logits", "probabilities"]


def not_ours(graph: Graph) -> str:
    """How a graph that `export` did not write differs by its names; "" of one of its own."""
    given = [name for name in graph.inputs if name not in graph.constants]
    if (given, graph.outputs) == (INPUTS, OUTPUTS):
        return ""
    names, made = (", ".join(f"{one:.40}" for one in some[:5]) for some in (given, graph.outputs))
    return (
        f"maps {names} to {made}, not images, uint8 (N, 28, 28), to logits and probabilities (a "
        "network trained elsewhere: docs/own-network.md)"
    )


def read_graph(data: bytes, what: str) -> Graph:
    """Read a model that is a plain graph.

    Refused are external data, sub-graphs, functions, custom operators and sparse tensors.

    Args: what: its name in errors.

    Raises:
        ModelError: it is none, or a tensor is not what it says.
    """
    found, graphs, opsets = Graph(), 0, []
    try:
        for number, value in fields(memoryview(data)):
            if number in (_TRAINING, _FUNCTIONS):
                raise RefusedError("holds functions or training steps")
            if number == _OPSET:
                opsets.append(_opset(value))
                check_count(opsets, _MOST_OPSETS, "sets of operators")
            if number == _GRAPH:
                graphs += 1
                _read_graph(_part(value), found)
        _check_names(found)
        if graphs and set(opsets) - {None} not in [{one} for one in _OPSETS]:
            if fault := not_ours(found):
                raise ModelError(f"{what} {fault}")
            raise RefusedError(f"is for other operators than those of the opsets {_OPSETS}")
    except RefusedError as fault:
        raise ModelError(f"{what} {fault}{EXPORT_AGAIN}") from None
    # Bytes of anybody's: what no rule above foresaw is still no reason to fall over.
    except (ArithmeticError, LookupError, ValueError):
        raise ModelError(f"{what} is no ONNX model") from None
    if not graphs:
        raise ModelError(f"{what} is no ONNX model")
    return found


def with_outputs(data: bytes, names: Sequence[str]) -> bytes:
    """The same model with further outputs: tensors inside of its graph, weights among them.

    A message that is written behind another of its kind is added to it.

    Source: protobuf.dev/programming-guides/encoding, "Last One Wins".
    """
    outputs = (message(_OUTPUT, message(1, name.encode())) for name in names)
    return data + message(_GRAPH, b"".join(outputs))


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


def _opset(message: float | memoryview) -> int | None:
    """The version of ONNX's own operators; None if it is of others, which no node here has."""
    domain, version = "", 0
    for number, value in fields(_part(message)):
        if number == 1:
            domain = _text(value)
        elif number == 2 and isinstance(value, int):
            version = value
    return version if domain in ("", "ai.onnx") else None


def _read_graph(graph: memoryview, found: Graph) -> None:
    for number, value in fields(graph):
        if number == _SPARSE:
            raise RefusedError("holds a sparse tensor")
        if number == _NODE:
            found.nodes.append(_read_node(_part(value)))
            check_count(found.nodes, _MOST_NODES, "operators")
        elif number == _INITIALIZER:
            name, array = read_tensor(_part(value))
            if name in found.constants:
                raise RefusedError(f"holds two tensors {name!r:.40}")
            found.constants[name] = array
            check_count(found.constants, _MOST_NODES, "tensors")
        elif number in (_INPUT, _OUTPUT, _VALUE):
            name, sides = _read_stated(_part(value))
            if sides is not None and found.stated.setdefault(name, sides) != sides:
                raise RefusedError(f"holds two tensors {name!r:.40}")
            check_count(found.stated, _MOST_STATED, "shapes")
            if number != _VALUE:
                ends = found.inputs if number == _INPUT else found.outputs
                ends.append(name)
                check_count(ends, _MOST_NODES, "inputs or outputs")


def check_count(found: Sized, most: int, what: str) -> None:
    """Raise `RefusedError` for more: they take many times the room that they had in the file."""
    if len(found) > most:
        raise RefusedError(f"holds over {most:,} {what}")


def _check_names(graph: Graph) -> None:
    """Of two tensors of a name the runtime would take one, and the rules here the other."""
    names = [*graph.inputs, *graph.constants]
    names += [name for node in graph.nodes for name in node.outputs if name]
    seen: set[str] = set()
    for name in names:
        if name in seen:
            raise RefusedError(f"holds two tensors {name!r:.40}")
        seen.add(name)


def _read_stated(message: memoryview) -> tuple[str, tuple[int | None, ...] | None]:
    """The name of a tensor, and the sides that it is said to have, if any are."""
    name, sides, shapes = "", [], 0
    for number, value in fields(message):
        if number == 1:
            name = _text(value)
        for kind in _inside(value, 1) if number == 2 else ():
            for shape in _inside(kind, 2):
                shapes += 1
                for side in _inside(shape, 1):
                    sides.append(_side(side))
                    check_count(sides, MOST_SIDES, "sides of a tensor")
    if shapes > 1:
        raise RefusedError(f"states two shapes of {name!r:.40}")
    return name, tuple(sides) if shapes else None


def _inside(message: float | memoryview, wanted: int) -> Iterator[memoryview]:
    """The messages that are one field of a message."""
    return (_part(value) for number, value in fields(_part(message)) if number == wanted)


def _side(message: memoryview) -> int | None:
    found = [value for number, value in fields(message) if number == 1]
    return packed(found[-1])[0] if found else None


def _read_node(message: memoryview) -> Node:
    node = Node()
    for number, value in fields(message):
        if number == 1:
            node.inputs.append(_text(value))
        elif number == 2:
            node.outputs.append(_text(value))
        elif number == 4:
            node.operator = _text(value)
        elif number == 5:
            name, found = _read_attribute(_part(value))
            if name in node.attributes:
                raise RefusedError(f"holds two attributes {name!r:.40} of an operator")
            node.attributes[name] = found
        elif number == 7 and (domain := _text(value)) not in ("", "ai.onnx"):
            raise RefusedError(
                f"holds an operator of the domain {domain!r:.66}, which no model here has"
            )
        for found in (node.inputs, node.outputs, node.attributes):
            check_count(found, _MOST_NAMES, "names of an operator")
    return node


def _read_attribute(message: memoryview) -> tuple[str, Any]:
    name, found, many, kind = "", None, [], None
    kinds: list[int] = []
    for number, value in fields(message):
        if number in (6, 11, 22, 23):
            raise RefusedError("holds a graph or a sparse tensor inside an operator")
        if number in (9, 10):
            raise RefusedError("holds an attribute that no operator here has")
        if number in _TYPES:
            kinds.append(number)
        if number == 1:
            name = _text(value)
        elif number == 2:
            (found,) = _floats(value)
        elif number == 3:
            (found,) = packed(value)
        elif number == 4:
            found = _text(value)
        elif number == 5:
            found = read_tensor(_part(value))[1]
        elif number in (7, 8):
            check_count(value if isinstance(value, memoryview) else (), _MOST_STATED, "bytes")
            many += _floats(value) if number == 7 else packed(value)
            check_count(many, _MOST_NAMES, "numbers of an operator")
        elif number == 20:
            kind = value
    # A tensor that is given twice is put together of both.
    if len({*kinds}) > 1 or kinds.count(5) > 1:
        raise RefusedError(f"holds an attribute {name!r:.40} of several values")
    if kinds and _TYPES[kinds[0]] != kind:
        raise RefusedError(f"holds an attribute {name!r:.40} of another type than it says")
    return name, many or found


def read_tensor(message: memoryview) -> tuple[str, Array]:
    """The name of a tensor and what it is; its numbers if they are few.

    Raises: `RefusedError`: it has not as many numbers as it says, or keeps them elsewhere.
    """
    name, dims, kind, raw = "", [], 0, None
    typed: dict[int, list[float | memoryview]] = {4: [], 5: [], 7: [], 10: [], 11: []}
    for number, value in fields(message):
        if number == 13 or (number == 14 and value != 0):
            raise RefusedError(
                "keeps tensors in another file (external data), which is never opened"
            )
        if number == 1:
            check_count(value if isinstance(value, memoryview) else (), _MOST_STATED, "bytes")
            dims += packed(value)
            check_count(dims, MOST_SIDES, "sides of a tensor")
        elif number == 2 and isinstance(value, int):
            kind = value
        elif number == 8:
            name = _text(value)
        elif number == 9:
            raw = _part(value)
        elif number in typed:
            typed[number].append(value)
            check_count(typed[number], _MOST_STATED, "numbers of a tensor, one by one")
    if min(dims, default=0) < 0:
        raise RefusedError("holds a tensor with a side below zero")
    array = Array(tuple(dims), kind, constant=True)
    given = sum(
        len(one) if isinstance(one, memoryview) else 1 for many in typed.values() for one in many
    )
    bits = 2 if kind in (10, _BFLOAT16) else array.width
    # More bytes than so many numbers take would all be read for a tensor of one.
    fits = array.size <= given <= _VARINT * array.size
    if not (fits if raw is None else array.size * bits == len(raw)):
        raise RefusedError(f"holds a tensor {name!r:.40} that has not as many numbers as it says")
    if array.size > MOST_VALUES or kind not in _KINDS:
        return name, array
    if raw is not None:
        values = np.array(raw, copy=True).view(_KINDS[kind])
    else:
        values = _numbers(kind, typed)
    if values is None:
        return name, array
    if values.size != array.size:
        raise RefusedError(f"holds a tensor {name!r:.40} that has not as many numbers as it says")
    return name, Array(array.shape, kind, values.reshape(array.shape), constant=True)


def _numbers(kind: int, typed: Mapping[int, list[float | memoryview]]) -> NDArray[Any] | None:
    """Numbers that are not given as raw bytes; None for types that shapes never have.

    The runtime cuts off the bits that are too many for a type.
    """
    dtype = np.dtype(_KINDS[kind])
    if kind == 1:
        return np.array([one for value in typed[4] for one in _floats(value)], dtype)
    if kind not in _WHOLE and kind != 9:
        return None
    found = [one for value in typed[7 if kind == 7 else 5] for one in packed(value)]
    least, most = (0, 1) if kind == 9 else (np.iinfo(dtype).min, np.iinfo(dtype).max)
    if not all(least <= one <= most for one in found):
        raise RefusedError(f"holds a number that its type, {dtype}, has no room for")
    return np.array(found, dtype)


def _floats(value: float | memoryview) -> list[float]:
    if isinstance(value, float):
        return [value]
    if isinstance(value, int) or len(value) % 4:
        raise RefusedError("holds damaged numbers")
    return np.frombuffer(value, "<f4").tolist()


def _part(value: float | memoryview) -> memoryview:
    if not isinstance(value, memoryview):
        raise RefusedError("is no ONNX model")
    return value


def _text(value: float | memoryview) -> str:
    try:
        return str(_part(value), "utf-8")
    except UnicodeDecodeError:
        raise RefusedError("holds a name that is no text") from None
