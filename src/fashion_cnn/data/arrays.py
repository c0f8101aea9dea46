"""Arrays of one's own as a data set: a folder like any other, so that whatever takes one does."""

import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from fashion_cnn.data.conversion import convert
from fashion_cnn.data.forms.labelled import Labelled, Part, to_images, to_labels
from fashion_cnn.data.holding_out import Draw
from fashion_cnn.data.manifest import is_own
from fashion_cnn.data.split import Split
from fashion_cnn.errors import DataError, UsageError

FOLDER = Path("runs", "data")
"""Where the folders are made, each named after what it holds: the same arrays, the same folder."""


def write_arrays(data: Any, class_names: Sequence[str] | None, say: Callable[[str], None]) -> Path:
    """Write arrays as a data set, unless that was done before.

    Args:
        data: `(images, labels)`, or two such pairs, to train on and to test on, or a `Split`.
            Without a test part a fifth of each class, drawn by a seed, becomes it. Images as
            `to_images` takes them, at least 28x28 pixels an image; labels whole numbers (N,),
            one-hot rows (N, C), or names (N,).
        class_names: in the order of the labels' values; None for those of a `Split`, for the labels
            where they are names, else for the numbers.
        say: gets a line on each thing that was changed.

    Returns:
        The folder.

    Raises:
        UsageError: `data` has another form.
        DataError: what it holds cannot be used; the message says what.
    """
    if isinstance(data, Split):
        data, class_names = (data.images, data.labels), class_names or data.class_names
    parts, notes, names = {}, [], class_names
    for part, pair in zip(("train", "test"), _pairs(data), strict=False):
        images, note = to_images(np.asarray(pair[0]), f"the {part} part")
        labels = np.asarray(pair[1])
        if labels.dtype.kind in "UO":  # names
            names = names or [str(name) for name in np.unique(labels)]
            labels = _positions(labels, names, part)
        parts[part] = Part(images, to_labels(labels, len(images), f"the {part} part"))
        notes += [note] * bool(note)
    found = Labelled("arrays", parts, dict(enumerate(map(str, names or ()))), tuple(notes))
    folder = FOLDER / _digest(found)
    if not is_own(folder):
        convert(found, folder, Draw(), say=say)
        say(f"the arrays are a data set now, in {folder}; to name it elsewhere: --data-dir")
    return folder


def _pairs(data: Any) -> list[Any]:
    """One or two pairs of images and labels."""
    if _is_pair(data):
        pairs = list(data) if all(_is_pair(one) and np.ndim(one[0]) > 1 for one in data) else [data]
        if all(np.ndim(images) > 1 for images, _ in pairs):
            return pairs
    raise UsageError(
        "data must be a folder, (images, labels) or ((images, labels), (test_images, "
        f"test_labels)), not {type(data).__name__}"
    )


def _is_pair(pair: Any) -> bool:
    return isinstance(pair, tuple | list) and len(pair) == 2


def _positions(labels: Any, names: Sequence[str], part: str) -> Any:
    known = {name: place for place, name in enumerate(names)}
    if unknown := sorted({str(one) for one in labels.ravel()} - known.keys()):
        raise DataError(f"the {part} part has the label {unknown[0]!r}, which names no class")
    return np.array([known[str(one)] for one in labels.ravel()]).reshape(labels.shape)


def _digest(found: Labelled) -> str:
    digest = hashlib.sha256(repr(sorted(found.names.items())).encode())
    for name, part in found.parts.items():
        digest.update(f"{name} {part.images.shape}".encode())
        digest.update(part.images.tobytes() + part.labels.tobytes())
    return digest.hexdigest()[:16]
