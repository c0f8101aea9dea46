"""Arrays, and data sets of other libraries, as a folder like any other."""

import hashlib
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fashion_cnn.data.conversion import convert
from fashion_cnn.data.forms.labelled import Labelled, Part, to_images, to_labels
from fashion_cnn.data.forms.parts import PARTS, says_emnist
from fashion_cnn.data.holding_out import Draw
from fashion_cnn.data.items import as_array, gives_items, names_of, read_items, whole
from fashion_cnn.data.manifest import in_one_form, is_own
from fashion_cnn.data.split import Split
from fashion_cnn.errors import DataError, UsageError

FOLDER = Path("runs", "data")
"""Where the folders are made, each named after what it holds: the same arrays, the same folder."""
_NUMBER = re.compile("0|[1-9][0-9]{0,17}")  # codes of goods begin with 0, or are longer
_OF_EMNIST = (
    "EMNIST's images, by the name of their data set: rows and columns are exchanged in them unless "
    "a transform turns them; they were left so"
)


def write_arrays(data: Any, class_names: Sequence[str] | None, say: Callable[[str], None]) -> Path:
    """Write arrays as a data set, unless that was done before.

    Args:
        data: `(images, labels)`, a `Split`, or what `read_items` reads; or two of them, to train on
            and to test on, also by the names "train" and "test" (and "validation"). Without a test
            part a fifth of each class, drawn by a seed, becomes it. Images as `to_images` takes
            them; labels whole numbers (N,), one-hot rows (N, C), or names (N,).
        class_names: in the order of the labels' values; None for those of the data, for the labels
            where they are names, else for the numbers.
        say: gets a line on each thing that was changed.

    Returns:
        The folder.

    Raises:
        UsageError: `data` or `class_names` has another form.
        DataError: what it holds cannot be used; the message says what.
    """
    asked = names = _listed(class_names)
    parts, notes = {}, []
    for part, given in _parts(data).items():
        where, own = f"the {part} part", None
        if isinstance(given, Split):
            own, given = _listed(given.class_names), (given.images, given.labels)
        elif gives_items(given):
            if says_emnist(type(whole(given)).__name__) and _OF_EMNIST not in notes:
                notes.append(_OF_EMNIST)
            own, given = _listed(names_of(given)), read_items(given, where)
        images, note = to_images(as_array(given[0], f"{where}'s images"), where)
        labels = _numbers(_decoded(as_array(given[1], f"{where}'s labels")), names)
        if labels.dtype.kind in "UO":  # names
            names = names or _names_in(labels, where)
            labels = _positions(labels, names, where)
        labels = to_labels(labels, len(images), where)
        if own and names and not asked:
            labels = _renumbered(labels, own, names, where)
        names = names or own
        parts[part] = Part(images, labels)
        notes += [note] if note and note not in notes else []
    _check_enough(names, parts.values())
    notes += _in_two(parts)
    found = Labelled(parts, dict(enumerate(names or ())), tuple(notes))
    folder = FOLDER / _digest(found)
    if not is_own(folder):
        convert(found, folder, Draw(), say=say)
        say(f"they are a data set now, in {folder}; to name it elsewhere: --data-dir")
    return folder


def _parts(data: Any) -> dict[str, Any]:
    """What is given for each part: a pair of images and labels, a `Split`, or what gives items."""
    found: dict[str, Any]
    if isinstance(data, Mapping) and data and data.keys() <= PARTS.keys():
        found = {PARTS[name]: part for name, part in data.items()}
        found = dict(sorted(found.items(), key=lambda part: part[0] != "train"))  # numbers classes
        if "train" not in found or len(found) < len(data):
            raise UsageError(
                f"data has the parts {', '.join(data)}; it needs one to train on, and no two for "
                "one of train, validation and test"
            )
    elif _is_pair(data) and all(_is_whole(one) for one in data):
        found = dict(zip(("train", "test"), data, strict=True))
    else:
        found = {"train": data}
    if all(_is_whole(one) for one in found.values()):
        return found
    raise UsageError(
        "data must be a folder, (images, labels), a data set whose items are (image, label), or "
        f"two of them, to train on and to test on, not {type(data).__name__}"
    )


def _is_whole(one: Any) -> bool:
    """Whether something is the images and labels of a part."""
    if isinstance(one, Split) or gives_items(one):
        return True
    if not _is_pair(one) or one[0] is None or isinstance(one[0], Split | tuple):
        return False
    return not gives_items(one[0]) and _sides(one[0]) > 1


def _is_pair(pair: Any) -> bool:
    return isinstance(pair, tuple | list) and len(pair) == 2


def _sides(images: Any) -> int:
    return (images if hasattr(images, "ndim") else as_array(images, "what is given as images")).ndim


def _decoded(labels: NDArray[Any]) -> NDArray[Any]:
    """Labels, as text where they are bytes: those of tf.data, and of numpy's archives."""
    if labels.dtype.kind not in "SO":
        return labels
    texts = [_text(one) if isinstance(one, bytes) else one for one in labels.ravel().tolist()]
    return np.array(texts, object).reshape(labels.shape)


def _text(name: Any) -> str:
    return name.decode(errors="backslashreplace") if isinstance(name, bytes) else str(name)


def _numbers(labels: NDArray[Any], names: list[str] | None) -> NDArray[Any]:
    """Labels that are numbers as text, as OpenML has them, as numbers; names stay as they are."""
    if labels.dtype.kind not in "UO":
        return labels
    texts = {str(one) for one in labels.ravel()}
    if not all(map(_NUMBER.fullmatch, texts)) or texts & {*(names or ())}:
        return labels
    return labels.astype(np.int64)


def _listed(names: Any) -> list[str] | None:
    if names is None:
        return None
    if isinstance(names, str | bytes | Mapping) or not isinstance(names, Iterable):
        raise UsageError(f"class_names is {names!r:.60}; it must be a list of names")
    return [in_one_form(_text(name)) for name in names]


def _names_in(labels: Any, where: str) -> list[str]:
    try:
        return sorted({in_one_form(str(name)) for name in np.unique(labels)})
    except TypeError:  # these cannot be sorted
        raise DataError(f"{where} has labels of several types, or lacks some") from None


def _check_enough(names: list[str] | None, parts: Iterable[Part]) -> None:
    values = np.unique(np.concatenate([part.labels for part in parts]))
    # As many as there are classes name these in order, whatever their labels.
    if names and len(values) not in (0, len(names)) and values[-1] >= len(names):
        raise DataError(
            f"class_names has {len(names)} names, and labels run up to {values[-1]}; name every one"
        )


def _in_two(parts: Mapping[str, Part]) -> list[str]:
    """A line on each two parts that share images."""
    if len(parts) < 2:
        return []
    seen = {
        name: [hashlib.sha256(image.tobytes()).digest() for image in part.images]
        for name, part in parts.items()
    }
    shared = {
        (first, second): sum(map({*seen[first]}.__contains__, seen[second]))
        for first, second in combinations(sorted(seen, key=[*PARTS.values()].index), 2)
    }
    return [
        f"images of the {second} part that are in the {first} part too: {count:,}"
        for (first, second), count in shared.items()
        if count
    ]


def _renumbered(
    labels: NDArray[np.int64], own: list[str], names: list[str], where: str
) -> NDArray[np.int64]:
    """Labels of a part that numbers its classes by itself, as the first part numbers them."""
    if labels.max(initial=0) >= len(own):
        raise DataError(f"{where} names {len(own)} classes, and its labels run up to {max(labels)}")
    return labels if own == names else _positions(np.array(own)[labels], names, where)


def _positions(labels: Any, names: Sequence[str], where: str) -> Any:
    known = {name: place for place, name in enumerate(names)}
    given = [in_one_form(str(one)) for one in labels.ravel()]
    if unknown := sorted({*given} - known.keys()):
        raise DataError(f"{where} has the label {unknown[0]!r}, which names no class")
    return np.array([known[one] for one in given]).reshape(labels.shape)


def _digest(found: Labelled) -> str:
    digest = hashlib.sha256(repr(sorted(found.names.items())).encode())
    for name, part in found.parts.items():
        digest.update(f"{name} {part.images.shape}".encode())
        digest.update(part.images.tobytes() + part.labels.tobytes())
    return digest.hexdigest()[:16]
