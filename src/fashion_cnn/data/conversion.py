"""A data set that was read in another form, made one of ours: four IDX files, hashed."""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fashion_cnn.data.fashion_mnist import CLASS_NAMES
from fashion_cnn.data.forms.labelled import Labelled, Part
from fashion_cnn.data.framing import Framing, measure_framing
from fashion_cnn.data.holding_out import Draw, hold_out
from fashion_cnn.data.manifest import MOST_CLASSES, Contents, check_class_names
from fashion_cnn.data.writing import check_free, write_data_set
from fashion_cnn.errors import DataError

_FASHION_MNIST = "fb88a2f5c1b590c907f860b47803d006e4fa7b276cdb551799af9d443accdff7"
"""Of the sorted SHA-256 sums of the 60,000 training images, each with its label behind.

Source: computed from the publisher's files.
"""

_DIM = 32


def convert(
    found: Labelled,
    output: Path,
    draw: Draw,
    framing: Framing | None = None,
    say: Callable[[str], None] = lambda line: None,
) -> Contents:
    """Write what `read_forms` read as a data set of ours.

    Labels are counted anew from 0, in the order of their values, so that every class has an image.

    Args:
        found: the parts; only their images and labels are kept.
        output: made; it must not exist, or be empty. It appears whole or not at all.
        draw: of a share of each class, where there is no test part.
        framing: how the objects lie in the images; None to measure it on those to train on.
        say: gets a line on each thing that was changed or passed over.

    Returns:
        What was recorded.

    Raises:
        UsageError: `output` cannot be used.
        DataError: no images to train on, fewer than 2 classes, too few images of one, or names for
            some of the labels only.
        OSError: `output` cannot be written.
    """
    check_free(output)
    for note in found.notes:
        say(note)
    parts = {name: part for name, part in found.parts.items() if len(part.labels)}
    if "train" not in parts:
        raise DataError("there are no images to train on")
    brightest = max(int(part.images.max()) for part in parts.values())
    if 1 < brightest <= _DIM:
        say(f"the brightest pixel is {brightest} of 255: are these other units?")
    if brightest == 1:
        parts = {name: Part(255 * part.images, part.labels) for name, part in parts.items()}
        say("pixels of 0 and 1 times 255")
    if "validation" in parts:
        both = parts["train"], parts.pop("validation")
        parts["train"] = Part(
            np.concatenate([part.images for part in both]),
            np.concatenate([part.labels for part in both]),
        )
        say(
            f"its {len(both[1].labels):,} images for validation join those to train on: every run "
            "draws its own validation part (--validation)"
        )
    values = np.unique(np.concatenate([part.labels for part in parts.values()]))
    names = _class_names(found, parts, values, say)
    parts = {
        name: Part(part.images, np.searchsorted(values, part.labels))
        for name, part in parts.items()
    }
    if "test" in parts:
        draw.check_needless()
    else:
        parts = _divided(parts["train"], names, draw)
        say(
            f"no test part was found, so {len(parts['test'].labels):,} images became the test files"
        )
    for label, name in enumerate(names):
        if missing := [one for one, part in parts.items() if label not in part.labels]:
            say(f"class {name} has no image to {' or '.join(missing)}")
    framing = framing or measure_framing(parts["train"].images)
    return write_data_set(output, names, parts, framing)


def _class_names(
    found: Labelled,
    parts: Mapping[str, Part],
    values: NDArray[np.int64],
    say: Callable[[str], None],
) -> tuple[str, ...]:
    """The name of each label that there is; says what was made of those that there are."""
    if not 2 <= len(values) <= MOST_CLASSES:
        raise DataError(f"there are {len(values)} classes; it must be 2 to {MOST_CLASSES:,}")
    known = dict(found.names)
    if known and max(known) < values[-1] and len(known) == len(values) and min(known) == 0:
        known = dict(zip(values.tolist(), known.values(), strict=True))  # labels counted from 1
    elif not known and len(values) == len(CLASS_NAMES) and _is_fashion_mnist(parts):
        known = dict(enumerate(CLASS_NAMES))
        say("the images are Fashion-MNIST's, so the classes have its names")
    if known and (missing := [value for value in values.tolist() if value not in known]):
        raise DataError(
            f"there are {len(known)} names of classes, and none for the label {missing[0]}; labels "
            f"run from {values[0]} to {values[-1]}, and a list of names counts from 0"
        )
    names = tuple(known.get(value, str(value)) for value in values.tolist())
    check_class_names(names, "the data set")
    if not np.array_equal(values, np.arange(len(values))):
        say(
            f"labels are counted anew from 0: they run from {values[0]} to {values[-1]}, "
            f"and {len(values)} of them have images"
        )
    if unused := [name for value, name in known.items() if value not in values]:
        say(f"no image is of the class {', '.join(unused[:10])}, which is left out")
    return names


def _is_fashion_mnist(parts: Mapping[str, Part]) -> bool:
    """Whether the training images are Fashion-MNIST's, in any order: Kaggle's is another."""
    part = parts["train"]
    pixels = part.images.reshape(len(part.images), -1)
    rows = np.column_stack([pixels, part.labels.astype(np.uint8)])
    digests = sorted(hashlib.sha256(row.tobytes()).digest() for row in rows)
    return hashlib.sha256(b"".join(digests)).hexdigest() == _FASHION_MNIST


def _divided(part: Part, names: Sequence[str], draw: Draw) -> dict[str, Part]:
    held_out = np.sort(hold_out(part.labels, names, draw))
    rest = np.setdiff1d(np.arange(len(part.labels)), held_out)
    return {"train": part.select(rest), "test": part.select(held_out)}
