"""Data sets in other people's forms: each made here in small, adopted, and read back."""

import gzip
import io
import json
import shutil
import unicodedata
import zipfile
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from PIL import Image
from pyarrow import parquet

from fashion_cnn.cli import main
from fashion_cnn.data.forms import comma_separated, numpy_archive
from fashion_cnn.data.forms.find import read_forms
from fashion_cnn.data.forms.labelled import to_images
from fashion_cnn.data.idx import to_idx
from fashion_cnn.data.randomness import stream
from opened import load_test, load_training

CLASSES = 3


@pytest.fixture(autouse=True)
def folder(elsewhere) -> None:
    Path("in").mkdir()


def draw(count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Images that differ, and labels 0, 1, 2, 0, …"""
    images = stream(seed, "forms").integers(0, 256, (count, 28, 28)).astype(np.uint8)
    return images, np.arange(count) % CLASSES


TRAIN, TEST = draw(30, 0), draw(9, 1)
PARTS = {"train": TRAIN, "test": TEST}
ARRAYS = {"x_train": TRAIN[0], "y_train": TRAIN[1], "x_test": TEST[0], "y_test": TEST[1]}


def adopt(capsys, *words: str, code: int = 0) -> str:
    assert main(["data", "adopt", "in", "--output", "out", *words]) == code
    return capsys.readouterr().err


def check(train=TRAIN, test=TEST, names=("0", "1", "2")) -> None:
    for (images, labels), found in (
        (train, load_training(Path("out"))),
        (test, load_test(Path("out"))),
    ):
        np.testing.assert_array_equal(found.images, images)
        np.testing.assert_array_equal(found.labels, labels)
        assert found.class_names == tuple(names)
    assert main(["data", "verify", "--data-dir", "out"]) == 0


def to_csv(images, labels, *, header=True, label="label", behind=False) -> str:
    columns = [f"pixel{i}" for i in range(1, 785)]
    lines = [",".join([*columns, label] if behind else [label, *columns])] if header else []
    for image, value in zip(images.reshape(-1, 784), labels, strict=True):
        cells = [*image, value] if behind else [value, *image]
        lines.append(",".join(map(str, cells)))
    return "\n".join(lines) + "\n"


def read_as_csv(text: str, capsys, train=TRAIN) -> None:
    """Adopt a file to train on, and one to test on beside it."""
    Path("in/train.csv").write_text(text)
    Path("in/test.csv").write_text(to_csv(*TEST))
    adopt(capsys)
    check(train)
    shutil.rmtree("out")


@pytest.mark.parametrize(
    "style", ["kaggle", "no header", "windows", "packed", "label last", "utf-16"]
)
def test_csv(style, capsys) -> None:
    for name, part in (("fashion-mnist_train", TRAIN), ("fashion-mnist_test", TEST)):
        text = to_csv(*part, header=style != "no header", behind=style == "label last")
        data = text.encode()
        if style == "windows":
            data = b"\xef\xbb\xbf" + data.replace(b"\n", b"\r\n")
        if style == "utf-16":
            data = text.encode("utf-16")
        if style == "packed":
            data = gzip.compress(data)
        Path("in", f"{name}.csv").write_bytes(data)
    adopt(capsys)
    check()


def test_csv_as_other_programs_write_it(capsys) -> None:
    """Pandas with its index and with floats, R with quotes, spreadsheets with semicolons."""
    images, labels = TRAIN
    text = to_csv(images, labels)
    lines = text.splitlines()
    quoted = "\n".join(",".join(f'"{cell}"' for cell in line.split(",")) for line in lines)
    for other in (
        text.replace(",", ";"),
        text.replace(",", ", "),
        text.replace(",", "\t"),
        quoted,
        quoted.partition("\n")[2],
        "\n".join([f",{lines[0]}", *(f"{i},{line}" for i, line in enumerate(lines[1:]))]),
        "\n".join([lines[0], *(f"{line},".replace(",", ".0,")[:-1] for line in lines[1:])]),
        text.replace("label", "Digit"),
    ):
        read_as_csv(other, capsys)


def test_csv_of_pixels_from_0_to_1(capsys) -> None:
    for name, (images, labels) in PARTS.items():
        Path(f"in/{name}.csv").write_text(to_csv((images / 255).round(4), labels))
    adopt(capsys)
    check()


def test_without_a_header_the_labels_are_where_they_can_be(capsys) -> None:
    """In front, unless that column is as varied as pixels are, or always the same."""
    border = TRAIN[0].copy()
    border[:, 0, 0] = border[:, -1, -1] = 0
    border[0, 0, 0] = border[0, -1, -1] = 9
    for images in (TRAIN[0], border):
        for behind in (False, True):
            text = to_csv(images, TRAIN[1], header=False, behind=behind)
            read_as_csv(text, capsys, (images, TRAIN[1]))


def test_a_competitions_test_file_is_passed_over(capsys) -> None:
    rows = to_csv(*TEST).splitlines()
    pixels = "\n".join(row.partition(",")[2] for row in rows)
    numbered = "\n".join([rows[0].replace("label", "id"), *rows[1:]])
    for text in (pixels, pixels.partition("\n")[2], numbered):
        Path("in/train.csv").write_text(to_csv(*TRAIN))
        Path("in/test.csv").write_text(text)
        Path("in/sample_submission.csv").write_text("ImageId,Label\n1,0\n")
        said = adopt(capsys)
        assert "passed over test.csv: it has pixels and no labels" in said
        assert "passed over sample_submission.csv" in said
        assert (len(load_training(Path("out"))), len(load_test(Path("out")))) == (24, 6)
        shutil.rmtree("out")


def test_sentences_with_commas_are_no_csv(capsys) -> None:
    Path("in/archive").mkdir()
    Path("in/archive/train.csv").write_text(to_csv(*TRAIN))
    Path("in/README.md").write_text("# Shirts, shoes, hats, bags, coats, socks, and more\n")
    assert "passed over README.md" in adopt(capsys)


def test_emnist_is_transposed_as_csv_too(capsys) -> None:
    for name, (images, labels) in PARTS.items():
        text = to_csv(images.transpose(0, 2, 1), labels, header=False)
        Path(f"in/emnist-mnist-{name}.csv").write_text(text)
    assert "rows and columns of the images exchanged" in adopt(capsys)
    check()


def test_hidden_files_are_none_of_a_data_set(capsys) -> None:
    """As macOS leaves them beside each file on a foreign disk."""
    for name, part in PARTS.items():
        Path(f"in/{name}.csv").write_text(to_csv(*part))
    Path("in/._train.csv").write_text(to_csv(*TEST))
    assert "._train" not in adopt(capsys)
    check()


def test_a_csv_alone_gives_its_test_files(capsys) -> None:
    Path("in/train.csv").write_text(to_csv(*TRAIN))
    said = adopt(capsys, "--test-share", "0.3")
    assert "no test part was found, so 9 images became the test files" in said
    train, test = load_training(Path("out")), load_test(Path("out"))
    assert (len(train), len(test)) == (21, 9)
    together = {image.tobytes() for split in (train, test) for image in split.images}
    assert together == {image.tobytes() for image in TRAIN[0]}
    for split in (train, test):
        for image, label in zip(split.images, split.labels, strict=True):
            place = next(i for i, other in enumerate(TRAIN[0]) if (other == image).all())
            assert TRAIN[1][place] == label


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("pixel0," * 783 + "pixel783\n" + "0," * 783 + "0\n", "no labels"),
        (to_csv(*TRAIN).replace("label", "kind", 1), "no column is named label"),
        (to_csv(*TRAIN) + "\n\n1,2,3\n", f"line {len(TRAIN[1]) + 4}: columns: 3, not 785"),
        (to_csv(TRAIN[0].astype(int) + 1, TRAIN[1]), "pixels from"),
        (to_csv(TRAIN[0], TRAIN[1] - 1), "no whole numbers from 0 on"),
        (to_csv(TRAIN[0][:0], TRAIN[1][:0]), "no rows"),
        (to_csv(*TRAIN).replace("\n", "\na", 2), "line 2: the label 'a"),
        (to_csv(*TRAIN).replace(",", ",a", 790), "line 2: the pixel 'a"),
        ("hat" + to_csv(*TRAIN, header=False)[1:], "line 1: the label 'hat' is no number"),
        ("name,size,price\nhat,3,4\n", "a label and 784 pixels, and it begins with name,size,"),
    ],
)
def test_what_is_wrong_with_a_csv_is_said(text, why, capsys) -> None:
    Path("in/train.csv").write_text(text)
    assert why in adopt(capsys, code=3)
    assert not Path("out").exists()


def rearranged(text: str, order: np.ndarray) -> str:
    """A CSV file with its pixels' columns in another order, and their headers with them."""
    lines = [line.split(",") for line in text.splitlines()]
    return "\n".join(",".join([line[0], *(line[1 + at] for at in order)]) for line in lines)


def headed(text: str, names: list[str]) -> str:
    return "\n".join([",".join(["label", *names]), *text.splitlines()[1:]])


NUMBERED = [f"pixel{i}" for i in range(784)]
PLACES = {
    "from 1": [f"pixel{i}" for i in range(1, 785)],
    "from 0": [f"px[{i}]" for i in range(784)],
    "as R has them": [f"V{i}" for i in range(2, 786)],
    "rows and columns": [f"{row}x{column}" for row in range(1, 29) for column in range(1, 29)],
}


@pytest.mark.parametrize("names", PLACES.values(), ids=PLACES)
def test_pixels_lie_where_their_headers_say(names, capsys) -> None:
    as_text = np.argsort(names)
    in_columns = np.arange(784).reshape(28, 28).T.ravel()
    for order in (as_text, np.arange(784)[::-1], in_columns):
        read_as_csv(rearranged(headed(to_csv(*TRAIN), names), order), capsys)


def test_pixels_of_parquet_lie_where_their_columns_say(capsys) -> None:
    for part, (images, labels) in PARTS.items():
        flat = images.reshape(-1, 784)
        columns = {name: flat[:, int(name[5:])] for name in sorted(NUMBERED)}
        parquet.write_table(pa.table({"label": labels, **columns}), f"in/{part}.parquet")
    adopt(capsys)
    check()


@pytest.mark.parametrize("names", [[*NUMBERED[:-1], "pixel0"], [*NUMBERED[:-1], "pixel900"]])
def test_pixels_that_lie_nowhere_are_refused(names, capsys) -> None:
    Path("in/train.csv").write_text(headed(to_csv(*TRAIN), names))
    assert "the headers of its pixels are not numbered" in adopt(capsys, code=3)


def test_pixels_without_numbers_are_in_order(capsys) -> None:
    read_as_csv(headed(to_csv(*TRAIN), ["gray"] * 784), capsys)


def test_csv_as_numpy_and_excel_write_it(capsys) -> None:
    rows = np.column_stack([TRAIN[1], TRAIN[0].reshape(-1, 784)])
    header = ",".join(["label", *NUMBERED])
    np.savetxt("blanks", rows)
    np.savetxt("numbers", rows, fmt="%d")
    np.savetxt("header", rows, delimiter=",", header=header)
    np.savetxt("blank header", rows, header=header.replace(",", " "))
    text = to_csv(*TRAIN)
    others = (
        *(Path(name).read_text() for name in ("blanks", "numbers", "header", "blank header")),
        f"\n\n{text}",
        f"# made by hand, for a test, of ours, and no other, yes\n{text}",
        f"sep=,\n{text}",
        f"sep=;\n{text}".replace(",", ";"),
        text.replace("\n", ",\n"),
        text.replace("\n", ",,\n").replace(",,\n", "\n", 1),
        to_csv(*TRAIN, header=False).replace("\n", ",\n"),
    )
    for other in others:
        read_as_csv(other, capsys)


def test_a_csv_of_shares_a_hair_beyond_0_and_1(capsys, monkeypatch) -> None:
    """All of the file tells what its numbers are, however many rows are parsed at once."""
    monkeypatch.setattr(comma_separated, "_ROWS", 3)
    images = TRAIN[0].copy()
    images[:3] = np.eye(28, dtype=np.uint8) * 255  # 0 and 1 alone, as shares
    whole = images.astype(float)
    dark = whole.copy()
    dark[:6] = 0
    for given, wanted in (
        (whole / 255 + 4e-7, images),
        ((whole / 255 - 1e-7).round(9), images),
        (np.where(images == 255, 1, whole / 255), images),
        (whole + 0.01, images),
        (dark + 1e-3, dark),
    ):
        text = to_csv(given, TRAIN[1]).replace("0.0,", "0,").replace("1.0,", "1,")
        read_as_csv(text, capsys, (wanted, TRAIN[1]))


def test_keras_npz(capsys) -> None:
    np.savez("in/mnist.npz", **ARRAYS)
    adopt(capsys)
    check()


def test_arrays_under_other_names(capsys) -> None:
    (a, b), (c, d) = TRAIN, TEST
    for one in (
        {"trainX": a, "trainY": b, "testX": c, "testY": d},
        {"train_data": a, "train_labels": b, "test_data": c, "test_labels": d},
        {"Train_Images": a, "Train_Targets": b, "Test_Images": c, "Test_Targets": d},
        {"Xtrain": a, "ytrain": b, "Xtest": c, "ytest": d},
        {"trainx": a, "trainy": b, "testx": c, "testy": d},
        {"Xtr": a, "Ytr": b, "Xte": c, "Yte": d},
        {"X_tr": a, "y_tr": b, "X_te": c, "y_te": d},
    ):
        np.savez("in/own.npz", **one)
        adopt(capsys)
        check()
        shutil.rmtree("out")
    Path("in/own.npz").unlink()
    for name, array in (("x_train", a), ("y_train", b), ("x_test", c), ("y_test", d)):
        np.save(f"in/{name}.npy", array)
    adopt(capsys)
    check()


def test_arrays_without_names_are_told_by_their_shape(capsys) -> None:
    for arrays in (TRAIN, TRAIN[::-1], (TRAIN[0].reshape(-1, 784), TRAIN[1][:, np.newaxis])):
        np.savez("in/own.npz", *arrays)
        adopt(capsys)
        assert (len(load_training(Path("out"))), len(load_test(Path("out")))) == (24, 6)
        shutil.rmtree("out")
    for arrays in ((*TRAIN, *TEST), (TEST[0], TRAIN[0], TEST[1], TRAIN[1])):
        np.savez("in/own.npz", *arrays)
        assert "the larger is taken to train on" in adopt(capsys)
        check()
        shutil.rmtree("out")
    for arrays in ((*TRAIN, *TRAIN), (*TRAIN, *TRAIN[::-1]), (*TRAIN, TEST[1], TEST[1])):
        np.savez("in/own.npz", *arrays)
        said = adopt(capsys, code=3)
        assert "cannot be told; name them x_train, y_train, x_test and y_test" in said


@pytest.mark.parametrize(
    "name", ["class_names", "classes", "label_names", "target_names", "labels"]
)
@pytest.mark.parametrize("kind", [str, np.bytes_])
def test_an_npz_may_name_its_classes(name: str, kind: type, capsys) -> None:
    names = np.array(["hat", "shoe", "bag"], kind)
    np.savez("in/own.npz", **ARRAYS, **{name: names})
    adopt(capsys)
    check(names=("hat", "shoe", "bag"))


OF_FILES = ["filenames", "file_names", "image_paths", "label_ids", "x_train_path"]


@pytest.mark.parametrize(
    ("name", "count"),
    [*((name, count) for name in OF_FILES for count in (3, 24, 30)), ("sources", 24)],
)
def test_names_of_files_are_none_of_classes(name: str, count: int, capsys) -> None:
    images, labels = TRAIN[0][:24], TRAIN[1][:24]
    texts = np.array([f"{place}.png" for place in range(count)])
    np.savez("in/own.npz", **{**ARRAYS, "x_train": images, "y_train": labels, name: texts})
    adopt(capsys)
    check((images, labels))


def test_names_of_as_many_classes_as_images_are_taken_where_they_say_so(capsys) -> None:
    arrays = {**ARRAYS, "x_test": TEST[0][:3], "y_test": TEST[1][:3]}
    np.savez("in/own.npz", **arrays, class_names=np.array(["hat", "shoe", "bag"]))
    adopt(capsys)
    check(test=(TEST[0][:3], TEST[1][:3]), names=("hat", "shoe", "bag"))


def test_names_beside_an_archive_are_not_mixed_with_its_own(capsys) -> None:
    names = np.array(["hat", "shoe", "bag"])
    np.savez("in/own.npz", **ARRAYS, names=names)
    Path("in/classes.txt").write_text("ant\nbee\n")
    assert "2 names of classes, and none for the label 2" in adopt(capsys, code=3)
    Path("in/classes.txt").write_text("ant\nbee\ncat\n")
    adopt(capsys)
    check(names=("ant", "bee", "cat"))


def test_two_lists_of_names_are_refused_and_a_name_an_image_is_none(capsys) -> None:
    arrays = {"x_train": TRAIN[0], "y_train": TRAIN[1]}
    coarse, fine = np.array(["a", "b", "c"]), np.array(["d", "e", "f"])
    np.savez("in/own.npz", **arrays, fine_names=fine, coarse_names=coarse)
    assert "several lists of names, fine_names, coarse_names" in adopt(capsys, code=3)
    np.savez("in/own.npz", images=TRAIN[0], labels=coarse[TRAIN[1]])
    assert "labels of type <U1" in adopt(capsys, code=3)
    np.savez("in/own.npz", **arrays, train_data=TRAIN[0])
    said = adopt(capsys, code=3)
    assert "two are of images for train; name them x_train, y_train, x_test and y_test" in said


@pytest.mark.parametrize("start", ["", "full_numpy_bitmap_", "full%2Fnumpy_bitmap%2F"])
def test_an_array_of_images_a_class_is_named_after_it(start: str, capsys) -> None:
    """As QuickDraw has them, with a class of trains."""
    for label, name in enumerate(("tea cup", "train", "zebra")):
        np.save(f"in/{start}{name}.npy", TRAIN[0][TRAIN[1] == label].reshape(-1, 784))
    said = adopt(capsys)
    assert "3 arrays of images were taken for one a class, by their names" in said
    found = load_training(Path("out"))
    assert found.class_names == ("tea cup", "train", "zebra")
    for image, label in zip(found.images, found.labels, strict=True):
        assert (TRAIN[0][TRAIN[1] == label] == image).all(axis=(1, 2)).any()


def test_more_images_than_are_read_are_refused_before_they_are(monkeypatch, capsys) -> None:
    for name in ("cat", "dog"):
        np.save(f"in/{name}.npy", TRAIN[0])
    monkeypatch.setattr(numpy_archive, "MOST_IMAGES", 59)
    monkeypatch.setattr(numpy_archive, "read_npy", None)
    assert "in has 60 images; at most 59 are read: keep some of each" in adopt(capsys, code=3)


@pytest.mark.parametrize("names", [("train", "test"), ("x", "masks"), ("train_a", "train_b")])
def test_arrays_that_say_more_than_a_class_are_none(names, capsys) -> None:
    for name in names:
        np.save(f"in/{name}.npy", TRAIN[0])
    assert "fashion-cnn: in/" in adopt(capsys, code=3)


def test_kuzushiji_npz_of_one_array_each(capsys) -> None:
    for part, (images, labels) in PARTS.items():
        np.savez_compressed(f"in/kmnist-{part}-imgs.npz", images)
        np.savez_compressed(f"in/kmnist-{part}-labels.npz", labels.astype(np.uint8))
    rows = [f"{i},U+30{i},{c}" for i, c in enumerate("おきす")]
    Path("in/kmnist_classmap.csv").write_text("\n".join(["index,codepoint,char", *rows]))
    adopt(capsys)
    check(names="おきす")


def test_medmnist_npz_in_colour_with_a_validation_part(capsys) -> None:
    grey, labels = draw(6, 2)
    parts = {"train": TRAIN, "val": (grey, labels), "test": TEST}
    arrays = {}
    for name, (images, values) in parts.items():
        arrays[f"{name}_images"] = np.repeat(images[..., np.newaxis], 3, axis=3)
        arrays[f"{name}_labels"] = values[:, np.newaxis]
    np.savez("in/pathmnist.npz", **arrays)
    said = adopt(capsys)
    assert "three channels made grey" in said
    assert "its 6 images for validation join those to train on" in said
    train = np.concatenate([TRAIN[0], grey]), np.concatenate([TRAIN[1], labels])
    check(train)


def test_grey_is_as_bright_as_its_colours_are_to_people() -> None:
    """Red 76, green 150, blue 29: Pillow's too."""
    colours = np.zeros((3, 28, 28, 3), np.uint8)
    for place in range(3):
        colours[place, ..., place] = 255
    grey, said = to_images(colours, "here")
    assert said == "three channels made grey"
    assert [int(value) for value in grey[:, 0, 0]] == [76, 150, 29]
    pillows = [np.asarray(Image.fromarray(picture).convert("L")) for picture in colours]
    np.testing.assert_array_equal(grey, pillows)


def test_npz_of_floats_and_one_hot_labels(capsys) -> None:
    one_hot = np.eye(CLASSES)
    scaled = [(images / np.float32(255), one_hot[labels]) for images, labels in (TRAIN, TEST)]
    names = ("x_train", "y_train", "x_test", "y_test")
    arrays = dict(zip(names, [array for part in scaled for array in part], strict=True))
    np.savez("in/scaled.npz", **arrays)
    assert "pixels from 0 to 1 times 255" in adopt(capsys)
    check()


def test_what_is_wrong_with_an_npz_is_said(capsys) -> None:
    images, labels = TRAIN
    several = np.ones((30, 3), int)
    for arrays, why in (
        ({"x_train": images, "y_train": several}, "3 labels an image"),
        ({"x_train": images}, "no labels for train"),
        ({"x_train": np.zeros((30, 64, 48), np.uint8), "y_train": labels}, "shape (64, 48)"),
        ({"x_train": images - 0.5, "y_train": labels}, "pixels from -0.5"),
        ({"x_train": images, "y_train": labels[:-1]}, "29 labels for 30 images"),
        ({"x_train": images, "y_train": labels + 0.5}, "no whole numbers"),
        ({"x_train": images, "y_train": np.array([{}] * 30)}, "Python objects"),
        ({"a": images, "b": labels}, "arrays a, b"),
    ):
        np.savez("in/own.npz", **arrays)
        assert why in adopt(capsys, code=3)
    size = Path("in/own.npz").stat().st_size
    Path("in/own.npz").write_bytes(Path("in/own.npz").read_bytes()[: size // 2])
    assert "damaged" in adopt(capsys, code=3)


def test_an_npz_that_promises_more_than_there_can_be_takes_no_memory(capsys) -> None:
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(
        header, {"descr": "|u1", "fortran_order": False, "shape": (10**12, 28, 28)}
    )
    with zipfile.ZipFile("in/large.npz", "w") as archive:
        archive.writestr("x_train.npy", header.getvalue())
    assert "at most" in adopt(capsys, code=3)


def emnist(part: str, images, labels, kind="letters") -> None:
    stem = f"in/emnist-{kind}-{part}"
    Path(f"{stem}-images-idx3-ubyte.gz").write_bytes(
        gzip.compress(to_idx(images.transpose(0, 2, 1)))
    )
    Path(f"{stem}-labels-idx1-ubyte.gz").write_bytes(gzip.compress(to_idx(labels.astype(np.uint8))))


def test_emnist_letters_count_from_1_and_are_transposed(capsys) -> None:
    for part, (images, labels) in PARTS.items():
        emnist(part, images, labels + 1)
    Path("in/emnist-letters-mapping.txt").write_text("1 65 97\n2 66 98\n3 67 99\n")
    said = adopt(capsys)
    assert "rows and columns of the images exchanged" in said
    assert "labels are counted anew from 0: they run from 1 to 3" in said
    check(names="ABC")


def emnist_lists() -> None:
    Path("in/emnist-digits-mapping.txt").write_text("0 48\n1 49\n2 50\n3 51\n")
    Path("in/emnist-letters-mapping.txt").write_text("1 65 97\n2 66 98\n3 67 99\n")


def test_of_several_lists_of_names_that_of_the_data_is_taken(capsys) -> None:
    for part, (images, labels) in PARTS.items():
        emnist(part, images, labels + 1)
    emnist_lists()
    adopt(capsys)
    check(names="ABC")
    shutil.rmtree("out")
    Path("in/classes.txt").write_text("one\ntwo\nthree\n")
    adopt(capsys)
    check(names=("one", "two", "three"))


def test_lists_of_names_that_do_not_say_of_what_are_refused(capsys) -> None:
    np.savez("in/own.npz", **ARRAYS)
    emnist_lists()
    said = adopt(capsys, code=3)
    assert "emnist-digits-mapping.txt and emnist-letters-mapping.txt both name classes" in said


def test_names_lie_beside_files_that_were_named_too(capsys) -> None:
    for part, (images, labels) in PARTS.items():
        emnist(part, images, labels + 1)
    emnist_lists()
    files = [str(path) for path in Path("in").glob("*ubyte.gz")]
    assert main(["data", "adopt", *files, "--output", "out"]) == 0
    check(names="ABC")
    shutil.rmtree("out")
    Path("in/emnist-letters-mapping.txt").unlink()
    assert main(["data", "adopt", *files, "--output", "out"]) == 0
    check(names="123")


def test_a_list_of_more_classes_does_not_number_those_with_names(capsys) -> None:
    for label, name in enumerate(("cup", "dog", "owl")):
        np.save(f"in/{name}.npy", TRAIN[0][TRAIN[1] == label])
    Path("in/classes.txt").write_text("owl\nant\ndog\ncup\n")
    adopt(capsys)
    assert load_training(Path("out")).class_names == ("cup", "dog", "owl")


def test_emnist_as_it_is(capsys) -> None:
    for part, (images, labels) in PARTS.items():
        emnist(part, images, labels)
    adopt(capsys, "--no-transpose")
    check((TRAIN[0].transpose(0, 2, 1), TRAIN[1]), (TEST[0].transpose(0, 2, 1), TEST[1]))


@pytest.mark.parametrize("form", ["npz", "parquet", "csv", "idx"])
def test_any_form_is_transposed_where_that_is_asked_for(form, capsys) -> None:
    for part, (images, labels) in PARTS.items():
        turned = images.transpose(0, 2, 1)
        if form == "npz":
            np.savez(f"in/{part}.npz", **{f"x_{part}": turned, f"y_{part}": labels})
        elif form == "parquet":
            cells = [list(map(int, one.ravel())) for one in turned]
            table = pa.table({"image": cells, "label": labels})
            parquet.write_table(table, f"in/{part}.parquet")
        elif form == "csv":
            Path(f"in/{part}.csv").write_text(to_csv(turned, labels))
        else:
            Path(f"in/{part}-images.idx").write_bytes(to_idx(turned))
            Path(f"in/{part}-labels.idx").write_bytes(to_idx(labels.astype(np.uint8)))
    assert "rows and columns of the images exchanged" in adopt(capsys, "--transpose")
    check()


def test_it_is_told_how_much_of_idx_files_is_read() -> None:
    for part, (images, labels) in PARTS.items():
        emnist(part, images, labels)
    told: list[int] = []
    read_forms([Path("in")], progress=told.append)
    assert sum(told) == sum(file.stat().st_size for file in Path("in").iterdir())


def test_archives_packed_once_more_are_told(capsys) -> None:
    np.savez("in/plain.npz", x_train=TRAIN[0], y_train=TRAIN[1])
    packed = gzip.compress(Path("in/plain.npz").read_bytes())
    Path("in/plain.npz").unlink()
    Path("in/train.npz.gz").write_bytes(packed)
    assert "train.npz.gz is packed once more, with gzip: unpack it first" in adopt(capsys, code=3)


def test_a_file_without_labels_alone_is_no_data_set(capsys) -> None:
    lines = [",".join(map(str, image.ravel())) for image in TEST[0]]
    Path("in/test.csv").write_text("\n".join(lines) + "\n")
    assert "there are no images to train on" in adopt(capsys, code=3)


@pytest.mark.parametrize("unnamed", [False, True])
def test_npz_files_of_the_same_names_are_told_apart_by_their_own(unnamed, capsys) -> None:
    for part, (images, labels) in PARTS.items():
        if unnamed:
            np.savez(f"in/{part}.npz", images, labels)
        else:
            np.savez(f"in/{part}.npz", images=images, labels=labels)
    adopt(capsys)
    check()


@pytest.mark.parametrize("form", ["csv", "npz"])
def test_pixels_of_0_and_1_become_black_and_white(form, capsys) -> None:
    bits = [(images // 128, labels) for images, labels in (TRAIN, TEST)]
    for part, (images, labels) in zip(("train", "test"), bits, strict=True):
        if form == "csv":
            Path(f"in/{part}.csv").write_text(to_csv(images, labels))
        else:
            np.savez(f"in/{part}.npz", **{f"x_{part}": images, f"y_{part}": labels})
    assert "pixels of 0 and 1 times 255" in adopt(capsys)
    check(*((255 * images, labels) for images, labels in bits))


def test_data_whose_name_speaks_of_classes_are_data(capsys) -> None:
    for part, (images, labels) in PARTS.items():
        Path(f"in/mnist_3classes_{part}.csv").write_text(to_csv(images, labels))
    adopt(capsys)
    check()


def test_two_sets_in_one_folder_are_not_mixed(capsys) -> None:
    for kind in ("letters", "digits"):
        for part, (images, labels) in PARTS.items():
            emnist(part, images, labels, kind)
    assert "two files of images for t" in adopt(capsys, code=3)


def test_a_packed_copy_beside_a_file_is_no_second_file(capsys) -> None:
    raw = Path("in/MNIST/raw")
    raw.mkdir(parents=True)
    for part, (images, labels) in (("train", TRAIN), ("t10k", TEST)):
        for kind, array in (("images-idx3", images), ("labels-idx1", labels.astype(np.uint8))):
            data = to_idx(array)
            (raw / f"{part}-{kind}-ubyte").write_bytes(data)
            (raw / f"{part}-{kind}-ubyte.gz").write_bytes(gzip.compress(data))
    adopt(capsys)
    check()
    (raw / "t10k-images-idx3-ubyte.gz").write_bytes(gzip.compress(to_idx(TEST[0][::-1])))
    shutil.rmtree("out")
    assert "two files of images for test" in adopt(capsys, code=3)


def test_qmnist_labels(capsys) -> None:
    for part, (images, labels) in PARTS.items():
        Path(f"in/qmnist-{part}-images-idx3-ubyte").write_bytes(to_idx(images))
        table = np.zeros((len(labels), 8), ">i4")
        table[:, 0], table[:, 1:] = labels, 77
        header = bytes([0, 0, 0x0C, 2]) + len(labels).to_bytes(4, "big") + (8).to_bytes(4, "big")
        Path(f"in/qmnist-{part}-labels-idx2-int").write_bytes(header + table.tobytes())
    adopt(capsys)
    check()


def test_parquet(capsys) -> None:
    def cell(image) -> dict:
        file = io.BytesIO()
        Image.fromarray(image).save(file, "PNG")
        return {"bytes": file.getvalue(), "path": None}

    features = {"label": {"names": ["a", "b", "c"], "_type": "ClassLabel"}}
    metadata = {"huggingface": json.dumps({"info": {"features": features}})}
    shards = {
        "train-00000-of-00002": (TRAIN[0][:20], TRAIN[1][:20]),
        "train-00001-of-00002": (TRAIN[0][20:], TRAIN[1][20:]),
        "test-00000-of-00001": TEST,
    }
    for name, (images, labels) in shards.items():
        table = pa.table({"image": [cell(image) for image in images], "label": labels})
        parquet.write_table(table.replace_schema_metadata(metadata), f"in/{name}.parquet")
    adopt(capsys)
    check(names="abc")


def test_parquet_of_colour_pictures_of_another_side(capsys) -> None:
    """As Hugging Face keeps CIFAR-10."""
    for part, (images, labels) in PARTS.items():
        cells = []
        for image in images.repeat(2, 1).repeat(2, 2):
            file = io.BytesIO()
            Image.fromarray(image).convert("RGB").save(file, "PNG")
            cells.append({"bytes": file.getvalue(), "path": None})
        parquet.write_table(pa.table({"img": cells, "label": labels}), f"in/{part}.parquet")
    assert "56x56 pixels averaged to 28x28" in adopt(capsys)
    check()


def test_parquet_of_numbers_and_a_test_part_without_labels(capsys) -> None:
    images, labels = TRAIN
    for cells in (images.tolist(), images.reshape(-1, 784).tolist()):
        parquet.write_table(pa.table({"image": cells, "digit": labels}), "in/train.parquet")
        hidden = pa.table({"image": cells, "digit": labels * 0 - 1})
        parquet.write_table(hidden, "in/test.parquet")
        said = adopt(capsys)
        assert "test.parquet has images without labels" in said
        together = [*load_training(Path("out")).images, *load_test(Path("out")).images]
        assert {image.tobytes() for image in together} == {image.tobytes() for image in images}
        shutil.rmtree("out")


def test_parquet_with_a_column_a_pixel_in_a_folder_a_part(capsys) -> None:
    """As OpenML keeps them, and as Hugging Face converts data sets."""
    for part, (images, labels) in PARTS.items():
        pixels = images.reshape(-1, 784)
        columns = {f"pixel{i + 1}": pixels[:, i] for i in range(784)}
        Path(f"in/default/{part}").mkdir(parents=True)
        table = pa.table({"id": labels, **columns, "class": [str(label) for label in labels]})
        parquet.write_table(table, f"in/default/{part}/0000.parquet")
    adopt(capsys)
    check()


def test_what_is_packed_twice_is_unpacked_twice(capsys) -> None:
    """As a server leaves it that packs what it sends."""
    for name, part in PARTS.items():
        packed = gzip.compress(gzip.compress(to_csv(*part).encode()))
        Path(f"in/{name}.csv.gz").write_bytes(packed)
    adopt(capsys)
    check()


def test_what_was_passed_over_is_said_with_what_is_missing(capsys) -> None:
    Path("in/train-labels-idx1-ubyte").write_bytes(to_idx(TRAIN[1].astype(np.uint8)))
    Path("in/train-images-idx3-ubyte.gz").write_bytes(gzip.compress(b"<html>log in</html>"))
    said = adopt(capsys, code=3)
    assert "only the labels of train (passed over: train-images-idx3-ubyte.gz is a web" in said


# Of no time of day: it names a test, and all workers must collect the same names.
ARCHIVE = gzip.compress(b"a.csv" + bytes(252) + b"ustar" + bytes(9), mtime=0)


@pytest.mark.parametrize(
    ("name", "data", "why"),
    [
        ("matlab.mat", b"MATLAB 5.0 MAT-file", "a MATLAB file"),
        ("train.csv", b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "Git LFS"),
        ("train.npz", b"<!doctype html><html>", "a web page"),
        ("data.pkl", b"\x80\x04\x95", "a pickle"),
        (
            "train.xlsx",
            b"PK\x03\x04" + bytes(60),
            "a spreadsheet, as Excel's; save its table as CSV",
        ),
        ("train.xls", b"\xd0\xcf\x11\xe0" + bytes(60), "save its table as CSV"),
        ("archive.zip", b"PK\x03\x04" + bytes(60), "a ZIP archive; unpack it first"),
        ("data.pkl", b"\x80\x05\x95", "a pickle"),
        ("matlab.mat", b"MATLAB 7.3 MAT-file", "a MATLAB file; save its arrays with numpy.savez"),
        ("data-00000-of-00001.arrow", b"\xff\xff\xff\xff\x10\0\0\0", "write each part with to_p"),
        ("cache.arrow", b"ARROW1\0\0", "load_from_disk(FOLDER)"),
        ("mnist-train.tfrecord-00000-of-00001", b"\x10" + bytes(20), "TensorFlow's TFRecord; give"),
        ("training.pt", b"PK\x03\x04" + bytes(26) + b"archive/data.pkl", "a pickle"),
        ("train.tgz", ARCHIVE, "a tar archive"),
        ("train.csv.bz2", b"BZh91AY&SY", "packed with bzip2"),
        ("train.csv.zst", b"\x28\xb5\x2f\xfd\0", "packed with zstd"),
        ("train.csv", b"\xef\xbb\xbf\n<!doctype html>", "a web page"),
        ("train.csv", b'{"message": "Not Found"}', "JSON, as a server's refusal is"),
        ("train.csv", b"", "empty"),
        ("notes", b"hello", "no form of a data set that is known"),
    ],
)
def test_what_is_no_data_set_is_named_for_what_it_is(name, data, why, capsys) -> None:
    Path("in", name).write_bytes(data)
    assert why in adopt(capsys, code=3)


def test_nothing_is_written_over(capsys) -> None:
    np.savez("in/mnist.npz", x_train=TRAIN[0], y_train=TRAIN[1])
    Path("out").mkdir()
    Path("out/mine").touch()
    assert "name an empty or new folder" in adopt(capsys, code=2)
    assert list(Path("out").iterdir()) == [Path("out/mine")]


def test_labels_with_a_gap_lose_no_name_and_gain_no_class(capsys) -> None:
    gaps = np.array([0, 2, 9])
    np.savez("in/signs.npz", **{**ARRAYS, "y_train": gaps[TRAIN[1]], "y_test": gaps[TEST[1]]})
    assert "they run from 0 to 9, and 3 of them have images" in adopt(capsys)
    check(names=("0", "2", "9"))


def test_four_files_with_a_class_without_images_are_not_taken_in_place(capsys) -> None:
    for part, (images, labels) in (("train", TRAIN), ("t10k", TEST)):
        Path(f"in/{part}-images-idx3-ubyte").write_bytes(to_idx(images))
        Path(f"in/{part}-labels-idx1-ubyte").write_bytes(to_idx((labels + 1).astype(np.uint8)))
    assert main(["data", "adopt", "in"]) == 3
    assert "--output FOLDER writes a copy" in capsys.readouterr().err
    adopt(capsys)
    check(names=("1", "2", "3"))


@pytest.mark.parametrize("indexed", [False, True])
@pytest.mark.parametrize("behind", [False, True])
def test_a_header_that_counts_the_columns_is_no_image(indexed, behind, capsys) -> None:
    for name, part in PARTS.items():
        lines = to_csv(*part, header=False, behind=behind).splitlines()
        lines = [",".join(map(str, range(785))), *lines]
        if indexed:  # as pandas writes it
            lines = [f"{row - 1 if row else ''},{line}" for row, line in enumerate(lines)]
        Path(f"in/{name}.csv").write_text("\n".join(lines))
    adopt(capsys)
    check()


@pytest.mark.parametrize("name", ["themnist", "TissueMNIST", "noisemnist_train"])
def test_only_emnist_is_transposed_by_its_name(name: str, capsys) -> None:
    Path(f"in/{name}.csv").write_text(to_csv(*TRAIN))
    assert "exchanged" not in adopt(capsys)


def test_names_for_some_labels_only_are_refused(capsys) -> None:
    np.savez("in/set.npz", **{**ARRAYS, "y_train": TRAIN[1] + 1})
    Path("in/classes.txt").write_text("ant\nbee\ncat\n")
    error = adopt(capsys, code=3)
    assert "there are 3 names of classes, and none for the label 3" in error
    Path("in/classes.txt").write_text("ant\nbee\ncat\nrest\n\n")
    adopt(capsys)
    assert load_training(Path("out")).class_names == ("ant", "bee", "cat", "rest")


def test_a_table_of_classes_is_no_list_of_names(capsys) -> None:
    Path("in/train.csv").write_text(to_csv(*TRAIN))
    Path("in/classes.csv").write_text("label,name\n0,ant\n1,bee\n2,cat\n")
    assert "passed over classes.csv" in adopt(capsys)
    assert load_training(Path("out")).class_names == ("0", "1", "2")


def test_a_film_is_no_idx_file(capsys) -> None:
    Path("in/train.csv").write_text(to_csv(*TRAIN))
    Path("in/demo.mp4").write_bytes(b"\0\0\0\x18ftypmp42" + bytes(500))
    assert "passed over demo.mp4" in adopt(capsys)


def test_test10k_is_a_word_for_the_test_part(capsys) -> None:
    for name, (images, labels) in (("train60k", TRAIN), ("test10k", TEST)):
        np.savez(f"in/{name}.npz", images=images, labels=labels)
    adopt(capsys)
    check()


def test_a_folder_of_pictures_is_told_to_be_imported(tmp_path, capsys) -> None:
    (tmp_path / "photos" / "train" / "shirt").mkdir(parents=True)
    Image.new("L", (9, 9)).save(tmp_path / "photos" / "train" / "shirt" / "1.png")
    words = ["data", "adopt", str(tmp_path / "photos"), "--output", str(tmp_path / "out")]
    assert main(words) == 3
    assert "fashion-cnn data import" in capsys.readouterr().err
    (tmp_path / "empty").mkdir()
    assert main(["data", "adopt", str(tmp_path / "empty"), "--output", str(tmp_path / "out")]) == 3
    assert "data import" not in capsys.readouterr().err


def test_a_manifest_of_ours_is_not_said_to_be_a_refusal(capsys) -> None:
    Path("in/train.csv").write_text(to_csv(*TRAIN))
    Path("in/dataset.json").write_text("{}")
    assert "dataset.json" not in adopt(capsys)


@pytest.mark.parametrize("form", ["classes.txt", "npz", "parquet"])
def test_names_are_kept_in_the_form_that_is_usual(form: str, capsys) -> None:
    """The accent of a letter is no letter of its own, as macOS writes it."""
    apart, usual = (unicodedata.normalize(kind, "Café") for kind in ("NFD", "NFC"))
    names = [apart, "Bar", "Pub"]
    if form == "parquet":
        features = {"label": {"names": names, "_type": "ClassLabel"}}
        described = {"huggingface": json.dumps({"info": {"features": features}})}
        for part, (images, labels) in PARTS.items():
            cells = [list(map(int, one.ravel())) for one in images]
            table = pa.table({"image": cells, "label": labels})
            parquet.write_table(table.replace_schema_metadata(described), f"in/{part}.parquet")
    elif form == "npz":
        np.savez("in/own.npz", **ARRAYS, names=np.array(names))
    else:
        np.savez("in/own.npz", **ARRAYS)
        Path("in/classes.txt").write_text("\n".join(names))
    adopt(capsys)
    check(names=(usual, "Bar", "Pub"))
