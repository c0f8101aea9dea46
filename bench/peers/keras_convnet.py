"""Keras, as its example "Simple MNIST convnet" does it (keras.io/examples/vision/mnist_convnet)."""

import keras
import numpy as np
from keras import layers
from measuring import DATA, EPOCHS, answered, epoch_ended

data = np.load(DATA / "arrays.npz")
training = data["training_images"].astype("float32")[..., None] / 255
validation = data["validation_images"].astype("float32")[..., None] / 255
test = data["test_images"].astype("float32")[..., None] / 255
model = keras.Sequential(
    [
        keras.Input(shape=(28, 28, 1)),
        layers.Conv2D(32, kernel_size=(3, 3), activation="relu"),
        layers.MaxPooling2D(pool_size=(2, 2)),
        layers.Conv2D(64, kernel_size=(3, 3), activation="relu"),
        layers.MaxPooling2D(pool_size=(2, 2)),
        layers.Flatten(),
        layers.Dropout(0.5),
        layers.Dense(10, activation="softmax"),
    ]
)
model.compile(
    loss="categorical_crossentropy",
    optimizer="adam",
    metrics=["accuracy"],
)
model.fit(
    training,
    keras.utils.to_categorical(data["training_labels"], 10),
    batch_size=128,
    epochs=EPOCHS,
    validation_data=(validation, keras.utils.to_categorical(data["validation_labels"], 10)),
    callbacks=[  # measuring
        keras.callbacks.LambdaCallback(  # measuring
            on_epoch_end=lambda epoch, logs: epoch_ended(logs["val_accuracy"])  # measuring
        )  # measuring
    ],  # measuring
    verbose=2,
)
answers = model.predict(test, verbose=0).argmax(1)
answered(answers)
