"""Reading an ONNX file warily: what it may hold, before a runtime sees it.

The runtime would follow a tensor's "external data" to any file of this machine, and run loops
without end. So the file's own bytes are walked here first, with no library that would load
anything, and only what `export` writes is let through.

Source: field numbers and wire format, onnx/onnx.proto and protobuf.dev/programming-guides/encoding.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from fashion_cnn.errors import ModelError
from fashion_cnn.files import read_bytes

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

_MOST_BYTES = 512 << 20  # ResNet-50 needs a fifth
_VARINT, _EIGHT, _BYTES, _FOUR = 0, 1, 2, 5

_MODEL_GRAPH, _MODEL_TRAINING, _MODEL_FUNCTIONS = 7, 20, 25
_GRAPH_NODE, _GRAPH_TENSOR, _GRAPH_SPARSE = 1, 5, 15
_GRAPH_OUTPUT, _OUTPUT_NAME = 12, 1
_NODE_INPUT, _NODE_OUTPUT, _NODE_OPERATOR, _NODE_ATTRIBUTE, _NODE_DOMAIN = 1, 2, 4, 5, 7
_ATTRIBUTE_NAME, _ATTRIBUTE_INTS = 1, 8
_ATTRIBUTE_TENSORS, _ATTRIBUTE_GRAPHS, _ATTRIBUTE_SPARSE = (5, 10), (6, 11), (22, 23)
_TENSOR_EXTERNAL, _TENSOR_LOCATION = 13, 14


def read_model(path: Path) -> bytes:
    """Read an ONNX file of at most 512 MiB and check it as `check_model` does.

    Raises:
        ModelError: it is missing, unreadable, too large, or not what `export` writes.
    """
    data = read_bytes(path, ModelError, _MOST_BYTES)
    check_model(data, str(path))
    return data


def check_model(data: bytes, what: str) -> None:
    """Raise `ModelError`, naming `what`, unless `data` is a plain graph of `OPERATORS`.

    Refused are external data, sub-graphs, functions, custom operators and sparse tensors.
    """
    try:
        graphs = 0
        for field, value in _fields(memoryview(data)):
            if field in (_MODEL_TRAINING, _MODEL_FUNCTIONS):
                raise _RefusedError("holds functions or training steps")
            if field == _MODEL_GRAPH and isinstance(value, memoryview):
                graphs += 1
                _check_graph(value)
    except _RefusedError as fault:
        raise ModelError(f"{what} {fault}; export it again with: fashion-cnn export RUN") from None
    if not graphs:
        raise ModelError(f"{what} is no ONNX model")


@dataclass(frozen=True)
class Node:
    """An operation of a graph.

    Attributes:
        operator: its name, as "Conv".
        inputs: names of what it takes; empty for one that is left out.
        outputs: names of what it gives.
        numbers: its attributes that are lists of whole numbers, as "strides".
    """

    operator: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    numbers: dict[str, tuple[int, ...]]


def nodes_of(data: bytes) -> list[Node]:
    """The operations of a file that `check_model` let through, in the order they are done in."""
    return [
        _node(node)
        for field, graph in _fields(memoryview(data))
        if field == _MODEL_GRAPH and isinstance(graph, memoryview)
        for part, node in _fields(graph)
        if part == _GRAPH_NODE and isinstance(node, memoryview)
    ]


def with_outputs(data: bytes, names: Sequence[str]) -> bytes:
    """The same model with further outputs: tensors inside of its graph, weights among them.

    A message that is written behind another of its kind is added to it.
    Source: protobuf.dev/programming-guides/encoding, "Last One Wins".
    """
    outputs = (_message(_OUTPUT_NAME, name.encode()) for name in names)
    graph = b"".join(_message(_GRAPH_OUTPUT, output) for output in outputs)
    return data + _message(_MODEL_GRAPH, graph)


def _node(node: memoryview) -> Node:
    names: dict[int, list[str]] = {_NODE_INPUT: [], _NODE_OUTPUT: [], _NODE_OPERATOR: []}
    numbers: dict[str, tuple[int, ...]] = {}
    for field, value in _fields(node):
        if not isinstance(value, memoryview):
            continue
        if field in names:
            names[field].append(bytes(value).decode())
        elif field == _NODE_ATTRIBUTE:
            name, found = _attribute(value)
            if found:
                numbers[name] = found
    operator = "".join(names[_NODE_OPERATOR])
    return Node(operator, tuple(names[_NODE_INPUT]), tuple(names[_NODE_OUTPUT]), numbers)


def _attribute(attribute: memoryview) -> tuple[str, tuple[int, ...]]:
    name, found = "", []
    for field, value in _fields(attribute):
        if field == _ATTRIBUTE_NAME and isinstance(value, memoryview):
            name = bytes(value).decode()
        elif field == _ATTRIBUTE_INTS and isinstance(value, memoryview):  # packed
            position = 0
            while position < len(value):
                number, position = _varint(value, position)
                found.append(number)
        elif field == _ATTRIBUTE_INTS:
            found.append(value)
    return name, tuple(found)


def _message(field: int, content: bytes) -> bytes:
    return _as_varint(field << 3 | _BYTES) + _as_varint(len(content)) + content


def _as_varint(value: int) -> bytes:
    found = bytearray()
    while value > 0x7F:
        found.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*found, value])


class _RefusedError(Exception):
    pass


def _check_graph(graph: memoryview) -> None:
    for field, value in _fields(graph):
        if field == _GRAPH_SPARSE:
            raise _RefusedError("holds a sparse tensor")
        if not isinstance(value, memoryview):
            continue
        if field == _GRAPH_TENSOR:
            _check_tensor(value)
        elif field == _GRAPH_NODE:
            _check_node(value)


def _check_node(node: memoryview) -> None:
    for field, value in _fields(node):
        if not isinstance(value, memoryview):
            continue
        if field == _NODE_OPERATOR and (name := _text(value)) not in OPERATORS:
            raise _RefusedError(f"holds an operator {name!r}, which no model here has")
        if field == _NODE_DOMAIN and (name := _text(value)) not in ("", "ai.onnx"):
            raise _RefusedError(
                f"holds an operator of the domain {name!r}, which no model here has"
            )
        if field == _NODE_ATTRIBUTE:
            for inner, tensor in _fields(value):
                if inner in (*_ATTRIBUTE_GRAPHS, *_ATTRIBUTE_SPARSE):
                    raise _RefusedError("holds a graph or a sparse tensor inside an operator")
                if inner in _ATTRIBUTE_TENSORS and isinstance(tensor, memoryview):
                    _check_tensor(tensor)


def _check_tensor(tensor: memoryview) -> None:
    for field, value in _fields(tensor):
        if field == _TENSOR_EXTERNAL or (field == _TENSOR_LOCATION and value != 0):
            raise _RefusedError(
                "keeps tensors in another file (external data), which is never opened"
            )


def _text(value: memoryview) -> str:
    return bytes(value[:64]).decode(errors="replace")


def _fields(message: memoryview) -> Iterator[tuple[int, int | memoryview]]:
    """The fields of a protobuf message: (number, value), without following any of them."""
    position = 0
    while position < len(message):
        key, position = _varint(message, position)
        field, kind = key >> 3, key & 7
        if kind == _VARINT:
            value, position = _varint(message, position)
            yield field, value
            continue
        if kind == _BYTES:
            length, position = _varint(message, position)
        elif kind in (_EIGHT, _FOUR):
            length = 8 if kind == _EIGHT else 4
        else:
            raise _RefusedError("is no ONNX model")
        end = position + length
        if end > len(message):
            raise _RefusedError("is no ONNX model, or is cut off")
        yield field, message[position:end]
        position = end


def _varint(message: memoryview, position: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, 70, 7):
        if position >= len(message):
            raise _RefusedError("is no ONNX model, or is cut off")
        byte = message[position]
        position += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, position
    raise _RefusedError("is no ONNX model")
