"""What a file or folder is of a data set, by the words of its name."""

import re
from pathlib import Path

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
