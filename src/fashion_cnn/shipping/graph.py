"""The networks as ONNX graphs, written node by node from a checkpoint's arrays.

No framework takes part, so a run of any framework becomes the same file; batch norm, the
normalisation in front of the whitening layer and the scale of the logits go into the filters.
"""

import json
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from fashion_cnn.errors import UsageError
from fashion_cnn.evaluation.calibration import LEAST_KEPT, Calibration
from fashion_cnn.recipes.networks import HEAD_SCALE, NETWORKS, NORM_EPSILON, stages
from fashion_cnn.recipes.recipe import Recipe
from fashion_cnn.run.checkpoint import Arrays

OPSET = 17
"""The operators' version. Source: onnx/docs/Versioning.md; runtimes from August 2022 on read it."""

_IR_VERSION = 8  # what opset 17 came with


def check_network(recipe: Recipe) -> None:
    """Raise `UsageError` for a network that there is no graph of."""
    if recipe.model not in NETWORKS:
        raise UsageError(f"model is {recipe.model!r}; export writes {', '.join(NETWORKS)} only")


def build_graph(
    recipe: Recipe, arrays: Arrays, calibration: Calibration, facts: Mapping[str, Any]
) -> onnx.ModelProto:
    """Write a network as one self-contained graph.

    Args:
        recipe: names the network.
        arrays: its weights, by the names that both frameworks write.
        calibration: what the probabilities are made by.
        facts: JSON values by name, which go into the file.

    Returns:
        A graph from `images`, uint8 (N, 28, 28) with any N, to `logits` and `probabilities`,
        float32 (N, C). The probabilities are calibrated; the logits are the network's own.
    """
    graph = _Graph()
    image = graph.add("Cast", "images", to=TensorProto.FLOAT)
    image = graph.add("Unsqueeze", image, graph.constant("channel_axis", np.array([1])))
    weights = {name: array.astype(np.float64) for name, array in arrays.items()}
    if recipe.model == "simple_cnn":
        _simple(graph, image, weights)
    else:
        _staged(
            graph, image, weights, iter(stages(recipe.model, recipe.width, recipe.blocks).strides)
        )
    classes = len(arrays["output.weight"])
    _calibrate(graph, calibration, classes)
    model = helper.make_model(
        helper.make_graph(
            graph.nodes,
            recipe.name,
            [helper.make_tensor_value_info("images", TensorProto.UINT8, ["N", 28, 28])],
            [
                helper.make_tensor_value_info(name, TensorProto.FLOAT, ["N", classes])
                for name in ("logits", "probabilities")
            ],
            graph.constants,
        ),
        opset_imports=[helper.make_opsetid("", OPSET)],
        ir_version=_IR_VERSION,
        producer_name="fashion-cnn",
    )
    helper.set_model_props(model, as_properties(facts))
    onnx.checker.check_model(model, full_check=True)
    return model


def as_properties(facts: Mapping[str, Any]) -> dict[str, str]:
    """The form in which a file holds its facts: JSON by name."""
    return {name: json.dumps(value) for name, value in facts.items()}


class _Graph:
    """Nodes and constants in the order in which they were added; each node has one output."""

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[onnx.TensorProto] = []

    def add(self, operator: str, *inputs: str, output: str = "", **attributes: Any) -> str:
        output = output or f"{operator.lower()}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(operator, inputs, [output], output, **attributes))
        return output

    def constant(self, name: str, array: NDArray[Any] | np.generic) -> str:
        """Embed an array; what was computed in float64 is stored as float32."""
        kept = np.asarray(array, np.float32 if array.dtype == np.float64 else array.dtype)
        self.constants.append(numpy_helper.from_array(kept, name))
        return name


def _simple(graph: _Graph, image: str, w: dict[str, NDArray[np.float64]]) -> None:
    # The border of the first convolution is zero after the normalisation, so that stays a step.
    x = graph.add("Mul", image, graph.constant("scale", 1 / (255 * w["std"])))
    x = graph.add("Sub", x, graph.constant("shift", w["mean"] / w["std"]))
    # The last pool drops a row and a column, which a border on two sides never computes.
    for name, border in (("conv1", [1] * 4), ("conv2", [1] * 4), ("conv3", [1, 1, 0, 0])):
        x = _convolve(graph, x, name, w[f"{name}.weight"], w[f"{name}.bias"], pads=border)
        x = graph.add("Relu", x)
        x = graph.add("MaxPool", x, kernel_shape=[2, 2], strides=[2, 2])
    x = graph.add("Flatten", x)
    x = _multiply(graph, x, "hidden", w["hidden.weight"], w["hidden.bias"])
    x = graph.add("Relu", x)
    _multiply(graph, x, "output", w["output.weight"], w["output.bias"], "logits")


def _staged(
    graph: _Graph, image: str, w: dict[str, NDArray[np.float64]], strides: Iterator[int]
) -> None:
    filters = w["whitening"]
    scaled, bias = filters / (255 * w["std"]), -filters.sum((1, 2, 3)) * w["mean"] / w["std"]
    x = graph.add("Relu", _convolve(graph, image, "whitening", scaled, bias))
    layers = {int(name.split(".")[1]) for name in w if name.startswith("stages.")}
    for i in sorted(layers):
        if f"stages.{i}.conv1.weight" in w:
            inner = _normed(graph, x, f"stages.{i}.conv1", f"stages.{i}.norm1", w)
            inner = graph.add("Relu", inner)
            inner = _normed(graph, inner, f"stages.{i}.conv2", f"stages.{i}.norm2", w)
            x = graph.add("Relu", graph.add("Add", x, inner))
        elif w[f"stages.{i}.weight"].ndim == 4:
            x = _normed(graph, x, f"stages.{i}", f"stages.{i + 1}", w, strides=[next(strides)] * 2)
            x = graph.add("Relu", x)
    x = graph.add("Flatten", graph.add("GlobalMaxPool", x))
    weight = w["output.weight"] * HEAD_SCALE
    _multiply(graph, x, "output", weight, np.zeros(len(weight)), "logits")


def _calibrate(graph: _Graph, calibration: Calibration, classes: int) -> None:
    """From `logits` to `probabilities`, as `Calibration.log_probabilities` does."""
    x = "logits"
    if calibration.label_smoothing:
        by_smoothing = np.float32(calibration.label_smoothing / classes)
        x = graph.add("LogSoftmax", x, axis=1)
        share = graph.add("Exp", graph.add("Neg", x))  # infinite where it overflows: as well
        share = graph.add("Mul", share, graph.constant("by_smoothing", by_smoothing))
        kept = graph.add("Sub", graph.constant("one", np.float32(1)), share)
        kept = graph.add("Max", kept, graph.constant("least_kept", np.float32(LEAST_KEPT)))
        x = graph.add("Add", x, graph.add("Log", kept))
    temperature = graph.constant("temperature", np.float32(calibration.temperature))
    graph.add("Softmax", graph.add("Div", x, temperature), output="probabilities", axis=1)


def _normed(
    graph: _Graph,
    x: str,
    conv: str,
    norm: str,
    w: dict[str, NDArray[np.float64]],
    **attributes: Any,
) -> str:
    """A convolution without bias and the batch norm behind it, as one convolution."""
    scale = w[f"{norm}.weight"] / np.sqrt(w[f"{norm}.running_var"] + NORM_EPSILON)
    filters = w[f"{conv}.weight"] * scale[:, None, None, None]
    bias = w[f"{norm}.bias"] - w[f"{norm}.running_mean"] * scale
    return _convolve(graph, x, conv, filters, bias, pads=[1] * 4, **attributes)


def _convolve(
    graph: _Graph,
    x: str,
    name: str,
    filters: NDArray[np.float64],
    bias: NDArray[np.float64],
    **attributes: Any,
) -> str:
    weight = graph.constant(f"{name}.weight", filters)
    shift = graph.constant(f"{name}.bias", bias)
    size = list(filters.shape[2:])
    return graph.add("Conv", x, weight, shift, kernel_shape=size, **attributes)


def _multiply(
    graph: _Graph,
    x: str,
    name: str,
    weight: NDArray[np.float64],
    bias: NDArray[np.float64],
    output: str = "",
) -> str:
    factors = graph.constant(f"{name}.weight", weight)
    shift = graph.constant(f"{name}.bias", bias)
    return graph.add("Gemm", x, factors, shift, transB=1, output=output)
