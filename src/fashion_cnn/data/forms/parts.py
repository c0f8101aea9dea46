"""Which part of a data set a file or folder is of, by the words of its name."""

import re

PARTS = {
    **dict.fromkeys(("train", "training", "trainset"), "train"),
    **dict.fromkeys(("val", "valid", "validation", "valset", "dev"), "validation"),
    **dict.fromkeys(("test", "testing", "testset", "t10k"), "test"),
}
_FILLERS = {"data", "dataset", "images", "set", "split"}


def part_of(name: str) -> str | None:
    """The part, "train", "validation" or "test", that a name mentions; None for none or two."""
    found = {PARTS[word] for word in words(name) if word in PARTS}
    return found.pop() if len(found) == 1 else None


def part_alone(name: str) -> str | None:
    """As `part_of`, if the name says nothing else: "training shoes" is a class, no part."""
    return part_of(name) if {*words(name)} <= {*PARTS, *_FILLERS} else None


def words(name: str) -> list[str]:
    """The words of a name, in small letters."""
    return re.findall(r"[^\W\d_]+(?:10k)?", name.lower())
