"""`fashion-cnn train --framework keras --model examples/my_keras_net.py:my_net`."""

import keras
from keras import layers


def my_net(classes: int, width: int = 32) -> keras.Model:
    """Three convolutions with batch norm; (N, 28, 28, 1) to (N, classes) logits."""
    images = keras.Input((28, 28, 1))
    x = images
    for filters in (width, 2 * width, 4 * width):
        x = layers.Conv2D(filters, 3, strides=2, padding="same", use_bias=False)(x)
        x = layers.ReLU()(layers.BatchNormalization()(x))
    x = layers.Dropout(0.2)(layers.GlobalAveragePooling2D()(x))
    return keras.Model(images, layers.Dense(classes)(x))
