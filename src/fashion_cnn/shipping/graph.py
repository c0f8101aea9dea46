"""The ONNX graph of an exported file: a framework's own export, with calibrated probabilities."""

import json
from collections.abc import Mapping
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from fashion_cnn.errors import ExportError
from fashion_cnn.evaluation.calibration import LEAST_KEPT, Calibration
from fashion_cnn.text import first_line

OPSET = 18
"""The operators' version, the lowest that PyTorch exports to. Source: onnx/docs/Versioning.md;
runtimes from 2023 on read it."""

_IR_VERSION = 8  # what opset 18 came with


def complete(
    exported: onnx.ModelProto, calibration: Calibration, facts: Mapping[str, Any]
) -> onnx.ModelProto:
    """Make one self-contained graph of what a framework exported.

    Args:
        exported: a graph from uint8 (N, 28, 28) to logits, float32 (N, C), in `OPSET`.
        calibration: what the probabilities are made by.
        facts: JSON values by name, which go into the file; "class_names" and "recipe" among them.

    Returns:
        A graph from `images`, uint8 (N, 28, 28) with any N, to `logits` and `probabilities`,
        float32 (N, C). The probabilities are calibrated; the logits are the network's own.
    """
    graph, classes = exported.graph, len(facts["class_names"])
    named = {graph.input[0].name: "images", graph.output[0].name: "logits"}
    for number, node in enumerate(graph.node):
        node.name = f"{node.op_type}_{number}"
        node.input[:] = [named.get(name, name) for name in node.input]
        node.output[:] = [named.get(name, name) for name in node.output]
        # It concerns maps without a pixel, of which there are none, and onnx2torch stops at it.
        for attribute in [one for one in node.attribute if one.name == "allowzero"]:
            node.attribute.remove(attribute)
    for part in (*graph.node, *graph.initializer):  # they tell files and lines of this machine
        del part.metadata_props[:]
        part.doc_string = ""
    ends, constants = _calibrated(calibration, classes)
    model = helper.make_model(
        helper.make_graph(
            [*graph.node, *ends],
            facts["recipe"]["name"],
            [helper.make_tensor_value_info("images", TensorProto.UINT8, ["N", 28, 28])],
            [
                helper.make_tensor_value_info(name, TensorProto.FLOAT, ["N", classes])
                for name in ("logits", "probabilities")
            ],
            [*graph.initializer, *constants],
        ),
        opset_imports=[helper.make_opsetid("", OPSET)],
        ir_version=_IR_VERSION,
        producer_name="fashion-cnn",
    )
    helper.set_model_props(model, as_properties(facts))
    try:
        onnx.checker.check_model(model, full_check=True)
    except (onnx.checker.ValidationError, onnx.shape_inference.InferenceError) as error:
        reason = first_line(error)
        raise ExportError(f"this network can be trained, but not exported: {reason}") from error
    return model


def as_properties(facts: Mapping[str, Any]) -> dict[str, str]:
    """The form in which a file holds its facts: JSON by name."""
    return {name: json.dumps(value) for name, value in facts.items()}


def _calibrated(
    calibration: Calibration, classes: int
) -> tuple[list[onnx.NodeProto], list[onnx.TensorProto]]:
    """From `logits` to `probabilities`, as `Calibration.log_probabilities` does."""
    nodes: list[onnx.NodeProto] = []
    constants: list[onnx.TensorProto] = []

    def add(operator: str, *inputs: str | float, output: str = "", **attributes: Any) -> str:
        output = output or f"calibration.{len(nodes)}"
        names = [one if isinstance(one, str) else f"{output}.constant" for one in inputs]
        constants.extend(
            numpy_helper.from_array(np.array(one, np.float32), f"{output}.constant")
            for one in inputs
            if not isinstance(one, str)
        )
        nodes.append(helper.make_node(operator, names, [output], output, **attributes))
        return output

    x = "logits"
    if calibration.label_smoothing:
        x = add("LogSoftmax", x, axis=1)
        share = add("Exp", add("Neg", x))  # infinite where it overflows: as well
        kept = add("Sub", 1.0, add("Mul", share, calibration.label_smoothing / classes))
        x = add("Add", x, add("Log", add("Max", kept, LEAST_KEPT)))
    add("Softmax", add("Div", x, calibration.temperature), output="probabilities", axis=1)
    return nodes, constants
