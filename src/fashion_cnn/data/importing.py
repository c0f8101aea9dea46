"""From a folder of photos, a folder a class, to IDX files: a data set of one's own."""

import csv
import hashlib
import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fashion_cnn.data.forms.labelled import Part
from fashion_cnn.data.holding_out import check_share, hold_out
from fashion_cnn.data.manifest import MOST_IMAGES, check_class_names
from fashion_cnn.data.photo import read_photo
from fashion_cnn.data.pictures import SUFFIXES, read_bytes, shown
from fashion_cnn.data.randomness import stream
from fashion_cnn.data.writing import check_free, write_data_set
from fashion_cnn.errors import DataError, ImageError, UsageError

REPORT = "pictures.csv"
_NO_PICTURE = "not named as a PNG, JPEG or WEBP file"


@dataclass(frozen=True)
class Picture:
    """What became of one file.

    Attributes:
        file: its path in the folder, printable.
        class_name: the folder that it is in; "" for none.
        part: "train" or "test"; "" for a file that was not taken.
        index: its position in that part, or None.
        note: why it was not taken, or what the preparation of the photo found worth a word.
        bad: whether it should have been a picture and could not be used.
    """

    file: str
    class_name: str
    part: str
    index: int | None
    note: str
    bad: bool


def import_folder(
    folder: Path, output: Path, *, test_share: float, seed: int, say: Callable[[str], None]
) -> list[Picture]:
    """Make a data set out of photos: the four IDX files, `classes.txt`, `dataset.json`, a report.

    Each folder in `folder` is a class, with the pictures in and below it; hidden files are passed
    over. A picture that is byte for byte another one is taken once, so that none is in both parts.

    Args:
        folder: of the class folders.
        output: made; it must not exist, or be empty. It appears whole or not at all.
        test_share: of each class, at least one picture, drawn at random, becomes the test files.
        seed: of that draw and of the order.
        say: gets a line a class.

    Returns:
        A line a file, those taken and those not, as `pictures.csv` has them.

    Raises:
        UsageError: a folder that cannot be used as asked, or a share not between 0 and 1.
        DataError: fewer than 2 classes, a name that cannot be one, or a class with too few
            pictures.
        OSError: `output` cannot be written.
    """
    _check(folder, output, test_share)
    entries = sorted(path for path in folder.iterdir() if not path.name.startswith("."))
    classes = [path for path in entries if path.is_dir()]
    names = tuple(path.name for path in classes)
    check_class_names(names, str(folder))
    pictures = [_outside(path) for path in entries if not path.is_dir()]
    images: list[NDArray[np.uint8]] = []
    labels: list[int] = []
    seen: dict[str, str] = {}
    for label, path in enumerate(classes):
        found = [_take(file, folder, names[label], seen, images) for file in _files_below(path)]
        pictures += found
        labels += [label] * (len(images) - len(labels))
        say(f"{names[label]}: {labels.count(label)} of {len(found)} files")
    if len(images) > MOST_IMAGES:
        raise DataError(f"{folder} has {len(images)} pictures; at most {MOST_IMAGES:,} are taken")
    truth = np.array(labels, np.int64)
    held_out = hold_out(truth, names, test_share, seed)
    order = stream(seed, "import order").permutation(len(truth))
    tested = np.isin(order, held_out)
    parts = {"train": order[~tested], "test": order[tested]}
    pictures = _numbered(pictures, parts)
    everything = Part(np.array(images), truth)
    chosen = {part: everything.select(indices) for part, indices in parts.items()}
    write_data_set(output, names, chosen, {REPORT: _to_csv(pictures).encode()})
    return pictures


def _check(folder: Path, output: Path, test_share: float) -> None:
    if not folder.is_dir():
        raise UsageError(f"{folder} is not a folder; name one that has a folder of photos a class")
    check_free(output)
    check_share(test_share)


def _files_below(folder: Path) -> list[Path]:
    files = [path for path in folder.rglob("*") if not path.is_dir()]
    inside = [path.relative_to(folder) for path in files]
    return sorted(
        path
        for path, below in zip(files, inside, strict=True)
        if not any(part.startswith(".") for part in below.parts)
    )


def _take(
    path: Path, folder: Path, name: str, seen: dict[str, str], images: list[NDArray[np.uint8]]
) -> Picture:
    """Read one file; its pixels go to the end of `images`, its hash into `seen`."""
    file = shown(str(path.relative_to(folder)))
    if path.suffix.lower() not in SUFFIXES:
        return Picture(file, name, "", None, _NO_PICTURE, False)
    try:
        data = read_bytes(str(path))
        digest = hashlib.sha256(data).hexdigest()
        if digest in seen:
            return Picture(file, name, "", None, f"the same file as {seen[digest]}", True)
        photo = read_photo(data)
    except ImageError as error:
        return Picture(file, name, "", None, str(error), True)
    seen[digest] = file
    images.append(photo.seen)
    return Picture(file, name, "", len(images) - 1, "; ".join(photo.notes), False)


def _outside(path: Path) -> Picture:
    bad = path.suffix.lower() in SUFFIXES
    return Picture(shown(path.name), "", "", None, "in no class" if bad else _NO_PICTURE, bad)


def _numbered(pictures: Sequence[Picture], parts: Mapping[str, NDArray[np.int64]]) -> list[Picture]:
    """Say of each picture that was taken, until then by its place among these, where it went."""
    went = {
        int(place): (part, index)
        for part, places in parts.items()
        for index, place in enumerate(places)
    }
    numbered = []
    for picture in pictures:
        if picture.index is not None:
            part, index = went[picture.index]
            picture = replace(picture, part=part, index=index)
        numbered.append(picture)
    return numbered


def _to_csv(pictures: Sequence[Picture]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["file", "class", "part", "index", "note"])
    writer.writerows([one.file, one.class_name, one.part, one.index, one.note] for one in pictures)
    return text.getvalue()
