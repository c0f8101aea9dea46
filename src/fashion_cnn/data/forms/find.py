"""Which files in a folder are a data set, and of which form: told by their first bytes.

Names only say which part a file is of, and whether it has images or labels, where the form itself
does not.
"""

import os
import re
import zlib
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from fashion_cnn.data.files import START, encoding_of, foreign
from fashion_cnn.data.forms.class_names import is_names, listed_beside, listing, names_in
from fashion_cnn.data.forms.comma_separated import is_numbered, opening, read_csvs, separator
from fashion_cnn.data.forms.idx_pairs import read_idx_files
from fashion_cnn.data.forms.labelled import Labelled, Part
from fashion_cnn.data.forms.numpy_archive import read_npzs
from fashion_cnn.data.forms.parquet import read_parquets
from fashion_cnn.data.forms.parts import part_alone, says_emnist
from fashion_cnn.data.gzipped import unpacked
from fashion_cnn.data.manifest import MANIFEST
from fashion_cnn.data.pictures import entries, files_below, is_picture, shown
from fashion_cnn.errors import DataError

Progress = Callable[[int], None]
_FEWEST_CELLS = 5
_IDX_START = re.compile(rb"\0\0[\x08\x09\x0b-\x0e][\x01-\x04]", re.DOTALL)
_IN_A_CELL = re.compile(r'\s*"?[][\w.+-]*( [\w.+-]+)?"?\s*', re.ASCII)  # no sentence of a README
_SPREADSHEETS = {".xlsx", ".xlsm", ".xlsb", ".xls", ".ods"}
_OF_OFFICE = (b"PK\x03\x04", b"\xd0\xcf\x11\xe0")


def read_forms(
    paths: Iterable[Path], *, transpose: bool | None = None, progress: Progress = lambda count: None
) -> Labelled:
    """Read a data set in whatever known form it is.

    Args:
        paths: files, or one folder that they are in.
        transpose: exchange rows and columns; None for what the names say: EMNIST's are exchanged.
        progress: gets the number of bytes read, file by file or block by block.

    Raises:
        DataError: there is none, several that do not belong together, or one that is damaged.
        ModuleNotFoundError: pyarrow, which Parquet needs, is not installed.
    """
    paths = [*paths]
    files = [file for path in paths for file in files_in(path)]
    kinds: dict[str, list[Path]] = {}
    passed_over = []
    for file in files:
        kind = form_of(file)
        if kind in _READERS:
            kinds.setdefault(kind, []).append(file)
        elif not is_names(file) and file.name != MANIFEST:
            passed_over.append((file, kind))
    if not kinds:
        why = "; ".join(f"{shown(file.name)} is {kind}" for file, kind in passed_over[:5])
        hint = ""
        if any(is_picture(file) for path in paths if path.is_dir() for file in files_below(path)):
            hint = "; to make one of pictures in a folder for each class: fashion-cnn data import"
        raise DataError(f"no data set was found ({why or 'there is no file'}){hint}")
    if len(kinds) > 1:
        named = " and ".join(f"{form} ({shown(of[0].name)}, …)" for form, of in kinds.items())
        raise DataError(f"files of several forms: {named}; name the files of one of them")
    ((form, found),) = kinds.items()
    if transpose is None:
        transpose = form in ("IDX", "CSV") and any(
            says_emnist(f"{file.parent.name}/{file.name}") for file in found
        )
    try:
        labelled = _READERS[form](found, progress)
    except DataError as error:
        others = "; ".join(f"{shown(file.name)} is {kind}" for file, kind in passed_over[:5])
        raise DataError(f"{error}{others and f' (passed over: {others})'}") from None
    parts, notes = labelled.parts, list(labelled.notes)
    if transpose:
        parts = {
            name: Part(part.images.transpose(0, 2, 1), part.labels) for name, part in parts.items()
        }
        notes.append("rows and columns of the images exchanged (--no-transpose to keep them)")
    notes += [f"passed over {shown(file.name)}: {kind}" for file, kind in passed_over]
    names, source = _names(labelled, paths, files, found)
    notes += [f"the names of the classes are from {shown(str(source))}"] if source else []
    return Labelled(parts, names, tuple(notes))


def _names(
    labelled: Labelled, paths: Iterable[Path], files: list[Path], data: list[Path]
) -> tuple[Mapping[int, str], Path | None]:
    """The classes' names in a file beside the data, and that file; else those in the data.

    Args: paths: as they were named; files: in them; data: those of the data set.
    """
    beside = [file for file in files if file not in data]
    if not any(map(is_names, beside)):
        beside = listed_beside((path for path in paths if path.is_file()), data)
    if not (path := listing(beside, data)):
        return labelled.names, None
    names = names_in(path)
    own = {*labelled.names.values()}
    # A list of more classes, or in another order, cannot number those that have their own names.
    return (labelled.names, None) if own and own <= {*names.values()} else (names, path)


def form_of(path: Path) -> str:
    """The form of a file by its content: a key of the readers, or a line on what it is instead."""
    try:
        with path.open("rb") as raw:
            opened = unpacked(raw, path)
            start, packed = opened.peek(START)[:START], opened is not raw
    except (DataError, EOFError, zlib.error) as error:
        return f"damaged ({error})"
    if packed and start.startswith((b"\x93NUMPY", b"PK\x03\x04", b"PAR1")):
        return "packed once more, with gzip: unpack it first"
    if start.startswith(b"\x93NUMPY") or (start.startswith(b"PK\x03\x04") and b".npy" in start):
        return "npz"
    if start.startswith(b"PAR1"):
        return "Parquet"
    if _IDX_START.match(start) and len(start) > 4:
        return "IDX"
    if start.startswith(_OF_OFFICE) and path.suffix.lower() in _SPREADSHEETS:
        return "a spreadsheet, as Excel's; save its table as CSV"
    if "tfrecord" in path.name.lower() and start:  # it begins with a length and its checksum
        return "TensorFlow's TFRecord; give fashion_cnn.train(data=…) the tf.data.Dataset of it"
    if other := foreign(start):
        return other
    return _form_of_text(start, path) if start else "empty"


def is_data(path: Path) -> bool:
    """Whether a file is of a form that is read."""
    return form_of(path) in _READERS


def _form_of_text(start: bytes, path: Path) -> str:
    _, first = opening(start.decode(encoding_of(start), "replace").split("\n"))
    apart = separator(first)
    cells = first.split(apart)
    # Blanks are between the words of any text.
    if (
        len(cells) > _FEWEST_CELLS
        and all(map(_IN_A_CELL.fullmatch, cells))
        and (apart or is_numbered(first))
    ):
        return "CSV"
    unknown = "no form of a data set that is known"
    if {".csv", ".tsv"} & {suffix.lower() for suffix in path.suffixes}:
        return f"{unknown}: a row is a label and 784 pixels, and it begins with {shown(first[:40])}"
    return unknown


_READERS: Mapping[str, Callable[[list[Path], Progress], Labelled]] = {
    "CSV": read_csvs,
    "IDX": read_idx_files,
    "Parquet": read_parquets,
    "npz": read_npzs,
}


def files_in(path: Path) -> list[Path]:
    """A file, or the files of a folder that are not hidden; if none of them is of a data set, those
    of the only folder in it too, or of train/ and test/.

    Raises:
        DataError: there is neither file nor folder, or a folder has two names.
    """
    if path.is_file():
        return [path]
    if not path.is_dir():
        raise DataError(f"there is no file {path}")
    found: list[Path] = []
    entered: set[tuple[int, int]] = set()
    waiting = [path]  # no recursion: folders may be nested deeper than Python calls
    while waiting:
        folder = waiting.pop()
        facts = folder.stat()
        if (facts.st_dev, facts.st_ino) in entered:  # links may make endlessly many of a few
            raise DataError(
                f"{shown(str(folder))} is in {shown(str(path))} by another name too; name the "
                "files that count"
            )
        entered.add((facts.st_dev, facts.st_ino))
        folders, files = entries(folder)
        files = [file for file in files if os.path.isfile(file)]
        found += files
        inner = len(folders) == 1 or all(part_alone(one.name) for one in folders)
        if inner and not any(map(is_data, files)):
            waiting += reversed(folders)
    return found
