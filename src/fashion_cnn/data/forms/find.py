"""Which files in a folder are a data set, and of which form: told by their first bytes.

Names only say which part a file is of, and whether it has images or labels, where the form itself
does not.
"""

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from fashion_cnn.data.files import encoding_of, foreign, read_file
from fashion_cnn.data.forms.class_names import is_names, names_beside
from fashion_cnn.data.forms.comma_separated import read_csvs
from fashion_cnn.data.forms.idx_pairs import read_idx_files
from fashion_cnn.data.forms.labelled import Labelled
from fashion_cnn.data.forms.numpy_archive import read_npzs
from fashion_cnn.data.forms.parquet import read_parquets
from fashion_cnn.data.pictures import shown
from fashion_cnn.errors import DataError

Progress = Callable[[int], None]
_START = 128  # bytes that tell a form


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
    files = [file for path in paths for file in files_in(path)]
    kinds: dict[str, list[Path]] = {}
    passed_over = []
    for file in files:
        kind = form_of(file)
        if kind in _READERS:
            kinds.setdefault(kind, []).append(file)
        elif not is_names(file):
            passed_over.append((file, kind))
    if not kinds:
        why = "; ".join(f"{shown(file.name)} is {kind}" for file, kind in passed_over[:5])
        raise DataError(f"no data set was found ({why or 'there is no file'})")
    if len(kinds) > 1:
        named = " and ".join(f"{form} ({shown(of[0].name)}, …)" for form, of in kinds.items())
        raise DataError(f"files of several forms: {named}; name the files of one of them")
    ((form, found),) = kinds.items()
    exchanged = transpose
    if exchanged is None:
        exchanged = form in ("IDX", "CSV") and any(
            "emnist" in f"{file.parent.name}/{file.name}".lower() for file in found
        )
    labelled = _READERS[form](found, exchanged, progress)
    notes = list(labelled.notes)
    if exchanged:
        notes.append("rows and columns of the images exchanged (--no-transpose to keep them)")
    notes += [f"passed over {shown(file.name)}: {kind}" for file, kind in passed_over]
    names = {**labelled.names, **names_beside(files)}
    return Labelled(form, labelled.parts, names, tuple(notes))


def form_of(path: Path) -> str:
    """The form of a file by its content: a key of the readers, or a line on what it is instead."""
    with path.open("rb") as file:
        start = file.read(_START)
    if start.startswith(b"\x1f\x8b"):
        try:
            start = read_file(path, _START)
        except DataError as error:
            return str(error)
    if start.startswith(b"PK\x03\x04") and b".npy" in start:
        return "npz"
    if start.startswith(b"PAR1"):
        return "Parquet"
    if start[:2] == b"\0\0" and len(start) > 4:
        return "IDX"
    if other := foreign(start):
        return other
    first = start.decode(encoding_of(start), "replace").split("\n")[0]
    if first.count(",") > 4 and first.isascii():
        return "CSV"
    return "no form of a data set that is known"


_READERS: Mapping[str, Callable[[list[Path], bool, Progress], Labelled]] = {
    "CSV": read_csvs,
    "IDX": read_idx_files,
    "Parquet": read_parquets,
    "npz": read_npzs,
}


def files_in(path: Path) -> list[Path]:
    """A file, or the files of a folder that are not hidden. Raises `DataError`: neither."""
    if path.is_dir():
        return sorted(
            file for file in path.iterdir() if file.is_file() and not file.name.startswith(".")
        )
    if not path.is_file():
        raise DataError(f"there is no file {path}")
    return [path]
