"""What a look through the layers costs: python bench/layers.py RUN..., of exported runs.

Writes docs/results/layers.json: of the models in the box and of each run processor time on one
thread, in milliseconds, for maps and features alone and for all that the page shows (36 more
answers for the evidence among it), medians over the samples of the page, and the bytes of the
answer.
"""

import functools
import json
import statistics
import sys
from collections.abc import Callable
from pathlib import Path
from time import process_time
from typing import Any

import numpy as np
from PIL import Image

from fashion_cnn.shipping.inside import Inside
from fashion_cnn.shipping.layers import seen_layers
from fashion_cnn.shipping.onnx_classifier import OnnxClassifier
from fashion_cnn.shipping.predict import FOR_PHOTOS, PRETRAINED
from fashion_cnn.shipping.serve import PAGE

RECORD = Path(__file__).parents[1] / "docs/results/layers.json"
ROUNDS = 20


def milliseconds(work: Callable[[Any], Any], on: Any) -> float:
    """Processor time of a call."""
    begin = process_time()
    work(on)
    return 1000 * (process_time() - begin)


def cost(path: Path, images: list[np.ndarray]) -> dict[str, Any]:
    """Of one model."""
    classifier = OnnxClassifier.open(path, threads=1)
    opened = milliseconds(Inside, classifier)
    inside = Inside(classifier)
    seen_layers(inside, images[0])
    rounds = [image for _ in range(ROUNDS) for image in images]
    whole = functools.partial(seen_layers, inside)
    return {
        "recipe": classifier.facts["recipe"]["name"],
        "n": len(rounds),
        "opening_ms": round(opened, 1),
        "maps_ms": round(statistics.median(milliseconds(inside.see, x) for x in rounds), 2),
        "all_ms": round(statistics.median(milliseconds(whole, x) for x in rounds), 2),
        "bytes": max(len(json.dumps(whole(image))) for image in images),
    }


def main() -> None:
    """Measure, and write the record."""
    images = []
    for sample in sorted((PAGE / "samples").iterdir()):
        with Image.open(sample) as file:
            images.append(np.asarray(file.convert("L")))
    paths = [PRETRAINED, FOR_PHOTOS, *(Path(run) / "model.onnx" for run in sys.argv[1:])]
    found = [cost(path, images) for path in paths]
    RECORD.write_text(json.dumps(found, indent=2) + "\n")
    print(RECORD.read_text())


if __name__ == "__main__":
    main()
