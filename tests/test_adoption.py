"""Own data as people have them: what cannot be adopted in place, parts and classes by name."""

import unicodedata
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from fashion_cnn.cli import main
from fashion_cnn.data.fashion_mnist import DataSet
from fashion_cnn.data.files import FILES
from fashion_cnn.data.forms.parts import part_of
from fashion_cnn.data.layout import read_layout
from opened import load_training
from shapes import write_files
from test_idx import idx

IMAGES = np.random.default_rng(0).integers(0, 256, (40, 28, 28), dtype=np.uint8)
LABELS = (np.arange(40) % 10).astype(np.uint8)
COPY = "--output FOLDER reads other forms, and writes a copy in this one"


pytestmark = pytest.mark.usefixtures("elsewhere")


def fill(
    images: Callable[[np.ndarray], np.ndarray] = np.array,
    labels: Callable[[np.ndarray], np.ndarray] = np.array,
) -> None:
    Path("in").mkdir()
    for prefix in ("train", "t10k"):
        Path(f"in/{prefix}-images-idx3-ubyte").write_bytes(idx(images(IMAGES)))
        Path(f"in/{prefix}-labels-idx1-ubyte").write_bytes(idx(labels(LABELS)))


@pytest.mark.parametrize("name", ["fashion-mnist_train.csv", "mnist.npz", "train.parquet"])
def test_a_file_by_itself_is_converted(name: str, capsys) -> None:
    Path(name).write_bytes(b"whatever it holds")
    assert main(["data", "adopt", name]) == 3
    said = capsys.readouterr().err
    assert f"{name} is a file; in place only a folder with MNIST's four files" in said
    assert said.endswith("to convert it, name a new folder with --output\n")


@pytest.mark.parametrize(
    ("images", "labels", "said"),
    [
        (np.array, lambda labels: np.eye(10, dtype=np.uint8)[labels], "uint8 (40, 10), no labels"),
        (
            np.array,
            lambda labels: np.repeat(labels[:, None], 8, 1).astype(">i4"),
            "int32 (40, 8), no labels",
        ),
        (lambda images: images.reshape(-1, 784), np.array, "uint8 (40, 784), no images"),
        (
            lambda images: images.astype(">i4"),
            np.array,
            "int32 (40, 28, 28), not uint8 (N, 28, 28)",
        ),
        (
            lambda images: np.pad(images, ((0, 0), (2, 2), (2, 2))),
            np.array,
            "uint8 (40, 32, 32), not uint8 (N, 28, 28)",
        ),
    ],
    ids=["one-hot", "QMNIST", "flat", "int32", "32x32"],
)
def test_what_a_copy_can_be_made_of_is_told(images, labels, said: str, capsys) -> None:
    fill(images, labels)
    assert main(["data", "adopt", "in"]) == 3
    assert capsys.readouterr().err.endswith(f" holds an array of {said}; {COPY}\n")
    assert main(["data", "adopt", "in", "--output", "own"]) == 0
    assert load_training(Path("own")).images.shape == (40, 28, 28)


def test_labels_named_as_images_are_told_as_such(capsys) -> None:
    fill()
    names = [Path(f"in/train-{name}-ubyte") for name in ("images-idx3", "labels-idx1")]
    first, second = (name.read_bytes() for name in names)
    names[0].write_bytes(second)
    names[1].write_bytes(first)
    assert main(["data", "adopt", "in"]) == 3
    assert "no images; are the files of images and labels named the wrong way round?\n" in (
        capsys.readouterr().err
    )


@pytest.mark.parametrize("root", ["data", "data/MNIST", "data/MNIST/raw"])
def test_torchvisions_folder_is_adopted_by_any_of_its_names(root: str, capsys) -> None:
    write_files(Path("data/MNIST/raw"), IMAGES, LABELS, IMAGES[:20], LABELS[:20])
    assert main(["data", "adopt", root]) == 0
    said = capsys.readouterr()
    assert said.out.startswith("data/MNIST/raw: 10 classes")
    assert "train --data-dir data/MNIST/raw" in said.err
    assert DataSet.open(Path("data/MNIST/raw")).contents.name == "MNIST"


def test_of_two_folders_of_torchvisions_none_is_chosen(capsys) -> None:
    for name in ("MNIST", "KMNIST"):
        write_files(Path("data", name, "raw"), IMAGES, LABELS, IMAGES[:20], LABELS[:20])
    assert main(["data", "adopt", "data"]) == 3
    assert f"data has no {FILES[0]}" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("folder", "told"), [("EMNIST-letters", True), ("tissuemnist", False), ("mnist", False)]
)
def test_emnist_in_place_is_said_to_lie_on_its_side(folder, told, monkeypatch, capsys) -> None:
    write_files(Path(folder), IMAGES, LABELS, IMAGES[:20], LABELS[:20])
    said = "rows and columns exchanged; they were left so, and --output FOLDER writes a copy that"
    assert main(["data", "adopt", folder]) == 0
    assert (said in capsys.readouterr().err) == told
    monkeypatch.chdir(folder)
    assert main(["data", "adopt", "."]) == 0
    assert said not in capsys.readouterr().err, "it has been recorded, so somebody has read it"
    Path("dataset.json").unlink()
    assert main(["data", "adopt", "."]) == 0
    assert (said in capsys.readouterr().err) == told, "by its name, however it was named here"


@pytest.mark.parametrize(
    ("name", "part"),
    [
        ("trn", "train"),
        ("TR", "train"),
        ("te", "test"),
        ("ts", "test"),
        ("tst", "test"),
        ("eval", "test"),
        ("evaluation", "test"),
        ("Holdout set", "test"),
        ("val1", "validation"),
        ("X_tr", "train"),
        ("y_te", "test"),
    ],
)
def test_short_words_for_parts(name: str, part: str) -> None:
    assert part_of(name) == part


def test_kana_and_countries_stay_classes() -> None:
    for name in ("ta", "te", "to", "tr"):
        Path("photos", name).mkdir(parents=True)
    found, _ = read_layout(Path("photos"), lambda line: None)
    assert [(one.name, one.part) for one in found] == [
        (name, "") for name in ("ta", "te", "to", "tr")
    ]


def test_a_name_in_two_forms_of_unicode_is_one_class() -> None:
    """A Mac writes the accent of a folder's name as a letter of its own."""
    names = [unicodedata.normalize(form, "Café") for form in ("NFC", "NFD")]
    assert names[0] != names[1]
    for number, (part, name) in enumerate((("train", names[0]), ("test", names[1]))):
        for place, folder in enumerate((name, "Bar")):
            Path("photos", part, folder).mkdir(parents=True)
            for image in range(3):
                pixels = IMAGES[6 * number + 3 * place + image]
                Image.fromarray(pixels).save(Path("photos", part, folder, f"{image}.png"))
    assert main(["data", "import", "photos", "--output", "own"]) == 0
    assert Path("own/classes.txt").read_text() == f"Bar\n{names[0]}\n"
