"""Images in Parquet files, as Hugging Face keeps them: encoded images, and labels."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fashion_cnn.data.forms.labelled import SIDE, Labelled, Part, UnlabelledError, to_images
from fashion_cnn.data.forms.parquet_process import OpenedParquet, opened
from fashion_cnn.data.forms.parts import COUNTERS, IMAGE_KEYS, LABEL_KEYS, by_part, pixel_order
from fashion_cnn.data.gzipped import most_unpacked
from fashion_cnn.data.manifest import MOST_IMAGES, in_one_form
from fashion_cnn.errors import DataError, ImageError

_ROWS = 1_000


def read_parquet(
    paths: Sequence[Path], progress: Callable[[int], None] = lambda count: None
) -> tuple[Part, dict[int, str], list[str]]:
    """Read the files of one part, in their order.

    Args:
        paths: the shards. Each has a column of whole-number labels, and either a column for each
            pixel or one of images: lists of pixels, or the bytes of a PNG or JPEG, by themselves or
            as `bytes` of a struct.
        progress: gets the number of bytes read, block by block.

    Returns:
        The part; the classes' names by label where the files carry Hugging Face's; and a line on
        each thing that was changed.

    Raises:
        ModuleNotFoundError: pyarrow is not installed.
        DataError: it is damaged, lacks a column, or holds other images than `to_images` takes.
        DecoderError: the process that reads it is killed.
    """
    names: dict[int, str] = {}
    images: list[NDArray[np.uint8]] = []
    labels: list[int] = []
    notes: dict[str, None] = {}
    for path in paths:
        with opened(path) as file:
            label = _column(file.columns, LABEL_KEYS, path)
            pixels = [name for name in file.columns if name != label and name not in COUNTERS]
            if len(pixels) == SIDE * SIDE:  # a column a pixel, as OpenML has them
                pixels = [pixels[place] for place in pixel_order(pixels, str(path))]
            else:
                pixels = [_column(file.columns, IMAGE_KEYS, path)]
            if len(labels) + file.rows > MOST_IMAGES:
                raise DataError(f"{path}: more than {MOST_IMAGES:,} images")
            names |= _names(file.described, label)
            left = file.rows
            for batch in file.batches([*pixels, label], _rows_at_once(file, path)):
                left -= len(batch)
                if left < 0:
                    raise DataError(f"{path} is damaged (more rows than its {file.rows:,})")
                labels += [_whole(cell, path) for cell in batch.column(label).to_pylist()]
                if len(pixels) == 1:
                    cells = batch.column(pixels[0]).to_pylist()
                    found = [_decode(cell, path) for cell in cells]
                else:
                    table = [batch.column(name).to_numpy(zero_copy_only=False) for name in pixels]
                    found = [to_images(np.column_stack(table), str(path))]
                images += [image for some, _ in found for image in some]
                notes |= {note: None for _, note in found if note}
                progress(path.stat().st_size * len(batch) // file.rows)
            if left:
                raise DataError(f"{path} is damaged (fewer rows than its {file.rows:,})")
    part = Part(np.array(images, np.uint8).reshape(-1, SIDE, SIDE), np.array(labels))
    return part, names, [*notes]


def _rows_at_once(file: OpenedParquet, path: Path) -> int:
    """How many rows to read so that even rows that are all the longest one take a GiB at most.

    Raises:
        DataError: the file says that it unpacks to far more than data do.
    """
    sizes = file.sizes
    if sum(sizes) > most_unpacked(path.stat().st_size):
        raise DataError(f"{path} would unpack to {sum(sizes):,} bytes, far more than data do")
    return max(1, min(_ROWS, (1 << 30) // max([1, *sizes])))


def _column(found: Sequence[str], known: Sequence[str], path: Path) -> str:
    for name in known:
        if name in found:
            return name
    some = ", ".join(found[:10])
    raise DataError(f"{path} has no column {known[0]!r}; it has {some}{', …' * (len(found) > 10)}")


def _names(described: str, label: str) -> dict[int, str]:
    try:
        features = json.loads(described)["info"]["features"]
        return dict(enumerate(in_one_form(str(name)) for name in features[label]["names"]))
    except (KeyError, RecursionError, TypeError, ValueError):
        return {}


def _whole(cell: Any, path: Path) -> int:
    if cell in (None, -1):
        raise UnlabelledError(f"{path} has images without labels")
    if isinstance(cell, str) and cell.isascii() and cell.isdecimal():
        cell = int(cell)
    if type(cell) is not int or not 0 <= cell < 1 << 63:
        raise DataError(f"{path} has the label {cell!r}; it must be a whole number from 0 on")
    return cell


def _decode(cell: Any, path: Path) -> tuple[NDArray[np.uint8], str]:
    """Decode one image in the child process with limits, as `to_images` gives it."""
    from fashion_cnn.data.photo import decoders

    data = cell.get("bytes") if isinstance(cell, dict) else cell
    if isinstance(data, list):
        try:
            return to_images(np.array(data)[np.newaxis], str(path))
        except ValueError as error:
            raise DataError(f"{path} has an image that is no array ({error})") from None
    if not isinstance(data, bytes):
        raise DataError(f"{path} names images and does not hold them; this needs their bytes")
    try:
        pixels, _ = decoders.decode(data)
    except ImageError as error:
        raise DataError(f"{path}: an image {error}") from None
    if pixels.ndim == 3:
        colours = pixels[:, :, :3]
        pixels = colours[:, :, 0] if (colours == colours[:, :, :1]).all() else colours
    try:
        return to_images(pixels[np.newaxis], str(path))
    except DataError as error:
        raise DataError(
            f"{error}. Save them as files in a folder a class and use: fashion-cnn data import"
        ) from None


def read_parquets(files: list[Path], progress: Callable[[int], None]) -> Labelled:
    """Read the files of each part. Raises as `read_parquet`."""
    parts, names, notes = {}, {}, []
    for part, of in by_part(files).items():
        try:
            parts[part], found, changed = read_parquet(sorted(of), progress)
        except UnlabelledError as error:
            if part == "train":
                raise
            notes.append(f"passed over: {error}")
            continue
        names |= found
        notes += [note for note in changed if note not in notes]
    return Labelled(parts, names, tuple(notes))
