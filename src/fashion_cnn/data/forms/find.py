"""Which files in a folder are a data set, and of which form: told by their first bytes.

Names only say which part a file is of, and whether it has images or labels, where the form itself
does not.
"""

import csv
import re
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

import numpy as np

from fashion_cnn.data.files import foreign, read_file
from fashion_cnn.data.forms.comma_separated import read_csv
from fashion_cnn.data.forms.idx_pairs import read_idx_pair
from fashion_cnn.data.forms.labelled import Labelled, Part, to_images, to_labels
from fashion_cnn.data.forms.numpy_archive import read_npz
from fashion_cnn.data.forms.parquet import read_parquet
from fashion_cnn.data.manifest import read_small
from fashion_cnn.data.pictures import shown
from fashion_cnn.errors import DataError

_PARTS = {
    **dict.fromkeys(("train", "training"), "train"),
    **dict.fromkeys(("val", "valid", "validation"), "validation"),
    **dict.fromkeys(("test", "testing", "t10k"), "test"),
}
_IMAGES, _LABELS = {"images", "image", "imgs", "x"}, {"labels", "label", "y"}

Progress = Callable[[int], None]


def part_of(name: str) -> str | None:
    """Which part a file or folder is of by the words of its name: None if it names none or two."""
    found = {_PARTS[word] for word in _words(name) if word in _PARTS}
    return found.pop() if len(found) == 1 else None


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
        elif not _is_names(file):
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
        exchanged = form in ("IDX", "CSV") and any("emnist" in _joined(file) for file in found)
    labelled = _READERS[form](found, exchanged, progress)
    notes = list(labelled.notes)
    if exchanged:
        notes.append("rows and columns of the images exchanged (--no-transpose to keep them)")
    notes += [f"passed over {shown(file.name)}: {kind}" for file, kind in passed_over]
    names = {**labelled.names, **_names_beside(files)}
    return Labelled(form, labelled.parts, names, tuple(notes))


def form_of(path: Path) -> str:
    """The form of a file by its content: a key of the readers, or a line on what it is instead."""
    with path.open("rb") as file:
        start = file.read(64)
    if start.startswith(b"\x1f\x8b"):
        try:
            start = read_file(path, 64)
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
    first = start.removeprefix(b"\xef\xbb\xbf").split(b"\n")[0]
    if first.count(b",") > 4 and first.isascii():
        return "CSV"
    return "no form of a data set that is known"


def _read_csvs(files: list[Path], transposed: bool, progress: Progress) -> Labelled:
    parts = {}
    for part, of in _by_part(files).items():
        if len(of) > 1:
            raise DataError(f"two CSV files for {part}: {shown(of[0].name)}, {shown(of[1].name)}")
        found = read_csv(of[0], progress)
        images = found.images.transpose(0, 2, 1) if transposed else found.images
        parts[part] = Part(np.ascontiguousarray(images), found.labels)
    return Labelled("CSV", parts, {})


def _read_parquets(files: list[Path], transposed: bool, progress: Progress) -> Labelled:
    parts, names = {}, {}
    for part, of in _by_part(files).items():
        parts[part], found = read_parquet(sorted(of), progress)
        names |= found
    return Labelled("Parquet", parts, names)


def _read_npzs(files: list[Path], transposed: bool, progress: Progress) -> Labelled:
    arrays = {}
    for file in files:
        for name, array in read_npz(file).items():
            arrays[f"{file.stem} {name}" if name == "arr_0" else name] = (array, file)
        progress(file.stat().st_size)
    parts, notes = {}, []
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
            f"{files[0]} has the arrays {', '.join(arrays)}; none is of images to train"
        )
    return Labelled("npz", parts, {}, tuple(notes))


def _read_idx(files: list[Path], transposed: bool, progress: Progress) -> Labelled:
    pairs: dict[str, dict[str, Path]] = {}
    for part, of in _by_part(files).items():
        for file in of:
            kind = "images" if set(_words(file.name)) & _IMAGES else "labels"
            if kind in pairs.setdefault(part, {}):
                raise DataError(
                    f"two files of {kind} for {part}: {shown(pairs[part][kind].name)} and "
                    f"{shown(file.name)}; put the data set that is meant into a folder of its own"
                )
            pairs[part][kind] = file
        if len(pairs[part]) < 2:
            raise DataError(f"{of[0].parent} has only the {next(iter(pairs[part]))} of {part}")
    return Labelled(
        "IDX",
        {
            part: read_idx_pair(pair["images"], pair["labels"], transposed=transposed)
            for part, pair in pairs.items()
        },
        {},
    )


_READERS: Mapping[str, Callable[[list[Path], bool, Progress], Labelled]] = {
    "CSV": _read_csvs,
    "IDX": _read_idx,
    "Parquet": _read_parquets,
    "npz": _read_npzs,
}


def _roles(arrays: Mapping[str, tuple[np.ndarray, Path]]) -> dict[tuple[str, str], tuple]:
    """Which array is which: ("train", "images"), …, by the words of their names."""
    roles = {}
    for name, found in arrays.items():
        words = set(_words(name))
        kind = "images" if words & _IMAGES else "labels" if words & _LABELS else None
        part = part_of(name)
        if part is None and not any(word in _PARTS for word in words):
            part = "train"  # one pair of arrays, as numpy.savez(file, images=…, labels=…) makes
        if kind and part:
            roles[part, kind] = found
    return roles


def _by_part(files: list[Path]) -> dict[str, list[Path]]:
    if len(files) == 1:
        return {part_of(files[0].name) or "train": files}
    parts: dict[str, list[Path]] = {}
    for file in files:
        part = part_of(file.name)
        if part is None:
            raise DataError(
                f"{shown(file.name)} does not say which part it is of; have train, validation or "
                "test in its name"
            )
        parts.setdefault(part, []).append(file)
    if "train" not in parts:
        raise DataError(f"no file to train on: {', '.join(shown(file.name) for file in files)}")
    return parts


def files_in(path: Path) -> list[Path]:
    """A file, or the files of a folder that are not hidden. Raises `DataError`: neither."""
    if path.is_dir():
        return sorted(
            file for file in path.iterdir() if file.is_file() and not file.name.startswith(".")
        )
    if not path.is_file():
        raise DataError(f"there is no file {path}")
    return [path]


def _is_names(path: Path) -> bool:
    return bool({"mapping", "classmap", "classes"} & set(_words(path.name)))


def _names_beside(files: Iterable[Path]) -> dict[int, str]:
    """The classes' names in `classes.txt`, EMNIST's `…-mapping.txt` or Kuzushiji's `…classmap.csv`.

    Raises:
        DataError: one of them is not as it should be.
    """
    for path in files:
        words = _words(path.name)
        if not _is_names(path):
            continue
        try:
            lines = read_small(path).decode("utf-8-sig").splitlines()
            if "classes" in words:
                return dict(enumerate(line.strip() for line in lines))
            if "mapping" in words:
                return {int(row.split()[0]): chr(int(row.split()[1])) for row in lines if row}
            rows = csv.DictReader(lines)
            return {int(row["index"]): row["char"] for row in rows}
        except (UnicodeDecodeError, ValueError, KeyError, IndexError) as error:
            raise DataError(f"{path} names no classes as it should ({error!r})") from None
    return {}


def _words(name: str) -> list[str]:
    return re.findall(r"[a-z]+(?:10k)?", name.lower())


def _joined(path: Path) -> str:
    return f"{path.parent.name}/{path.name}".lower()
