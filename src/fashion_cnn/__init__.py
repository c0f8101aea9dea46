"""Train, understand and ship a Fashion-MNIST classifier.

    import fashion_cnn as fc

    run = fc.train("fast")                 # runs/fast; a card with its curves in a notebook
    fc.predict("shoe.jpg")                 # also a list, a folder, an array, a Pillow picture
    run.classifier().predict(images)       # labels, calibrated probabilities, sets

The main commands are functions of the same names: `train`, `evaluate`, `report`, `compare`,
`study`, `tune`, `export`, `predict`. The names below are imported when they are first used, so that
importing the package loads neither PyTorch nor matplotlib.
"""

import os
from importlib import import_module
from typing import TYPE_CHECKING, Any

from fashion_cnn.version import __version__ as __version__

# These libraries tell their makers about their use, unless told not to before they are loaded.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")

if TYPE_CHECKING:
    from fashion_cnn.api import Run as Run
    from fashion_cnn.api import compare as compare
    from fashion_cnn.api import evaluate as evaluate
    from fashion_cnn.api import export as export
    from fashion_cnn.api import load_training as load_training
    from fashion_cnn.api import open_classifier as open_classifier
    from fashion_cnn.api import report as report
    from fashion_cnn.api import study as study
    from fashion_cnn.api import train as train
    from fashion_cnn.api import tune as tune
    from fashion_cnn.classifier import Classifier as Classifier
    from fashion_cnn.data.fashion_mnist import CLASS_NAMES as CLASS_NAMES
    from fashion_cnn.data.fashion_mnist import find_data as find_data
    from fashion_cnn.data.split import Split as Split
    from fashion_cnn.data.split import divide as divide
    from fashion_cnn.errors import FashionCNNError as FashionCNNError
    from fashion_cnn.errors import UsageError as UsageError
    from fashion_cnn.evaluation.metrics import measure as measure
    from fashion_cnn.recipes.catalog import named as named
    from fashion_cnn.recipes.recipe import Recipe as Recipe
    from fashion_cnn.run.results import Evaluation as Evaluation
    from fashion_cnn.shipping.predict import Prediction as Prediction
    from fashion_cnn.shipping.predict import predict as predict

_HOMES = {
    "api": (
        "Run", "compare", "evaluate", "export", "load_training", "open_classifier", "report",
        "study", "train", "tune",
    ),
    "classifier": ("Classifier",),
    "data.fashion_mnist": ("CLASS_NAMES", "find_data"),
    "data.split": ("Split", "divide"),
    "errors": ("FashionCNNError", "UsageError"),
    "evaluation.metrics": ("measure",),
    "recipes.catalog": ("named",),
    "recipes.recipe": ("Recipe",),
    "run.results": ("Evaluation",),
    "shipping.predict": ("Prediction", "predict"),
}  # fmt: skip
__all__ = ["__version__", *(name for names in _HOMES.values() for name in names)]  # pyright: ignore[reportUnsupportedDunderAll]


def __getattr__(name: str) -> Any:
    for module, names in _HOMES.items():
        if name in names:
            return getattr(import_module(f"fashion_cnn.{module}"), name)
    raise AttributeError(f"module 'fashion_cnn' has no {name!r}")


def __dir__() -> list[str]:
    return __all__
