"""The graph of an ONNX file, read warily, before a runtime sees it; no weights are kept.

The runtime would follow a tensor's "external data" to any file of this machine, and run loops
without end. So the file's own bytes are walked here first, with no library that would load
anything, and only what `export` writes is let through.

Source: field numbers, onnx/onnx.proto.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fashion_cnn.errors import ModelError
from fashion_cnn.shipping.protobuf import RefusedError, fields, message, packed, signed

OPERATORS = frozenset(
    {
        "Abs", "Add", "And", "AveragePool", "BatchNormalization", "Cast", "Ceil", "Clip", "Concat",
        "Constant", "ConstantOfShape", "Conv", "ConvTranspose", "Cos", "DepthToSpace",
        "DequantizeLinear", "Div", "Einsum", "Elu", "Equal", "Erf", "Exp", "Expand", "Flatten",
        "Floor", "Gather", "Gemm", "GlobalAveragePool", "GlobalMaxPool", "Greater",
        "GreaterOrEqual", "HardSigmoid", "HardSwish", "Identity", "InstanceNormalization",
        "LayerNormalization", "LeakyRelu", "Less", "LessOrEqual", "Log", "LogSoftmax", "LpPool",
        "MatMul", "Max", "MaxPool", "Min", "Mish", "Mod", "Mul", "Neg", "Not", "Or", "PRelu", "Pad",
        "Pow", "QuantizeLinear", "Range", "Reciprocal", "ReduceL2", "ReduceMax", "ReduceMean",
        "ReduceMin", "ReduceProd", "ReduceSum", "Relu", "Reshape", "Resize", "Round", "Selu",
        "Shape", "Sigmoid", "Sign", "Sin", "Slice", "Softmax", "Softplus", "Softsign",
        "SpaceToDepth", "Split", "Sqrt", "Squeeze", "Sub", "Sum", "Tan", "Tanh", "Tile",
        "Transpose", "Trilu", "Unsqueeze", "Where",
    }
)  # fmt: skip
"""What the frameworks' exporters write of networks for images; none branches, loops or opens a
file."""
MOST_VALUES = 1024
"""Numbers that a tensor may have to be kept: shapes and axes have a handful."""
_KINDS = {
    1: "<f4", 2: "u1", 3: "i1", 4: "<u2", 5: "<i2", 6: "<i4", 7: "<i8", 9: "?", 10: "<f2",
    11: "<f8", 12: "<u4", 13: "<u8",
}  # fmt: skip
_BFLOAT16 = 16
_GRAPH, _TRAINING, _FUNCTIONS = 7, 20, 25  # of a model
_NODE, _INITIALIZER, _INPUT, _OUTPUT, _SPARSE = 1, 5, 11, 12, 15  # of a graph


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


def read_graph(data: bytes, what: str) -> Graph:
    """Read a model that is a plain graph of `OPERATORS`.

    Refused are external data, sub-graphs, functions, custom operators and sparse tensors.

    Args: what: its name in errors.

    Raises:
        ModelError: it is none, or a tensor is not what it says.
    """
    found, graphs = Graph(), 0
    try:
        for number, value in fields(memoryview(data)):
            if number in (_TRAINING, _FUNCTIONS):
                raise RefusedError("holds functions or training steps")
            if number == _GRAPH and not isinstance(value, int):
                graphs += 1
                _read_graph(value, found)
    except RefusedError as fault:
        raise ModelError(f"{what} {fault}; export it again with: fashion-cnn export RUN") from None
    # Bytes of anybody's: what no rule above foresaw is still no reason to fall over.
    except (ArithmeticError, LookupError, ValueError):
        raise ModelError(f"{what} is no ONNX model") from None
    if not graphs:
        raise ModelError(f"{what} is no ONNX model")
    found.inputs = [name for name in found.inputs if name not in found.constants]
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


def _read_graph(graph: memoryview, found: Graph) -> None:
    for number, value in fields(graph):
        if number == _SPARSE:
            raise RefusedError("holds a sparse tensor")
        if isinstance(value, int):
            continue
        if number == _NODE:
            found.nodes.append(_read_node(value))
        elif number == _INITIALIZER:
            name, array = read_tensor(value)
            found.constants[name] = array
        elif number in (_INPUT, _OUTPUT):
            names = found.inputs if number == _INPUT else found.outputs
            names.extend(_text(one) for at, one in fields(value) if at == 1)


def _read_node(message: memoryview) -> Node:
    node = Node()
    for number, value in fields(message):
        if number == 1:
            node.inputs.append(_text(value))
        elif number == 2:
            node.outputs.append(_text(value))
        elif number == 4:
            node.operator = _text(value)
            if node.operator not in OPERATORS:
                raise RefusedError(
                    f"holds an operator {node.operator!r:.66}, which no model here has"
                )
        elif number == 5 and not isinstance(value, int):
            name, found = _read_attribute(value)
            node.attributes[name] = found
        elif number == 7 and (domain := _text(value)) not in ("", "ai.onnx"):
            raise RefusedError(
                f"holds an operator of the domain {domain!r:.66}, which no model here has"
            )
    return node


def _read_attribute(message: memoryview) -> tuple[str, Any]:
    name, found, many = "", None, []
    kinds: list[int] = []
    for number, value in fields(message):
        if number in (6, 11, 22, 23):
            raise RefusedError("holds a graph or a sparse tensor inside an operator")
        if number in (2, 3, 4, 5, 7, 8, 9, 10):
            kinds.append(number)
        if number == 1:
            name = _text(value)
        elif number == 2:
            found = _floats(value)[0]
        elif number == 3 and isinstance(value, int):
            found = signed(value)
        elif number == 4:
            found = _text(value)
        elif number in (5, 10) and not isinstance(value, int):
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

    Raises: `RefusedError`: it has not as many numbers as it says, or keeps them elsewhere.
    """
    name, dims, kind, raw = "", [], 0, None
    typed: dict[int, list[int | memoryview]] = {4: [], 5: [], 7: [], 10: [], 11: []}
    for number, value in fields(message):
        if number == 13 or (number == 14 and value != 0):
            raise RefusedError(
                "keeps tensors in another file (external data), which is never opened"
            )
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
        raise RefusedError("holds a tensor with a side below zero")
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
