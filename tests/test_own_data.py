"""Data sets of one's own: photos imported, IDX files adopted, and what is refused."""

import csv
import gzip
import json
import os
import shutil
import unicodedata
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, ClassVar

import numpy as np
import pytest
from PIL import Image

from failing import fails
from fashion_cnn.cli import main
from fashion_cnn.data import fashion_mnist
from fashion_cnn.data.arrays import write_arrays
from fashion_cnn.data.fashion_mnist import DataSet
from fashion_cnn.data.files import FILES
from fashion_cnn.data.idx import to_idx
from fashion_cnn.data.items import names_of, read_items
from fashion_cnn.data.manifest import class_names
from fashion_cnn.data.photo import read_photo
from fashion_cnn.data.split import Split
from fashion_cnn.errors import DataError, UsageError
from opened import load_test, load_training
from shapes import CLASSES, draw_photos, write_idx

pytestmark = pytest.mark.usefixtures("elsewhere")


@pytest.fixture
def photos(elsewhere) -> Path:
    return draw_photos(elsewhere / "photos", 10)


def report(folder: Path) -> list[dict[str, str]]:
    with (folder / "pictures.csv").open() as file:
        return list(csv.DictReader(file))


def test_photos_become_a_data_set(photos, capsys) -> None:
    assert main(["data", "import", "photos", "--output", "own"]) == 0
    out, err = capsys.readouterr()
    assert "own: 3 classes, 24 pictures to train on and 6 to test on" in out
    assert (
        "fashion-cnn train --data-dir own fast --epochs 20 --batch-size 12 --validation 0.2" in err
    )
    parts = {"train": load_training(Path("own")), "test": load_test(Path("own"))}
    rows = report(Path("own"))
    assert len(rows) == 30
    for part, split in parts.items():
        assert split.class_names == CLASSES
        assert len(set(Counter(split.labels.tolist()).values())) == 1, "stratified"
        mine = [row for row in rows if row["part"] == part]
        assert sorted(int(row["index"]) for row in mine) == list(range(len(split)))
        for row in mine:
            index = int(row["index"])
            assert CLASSES[split.labels[index]] == row["class"] == Path(row["file"]).parent.name
            seen = read_photo((photos / row["file"]).read_bytes()).seen
            np.testing.assert_array_equal(split.images[index], seen)
    assert Path("own/classes.txt").read_text().splitlines() == list(CLASSES)
    assert main(["data", "verify", "--data-dir", "own"]) == 0
    assert "all four files are those of own" in capsys.readouterr().out


def test_the_seed_decides_what_is_held_out(photos) -> None:
    for output, seed, share in (("a", "1", "0.3"), ("b", "1", "0.3"), ("c", "2", "0.3")):
        words = ["--output", output, "--seed", seed, "--test-share", share]
        assert main(["data", "import", "photos", *words]) == 0
    tested = {
        name: {row["file"] for row in report(Path(name)) if row["part"] == "test"} for name in "abc"
    }
    assert tested["a"] == tested["b"] != tested["c"]
    assert len(tested["a"]) == 9
    for name in FILES:
        assert Path("a", name).read_bytes() == Path("b", name).read_bytes()


def test_what_cannot_be_used_is_named_and_the_rest_taken(photos, capsys) -> None:
    (photos / "Bar/page.jpg").write_bytes(b"<html>")
    (photos / "Bar/empty.png").touch()
    (photos / "Bar/new\nline.png").write_bytes(b"\x89PNG")
    shutil.copy(photos / "Bar/01.png", photos / "Cross/again.png")
    shutil.copy(photos / "Bar/01.png", photos / "loose.png")
    (photos / "Cross/notes.txt").write_text("nothing")
    (photos / "Cross/.hidden.png").write_bytes(b"")
    (photos / ".git").mkdir()
    (photos / "Cross/gone.png").symlink_to("nowhere")
    os.mkfifo(photos / "Cross/pipe.png")
    deep = photos / "Bar/more/and more"
    deep.mkdir(parents=True)
    shutil.move(photos / "Bar/02.png", deep / "02.png")
    assert main(["data", "import", "photos", "--output", "own"]) == 4
    out, err = capsys.readouterr()
    bad = {row["file"]: row["note"] for row in report(Path("own")) if not row["part"]}
    assert bad == {
        "loose.png": "in no class",
        "Bar/empty.png": "an empty file",
        "Bar/new\\nline.png": "not a PNG, JPEG, WEBP, AVIF or HEIC picture",
        "Bar/page.jpg": "not a PNG, JPEG, WEBP, AVIF or HEIC picture",
        "Cross/again.png": "the same file as Bar/01.png",
        "Cross/gone.png": "No such file or directory",
        "Cross/notes.txt": "not a picture, by content or name",
        "Cross/pipe.png": "not a plain file",
    }
    assert "fashion-cnn: Bar/empty.png: an empty file" in err
    assert "fashion-cnn: left out, and named above: 7" in err
    assert "notes.txt" not in err
    assert "24 pictures to train on and 6 to test on" in out
    assert any(
        row["file"] == "Bar/more/and more/02.png" and row["part"] for row in report(Path("own"))
    )


@pytest.mark.parametrize(
    ("change", "arguments", "code", "words"),
    [
        (lambda f: shutil.rmtree(f), (), 2, "is not a folder"),
        (lambda f: [shutil.rmtree(f / name) for name in CLASSES[1:]], (), 3, "has 1 class folders"),
        (lambda f: (f / "none").mkdir(), (), 3, "class 'none' has 0 usable pictures"),
        (lambda f: (f / "a\nb").mkdir(), (), 3, "cannot be the name of a class"),
        (lambda f: (f / " x").mkdir(), (), 3, "cannot be the name of a class"),
        (lambda f: (f / ("x" * 81)).mkdir(), (), 3, "cannot be the name of a class"),
        (lambda f: os.mkdir(os.fsencode(f) + b"/\xff"), (), 3, "cannot be the name of a class"),
        (lambda f: None, ("--test-share", "0.9"), 3, "has 10 usable pictures, of which 9"),
        (lambda f: None, ("--test-share", "1"), 2, "above 0 and below 1"),
        (lambda f: None, ("--test-share", "nan"), 2, "above 0 and below 1"),
        (lambda f: None, ("--output", "photos"), 2, "is there already"),
        (lambda f: None, ("--output", "/proc/x"), 2, "/proc"),
    ],
)
def test_a_folder_that_is_no_data_set(photos, capsys, change, arguments, code, words) -> None:
    change(photos)
    assert words in fails(capsys, code, "data", "import", "photos", "--output", "own", *arguments)
    assert not Path("own").exists()
    assert not list(Path.cwd().glob(".incoming*"))


IMAGES = (np.arange(40 * 28 * 28) % 251).astype(np.uint8).reshape(40, 28, 28)
LABELS = np.arange(40) % 2
WORDS = np.array(["a", "b"])[LABELS]


@pytest.mark.parametrize(
    ("data", "names", "error", "words"),
    [
        ((IMAGES, LABELS), ["a"], DataError, "class_names has 1 names, .* up to 1; name"),
        ((IMAGES, LABELS * 7), list("abc"), DataError, "labels run up to 7"),
        ((IMAGES, LABELS), 5, UsageError, "class_names is 5; it must be a list"),
        ((IMAGES, LABELS), "ab", UsageError, "class_names is 'ab'"),
        ((IMAGES, LABELS), {0: "a", 1: "b"}, UsageError, "class_names is {0: 'a'"),
        ((IMAGES, WORDS), [["a"], ["b"]], DataError, "label 'a', which names no class"),
        ((IMAGES, np.array(["a", None] * 20)), None, DataError, "train part has labels of several"),
        ((IMAGES, np.array(["a", 1] * 20, object)), None, DataError, "labels of several types"),
        (([IMAGES[0], IMAGES[1, :9]], [0, 1]), None, DataError, "images cannot be made an array"),
        ((IMAGES, [[0], [0, 1]]), None, DataError, "the train part's labels cannot be made an"),
        (((IMAGES, LABELS), (None, None)), None, UsageError, "data must be a folder"),
        (
            dict.fromkeys(("train", "val", "dev"), (IMAGES, LABELS)),
            None,
            UsageError,
            "the parts train, val, dev; .* no two for one",
        ),
        ({"test": (IMAGES, LABELS)}, None, UsageError, "it needs one to train on"),
    ],
)
def test_arrays_that_are_no_data_set(elsewhere, data, names, error, words: str) -> None:
    with pytest.raises(error, match=words):
        write_arrays(data, names, print)


def test_names_of_arrays_may_be_an_array_too(elsewhere) -> None:
    wanted = write_arrays((IMAGES, LABELS), ["a", "b"], print)
    assert write_arrays((IMAGES, LABELS), np.array(["a", "b"]), print) == wanted
    split = Split(IMAGES, LABELS.astype(np.int64), ("c", "d"))
    assert write_arrays(split, np.array(["a", "b"]), print) == wanted
    later = write_arrays((IMAGES, LABELS + 1), ["a", "b"], print)
    assert DataSet.open(later).contents.class_names == ("a", "b"), "counted from 1"


@pytest.mark.parametrize("word", ["tr", "training", "trn"])
def test_the_part_to_train_on_may_have_other_words(elsewhere, word: str) -> None:
    wanted = write_arrays({"train": (IMAGES, LABELS), "test": (IMAGES, LABELS)}, None, print)
    given = {word: (IMAGES, LABELS), "te": (IMAGES, LABELS)}
    assert write_arrays(given, None, print) == wanted


@pytest.mark.parametrize("kind", ["S1", object])
def test_labels_that_are_bytes_are_names(elsewhere, kind) -> None:
    wanted = write_arrays((IMAGES, WORDS), None, print)
    as_bytes = np.array([word.encode() for word in WORDS], kind)
    assert write_arrays((IMAGES, as_bytes), None, print) == wanted
    assert write_arrays((IMAGES, LABELS), [b"a", b"b"], print) == wanted
    words = type("Words", (Items,), {"__getitem__": lambda self, i: (IMAGES[i], as_bytes[i])})
    assert write_arrays(words(), None, print) == wanted
    numbers = np.array([str(one).encode() for one in LABELS], kind)
    assert write_arrays((IMAGES, numbers), ["a", "b"], print) == wanted


def test_bytes_of_no_known_letters_stay_several_names(elsewhere) -> None:
    found = write_arrays((IMAGES, np.array([b"\xe8", b"\xe9"])[LABELS]), None, print)
    assert DataSet.open(found).contents.class_names == (r"\xe8", r"\xe9")


def test_the_order_of_named_parts_does_not_matter(elsewhere) -> None:
    parts = {"train": (IMAGES, WORDS), "test": (IMAGES[::2], WORDS[::2])}
    turned = dict(reversed(parts.items()))
    assert write_arrays(turned, None, print) == write_arrays(parts, None, print)


def test_items_that_cannot_become_arrays_are_told(elsewhere) -> None:
    class OnAnotherDevice:
        def __array__(self, *_: Any, **__: Any) -> Any:
            raise TypeError("can't convert cuda:0 device type tensor to numpy. Use Tensor.cpu()")

    far = OnAnotherDevice()
    for place, words in enumerate(("an image of", "a label of")):
        item = (far, 0) if not place else (IMAGES[0], far)
        items = type("There", (Items,), {"__getitem__": lambda self, i, item=item: item})
        with pytest.raises(DataError, match=f"{words} the train part cannot .*Use Tensor.cpu"):
            write_arrays(items(), None, print)


def test_floats_of_neither_range_are_refused(elsewhere) -> None:
    shares = IMAGES / np.float32(IMAGES.max())
    with pytest.raises(DataError, match=r"pixels from 0.0 to 1.2.*; .* 0 to 1, or from 0 to 255"):
        write_arrays((shares * np.float32(1.2), LABELS), ["a", "b"], print)


def test_a_name_in_two_forms_of_unicode_is_one_class_of_arrays(elsewhere) -> None:
    usual, apart = (unicodedata.normalize(form, "é") for form in ("NFC", "NFD"))
    words = np.array([usual, "a", apart, "a"] * 10)
    for names in (None, ["a", apart]):
        folder = write_arrays((IMAGES, words), names, print)
        assert DataSet.open(folder).contents.class_names == ("a", usual)


def test_classes_txt_is_read_in_the_usual_form_of_unicode(elsewhere) -> None:
    usual, apart = (unicodedata.normalize(form, "é") for form in ("NFC", "NFD"))
    assert class_names(f"a\n{apart}\n".encode(), "here") == ("a", usual)
    with pytest.raises(DataError, match="twice"):
        class_names(f"{usual}\n{apart}\n".encode(), "here")


def test_idx_files_are_taken_only_when_that_is_asked_for(elsewhere, capsys) -> None:
    write_idx(elsewhere / "digits", 7)
    error = fails(capsys, 3, "train", "--data-dir", "digits")
    assert "of your own" in error
    advice = error.partition("take the files as they are with: fashion-cnn ")[2].partition(";")[0]
    assert main(advice.split()) == 0
    assert "7 classes, 300 images to train on and 100 to test on" in capsys.readouterr().out
    split = load_training(Path("digits"))
    assert split.class_names == tuple("0123456")
    assert (len(split), split.labels.max()) == (300, 6)
    assert main(["data", "verify", "--data-dir", "digits"]) == 0
    assert "overwrite" in fails(capsys, 2, "data", "get", "--data-dir", "digits")
    Path("digits").rename("data")
    for command in (["train"], ["data", "verify"], ["data", "show"]):
        assert "where Fashion-MNIST is looked for" in fails(capsys, 3, *command)
    assert "overwrite" in fails(capsys, 2, "data", "get")
    assert not Path("runs").exists()


def test_mnist_in_fashion_mnists_place_is_refused(elsewhere, capsys, monkeypatch) -> None:
    """As long as the real ones and of the same names, as MNIST's own are."""
    write_idx(elsewhere / "data", 10, 60_000, test=10_000)
    monkeypatch.setenv("FASHION_CNN_DATA", str(elsewhere / "data"))
    for words in ((), ("--data-dir", "data")):
        error = fails(capsys, 3, "train", *words)
        assert "not Fashion-MNIST's, though as long" in error
    monkeypatch.delenv("FASHION_CNN_DATA")
    assert "not Fashion-MNIST's, though as long" in fails(capsys, 3, "train")


def test_names_come_from_classes_txt(elsewhere, capsys) -> None:
    folder = write_idx(elsewhere / "d", 3)
    (folder / "classes.txt").write_text("zero\none\n")
    assert "labels run from 0 to 2, not 0-1" in fails(capsys, 3, "data", "adopt", "d")
    (folder / "classes.txt").write_text("zero\none\ntwo\nthree\n")
    assert main(["data", "adopt", "d"]) == 0
    assert load_test(folder).class_names == ("zero", "one", "two", "three")
    (folder / "classes.txt").write_text("zero\none\ntwo\nfour\n")
    error = fails(capsys, 3, "train", "--data-dir", "d")
    assert "classes.txt is not as it was recorded" in error
    assert main(error.partition("with: fashion-cnn ")[2].split()) == 0
    assert load_test(folder).class_names[3] == "four"


@pytest.mark.parametrize("classes", [2, 256, 1000])
def test_two_to_a_thousand_classes(elsewhere, classes: int) -> None:
    kind = np.uint8 if classes <= 256 else np.int16
    write_idx(elsewhere / "d", classes, 1000, kind=kind, test=1000)
    assert main(["data", "adopt", "d"]) == 0
    split = load_training(elsewhere / "d")
    assert (len(split.class_names), split.labels.max()) == (classes, classes - 1)


def replaced(name: str, array: Any) -> Any:
    data = array if isinstance(array, bytes) else gzip.compress(to_idx(array))
    return lambda folder: (folder / f"{name}.gz").write_bytes(data)


WIDE = to_idx(np.zeros(300, np.int16)).replace(b"\0" * 600, b"\x7f\xff" * 300)
HUGE = bytes([0, 0, 8, 3]) + b"\xff" * 12


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda f: (f / f"{FILES[0]}.gz").unlink(), "to convert files with other names"),
        (replaced(FILES[0], np.zeros((300, 27, 28), np.uint8)), "not uint8"),
        (replaced(FILES[0], np.zeros((300, 28, 28), np.int16)), "not uint8"),
        (replaced(FILES[1], np.zeros(299, np.uint8)), "for 300 images"),
        (replaced(FILES[1], gzip.compress(WIDE)), "run up to 32767"),
        (replaced(FILES[1], np.full(300, -1, np.int16)), "labels run from -1"),
        (replaced(FILES[2], np.zeros((0, 28, 28), np.uint8)), "test: "),
        (replaced(FILES[0], gzip.compress(HUGE)), "are read"),
        (replaced(FILES[0], gzip.compress(HUGE[:3])), "not an IDX file"),
        (replaced(FILES[0], gzip.compress(to_idx(np.zeros(9, np.uint8)) + b"x")), "has more"),
        (replaced(FILES[0], gzip.compress(to_idx(np.zeros(9, np.uint8))[:-1])), "has only 16"),
        (replaced(FILES[0], b"<html>"), "a web page"),
        (
            replaced(FILES[0], gzip.compress(to_idx(np.zeros((300, 28, 28), np.uint8)))[:-20]),
            "dama",
        ),
        (lambda f: (f / "classes.txt").write_bytes(b"\xff\n"), "not UTF-8"),
        (lambda f: (f / "classes.txt").write_text("a\nb\na\n"), "names 'a' twice"),
        (lambda f: (f / "classes.txt").write_text("a\n\nb\n"), "cannot be the name"),
        (
            lambda f: (f / "classes.txt").write_bytes(b"a\n" * 2**20),
            "has more than 1,048,576 bytes",
        ),
    ],
)
def test_files_that_are_no_data_set_are_not_adopted(elsewhere, capsys, change, words: str) -> None:
    folder = write_idx(elsewhere / "d", 3)
    change(folder)
    assert words in fails(capsys, 3, "data", "adopt", "d")
    assert not (folder / "dataset.json").exists()


def test_fashion_mnist_needs_no_adopting(real_data, capsys) -> None:
    assert "holds Fashion-MNIST" in fails(capsys, 2, "data", "adopt", str(real_data))
    assert not fashion_mnist.is_own(real_data)


@pytest.mark.parametrize("name", FILES)
def test_a_file_that_changed_is_refused(elsewhere, capsys, name: str) -> None:
    folder = write_idx(elsewhere / "d", 3)
    assert main(["data", "adopt", "d"]) == 0
    data = bytearray(gzip.decompress((folder / f"{name}.gz").read_bytes()))
    data[-1] ^= 1
    (folder / f"{name}.gz").write_bytes(gzip.compress(bytes(data)))
    error = fails(capsys, 3, "train", "--data-dir", "d", "--epochs", "1")
    assert f"{name}.gz is not d's" in error
    assert error.endswith("fashion-cnn data adopt d")
    assert not Path("runs").exists()


def changed(path: tuple[str, ...], value: Any) -> Any:
    def change(text: str) -> str:
        found = json.loads(text)
        place = found
        for key in path[:-1]:
            place = place[key]
        place[path[-1]] = value
        return json.dumps(found)

    return change


@pytest.mark.parametrize(
    "change",
    [
        lambda text: "",
        lambda text: text[:-9],
        lambda text: "[" * 100_000,
        lambda text: "[]",
        lambda text: "x" * 2**21,
        changed(("format",), 2),
        changed(("name",), 3),
        changed(("name",), None),
        changed(("name",), "a\nb"),
        changed(("classes_sha256",), "0" * 64),
        changed(("classes_sha256",), None),
        changed(("files",), []),
        changed(("files", FILES[0]), {}),
        changed(("files", FILES[0], "bytes"), 2**40),
        changed(("files", FILES[0], "bytes"), -1),
        changed(("files", FILES[0], "bytes"), True),
        changed(("files", FILES[0], "sha256"), "xyz"),
        changed(("files", FILES[0], "sha256"), "0" * 64),
    ],
)
def test_a_mutated_manifest_is_refused(elsewhere, change) -> None:
    folder = write_idx(elsewhere / "d", 3)
    assert main(["data", "adopt", "d"]) == 0
    manifest = folder / "dataset.json"
    manifest.write_text(change(manifest.read_text()))
    with pytest.raises(DataError):
        load_training(folder)


def test_data_of_ones_own_are_not_replaced_by_fashion_mnist(elsewhere, capsys) -> None:
    """Sound files under the usual names, not adopted yet: MNIST's are just that."""
    folder = write_idx(elsewhere / "mnist", 10)
    assert (folder / f"{FILES[0]}.gz").exists()
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    error = fails(capsys, 2, "data", "get", "--data-dir", "mnist")
    assert "is whole and not Fashion-MNIST's" in error
    assert "fashion-cnn data adopt mnist" in error
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


def test_shares_a_hair_beyond_0_and_1_are_shares() -> None:
    said: list[str] = []
    full = np.where(IMAGES > 128, 255, IMAGES)
    shares = full.astype(np.float32) * np.float32(0.00392157)
    assert shares.max() > 1
    found = write_arrays((shares, LABELS), ["a", "b"], said.append)
    assert "pixels from 0 to 1 times 255" in said
    assert write_arrays((full, LABELS), ["a", "b"], said.append) == found


def test_what_is_nearly_black_is_told() -> None:
    said: list[str] = []
    write_arrays((IMAGES // 16, LABELS), ["a", "b"], said.append)
    assert "the brightest pixel is 15 of 255: are these other units?" in said


class Items:
    """As torchvision's data sets: pictures one by one, and the names of the classes."""

    classes = ("a", "b")

    def __len__(self) -> int:
        return len(IMAGES)

    def __getitem__(self, index: int) -> tuple[Image.Image, int]:
        return Image.fromarray(IMAGES[index]), int(LABELS[index])


class Named(Items):
    """As Hugging Face's: an item is a mapping."""

    features: ClassVar = {"label": SimpleNamespace(names=["a", "b"])}

    def __getitem__(self, index: int) -> dict[str, Any]:  # pyright: ignore[reportIncompatibleMethodOverride]
        return {"img": IMAGES[index], "label": LABELS[index]}


class Batches:
    """As a `tf.data.Dataset` of batches, whose last one is smaller."""

    class_names = ("a", "b")

    def cardinality(self) -> int:
        return 2

    def as_numpy_iterator(self) -> Iterator[tuple[Any, Any]]:
        for first in range(0, len(IMAGES), 16):
            some = slice(first, first + 16)
            yield IMAGES[some, :, :, None], LABELS[some]


def test_data_sets_of_other_libraries_are_what_they_give(elsewhere) -> None:
    wanted = write_arrays((IMAGES, LABELS), ["a", "b"], print)
    loader = SimpleNamespace(dataset=Items(), batch_size=16)
    for given in (Items(), Named(), Batches(), loader):
        assert write_arrays(given, None, print) == wanted, type(given)
    assert write_arrays({"train": Named()}, None, print) == wanted
    pairs = write_arrays(((IMAGES, LABELS), (IMAGES[:9], LABELS[:9])), ["a", "b"], print)
    parts = {"train": Items(), "test": (IMAGES[:9], LABELS[:9])}
    assert write_arrays(parts, None, print) == pairs
    assert write_arrays((Items(), parts["test"]), None, print) == pairs
    assert len(load_test(pairs)) == 9


class Given:
    """As a `tf.data.Dataset` of what it is given."""

    def __init__(self, *given: Any) -> None:
        self.given = given

    def cardinality(self) -> int:
        return len(self.given)

    def as_numpy_iterator(self) -> Iterator[Any]:
        return iter(self.given)


class Sequence:
    """As Keras's PyDataset: an item is a batch."""

    class_indices: ClassVar = {"b": 1, "a": 0}

    def __init__(self, *given: Any) -> None:
        self.given = given

    def __len__(self) -> int:
        return len(self.given)

    def __getitem__(self, index: int) -> Any:
        return self.given[index]


@pytest.mark.parametrize("kind", [Given, Sequence])
@pytest.mark.parametrize("size", [3, 13, 28, 40])
@pytest.mark.parametrize("shape", [(28, 28), (28, 28, 1), (1, 28, 28), (784,)])
@pytest.mark.parametrize("one_hot", [False, True])
def test_batches_are_read_as_such(elsewhere, kind, size, shape, one_hot) -> None:
    classes = np.arange(len(IMAGES)) // 20
    labels = np.eye(2)[classes] if one_hot else classes
    starts = range(0, len(IMAGES), size)
    given = kind(
        *((IMAGES[i : i + size].reshape(-1, *shape), labels[i : i + size]) for i in starts)
    )
    images, found = read_items(given, "here")
    np.testing.assert_array_equal(images, IMAGES.reshape(-1, *shape))
    np.testing.assert_array_equal(found, labels)


SHAPES = [(28, 28), (28, 28, 1), (28, 28, 3), (784,)]
IN_FRONT = (3, 28, 28)  # tf.data has colours behind


@pytest.mark.parametrize(
    ("kind", "shape"),
    [*((kind, shape) for kind in (Given, Sequence) for shape in SHAPES), (Sequence, IN_FRONT)],
)
@pytest.mark.parametrize("classes", [3, 28])
def test_an_image_with_a_one_hot_label_is_no_batch(kind, shape, classes: int) -> None:
    images, labels = read_items(kind(*[(np.zeros(shape), np.eye(classes)[1])] * 5), "here")
    assert images.shape == (5, *shape)
    assert labels.shape == (5, classes)


def test_a_batch_lacks_no_label() -> None:
    given = Sequence((IMAGES[:9, ..., None], LABELS[:9]), (IMAGES[:9, ..., None], LABELS[:8]))
    with pytest.raises(DataError, match="the test part has a batch of 9 images and 8 labels"):
        read_items(given, "the test part")


def test_names_of_a_folder_that_keras_reads_are_by_its_labels() -> None:
    assert names_of(Sequence()) == ["a", "b"]


def sampler(kind: str, count: int = len(IMAGES), **attributes: Any) -> Any:
    return type(kind, (), {"__len__": lambda self: count, **attributes})()


def test_a_loader_has_what_its_sampler_draws(elsewhere, capsys) -> None:
    halves = [[*range(20)], np.arange(20, 40)]
    loaders = [
        SimpleNamespace(dataset=Items(), sampler=sampler("SubsetRandomSampler", indices=half))
        for half in halves
    ]
    found = write_arrays(tuple(loaders), None, print)
    np.testing.assert_array_equal(load_training(found).images, IMAGES[:20])
    np.testing.assert_array_equal(load_test(found).images, IMAGES[20:])
    assert "too:" not in capsys.readouterr().out
    both = SimpleNamespace(sampler=loaders[0].sampler)
    batches = SimpleNamespace(
        dataset=Items(), sampler=sampler("SequentialSampler"), batch_sampler=both
    )
    assert write_arrays((batches, loaders[1]), None, print) == found
    whole = write_arrays(Items(), None, print)
    for kind in ("SequentialSampler", "RandomSampler"):
        given = SimpleNamespace(dataset=Items(), sampler=sampler(kind))
        assert write_arrays(given, None, print) == whole


@pytest.mark.parametrize(
    "given",
    [
        {"sampler": sampler("WeightedRandomSampler")},
        {"sampler": sampler("RandomSampler", 7)},
        {"sampler": sampler("RandomSampler"), "batch_sampler": sampler("Buckets", 4)},
    ],
)
def test_a_loader_whose_sampler_is_not_read_is_refused(elsewhere, given) -> None:
    with pytest.raises(DataError, match=r"a loader with a \w+, which is not read; give a Subset"):
        write_arrays(SimpleNamespace(dataset=Items(), **given), None, print)


def test_images_in_two_parts_are_told(elsewhere) -> None:
    said: list[str] = []
    parts = {"test": (IMAGES[35:], LABELS[35:]), "train": (IMAGES[:37], LABELS[:37])}
    write_arrays(parts, ["a", "b"], said.append)
    assert "images of the test part that are in the train part too: 2" in said


@pytest.mark.parametrize("names", [None, ["zero", "one"]])
def test_numbers_as_text_are_numbers(elsewhere, names) -> None:
    labels = LABELS.astype(str).astype(object)
    as_text, as_numbers = (
        load_training(write_arrays((IMAGES, some), names, print)) for some in (labels, LABELS)
    )
    assert as_text.class_names == as_numbers.class_names
    np.testing.assert_array_equal(as_text.labels, as_numbers.labels)
    for code in ("01", "1" * 20):
        codes = np.array([code, "2"])[LABELS]
        assert load_training(write_arrays((IMAGES, codes), None, print)).class_names == (code, "2")
    many = np.arange(len(IMAGES)) % 12
    found = load_training(write_arrays((IMAGES, many.astype(str)), None, print))
    assert found.class_names == tuple(map(str, range(12))), "not 0, 1, 10, 11, 2"


def test_names_that_look_like_numbers_are_names_where_they_are_given(elsewhere) -> None:
    labels = np.array(["7", "3"])[LABELS]
    found = load_training(write_arrays((IMAGES, labels), ["7", "3"], print))
    assert found.class_names == ("7", "3")


@pytest.mark.parametrize("mode", ["P", "RGBA", "1"])
def test_a_list_of_pictures_is_read_by_their_pixels(elsewhere, mode: str) -> None:
    pictures = [Image.fromarray(image).convert(mode) for image in IMAGES]
    found = load_training(write_arrays((pictures, LABELS), None, print))
    grey = np.stack([np.asarray(one.convert("L")) for one in pictures])
    wanted = load_training(write_arrays((grey, LABELS), None, print))
    assert np.abs(found.images.astype(int) - wanted.images).max() <= 1


class EMNIST:
    """As torchvision's is called, and numbered."""

    def __len__(self) -> int:
        return len(IMAGES)

    def __getitem__(self, index: int) -> tuple[np.ndarray, int]:
        return IMAGES[index], int(LABELS[index])


class Changed:
    """A data set around another, which gives labels of its own."""

    def __init__(self, dataset: Any) -> None:
        self.dataset = dataset

    def __len__(self) -> int:
        return len(self.dataset)

    def __getitem__(self, index: int) -> tuple[Any, int]:
        image, label = self.dataset[index]
        return image, 1 - label


class Half(Changed):
    """As PyTorch's Subset."""

    indices = range(len(IMAGES))

    def __getitem__(self, index: int) -> tuple[Any, int]:
        return self.dataset[index]


class Turned(Items):
    target_transform = staticmethod(lambda label: 1 - label)


class TurnedTogether(Items):
    transforms = Turned()


def test_names_are_not_those_of_labels_that_were_changed() -> None:
    assert names_of(Half(Items())) == names_of(Half(Half(Items()))) == ["a", "b"]
    assert names_of(SimpleNamespace(dataset=Half(Items()))) == ["a", "b"]
    for given in (Turned(), TurnedTogether(), Changed(Items())):
        assert names_of(given) is names_of(Half(given)) is None
        assert names_of(SimpleNamespace(dataset=given)) is None


def test_joined_data_sets_have_the_names_that_all_have() -> None:
    other = type("Other", (Items,), {"classes": ("b", "a")})
    for datasets, names in (
        ([Items(), Half(Items())], ["a", "b"]),
        ([Items(), other()], None),
        ([Items(), Turned()], None),
    ):
        assert names_of(SimpleNamespace(datasets=datasets)) == names


def test_letters_that_lie_are_told(elsewhere, capsys) -> None:
    write_arrays({"train": EMNIST(), "test": SimpleNamespace(dataset=EMNIST())}, None, print)
    assert capsys.readouterr().out.count("rows and columns are exchanged in them") == 1


def test_a_data_set_without_end_is_told(elsewhere) -> None:
    endless = SimpleNamespace(as_numpy_iterator=lambda: iter(int, 1), cardinality=lambda: -1)
    with pytest.raises(DataError, match=r"the train part never ends; leave repeat\(\) out"):
        write_arrays(endless, None, print)


def test_items_of_another_kind_are_told(elsewhere, monkeypatch) -> None:
    def refused(words: str, **changed: Any) -> None:
        for name, value in changed.items():
            monkeypatch.setattr(Items, name, value)
        with pytest.raises(DataError, match=words):
            write_arrays(Items(), None, print)

    grows = lambda self, i: (IMAGES[i, : 9 + i], 0)  # noqa: E731
    refused("images of several shapes, .*9, 28.* and .*data import", __getitem__=grows)
    refused("has items of int; it must be", __getitem__=lambda self, i: i)
    refused("has items with x; it needs image", __getitem__=lambda self, i: {"x": 1})
    several = lambda self, i: (IMAGES[i], [0] * (1 + i % 2))  # noqa: E731
    refused("several labels an image", __getitem__=several)
    refused("the train part is empty", __len__=lambda self: 0)


def test_a_part_that_numbers_its_classes_by_itself_keeps_their_names(elsewhere) -> None:
    class Others(Items):
        classes = ("b",)

        def __getitem__(self, index: int) -> tuple[Image.Image, int]:
            return Image.fromarray(IMAGES[index]), 0

    found = write_arrays((Items(), Others()), None, print)
    assert load_test(found).class_names == ("a", "b")
    assert set(load_test(found).labels) == {1}
    monkeys = type("Strange", (Others,), {"classes": ("c",)})
    with pytest.raises(DataError, match="the test part has the label 'c', which names no class"):
        write_arrays((Items(), monkeys()), None, print)
    split = Split(IMAGES, LABELS.astype(np.int64), ("b", "a"))
    turned = write_arrays((Split(IMAGES, 1 - split.labels, ("a", "b")), split), None, print)
    np.testing.assert_array_equal(load_test(turned).labels, 1 - split.labels)


def test_squares_of_another_side_and_colour_are_averaged_and_that_is_told(elsewhere) -> None:
    said: list[str] = []
    twice = IMAGES.repeat(2, 1).repeat(2, 2)
    channels = np.stack([twice] * 3, 1)  # before the sides, as PyTorch has them
    found = write_arrays((channels, LABELS), ["a", "b"], said.append)
    assert "three channels made grey, 56x56 pixels averaged to 28x28" in said
    for same in (twice, IMAGES):
        assert write_arrays((same, LABELS), ["a", "b"], print) == found


def test_files_of_0_and_1_are_not_taken_as_they_are(elsewhere, capsys) -> None:
    folder = write_idx(elsewhere / "d", 3)
    replaced(FILES[0], np.eye(28, dtype=np.uint8)[None].repeat(300, 0))(folder)
    assert "pixels of 0 and 1 alone" in fails(capsys, 3, "data", "adopt", "d")


def test_adopting_again_keeps_the_framing_of_the_same_images(elsewhere, capsys) -> None:
    folder = write_idx(elsewhere / "d", 3)
    assert main(["data", "adopt", "d", "--framing", "white,20,mass"]) == 0
    (folder / "classes.txt").write_text("zero\none\ntwo\n")
    assert main(["data", "adopt", "d"]) == 0
    assert str(DataSet.open(folder).contents.framing) == "white,20,mass"
    images = np.zeros((300, 28, 28), np.uint8)
    images[:, 10:20, 10:20] = np.arange(300, dtype=np.uint16).reshape(-1, 1, 1) % 200 + 50
    replaced(FILES[0], images)(folder)
    assert main(["data", "adopt", "d"]) == 0
    assert str(DataSet.open(folder).contents.framing).startswith("black,10")


def test_a_folder_that_is_not_there_is_said_to_be_missing(elsewhere, capsys) -> None:
    assert "there is no folder nowhere" in fails(capsys, 3, "data", "adopt", "nowhere")


def test_a_share_that_nothing_is_drawn_by_is_refused(capsys) -> None:
    draw_photos(Path("whole"), 12)
    for part in ("train", "test"):
        draw_photos(Path("divided", part), 12)
    words = ["--output", "out", "--test-share", "0.5"]
    assert "has a test part of its own" in fails(capsys, 2, "data", "import", "divided", *words)
    assert not Path("out").exists()
    assert main(["data", "import", "whole", *words]) == 0
    assert len(load_test(Path("out"))) == len(load_training(Path("out")))
    for word in ("--test-share=0.5", "--seed=3"):
        assert "nor divided anew" in fails(capsys, 2, "data", "adopt", "out", word)
    words[1] = "again"
    assert "has a test part of its own" in fails(capsys, 2, "data", "adopt", "out", *words)
