"""The four files of a data set of the MNIST family: where they are, and reading them in bounds."""

import gzip
import os
import zlib
from pathlib import Path

from fashion_cnn.errors import DataError

FILES = (
    "train-images-idx3-ubyte",
    "train-labels-idx1-ubyte",
    "t10k-images-idx3-ubyte",
    "t10k-labels-idx1-ubyte",
)
"""Plain, or with .gz behind."""


def locate(directory: Path, name: str) -> Path | None:
    """One of `FILES` in a folder, gzipped rather than plain; None if it is not there."""
    candidates = (directory / f"{name}.gz", directory / name)
    return next((path for path in candidates if os.path.isfile(path)), None)


def read_file(path: Path, limit: int) -> bytes:
    """Read a file, decompressed if its bytes are gzip's, but no more than `limit` bytes of it.

    Raises:
        DataError: it is damaged or unreadable.
    """
    try:
        with path.open("rb") as raw:
            packed = raw.read(2) == b"\x1f\x8b"
            raw.seek(0)
            if not packed:
                return raw.read(limit)
            with gzip.open(raw) as file:
                return file.read(limit)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        with path.open("rb") as file:
            start = file.read(64).lstrip().lower()
        if start.startswith((b"<!doctype", b"<html", b"<?xml")):
            raise DataError(f"{path} is a web page, not a data file") from None
        raise DataError(f"{path} is damaged ({error})") from None
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}") from None
