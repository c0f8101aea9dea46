"""Reading an ONNX file warily: what it may hold, before a runtime sees it.

The runtime would follow a tensor's "external data" to any file of this machine, and run loops
without end. So the file's own bytes are walked here first, with no library that would load
anything, and only what `export` writes is let through.

Source: field numbers, onnx/onnx.proto.
"""

from collections.abc import Sequence
from pathlib import Path

from fashion_cnn.errors import ModelError
from fashion_cnn.files import read_bytes
from fashion_cnn.shipping.protobuf import WireError, fields, message

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

_MODEL_GRAPH, _MODEL_TRAINING, _MODEL_FUNCTIONS = 7, 20, 25
_GRAPH_NODE, _GRAPH_TENSOR, _GRAPH_SPARSE = 1, 5, 15
_GRAPH_OUTPUT, _OUTPUT_NAME = 12, 1
_NODE_OPERATOR, _NODE_ATTRIBUTE, _NODE_DOMAIN = 4, 5, 7
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
        for field, value in fields(memoryview(data)):
            if field in (_MODEL_TRAINING, _MODEL_FUNCTIONS):
                raise RefusedError("holds functions or training steps")
            if field == _MODEL_GRAPH and isinstance(value, memoryview):
                graphs += 1
                _check_graph(value)
    except (RefusedError, WireError) as fault:
        raise ModelError(f"{what} {fault}; export it again with: fashion-cnn export RUN") from None
    if not graphs:
        raise ModelError(f"{what} is no ONNX model")


def with_outputs(data: bytes, names: Sequence[str]) -> bytes:
    """The same model with further outputs: tensors inside of its graph, weights among them.

    A message that is written behind another of its kind is added to it.
    Source: protobuf.dev/programming-guides/encoding, "Last One Wins".
    """
    outputs = (message(_OUTPUT_NAME, name.encode()) for name in names)
    graph = b"".join(message(_GRAPH_OUTPUT, output) for output in outputs)
    return data + message(_MODEL_GRAPH, graph)


class RefusedError(Exception):
    """What is wrong with a model, to be said behind its name."""


def _check_graph(graph: memoryview) -> None:
    for field, value in fields(graph):
        if field == _GRAPH_SPARSE:
            raise RefusedError("holds a sparse tensor")
        if not isinstance(value, memoryview):
            continue
        if field == _GRAPH_TENSOR:
            _check_tensor(value)
        elif field == _GRAPH_NODE:
            _check_node(value)


def _check_node(node: memoryview) -> None:
    for field, value in fields(node):
        if not isinstance(value, memoryview):
            continue
        if field == _NODE_OPERATOR and (name := _text(value)) not in OPERATORS:
            raise RefusedError(f"holds an operator {name!r}, which no model here has")
        if field == _NODE_DOMAIN and (name := _text(value)) not in ("", "ai.onnx"):
            raise RefusedError(f"holds an operator of the domain {name!r}, which no model here has")
        if field == _NODE_ATTRIBUTE:
            for inner, tensor in fields(value):
                if inner in (*_ATTRIBUTE_GRAPHS, *_ATTRIBUTE_SPARSE):
                    raise RefusedError("holds a graph or a sparse tensor inside an operator")
                if inner in _ATTRIBUTE_TENSORS and isinstance(tensor, memoryview):
                    _check_tensor(tensor)


def _check_tensor(tensor: memoryview) -> None:
    for field, value in fields(tensor):
        if field == _TENSOR_EXTERNAL or (field == _TENSOR_LOCATION and value != 0):
            raise RefusedError(
                "keeps tensors in another file (external data), which is never opened"
            )


def _text(value: memoryview) -> str:
    return bytes(value[:64]).decode(errors="replace")
