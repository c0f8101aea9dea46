"""The assignment's network in plain Keras. To change it: `fashion-cnn network --framework keras >
my_net.py`, edit, `fashion-cnn train --framework keras --model my_net.py:net`.
"""

import keras
from keras import layers


def net(classes: int, width: int = 32, dropout: float = 0.4) -> keras.Model:
    """Normalised images, float32 (N, 28, 28, 1), to logits, (N, classes), without a softmax.

    --width and --dropout reach those parameters that are here.
    """
    return keras.Sequential(
        [
            keras.Input((28, 28, 1)),
            layers.Conv2D(width, 3, padding="same", activation="relu"),
            layers.MaxPooling2D(),
            layers.Conv2D(2 * width, 3, padding="same", activation="relu"),
            layers.MaxPooling2D(),
            layers.Conv2D(4 * width, 3, padding="same", activation="relu"),
            layers.MaxPooling2D(),
            layers.Flatten(),
            layers.Dense(128, activation="relu"),
            layers.Dropout(dropout),
            layers.Dense(classes),
        ]
    )
