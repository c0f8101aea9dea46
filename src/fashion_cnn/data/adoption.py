"""Taking four IDX files for a data set of one's own: look at them once, and record their hashes."""

import errno
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fashion_cnn.data.fashion_mnist import SHA256
from fashion_cnn.data.files import FILES, PREFIXES, RAW, candidates
from fashion_cnn.data.forms.idx_pairs import read_bounded
from fashion_cnn.data.forms.parts import says_emnist
from fashion_cnn.data.framing import SIDE, Framing, measure_framing
from fashion_cnn.data.idx import parse_idx
from fashion_cnn.data.manifest import (
    CLASSES,
    MOST_CLASSES,
    Contents,
    class_names,
    contents_of,
    framing_before,
    is_own,
    read_small,
    write_manifest,
)
from fashion_cnn.data.pictures import shown
from fashion_cnn.data.split import Split
from fashion_cnn.errors import DataError, UsageError


def adopt(
    directory: Path,
    framing: Framing | None = None,
    say: Callable[[str], None] = lambda line: None,
) -> Contents:
    """Record what a folder's four files hold, so that it can be trained on by its name.

    The classes are the lines of `classes.txt`; where there is none it is written, with the numbers
    from 0 to the largest label as names.

    Args:
        framing: how the objects lie in the images; None for what was recorded of the same images,
            else measured on those to train on.
        say: gets a line a file that was passed over for another, a class without images, and
            EMNIST's name.

    Returns:
        What was recorded.

    Raises:
        DataError: a file is missing, damaged, or of other things than 28x28 images and labels.
        UsageError: it is Fashion-MNIST, which is known; or the folder is read-only.
        OSError: the folder cannot be written to.
    """
    if directory.is_file():
        raise DataError(
            f"{directory} is a file; in place only a folder with MNIST's four files can be "
            "adopted; to convert it, name a new folder with --output"
        )
    if not directory.is_dir():
        raise DataError(f"there is no folder {directory}")
    data = {name: _read(directory, name, say) for name in FILES}
    arrays = {name: parse_idx(found) for name, found in data.items()}
    _check_forms(directory, arrays)
    if says_emnist(directory.resolve().name) and not is_own(directory):
        say(
            f"{directory} is EMNIST's by its name, whose images have rows and columns exchanged; "
            "they were left so, and --output FOLDER writes a copy that is upright"
        )
    if arrays[FILES[0]].max(initial=0) == 1:
        raise DataError(
            f"the images in {directory} have pixels of 0 and 1 alone, which is black; --output "
            "FOLDER writes a copy with 0 and 255"
        )
    labels = {name: arrays[name].astype(np.int64) for name in FILES if "labels" in name}
    names = _names(directory, labels.values())
    for part, prefix in PREFIXES.items():
        try:
            split = Split(
                arrays[f"{prefix}-images-idx3-ubyte"], labels[f"{prefix}-labels-idx1-ubyte"], names
            )
        except DataError as error:
            listed = f"; {CLASSES} has {len(names)} names, and labels count from 0"
            hint = listed if (directory / CLASSES).exists() else ""
            raise DataError(f"{directory}, {part}: {error}{hint}") from None
        if not len(split):
            raise DataError(f"{directory}, {part}: no images")
        for label in sorted({*range(len(names))} - {*split.labels.tolist()}):
            say(f"class {names[label]} has no image to {part}")
    framing = (
        framing or framing_before(directory, data[FILES[0]]) or measure_framing(arrays[FILES[0]])
    )
    here = directory.resolve()
    called = here.parent.name if here.name == RAW else here.name
    contents = contents_of(shown(called or here.name), names, data, framing)
    if contents.sha256 == SHA256:
        raise UsageError(f"{directory} holds Fashion-MNIST itself; use it without adopting it")
    try:
        write_manifest(directory, contents)
    except OSError as error:
        if error.errno not in (errno.EACCES, errno.EPERM, errno.EROFS):
            raise
        raise UsageError(
            f"{error.filename}: {error.strerror}; name a new folder to copy the data set to with "
            "--output"
        ) from None
    return contents


def _check_forms(directory: Path, arrays: Mapping[str, NDArray[Any]]) -> None:
    """Raise `DataError` unless images are uint8 (N, 28, 28), and labels (N,)."""
    for name, found in arrays.items():
        of_images = "images" in name
        as_mnist = found.dtype == np.uint8 and found.shape[1:] == (SIDE, SIDE)
        if as_mnist if of_images else found.ndim == 1:
            continue
        what = "no images" if of_images else "no labels"
        hint = "--output FOLDER reads other forms, and writes a copy in this one"
        if of_images and found.ndim == 3:
            what = f"not uint8 (N, {SIDE}, {SIDE})"
        elif found.ndim == (1 if of_images else 3):
            hint = "are the files of images and labels named the wrong way round?"
        raise DataError(
            f"{directory}/{name} holds an array of {found.dtype.name} {found.shape}, {what}; {hint}"
        )


def _names(directory: Path, labels: Iterable[NDArray[np.int64]]) -> tuple[str, ...]:
    """The classes that the folder lists; if it lists none, the numbers of the labels."""
    if (directory / CLASSES).exists():
        return class_names(read_small(directory / CLASSES), str(directory / CLASSES))
    present = np.unique(np.concatenate([*labels]))
    largest = int(present.max(initial=0))
    if not 1 <= largest < MOST_CLASSES:
        raise DataError(
            f"the labels in {directory} run up to {largest}; there must be 2 to "
            f"{MOST_CLASSES:,} classes, counted from 0"
        )
    if len(present) <= largest:
        raise DataError(
            f"the labels in {directory} run up to {largest}, but only {len(present)} classes "
            "have images; --output FOLDER writes a copy with the labels renumbered from 0"
        )
    return tuple(str(label) for label in range(largest + 1))


def _read(directory: Path, name: str, say: Callable[[str], None]) -> bytes:
    found: dict[Path, bytes] = {}
    faults = []
    for path in candidates(directory, name):
        try:
            found[path] = read_bounded(path)
        except DataError as error:
            faults.append(error)
    if len({*found.values()}) > 1:
        raise DataError(f"{' and '.join(map(str, found))} differ; remove the wrong one")
    if found:
        for fault in faults:
            say(f"passed over: {fault}")
        return next(iter(found.values()))
    if faults:
        raise faults[0]
    raise DataError(
        f"{directory} has no {name} or {name}.gz; to convert files with other names or of another "
        "form, name a new folder with --output"
    )
