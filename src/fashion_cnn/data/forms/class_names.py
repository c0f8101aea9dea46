"""Names of classes in files beside the data."""

import csv
from collections.abc import Iterable
from pathlib import Path

from fashion_cnn.data.files import encoding_of
from fashion_cnn.data.forms.parts import words
from fashion_cnn.data.manifest import in_one_form, read_small
from fashion_cnn.errors import DataError


def is_names(path: Path) -> bool:
    """Whether a file is of such names, by its own."""
    said = set(words(path.name))
    return bool({"mapping", "classmap"} & said) or (
        "classes" in said and path.suffix.lower() == ".txt"
    )


def names_beside(files: Iterable[Path]) -> dict[int, str]:
    """The classes' names in `classes.txt`, EMNIST's `…-mapping.txt` or Kuzushiji's `…classmap.csv`.

    Raises:
        DataError: one of them is not as it should be.
    """
    for path in files:
        said = words(path.name)
        if not is_names(path):
            continue
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
    return {}
