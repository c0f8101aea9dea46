"""How well a model answers for photos: real ones, imitated ones, and pictures of no clothes.

    python bench/photos.py --model RUN_OR_ONNX [--photos DIR] [--test] [--output FILE]

DIR holds a folder of pictures for each of dress, longsleeve, outwear, pants, shirt, shoes and
t-shirt, which map onto classes of the data set, and of hat, shorts and skirt, which do not. Half of
them, by a hash of their names, are for tuning, the other half is held out. Without --test the
imitated photos are made of the validation images, on which everything was chosen; with it of test
images, and the reading is noted in the run. Prints the record as JSON.
"""

import argparse
import hashlib
import json
import sys
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pictures import CONDITIONS, STRANGE, photographs, strange_pictures

from fashion_cnn.classifier import Classifier
from fashion_cnn.data.fashion_mnist import find_data, load_test, load_training
from fashion_cnn.data.photo import read_photo
from fashion_cnn.data.split import Split, divide, stratified_sample
from fashion_cnn.errors import ImageError
from fashion_cnn.evaluation.outliers import auroc, outlier_score, outlier_threshold
from fashion_cnn.run.folder import Run

RIGHT = {
    "dress": (3,),
    "longsleeve": (2, 4, 6),
    "outwear": (4, 2),
    "pants": (1,),
    "shirt": (6,),
    "shoes": (5, 7, 9),
    "t-shirt": (0,),
}
NONE = ("hat", "shorts", "skirt")


def half_of(path: Path) -> str:
    """The part that a photo belongs to, by its name: "tuning" or "held_out"."""
    return ("tuning", "held_out")[hashlib.sha256(path.name.encode()).digest()[0] % 2]


def see(files: Iterable[bytes]) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
    """What a model sees of each file, (N, 28, 28), and which could be read, (N,)."""
    seen, readable = [], []
    for data in files:
        try:
            seen.append(read_photo(data).seen)
            readable.append(True)
        except ImageError:
            seen.append(np.zeros((28, 28), np.uint8))
            readable.append(False)
    return np.stack(seen), np.array(readable)


def open_model(path: Path) -> tuple[Classifier, Run | None]:
    """Open an exported model, or a run with its framework."""
    if path.suffix == ".onnx":
        from fashion_cnn.shipping.onnx_classifier import OnnxClassifier

        return OnnxClassifier.open(path), None
    from fashion_cnn.on_torch.classifier import open_classifier

    run = Run.open(path)
    return open_classifier(run), run


def real_photos(model: Classifier, folder: Path, threshold: float, limit: int) -> dict[str, Any]:
    """Accuracy a class and AUROC on the photos of a folder, for each half."""
    result: dict[str, Any] = {}
    for half in ("tuning", "held_out"):
        began, count = time.perf_counter(), 0
        right, scores = {}, {}
        for name in (*RIGHT, *NONE):
            paths = sorted(p for p in (folder / name).iterdir() if half_of(p) == half)
            paths = paths[:: max(1, len(paths) // limit)] if limit else paths
            images, _ = see(path.read_bytes() for path in paths)
            logits = model.logits(images)
            scores[name], count = outlier_score(logits), count + len(paths)
            if name in RIGHT:
                right[name] = {
                    "n": len(paths),
                    "accuracy": float(np.isin(logits.argmax(1), RIGHT[name]).mean()),
                    "warned": float((scores[name] > threshold).mean()),
                }
        known = np.concatenate([scores[name] for name in RIGHT])
        result[half] = {
            "macro_accuracy": float(np.mean([row["accuracy"] for row in right.values()])),
            "classes": right,
            "none_of_them": {
                "auroc": auroc(known, np.concatenate([scores[name] for name in NONE])),
                **{name: auroc(known, scores[name]) for name in NONE},
                "warned": float(
                    np.mean(np.concatenate([scores[name] for name in NONE]) > threshold)
                ),
            },
            "milliseconds_a_photo": 1000 * (time.perf_counter() - began) / count,
        }
    return result


def imitated(model: Classifier, split: Split) -> dict[str, Any]:
    """Accuracy on images of the data set, and on photos made of them."""
    clean = float((model.logits(split.images).argmax(1) == split.labels).mean())
    rows = {}
    for condition in CONDITIONS:
        images, readable = see(photographs(condition, split.images))
        accuracy = float((model.logits(images).argmax(1) == split.labels).mean())
        rows[condition] = {
            "accuracy": accuracy,
            "points_lost": 100 * (clean - accuracy),
            "unreadable": int((~readable).sum()),
        }
    return {"n": len(split), "clean": clean, "conditions": rows}


def strange(model: Classifier, ordinary: NDArray[np.float64], count: int) -> dict[str, Any]:
    """AUROC against the data set and share warned, for pictures of no clothes."""
    threshold = outlier_threshold(ordinary)
    rows, every = {}, []
    for kind in STRANGE:
        images, readable = see(strange_pictures(kind, count))
        scores = outlier_score(model.logits(images))
        scores[~readable] = np.inf  # refused, which is a warning
        every.append(scores)
        rows[kind] = {
            "auroc": auroc(ordinary, scores),
            "warned": float((scores > threshold).mean()),
        }
    together = np.concatenate(every)
    rows["all"] = {
        "auroc": auroc(ordinary, together),
        "warned": float((together > threshold).mean()),
    }
    return {"n_of_each": count, "threshold": threshold, "kinds": rows}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--model", type=Path, required=True, help="a run folder or an ONNX file")
    parser.add_argument("--photos", type=Path, help="a folder of photos, a folder a class")
    parser.add_argument("--test", action="store_true", help="imitate photos of test images")
    parser.add_argument("--images", type=int, default=1000, help="how many to imitate photos of")
    parser.add_argument(
        "--limit", type=int, default=0, help="about so many real photos a class; 0: all"
    )
    parser.add_argument("--output", type=Path, help="also write the record here")
    options = parser.parse_args()
    model, run = open_model(options.model)
    directory = find_data()
    if directory is None:
        sys.exit("the data set is missing: fashion-cnn data get")
    # A run's own validation images; of a model of unknown origin nothing better is known.
    share, seed = (run.recipe.validation, run.recipe.seed) if run else (1 / 60, 0)
    held_out = divide(load_training(directory), validation=share, seed=seed).validation
    ordinary = outlier_score(model.logits(held_out.images))
    split = held_out
    if options.test:
        if run:
            run.record_test_reading(reason="bench/photos.py")
        split = load_test(directory)
    if options.images < len(split):
        split = split.select(stratified_sample(split.labels, options.images, 0, "bench"))
    record: dict[str, Any] = {
        "model": run.recipe.to_dict() if run else options.model.name,
        "imitated_of": "test" if options.test else "validation",
        "imitated": imitated(model, split),
        "strange": strange(model, ordinary, 200),
    }
    if options.photos:
        threshold = outlier_threshold(ordinary)
        record["real_photos"] = real_photos(model, options.photos, threshold, options.limit)
    text = json.dumps(record, indent=2) + "\n"
    if options.output:
        options.output.write_text(text)
    sys.stdout.write(text)


if __name__ == "__main__":
    main()
