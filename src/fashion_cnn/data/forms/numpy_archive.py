"""Images in numpy's `.npz` and `.npy`: Keras's mnist.npz, MedMNIST, Kuzushiji-MNIST."""

import io
import math
import re
import struct
import warnings
import zipfile
import zlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from fashion_cnn.data.files import damaged, told
from fashion_cnn.data.forms.labelled import SIDE, Labelled, Part, to_images, to_labels
from fashion_cnn.data.forms.parts import IMAGES, LABELS, PARTS, part_of, words
from fashion_cnn.data.gzipped import most_unpacked
from fashion_cnn.data.manifest import MOST_IMAGES, in_one_form
from fashion_cnn.data.pictures import shown
from fashion_cnn.errors import DataError

_IMAGES = {*IMAGES, "data", "features", "inputs", "pixels"}
_LABELS = {*LABELS, "target", "targets", "classes"}
_OF_NAMES = {"class", "classes", "label", "labels", "name", "names"}
"""One of these names an array of the classes' names, if it is as long as the images."""
_OF_FILES = {
    one + more
    for one in ("file", "filename", "filepath", "fname", "path", "id", "url")
    for more in ("", "s")
}
"""One of these is in the name of an array that says where each image came from."""
_RUN_TOGETHER = re.compile(
    rf"([xy])({'|'.join(PARTS)})|({'|'.join(one for one in PARTS if len(one) > 2)})([xy])",
    re.IGNORECASE,
)
_OF_QUICKDRAW = re.compile(r"full.{1,3}numpy_bitmap(%2F|[\W_])")
"""What the names of its files begin with, before that of the class."""
_UNNAMED = [f"arr_{place}" for place in range(4)]
"""The arrays of numpy.savez(file, x, y, x_test, y_test)."""
_WOULD_DO = "name them x_train, y_train, x_test and y_test"
_MOST_ARRAYS = 16
_LONGEST = 60  # characters of a name, or of a shape, that are told
_MOST_HEADER = 10_000  # bytes; numpy's own limit
_HEADERS = {(1, 0): (2, npy.read_array_header_1_0), (2, 0): (4, npy.read_array_header_2_0)}
"""By the version of numpy's format: the bytes of a header's length, and what parses it."""
_MOST_BYTES = MOST_IMAGES * 28 * 28 * 4  # of one array: four bytes a pixel, or one and 3 channels

_OF_ZIP = (
    zipfile.BadZipFile, zlib.error, struct.error, ArithmeticError, EOFError, LookupError, OSError,
    RuntimeError, ValueError,
)  # fmt: skip
"""What `zipfile` raises for a damaged archive: not its own error alone."""


def read_npz(path: Path) -> dict[str, NDArray[Any]]:
    """Read every array of an archive by its name; `arr_0` where it has none.

    An array's header is read, and its size held against the limit, before memory is taken for it;
    so is the size of all together against the file's. Pickled objects are refused.

    Raises:
        DataError: it is damaged, or holds other things than plain arrays of a data set's size.
        OSError: the disk is failing.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            members = archive.infolist()
            if len(members) > _MOST_ARRAYS:
                raise DataError(
                    f"{path} has {len(members)} arrays; at most {_MOST_ARRAYS} are read"
                )
            arrays, most = {}, most_unpacked(path.stat().st_size)
            for member in members:
                if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
                    raise DataError(f"{path} is packed in a way that numpy does not write")
                with archive.open(member) as file:
                    name = member.filename.removesuffix(".npy")
                    arrays[name] = _read_array(
                        file, f"{path}, {_called(name)}", most, member.file_size
                    )
                    most -= arrays[name].nbytes
            return arrays
    except _OF_ZIP as error:
        raise damaged(path, error) from None


def read_npy(path: Path) -> NDArray[Any]:
    """Read the one array of a `.npy` file. Raises as `read_npz`."""
    with path.open("rb") as file:
        return _read_array(file, str(path), _MOST_BYTES, path.stat().st_size)


def _read_array(file: IO[bytes], where: str, most: int, there: int) -> NDArray[Any]:
    """Args: most: bytes that the array may have; there: no more than these can be read."""
    try:
        shape, in_columns, kind = _read_header(file, where)
        if kind.hasobject:
            raise DataError(f"{where} holds Python objects, which only running code could read")
        size = math.prod(shape) * kind.itemsize
        if min(shape, default=0) < 0:
            raise DataError(f"{where} has the shape {shape!s:.{_LONGEST}}")
        if size > min(most, _MOST_BYTES):
            far = ", and less of so small a file" if size <= _MOST_BYTES else ""
            raise DataError(f"{where} has {size} bytes; at most {_MOST_BYTES} are read{far}")
        data = file.read(min(size, there))  # for all that it asks for memory is taken
        if len(data) < size:
            raise DataError(f"{where} is cut short: {len(data)} of {size} bytes")
        found = np.frombuffer(data, kind)
        return found.reshape(shape[::-1]).T if in_columns else found.reshape(shape)
    except (TypeError, ValueError) as error:  # of sides that are no numbers, or beyond all memory
        raise DataError(f"{where} is damaged ({error})") from None


def _read_header(file: IO[bytes], where: str) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    try:
        version = npy.read_magic(file)
        if version not in _HEADERS:
            raise DataError(f"{where} is in version {version} of numpy's format")
        width, parse = _HEADERS[version]
        start = file.read(width)
        length = int.from_bytes(start, "little")
        if length > _MOST_HEADER:  # numpy asks only when it has read them all
            raise DataError(
                f"{where} is damaged (its header has {length:,} bytes; numpy reads at most "
                f"{_MOST_HEADER:,})"
            )
        with warnings.catch_warnings(action="ignore"):  # which would be lines on the terminal
            return parse(io.BytesIO(start + file.read(length)))
    except (DataError, OSError):
        raise
    except Exception as error:  # a header is parsed as Python: its parser runs out of memory too
        raise DataError(f"{where} is damaged ({told(error)})") from None


def read_npzs(files: list[Path], progress: Callable[[int], None]) -> Labelled:
    """Read archives, and arrays by themselves, each by the words of its name.

    A row of different texts is the classes' names, unless it is named as a part's or as files are,
    or is as long as the images and not named as classes are. Several `.npy` of images that say no
    more than a class, as QuickDraw's, are one a class.

    Raises:
        DataError: as `read_npz`, or it is not clear which array is which.
    """
    if by_class := _by_class(files):
        return _read_classes(by_class, progress)
    arrays, notes, names = {}, [], {}
    for file in files:
        found = read_npz(file) if zipfile.is_zipfile(file) else {file.stem: read_npy(file)}
        if [*found] == _UNNAMED and len(files) == 1:
            found = _named(found, file)
            notes.append("of two pairs of arrays without names the larger is taken to train on")
        counts = {len(array) for array in found.values() if _has_images_shape(array)}
        for name, array in found.items():
            if array.dtype.kind in "US" and _words(name) & _OF_FILES:
                continue
            if _is_names(name, array, counts):
                names[name] = tuple(in_one_form(_text(one)) for one in array.tolist())
                continue
            of_file = len(files) > 1 and _part(name) is None  # it says which part it is of
            whole = f"{file.stem} {name}" if of_file or name == "arr_0" else name
            arrays[whole] = (array, file)
        progress(file.stat().st_size)
    if len({*names.values()}) > 1:
        raise DataError(
            f"{files[0]} has several lists of names, {_called(*names)}; keep that of the classes"
        )
    parts = {}
    roles = _roles(arrays)
    for (part, kind), (array, file) in roles.items():
        if kind != "images":
            continue
        images, note = to_images(array, f"{file}, {part}")
        labels = roles.get((part, "labels"))
        if labels is None:
            raise DataError(f"{file} has images and no labels for {part}")
        notes += [note] if note and note not in notes else []
        parts[part] = Part(images, to_labels(labels[0], len(images), f"{labels[1]}, {part}"))
    if "train" not in parts:
        raise DataError(
            f"{files[0]} has the arrays {_called(*arrays)}; none is of images to train; {_WOULD_DO}"
        )
    classes = dict(enumerate(next(iter(names.values()), ())))
    return Labelled(parts, classes, tuple(notes))


def _by_class(files: list[Path]) -> dict[str, Path]:
    """Files of images, each of the class that it is called after; empty if they are others."""
    named = {in_one_form(_OF_QUICKDRAW.sub("", file.stem)): file for file in files}
    said = [_words(name) for name in named]
    parts, most_parts = sum(bool(one & {*PARTS}) for one in said), 0
    if len(files) > 2:
        most_parts = 1  # the class of trains
    if not 2 <= len(named) == len(files) or parts > most_parts:
        return {}
    if any(one & (_IMAGES | _LABELS) for one in said):
        return {}
    are_images = all(file.suffix == ".npy" and _are_images(_shape(file)) for file in files)
    return named if are_images else {}


def _shape(path: Path) -> tuple[int, ...]:
    with path.open("rb") as file:
        return _read_header(file, str(path))[0]


def _read_classes(files: Mapping[str, Path], progress: Callable[[int], None]) -> Labelled:
    count = sum(_shape(file)[0] for file in files.values())
    if count > MOST_IMAGES:
        raise DataError(
            f"{next(iter(files.values())).parent} has {count:,} images; at most {MOST_IMAGES:,} "
            "are read: keep some of each class, as array[:1000]"
        )
    images, notes = (
        [],
        [f"{len(files)} arrays of images were taken for one a class, by their names"],
    )
    for file in files.values():
        found, note = to_images(read_npy(file), str(file))
        images.append(found)
        notes += [note] if note and note not in notes else []
        progress(file.stat().st_size)
    labels = np.repeat(np.arange(len(images)), [*map(len, images)])
    part = Part(np.concatenate(images), labels)
    return Labelled({"train": part}, dict(enumerate(files)), tuple(notes))


def _called(*names: str) -> str:
    """An archive may call its arrays anything."""
    return ", ".join(shown(name[:_LONGEST]) for name in names)


def _is_names(name: str, array: NDArray[Any], counts: set[int]) -> bool:
    """Whether an array names the classes, and not each image, of which there are `counts`."""
    if array.ndim != 1 or array.dtype.kind not in "US" or _part(name):
        return False
    if len(array) in counts and not _words(name) & _OF_NAMES:
        return False
    return 1 < len(np.unique(array)) == len(array)


def _text(one: str | bytes) -> str:
    return one.decode(errors="replace") if isinstance(one, bytes) else one


def _named(found: Mapping[str, NDArray[Any]], file: Path) -> dict[str, NDArray[Any]]:
    """Two pairs of arrays by their shapes and lengths; the larger is the one to train on."""
    images, labels = [], []
    for array in found.values():
        (images if _has_images_shape(array) else labels).append(array)
    images, labels = (sorted(some, key=len, reverse=True) for some in (images, labels))
    lengths = [[len(one) for one in some] for some in (images, labels)]
    if lengths[0] != lengths[1] or len({*lengths[0]}) != 2:
        raise DataError(
            f"{file} has four arrays without names, and which is which cannot be told; {_WOULD_DO}"
        )
    arrays = (*images, *labels)
    return dict(zip(("x_train", "x_test", "y_train", "y_test"), arrays, strict=True))


def _has_images_shape(array: NDArray[Any]) -> bool:
    return _are_images(array.shape)


def _are_images(shape: tuple[int, ...]) -> bool:
    return len(shape) > 2 or (len(shape) == 2 and shape[1] == SIDE * SIDE)


def _roles(arrays: Mapping[str, tuple[NDArray[Any], Path]]) -> dict[tuple[str, str], tuple]:
    """Which array is which: ("train", "images"), …, by the words of their names.

    One pair of arrays without names, as numpy.savez(file, images, labels) makes, by their shapes.
    """
    roles = {}
    for name, found in arrays.items():
        said = _words(name)
        kind = "labels" if said & _LABELS else "images" if said & _IMAGES else None
        if kind is None and "arr" in said:
            kind = "images" if _has_images_shape(found[0]) else "labels"
        part = _part(name)
        if part is None and not said & {*PARTS}:
            part = "train"  # one pair of arrays, as numpy.savez(file, images=…, labels=…) makes
        if kind and part:
            if (part, kind) in roles:
                raise DataError(
                    f"{found[1]} has the arrays {_called(*arrays)}: two are of {kind} for {part}; "
                    f"{_WOULD_DO}"
                )
            roles[part, kind] = found
    return roles


def _words(name: str) -> set[str]:
    """The words of an array's name; Xtrain and trainy are two."""
    found = _RUN_TOGETHER.fullmatch(name)
    return {part.lower() for part in found.groups() if part} if found else {*words(name)}


def _part(name: str) -> str | None:
    return part_of(" ".join(_words(name)))
