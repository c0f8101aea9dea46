"""Other tools beside ours, one after the other: accuracy against time, lines a person writes.

    pip install -r bench/peers/requirements.txt     # in an environment of its own
    python bench/peers.py --python OTHER/bin/python --timm-train TRAIN.PY --output FILE [NAME ...]

Each peer is a script in bench/peers/, as its own documentation would have it, with as many epochs
as `EPOCHS` gives it. All have the training and validation images of our seed 0, and the test images
without their labels; their answers are scored here, once. Ours run by their commands. Run it on a
quiet machine, or with `taskset` on a quiet core. What FILE holds of those not named is kept.
"""

import argparse
import csv
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from fashion_cnn.data.fashion_mnist import DataSet
from fashion_cnn.data.fetch import data_directory
from fashion_cnn.process.machine import usable_cores
from fashion_cnn.recipes.catalog import RECIPES
from fashion_cnn.run.folder import Run
from recording import write

PEERS = Path(__file__).with_name("peers")
EPOCHS = {
    "keras_convnet": 15,
    "torchvision_resnet18": 3,
    "timm_resnet18": 3,
    "fastai_resnet18": 3,
    "ultralytics_yolo26n": 3,
}
"""Of each peer: what its documentation says, or what ends in 5 to 20 minutes on two cores."""
OURS = {
    "fast": ["fast", "--validation", "0.1"],
    "fast94": ["fast94", "--epochs", "6", "--label-smoothing", "0.05", "--validation", "0.1"],
}
"""Arguments of `fashion-cnn train`; they keep as many images for validation as the others do.

`fast94` as it was when they were measured.
"""
MATCH = 0.9164
"""Test accuracy that the course project reached; sought on validation images."""


def prepare(folder: Path) -> np.ndarray:
    """Write arrays.npz and pictures/{train,val}/CLASS/*.png. Returns: the test labels."""
    data = DataSet.open(data_directory(None, print))
    divided, test = data.divided(RECIPES["baseline"]()), data.test()
    np.savez(
        folder / "arrays.npz",
        training_images=divided.training.images,
        training_labels=divided.training.labels,
        validation_images=divided.validation.images,
        validation_labels=divided.validation.labels,
        test_images=test.images,
    )
    for name, split in (("train", divided.training), ("val", divided.validation)):
        for index, (image, label) in enumerate(zip(split.images, split.labels, strict=True)):
            picture = folder / f"pictures/{name}/{label}/{index:05}.png"
            picture.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(image).save(picture)
    return test.labels


def run_peer(name: str, python: str, folder: Path, labels: np.ndarray) -> dict[str, Any]:
    """Train one peer in a process of its own. Returns: its part of the record."""
    output = folder / name
    output.mkdir(parents=True)
    began = time.time()
    variables = {
        "PEER_DATA": str(folder),
        "PEER_OUTPUT": str(output),
        "PEER_EPOCHS": str(EPOCHS[name]),
        "PEER_STARTED": str(began),
        "OMP_NUM_THREADS": str(usable_cores()),
    }
    interpreter = sys.executable if name == "keras_convnet" else python
    command = [interpreter, str(PEERS / f"{name}.py")]
    subprocess.run(command, check=True, cwd=output, env={**os.environ, **variables})
    with (output / "validation.csv").open() as file:
        epochs = [[float(value) for value in row] for row in csv.reader(file)]
    answers = np.load(output / "answers.npy")
    return {
        "epochs": EPOCHS[name],
        "validation": epochs[: EPOCHS[name]],
        "command_seconds": time.time() - began,
        "test_accuracy": float((answers == labels).mean()),
        "lines": lines(PEERS / f"{name}.py"),
    }


def lines(script: Path) -> int:
    """Lines that a person writes: no blanks, comments, head, and none of the measurement's."""
    if "COMMAND" in script.read_text():
        return 1
    code = script.read_text().split('"""', 2)[2].splitlines()
    code = [line.strip() for line in code]
    written = [line for line in code if line and not line.startswith("#")]
    return len([line for line in written if "measuring" not in line and "answered(" not in line])


def run_ours(name: str, folder: Path) -> dict[str, Any]:
    """Train one of our recipes by its command. Returns: its part of the record."""
    output, began = folder / "ours" / name, time.time()
    words = ["train", *OURS[name], "--output", str(output), "--threads", str(usable_cores())]
    subprocess.run([sys.executable, "-m", "fashion_cnn", *words], check=True)
    whole, run = time.time() - began, Run(output)
    ends = [
        round(datetime.fromisoformat(entry["time"]).timestamp() - began, 1)
        for entry in map(json.loads, (output / "log.jsonl").read_text().splitlines())
        if entry["event"] == "epoch"
    ]
    accuracies = [record.val_accuracy for record in run.history]
    return {
        "epochs": len(ends),
        "validation": [list(pair) for pair in zip(ends, accuracies, strict=True)],
        "command_seconds": whole,
        "test_accuracy": run.results.metrics.shown.accuracy,
        "lines": 1,
    }


def reached(validation: list[list[float]], accuracy: float) -> float | None:
    """Seconds until the validation images were first answered so well; None for never."""
    return next((seconds for seconds, found in validation if found >= accuracy), None)


def versions(python: str) -> list[str]:
    """What is installed beside the peers."""
    listed = subprocess.run([python, "-m", "pip", "freeze"], capture_output=True, text=True)
    wanted = ("torch", "timm", "fastai", "ultralytics", "numpy")
    return [line for line in listed.stdout.splitlines() if line.startswith(wanted)]


def main() -> None:
    """Run those that are named, or all, and write the record."""
    parser = argparse.ArgumentParser()
    parser.add_argument("names", nargs="*", default=[*EPOCHS, *OURS])
    parser.add_argument("--python", required=True, help="of the environment that has the peers")
    parser.add_argument("--timm-train", required=True, help="timm's train.py")
    parser.add_argument("--output", type=Path)
    given = parser.parse_args()
    os.environ["TIMM_TRAIN"] = str(Path(given.timm_train).resolve())
    folder, found = Path(tempfile.mkdtemp()), {}
    if given.output and given.output.exists():
        found = json.loads(given.output.read_text())["peers"]
    try:
        labels = prepare(folder)
        for name in given.names:
            peer = name in EPOCHS
            found[name] = (
                run_peer(name, given.python, folder, labels) if peer else run_ours(name, folder)
            )
            found[name]["seconds_to_match"] = reached(found[name]["validation"], MATCH)
            known = {"peers": found, "versions": versions(given.python)}
            write("python bench/peers.py", given.output, cores=usable_cores(), **known)
    finally:
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
