"""The ONNX graph of an exported file: a framework's own export, with calibrated probabilities."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from fashion_cnn.errors import ExportError
from fashion_cnn.evaluation.calibration import LEAST_KEPT, Calibration
from fashion_cnn.shipping.onnx_graph import MOST_FILE
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

    Raises:
        ExportError: it is no graph that a runtime could compute.
    """
    parts = _Parts(len(facts["class_names"]))
    parts.take(exported, "images", "logits")
    parts.calibrate("logits", calibration, "Softmax", "probabilities")
    return parts.model(facts)


def complete_ensemble(
    members: Sequence[tuple[onnx.ModelProto, Calibration]],
    calibration: Calibration,
    facts: Mapping[str, Any],
    *,
    mirror: bool,
) -> onnx.ModelProto:
    """Make one graph of networks that answer with the mean of their probabilities.

    Args:
        members: at least one, all of the same classes: a graph as for `complete`, and what its
            probabilities are made by before they are averaged.
        calibration: what the probabilities of all together are made by.
        facts: as for `complete`.
        mirror: show each network the mirror image too, and average its logits of the two.

    Returns:
        A graph like that of `complete`. Its logits are the logarithms of the mean of the members'
        calibrated probabilities.

    Raises:
        ExportError: as `complete`.
    """
    parts = _Parts(len(facts["class_names"]))
    views = ["images"]
    if mirror:
        columns = np.arange(28, dtype=np.int64)[::-1].copy()
        views.append(parts.add("Gather", "images", columns, output="mirrored", axis=2))
    answers = []
    for number, (exported, own) in enumerate(members):
        weights = f"{number}."
        logits = [f"{number}.{view}.logits" for view in views]
        for view, output in zip(views, logits, strict=True):
            parts.take(exported, view, output, weights, f"{number}.{view}.")
        mean = parts.add("Div", parts.add("Sum", *logits), len(logits))
        answers.append(parts.calibrate(mean, own, "LogSoftmax", f"{number}.answer"))
    largest = parts.add("Max", *answers)  # without which a small exponential would be zero
    shares = [parts.add("Exp", parts.add("Sub", answer, largest)) for answer in answers]
    mean = parts.add("Div", parts.add("Sum", *shares), len(shares))
    parts.add("Add", largest, parts.add("Log", mean), output="logits")
    parts.calibrate("logits", calibration, "Softmax", "probabilities")
    return parts.model(facts)


def set_facts(model: onnx.ModelProto, facts: Mapping[str, Any]) -> None:
    """Put facts into a graph, JSON by name, instead of those that it has."""
    helper.set_model_props(model, {name: json.dumps(value) for name, value in facts.items()})


class _Parts:
    """Operators in their order, and the constants by name that they are given."""

    def __init__(self, classes: int) -> None:
        self._classes = classes
        self._nodes: list[onnx.NodeProto] = []
        self._constants: dict[str, onnx.TensorProto] = {}

    def take(
        self, exported: onnx.ModelProto, given: str, found: str, weights: str = "", others: str = ""
    ) -> None:
        """Add what a framework exported: it makes `found` of `given`.

        Args: weights, others: before the names of its constants, and of all else.
        """
        graph = onnx.GraphProto()
        graph.CopyFrom(exported.graph)
        named = {name: others + name for node in graph.node for name in node.output}
        named |= {tensor.name: weights + tensor.name for tensor in graph.initializer}
        named |= {"": "", graph.input[0].name: given, graph.output[0].name: found}
        for tensor in graph.initializer:
            tensor.name = named[tensor.name]
        for number, node in enumerate(graph.node, len(self._nodes)):
            node.name = f"{node.op_type}_{number}"
            node.input[:] = [named[name] for name in node.input]
            node.output[:] = [named[name] for name in node.output]
            # It concerns maps without a pixel, of which there are none, and onnx2torch stops at it.
            for attribute in [one for one in node.attribute if one.name == "allowzero"]:
                node.attribute.remove(attribute)
        for part in (*graph.node, *graph.initializer):  # they tell files and lines of this machine
            del part.metadata_props[:]
            part.doc_string = ""
        self._nodes += graph.node
        self._constants |= {tensor.name: tensor for tensor in graph.initializer}

    def add(
        self,
        operator: str,
        *inputs: str | float | NDArray[np.int64],
        output: str = "",
        **attributes: Any,
    ) -> str:
        """Add an operator, given names and constants; return the name of what it makes."""
        output = output or f"calibration.{len(self._nodes)}"
        names = [one if isinstance(one, str) else f"{output}.constant" for one in inputs]
        for one, name in zip(inputs, names, strict=True):
            if not isinstance(one, str):
                array = one if isinstance(one, np.ndarray) else np.array(one, np.float32)
                self._constants[name] = numpy_helper.from_array(array, name)
        self._nodes.append(helper.make_node(operator, names, [output], output, **attributes))
        return output

    def calibrate(self, x: str, calibration: Calibration, last: str, output: str) -> str:
        """From logits to probabilities or their logarithms: `Calibration.log_probabilities`."""
        if calibration.label_smoothing:
            x = self.add("LogSoftmax", x, axis=1)
            share = self.add("Exp", self.add("Neg", x))  # infinite where it overflows: as well
            part = calibration.label_smoothing / self._classes
            kept = self.add("Sub", 1, self.add("Mul", share, part))
            kept = self.add("Max", kept, LEAST_KEPT)
            x = self.add("Add", x, self.add("Log", kept))
        x = self.add("Div", x, calibration.temperature)
        return self.add(last, x, output=output, axis=1)

    def model(self, facts: Mapping[str, Any]) -> onnx.ModelProto:
        """The whole, from `images` to `logits` and `probabilities`."""
        size = sum(tensor.ByteSize() for tensor in self._constants.values())
        if size > MOST_FILE:
            raise ExportError(
                f"the weights take {size >> 20:,} MiB; no file of over {MOST_FILE >> 20} is opened"
            )
        model = helper.make_model(
            helper.make_graph(
                self._nodes,
                facts["recipe"]["name"],
                [helper.make_tensor_value_info("images", TensorProto.UINT8, ["N", 28, 28])],
                [
                    helper.make_tensor_value_info(name, TensorProto.FLOAT, ["N", self._classes])
                    for name in ("logits", "probabilities")
                ],
                [*self._constants.values()],
            ),
            opset_imports=[helper.make_opsetid("", OPSET)],
            ir_version=_IR_VERSION,
            producer_name="fashion-cnn",
        )
        set_facts(model, facts)
        try:
            onnx.checker.check_model(model, full_check=True)
        except (onnx.checker.ValidationError, onnx.shape_inference.InferenceError) as error:
            reason = first_line(error)
            raise ExportError(f"this network can be trained, but not exported: {reason}") from error
        return model
