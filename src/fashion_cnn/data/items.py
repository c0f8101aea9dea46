"""Data sets of other libraries, which give their items one by one: PyTorch's, Keras's, others."""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fashion_cnn.data.forms.parts import IMAGE_KEYS, LABEL_KEYS
from fashion_cnn.data.framing import SIDE
from fashion_cnn.errors import DataError

_CONVERTED = {"1": "L", "LA": "L", **dict.fromkeys(("P", "RGBA", "CMYK", "YCbCr"), "RGB")}
"""Pillow's modes whose numbers are no pixels, or have transparency; others say what they hold."""
_ENDLESS = -1  # tf.data.INFINITE_CARDINALITY


def gives_items(data: Any) -> bool:
    """Whether something gives items by number, or is a `tf.data.Dataset` or a `DataLoader`."""
    if isinstance(data, list | tuple | Mapping | str | bytes) or hasattr(data, "__array__"):
        return False
    by_number = hasattr(data, "__getitem__") and hasattr(data, "__len__")
    return by_number or hasattr(data, "as_numpy_iterator") or hasattr(data, "dataset")


def read_items(data: Any, where: str) -> tuple[NDArray[Any], NDArray[Any]]:
    """Read a data set whole, as it gives its items now.

    >>> read_items(Digits(), "the train part")  # doctest: +SKIP
    (array(…), array([5, 0, 4, …]))

    Args:
        data: of PyTorch, torchvision, Hugging Face or alike: an item is `(image, label)`, or a
            mapping of both; or batches of such items, as `tf.data` and Keras give them. Of a
            `DataLoader` the items of its `dataset` that its sampler draws. Images: Pillow pictures,
            or arrays of one shape.
        where: what it is, for errors.

    Returns:
        Images (N, …) and labels (N, …) as they were.

    Raises:
        DataError: it has no items, or others; or images, or labels, are of several shapes, or
            cannot be made arrays.
    """
    images, labels = [], []
    for image, label in _items(data, where):
        images.append(as_array(image, f"an image of {where}"))
        labels.append(as_array(label, f"a label of {where}"))
    if not images:
        raise DataError(f"{where} is empty")
    shapes = sorted({image.shape for image in images})
    if len(shapes) > 1:
        raise DataError(
            f"{where} has images of several shapes, {shapes[0]} and {shapes[-1]}; bring them to "
            "one, or save them as files and use: fashion-cnn data import"
        )
    if len({label.shape for label in labels}) > 1:
        raise DataError(f"{where} has several labels an image; this is for one class an image")
    return np.stack(images), np.stack(labels)


def names_of(data: Any) -> list[str] | None:
    """The names of its classes, in the order of the labels; None where it has none to tell.

    Also where something on the way may number them anew.
    """
    if any(map(_relabels, _way(data))):
        return None
    data = whole(data)
    if isinstance(joined := getattr(data, "datasets", None), list | tuple) and joined:
        first, *others = map(names_of, joined)
        return first if all(names == first for names in others) else None
    features = getattr(data, "features", None)
    if isinstance(features, Mapping):
        for label in LABEL_KEYS:
            if names := getattr(features.get(label), "names", None):
                return [str(name) for name in names]
    places = getattr(data, "class_indices", None)  # of Keras's iterators, whose classes are labels
    if isinstance(places, Mapping):
        return sorted(map(str, places), key=lambda name: places[name])
    names = getattr(data, "classes", None) or getattr(data, "class_names", None)
    return [str(name) for name in names] if isinstance(names, list | tuple) else None


def whole(data: Any) -> Any:
    """What a subset, or a loader, is of."""
    *_, last = _way(data)
    return last


def _way(data: Any) -> Iterator[Any]:
    """A loader or a subset, and what it is of; not of what wraps a data set to change its items."""
    yield data
    while hasattr(data, "dataset") and (
        hasattr(data, "indices") or not hasattr(data, "__getitem__")
    ):
        data = data.dataset
        yield data


def _relabels(data: Any) -> bool:
    """Whether it gives other labels than those that its names are of, as torchvision's may."""
    places = (data, getattr(data, "transforms", None))
    return any(getattr(place, "target_transform", None) is not None for place in places)


def _items(data: Any, where: str) -> Iterator[tuple[Any, Any]]:
    batches = None
    for item in _given(data, where):
        image, label = _pair(item, where)
        if batches is None:
            batches = _is_batch(image, label, behind=hasattr(data, "as_numpy_iterator"))
        if not batches:
            yield image, label
        elif len(image) == len(label):
            yield from zip(image, label, strict=True)
        else:
            raise DataError(f"{where} has a batch of {len(image)} images and {len(label)} labels")


def _given(data: Any, where: str) -> Iterator[Any]:
    """The items or batches as they come."""
    if hasattr(data, "as_numpy_iterator"):
        if int(data.cardinality()) == _ENDLESS:
            raise DataError(f"{where} never ends; leave repeat() out")
        yield from data.as_numpy_iterator()
        return
    loader, data = (None, data) if hasattr(data, "__getitem__") else (data, data.dataset)
    if not hasattr(data, "__len__"):
        raise DataError(f"{where} cannot say how many items it has")
    chosen = None if loader is None else _drawn(loader, where)
    # Iterating over the data would not end for what raises no IndexError.
    for index in range(len(data)) if chosen is None else chosen:
        yield data[index]


def _is_batch(image: Any, label: Any, *, behind: bool) -> bool:
    """Whether the first item is a batch, as `tf.data` and Keras's data sets give them.

    Args: behind: colours are behind the sides, as always in `tf.data`.
    """
    listed = (len(label),) if isinstance(label, list) else ()
    shape, labels = tuple(getattr(image, "shape", ())), tuple(getattr(label, "shape", listed))
    if not labels or labels[:1] != shape[:1]:
        return False
    if len(shape) != 3:
        return len(shape) == 4 or shape[1:] == (SIDE * SIDE,)
    # Without channels; or one image with a one-hot label of as many classes as channels or rows.
    one = not behind and labels == (3,) and sorted(label) == [0, 0, 1]
    return shape[1] == shape[2] and not one


def _drawn(loader: Any, where: str) -> list[int] | None:
    """Which items of its data set a loader gives; None for all."""
    # A loader made with batches of one's own has another sampler, which is not used.
    batches = getattr(loader, "batch_sampler", None)
    sampler = getattr(loader if batches is None else batches, "sampler", batches)
    if sampler is None:
        return None
    if hasattr(sampler, "indices"):
        return [int(index) for index in sampler.indices]
    all_of_them = type(sampler).__name__ in ("RandomSampler", "SequentialSampler")
    if all_of_them and len(sampler) == len(loader.dataset):
        return None
    raise DataError(
        f"{where} is a loader with a {type(sampler).__name__}, which is not read; give a Subset of "
        "its data set, or all of it"
    )


def _pair(item: Any, where: str) -> tuple[Any, Any]:
    if isinstance(item, Mapping):
        image, label = (
            next((key for key in keys if key in item), None) for keys in (IMAGE_KEYS, LABEL_KEYS)
        )
        if image is None or label is None:
            raise DataError(f"{where} has items with {', '.join(item)}; it needs image and label")
        return item[image], item[label]
    if not isinstance(item, tuple | list) or len(item) != 2:
        raise DataError(f"{where} has items of {type(item).__name__}; it must be (image, label)")
    return item[0], item[1]


def pixels(image: Any) -> Any:
    """An image as an array; of a Pillow picture its pixels, whatever it keeps in their place."""
    if getattr(image, "mode", "") in _CONVERTED:  # Pillow's
        image = image.convert(_CONVERTED[image.mode])
    return np.asarray(image)


def as_array(given: Any, what: str) -> NDArray[Any]:
    """An array of what may be made one: also of Pillow pictures, one or a list.

    Args: what: it is, for errors.

    Raises:
        DataError: none can be made.
    """
    try:
        if isinstance(given, list | tuple) and any(hasattr(one, "mode") for one in given):
            given = list(map(pixels, given))
        return pixels(given)
    except (RuntimeError, TypeError, ValueError) as error:  # ragged; or PyTorch says what to do
        raise DataError(f"{what} cannot be made an array: {error}") from None
