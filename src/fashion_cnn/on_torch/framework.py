"""`TorchFramework`: the door to PyTorch."""

from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, Self

import torch

from fashion_cnn.data.split import TrainingData
from fashion_cnn.errors import UsageError
from fashion_cnn.on_torch import classifier, device, model
from fashion_cnn.on_torch.classifier import TorchClassifier
from fashion_cnn.on_torch.layers import layers_of
from fashion_cnn.on_torch.ranks import ALONE, joined
from fashion_cnn.on_torch.state import TorchState
from fashion_cnn.on_torch.train import train
from fashion_cnn.process.interruption import Interruption
from fashion_cnn.recipes.recipe import Recipe
from fashion_cnn.run.folder import Run
from fashion_cnn.run.history import Trained
from fashion_cnn.run.layers import Layer
from fashion_cnn.run.weights import Weights
from fashion_cnn.training.progress import Progress

if TYPE_CHECKING:
    from onnx import ModelProto


class TorchFramework:
    """A `fashion_cnn.frameworks.Framework` on a device, with the ranks that train together."""

    name = "pytorch"

    def __init__(self, kind: str, threads: int | None, deterministic: bool) -> None:
        """Args: as for `device.configure`, which entering calls: until then, on the CPU, alone."""
        self._asked = kind, threads, deterministic
        self._device, self._ranks = torch.device("cpu"), ALONE
        self._state: TorchState | None = None
        self._left = ExitStack()

    def __enter__(self) -> Self:
        self._device = device.configure(*self._asked)
        self._ranks = self._left.enter_context(joined(self._device))
        return self

    def __exit__(self, *exception: Any) -> None:
        self._left.__exit__(*exception)

    def check(self, recipe: Recipe) -> None:
        """Raise `UsageError` for what PyTorch does not train; see `model.check_recipe`."""
        model.check_recipe(recipe)

    def describe(self) -> dict[str, Any]:
        """What numbers depend on; see `device.describe`."""
        return device.describe(self._device)

    def start(self, recipe: Recipe, data: TrainingData) -> Weights | None:
        """Build the network at its start, for `train`; see `Framework.start`."""
        self._state = TorchState.start(recipe, data, self._device, self._ranks)
        return self._state.weights

    def layers(self) -> list[Layer]:
        """Those of the network that `start` built; see `Framework.layers`."""
        assert self._state is not None
        return layers_of(self._state.model)

    def train(
        self,
        recipe: Recipe,
        data: TrainingData,
        run: Run,
        interruption: Interruption,
        progress: Progress,
        *,
        resume: bool = False,
    ) -> Trained:
        """Train a run to its end; see `Framework.train`."""
        if recipe.teacher and data.teacher is None:
            raise UsageError(f"teacher is {recipe.teacher}, but the data come without it")
        state, self._state = self._state, None
        if state is None or state.recipe != recipe:
            state = TorchState.start(recipe, data, self._device, self._ranks, resume=resume)
        state.begin(run, progress, resume=resume)
        return train(state, data, run, interruption, progress)

    def open_classifier(self, run: Run, checkpoint: str | None = None) -> TorchClassifier:
        """Rebuild a run's network with a checkpoint's weights; see `classifier.open_classifier`."""
        return classifier.open_classifier(run, checkpoint, self._device)

    def to_onnx(self, run: Run, checkpoint: str, opset: int) -> "ModelProto":
        """Export a run's network with a checkpoint's weights; see `Framework.to_onnx`."""
        from fashion_cnn.on_torch.export import to_onnx  # here: training needs no onnx

        return to_onnx(classifier.open_model(run, checkpoint), opset)
