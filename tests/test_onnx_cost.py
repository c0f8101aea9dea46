"""What a model takes, told before it runs: held against what the runtime then gives."""

import math
import time
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

from fashion_cnn.errors import ModelError
from fashion_cnn.shipping import onnx_cost, onnx_graph, onnx_rules
from fashion_cnn.shipping.onnx_classifier import OnnxClassifier
from fashion_cnn.shipping.onnx_cost import Cost, cost, largest_batch
from fashion_cnn.shipping.onnx_graph import OUTPUTS, read_graph
from fashion_cnn.shipping.onnx_rules import RULES
from fashion_cnn.shipping.predict import PRETRAINED
from fashion_cnn.shipping.protobuf import RefusedError, message

F, U8, I64 = np.float32, np.uint8, np.int64


def whole(*numbers: int) -> np.ndarray:
    return np.array(numbers, I64)


def floats(*shape: int) -> np.ndarray:
    return np.linspace(0.1, 2, math.prod(shape), dtype=F).reshape(shape)


def kind_of(value: Any) -> int:
    return helper.np_dtype_to_tensor_dtype(np.asarray(value).dtype)


X, MAPS = floats(2, 3, 4), floats(2, 8, 5, 6)
ALIKE = (
    "Abs", "Ceil", "Clip", "Cos", "Elu", "Erf", "Exp", "Floor", "HardSigmoid", "HardSwish",
    "Identity", "LeakyRelu", "Log", "LogSoftmax", "Mish", "Neg", "Reciprocal", "Relu", "Round",
    "Selu", "Sigmoid", "Sign", "Sin", "Softmax", "Softplus", "Softsign", "Sqrt", "Tanh",
)  # fmt: skip
CASES: list[tuple[str, list[Any], dict[str, Any]]] = [
    *((name, [X], {}) for name in ALIKE),
    *((name, [X, floats(3, 1)], {}) for name in ("Add", "Sub", "Mul", "Div", "Pow", "Max")),
    ("Min", [X, floats(5, 1, 1, 1)], {}),
    ("Sum", [X, floats(4), floats(2, 1, 1)], {}),
    *((name, [X, floats(4)], {}) for name in ("Equal", "Less", "Greater")),
    *((name, [X, floats(2, 1, 4)], {}) for name in ("LessOrEqual", "GreaterOrEqual")),
    *((name, [X > 1, X < 1], {}) for name in ("And", "Or")),
    ("Not", [X > 1], {}),
    ("Where", [X > 1, floats(4), floats(1)], {}),
    ("PRelu", [X, floats(3, 1)], {}),
    ("PRelu", [floats(3, 1), floats(1, 4)], {}),
    ("Div", [whole(-7, 7, -6, 6, 0), whole(2)], {}),
    ("Div", [whole(-7, 2**53 + 1, -(2**62) - 1), whole(-3, 1, 2)], {}),
    ("Sub", [np.array([-(2**31)], np.int32), np.array([1], np.int32)], {}),
    ("Cast", [floats(3) - 1], {"to": TensorProto.INT64}),
    ("ReduceSum", [np.array([2**31 - 1, 1], np.int32), whole(0)], {}),
    ("ReduceProd", [whole(3, 4, -2)], {}),
    ("ReduceProd", [whole(3, 4, -2)], {"keepdims": 0}),
    ("ReduceProd", [whole(3, 4, -2)], {"noop_with_empty_axes": 1}),
    ("MaxPool", [MAPS], {"kernel_shape": [2, 2], "strides": [2, 2], "ceil_mode": 1}),
    ("Conv", [X, floats(2, 3, 2)], {}),
    ("Resize", [MAPS, None, np.array([1, 1, 0.6, 0.5], F)], {"mode": "linear"}),
    ("Slice", [X, whole(-100), whole(-100), whole(1), whole(-1)], {}),
    ("Slice", [X, whole(100), whole(-100), whole(1), whole(-3)], {}),
    ("Cast", [X], {"to": TensorProto.INT64}),
    ("AveragePool", [MAPS], {"kernel_shape": [2, 3], "strides": [2, 1], "pads": [0, 1, 1, 0]}),
    ("AveragePool", [MAPS], {"kernel_shape": [2, 2], "strides": [2, 2], "ceil_mode": 1}),
    ("MaxPool", [MAPS], {"kernel_shape": [3, 3], "auto_pad": "SAME_UPPER", "strides": [2, 2]}),
    ("MaxPool", [MAPS], {"kernel_shape": [2, 2], "dilations": [2, 3]}),
    ("MaxPool", [MAPS], {"kernel_shape": [3, 2], "auto_pad": "VALID"}),
    ("GlobalAveragePool", [MAPS], {}),
    ("GlobalMaxPool", [MAPS], {}),
    ("BatchNormalization", [MAPS, *[floats(8)] * 4], {}),
    ("InstanceNormalization", [MAPS, floats(8), floats(8)], {}),
    ("LayerNormalization", [X, floats(4)], {}),
    ("Conv", [MAPS, floats(6, 4, 3, 2)], {"group": 2, "pads": [1, 0, 2, 1], "strides": [2, 1]}),
    ("Conv", [MAPS, floats(6, 8, 2, 2), floats(6)], {"dilations": [2, 3]}),
    ("Conv", [MAPS, floats(6, 8, 3, 3)], {"auto_pad": "SAME_LOWER", "strides": [2, 2]}),
    ("MatMul", [X, floats(4, 5)], {}),
    ("MatMul", [floats(2, 1, 3, 4), floats(5, 4, 2)], {}),
    ("MatMul", [X, floats(4)], {}),
    ("MatMul", [floats(4), floats(2, 4, 3)], {}),
    ("MatMul", [floats(4), floats(4)], {}),
    ("Gemm", [floats(3, 4), floats(4, 5), floats(5)], {}),
    ("Gemm", [floats(4, 3), floats(5, 4)], {"transA": 1, "transB": 1}),
    ("Einsum", [X, floats(4, 5)], {"equation": "nij, jk -> nik"}),
    ("Einsum", [floats(3, 4), floats(4, 5)], {"equation": "ij,jk"}),
    ("Concat", [X, floats(2, 5, 4)], {"axis": -2}),
    ("Constant", [], {"value_ints": [1, 2, 3]}),
    ("Constant", [], {"value": numpy_helper.from_array(X)}),
    ("Constant", [], {"value_float": 2.0}),
    ("ConstantOfShape", [whole(2, 3)], {}),
    ("ConstantOfShape", [whole(4)], {"value": numpy_helper.from_array(whole(7))}),
    ("DepthToSpace", [MAPS], {"blocksize": 2}),
    ("SpaceToDepth", [floats(2, 3, 4, 6)], {"blocksize": 2}),
    ("DequantizeLinear", [np.ones((2, 3), U8), F(0.5), U8(3)], {}),
    ("QuantizeLinear", [X, F(0.5), U8(3)], {}),
    ("Expand", [floats(3, 1), whole(2, 1, 5)], {}),
    ("Flatten", [MAPS], {}),
    ("Flatten", [MAPS], {"axis": 0}),
    ("Flatten", [MAPS], {"axis": 4}),
    ("Flatten", [MAPS], {"axis": -1}),
    ("Gather", [X, np.array([[0, 2], [1, -1]], I64)], {"axis": 1}),
    ("Gather", [X, np.array(1, I64)], {}),
    ("Pad", [X, whole(1, 0, 2, 0, 3, -1)], {}),
    ("Pad", [X, whole(1, 2), F(0), whole(-1)], {}),
    ("Range", [np.array(2, I64), np.array(11, I64), np.array(3, I64)], {}),
    ("Range", [F(5), F(1), F(-0.75)], {}),
    ("Reshape", [X, whole(0, -1)], {}),
    ("Reshape", [X, whole(4, 1, 6)], {}),
    ("Resize", [MAPS, None, np.array([1, 1, 2.5, 0.5], F)], {}),
    ("Resize", [MAPS, None, None, whole(2, 8, 9, 3)], {}),
    ("Resize", [MAPS, None, None, whole(9, 3)], {"axes": [2, 3]}),
    ("Shape", [X], {}),
    ("Shape", [X], {"start": -2}),
    ("Slice", [X, whole(1, -1), whole(100, -100), whole(1, 2), whole(1, -2)], {}),
    ("Slice", [X, whole(0), whole(1)], {}),
    ("Split", [X, whole(1, 3)], {"axis": -1}),
    ("Split", [X], {"axis": 1, "num_outputs": 2}),
    ("Squeeze", [floats(2, 1, 3, 1)], {}),
    ("Squeeze", [floats(2, 1, 3, 1), whole(-1)], {}),
    ("Unsqueeze", [X, whole(0, -1)], {}),
    ("GatherND", [X, np.array([[0, 1], [1, -1], [0, 0]])], {}),
    ("GatherND", [X, np.array([[[1], [0]], [[-1], [1]]])], {"batch_dims": 1}),
    *(
        ("GridSample", [MAPS, floats(len(MAPS), 5, 3, 2) / 9 - 1], {"mode": mode})
        for mode in ("bilinear", "nearest", "bicubic")
    ),
    ("Tile", [X, whole(2, 1, 3)], {}),
    ("Transpose", [X], {}),
    ("Transpose", [X], {"perm": [1, 2, 0]}),
    ("ReduceMean", [X], {}),
    ("ReduceMean", [X, whole(-1)], {"keepdims": 0}),
    ("ReduceSum", [X], {"noop_with_empty_axes": 1}),
    *((f"Reduce{name}", [X, whole(0, 2)], {}) for name in ("L2", "Max", "Min", "Prod", "Sum")),
    ("LSTM", [floats(5, 2, 3), floats(1, 16, 3), floats(1, 16, 4)], {"hidden_size": 4}),
    (
        "LSTM",
        [floats(5, 2, 3), floats(2, 16, 3), floats(2, 16, 4), floats(2, 32), None, *[X[:, :2]] * 2],
        {"hidden_size": 4, "direction": "bidirectional", "layout": 0, "input_forget": 0},
    ),
    (
        "GRU",
        [floats(5, 2, 3), floats(1, 12, 3), floats(1, 12, 4), floats(1, 24), None, X[:1, :2]],
        {"hidden_size": 4, "direction": "reverse", "linear_before_reset": 1},
    ),
    ("RNN", [floats(5, 2, 3), floats(1, 4, 3), floats(1, 4, 4)], {"hidden_size": 4}),
]  # fmt: skip


def single(operator: str, given: list[Any], attributes: dict[str, Any]) -> tuple[Any, dict]:
    """A model of one operator, each of its inputs an input of the model; and what to feed it."""
    feeds = {f"i{at}": np.asarray(value) for at, value in enumerate(given) if value is not None}
    names = [f"i{at}" if value is not None else "" for at, value in enumerate(given)]
    several = {"Split": 2, "LSTM": 3, "GRU": 2, "RNN": 2}
    outputs = [f"o{at}" for at in range(several.get(operator, 1))]
    graph = helper.make_graph(
        [helper.make_node(operator, names, outputs, **attributes)],
        "one",
        [
            helper.make_tensor_value_info(name, kind_of(value), value.shape)
            for name, value in feeds.items()
        ],
        [onnx.ValueInfoProto(name=name) for name in outputs],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8)
    return model, feeds


def test_every_operator_that_is_let_through_is_tried() -> None:
    assert {operator for operator, _, _ in CASES} == RULES.keys() | {"Constant"}


@pytest.mark.parametrize(
    "case", CASES, ids=lambda case: f"{case[0]} {case[2]}".replace("{}", "")[:60]
)
def test_shapes_and_numbers_are_the_runtimes(case) -> None:
    """Also with numbers that are known before: then the result's are, where they are needed."""
    operator, given, attributes = case
    model, feeds = single(operator, given, attributes)
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    wanted: list[Any] = list(session.run(None, feeds))
    (node,) = read_graph(model.SerializeToString(), "it").nodes
    for known in (True, False):
        arrays = [
            None
            if value is None
            else onnx_graph.Array(
                np.shape(value),
                kind_of(value),
                # Shapes and axes are whole numbers; a few are scales, or ends of a range.
                np.asarray(value) if known or at or operator in NEED_FIRST else None,
            )
            for at, value in enumerate(given)
        ]
        found = onnx_cost.outputs_of(node, arrays)
        assert [one.shape for one in found] == [one.shape for one in wanted]
        for one, right in zip(found, wanted, strict=True):
            assert one.kind == kind_of(right)
            if one.value is not None:
                np.testing.assert_allclose(one.value, right, rtol=1e-6)


NEED_FIRST = ("ConstantOfShape", "Range")


# -- whole graphs ----------------------------------------------------------------------------------


def graph_of(*nodes: onnx.NodeProto, constants: dict[str, np.ndarray] | None = None) -> bytes:
    graph = helper.make_graph(
        list(nodes),
        "some",
        [helper.make_tensor_value_info("images", TensorProto.UINT8, ["N", 28, 28])],
        [onnx.ValueInfoProto(name=nodes[-1].output[0])],
        [numpy_helper.from_array(value, name) for name, value in (constants or {}).items()],
    )
    opset = [helper.make_opsetid("", 18)]
    return helper.make_model(graph, opset_imports=opset, ir_version=8).SerializeToString()


def node(operator: str, *names: str, **attributes: Any) -> onnx.NodeProto:
    """Args: names: of the inputs, and last of the output."""
    return helper.make_node(operator, list(names[:-1]), [names[-1]], **attributes)


def batch_of(data: bytes) -> int:
    return largest_batch(read_graph(data, "it"), "it")


def test_costs_by_hand() -> None:
    """Two maps are kept at once; what is used no more is let go.

    Maps are kept with 16 channels at least, and what the convolution sees once more, with places.
    """
    data = graph_of(
        node("Cast", "images", "cast", to=TensorProto.FLOAT),
        node("Unsqueeze", "cast", "one", "map"),
        node("Conv", "map", "filters", "conv", pads=[1, 1, 1, 1]),
        node("Relu", "conv", "relu"),
        node("Flatten", "relu", "flat"),
        node("MatMul", "flat", "weights", "logits"),
        constants={"one": whole(1), "filters": floats(4, 1, 3, 3), "weights": floats(3136, 10)},
    )
    maps, seen = 16 * 28 * 28 * 4, 28 * 28 * 9 * (4 + 8)
    zeros = 12 * 9 * 4  # of as many filters more
    for images in (1, 5):
        numbers = 2 * 784 * images + 3 * 4 * 784 * images + 3136 * 10
        products = images * (16 * 784 * 9 + 3136 * 10)
        assert cost(read_graph(data, "it"), images) == Cost(
            images * 2 * maps + seen + zeros,
            50 * numbers + products + images * (10 * 784 * 9 + 2000) + 2000,
        )
    assert batch_of(data) == 256


def test_what_is_the_same_for_all_images_stays() -> None:
    data = graph_of(
        node("ConstantOfShape", "shape", "many"),
        node("Relu", "many", "more"),
        node("ReduceSum", "more", "sum"),
        node("Cast", "images", "cast", to=TensorProto.FLOAT),
        node("Add", "cast", "sum", "logits"),
        constants={"shape": whole(1000, 1000)},
    )
    assert cost(read_graph(data, "it"), 1).nbytes == 8_000_000 + 4 + 2 * 784 * 4


def wide(channels: int) -> bytes:
    return graph_of(
        node("Cast", "images", "cast", to=TensorProto.FLOAT),
        node("Unsqueeze", "cast", "one", "map"),
        node("Expand", "map", "shape", "wide"),
        node("ReduceMax", "wide", "logits"),
        constants={"one": whole(1), "shape": whole(1, channels, 1, 1)},
    )


@pytest.mark.parametrize(
    ("channels", "batch"), [(100, 256), (1000, 64), (5000, 16), (30_000, 4), (100_000, 1)]
)
def test_a_large_model_gets_fewer_images_at_once(channels: int, batch: int) -> None:
    assert batch_of(wide(channels)) == batch


def test_a_model_that_takes_too_much_is_refused_before_it_runs(monkeypatch) -> None:
    def never(*arguments, **words):
        raise AssertionError("the runtime saw it")

    monkeypatch.setattr(onnxruntime, "InferenceSession", never)
    model = onnx.ModelProto.FromString(wide(200_000))
    model.graph.node.append(node("Identity", "logits", "probabilities"))
    model.graph.output.append(onnx.ValueInfoProto(name="probabilities"))
    with pytest.raises(ModelError, match=r"it takes 627 MB, and as long as 7.8 billion mul"):
        OnnxClassifier(model.SerializeToString(), what="it")


def test_sides_by_side_take_more_than_their_number() -> None:
    """Each image against each: nothing for one image, and everything for many."""
    data = graph_of(
        node("Cast", "images", "cast", to=TensorProto.FLOAT),
        node("Flatten", "cast", "flat"),
        node("Unsqueeze", "flat", "zero", "rows"),
        node("Unsqueeze", "flat", "one", "columns"),
        node("Add", "rows", "columns", "pairs"),
        node("ReduceMax", "pairs", "logits"),
        constants={"zero": whole(0), "one": whole(1)},
    )
    assert batch_of(data) == 256
    assert cost(read_graph(data, "it"), 256).nbytes > 256 * 256 * 784 * 4
    data = graph_of(
        node("Cast", "images", "cast", to=TensorProto.FLOAT),
        node("Flatten", "cast", "flat"),
        node("Tile", "flat", "ten", "long"),
        node("Unsqueeze", "long", "zero", "rows"),
        node("Unsqueeze", "long", "one", "columns"),
        node("Add", "rows", "columns", "pairs"),
        node("ReduceMax", "pairs", "logits"),
        constants={"zero": whole(0), "one": whole(1), "ten": whole(1, 10)},
    )
    assert batch_of(data) == 64


def test_work_without_end_is_refused() -> None:
    side = 6000
    data = graph_of(
        node("Expand", "square", "shape", "many"),
        node("MatMul", "many", "many", "logits"),
        constants={"square": floats(1, 1), "shape": whole(side, side)},
    )
    with pytest.raises(ModelError, match=r"it takes 288 MB, and as long as 219.6 billion mul"):
        batch_of(data)


def test_a_slow_operator_counts_more() -> None:
    """Half a million numbers of a spline take as long as 1.5 billion multiplications."""
    found = {}
    for mode in ("nearest", "cubic"):
        data = graph_of(
            node("Cast", "images", "cast", to=TensorProto.FLOAT),
            node("Unsqueeze", "cast", "one", "map"),
            helper.make_node("Resize", ["map", "", "", "sides"], ["large"], mode=mode),
            node("ReduceMax", "large", "logits"),
            constants={"one": whole(1), "sides": whole(1, 1, 700, 700)},
        )
        found[mode] = cost(read_graph(data, "it"), 1).multiplications
    assert found["nearest"] < 5e7
    assert found["cubic"] > 1.4e9


RECURRENT = [
    {"hidden_size": 4},
    {"hidden_size": 4, "direction": "sideways"},
    {"hidden_size": 4, "layout": 1},
    {"hidden_size": 4, "clip": 1.0},
    {"hidden_size": 5},
    {},
]


@pytest.mark.parametrize("attributes", RECURRENT)
def test_a_recurrent_layer_does_what_exporters_write_and_no_more(attributes: dict) -> None:
    data = graph_of(
        node("Cast", "images", "x", to=TensorProto.FLOAT),
        node("Transpose", "x", "steps", perm=[1, 0, 2]),
        node("LSTM", "steps", "w", "r", "logits", **attributes),
        constants={"w": floats(1, 16, 28), "r": floats(1, 16, 4)},
    )
    if attributes == RECURRENT[0]:
        assert batch_of(data) == 256
    else:
        with pytest.raises(ModelError, match="LSTM whose size cannot be told"):
            batch_of(data)


def test_the_steps_of_a_recurrent_layer_count() -> None:
    """A million steps of one number each: small, and slow as they come one after the other."""
    data = graph_of(
        node("Expand", "number", "shape", "many"),
        node("LSTM", "many", "w", "r", "logits", hidden_size=1),
        constants={
            "number": floats(1, 1, 1), "shape": whole(10**6, 1, 1), "w": floats(1, 4, 1),
            "r": floats(1, 4, 1),
        },
    )  # fmt: skip
    assert cost(read_graph(data, "it"), 1).multiplications > 4e9


def test_each_matrix_counts() -> None:
    """A million products of one number each: 200 bytes and 2,000 multiplications of each."""
    products = {"MatMul": {}, "Einsum": {"equation": "abcd,abcd->abcd"}}
    for operator, attributes in products.items():
        data = graph_of(
            node("Expand", "number", "shape", "many"),
            node(operator, "many", "many", "logits", **attributes),
            constants={"number": floats(1, 1, 1, 1), "shape": whole(1000, 1000, 1, 1)},
        )
        found = cost(read_graph(data, "it"), 1)
        assert found.nbytes > 2e8
        assert found.multiplications > 2e9


def test_a_size_that_is_largest_between_is_seen() -> None:
    """(n - 1) (16 - n) is nothing for one image, and for 16."""
    nodes = [
        node("Shape", "images", "number", end=1),
        node("Sub", "number", "one", "less"),
        node("Sub", "many", "number", "to go"),
        node("Mul", "less", "to go", "product"),
        node("Mul", "product", "factor", "large"),
        node("Add", "large", "one", "side"),
        node("Expand", "half", "side", "expanded"),
        node("ReduceMax", "expanded", "most"),
        node("Cast", "images", "cast", to=TensorProto.FLOAT),
        node("Add", "cast", "most", "logits"),
    ]
    constants = {"one": whole(1), "many": whole(16), "half": np.array([0.5], F)}
    assert batch_of(graph_of(*nodes, constants=constants | {"factor": whole(1)})) == 16
    with pytest.raises(ModelError, match="it takes more for 2 images than for 16"):
        batch_of(graph_of(*nodes, constants=constants | {"factor": whole(10**7)}))


def test_no_more_images_are_tried_than_fit(monkeypatch) -> None:
    seen, answer = [], OnnxClassifier._answer
    monkeypatch.setattr(
        OnnxClassifier,
        "_answer",
        lambda self, images, outputs: seen.append(len(images)) or answer(self, images, outputs),
    )
    OnnxClassifier(PRETRAINED.read_bytes(), threads=1)
    monkeypatch.setattr("fashion_cnn.shipping.onnx_classifier.largest_batch", lambda *_: 1)
    OnnxClassifier(PRETRAINED.read_bytes(), threads=1)
    assert seen == [1, 3, 1, 1]


def test_sides_of_one_without_end_are_refused() -> None:
    """They take no memory, so nothing else ends them; a Gather makes 2r - 1 sides of r."""
    one = [
        node("Cast", "images", "cast", to=TensorProto.INT64),
        node("ReduceMax", "cast", "a0", keepdims=1),
    ]
    gathers = [node("Gather", f"a{at}", f"a{at}", f"a{at + 1}") for at in range(25)]
    wider = [node("Unsqueeze", f"a{at}", "zero", f"a{at + 1}") for at in range(2_000)]
    for nodes, most in ((gathers, 4), (wider, 61)):
        graph = read_graph(graph_of(*one, *nodes, constants={"zero": whole(0)}), "it")
        began = time.monotonic()
        with pytest.raises(ModelError, match="it holds over 64 sides of a tensor"):
            largest_batch(graph, "it")
        assert time.monotonic() - began < 5
        graph.nodes = graph.nodes[: 2 + most]
        assert largest_batch(graph, "it") > 1


def test_a_split_into_other_parts_than_it_names_is_refused(monkeypatch) -> None:
    """As many as it asks for are never listed: a number of them takes no room in the file."""
    monkeypatch.setattr(onnx_rules, "min", lambda *_: pytest.fail("a part was listed"), False)
    for count in (2, 10**12):
        data = graph_of(node("Split", "images", "logits", num_outputs=count))
        with pytest.raises(ModelError, match="an operator Split whose size cannot be told"):
            batch_of(data)


def test_operators_without_end_are_refused() -> None:
    names = [f"a{at}" for at in range(20_001)]
    nodes = [node("Identity", a, b) for a, b in zip(["images", *names], names, strict=False)]
    with pytest.raises(ModelError, match="it holds over 20,000 operators"):
        batch_of(graph_of(*nodes))
    assert batch_of(graph_of(*nodes[:20_000])) == 64


CANNOT_BE_TOLD = {
    "a shape of pixels": [
        node("Cast", "images", "cast", to=TensorProto.INT64),
        node("ReduceMax", "cast", "most", keepdims=0),
        node("ConstantOfShape", "most", "logits"),
    ],
    "a range to a pixel": [
        node("Cast", "images", "cast", to=TensorProto.INT64),
        node("ReduceMax", "cast", "most", keepdims=0),
        node("Range", "zero", "most", "one", "logits"),
    ],
    "a step of none": [node("Range", "zero", "one", "zero", "logits")],
    "an input that is not there": [node("Relu", "other", "logits")],
    "an axis that is not there": [node("Flatten", "images", "logits", axis=5)],
    "a side below zero": [node("ConstantOfShape", "below", "logits")],
    "shapes that do not fit": [node("Add", "images", "three", "logits")],
    "a window that does not move": [
        node("MaxPool", "images", "logits", kernel_shape=[2], strides=[0])
    ],
    "an attribute that is missing": [node("Concat", "images", "logits")],
    "windows of four axes": [
        node("Reshape", "images", "six", "six axes"),
        node("Cast", "six axes", "cast", to=TensorProto.FLOAT),
        node("Conv", "cast", "filters", "logits"),
    ],
    "products of three": [node("Einsum", "three", "three", "three", "logits", equation="i,i,i->i")],
    "nothing": [node("Slice", "images", "first", "first", "logits")],
    "a pool of far apart numbers": [
        node("Unsqueeze", "images", "first", "map"),
        node("MaxPool", "map", "logits", kernel_shape=[4, 4], dilations=[2, 2], auto_pad="VALID"),
    ],
    "a size of a large product": [
        node("ReduceProd", "large", "side"),
        node("ConstantOfShape", "side", "logits"),
    ],
    "the largest number backwards": [
        node("Slice", "large", "first", "last", "first", "minus one", "logits")
    ],
    "neither yes nor no": [node("ReduceMax", "images", "logits", keepdims=2)],
    "more results than there are": [
        helper.make_node("Relu", ["three"], ["logits", "more"]),
    ],
    "a text": [node("Constant", "logits", value_string="1")],
    "whole numbers by pixels": [
        node("Cast", "images", "cast", to=TensorProto.INT64),
        node("Div", "seven", "cast", "logits"),
    ],
    "whole numbers by zero": [node("Div", "seven", "zero", "logits")],
    "the least number by -1": [node("Div", "seven", "minus", "logits")],
    "a size of floats that were added": [
        node("Add", "three", "three", "more"),
        node("Cast", "more", "shape", to=TensorProto.INT64),
        node("ConstantOfShape", "shape", "logits"),
    ],
    "a size that a type has no room for": [
        node("Cast", "far", "shape", to=TensorProto.INT64),
        node("ConstantOfShape", "shape", "logits"),
    ],
}


@pytest.mark.parametrize("nodes", CANNOT_BE_TOLD.values(), ids=CANNOT_BE_TOLD.keys())
def test_a_size_that_cannot_be_told_is_refused(nodes) -> None:
    constants = {"zero": np.array(0, I64), "one": np.array(1, I64), "below": whole(-1)}
    constants |= {"large": whole(2**40, 2**30), "last": whole(2**63 - 1), "minus one": whole(-1)}
    constants |= {"three": floats(3), "six": whole(1, 1, 28, 28, 1, -1), "first": whole(0)}
    constants |= {"filters": floats(1, 1, 1, 1, 1, 1), "far": np.array([1e30], F)}
    constants |= {"seven": np.array([7], np.int32), "minus": np.array([0, -1], np.int32)}
    data = graph_of(*nodes, constants=constants)
    read_graph(data, "it")
    with pytest.raises(ModelError, match=r"it holds an operator \w+ whose size cannot be told"):
        batch_of(data)


def test_a_tensor_has_as_many_numbers_as_it_says() -> None:
    for change in (
        lambda tensor: tensor.dims.__setitem__(0, 10**9),
        lambda tensor: tensor.dims.__setitem__(0, -1),
        lambda tensor: setattr(tensor, "raw_data", b""),
        lambda tensor: setattr(tensor, "data_type", 77),
    ):
        model = onnx.ModelProto.FromString(wide(10))
        change(model.graph.initializer[1])
        with pytest.raises(ModelError, match=r"it holds (a tensor|numbers)"):
            batch_of(model.SerializeToString())


def test_numbers_that_a_tensor_has_no_place_for_are_not_read(monkeypatch) -> None:
    """Each would take many times the bytes that it has in the file."""
    monkeypatch.setattr(onnx_graph, "packed", lambda value: [1])
    one = b"\x08\x01\x10\x07"  # a side of 1, int64
    assert onnx_graph.read_tensor(memoryview(one + message(7, b"\1" * 10)))[1].shape == (1,)
    with pytest.raises(RefusedError, match="not as many numbers as it says"):
        onnx_graph.read_tensor(memoryview(one + message(7, b"\1" * 11)))


def test_an_attribute_has_one_value() -> None:
    """Another would be what the runtime goes by."""
    for change in (
        lambda attribute: attribute.ints.append(3),
        lambda attribute: setattr(attribute, "f", 0.5),
        lambda attribute: attribute.t.CopyFrom(numpy_helper.from_array(whole(3))),
    ):
        model = onnx.ModelProto.FromString(wide(10))
        change(model.graph.node[0].attribute[0])
        with pytest.raises(ModelError, match="it holds an attribute 'to' of several values"):
            batch_of(model.SerializeToString())
    value = message(5, numpy_helper.from_array(whole(3)).SerializeToString())
    for times in (1, 2):
        attribute = message(1, b"value") + value * times + b"\xa0\x01\x04"
        found = message(1, message(4, b"Constant") + message(5, attribute))
        if times == 1:
            (constant,) = read_graph(message(7, found) + message(8, b"\x10\x12"), "it").nodes
            assert constant.attributes["value"].value.tolist() == [3]
            continue
        with pytest.raises(ModelError, match="of several values"):
            read_graph(message(7, found), "it")


def test_a_name_is_given_once() -> None:
    """Of two tensors the runtime takes the later."""
    twice: list[tuple[list[onnx.NodeProto], dict[str, np.ndarray]]] = [
        ([node("Constant", "a", value_int=1)], {"a": whole(1)}),
        ([node("Constant", "a", value_int=1), node("Constant", "a", value_int=2)], {}),
        ([node("Split", "images", "a", num_outputs=1)], {"a": whole(1)}),
        ([node("Identity", "images", "images")], {}),
        ([], {"images": whole(1)}),
    ]
    for nodes, constants in twice:
        data = graph_of(*nodes, node("Relu", "images", "logits"), constants=constants)
        with pytest.raises(ModelError, match="it holds two tensors '(a|images)'"):
            read_graph(data, "it")
    model = onnx.ModelProto.FromString(wide(10))
    model.graph.initializer.append(model.graph.initializer[0])
    with pytest.raises(ModelError, match="it holds two tensors 'one'"):
        read_graph(model.SerializeToString(), "it")
    model = onnx.ModelProto.FromString(wide(10))
    model.graph.node[0].attribute.append(model.graph.node[0].attribute[0])
    with pytest.raises(ModelError, match="it holds two attributes 'to' of an operator"):
        read_graph(model.SerializeToString(), "it")


def test_names_are_text() -> None:
    """Two that are none would look alike here, and not to the runtime."""
    with pytest.raises(ModelError, match="it holds a name that is no text"):
        read_graph(wide(10).replace(b"shape", b"shap\xff"), "it")


def test_numbers_have_room_in_their_type() -> None:
    """Of longer ones the runtime keeps the last bits."""
    for kind, number in (
        (TensorProto.INT32, -(2**40) + 3),
        (TensorProto.INT8, 128),
        (TensorProto.UINT8, -1),
        (TensorProto.BOOL, 2),
    ):
        tensor = message(8, b"a") + message(1, b"\1") + bytes([0x10, kind])
        digits = [number >> shift & 127 | 128 for shift in range(0, 63, 7)]
        tensor += message(5, bytes([*digits, number >> 63 & 1]))
        with pytest.raises(ModelError, match="it holds a number that its type, .*, has no room"):
            read_graph(message(7, message(5, tensor)), "it")


def test_an_attribute_is_of_the_type_that_it_says() -> None:
    for kind in (onnx.AttributeProto.INTS, onnx.AttributeProto.FLOAT):
        model = onnx.ModelProto.FromString(wide(10))
        model.graph.node[0].attribute[0].type = kind
        with pytest.raises(ModelError, match="an attribute 'to' of another type than it says"):
            read_graph(model.SerializeToString(), "it")
    data = graph_of(node("Constant", "logits", value_strings=["1"]))
    with pytest.raises(ModelError, match="it holds an attribute that no operator here has"):
        read_graph(data, "it")


def test_nothing_is_read_otherwise_than_by_the_runtime() -> None:
    """It passes over a value of another kind than a field has, and over a key's 33rd bit."""
    hidden = b"\xba\x80\x80\x80\x10" + message(7, b"")[1:]  # field 7 of a model, to the runtime
    ints = message(1, b"value_ints") + b"\x40\x05" + b"\xa0\x01\x07"
    for odd in (b"\x41" + bytes(8), b"\x45" + bytes(4)):
        constant = message(1, message(4, b"Constant") + message(5, ints + odd))
        with pytest.raises(ModelError, match="it (is no ONNX model|holds damaged numbers)"):
            read_graph(message(7, constant) + message(8, b"\x10\x12"), "it")
    with pytest.raises(ModelError, match="it is no ONNX model"):
        read_graph(wide(10) + hidden, "it")


def test_operators_of_other_versions_are_refused() -> None:
    for versions in ([], [12], [19], [18, 12]):
        model = onnx.ModelProto.FromString(wide(10))
        del model.opset_import[:]
        model.opset_import.extend(helper.make_opsetid("", version) for version in versions)
        with pytest.raises(ModelError, match="it maps images to .*, not images"):
            read_graph(model.SerializeToString(), "it")
        del model.graph.output[:]
        model.graph.output.extend(onnx.ValueInfoProto(name=name) for name in OUTPUTS)
        with pytest.raises(ModelError, match="it is for other operators than those of the opsets"):
            read_graph(model.SerializeToString(), "it")


@pytest.mark.parametrize("opset", [13, 17, 20])
def test_a_file_of_another_program_is_told_as_such(opset: int) -> None:
    images = helper.make_tensor_value_info("input", TensorProto.FLOAT, [1, 1, 28, 28])
    answers = helper.make_tensor_value_info("output", TensorProto.FLOAT, [1, 784])
    graph = helper.make_graph([node("Flatten", "input", "output")], "it", [images], [answers])
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)
    with pytest.raises(ModelError, match="the model maps input to output, not images, uint8"):
        OnnxClassifier(made.SerializeToString())


def test_sides_that_a_file_states_are_true() -> None:
    """The runtime computes with those, before it sees an image."""
    images, number = TensorProto.UINT8, TensorProto.FLOAT
    for part, name, kind, sides in (
        ("input", "images", images, [10**5, 28, 28]),
        ("input", "images", images, [1, 28, 28]),
        ("input", "images", images, ["N", 28, 29]),
        ("output", "logits", number, [10**9]),
        ("output", "logits", number, [1, 1, 10**9, 1]),
        ("value_info", "wide", number, ["N", 10**9, 28, 28]),
    ):
        model = onnx.ModelProto.FromString(wide(10))
        stated = helper.make_tensor_value_info(name, kind, sides)
        if part != "value_info":
            del getattr(model.graph, part)[:]
        getattr(model.graph, part).append(stated)
        with pytest.raises(ModelError, match=f"it states sides of '{name}' that it does not have"):
            batch_of(model.SerializeToString())
    model.graph.value_info[0].CopyFrom(
        helper.make_tensor_value_info("wide", number, ["N", 10, 28, 28])
    )
    assert batch_of(model.SerializeToString()) == 256


def test_what_no_rule_foresaw_is_refused_by_name() -> None:
    """A number without its bytes."""
    number = message(4, b"Relu") + message(5, message(1, b"alpha") + message(2, b""))
    with pytest.raises(ModelError, match="^it is no ONNX model$"):
        read_graph(message(7, message(1, number)), "it")


def test_numbers_in_any_of_their_forms_are_read() -> None:
    wanted = [3, -1, 2**40]
    for tensor in (
        helper.make_tensor("a", TensorProto.INT64, [3], wanted),
        numpy_helper.from_array(whole(*wanted), "a"),
    ):
        name, array = onnx_graph.read_tensor(memoryview(tensor.SerializeToString()))
        assert (name, array.shape, array.kind) == ("a", (3,), TensorProto.INT64)
        assert array.value is not None
        assert array.value.tolist() == wanted


def test_the_model_in_the_package_takes_little() -> None:
    data = PRETRAINED.read_bytes()
    assert batch_of(data) == 256
    assert cost(read_graph(data, "it"), 256).nbytes < 64 << 20
    with pytest.raises(RefusedError, match="takes other things than images"):
        cost(onnx_graph.Graph(), 1)


HOSTILE = {
    "operators": message(7, message(1, b"") * 20_001),
    "sets of operators": message(8, b"") * 101,
    "tensors": message(
        7, b"".join(message(5, message(8, b"%d" % n) + b"\x08\x00\x10\x01") for n in range(20_001))
    ),
    "inputs or outputs": message(7, message(12, message(1, b"a")) * 20_001),
    "sides of a tensor": message(7, message(5, b"\x08\x01" * 65)),
    "numbers of an operator": message(7, message(1, message(5, message(8, b"\x01" * 1_001)))),
    "names of an operator": message(7, message(1, message(1, b"a") * 1_001)),
    "names of an operator;": message(
        7, message(1, b"".join(message(5, message(1, b"%d" % n)) for n in range(1_001)))
    ),
}


@pytest.mark.parametrize("what", HOSTILE)
def test_small_parts_without_end_are_refused_while_they_are_read(what: str) -> None:
    """Read, each of them takes many times the bytes that it had in the file."""
    with pytest.raises(ModelError, match=f"it holds over [0-9,]+ {what}"):
        read_graph(HOSTILE[what], "it")


def test_one_shape_is_stated_of_a_tensor() -> None:
    shape = message(2, message(1, b"\x08\x03"))
    for shapes in (shape * 2, shape * 50_000):
        stated = message(13, message(1, b"a") + message(2, message(1, shapes)))
        began = time.monotonic()
        with pytest.raises(ModelError, match=r"states two shapes|sides of a tensor"):
            read_graph(message(7, stated), "it")
        assert time.monotonic() - began < 5


def test_sizes_that_are_computed_are_not_tried_without_end() -> None:
    """Of a graph that computes with the number of images every batch is walked through."""
    counted = node("Shape", "images", "n0", end=1)
    chain = [node("Add", f"n{at}", "one", f"n{at + 1}") for at in range(2_100)]
    rest = node("Cast", "images", "logits", to=TensorProto.FLOAT)
    constants = {"one": whole(1)}
    assert batch_of(graph_of(counted, *chain[:10], rest, constants=constants)) == 16
    assert batch_of(graph_of(counted, *chain, rest, constants=constants)) == 1
