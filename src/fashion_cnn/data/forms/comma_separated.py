"""Images as text, a row an image: Kaggle's `label,pixel1,…,pixel784`, with a header or without."""

import io
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import IO

import numpy as np

from fashion_cnn.data.files import encoding_of
from fashion_cnn.data.forms.labelled import SIDE, Labelled, Part, to_images, to_labels
from fashion_cnn.data.forms.parts import by_part
from fashion_cnn.data.gzipped import Gunzip
from fashion_cnn.data.manifest import MOST_IMAGES
from fashion_cnn.data.pictures import shown
from fashion_cnn.errors import DataError

_ROWS = 5_000  # parsed at once: 8 MB of numbers
_PIXELS = SIDE * SIDE
_LABEL = ("label", "class", "target", "y")
_LONGEST_LINE = 1 << 16  # characters; 785 numbers of three digits have 3,139


def read_csv(path: Path, progress: Callable[[int], None] = lambda count: None) -> Part:
    """Read a file of one label and 784 pixels a row, a block of rows at a time.

    Args:
        path: plain or gzipped; UTF-8 with or without its mark, or UTF-16.
        progress: gets the number of bytes read, block by block.

    Raises:
        DataError: no labels, another number of columns, something that is no whole number from 0
            to 255, or more than a million rows.
    """
    with path.open("rb") as raw:
        packed = raw.peek(2).startswith(b"\x1f\x8b")
        binary = io.BufferedReader(Gunzip(raw, path)) if packed else raw
        try:
            text = io.TextIOWrapper(binary, encoding=encoding_of(binary.peek(2)))
            return _read(text, path, _growth(raw, progress))
        except (EOFError, zlib.error, UnicodeError) as error:
            raise DataError(f"{path} is damaged ({error})") from None


def _read(text: io.TextIOWrapper, path: Path, block_read: Callable[[], None]) -> Part:
    first = text.readline(_LONGEST_LINE).strip()
    column, has_header = _label_column(first.split(","), path)
    images, labels = [], []
    count, lines, blank = 0, [] if has_header else [first], 0
    while True:
        while len(lines) < _ROWS and (line := text.readline(_LONGEST_LINE)):
            if line.strip():
                lines.append(line)
            elif (blank := blank + 1) > MOST_IMAGES:
                raise DataError(f"{path} has more than {MOST_IMAGES:,} empty lines")
        if not lines:
            break
        rows = _parse(lines, path, count + 1 + has_header)
        labels.append(rows[:, column])
        pixels, _ = to_images(np.delete(rows, column, axis=1), str(path))
        images.append(pixels)
        count, lines = count + len(rows), []
        if count > MOST_IMAGES:
            raise DataError(f"{path} has more than {MOST_IMAGES:,} rows")
        block_read()
    if not count:
        raise DataError(f"{path} has no rows")
    return Part(np.concatenate(images), to_labels(np.concatenate(labels), count, str(path)))


def _growth(raw: IO[bytes], progress: Callable[[int], None]) -> Callable[[], None]:
    """What tells `progress` by how much a file has been read on since the last call."""
    before = 0

    def tell() -> None:
        nonlocal before
        now = raw.tell()
        progress(now - before)
        before = now

    return tell


def _label_column(cells: list[str], path: Path) -> tuple[int, bool]:
    """Where the label stands, and whether the first line is a header."""
    has_header = any(not cell.strip().lstrip("-").isdigit() for cell in cells)
    if len(cells) == _PIXELS:
        raise DataError(
            f"{path} has {_PIXELS} columns, so pixels and no labels (as the test files of a "
            "competition): leave it out, and a share of the labelled images becomes the test files"
        )
    if len(cells) != _PIXELS + 1:
        raise DataError(
            f"{path} has {len(cells)} columns; it must be a label and {_PIXELS} pixels a row"
        )
    if not has_header:
        return 0, False
    names = [cell.strip().strip('"').lower() for cell in cells]
    found = [place for place, name in enumerate(names) if name in _LABEL]
    if len(found) != 1:
        raise DataError(f"{path}: no column is named label, so its classes cannot be told")
    return found[0], True


def _parse(lines: list[str], path: Path, first: int) -> np.ndarray:
    try:
        rows = np.loadtxt(lines, dtype=np.int32, delimiter=",", comments=None, ndmin=2)
    except ValueError as error:
        raise DataError(f"{path}, from line {first} on: {error}") from None
    if rows.shape[1] != _PIXELS + 1:
        raise DataError(f"{path}, from line {first} on: {rows.shape[1]} columns")
    return rows


def read_csvs(files: list[Path], transposed: bool, progress: Callable[[int], None]) -> Labelled:
    """Read a file a part. Raises `DataError` as `read_csv`, or for two of one part."""
    parts = {}
    for part, of in by_part(files).items():
        if len(of) > 1:
            raise DataError(f"two CSV files for {part}: {shown(of[0].name)}, {shown(of[1].name)}")
        found = read_csv(of[0], progress)
        images = found.images.transpose(0, 2, 1) if transposed else found.images
        parts[part] = Part(np.ascontiguousarray(images), found.labels)
    return Labelled("CSV", parts, {})
