"""Images as text, a row an image: Kaggle's `label,pixel1,…,pixel784`, with a header or without."""

import io
import re
import zlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from fashion_cnn.data.files import encoding_of
from fashion_cnn.data.forms.labelled import (
    SIDE,
    Labelled,
    Part,
    UnlabelledError,
    to_images,
    to_labels,
)
from fashion_cnn.data.forms.parts import COUNTERS, LABEL_KEYS, by_part, pixel_order
from fashion_cnn.data.gzipped import unpacked
from fashion_cnn.data.manifest import MOST_IMAGES
from fashion_cnn.data.pictures import shown
from fashion_cnn.errors import DataError

_ROWS = 5_000  # parsed at once: 8 MB of numbers
_PIXELS = SIDE * SIDE
_LONGEST_LINE = 1 << 16  # characters; 785 numbers of three digits have 3,139
_MOST_ABOVE = 100  # lines above a table
_EXCELS = re.compile(r"sep=.?")  # which says what stands between its cells
_FAR = 1e9  # no pixel, and within what the cast holds
_NO_SHARE = 2  # of floats from 0 to 1, even a bit beyond them, none is as large
_NO_LABEL = (
    "the label {0!r:.40} is no number; number the classes from 0, their names go into classes.txt"
)
_MOSTLY = 0.95  # of a column's values: a pixel at the border may be so often the same, no label


@dataclass(frozen=True)
class _Columns:
    """How a file's rows are written, and which columns have the labels and the pixels, in order.

    Attributes:
        named: whether a header says so; else the labels may be in the last of `pixels` as well.
    """

    separator: str | None
    count: int
    label: int
    pixels: tuple[int, ...]
    header: bool
    named: bool


def read_csv(path: Path, progress: Callable[[int], None] = lambda count: None) -> Part:
    """Read a file of one label and 784 pixels a row, a block of rows at a time.

    Args:
        path: plain or gzipped; UTF-8 with or without its mark, or UTF-16; with commas, semicolons,
            tabs or blanks. Pixels whose headers are numbered are in the order of these.
        progress: gets the number of bytes read, block by block.

    Raises:
        UnlabelledError: there are pixels and no labels.
        DataError: another number of columns, something that is no number from 0 to 255 (or from 0
            to 1), or more than a million rows.
    """
    with path.open("rb") as raw:
        try:
            binary = unpacked(raw, path)
            text = io.TextIOWrapper(binary, encoding=encoding_of(binary.peek(2)))
            return _read(text, path, raw, progress)
        except (EOFError, zlib.error, UnicodeError) as error:
            raise DataError(f"{path} is damaged ({error})") from None


def separator(line: str) -> str | None:
    """What stands between the numbers of a line: a comma, a semicolon, a tab, or None: blanks."""
    most = max(",;\t", key=line.count)
    return most if most in line else None


def opening(lines: Iterable[str]) -> tuple[int, str]:
    """The first line of a table, and its number in the file; ("" if there is none.)

    Above it may be empty lines, comments behind a #, and Excel's `sep=,`; numpy has its headers
    behind a # too.
    """
    number = 0
    for number, line in enumerate(islice(lines, _MOST_ABOVE), 1):
        said = line.strip(" \r\n")
        headers = said.startswith("#") and is_numbered(said[1:])
        if said and (headers or said[0] != "#") and not _EXCELS.fullmatch(said):
            return number, _without_end(said.lstrip("# "), separator(said))
    return number, ""


def is_numbered(line: str) -> bool:
    """Whether all cells of a line have digits but for its first and last, as headers of pixels."""
    cells = line.split(separator(line))[1:-1]
    return bool(cells) and all(any(c.isdigit() for c in cell) for cell in cells)


def _without_end(line: str, apart: str | None) -> str:
    """A line without the empty cells at its end that some programs write."""
    return line.rstrip(f" \r\n{apart or ''}")


class _Pixels:
    """Blocks of images as bytes; only all of them tell whether floats are shares of 1."""

    def __init__(self, where: str) -> None:
        self._where = where
        self._blocks: list[tuple[NDArray[np.uint8], bool]] = []  # and whether it was scaled
        self._floats = False

    def add(self, found: NDArray[Any]) -> None:
        small = found.max() < _NO_SHARE
        if found.dtype.kind == "f":
            self._floats = True
            if not small:
                found = np.rint(found).clip(-_FAR, _FAR).astype(np.int32)
        # As floats: it knows how far shares may be beyond 0 and 1.
        images, note = to_images(found.astype(np.float64) if small else found, self._where)
        self._blocks.append((images, "times 255" in note))

    def images(self) -> NDArray[np.uint8]:
        shares = self._floats and all(scaled for _, scaled in self._blocks)
        return np.concatenate(
            [
                block if shares or not scaled else np.rint(block / 255).astype(np.uint8)
                for block, scaled in self._blocks
            ]
        )


def _read(
    text: io.TextIOWrapper, path: Path, raw: IO[bytes], progress: Callable[[int], None]
) -> Part:
    number, first = opening(iter(lambda: text.readline(_LONGEST_LINE), ""))
    columns = _columns(first, number, path)
    pixels, labels = _Pixels(str(path)), []
    lines = {} if columns.header else {number: first}  # by their numbers in the file
    count, blank, told = 0, 0, 0
    while True:
        while len(lines) < _ROWS and (line := text.readline(_LONGEST_LINE)):
            number += 1
            if line := _without_end(line, columns.separator):
                lines[number] = line
            elif (blank := blank + 1) > MOST_IMAGES:
                raise DataError(f"{path} has more than {MOST_IMAGES:,} empty lines")
        if not lines:
            break
        rows = _parse(lines, path, columns)
        if not (count or columns.named) and _label_is_last(rows, columns):
            first, *others, last = columns.label, *columns.pixels
            columns = replace(columns, label=last, pixels=(first, *others))
        labels.append(rows[:, columns.label])
        pixels.add(rows[:, columns.pixels])
        count, lines = count + len(rows), {}
        if count > MOST_IMAGES:
            raise DataError(f"{path} has more than {MOST_IMAGES:,} rows")
        progress(raw.tell() - told)
        told = raw.tell()
    if not count:
        raise DataError(f"{path} has no rows")
    return Part(pixels.images(), to_labels(np.concatenate(labels), count, str(path)))


def _columns(line: str, number: int, path: Path) -> _Columns:
    """How the rows are written, and where the label stands, by the first line."""
    apart = separator(line)
    cells = [cell.strip().strip('"').strip().lower() for cell in line.split(apart)]
    numbers = [cell for cell in cells if _is_number(cell)]
    header = len(numbers) < len(cells)
    found = [place for place, name in enumerate(cells) if header and name in LABEL_KEYS]
    rest = [place for place, name in enumerate(cells) if not (header and name in COUNTERS)]
    counted = [cells[place] for place in rest] == [str(count) for count in range(len(rest))]
    if len(rest) == _PIXELS and not found:
        raise UnlabelledError(
            f"{path} has {_PIXELS} columns, so pixels and no labels (as the test files of a "
            "competition): leave it out, and a share of the labelled images becomes the test files"
        )
    if len(rest) != _PIXELS + 1:
        raise DataError(
            f"{path} has {len(cells)} columns; it must be a label and {_PIXELS} pixels a row"
        )
    if header and not found and len({*numbers}) < len(numbers) == _PIXELS:  # headers differ
        name = next(cell for cell in cells if not _is_number(cell))
        raise DataError(f"{path}, line {number}: {_NO_LABEL.format(name)}")
    named = header and not counted
    if named and len(found) != 1:
        raise DataError(f"{path}: no column is named label, so its classes cannot be told")
    label = found[0] if named else rest[0]
    pixels = tuple(place for place in rest if place != label)
    if named:
        order = pixel_order([cells[place] for place in pixels], str(path))
        pixels = tuple(pixels[place] for place in order)
    return _Columns(apart, len(cells), label, pixels, header or counted, named)


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True


def _label_is_last(rows: NDArray[Any], columns: _Columns) -> bool:
    """Whether, without a header to say so, the last column has the labels and not the first."""
    values, shares = [], []
    for column in rows[:, [columns.label, columns.pixels[-1]]].T:
        counts = np.unique(column, return_counts=True)[1]
        values.append(len(counts))
        shares.append(counts.max() / len(rows))
    return shares[1] < _MOSTLY and (shares[0] >= _MOSTLY or values[0] > 2 * values[1])


def _parse(numbered: Mapping[int, str], path: Path, columns: _Columns) -> NDArray[Any]:
    lines = list(numbered.values())
    if '"' in lines[0]:
        lines = [line.replace('"', "") for line in lines]
    first = next(iter(numbered))
    try:
        try:
            rows = _numbers(lines, np.int32, columns.separator)
        except ValueError:
            rows = _numbers(lines, np.float64, columns.separator)
    except ValueError as error:
        raise DataError(f"{path}, {_fault(numbered, columns) or error}") from None
    if rows.shape[1] != columns.count:
        raise DataError(f"{path}, from line {first} on: {rows.shape[1]} columns")
    if not np.isfinite(rows).all():
        raise DataError(f"{path}, from line {first} on: a value that is no number")
    return rows


def _fault(numbered: Mapping[int, str], columns: _Columns) -> str:
    """What is wrong with the first line of which something is; "" if that is not seen here."""
    for number, line in numbered.items():
        cells = [cell.strip().strip('"') for cell in line.split(columns.separator)]
        if len(cells) != columns.count:
            return f"line {number}: columns: {len(cells)}, not {columns.count}"
        for place, cell in enumerate(cells):
            if not _is_number(cell) and place == columns.label:
                return f"line {number}: {_NO_LABEL.format(cell)}"
            if not _is_number(cell):
                return f"line {number}: the pixel {cell!r:.40} is no number"
    return ""


def _numbers(lines: list[str], kind: type, apart: str | None) -> NDArray[Any]:
    return np.loadtxt(lines, dtype=kind, delimiter=apart, comments=None, ndmin=2)


def read_csvs(files: list[Path], progress: Callable[[int], None]) -> Labelled:
    """Read a file a part; one without labels is passed over if it is not to train on.

    Raises:
        DataError: as `read_csv`, or for two of one part.
    """
    parts, notes = {}, []
    for part, of in by_part(files).items():
        if len(of) > 1:
            raise DataError(
                f"two CSV files for {part}: {shown(of[0].name)}, {shown(of[1].name)}; name the "
                "files of one data set"
            )
        try:
            parts[part] = read_csv(of[0], progress)
        except UnlabelledError:
            if part == "train":
                raise
            notes.append(f"passed over {shown(of[0].name)}: it has pixels and no labels")
    return Labelled(parts, {}, tuple(notes))
