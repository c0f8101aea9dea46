"""What a file or folder is of a data set, by the words of its name."""

import re
from collections.abc import Sequence
from pathlib import Path

from fashion_cnn.data.framing import SIDE
from fashion_cnn.data.pictures import shown
from fashion_cnn.errors import DataError

PARTS = {
    **dict.fromkeys(("train", "training", "trainset", "trn", "tr"), "train"),
    **dict.fromkeys(("val", "valid", "validation", "valset", "dev"), "validation"),
    **dict.fromkeys(("test", "testing", "testset", "t10k", "tst", "te", "ts"), "test"),
    **dict.fromkeys(("eval", "evaluation", "holdout"), "test"),  # beside validation as often
}
IMAGES, LABELS = {"images", "image", "imgs", "x"}, {"labels", "label", "y"}
"""Words for what a file or an array holds."""
IMAGE_KEYS = ("image", "img", "pixels", "pixel_values")
LABEL_KEYS = (
    "label", "labels", "fine_label", "digit", "letter", "class", "category", "target", "y",
)  # fmt: skip
"""What the images and the labels are called in a table or in an item; the first that is there."""
COUNTERS = ("", "id", "index", "unnamed: 0", "__index_level_0__")
"""What a column is called that counts the rows."""
_EMNIST = re.compile(r"(?<![a-z])emnist")  # and not TissueMNIST's name
_FILLERS = {"data", "dataset", "images", "imgs", "photos", "pictures", "set", "split"}


def part_of(name: str) -> str | None:
    """The part, "train", "validation" or "test", that a name mentions; None for none or two."""
    found = {PARTS[word] for word in words(name) if word in PARTS}
    return found.pop() if len(found) == 1 else None


def part_alone(name: str) -> str | None:
    """As `part_of`, if the name says nothing else: "training shoes" is a class, no part."""
    return None if besides_part(name) else part_of(name)


def besides_part(name: str) -> frozenset[str]:
    """The words of a name that tell more than a part."""
    return frozenset(words(name)) - {*PARTS, *_FILLERS}


def says_no_class(name: str) -> bool:
    """Whether a name says only that there are data or images, as train/images/ does."""
    said = set(words(name))
    return bool(said) and said <= _FILLERS


def says_emnist(name: str) -> bool:
    """Whether a name says that it is of EMNIST, whose images have rows and columns exchanged."""
    return bool(_EMNIST.search(name.lower()))


def words(name: str) -> list[str]:
    """The words of a name, in small letters; a capital behind a small one begins another."""
    apart = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name)
    return re.findall(r"t10k|[^\W\d_]+", apart.lower())


def pixel_order(names: Sequence[str], where: str) -> list[int]:
    """The places of 784 columns in the order of their numbers: pixel0, …, or 1x1, 1x2, ….

    Names without any number are in order as they are.

    Raises:
        DataError: the numbers are not those of pixels.
    """
    found = [[int(number) for number in re.findall(r"[0-9]{1,9}", name)] for name in names]
    if not any(found):
        return [*range(len(names))]
    for key in ([tuple(one[-1:]) for one in found], [tuple(one[-2:]) for one in found]):
        places = [{*axis} for axis in zip(*key, strict=False)]
        counted = all(max(axis) - min(axis) == len(axis) - 1 for axis in places)
        sides = [len(axis) for axis in places]
        if counted and len({*key}) == len(names) and sides in ([SIDE * SIDE], [SIDE, SIDE]):
            return sorted(range(len(names)), key=key.__getitem__)
    raise DataError(
        f"{where}: the headers of its pixels are not numbered one after the other, from 0 or 1 on, "
        "so where they lie cannot be told; number them, or leave the headers out"
    )


def by_part(files: list[Path]) -> dict[str, list[Path]]:
    """Which files are of which part, by their names or their folder's; one alone is of training.

    Raises:
        DataError: not told.
    """
    if len(files) == 1:
        return {part_of(files[0].name) or "train": files}
    parts: dict[str, list[Path]] = {}
    for file in files:
        part = part_of(file.name) or part_of(file.parent.name)
        if part is None:
            raise DataError(
                f"{shown(file.name)} does not say which part it is of; have train, validation or "
                "test in its name"
            )
        parts.setdefault(part, []).append(file)
    if "train" not in parts:
        raise DataError(f"no file to train on: {', '.join(shown(file.name) for file in files)}")
    return parts
