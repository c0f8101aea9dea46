"""A network in PyTorch as an ONNX graph, by PyTorch's own exporter."""

import logging
import warnings
from typing import Any

import onnx
import torch
from torch import nn
from torch._dynamo.exc import TorchDynamoException, UserError
from torch.export import Dim, ExportedProgram

from fashion_cnn.errors import ExportError
from fashion_cnn.text import first_line

_SAMPLE = (torch.zeros(2, 28, 28, dtype=torch.uint8),)
_ANY_NUMBER = ({0: Dim("N")},)


def to_onnx(model: nn.Module, opset: int) -> onnx.ModelProto:
    """Export a network.

    Args:
        model: uint8 (N, 28, 28) in, logits out, on the CPU; dropout is switched off.
        opset: of the operators.

    Raises:
        ExportError: it does something that PyTorch cannot export.
    """
    # Of the operators of torchvision, which need not be there; of what is told below in a line.
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    logging.getLogger("torch._guards").setLevel(logging.CRITICAL)
    model.eval()
    try:
        with warnings.catch_warnings(action="ignore"):
            graph = _graph(model, opset, dynamic_shapes=_ANY_NUMBER)
            if not graph.graph.input[0].type.tensor_type.shape.dim[0].dim_param:
                # `len(images)` was taken for the sample's; only the strict mode knows better.
                options = {"dynamic_shapes": _ANY_NUMBER, "strict": True}
                graph = _graph(torch.export.export(model, _SAMPLE, **options), opset)
    except UserError:
        raise ExportError(
            "PyTorch cannot export this network: its `forward` is for a fixed number of images; a "
            "loop over them makes it so"
        ) from None
    except (torch.onnx.errors.OnnxExporterError, TorchDynamoException) as error:
        reason = first_line(error.__cause__ or error)
        raise ExportError(f"PyTorch cannot export this network: {reason}") from error
    return graph


def _graph(model: nn.Module | ExportedProgram, opset: int, **options: Any) -> onnx.ModelProto:
    program = torch.onnx.export(
        model,
        _SAMPLE,
        opset_version=opset,
        dynamo=True,
        external_data=False,
        verbose=False,
        **options,
    )
    assert program is not None
    return program.model_proto
