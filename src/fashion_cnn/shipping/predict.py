"""Pictures into answers, with the model that comes in the package or any exported one."""

import base64
import functools
import io
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from fashion_cnn.classifier import check_images
from fashion_cnn.data.forms.labelled import ONE_IMAGE, images_in
from fashion_cnn.data.framing import against
from fashion_cnn.data.pictures import find_pictures, read_bytes, told
from fashion_cnn.errors import ImageError, ModelError, UsageError
from fashion_cnn.evaluation.calibration import Calibration
from fashion_cnn.evaluation.outliers import WARNING, outlier_score
from fashion_cnn.run.command import run_command
from fashion_cnn.shipping.onnx_classifier import OnnxClassifier

if TYPE_CHECKING:
    from fashion_cnn.shipping.inside import Inside

_NOT_IN_PNG = ("CMYK", "YCbCr", "LAB", "HSV")
_LONGEST_EDGE = 1024  # pixels of a picture in memory that is answered; of a file it is 256

MODELS = Path(__file__).with_name("pretrained")
PRETRAINED, FOR_PHOTOS = MODELS / "balanced.onnx", MODELS / "photo.onnx"


@dataclass(frozen=True, eq=False, repr=False)
class Prediction:
    """What a model says of one picture. A notebook shows it with what the network was given.

    Attributes:
        classes: all names with their calibrated probabilities, 0 to 1, most probable first.
        may_be: the prediction set: it holds the true class at the coverage that was asked for
            when it was fitted (95 %), for pictures like those of the data set.
        accepted: whether the confidence reaches the reject threshold; True without one.
        outlier_score: how little it looks like the training set; see `evaluation.outliers`. That of
            one model says nothing beside that of another.
        warnings: why the answer may be worth little; empty for a picture like those of the data.
        seen: uint8 (28, 28), what the network was given.
        recipe: the name of the recipe that the network was trained by.
        doubtful: whether the answer may be a guess, by the warnings: the picture looks like nothing
            in the training set, or nothing stands out in it.
    """

    classes: tuple[tuple[str, float], ...]
    may_be: tuple[str, ...]
    accepted: bool
    outlier_score: float
    warnings: tuple[str, ...]
    seen: NDArray[np.uint8]
    recipe: str
    doubtful: bool = False

    @property
    def label(self) -> str:
        """The most probable class."""
        return self.classes[0][0]

    @property
    def probability(self) -> float:
        """Its calibrated probability, 0 to 1."""
        return self.classes[0][1]

    def __str__(self) -> str:
        return "\n".join([f"{self.label} {self.probability:.1%}", *self.warnings])

    def __repr__(self) -> str:
        return f"Prediction({self.label!r}, {self.probability:.4f})"

    def _repr_html_(self) -> str:
        """The picture as the network was given it, the three most probable classes, the warnings.

        Colours that read on white and on black: a notebook may be either.
        """
        rows = "".join(
            f'<tr><td style="text-align:left">{escape(name)}</td>'
            f'<td><meter value="{p:.4f}">{p:.1%}</meter></td><td>{p:.1%}</td></tr>'
            for name, p in self.classes[:3]
        )
        told = "".join(f"<div>! {escape(warning)}</div>" for warning in self.warnings)
        return (
            '<div style="display:flex;gap:1em;align-items:center">'
            '<img alt="what the network was given" width="112" height="112" '
            'style="image-rendering:pixelated" src="data:image/png;base64,'
            f'{base64.b64encode(as_png(self.seen)).decode()}">'
            f"<div><table>{rows}</table>{told}</div></div>"
        )

    def to_dict(self, top_k: int | None = None) -> dict[str, Any]:
        """As JSON holds it, without the picture."""
        return {
            "label": self.label,
            "probability": self.probability,
            "accepted": self.accepted,
            "doubtful": self.doubtful,
            "may_be": list(self.may_be),
            "outlier_score": self.outlier_score,
            "warnings": list(self.warnings),
            "recipe": self.recipe,
            "top": [{"label": name, "probability": p} for name, p in self.classes[:top_k]],
        }


def as_png(pixels: NDArray[np.uint8]) -> bytes:
    """A grey picture, uint8 (H, W), as a PNG file."""
    from PIL import Image

    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()


class Predictor:
    """A model with all that lies between a file's bytes and an answer."""

    def __init__(
        self,
        classifier: OnnxClassifier,
        reject: float | None = None,
        open_for_photos: Callable[[], OnnxClassifier] | None = None,
    ) -> None:
        """Take a model.

        Args:
            classifier: whose file holds its calibration.
            reject: the share of wrong answers to accept less sure ones for, one of those that the
                file has thresholds for; None to answer always.
            open_for_photos: opens another model of the same classes, which answers for what was
                cut out of an uneven background; called when the first such picture comes.

        Raises:
            UsageError: the file has no threshold for `reject`.
        """
        self.classifier = classifier
        self._open_for_photos = open_for_photos
        self.calibration = Calibration.from_dict(classifier.facts["calibration"], reject)
        self._reject = reject

    @functools.cached_property
    def for_photos(self) -> "Predictor":
        """Who answers for what was cut out of an uneven background."""
        if self._open_for_photos is None:
            return self
        return Predictor(self._open_for_photos(), self._reject)

    @functools.cached_property
    def _inside(self) -> "Inside":
        from fashion_cnn.shipping.inside import Inside  # most who ask never look inside

        return Inside(self.classifier)

    def layers(self, data: bytes) -> dict[str, Any]:
        """Look into the network that answers for a picture file; see `seen_layers`.

        Raises:
            ImageError: it is no usable picture.
        """
        from fashion_cnn.shipping.layers import seen_layers

        answer = self.predict(data)
        ours = answer.recipe == self.classifier.facts["recipe"]["name"]
        return seen_layers((self if ours else self.for_photos)._inside, answer.seen)

    def predict_images(self, images: NDArray[np.uint8]) -> list[Prediction]:
        """Answer for pixels as the data set has them, uint8 (N, 28, 28), bright on black.

        Raises:
            UsageError: another dtype or shape.
        """
        check_images(images)
        if not len(images):
            return []
        noted = [(notes, True) for notes in against(images, self.classifier.framing)]
        return [*self._answer(images, noted)]

    def predict(self, data: bytes) -> Prediction:
        """Answer for a picture file. Raises `ImageError` if it is no usable one."""
        (answer,) = self.predict_all([data])
        if isinstance(answer, ImageError):
            raise answer
        return answer

    def predict_all(
        self, files: Sequence[bytes], cpu_seconds: float | None = None
    ) -> list[Prediction | ImageError]:
        """Answer for several files, in order; one that is no usable picture has its fault there.

        Args: cpu_seconds: of processor time to decode each in; None for the most, 2 s.
        """
        # Imported here: who brings arrays needs no decoder, and is answered sooner.
        from fashion_cnn.data.photo import Photo, read_photo

        found: list[Photo | ImageError] = []
        for data in files:
            try:
                found.append(read_photo(data, self.classifier.framing, cpu_seconds))
            except ImageError as error:
                found.append(error)
        answers: list[Any] = [*found]
        for plain in (True, False):
            photos = {
                place: photo
                for place, photo in enumerate(found)
                if isinstance(photo, Photo) and photo.plain == plain
            }
            if photos:
                noted = [(photo.notes, photo.found) for photo in photos.values()]
                seen = np.stack([photo.seen for photo in photos.values()])
                answered = (self if plain else self.for_photos)._answer(seen, noted)
                for place, answer in zip(photos, answered, strict=True):
                    answers[place] = answer
        return answers

    def _answer(
        self, images: NDArray[np.uint8], prepared: Sequence[tuple[tuple[str, ...], bool]]
    ) -> Iterator[Prediction]:
        """Answer for images (N, 28, 28), N >= 1.

        Args: prepared: of each, what was noted when it was, and whether anything stood out in it.
        """
        logits = self.classifier.logits(images)
        answer, scores = self.calibration.answer(logits), outlier_score(logits)
        names, threshold = (
            self.classifier.class_names,
            self.classifier.facts["outlier"]["threshold"],
        )
        orders = np.argsort(-answer.probabilities, axis=1, kind="stable").tolist()
        for row, (image, (notes, found)) in enumerate(zip(images, prepared, strict=True)):
            probabilities, possible = answer.probabilities[row].tolist(), answer.sets[row].tolist()
            is_outlier = bool(scores[row] > threshold)
            yield Prediction(
                tuple((names[i], probabilities[i]) for i in orders[row]),
                tuple(names[i] for i in orders[row] if possible[i]),
                bool(answer.accepted[row]) or self._reject is None,
                float(scores[row]),
                (*([WARNING] if is_outlier else []), *notes),
                image,
                self.classifier.facts["recipe"]["name"],
                is_outlier or not found,
            )


def predict(
    pictures: Any, *, model: Any = None, reject: float | None = None
) -> Prediction | list[Prediction | ImageError]:
    """Say what is on pictures, with the models in the package or an exported one; needs no torch.

    >>> import numpy
    >>> predict(numpy.zeros((28, 28), numpy.uint8)).label in CLASS_NAMES
    True
    >>> predict("shoe.jpg").label  # doctest: +SKIP
    'Sneaker'
    >>> [answer.label for answer in predict(["shoe.jpg", "bag.png"])]  # doctest: +SKIP
    ['Sneaker', 'Bag']

    Args:
        pictures: one of these, or a list of them. A path of a PNG, JPEG, WEBP or AVIF file (HEIC
            with pillow-heif); of a folder, for all in and below it; or a pattern with * ? [. A
            Pillow picture. An array: (28, 28), (28, 28, 1), (N, 28, 28), (N, 784), or N of 28x28
            with 1 or 3 channels before or behind, numbers of any type from 0 to 255, or floats from
            0 to 1, are taken as the data set's images, bright on black (so are N squares of another
            side with channels); uint8 (H, W), (H, W, 1), (H, W, 3) and (H, W, 4) as photos (a
            grey one 784 wide: as a Pillow picture).
        model: an ONNX file, or a run that was exported, or its folder; None for those in the
            package.
        reject: accept only answers so sure that about this share of them is wrong: 0.005, 0.01,
            0.02, 0.03 or 0.05; None to accept all.

    Returns:
        An answer for a file, a picture or an array of one. For anything else a list in the order of
        the pictures, those of a folder by name; one that could not be used has its `ImageError`.

    Raises:
        ImageError: the single picture cannot be used.
        ModelError: the model is missing, or not what `export` writes.
        UsageError: `pictures` is something else, or there is no threshold for `reject`.
    """
    if reject is not None and not isinstance(reject, float | int):
        raise UsageError(f"reject is {reject!r:.60}; it must be a share, as 0.02, or None")
    path = getattr(model, "path", model)  # of a run
    if path is not None and not isinstance(path, str | os.PathLike):
        raise UsageError(f"model is {model!r:.60}; it must be an ONNX file, or a run, or its path")
    predictor = _predictor(reject) if path is None else open_predictor(Path(path), reject)
    kind = getattr(getattr(pictures, "dtype", None), "kind", "")
    words = kind in ("O", "U") and not isinstance(pictures, str)  # an array or a column of paths
    if isinstance(pictures, Iterator) or (words and getattr(pictures, "ndim", 1)):
        pictures = list(pictures)
    many = isinstance(pictures, list | tuple)
    found: list[Prediction | ImageError] = []
    for one in pictures if many else [pictures]:
        answers, single = _predict(predictor, one)
        found += answers
        many = many or not single
    if many:
        return found
    if isinstance(found[0], ImageError):
        raise found[0]
    return found[0]


@functools.cache
def _predictor(reject: float | None) -> Predictor:
    """Open the models in the package once."""
    return open_predictor(None, reject)


def _predict(predictor: Predictor, one: Any) -> tuple[list[Prediction | ImageError], bool]:
    """Answer for one of the things that `predict` takes; and whether it is a single picture."""
    if isinstance(one, str | os.PathLike):
        word = os.fspath(one)
        names = list(find_pictures([word]))
        return [_predict_file(predictor, name) for name in names], names == [word]
    pillow = hasattr(one, "save")
    if not pillow and not hasattr(one, "__array__"):
        raise UsageError(f"a picture is {one!r:.60}; give a path, a Pillow picture or an array")
    try:
        pixels = np.asarray(one)
    except OSError as error:  # Pillow reads its file only now
        return [ImageError(f"a picture cannot be read: {error}")], True
    except (RuntimeError, TypeError, ValueError) as error:  # a tensor that is to be detached
        raise UsageError(f"a picture gives no pixels: {error}") from None
    if not pillow and (images := images_in(pixels)) is not None:
        return [*predictor.predict_images(images)], pixels.shape in ONE_IMAGE
    if not pixels.size and pixels.ndim in (2, 3):  # a crop beside the picture
        return [ImageError(f"a picture of shape {pixels.shape} has no pixels")], True
    if not pillow and (pixels.dtype != np.uint8 or pixels.ndim not in (2, 3)):
        raise UsageError(
            f"pixels are {pixels.dtype} {pixels.shape}; they must be of shape (28, 28), "
            "(N, 28, 28) or (N, 784), with a channel or three, or uint8 of (H, W), (H, W, 1), "
            "(H, W, 3) or (H, W, 4)"
        )
    if pixels.shape[2:] == (1,):  # Pillow knows grey without an axis
        pixels = pixels[:, :, 0]
    from PIL import Image

    from fashion_cnn.data.decoding_child import as_grey, turned_upright

    file = io.BytesIO()
    try:
        picture = turned_upright(one).copy() if pillow else Image.fromarray(pixels)
        if picture.mode in _NOT_IN_PNG:
            picture = picture.convert("RGB")
        if picture.mode.startswith("I") and max(picture.size) > _LONGEST_EDGE:
            picture = as_grey(picture)  # Pillow cannot shrink it
        if max(picture.size) > _LONGEST_EDGE:  # a phone's photo as PNG would be too many bytes
            picture = picture.convert("RGBA") if picture.mode == "P" else picture
            picture.thumbnail((_LONGEST_EDGE, _LONGEST_EDGE))
        picture.save(file, "PNG")
    except (OSError, TypeError, ValueError) as error:
        raise UsageError(f"pixels of shape {pixels.shape} make no picture: {error}") from None
    return predictor.predict_all([file.getvalue()]), True


def _predict_file(predictor: Predictor, name: str) -> Prediction | ImageError:
    try:
        return predictor.predict(read_bytes(name))
    except ImageError as error:
        return ImageError(f"{told(name)}: {error}")


def open_predictor(
    path: Path | None = None, reject: float | None = None, threads: int | None = None
) -> Predictor:
    """Open an exported model, or both models in the package.

    Args: path: as in `open_model`, but None for both; reject: as in `Predictor`; threads: of each.

    Raises:
        ModelError: as `open_model`. If the second model is damaged, the first picture on uneven
            background raises it.
        UsageError: as `Predictor`.
    """
    if path is None:
        if not FOR_PHOTOS.is_file():
            raise ModelError(f"{FOR_PHOTOS} is missing; install the package again, or give --model")
        photos = functools.partial(OnnxClassifier.open, FOR_PHOTOS, threads)
        return Predictor(open_model(None, threads), reject, photos)
    return Predictor(open_model(path, threads), reject)


def open_model(path: Path | None = None, threads: int | None = None) -> OnnxClassifier:
    """Open an exported model.

    Args:
        path: an ONNX file, or the folder of an exported run; None for the first in the package.
        threads: CPU threads; None for all cores.

    Raises:
        ModelError: there is none, or it is not what `export` writes, or not the file that the
            report beside it names; or the run's results are of another checkpoint.
        UsageError: the folder holds no run, or one that was altered beyond use.
    """
    if path is None:
        return OnnxClassifier.open(PRETRAINED, threads)
    # Here: who asks for no model of theirs needs nothing of runs, and is answered sooner.
    from fashion_cnn.run.exports import ExportFiles
    from fashion_cnn.run.folder import Run

    if not path.is_dir():
        return OnnxClassifier.open(path, threads, ExportFiles.beside(path).sha256_of(path))
    run = Run.open(path)
    files, again = ExportFiles.of(run), f"export it with: {run_command('export', path)}"
    if not files.model.is_file():
        raise ModelError(f"{path} holds no exported model; {again}")
    model = OnnxClassifier.open(files.model, threads, files.sha256_of(files.model))
    if run.results.exist():
        shown, of = run.results.metrics.answering, model.facts["made_by"]
        weights = {shown.sha256, of.get("sha256", "")} - {""}  # neither was always noted
        if of.get("step") != shown.step or len(weights) > 1:
            raise ModelError(
                f"{files.model} is not of the checkpoint that {path} reports now; {again}"
            )
    return model
