"""A network in Keras as an ONNX graph, by Keras's own exporter."""

import tempfile
import warnings
from pathlib import Path

import keras
import numpy as np
import onnx
from onnx import helper

from fashion_cnn.errors import ExportError
from fashion_cnn.text import first_line


def to_onnx(model: keras.Model, opset: int) -> onnx.ModelProto:
    """Export a network.

    Args:
        model: uint8 (N, 28, 28) in, logits out; dropout is switched off.
        opset: of the operators.

    Raises:
        ExportError: it does something that Keras cannot export.
    """
    images = keras.InputSpec("uint8", (None, 28, 28), name="images")
    given = keras.Input((28, 28), dtype="uint8", name="images")
    model = keras.Model(given, model(given, training=False))  # or layers that augment still would
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings(action="ignore"):
        path = Path(folder, "model.onnx")
        try:
            model.export(
                path, format="onnx", verbose=False, opset_version=opset, input_signature=[images]
            )
        except (NotImplementedError, RuntimeError, TypeError, ValueError) as error:
            raise ExportError(f"Keras cannot export this network: {first_line(error)}") from error
        graph = onnx.load(path)
    _spell_out_erfc(graph.graph)
    return graph


def _spell_out_erfc(graph: onnx.GraphProto) -> None:
    """Write erfc(x), which TensorFlow's GELU has and ONNX has not, as 1 - erf(x)."""
    for place, node in reversed([*enumerate(graph.node)]):
        if node.op_type == "Erfc":
            erf, one = f"{node.output[0]}/erf", f"{node.output[0]}/one"
            graph.initializer.append(onnx.numpy_helper.from_array(np.float32(1), one))
            graph.node.insert(place + 1, helper.make_node("Sub", [one, erf], node.output))
            node.CopyFrom(helper.make_node("Erf", node.input, [erf]))
