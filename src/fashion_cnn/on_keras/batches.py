"""`Batches`: what `fit` reads in an epoch."""

from typing import Any

import keras
import numpy as np

from fashion_cnn.data.split import TrainingData, epoch_order
from fashion_cnn.on_keras.augment import augment
from fashion_cnn.recipes.recipe import Recipe
from fashion_cnn.training.draws import mirrored_in
from fashion_cnn.training.schedule import steps_per_epoch

_AHEAD = 8  # batches read before `fit` asks for them


class Batches(keras.utils.PyDataset):
    """The batches of one epoch, or what is left of it: uint8 images and the shares of the classes.

    What each holds is a pure function of (seed, epoch, position): those that PyTorch trains on.
    """

    def __init__(self, data: TrainingData, recipe: Recipe, epoch: int, first: int) -> None:
        """Shuffle.

        Args:
            data: its training part.
            recipe: its `seed`, `batch_size` and augmentation.
            epoch: counted from 0.
            first: the batch to begin with, counted from 0.
        """
        super().__init__()
        split = data.training
        self._split, self._recipe, self._first, self._ground = split, recipe, first, data.ground
        self.classes = len(split.class_names)
        self._steps = steps_per_epoch(recipe, len(split))
        self._step = epoch * self._steps
        self._order = epoch_order(len(split), recipe.seed, epoch)
        self._mirrored = mirrored_in(epoch, len(split), recipe.seed) if recipe.flip else None

    def __len__(self) -> int:
        return self._steps - self._first

    def __getitem__(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        batch, size = self._first + index, self._recipe.batch_size
        chosen = self._order[batch * size : (batch + 1) * size]
        images, shares = augment(  # which is for what lies on black
            self._split.images[chosen] ^ np.uint8(self._ground),
            self._split.labels[chosen],
            self._recipe,
            self._step + batch,
            None if self._mirrored is None else self._mirrored[chosen],
            self.classes,
        )
        return images ^ np.uint8(self._ground), shares


def read_ahead(batches: Batches) -> Any:
    """What `fit` reads batches from; on TensorFlow a `tf.data.Dataset` that does not tune itself.

    Keras makes one that does. Its tuning thread sleeps for 10 ms, 20 ms, 40 ms, ... and is not
    always woken when the epoch ends; dropping the iterator then waits for it, up to as long again
    as the epoch took. Source: tensorflow/core/framework/cancellation.cc, which tells the thread
    before it sets what the thread looks at.
    """
    if keras.backend.backend() != "tensorflow":
        return batches
    import tensorflow as tf

    images = tf.TensorSpec((None, 28, 28), tf.uint8)
    shares = tf.TensorSpec((None, batches.classes), tf.float32)
    still = tf.data.Options()
    still.autotune.enabled = False
    once = [batches]  # TensorFlow never lets go of a generator function, so it lets go of these
    dataset = tf.data.Dataset.from_generator(once.pop, output_signature=(images, shares))
    # Else `fit` finds the end by one more step without a batch, which moves dropout's seed on.
    dataset = dataset.apply(tf.data.experimental.assert_cardinality(len(batches)))
    return dataset.prefetch(_AHEAD).with_options(still)
