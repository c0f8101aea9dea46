"""The int8 variant of an exported model, with its own measured accuracy."""

import hashlib
import logging
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnxruntime.quantization import (
    CalibrationDataReader,
    QuantFormat,
    QuantType,
    quantize_static,
)

from fashion_cnn.data.split import Split
from fashion_cnn.evaluation.metrics import wilson_interval
from fashion_cnn.shipping.graph import set_facts
from fashion_cnn.shipping.onnx_classifier import OnnxClassifier

_BATCH = 50


def quantise(
    data: bytes, calibration_images: NDArray[np.uint8], measured_on: Split, part: str
) -> tuple[bytes, dict[str, Any]]:
    """Quantise an exported file: weights a filter, activations a tensor.

    Args:
        data: the float model.
        calibration_images: (N, 28, 28) uint8, N >= 1, of the training part; the ranges of the
            activations come from them.
        measured_on: what the accuracy is measured on.
        part: its name, "test" or "validation".

    Returns:
        The file, and what `export.json` holds of it. Temperature and thresholds stay those that
        were fitted on the float model.
    """
    model, original = _quantised(data, calibration_images), OnnxClassifier(data)
    facts = dict(original.facts)
    before = original.logits(measured_on.images).argmax(1)
    after = OnnxClassifier(_serialise(model, facts)).logits(measured_on.images).argmax(1)
    hits, n = int((after == measured_on.labels).sum()), len(measured_on)
    facts["measured"] = {
        "split": part,
        "n": n,
        "accuracy": hits / n,
        "interval": wilson_interval(hits, n),
        "float_accuracy": float((before == measured_on.labels).mean()),
        "same_class": float((before == after).mean()),
    }
    smaller = _serialise(model, facts)
    return smaller, {
        "bytes": len(smaller),
        "sha256": hashlib.sha256(smaller).hexdigest(),
        "ranges_from": f"{len(calibration_images)} images of the training part",
        "measured": facts["measured"],
    }


def _quantised(data: bytes, images: NDArray[np.uint8]) -> onnx.ModelProto:
    with tempfile.TemporaryDirectory() as folder:
        path, model = Path(folder, "int8.onnx"), onnx.load_from_string(data)
        nodes = list(model.graph.node)
        last = next(i for i, node in enumerate(nodes) if "logits" in node.output)
        logging.disable(logging.WARNING)  # it advises a preprocessing that changes nothing here
        try:
            quantize_static(
                model,
                path,
                _Batches(images),
                quant_format=QuantFormat.QDQ,
                per_channel=True,
                activation_type=QuantType.QUInt8,
                weight_type=QuantType.QInt8,
                nodes_to_exclude=[node.name for node in nodes[last + 1 :]],  # the calibration
                reduce_range=True,  # CPUs without VNNI add two products in 16 bits, which overflow
                extra_options={"QuantizeBias": False},  # ONNX Runtime does, as it opens the file
            )
        finally:
            logging.disable(logging.NOTSET)
        return onnx.load(path)


class _Batches(CalibrationDataReader):
    def __init__(self, images: NDArray[np.uint8]) -> None:
        parts = np.array_split(images, max(1, len(images) // _BATCH))
        self._rest = iter([{"images": part} for part in parts])

    def get_next(self) -> Any:
        return next(self._rest, None)


def _serialise(model: onnx.ModelProto, facts: dict[str, Any]) -> bytes:
    set_facts(model, facts)
    model.producer_name = "fashion-cnn"
    return model.SerializeToString()
