"""What the frameworks' exporters gave, kept: PyTorch's takes seconds, and tests share weights."""

import onnx
import pytest

from fashion_cnn.on_torch.framework import TorchFramework
from fashion_cnn.recipes.networks import own_network
from fashion_cnn.run.folder import Run

_EXPORTED: dict[tuple[str, int], bytes] = {}


def export_each_network_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of networks of somebody's own each time anew: whether their code may run is asked there."""
    to_onnx = TorchFramework.to_onnx

    def kept(self: TorchFramework, run: Run, checkpoint: str, opset: int) -> onnx.ModelProto:
        if own_network(run.recipe.model):
            return to_onnx(self, run, checkpoint, opset)
        which = run.checkpoints.load(checkpoint).sha256, opset
        if which not in _EXPORTED:
            _EXPORTED[which] = to_onnx(self, run, checkpoint, opset).SerializeToString()
        return onnx.ModelProto.FromString(_EXPORTED[which])

    monkeypatch.setattr(TorchFramework, "to_onnx", kept)
