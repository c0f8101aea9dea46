"""Keras models as classifiers."""

import keras
import numpy as np
from numpy.typing import NDArray

from fashion_cnn.classifier import check_images
from fashion_cnn.errors import UsageError
from fashion_cnn.on_keras.model import build_model, normalised
from fashion_cnn.on_keras.weights import load_weights
from fashion_cnn.run.checkpoint import check_layout
from fashion_cnn.run.dataset import class_names_of
from fashion_cnn.run.folder import Run

_BATCH = 250  # divides the validation and the test set: every batch has one shape to compile for


class KerasClassifier:
    """A `fashion_cnn.classifier.Classifier` on a Keras model."""

    def __init__(self, model: keras.Model) -> None:
        """Args: model: uint8 (N, 28, 28) in, logits out."""
        self._model = model

    @property
    def network(self) -> keras.Model:
        """The network; of somebody's own what their code makes."""
        inner = (one for one in self._model.layers if isinstance(one, keras.Model))
        return next(inner, self._model)

    def logits(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Score images; see `Classifier.logits`."""
        check_images(images)
        return predict(self._model, images)

    def features(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        """What the last fully connected layer sees: uint8 (N, 28, 28) to float32 (N, F).

        Raises:
            UsageError: wrong images, or the network has no such layer.
        """
        check_images(images)
        inputs, own = self._model.inputs, self.network
        try:
            inside = _before_the_last(own)
        except AttributeError:  # a subclass of keras.Model, whose layers are no graph
            raise UsageError(
                "the network is no graph of layers (keras.Sequential, or keras.Model of inputs and "
                "outputs), so there are no features before its last one"
            ) from None
        if own is self._model:
            return predict(inside, images)
        return predict(keras.Model(inputs, inside(normalised(inputs[0]))), images)


def _before_the_last(network: keras.Model) -> keras.Model:
    """A network up to its last fully connected layer, which may be inside of its last part."""
    if isinstance(network, keras.Sequential) and isinstance(network.layers[-1], keras.Model):
        *before, last = network.layers
        given = before[-1].output if before else network.inputs[0]
        return keras.Model(network.inputs, _before_the_last(last)(given))
    found = [one for one in network.layers if isinstance(one, keras.layers.Dense)]
    if not found:
        raise UsageError(
            f"{network.name} has no fully connected layer of its own, so no features before it"
        )
    return keras.Model(network.inputs, found[-1].input)


def predict(model: keras.Model, images: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Score images without dropout: (N, 28, 28) uint8 to (N, C) float32."""
    if not len(images):
        return np.empty((0, model.output_shape[1]), np.float32)
    # Not `predict`: on TensorFlow it can end late, see `read_ahead` in batches.py.
    batches = (images[first : first + _BATCH] for first in range(0, len(images), _BATCH))
    return np.concatenate([model.predict_on_batch(np.ascontiguousarray(b)) for b in batches])


def open_classifier(run: Run, checkpoint: str | None = None) -> KerasClassifier:
    """Rebuild a run's model and load a checkpoint's weights.

    Args:
        run: a run of any framework.
        checkpoint: "best", "final" or "step-XXXXXXXX"; None for the one that answers.

    Raises:
        CheckpointError: it is missing or damaged, or not of the recipe's model.
        UsageError: the recipe's model is not there in Keras.
    """
    return KerasClassifier(open_model(run, checkpoint))


def open_model(run: Run, checkpoint: str | None = None) -> keras.Model:
    """A run's network with a checkpoint's weights; otherwise as `open_classifier`."""
    checkpoint, recipe = checkpoint or run.answering, run.recipe
    arrays = run.checkpoints.load(checkpoint).model
    if recipe.model == "simple_cnn":
        # A recipe that was altered may name a network that no machine has room for.
        largest = np.broadcast_to(np.float32(0), (4 * recipe.width, 2 * recipe.width, 3, 3))
        found = {name: array for name, array in arrays.items() if name == "conv3.weight"}
        check_layout(found, {"conv3.weight": largest}, checkpoint)
    model = build_model(recipe, len(class_names_of(run)), trained=True)
    load_weights(model, arrays, checkpoint)
    return model
