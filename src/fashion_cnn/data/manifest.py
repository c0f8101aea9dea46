"""`dataset.json`: what makes four IDX files in a folder a data set of one's own.

It records the files' hashes as they were when the data set was imported or adopted, beside
`classes.txt`, a name a line. Fashion-MNIST has none: its hashes are in `fashion_mnist.py`.
"""

import hashlib
import json
import os
import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from fashion_cnn.commands import command
from fashion_cnn.data.files import FILES, PREFIXES, encoding_of
from fashion_cnn.data.framing import AS_PUBLISHED, SIDE, Framing
from fashion_cnn.errors import DataError, UsageError
from fashion_cnn.files import read_bytes, to_json, write_atomically

MANIFEST, CLASSES = "dataset.json", "classes.txt"
MOST_CLASSES = 1000
MOST_IMAGES = 1_000_000  # of one file; EMNIST, the largest of the family, has 814,255 in all
MOST_FILE = 16 + MOST_IMAGES * 784
"""Bytes of one file, decompressed."""

_FORMAT = 1
_MOST_BYTES = 1 << 20  # of each of the two small files
_LONGEST_NAME = 80
_SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class Contents:
    """What the four files of a data set hold, known before any of them is parsed.

    Attributes:
        name: for people.
        class_names: in the order of the labels.
        sha256: by the names in `FILES`, of the decompressed bytes.
        sizes: by the names in `FILES`, of the decompressed bytes.
        framing: how the objects lie in the images; what a photo is made into.
    """

    name: str
    class_names: tuple[str, ...]
    sha256: Mapping[str, str]
    sizes: Mapping[str, int]
    framing: Framing = AS_PUBLISHED

    def count(self, part: str) -> int:
        """How many images there are in "train" or "test"."""
        return self.sizes[f"{PREFIXES[part]}-images-idx3-ubyte"] // SIDE**2  # the header has less


def contents_of(
    name: str, class_names: tuple[str, ...], files: Mapping[str, bytes], framing: Framing
) -> Contents:
    """Describe the four files, decompressed, by their names."""
    return Contents(
        name,
        class_names,
        {file: hashlib.sha256(data).hexdigest() for file, data in files.items()},
        {file: len(data) for file, data in files.items()},
        framing,
    )


def is_own(directory: Path) -> bool:
    """Whether a folder says that it holds a data set of one's own."""
    return os.path.isfile(directory / MANIFEST)  # False, too, where nobody may look


def read_manifest(directory: Path) -> Contents:
    """Read what was recorded of a data set of one's own.

    Raises:
        DataError: `dataset.json` or `classes.txt` is missing, or not as it was written.
    """
    path = directory / MANIFEST
    try:
        found = json.loads(read_small(path))
        files = {name: found["files"][name] for name in FILES}
        classes = read_small(directory / CLASSES)
        contents = Contents(
            found["name"],
            class_names(classes, str(directory / CLASSES)),
            {name: one["sha256"] for name, one in files.items()},
            {name: one["bytes"] for name, one in files.items()},
            Framing.parse(found.get("framing", str(AS_PUBLISHED))),  # from before it was measured
        )
        classes_sha256 = found["classes_sha256"]
        sound = (
            found["format"] == _FORMAT
            and contents.name.isprintable()
            and all(_SHA256.fullmatch(sha) for sha in (*contents.sha256.values(), classes_sha256))
            and all(type(size) is int and 0 < size <= MOST_FILE for size in contents.sizes.values())
        )
    except (AttributeError, KeyError, TypeError, ValueError, RecursionError, UsageError) as error:
        raise DataError(f"{path} is damaged ({error!r}); {again(directory)}") from None
    if not sound:
        raise DataError(f"{path} is damaged; {again(directory)}")
    if hashlib.sha256(classes).hexdigest() != classes_sha256:
        raise DataError(
            f"{directory / CLASSES} is not as it was recorded; if the change is meant, "
            f"{again(directory)}"
        )
    return contents


def framing_before(directory: Path, images: bytes) -> Framing | None:
    """The framing that was recorded of the same images to train on, whatever else has changed.

    Args: images: what their file holds now, decompressed.
    """
    try:
        found = json.loads(read_small(directory / MANIFEST))
        same = found["files"][FILES[0]]["sha256"] == hashlib.sha256(images).hexdigest()
        return Framing.parse(found["framing"]) if same else None
    except (AttributeError, DataError, KeyError, RecursionError, TypeError, UsageError, ValueError):
        return None


def write_manifest(directory: Path, contents: Contents) -> None:
    """Write `classes.txt`, then `dataset.json`, which makes the folder a data set."""
    classes = classes_txt(contents.class_names)
    manifest = {
        "format": _FORMAT,
        "name": contents.name,
        "framing": str(contents.framing),
        "classes_sha256": hashlib.sha256(classes).hexdigest(),
        "files": {
            name: {"bytes": contents.sizes[name], "sha256": contents.sha256[name]} for name in FILES
        },
    }
    write_atomically(directory / CLASSES, classes)
    write_atomically(directory / MANIFEST, to_json(manifest))


def class_names(data: bytes, where: str) -> tuple[str, ...]:
    """Read `classes.txt`. Raises `DataError` unless `check_class_names` is content with it."""
    try:
        lines = data.decode(encoding_of(data)).rstrip().splitlines()
    except UnicodeError as error:
        raise DataError(f"{where} is not UTF-8 ({error})") from None
    names = tuple(map(in_one_form, lines))
    check_class_names(names, where)
    return names


def in_one_form(name: str) -> str:
    """A name as others write it: a Mac's copy has accents apart, and is the same to people."""
    return unicodedata.normalize("NFC", name)


def classes_txt(names: Sequence[str]) -> bytes:
    """What `class_names` reads."""
    return "".join(f"{name}\n" for name in names).encode()


def check_class_names(names: Sequence[str], where: str) -> None:
    """Raise `DataError` unless there are 2 to 1,000 different names that can be printed."""
    if not 2 <= len(names) <= MOST_CLASSES:
        raise DataError(f"{where} has {len(names)} classes; it must be 2 to {MOST_CLASSES:,}")
    for name in names:
        if not (0 < len(name) <= _LONGEST_NAME and name.isprintable() and name == name.strip()):
            raise DataError(
                f"{where}: {name!r:.100} cannot be the name of a class: 1 to {_LONGEST_NAME} "
                "printable characters, no blank at either end"
            )
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise DataError(f"{where} names {twice[0]!r} twice")


def again(directory: Path) -> str:
    """What to type to have the files as they are taken for the data set."""
    return f"take the files as they are with: {command('data', 'adopt', directory)}"


def read_small(path: Path) -> bytes:
    """Read `classes.txt` or `dataset.json`. Raises `DataError`: unreadable, or larger than 1 MB."""
    return read_bytes(path, DataError, _MOST_BYTES)
