"""Names of classes in files beside the data."""

import csv
from collections.abc import Iterable
from pathlib import Path

from fashion_cnn.data.files import encoding_of
from fashion_cnn.data.forms.parts import words
from fashion_cnn.data.manifest import in_one_form, read_small
from fashion_cnn.data.pictures import shown
from fashion_cnn.errors import DataError


def is_names(path: Path) -> bool:
    """Whether a file is of such names, by its own."""
    said = set(words(path.name))
    return bool({"mapping", "classmap"} & said) or (
        "classes" in said and path.suffix.lower() == ".txt"
    )


def listing(files: Iterable[Path], data: Iterable[Path]) -> Path | None:
    """Which file names the classes; None for none.

    Of EMNIST's, one for each of its data sets, that whose other words are all in the data's names.

    Args: files: that may be; data: the files of the data set.

    Raises:
        DataError: there are several, and the names do not tell.
    """
    found = [path for path in files if is_names(path)]
    if len(found) < 2:
        return found[0] if found else None
    known = {word for file in data for word in (*words(file.parent.name), *words(file.name))}
    usual = [path for path in found if not _other_words(path)]
    fitting = usual or [path for path in found if _other_words(path) <= known]
    if len(fitting) == 1 or len({read_small(path) for path in fitting}) == 1:
        return fitting[0]
    named = " and ".join(shown(path.name) for path in (fitting or found)[:2])
    raise DataError(
        f"{named} both name classes, and the names of the data do not tell which of them is meant; "
        "keep one"
    )


def listed_beside(files: Iterable[Path], data: Iterable[Path]) -> list[Path]:
    """The lists of names beside files that were named, by the words of the data's names."""
    known = {word for file in data for word in words(file.name)}
    beside = {path: None for file in files for path in sorted(file.parent.glob("*"))}
    return [
        path for path in beside if is_names(path) and path.is_file() and _other_words(path) <= known
    ]


def _other_words(path: Path) -> set[str]:
    """The words of a list's name that say of which data set it is."""
    return {*words(path.name)} - {"mapping", "classmap", "classes", "txt", "csv"}


def names_in(path: Path) -> dict[int, str]:
    """The classes' names in `classes.txt`, EMNIST's `…-mapping.txt` or Kuzushiji's `…classmap.csv`.

    Raises:
        DataError: it is not as it should be.
    """
    said = words(path.name)
    try:
        data = read_small(path)
        lines = data.decode(encoding_of(data)).rstrip().splitlines()
        if "classes" in said:
            return dict(enumerate(in_one_form(line.strip()) for line in lines))
        if "mapping" in said:
            return {int(row.split()[0]): chr(int(row.split()[1])) for row in lines if row}
        rows = csv.DictReader(lines)
        # A row that is cut short has None.
        return {int(row["index"]): in_one_form(row["char"] or "") for row in rows}
    except (csv.Error, ArithmeticError, LookupError, TypeError, ValueError) as error:
        raise DataError(
            f"the class names in {path} cannot be read ({error!r}); correct or remove the file"
        ) from None
