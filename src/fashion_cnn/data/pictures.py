"""Picture files by their names: which ones words mean, reading them safely, showing them."""

import glob
import os
import stat
import sys
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path

from fashion_cnn.data.decoding import FILE_BYTES, too_large
from fashion_cnn.errors import ImageError
from fashion_cnn.files import raise_if_out_of_room

_SUFFIXES = frozenset(
    (".png", ".jpg", ".jpeg", ".jpe", ".jfif", ".webp", ".avif", ".heic", ".heif", ".gif", ".bmp",
     ".tif", ".tiff", ".jxl", ".jp2", ".pbm", ".pgm", ".ppm", ".pnm", ".tga", ".psd", ".qoi",
     ".exr", ".hif", ".heics", ".arw", ".cr2", ".cr3", ".dng", ".nef", ".nrw", ".orf", ".pef",
     ".raf", ".rw2", ".srw")
)  # fmt: skip
"""By which a file that is no picture is known to have been meant for one."""


def find_pictures(words: Sequence[str]) -> Iterator[str]:
    """The files that words on a command line mean, in order, each once.

    A folder means the pictures in and below it, a pattern with * ? [ what it matches, "-" standard
    input. A word that names nothing comes back as it is: reading it says what is wrong.
    """
    known = set()
    for word in words:
        if os.path.isdir(word):
            below = files_below(Path(word))
            found = [str(path) for path in below if is_picture(path)] or [word]
        elif word != "-" and not os.path.lexists(word) and glob.has_magic(word):
            found = sorted(glob.glob(word, recursive=True)) or [word]
        else:
            found = [word]
        for name in found:
            if name not in known:
                known.add(name)
                yield name


def read_bytes(name: str) -> bytes:
    """Read a file that `find_pictures` named, or standard input.

    Raises:
        ImageError: there is no such file, or it is none, or too large.
        OSError: the disk fails, or memory or the files that may be open run out.
    """
    if os.path.isdir(name) and name != "-":
        back = ", or a link back to a folder above it" if os.path.islink(name) else ""
        raise ImageError(f"a folder without pictures that can be read{back}")
    try:
        if name == "-":
            return _read_standard_input()
        # Not blocking: a named pipe without a writer would be waited for.
        with open(name, "rb", opener=lambda path, flags: os.open(path, flags | os.O_NONBLOCK)) as f:
            facts = os.fstat(f.fileno())
            if not stat.S_ISREG(facts.st_mode):
                raise ImageError("not a plain file")
            if facts.st_size > FILE_BYTES:
                raise too_large(facts.st_size)
            return f.read(FILE_BYTES + 1)  # a byte more shows one that grew since
    except (OSError, ValueError) as error:
        raise_if_out_of_room(error, name)
        raise ImageError(getattr(error, "strerror", None) or str(error)) from None


def _read_standard_input() -> bytes:
    if sys.stdin is None:
        raise ImageError("standard input is closed")
    data = sys.stdin.buffer.read(FILE_BYTES + 1)
    if len(data) > FILE_BYTES:
        raise too_large(None)
    return data


def files_below(folder: Path) -> Iterator[Path]:
    """The files in and below a folder, in order, hidden ones left out; links are followed.

    A folder that cannot be read, or is a link back to one above it, comes as it is: reading it says
    what is wrong.
    """
    above = set()
    for parent in (*folder.resolve().parents, *Path(os.path.abspath(folder)).parents):
        with suppress(OSError):
            above.add(_identity(parent.stat()))
    return _below(folder, frozenset(above))


def _below(folder: Path, above: frozenset[tuple[int, int]]) -> Iterator[Path]:
    try:
        here = _identity(folder.stat())
        entries = sorted(folder.iterdir())
    except OSError as error:
        raise_if_out_of_room(error, folder)
        yield folder
        return
    if here in above:
        yield folder
        return
    for path in entries:
        if path.name.startswith("."):
            continue
        if os.path.isdir(path):
            yield from _below(path, above | {here})
        else:
            yield path


def _identity(facts: os.stat_result) -> tuple[int, int]:
    return facts.st_dev, facts.st_ino


def is_picture(path: Path) -> bool:
    """Whether a file is a picture by its first bytes, or was meant for one by its name.

    So may be a link to nothing, and what cannot be opened: reading it says what is wrong.
    """
    from fashion_cnn.data.decoding_child import KIND_BYTES, kind_of  # with it comes Pillow

    if path.suffix.lower() in _SUFFIXES or os.path.isdir(path):
        return True
    try:
        if not path.is_file():
            return path.is_symlink() and not path.exists()
        with path.open("rb") as file:
            return bool(kind_of(file.read(KIND_BYTES)))
    except OSError as error:
        raise_if_out_of_room(error, path)
        return True


def shown(name: str) -> str:
    """A file's name without what could move a terminal's cursor or break a line."""
    return "".join(
        c if c.isprintable() else c.encode("unicode_escape", "replace").decode()
        for c in name.encode(errors="replace").decode()
    )
