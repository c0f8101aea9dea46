"""Train, understand and ship a Fashion-MNIST classifier.

The names below are the Python API. Each is imported when it is first used, so that importing the
package loads neither PyTorch nor matplotlib.
"""

import os
from importlib import import_module
from typing import TYPE_CHECKING, Any

from fashion_cnn.version import __version__ as __version__

# From 1.29 on, ONNX Runtime reports its use to its maker, unless told not to before it is loaded.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")

if TYPE_CHECKING:
    from fashion_cnn.classifier import Classifier as Classifier
    from fashion_cnn.data.fashion_mnist import CLASS_NAMES as CLASS_NAMES
    from fashion_cnn.data.fashion_mnist import find_data as find_data
    from fashion_cnn.data.fashion_mnist import load_training as load_training
    from fashion_cnn.data.split import Split as Split
    from fashion_cnn.data.split import divide as divide
    from fashion_cnn.evaluation.metrics import measure as measure
    from fashion_cnn.job import Hardware as Hardware
    from fashion_cnn.job import Outcome as Outcome
    from fashion_cnn.job import evaluate as evaluate
    from fashion_cnn.job import train as train
    from fashion_cnn.on_torch.classifier import open_classifier as open_classifier
    from fashion_cnn.recipes.catalog import named as named
    from fashion_cnn.recipes.recipe import Recipe as Recipe
    from fashion_cnn.run.folder import Run as Run
    from fashion_cnn.run.results import Evaluation as Evaluation

_HOMES = {
    "classifier": ("Classifier",),
    "data.fashion_mnist": ("CLASS_NAMES", "find_data", "load_training"),
    "data.split": ("Split", "divide"),
    "evaluation.metrics": ("measure",),
    "job": ("Hardware", "Outcome", "evaluate", "train"),
    "on_torch.classifier": ("open_classifier",),
    "recipes.catalog": ("named",),
    "recipes.recipe": ("Recipe",),
    "run.folder": ("Run",),
    "run.results": ("Evaluation",),
}


def __getattr__(name: str) -> Any:
    for module, names in _HOMES.items():
        if name in names:
            return getattr(import_module(f"fashion_cnn.{module}"), name)
    raise AttributeError(f"module 'fashion_cnn' has no {name!r}")
