"""Picture files by their names: which ones words mean, reading them safely, showing them."""

import glob
import os
import stat
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from fashion_cnn.data.decoding import FILE_BYTES
from fashion_cnn.errors import ImageError

SUFFIXES = (".png", ".jpg", ".jpeg", ".webp")


def find_pictures(words: Sequence[str]) -> Iterator[str]:
    """The files that words on a command line mean, in order, each once.

    A folder means the pictures in and below it, a pattern with * ? [ what it matches, "-" standard
    input. A word that names nothing comes back as it is: reading it says what is wrong.
    """
    known = set()
    for word in words:
        if os.path.isdir(word):
            files = [str(path) for path in sorted(Path(word).rglob("*")) if _is_picture(path)]
            found = files or [word]
        elif word != "-" and not os.path.lexists(word) and glob.has_magic(word):
            found = sorted(glob.glob(word, recursive=True)) or [word]
        else:
            found = [word]
        for name in found:
            if name not in known:
                known.add(name)
                yield name


def read_bytes(name: str) -> bytes:
    """Read a file that `find_pictures` named, or standard input, up to a byte over the limit.

    Raises:
        ImageError: there is no such file, or it is none.
    """
    if name == "-":
        return sys.stdin.buffer.read(FILE_BYTES + 1)
    if os.path.isdir(name):
        raise ImageError(f"a folder without {', '.join(s[1:].upper() for s in SUFFIXES)} files")
    try:
        # Not blocking: a named pipe without a writer would be waited for.
        with open(name, "rb", opener=lambda path, flags: os.open(path, flags | os.O_NONBLOCK)) as f:
            if not stat.S_ISREG(os.fstat(f.fileno()).st_mode):
                raise ImageError("not a plain file")
            return f.read(FILE_BYTES + 1)
    except (OSError, ValueError) as error:
        raise ImageError(getattr(error, "strerror", None) or str(error)) from None


def _is_picture(path: Path) -> bool:
    return path.suffix.lower() in SUFFIXES and path.is_file()


def shown(name: str) -> str:
    """A file's name without what could move a terminal's cursor or break a line."""
    return "".join(
        c if c.isprintable() else c.encode("unicode_escape", "replace").decode()
        for c in name.encode(errors="replace").decode()
    )
