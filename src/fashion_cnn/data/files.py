"""The four files of a data set of the MNIST family: where they are, and reading them in bounds."""

import os
import re
import zlib
from pathlib import Path

from fashion_cnn.data.gzipped import unpacked
from fashion_cnn.errors import OUT_OF_ROOM, DataError
from fashion_cnn.files import raise_if_out_of_room

FILES = (
    "train-images-idx3-ubyte",
    "train-labels-idx1-ubyte",
    "t10k-images-idx3-ubyte",
    "t10k-labels-idx1-ubyte",
)
"""Plain, or with .gz behind."""

PREFIXES = {"train": "train", "test": "t10k"}
"""What the files of a part begin with."""

RAW = "raw"
"""The folder in which torchvision keeps them."""

START = 512
"""Bytes of a file that tell what it is."""

_SAID = 200  # characters
_PICKLE = "a pickle, which only running code could read; save its arrays with numpy.savez"
_ARROW = (
    "Arrow's; of Hugging Face's load_from_disk(FOLDER) write each part with to_parquet(…), or give "
    "it to fashion_cnn.train(data=…)"
)
_FOREIGN = (
    (b"MATLAB 7.3", "a MATLAB file; save its arrays with numpy.savez"),
    (b"ARROW1", _ARROW),
    (b"MATLAB 5.0", "a MATLAB file; EMNIST comes as IDX files (gzip.zip) and as CSV too"),
    *((bytes([0x80, protocol]), _PICKLE) for protocol in (2, 3, 4, 5)),
    (b"\x89HDF", "an HDF5 file; save its arrays with numpy.savez"),
    (b"\xfd7zXZ", "packed with xz; unpack it first"),
    (b"BZh", "packed with bzip2; unpack it first"),
    (b"\x28\xb5\x2f\xfd", "packed with zstd; unpack it first"),
    (b"7z\xbc\xaf", "packed with 7-Zip; unpack it first"),
    (b"PK\x03\x04", "a ZIP archive; unpack it first"),
    (b"Rar!", "a RAR archive; unpack it first"),
    (b"version https://git-lfs", "a pointer of Git LFS in place of the file; git lfs pull gets it"),
    (b"<", "a web page, not a data file"),
    (b"{", "JSON, as a server's refusal is, not a data file"),
)
"""How other files begin that come in the place of data, and what they are."""


def candidates(directory: Path, name: str) -> list[Path]:
    """What may be one of `FILES` in a folder: gzipped, plain, or as downloads rename it.

    Those are, for instance, `train-images.idx3-ubyte`, `train-images-idx3-ubyte (1).gz`, and a
    folder `train-images-idx3-ubyte` with the file in it. Only content tells which one is right.
    """
    usual = [directory / f"{name}.gz", directory / name]
    others = [
        inner
        for path in sorted(directory.glob("[!.]*"))
        if path not in usual or path.is_dir()
        if _letters(path.name).startswith(_letters(name))
        for inner in ([path / name, path / f"{name}.gz"] if path.is_dir() else [path])
    ]
    return [path for path in (*usual, *others) if os.path.isfile(path)]


def entered(directory: Path) -> Path:
    """A folder; of one that has none of `FILES` the only raw/ or …/raw/ that has them all.

    That is where torchvision puts them, below what it is given as root.
    """
    if any(candidates(directory, name) for name in FILES):
        return directory
    below = sorted({*directory.glob(RAW), *directory.glob(f"[!.]*/{RAW}")})
    found = [path for path in below if all(candidates(path, name) for name in FILES)]
    return found[0] if len(found) == 1 else directory


def _letters(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower())


def encoding_of(start: bytes) -> str:
    """The encoding of a text by its first bytes: UTF-16 by its mark, else UTF-8, marked or not."""
    return "utf-16" if start.startswith((b"\xff\xfe", b"\xfe\xff")) else "utf-8-sig"


def read_file(path: Path, limit: int) -> bytes:
    """Read a file, decompressed if its bytes are gzip's, but no more than `limit` bytes of it.

    Raises:
        DataError: it is damaged, unreadable, or packed as no data are; see `Gunzip`.
        OSError: the disk is failing, or the process may open no more files.
    """
    try:
        with path.open("rb") as raw:
            data = unpacked(raw, path)
            if other := foreign(data.peek(START)[:START]):
                raise DataError(f"{path} is {other}")
            return data.read(limit)
    except (EOFError, zlib.error) as error:
        raise DataError(f"{path} is damaged ({error})") from None
    except OSError as error:
        raise_if_out_of_room(error, path)
        raise DataError(f"{path} cannot be read: {error.strerror}") from None


def damaged(path: Path, error: Exception) -> Exception:
    """What to raise for what a library raised of a file that it read.

    Returns:
        A `DataError`; or the error itself, with the file's name, where no content is at fault: the
        disk, or what may be done with the file.
    """
    if isinstance(error, OSError) and (error.errno in OUT_OF_ROOM or error.filename):
        error.filename = str(path)
        return error
    return DataError(f"{path} is damaged ({told(error)})")


def told(error: Exception) -> str:
    """What an error says, in short: numpy's may hold a whole header."""
    return str(error).strip()[:_SAID] or type(error).__name__


def foreign(start: bytes) -> str | None:
    """What a file is by its first bytes, if it is of a kind that often stands in for data."""
    if start[257:262] == b"ustar":
        return "a tar archive; unpack it first"
    if start.startswith(b"PK\x03\x04") and b"/data.pkl" in start:
        return f"a file of PyTorch's, so {_PICKLE}"
    if start.startswith(b"\xff\xff\xff\xff") and start[7:8] == b"\0":  # a stream; then a length
        return _ARROW
    start = start.removeprefix(b"\xef\xbb\xbf").lstrip()
    return next((kind for magic, kind in _FOREIGN if start.startswith(magic)), None)
