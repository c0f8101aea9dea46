"""`KerasState`: what training changes, and how it becomes a checkpoint and comes back."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import keras
from keras import ops
from numpy.typing import NDArray

from fashion_cnn.data.split import TrainingData
from fashion_cnn.on_keras.model import build_model, check_recipe
from fashion_cnn.on_keras.optim import build_optimizer, load_optimizer_arrays, optimizer_arrays
from fashion_cnn.on_keras.weights import OWN, load_weights, shapes, weight_arrays
from fashion_cnn.recipes.recipe import Recipe
from fashion_cnn.run.checkpoint import Arrays, Checkpoint
from fashion_cnn.training.schedule import steps_per_epoch
from fashion_cnn.training.state import TrainingState, check_optimizer_arrays

_DRAWS = 1024  # of a layer in a step, at most


@dataclass(kw_only=True)
class KerasState(TrainingState):
    """A compiled network in Keras, and how far it has come.

    Attributes:
        model: with its optimiser, loss and accuracy.
        accuracy: the metric that counts the images that are classified right while training.
    """

    model: keras.Model
    accuracy: Any

    @classmethod
    def start(cls, recipe: Recipe, data: TrainingData) -> "KerasState":
        """Build and compile the network at its seeded start.

        Raises:
            UsageError: the recipe has something that the Keras side does not do exactly.
        """
        began = time.perf_counter()
        steps = steps_per_epoch(recipe, len(data.training))
        check_recipe(recipe)
        model = build_model(recipe, len(data.training.class_names))
        accuracy = keras.metrics.CategoricalAccuracy("accuracy")
        model.compile(
            optimizer=build_optimizer(recipe, model),
            loss=cross_entropy(recipe),
            metrics=[accuracy],
            auto_scale_loss=False,
        )
        return cls(
            model=model,
            accuracy=accuracy,
            recipe=recipe,
            fingerprint=recipe.fingerprint(data.fingerprint()),
            classes=len(data.training.class_names),
            steps_per_epoch=steps,
            seconds=time.perf_counter() - began,
        )

    def arrays(self) -> tuple[Arrays, Arrays]:
        """The weights, and the optimiser's state."""
        return weight_arrays(self.model), optimizer_arrays(self.model.optimizer, self.model)

    def first_filters(self) -> NDArray[Any] | None:
        """As `TrainingState.first_filters`."""
        for name, weights in weight_arrays(self.model).items():
            if weights.ndim == 4:
                return weights.transpose(3, 2, 0, 1) if name.startswith(OWN) else weights
        return None

    def take(self, found: Checkpoint) -> None:
        """Become what a checkpoint holds; raises `CheckpointError` if it does not fit."""
        step, what = found.state["step"], str(found.path)
        check_optimizer_arrays(self.recipe, shapes(self.model), found.optimizer, step, what)
        load_weights(self.model, found.model, what)
        load_optimizer_arrays(self.model.optimizer, self.model, found.optimizer, step)
        self.place_draws(step)

    def place_draws(self, step: int) -> None:
        """Let what is drawn in a step be a function of each layer's seed and of the step alone.

        A dropout draws once a step, by a count that goes on by itself; what else a network of
        somebody's own may have draws more than once.
        """
        for layer in self.model._flatten_layers():
            for generator in layer._seed_generators:
                place = step if type(layer) is keras.layers.Dropout else step * _DRAWS % 2**31
                generator.state.assign([generator.state.numpy()[0], place])

    def read_sums(self) -> None:
        """Take the sums of the epoch under way from the model's metrics."""
        self.loss_sum = float(self._loss.total.numpy())
        self.correct = round(float(self.accuracy.total.numpy()))
        self.seen = round(float(self.accuracy.count.numpy()))

    def write_sums(self) -> None:
        """Give the model's metrics the sums of an epoch that was begun before."""
        self._loss.total.assign(self.loss_sum)
        self.accuracy.total.assign(self.correct)
        for metric in (self._loss, self.accuracy):
            metric.count.assign(self.seen)

    @property
    def _loss(self) -> Any:
        return next(metric for metric in self.model.metrics if metric.name == "loss")


def cross_entropy(recipe: Recipe) -> Callable[[Any, Any], Any]:
    """The loss of a recipe, with its label smoothing and class weights, as PyTorch defines them.

    Returns:
        A function of the shares of the classes and the logits, (N, C) each, that gives (N,)
        losses whose mean is the loss of the batch.
    """

    def loss(shares: Any, logits: Any) -> Any:
        spread = recipe.label_smoothing
        parts = ((1 - spread) * shares + spread / logits.shape[1]) * ops.log_softmax(logits)
        if not recipe.class_weights:
            return -ops.sum(parts, axis=1)
        weights = ops.convert_to_tensor(recipe.class_weights, "float32")
        return -ops.sum(parts * weights, axis=1) / ops.mean(ops.sum(shares * weights, axis=1))

    return loss
