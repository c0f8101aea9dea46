"""`KerasFramework`: the door to Keras."""

from typing import TYPE_CHECKING, Any, Self

from fashion_cnn.data.split import TrainingData
from fashion_cnn.errors import UsageError
from fashion_cnn.on_keras import classifier, device, model
from fashion_cnn.on_keras.classifier import KerasClassifier
from fashion_cnn.on_keras.layers import layers_of
from fashion_cnn.on_keras.state import KerasState
from fashion_cnn.on_keras.train import train
from fashion_cnn.process import launch
from fashion_cnn.process.interruption import Interruption
from fashion_cnn.recipes.recipe import Recipe
from fashion_cnn.run.folder import Run
from fashion_cnn.run.history import Trained
from fashion_cnn.run.layers import Layer
from fashion_cnn.training.progress import Progress

if TYPE_CHECKING:
    from onnx import ModelProto


class KerasFramework:
    """A `fashion_cnn.frameworks.Framework` on Keras's backend."""

    name = "keras"

    def __init__(self, kind: str, threads: int | None, deterministic: bool) -> None:
        """Args: as for `device.configure`, which entering calls."""
        self._asked = kind, threads, deterministic
        self._device = "cpu"
        self._state: KerasState | None = None

    def __enter__(self) -> Self:
        if launch.ranks() > 1:
            raise UsageError(
                f"Keras trains in one process here, and torchrun started {launch.ranks()}; leave "
                "torchrun out, or --framework keras"
            )
        self._device = device.configure(*self._asked)
        return self

    def __exit__(self, *exception: Any) -> None:
        return None

    def check(self, recipe: Recipe) -> None:
        """Raise `UsageError` for what Keras does not train; see `model.check_recipe`."""
        model.check_recipe(recipe)

    def describe(self) -> dict[str, Any]:
        """What numbers depend on; see `device.describe`."""
        return device.describe(self._device)

    def start(self, recipe: Recipe, data: TrainingData) -> None:
        """Build the network at its start, for `train`: from a seed alone; see `Framework.start`."""
        self._state = KerasState.start(recipe, data)

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
        state, self._state = self._state, None
        if state is None or state.recipe != recipe:
            state = KerasState.start(recipe, data)
        state.begin(run, progress, resume=resume)
        return train(state, data, run, interruption, progress)

    def open_classifier(self, run: Run, checkpoint: str | None = None) -> KerasClassifier:
        """Rebuild a run's network with a checkpoint's weights; see `classifier.open_classifier`."""
        return classifier.open_classifier(run, checkpoint)

    def to_onnx(self, run: Run, checkpoint: str, opset: int) -> "ModelProto":
        """Export a run's network with a checkpoint's weights; see `Framework.to_onnx`."""
        from fashion_cnn.on_keras.export import to_onnx  # here: training needs no onnx

        return to_onnx(classifier.open_model(run, checkpoint), opset)
