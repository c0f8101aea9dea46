"""Data that are dark on white: augmented and imitated as if they were bright on black."""

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
import torch

from conftest import make_split
from fashion_cnn.data.arrays import write_arrays
from fashion_cnn.data.fashion_mnist import DataSet
from fashion_cnn.data.manifest import MANIFEST
from fashion_cnn.data.split import TrainingData, divide
from fashion_cnn.on_keras.batches import Batches as KerasBatches
from fashion_cnn.on_torch.batches import Batches as TorchBatches
from fashion_cnn.recipes.recipe import Recipe

TURNED = Recipe(rotate=30.0, cutout=6, batch_size=50)


def batch(data: TrainingData, recipe: Recipe, framework: str) -> np.ndarray:
    if framework == "keras":
        return KerasBatches(data, recipe, 0, 0)[0][0]
    return TorchBatches(data, recipe, torch.device("cpu"))[0][0].numpy()


def inverted(data: TrainingData) -> TrainingData:
    training = dataclasses.replace(data.training, images=255 - data.training.images)
    return dataclasses.replace(data, training=training, ground=255)


@pytest.mark.parametrize("framework", ["pytorch", "keras"])
def test_corners_that_turning_leaves_empty_are_of_the_ground(framework: str) -> None:
    split = make_split(100)
    data = divide(dataclasses.replace(split, images=np.zeros_like(split.images)))
    assert batch(data, TURNED.replace(cutout=0), framework).max() == 0
    assert batch(inverted(data), TURNED.replace(cutout=0), framework).min() == 255


@pytest.mark.parametrize(
    ("framework", "recipe"),
    [
        ("pytorch", TURNED),
        ("keras", TURNED),
        ("pytorch", Recipe(photo=1.0, outliers=0.2, batch_size=50)),
        ("pytorch", Recipe(flip=True, translate=2, erase=0.5, cutmix=0.5, batch_size=50)),
    ],
)
def test_what_lies_on_white_is_augmented_as_on_black(framework: str, recipe: Recipe) -> None:
    data = divide(make_split(100))
    on_black, on_white = batch(data, recipe, framework), batch(inverted(data), recipe, framework)
    np.testing.assert_array_equal(on_white, 255 - on_black)


def test_a_data_set_says_what_its_images_lie_on(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    split = make_split(200)
    folder = write_arrays((split.images, split.labels), None, lambda line: None)
    assert DataSet.open(folder).divided(Recipe()).ground == 0
    record = folder / MANIFEST
    record.write_text(json.dumps({**json.loads(record.read_text()), "framing": "white,28,box"}))
    assert DataSet.open(folder).divided(Recipe()).ground == 255
