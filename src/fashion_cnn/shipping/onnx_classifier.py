"""Exported models as classifiers; needs no training framework."""

import functools
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from fashion_cnn.classifier import check_images
from fashion_cnn.data.fashion_mnist import FASHION_MNIST
from fashion_cnn.data.framing import AS_PUBLISHED, Framing
from fashion_cnn.data.manifest import check_class_names
from fashion_cnn.errors import DataError, ModelError
from fashion_cnn.evaluation.calibration import Calibration
from fashion_cnn.evaluation.outliers import SCORE
from fashion_cnn.files import read_bytes
from fashion_cnn.process.machine import usual_threads
from fashion_cnn.run.typed import Count, Share, decode
from fashion_cnn.shipping.onnx_cost import largest_batch
from fashion_cnn.shipping.onnx_graph import (
    EXPORT_AGAIN,
    INPUTS,
    MOST_FILE,
    OUTPUTS,
    not_ours,
    read_graph,
)
from fashion_cnn.text import first_line

_INPUT = (INPUTS[0], "tensor(uint8)", [28, 28])
_MOST_FACTS, _DEEPEST, _LONGEST_NAME = 2 << 20, 16, 1000  # characters of JSON, levels, characters


@dataclass(frozen=True)
class _Outlier:
    threshold: float
    score: str = ""  # the first had another, and did not say which


@dataclass(frozen=True)
class _Trained:
    name: str


@dataclass(frozen=True)
class _Recipe:
    name: str
    members: tuple[_Trained, ...] = ()  # of several networks that answer together


@dataclass(frozen=True)
class _Measured:
    split: str
    n: Count
    accuracy: Share


@dataclass(frozen=True)
class _MadeBy:
    step: Count | None = None
    sha256: str = ""


@dataclass(frozen=True)
class _Facts:
    """What is read of a file's facts; `Calibration` says what of that one."""

    data: str
    framing: str
    class_names: tuple[str, ...]
    outlier: _Outlier
    recipe: _Recipe
    measured: _Measured
    data_sha256: Mapping[str, str]
    made_by: _MadeBy


class OnnxClassifier:
    """A `fashion_cnn.classifier.Classifier` on an exported file.

    Attributes:
        facts: what the file says of itself: data (a name), framing, class_names, calibration,
            outlier, recipe, measured, data_sha256, made_by.
        data: the file.
        sha256: of the file.
        size: of the file in bytes.
    """

    def __init__(
        self,
        data: bytes,
        threads: int | None = None,
        what: str = "the model",
    ) -> None:
        """Check the bytes, then hand them to the runtime.

        Args:
            data: an ONNX file as `export` writes it.
            threads: CPU threads; None for all cores.
            what: its name in errors.

        Raises:
            ModelError: it is not such a file, or would take too much.
        """
        graph = read_graph(data, what)
        if fault := not_ours(graph):
            raise ModelError(f"{what} {fault}")
        self._what, self._batch = what, largest_batch(graph, what)
        self.data = data
        self.sha256 = hashlib.sha256(data).hexdigest()
        self.size = len(data)
        try:
            self._session = session_of(data, threads)
            self._check_signature()
            properties = self._session.get_modelmeta().custom_metadata_map
            self.facts = _facts(properties, what)
            self._check_answers()
        except ModelError:
            raise
        except Exception as error:  # the runtime has an exception class a fault
            raise ModelError(f"{what} cannot be run ({first_line(error):.200})") from None

    @classmethod
    def open(
        cls,
        path: Path,
        threads: int | None = None,
        sha256: str | None = None,
    ) -> "OnnxClassifier":
        """Open a file.

        Args: sha256: what it must have; None for any.

        Raises: `ModelError` as the constructor does, and if it is unreadable or another file.
        """
        data = read_bytes(path, ModelError, MOST_FILE)
        if sha256 not in (None, hashlib.sha256(data).hexdigest()):
            raise ModelError(
                f"{path} is not the file that was exported: its SHA-256 is not the one in the "
                f"report beside it{EXPORT_AGAIN}"
            )
        return cls(data, threads, str(path))

    def logits(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Score images; see `Classifier.logits`."""
        return self._run(images, "logits")[0]

    def probabilities(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Score images: uint8 (N, 28, 28) to calibrated probabilities, float32 (N, C)."""
        return self._run(images, "probabilities")[0]

    def logits_and_probabilities(
        self, images: NDArray[np.uint8]
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Score images: both, (N, C), in the time of one."""
        logits, probabilities = self._run(images, *OUTPUTS)
        return logits, probabilities

    @functools.cached_property
    def class_names(self) -> tuple[str, ...]:
        """The classes, in the order of the outputs."""
        return tuple(self.facts["class_names"])

    @functools.cached_property
    def framing(self) -> Framing:
        """How the images lie in their pixels that it was trained on."""
        return Framing.parse(self.facts["framing"])

    def _run(self, images: NDArray[np.uint8], *outputs: str) -> list[NDArray[np.float32]]:
        check_images(images)
        parts = [[np.empty((0, len(self.class_names)), np.float32)] * len(outputs)]
        for first in range(0, len(images), self._batch):
            part = np.ascontiguousarray(images[first : first + self._batch])
            parts.append(self._answer(part, [*outputs]))
        return [np.concatenate(of_output) for of_output in zip(*parts, strict=True)]

    def _answer(self, images: NDArray[np.uint8], outputs: list[str]) -> list[NDArray[np.float32]]:
        """Outputs (N, C) by name. Raises `ModelError` unless they are of that kind and finite."""
        try:
            found = self._session.run(outputs, {"images": images})
        except Exception as error:  # the runtime has an exception class a fault
            raise ModelError(f"{self._what} cannot be run ({first_line(error):.200})") from None
        answers = []
        for name, values in zip(outputs, found, strict=True):
            array = np.asarray(values)
            if (
                array.shape != (len(images), len(self.class_names))
                or array.dtype != np.float32
                or not np.isfinite(array).all()
            ):
                raise ModelError(f"{self._what} answers with unusable {name}")
            answers.append(array)
        return answers

    def _check_signature(self) -> None:
        inputs = [(one.name, one.type, one.shape[1:]) for one in self._session.get_inputs()]
        if inputs != [_INPUT]:
            raise ModelError(f"{self._what} takes {inputs}, not images, uint8 (N, 28, 28)")

    def _check_answers(self) -> None:
        """Answer for one image and for several: black, white, and neither."""
        images = np.zeros((3, 28, 28), np.uint8)
        images[1] = 255
        images[2] = (np.arange(784) * 97 % 256).reshape(28, 28)
        for some in (images[:1], images[: self._batch]):
            self._answer(some, OUTPUTS)


def session_of(data: bytes, threads: int | None) -> onnxruntime.InferenceSession:
    """The runtime's session of a file that `read_graph` let through.

    Args: threads: CPU threads; None for all cores.
    """
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads or usual_threads()
    options.inter_op_num_threads = 1
    options.log_severity_level = 4  # whatever goes wrong is raised
    options.add_session_config_entry("session.load_model_format", "ONNX")
    # Its fallback prints to standard output and tries the same provider again.
    return onnxruntime.InferenceSession(
        data, options, providers=["CPUExecutionProvider"], enable_fallback=0
    )


def _facts(properties: Mapping[str, str], what: str) -> dict[str, Any]:
    # Files from before there were other data sets do not name theirs, nor its framing.
    given = {"data": f'"{FASHION_MNIST}"', "framing": f'"{AS_PUBLISHED}"', **properties}
    names = ("calibration", *(field.name for field in fields(_Facts)))
    try:
        facts = _from_json({name: given[name] for name in names if name in given})
        found = decode(_Facts, facts)
        check_class_names(found.class_names, "it")
        facts["framing"] = str(Framing.parse(found.framing))
        for name in (found.data, found.recipe.name):
            if len(name) > _LONGEST_NAME or not name.isprintable():
                raise ValueError(f"{name!r:.60} is no name")
        if found.outlier.score != SCORE:
            raise ModelError(
                f"{what} was exported by an earlier version, which scored odd pictures in "
                f"another way{EXPORT_AGAIN}"
            )
        Calibration.from_dict(facts.get("calibration", {}))
    except (DataError, RecursionError, ValueError) as error:
        raise ModelError(
            f"{what} lacks the facts that fashion-cnn writes into a model "
            f"({first_line(error):.200}); export it with: fashion-cnn export RUN"
        ) from None
    return facts


def _from_json(properties: Mapping[str, str]) -> dict[str, Any]:
    """Read JSON by name that a server can send. Raises `ValueError` or `RecursionError`."""
    if sum(map(len, properties.values())) > _MOST_FACTS:
        raise ValueError(f"they are longer than {_MOST_FACTS:,} characters")
    facts = {name: json.loads(text) for name, text in properties.items()}
    json.dumps(facts, allow_nan=False, ensure_ascii=False).encode()
    if _depth(facts) > _DEEPEST:
        raise ValueError(f"they are nested deeper than {_DEEPEST} levels")
    return facts


def _depth(value: Any) -> int:
    inner = value.values() if isinstance(value, dict) else value
    return 1 + max(map(_depth, inner), default=0) if isinstance(value, dict | list) else 0
