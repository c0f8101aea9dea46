"""Pictures into answers, with the model that comes in the package or any exported one."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fashion_cnn.data.photo import read_photo
from fashion_cnn.errors import ModelError
from fashion_cnn.evaluation.calibration import Calibration
from fashion_cnn.evaluation.outliers import WARNING, outlier_score
from fashion_cnn.run.exports import place
from fashion_cnn.run.folder import Run
from fashion_cnn.shipping.onnx_classifier import OnnxClassifier

PRETRAINED = Path(__file__).with_name("pretrained")


@dataclass(frozen=True, eq=False)
class Prediction:
    """What a model says of one picture.

    Attributes:
        classes: all names with their calibrated probabilities, 0 to 1, most probable first.
        may_be: the prediction set: it holds the true class at the coverage that was asked for
            when it was fitted (95 %), for pictures like those of the data set.
        accepted: whether the confidence reaches the reject threshold; True without one.
        outlier_score: how little it looks like the training set; see `evaluation.outliers`.
        warnings: why the answer may be worth little; empty for a picture like those of the data.
        seen: uint8 (28, 28), what the network was given.
    """

    classes: tuple[tuple[str, float], ...]
    may_be: tuple[str, ...]
    accepted: bool
    outlier_score: float
    warnings: tuple[str, ...]
    seen: NDArray[np.uint8]

    def to_dict(self, top_k: int | None = None) -> dict[str, Any]:
        """As JSON holds it, without the picture."""
        return {
            "label": self.classes[0][0],
            "probability": self.classes[0][1],
            "accepted": self.accepted,
            "may_be": list(self.may_be),
            "outlier_score": self.outlier_score,
            "warnings": list(self.warnings),
            "top": [{"label": name, "probability": p} for name, p in self.classes[:top_k]],
        }


class Predictor:
    """A model with all that lies between a file's bytes and an answer."""

    def __init__(self, classifier: OnnxClassifier, reject: float | None = None) -> None:
        """Take a model.

        Args:
            classifier: whose file holds its calibration.
            reject: the share of wrong answers to accept less sure ones for, one of those that the
                file has thresholds for; None to answer always.

        Raises:
            UsageError: the file has no threshold for `reject`.
        """
        self.classifier = classifier
        self.calibration = Calibration.from_dict(classifier.facts["calibration"], reject)
        self._rejects = reject is not None

    def predict(self, data: bytes) -> Prediction:
        """Answer for a PNG, JPEG or WEBP file. Raises `ImageError` if it is no usable picture."""
        photo = read_photo(data)
        logits = self.classifier.logits(photo.seen[np.newaxis])
        answer, strangeness = self.calibration.answer(logits), float(outlier_score(logits)[0])
        strange = strangeness > self.classifier.facts["outlier"]["threshold"]
        names, probabilities = self.classifier.class_names, answer.probabilities[0]
        order = np.argsort(-probabilities, kind="stable")
        return Prediction(
            tuple((names[i], float(probabilities[i])) for i in order),
            tuple(names[i] for i in order if answer.sets[0, i]),
            bool(answer.accepted[0]) or not self._rejects,
            strangeness,
            (*([WARNING] if strange else []), *photo.notes),
            photo.seen,
        )


def open_model(path: Path | None = None, threads: int | None = None) -> OnnxClassifier:
    """Open an exported model.

    Args:
        path: an ONNX file, or the folder of an exported run; None for the model in the package.
        threads: CPU threads; None for all cores.

    Raises:
        ModelError: there is none, or it is not what `export` writes, or the run went on since.
    """
    if path is None:
        return OnnxClassifier.open(pretrained_model(), threads)
    if not path.is_dir():
        return OnnxClassifier.open(path, threads)
    run = Run.open(path)
    again = f"export it with: fashion-cnn export {path}"
    if not place(run).model.is_file():
        raise ModelError(f"{path} holds no exported model; {again}")
    model, metrics = OnnxClassifier.open(place(run).model, threads), run.metrics
    if metrics and metrics[metrics["reports_speak_of"]]["step"] != model.facts["made_by"]["step"]:
        raise ModelError(f"{path} went on since its model was exported; {again}")
    return model


def pretrained_model() -> Path:
    """The ONNX file in the package. Raises `ModelError` if this installation lacks it."""
    found = sorted(PRETRAINED.glob("*.onnx"))
    if not found:
        raise ModelError(f"{PRETRAINED} holds no model; install the package again, or give --model")
    return found[0]
