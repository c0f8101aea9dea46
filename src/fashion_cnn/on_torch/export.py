"""A network in PyTorch as an ONNX graph, by PyTorch's own exporter."""

import logging
import warnings

import onnx
import torch
from torch import nn

from fashion_cnn.errors import ExportError
from fashion_cnn.text import first_line


def to_onnx(model: nn.Module, opset: int) -> onnx.ModelProto:
    """Export a network.

    Args:
        model: uint8 (N, 28, 28) in, logits out, on the CPU; dropout is switched off.
        opset: of the operators.

    Raises:
        ExportError: it does something that PyTorch cannot export.
    """
    # It warns of the operators of torchvision, which need not be there.
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    sample = torch.zeros(2, 28, 28, dtype=torch.uint8)
    try:
        with warnings.catch_warnings(action="ignore"):
            program = torch.onnx.export(
                model.eval(),
                (sample,),
                opset_version=opset,
                dynamic_shapes=({0: torch.export.Dim("N")},),
                dynamo=True,
                external_data=False,
                verbose=False,
            )
    except torch.onnx.errors.OnnxExporterError as error:
        reason = first_line(error.__cause__ or error)
        raise ExportError(f"PyTorch cannot export this network: {reason}") from error
    assert program is not None
    return program.model_proto
