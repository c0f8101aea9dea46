"""What the trials are made on: a small part of Fashion-MNIST, and finished runs on it."""

import shutil
from pathlib import Path

from fashion_cnn.cli import main
from fashion_cnn.data.fashion_mnist import CLASS_NAMES, DataSet
from fashion_cnn.data.fetch import data_directory
from fashion_cnn.data.forms.labelled import Part
from fashion_cnn.data.framing import AS_PUBLISHED
from fashion_cnn.data.split import stratified_sample
from fashion_cnn.data.writing import write_data_set

SMALL = ("--train-images", "300", "--width", "8", "--threads", "1")
"""Of a training of two seconds."""


def prepare(stage: Path) -> None:
    """Make the data set and two exported runs of as many steps, "run" and "other"."""
    if (stage / "ready").exists():
        return
    shutil.rmtree(stage, ignore_errors=True)
    real = data_directory(None, print)
    parts = {}
    for name, split, count in (
        ("train", DataSet.open(real).training(), 2400),
        ("test", DataSet.open(real).test(), 600),
    ):
        chosen = split.select(stratified_sample(split.labels, count, 0, "campaign"))
        parts[name] = Part(chosen.images, chosen.labels)
    write_data_set(stage / "data", CLASS_NAMES, parts, AS_PUBLISHED)
    where = ["--data-dir", str(stage / "data")]
    for name, seed in (("run", "0"), ("other", "5")):
        folder = str(stage / name)
        words = ["--epochs", "2", "--seed", seed, "--output", folder, *SMALL, *where]
        command(["train", "baseline", *words])
        command(["export", folder, "--int8", *where])
    (stage / "ready").touch()


def command(words: list[str], allowed: tuple[int, ...] = (0,)) -> int:
    """Run a command in this process; raises what it raises, and for any other exit code."""
    code = main(words)
    if code not in allowed:
        raise AssertionError(f"fashion-cnn {' '.join(words)} ended with {code}")
    return code
