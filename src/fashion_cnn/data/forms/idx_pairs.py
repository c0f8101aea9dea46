"""IDX files under other names than MNIST's: EMNIST's and QMNIST's."""

from collections.abc import Callable
from pathlib import Path

from fashion_cnn.data.files import read_file
from fashion_cnn.data.forms.labelled import Labelled, Part, to_images, to_labels
from fashion_cnn.data.forms.parts import IMAGES, by_part, words
from fashion_cnn.data.idx import MOST_HEADER, parse_idx, promised_bytes
from fashion_cnn.data.manifest import MOST_FILE
from fashion_cnn.data.pictures import shown
from fashion_cnn.errors import DataError

_QMNIST_COLUMNS = 8


def read_bounded(path: Path) -> bytes:
    """Read an IDX file whole, plain or gzipped, if it promises no more than a data set can have.

    Raises:
        DataError: it is none, promises more, or is not as long as it promises.
    """
    try:
        size = promised_bytes(read_file(path, MOST_HEADER))
    except DataError as error:
        raise DataError(f"{path}: {error}") from None
    if size > MOST_FILE:
        raise DataError(f"{path} says that it has {size} bytes; at most {MOST_FILE} are read")
    data = read_file(path, size + 1)
    if len(data) != size:
        more = "more" if len(data) > size else f"only {len(data)}"
        raise DataError(f"{path} says that it has {size} bytes, and has {more}")
    return data


def _are_copies(one: Path, other: Path) -> bool:
    """Whether files hold the same and are called the same but for .gz: torchvision keeps both."""
    alike = {*words(one.name)} ^ {*words(other.name)} <= {"gz"}
    return alike and read_bounded(one) == read_bounded(other)


def read_idx_files(files: list[Path], progress: Callable[[int], None]) -> Labelled:
    """Read a file of images and the file of their labels, a part.

    Labels are (N,), or QMNIST's (N, 8), whose first column is the class.

    Raises:
        DataError: a file is damaged, or of other things; or there are no such pairs.
    """
    pairs: dict[str, dict[str, Path]] = {}
    for part, of in by_part(files).items():
        for file in of:
            kind = "images" if set(words(file.name)) & IMAGES else "labels"
            if kind in pairs.setdefault(part, {}):
                if _are_copies(file, pairs[part][kind]):
                    continue
                raise DataError(
                    f"two files of {kind} for {part}: {shown(pairs[part][kind].name)} and "
                    f"{shown(file.name)}; put the data set that is meant into a folder of its own"
                )
            pairs[part][kind] = file
        if len(pairs[part]) < 2:
            raise DataError(f"{of[0].parent} has only the {next(iter(pairs[part]))} of {part}")
    parts = {}
    for part, pair in pairs.items():
        pixels, _ = to_images(parse_idx(read_bounded(pair["images"])), str(pair["images"]))
        classes = parse_idx(read_bounded(pair["labels"]))
        if classes.ndim == 2 and classes.shape[1] == _QMNIST_COLUMNS:
            classes = classes[:, 0]
        progress(sum(file.stat().st_size for file in pair.values()))
        parts[part] = Part(pixels, to_labels(classes, len(pixels), str(pair["labels"])))
    return Labelled(parts, {})
