"""The parts of a data set's folder, opened."""

from pathlib import Path

import numpy as np

from fashion_cnn.data.fashion_mnist import DataSet
from fashion_cnn.data.split import Split


def load_training(directory: Path) -> Split:
    return DataSet.open(directory).training()


def load_test(directory: Path) -> Split:
    return DataSet.open(directory).test()


def load_test_images(directory: Path) -> np.ndarray:
    return DataSet.open(directory).test_images()
