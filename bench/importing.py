"""How long large data sets take to come in, and how much memory: each command a process of its own.

    python bench/importing.py [--rounds 3] [--output FILE]

Makes of Fashion-MNIST a folder of 70,000 PNGs, in train/CLASS and test/CLASS, and the two CSVs of
Kaggle's form, and times `data import` and `data adopt` on them. Memory is that of the command and
of all processes below it together, looked at ten times a second. Prints the record as JSON.
"""

import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from PIL import Image

from fashion_cnn.data.fashion_mnist import DataSet
from fashion_cnn.data.fetch import data_directory
from fashion_cnn.data.split import Split
from recording import parser, resident, summary, write


def make_pngs(split: Split, folder: Path) -> None:
    """Write each image into the folder of its class."""
    for label, name in enumerate(split.class_names):
        home = folder / name.replace("/", " or ")
        home.mkdir(parents=True)
        for place in np.flatnonzero(split.labels == label):
            Image.fromarray(split.images[place]).save(home / f"{place}.png", compress_level=1)


def make_csv(split: Split, file: Path) -> None:
    """Write a label and 784 pixels a row, as Kaggle's files have them."""
    rows = np.column_stack([split.labels, split.images.reshape(len(split), -1)])
    head = ",".join(["label", *(f"pixel{place}" for place in range(1, 785))])
    np.savetxt(file, rows, "%d", delimiter=",", header=head, comments="")


def measure(words: list[str]) -> tuple[float, float]:
    """Seconds and MiB at most of `fashion-cnn` with these words."""
    began, most = time.perf_counter(), 0.0
    command = [sys.executable, "-m", "fashion_cnn", *words]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as process:
        while process.poll() is None:
            most = max(most, resident(process.pid) / 2**20)
            time.sleep(0.1)
    if process.returncode:
        sys.exit(f"fashion-cnn {' '.join(words)} ended with {process.returncode}")
    return time.perf_counter() - began, most


def main() -> None:
    """Measure and print."""
    options = parser(__doc__, rounds=3).parse_args()
    data = DataSet.open(data_directory(None, print))
    readings: dict[str, list[tuple[float, float]]] = {}
    with tempfile.TemporaryDirectory() as scratch:
        home = Path(scratch)
        (home / "csv").mkdir()
        for part, split in (("train", data.training()), ("test", data.test())):
            make_pngs(split, home / "png" / part)
            make_csv(split, home / "csv" / f"fashion-mnist_{part}.csv")
        for count in range(options.rounds):
            for verb, kind in (("import", "png"), ("adopt", "csv")):
                words = ["data", verb, str(home / kind), "--output", str(home / f"{kind}-{count}")]
                readings.setdefault(f"{verb} {kind}", []).append(measure(words))
    images = len(data.training()) + len(data.test())
    found = {"rounds": options.rounds, "images": images, "commands": summary(readings)}
    write("python bench/importing.py", options.output, **found)


if __name__ == "__main__":
    main()
