"""Picture files by their names: which ones words mean, reading them safely, showing them."""

import glob
import os
import re
import stat
import sys
from collections.abc import Iterator, Sequence
from contextlib import suppress
from fnmatch import fnmatchcase
from pathlib import Path

from fashion_cnn.data.decoding import FILE_BYTES, too_large
from fashion_cnn.errors import ImageError
from fashion_cnn.files import raise_if_out_of_room

_SUFFIXES = frozenset(
    (".png", ".jpg", ".jpeg", ".jpe", ".jfif", ".webp", ".avif", ".heic", ".heif", ".gif", ".bmp",
     ".tif", ".tiff", ".jxl", ".jp2", ".pbm", ".pgm", ".ppm", ".pnm", ".tga", ".psd", ".qoi",
     ".exr", ".hif", ".heics", ".arw", ".cr2", ".cr3", ".crw", ".dng", ".kdc", ".mrw", ".nef",
     ".nrw", ".orf", ".pef", ".raf", ".raw", ".rw2", ".sr2", ".srw", ".x3f", ".apng", ".bpg",
     ".dcm", ".dds", ".dib", ".fits", ".j2c", ".j2k", ".jpf", ".jpx", ".jxr", ".mpo", ".pam",
     ".pcx", ".pfm", ".ras", ".sgi", ".wdp", ".xbm", ".xcf", ".xpm")
)  # fmt: skip
"""By which a file that is no picture is known to have been meant for one."""

DRAWINGS = frozenset(
    (".ai", ".cur", ".emf", ".eps", ".icns", ".ico", ".pdf", ".svg", ".svgz", ".wmf")
)
"""By which one may be; or it is a logo or a paper that comes with the data."""

_NAMED = _SUFFIXES | DRAWINGS

_OF_SYSTEMS = frozenset(
    ("@eadir", "#recycle", "#snapshot", "$recycle.bin", "lost+found", "recycler", "__macosx",
     "system volume information")
)  # fmt: skip
"""Folders that Synology, Windows, Linux and macOS keep on a disk, some with thumbnails."""

_ADDRESS = re.compile(r"(?:https?|ftp|file|s3|gs):/|data:", re.IGNORECASE)
_LONGEST_TOLD = 200  # characters of a name in a message


def find_pictures(words: Sequence[str]) -> Iterator[str]:
    """The files that words on a command line mean, in order, each once.

    A folder means the pictures in and below it, a pattern with * ? [ what it matches, folders
    among it, "-" standard input. A word that names nothing comes back as it is: reading it says
    what is wrong.
    """
    known = set()
    for word in words:
        if os.path.isdir(word):
            found = _pictures_below(word)
        elif word != "-" and not os.path.lexists(word) and glob.has_magic(word):
            found = list(_matched(word)) or [word]
        else:
            found = [word]
        for name in found:
            if name not in known:
                known.add(name)
                yield name


def _pictures_below(folder: str) -> list[str]:
    return [str(path) for path in files_below(Path(folder)) if is_picture(path)] or [folder]


def _matched(pattern: str) -> Iterator[str]:
    """What a pattern matches, and the pictures below the folders that it matches; with ** files
    alone, by `files_below`.

    The standard library's own ** goes round in links, and as deep as Python's calls.
    """
    parts = Path(pattern).parts
    if "**" not in parts:
        for name in _globbed(pattern):
            yield from _pictures_below(name) if os.path.isdir(name) else [name]
        return
    at = parts.index("**")
    for top in filter(os.path.isdir, _globbed(str(Path(*parts[:at])))):
        for path in files_below(Path(top)):
            *above, itself = _fits(path.relative_to(top).parts, parts[at:])
            # A folder's whole content is not meant for pictures, as what is named is.
            if (itself and parts[-1] != "**") or (any(above) and is_picture(path)):
                yield str(path)


def _globbed(pattern: str) -> list[str]:
    """What a pattern matches in order; what systems keep only where that is spelt out."""
    said = Path(pattern).parts
    return sorted(
        name
        for name in glob.glob(pattern)
        if not any(_of_a_system(part) for part in Path(name).parts if part not in said)
    )


def _fits(names: Sequence[str], patterns: Sequence[str]) -> list[bool]:
    """Whether patterns match a path's top, each folder on the way, and the path itself."""
    places = _past_any({0}, patterns)  # in the patterns, up to which they may have matched
    matched = [len(patterns) in places]
    for name in names:
        on = {
            at + (patterns[at] != "**")
            for at in places - {len(patterns)}
            if patterns[at] == "**" or fnmatchcase(name, patterns[at])
        }
        places = _past_any(on, patterns)
        matched.append(len(patterns) in places)
    return matched


def _past_any(places: set[int], patterns: Sequence[str]) -> set[int]:
    """The places, and those behind each ** that may stand for no folder."""
    found = set(places)
    for at, pattern in enumerate(patterns):
        if at in found and pattern == "**":
            found.add(at + 1)
    return found


def read_bytes(name: str) -> bytes:
    """Read a file that `find_pictures` named, or standard input.

    Raises:
        ImageError: there is no such file, or it is none, or too large.
        OSError: the disk fails, or memory or the files that may be open run out.
    """
    if os.path.isdir(name) and name != "-":
        raise ImageError(
            "a folder without pictures that can be read, or one that is read by another name"
        )
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
        if _ADDRESS.match(name):
            raise ImageError(
                "an address, which is not fetched; save the picture to a file"
            ) from None
        raise ImageError(getattr(error, "strerror", None) or str(error)) from None


def _read_standard_input() -> bytes:
    if sys.stdin is None:
        raise ImageError("standard input is closed")
    data = sys.stdin.buffer.read(FILE_BYTES + 1)
    if len(data) > FILE_BYTES:
        raise too_large(None)
    return data


def files_below(folder: Path) -> Iterator[Path]:
    """The files in and below a folder, in order; links are followed.

    What `is_left_out` is left out.

    Each folder is entered once: links to one another may be more than could ever be read. One that
    cannot be read, was entered by another name, or is above `folder`, comes as it is: reading it
    says what is wrong.
    """
    entered = set()
    for parent in (*folder.resolve().parents, *Path(os.path.abspath(folder)).parents):
        with suppress(OSError):
            entered.add(_identity(parent.stat()))
    waiting = [folder]  # no recursion: folders may be nested deeper than Python calls
    while waiting:
        path = waiting.pop()
        if not os.path.isdir(path):
            yield path
            continue
        try:
            here = _identity(path.stat())
            inside = sorted(path.iterdir(), reverse=True) if here not in entered else []
        except OSError as error:
            raise_if_out_of_room(error, path)
            yield path
            continue
        if here in entered:
            yield path
        entered.add(here)
        waiting += (one for one in inside if not is_left_out(one.name))


def entries(folder: Path) -> tuple[list[Path], list[Path]]:
    """The folders and the files right in a folder, in order, but for what `is_left_out`."""
    folders: list[Path] = []
    files: list[Path] = []
    for path in sorted(folder.iterdir()):
        if not is_left_out(path.name):
            (folders if os.path.isdir(path) else files).append(path)
    return folders, files


def _identity(facts: os.stat_result) -> tuple[int, int]:
    return facts.st_dev, facts.st_ino


def is_left_out(name: str) -> bool:
    """Whether something in a folder is nobody's data by its name: hidden, or a system's own."""
    return name.startswith(".") or _of_a_system(name)


def _of_a_system(name: str) -> bool:
    """Whether a folder of that name holds what a system keeps: thumbnails, or what was deleted."""
    return name.lower() in _OF_SYSTEMS


def is_picture(path: Path) -> bool:
    """Whether a file is a picture by its first bytes, or was meant for one by its name.

    So may be a link to nothing, and what cannot be opened: reading it says what is wrong.
    """
    from fashion_cnn.data.decoding_child import KIND_BYTES, kind_of  # with it comes Pillow

    if path.suffix.lower() in _NAMED or os.path.isdir(path):
        return True
    try:
        if not path.is_file():
            return path.is_symlink() and not path.exists()
        with path.open("rb") as file:
            return bool(kind_of(file.read(KIND_BYTES)))
    except OSError as error:
        raise_if_out_of_room(error, path)
        return True


def told(name: str) -> str:
    """As `shown`, for a message: of a long name, as of a data: address, its two ends."""
    if len(name) > _LONGEST_TOLD:
        half = _LONGEST_TOLD // 2
        name = f"{name[: half - 1]}…{name[-half:]}"
    return shown(name)


def shown(name: str) -> str:
    """A file's name without what could move a terminal's cursor or break a line."""
    return "".join(
        c if c.isprintable() else c.encode("unicode_escape", "replace").decode()
        for c in name.encode(errors="replace").decode()
    )
