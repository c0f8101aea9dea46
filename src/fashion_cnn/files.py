"""Reading files that may be anything; writing them so that a kill or a full disk loses nothing.

A folder may come from somebody else: what is written never follows a link that lies in it, and what
is read is a regular file of a size that can be.
"""

import contextlib
import csv
import errno
import io
import json
import os
import re
import secrets
import stat
import tomllib
from collections.abc import Iterable
from pathlib import Path
from typing import Any, BinaryIO

from fashion_cnn.errors import (
    OUT_OF_ROOM,
    CheckpointError,
    DataError,
    ModelError,
    UsageError,
)

Fault = type[CheckpointError] | type[DataError] | type[ModelError] | type[UsageError]

MOST_BYTES = 1 << 30
"""Of a file of a run; the largest model here needs a hundredth."""

MOST_TEXT = 1 << 24
"""Of JSON, a log or a history, which take many times their size when read."""

_ROW = re.compile(r"\[\n\s+([^][{}\"]+?)\n\s*\]")

_TEMPORARY = re.compile(r"\.(.+?)(\.[0-9a-f]{16})?\.tmp")  # the shorter one is from before

_STREAMS = {Path("/dev/stdout"): 1, Path("/dev/stderr"): 2}

_MOST_TOML = 1 << 15  # for a key of so many parts the parser needs seconds; four times, the square


def read_bytes(path: Path, fault: Fault, most: int = MOST_BYTES) -> bytes:
    """Read a regular file whole.

    Args:
        path: the file, or a link to it.
        fault: the error for a file that cannot be used.
        most: bytes that it may have.

    Raises:
        FashionCNNError: `fault`: it is missing, unreadable, larger, or a pipe, a device or a
            folder, which one would wait for, or never see the end of.
        OSError: the disk is failing, or there is no more memory or no more files may be open: that
            is no fault of the file's.
    """
    try:
        # Not blocking: a pipe without a writer would be waited for.
        with os.fdopen(os.open(path, os.O_RDONLY | os.O_NONBLOCK), "rb") as file:
            found = os.fstat(file.fileno())
            if not stat.S_ISREG(found.st_mode):
                raise fault(f"{path} is not a plain file")
            data = file.read(most + 1) if found.st_size <= most else None
    except OSError as error:
        raise_if_out_of_room(error, path)
        raise fault(f"{path} cannot be read: {error.strerror}") from None
    except fault:  # which may be a ValueError
        raise
    except ValueError as error:  # a name that no file can have
        raise fault(f"{path} cannot be read: {error}") from None
    if data is None or len(data) > most:
        raise fault(f"{path} has more than {most:,} bytes, which no such file here has")
    return data


def raise_if_out_of_room(error: Exception, path: str | Path) -> None:
    """Raise an `OSError` that is no fault of a file, with the file's name, which reading omits."""
    if isinstance(error, OSError) and error.errno in OUT_OF_ROOM:
        raise OSError(error.errno, error.strerror, str(path)) from None


def check_no_link(path: Path, why: str) -> None:
    """Raise `UsageError` if what is written there would be written into somebody's file.

    Args: why: what writes only into its own files, for the message.
    """
    with contextlib.suppress(FileNotFoundError):  # another process may be removing it
        found = path.lstat()
        if stat.S_ISLNK(found.st_mode) or (stat.S_ISREG(found.st_mode) and found.st_nlink > 1):
            raise UsageError(f"{path} is a link; {why}: remove it")


def read_text(path: Path, fault: Fault, most: int = MOST_TEXT) -> str:
    """Read a regular file of UTF-8, as `read_bytes` does; undecodable bytes are a fault too."""
    try:
        return read_bytes(path, fault, most).decode()
    except UnicodeDecodeError as error:
        raise fault(f"{path} is not UTF-8 text ({error})") from None


def write_atomically(path: Path, data: bytes) -> None:
    """Replace `path` by `data`, durably; several processes may do so at once.

    A pipe, or what has no end in /dev, is written into: a file in its place would serve nobody.

    Raises:
        UsageError: it is a pipe that nobody reads, a disk, a socket, or a device outside /dev.
        OSError: `path` is as it was, unless it was written into.
    """
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(8)}.tmp")
    try:
        if (stream := _open_stream(path)) is not None:
            _write_into(stream, data)
            return
        _write_new(temporary, data)
        os.replace(temporary, path)
    except OSError as error:
        error.filename = str(path)  # not our temporary one, of which nobody knows
        with contextlib.suppress(OSError):
            temporary.unlink()
        raise
    sync_directory(path.parent)


def check_place(path: Path) -> None:
    """Raise `UsageError` unless a file's folder is there: before the work whose result it gets."""
    if not os.path.isdir(path.parent):
        raise UsageError(
            f"{path} cannot be written, as there is no folder {path.parent}; make it first, or "
            "name another file"
        )


def write_durably(path: Path, data: bytes) -> None:
    """Write a new file and wait until the disk has it; what has the name is removed before."""
    path.unlink(missing_ok=True)
    _write_new(path, data)


def target_of(temporary: str) -> str | None:
    """The name that a file of this name, which a kill left, was to get; None if it is no such."""
    found = _TEMPORARY.fullmatch(temporary)
    return found[1] if found else None


def _write_new(path: Path, data: bytes) -> None:
    with path.open("xb") as file:  # fails where anything has the name, a link too
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def _open_stream(path: Path) -> int | None:
    """A descriptor of what is no file to replace; None for all else. Raises as writing does."""
    if path in _STREAMS:  # opened by its name a file that it leads to would be written from its top
        return os.dup(_STREAMS[path])
    systems = os.path.abspath(path).startswith(("/dev/", "/proc/"))  # whose links are its own
    try:
        kind = stat.S_IFMT((path.stat() if systems else path.lstat()).st_mode)
    except (OSError, ValueError):  # missing, or unreachable: writing tells
        return None
    if kind == stat.S_IFIFO or (kind == stat.S_IFCHR and systems):
        try:
            descriptor = os.open(path, os.O_WRONLY | os.O_NONBLOCK)
        except OSError as error:
            if error.errno != errno.ENXIO:
                raise
            raise UsageError(
                f"{path} is a pipe that nobody reads; start its reader first"
            ) from None
        os.set_blocking(descriptor, True)
        return descriptor
    if kind in (stat.S_IFCHR, stat.S_IFBLK, stat.S_IFSOCK):
        raise UsageError(f"{path} is a device or a socket, and is left alone; name another file")
    return None


def _write_into(descriptor: int, data: bytes) -> None:
    with os.fdopen(descriptor, "wb", buffering=0) as file:
        rest = memoryview(data)
        while rest:
            rest = rest[file.write(rest) or 0 :]


def open_to_append(path: Path) -> BinaryIO:
    """Open a log: a plain file that has no other name, which may be somebody's.

    Raises:
        UsageError: it is a link, a pipe, a device or a folder.
    """
    flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK
    try:
        descriptor = os.open(path, flags, 0o644)
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise UsageError(f"{path} is a link; the log is to be kept here: remove it") from None
        if error.errno in (errno.ENXIO, errno.EISDIR):  # a pipe or a socket; a folder
            raise UsageError(f"{path} is not a plain file, and so no log; remove it") from None
        raise
    found = os.fstat(descriptor)
    if stat.S_ISREG(found.st_mode) and found.st_nlink > 1:
        os.close(descriptor)
        write_atomically(path, read_bytes(path, UsageError))  # a copy, which has one name
        descriptor = os.open(path, flags)
    elif not stat.S_ISREG(found.st_mode):
        os.close(descriptor)
        raise UsageError(f"{path} is not a plain file, and so no log; remove it")
    return os.fdopen(descriptor, "ab")


def sync_directory(directory: Path) -> None:
    """Wait until the disk has the directory's entries: a rename is not durable before that."""
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def from_here(path: Path) -> Path:
    """A path as people are shown it: relative if it is below the working folder."""
    with contextlib.suppress(OSError, ValueError):
        return path.relative_to(Path.cwd())
    return path


def to_json(value: Any) -> bytes:
    """Encode as JSON; floats round-trip exactly, NaN and infinities are refused.

    Numbers in a row stand in a line: the matrix of many classes would else have a line for each.
    """
    text = json.dumps(value, indent=2, allow_nan=False)
    text = _ROW.sub(lambda row: f"[{''.join(row[1].split())}]", text)  # no string has a line break
    return f"{text}\n".encode()


def to_csv(rows: Iterable[Iterable[object]]) -> str:
    """Write rows, the header among them, as CSV."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue()


def from_json(data: bytes, what: str, fault: Fault) -> Any:
    """Decode JSON. Raises `fault`, naming `what`, when it is not valid, or longer than any here."""
    if len(data) > MOST_TEXT:
        raise fault(f"{what} has more than {MOST_TEXT:,} bytes, which no such file here has")
    try:
        return json.loads(data, parse_constant=_refuse)
    except (ValueError, RecursionError) as error:
        raise fault(f"{what} is not valid JSON ({error})") from None


def read_json(path: Path, most: int = MOST_TEXT) -> Any:
    """Read a JSON file of a run. Raises `UsageError` when it is missing, larger or not valid."""
    return from_json(read_bytes(path, UsageError, most), str(path), UsageError)


def read_fields(path: Path) -> dict[str, Any]:
    """Read the fields that a person wrote, or a run recorded, into a `.json` or `.toml` file.

    Raises:
        UsageError: it is missing, or not valid, or no object.
    """
    if path.suffix == ".toml":
        text = read_text(path, UsageError, _MOST_TOML)
        try:
            found = tomllib.loads(text.removeprefix("\ufeff"))  # some editors begin with it
        except (ValueError, RecursionError) as error:
            raise UsageError(f"{path} is not valid TOML ({error})") from None
    else:
        found = read_json(path)
    if not isinstance(found, dict):
        raise UsageError(f"{path}: a recipe or a study is an object of fields, not {found!r:.40}")
    return found


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is not a number")
