"""How well a model answers for photos: real ones, imitated ones, and pictures of no clothes.

    python bench/photos.py [--model RUN_OR_ONNX] [--photos DIR [--held-out]] [--test]

DIR holds a folder of pictures for each of dress, longsleeve, outwear, pants, shirt, shoes and
t-shirt, which map onto classes of the data set, and of hat, shorts and skirt, which do not. Half of
them, by a hash of their names, are for tuning, the other half is held out. Only the tuning half is
read, unless --held-out asks for the other one instead: that reading is counted before a photo is
opened, in docs/results/held-out-photos.jsonl, a line a reading; commit the line with the record.
Without --test the imitated photos are made of the validation images, on which everything was
chosen; with it of test images, and the reading is noted in the run. Prints the record as JSON.
"""

import argparse
import hashlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fashion_cnn.classifier import Classifier
from fashion_cnn.data.fashion_mnist import DataSet, find_data
from fashion_cnn.data.photo import Photo, read_photo
from fashion_cnn.data.split import Split, divide, stratified_sample
from fashion_cnn.errors import ImageError
from fashion_cnn.evaluation.calibration import Calibration
from fashion_cnn.evaluation.metrics import wilson_interval
from fashion_cnn.evaluation.outliers import outlier_score, outlier_threshold
from fashion_cnn.on_torch.classifier import open_classifier
from fashion_cnn.on_torch.imitate import as_photos
from fashion_cnn.recipes.recipe import Recipe
from fashion_cnn.run.checkpoint import WEIGHTS
from fashion_cnn.run.folder import Run
from fashion_cnn.shipping.onnx_classifier import OnnxClassifier
from fashion_cnn.shipping.predict import FOR_PHOTOS, PRETRAINED
from pictures import CONDITIONS, STRANGE, photographs, strange_pictures
from recording import write

RIGHT = {
    "dress": (3,),
    "longsleeve": (2, 4, 6),
    "outwear": (4, 2),
    "pants": (1,),
    "shirt": (6,),
    "shoes": (5, 7, 9),
    "t-shirt": (0,),
}
"""Of each kind of photo, the classes of the data set that count as right."""

NONE = ("hat", "shorts", "skirt")
"""Kinds of which the data set has no class."""

REPOSITORY = Path(__file__).resolve().parents[1]
READINGS = REPOSITORY / "docs/results/held-out-photos.jsonl"


def half_of(path: Path) -> str:
    """The part that a photo belongs to, by its name: "tuning" or "held_out"."""
    return ("tuning", "held_out")[hashlib.sha256(path.name.encode()).digest()[0] % 2]


def record_reading(readings: Path, sha256: Sequence[str], record: Path | None = None) -> int:
    """Add a line for a reading of the held-out half, and sync it, before any photo is opened.

    Args:
        readings: a file of JSON lines, which is only ever added to.
        sha256: of the files that hold the models' weights.
        record: where the result will be written.

    Returns:
        How many readings there were before.
    """
    before = len(readings.read_text().splitlines()) if readings.exists() else 0
    line = {
        "reading": before + 1,
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "commit": _commit(),
        "sha256": list(sha256),
        "record": record and record.name,
    }
    with readings.open("a") as file:
        file.write(json.dumps(line) + "\n")
        file.flush()
        os.fsync(file.fileno())
    return before


def _commit() -> str:
    """The commit that answers, marked where code differs from it; "unknown" without git."""
    try:
        head, changed = (
            subprocess.run(
                ["git", *words], cwd=REPOSITORY, capture_output=True, text=True, check=True
            ).stdout.strip()
            for words in (["rev-parse", "HEAD"], ["status", "--porcelain", "--", "src", "bench"])
        )
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return head + (" and changes" if changed else "")


@dataclass(frozen=True, eq=False)
class Answers:
    """What was said of N pictures.

    Attributes:
        classes: int64 (N,), the most probable one.
        strangeness: float64 (N,), how far the outlier score is above what is warned of.
        readable: bool (N,), whether there was anything to look at.
        warned: bool (N,), whether people are told that the answer may be worth little, by the score
            or because nothing stands out from the background.
        confidence: float64 (N,), calibrated; not a number for a model that was not exported.
        sets: bool (N, C), the classes that it may be; all for a model that was not exported.
    """

    classes: NDArray[np.int64]
    strangeness: NDArray[np.float64]
    readable: NDArray[np.bool_]
    warned: NDArray[np.bool_]
    confidence: NDArray[np.float64]
    sets: NDArray[np.bool_]


class Models:
    """A model, or two: the second answers for what was cut out of an uneven background."""

    def __init__(self, models: Sequence[Classifier], ordinary: NDArray[np.uint8]) -> None:
        """Take models, and images (N, 28, 28) of which 95 % are nothing to warn of.

        An exported model knows by itself what to warn of.
        """
        thresholds = [
            model.facts["outlier"]["threshold"]
            if isinstance(model, OnnxClassifier)
            else outlier_threshold(outlier_score(model.logits(ordinary)))
            for model in models
        ]
        self._models = models[0], models[-1]
        self._thresholds = thresholds[0], thresholds[-1]

    def look(self, images: NDArray[np.uint8], second: NDArray[np.bool_] | None = None) -> Answers:
        """Answer for prepared images (N, 28, 28), for some of them by the second model."""
        second = np.zeros(len(images), bool) if second is None else second
        classes, strangeness = np.empty(len(images), np.int64), np.empty(len(images))
        confidence, sets = np.full(len(images), np.nan), np.ones((len(images), 10), bool)
        for which, (model, threshold) in enumerate(
            zip(self._models, self._thresholds, strict=True)
        ):
            logits = model.logits(images[second == which])
            classes[second == which] = logits.argmax(1)
            strangeness[second == which] = outlier_score(logits) - threshold
            if isinstance(model, OnnxClassifier):
                answer = Calibration.from_dict(model.facts["calibration"]).answer(logits)
                confidence[second == which], sets[second == which] = answer.confidence, answer.sets
        readable = np.ones(len(images), bool)
        return Answers(classes, strangeness, readable, strangeness > 0, confidence, sets)

    def read(self, files: Iterable[bytes]) -> Answers:
        """Answer for picture files; what cannot be read counts as black."""
        seen, uneven, readable, noted = [], [], [], []
        for data in files:
            try:
                photo = read_photo(data)
                readable.append(True)
            except ImageError:
                photo = Photo(np.zeros((28, 28), np.uint8))
                readable.append(False)
            noted.append(bool(photo.notes))
            seen.append(photo.seen)
            uneven.append(not photo.plain)
        found = self.look(np.stack(seen), np.array(uneven))
        warned = found.warned | np.array(noted)
        return replace(found, readable=np.array(readable), warned=warned)


def open_models(path: Path | None) -> tuple[list[Classifier], list[str], Recipe, Run | None]:
    """Open an exported model, a run with its framework, or for None those in the package.

    Returns:
        The models, the SHA-256 of the files with their weights, the recipe of the first, and the
        run if it is one.
    """
    if path is None or path.suffix == ".onnx":
        models = [OnnxClassifier.open(p) for p in ([path] if path else [PRETRAINED, FOR_PHOTOS])]
        sums = [model.sha256 for model in models]
        return [*models], sums, Recipe.from_dict(models[0].facts["recipe"]), None
    run = Run.open(path)
    weights = run.checkpoints.load(run.answering).path / WEIGHTS
    sums = [hashlib.sha256(weights.read_bytes()).hexdigest()]
    return [open_classifier(run)], sums, run.recipe, run


def real_photos(models: Models, folder: Path, half: str) -> dict[str, Any]:
    """Accuracy a class and AUROC on one half of the photos of a folder.

    Args: half: "tuning" or "held_out"; no photo of the other one is opened.
    """
    began, count = time.perf_counter(), 0
    right, scores, warned, known_answers = {}, {}, {}, []
    for name in (*RIGHT, *NONE):
        paths = sorted(p for p in (folder / name).iterdir() if half_of(p) == half)
        answers = models.read(path.read_bytes() for path in paths)
        scores[name], count = answers.strangeness, count + len(paths)
        warned[name] = answers.warned
        if name in RIGHT:
            correct = np.isin(answers.classes, RIGHT[name])
            covered = answers.sets[:, RIGHT[name]].any(axis=1)
            known_answers.append((correct, answers.confidence, covered, answers.sets.sum(1)))
            right[name] = {
                "n": len(paths),
                "accuracy": float(correct.mean()),
                "interval": wilson_interval(int(correct.sum()), len(paths)),
                "warned": float(warned[name].mean()),
            }
    known = np.concatenate([scores[name] for name in RIGHT])
    none = np.concatenate([scores[name] for name in NONE])
    return {
        "macro_accuracy": float(np.mean([row["accuracy"] for row in right.values()])),
        "macro_interval": macro_interval(
            [(row["accuracy"], *row["interval"]) for row in right.values()]
        ),
        "classes": right,
        "none_of_them": {
            "auroc": auroc(known, none),
            **{name: auroc(known, scores[name]) for name in NONE},
            "warned": float(np.concatenate([warned[name] for name in NONE]).mean()),
        },
        **_calibration(known_answers),
        "milliseconds_a_photo": 1000 * (time.perf_counter() - began) / count,
    }


def macro_interval(shares: Sequence[tuple[float, float, float]]) -> tuple[float, float]:
    """The 95 % interval of a mean of independent shares, each given with its own interval.

    From the mean, the root of the summed squares of the distances to the single limits, divided by
    the number of shares. Source: Zou and Donner 2008, Statistics in Medicine 27, 1693-1702.
    """
    mean = sum(share for share, _, _ in shares) / len(shares)
    below = sum((share - low) ** 2 for share, low, _ in shares) ** 0.5 / len(shares)
    above = sum((high - share) ** 2 for share, _, high in shares) ** 0.5 / len(shares)
    return mean - below, mean + above


def auroc(ordinary: np.ndarray, strange: np.ndarray) -> float:
    """Probability that a strange picture scores higher than an ordinary one, ties counting half."""
    ordinary = np.sort(ordinary)
    below = np.searchsorted(ordinary, strange, side="left")
    not_above = np.searchsorted(ordinary, strange, side="right")
    return float((below + not_above).mean() / (2 * len(ordinary)))


def _calibration(answers: Sequence[tuple[NDArray[Any], ...]]) -> dict[str, Any]:
    """What the probabilities are worth, over all photos of the kinds that are known."""
    correct, confidence, covered, size = (
        np.concatenate(part) for part in zip(*answers, strict=True)
    )
    if np.isnan(confidence).any():
        return {}
    return {
        "calibration": {
            "mean_accuracy": float(correct.mean()),
            "mean_confidence": float(confidence.mean()),
            "sets_cover": float(covered.mean()),
            "mean_set_size": float(size.mean()),
        }
    }


def imitated(models: Models, split: Split) -> dict[str, Any]:
    """Accuracy on images of the data set, and on photos made of them."""
    clean = float((models.look(split.images).classes == split.labels).mean())
    rows = {}
    for condition in CONDITIONS:
        answers = models.read(photographs(condition, split.images))
        accuracy = float((answers.classes == split.labels).mean())
        rows[condition] = {
            "accuracy": accuracy,
            "points_lost": 100 * (clean - accuracy),
            "unreadable": int((~answers.readable).sum()),
        }
    return {"n": len(split), "clean": clean, "conditions": rows}


def strange(models: Models, ordinary: NDArray[np.uint8], count: int) -> dict[str, Any]:
    """AUROC against the data set and share warned, for pictures of no clothes."""
    usual = models.look(ordinary).strangeness
    rows, every, warned = {}, [], []
    for kind in STRANGE:
        answers = models.read(strange_pictures(kind, count))
        # What is refused is warned of.
        every.append(np.where(answers.readable, answers.strangeness, np.inf))
        warned.append(answers.warned | ~answers.readable)
        rows[kind] = {"auroc": auroc(usual, every[-1]), "warned": float(warned[-1].mean())}
    together = auroc(usual, np.concatenate(every))
    rows["all"] = {"auroc": together, "warned": float(np.concatenate(warned).mean())}
    return {"n_of_each": count, "kinds": rows}


def main(words: Sequence[str] | None = None) -> None:
    """Measure and print. Args: words: of the command line, for tests."""
    options = _options(words)
    classifiers, sums, recipe, run = open_models(options.model)
    directory = find_data()
    if directory is None:
        sys.exit("the data set is missing: fashion-cnn data get")
    training = DataSet.open(directory).training()
    validation = divide(training, validation=recipe.validation, seed=recipe.seed).validation
    models = Models(classifiers, (as_photos(validation) if recipe.photo else validation).images)
    split = validation
    if options.test:
        if run:
            run.record_test_reading(reason="bench/photos.py")
        split = DataSet.open(directory).test()
    if options.images < len(split):
        split = split.select(stratified_sample(split.labels, options.images, 0, "bench"))
    record: dict[str, Any] = {
        "model": recipe.to_dict(),
        "and_for_photos": len(classifiers) > 1,
        "sha256": sums,
        "imitated_of": "test" if options.test else "validation",
        "imitated": imitated(models, split),
        "strange": strange(models, validation.images, 200),
    }
    if options.photos:
        half = "held_out" if options.held_out else "tuning"
        if options.held_out:
            record["held_out_readings_before"] = record_reading(READINGS, sums, options.output)
        record["real_photos"] = {half: real_photos(models, options.photos, half)}
    write("python " + " ".join(sys.argv), options.output, **record)


def _options(words: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument(
        "--model", type=Path, help="a run folder or an ONNX file  [the two in the package]"
    )
    parser.add_argument("--photos", type=Path, help="a folder of photos, a folder a class")
    parser.add_argument(
        "--held-out", action="store_true", help="their held-out half; the reading is counted"
    )
    parser.add_argument("--test", action="store_true", help="imitate photos of test images")
    parser.add_argument("--images", type=int, default=1000, help="how many to imitate photos of")
    parser.add_argument("--output", type=Path, help="also write the record here")
    options = parser.parse_args(words)
    if options.held_out and not options.photos:
        parser.error("--held-out is a half of --photos DIR")
    return options


if __name__ == "__main__":
    main()
