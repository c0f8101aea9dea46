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

_FOREIGN = (
    (b"MATLAB 5.0", "a MATLAB file; EMNIST comes as IDX files (gzip.zip) and as CSV too"),
    (b"\x80\x02", "a pickle, which only running code could read"),
    (b"\x80\x03", "a pickle, which only running code could read"),
    (b"\x80\x04", "a pickle, which only running code could read"),
    (b"\x89HDF", "an HDF5 file; save its arrays with numpy.savez"),
    (b"\xfd7zXZ", "packed with xz; unpack it first"),
    (b"7z\xbc\xaf", "packed with 7-Zip; unpack it first"),
    (b"PK\x03\x04", "a ZIP archive; unpack it first"),
    (b"Rar!", "a RAR archive; unpack it first"),
    (b"version https://git-lfs", "a pointer of Git LFS in place of the file; git lfs pull gets it"),
    (b"<", "a web page, not a data file"),
)
"""How other files begin that come in the place of data, and what they are."""


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
            start = raw.read(64)
            raw.seek(0)
            if other := foreign(start):
                raise DataError(f"{path} is {other}")
            if not start.startswith(b"\x1f\x8b"):
                return raw.read(limit)
            with gzip.open(raw) as file:
                return file.read(limit)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise DataError(f"{path} is damaged ({error})") from None
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}") from None


def foreign(start: bytes) -> str | None:
    """What a file is by its first 64 bytes, if it is of a kind that often stands in for data."""
    start = start.lstrip()
    return next((kind for magic, kind in _FOREIGN if start.startswith(magic)), None)
