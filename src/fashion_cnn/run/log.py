"""`log.jsonl`: what happened to a run, a JSON object a line."""

import errno
import json
import os
import stat
import time
from pathlib import Path
from typing import Any

from fashion_cnn.errors import UsageError
from fashion_cnn.files import read_bytes, write_atomically


def append_entry(path: Path, event: str, details: dict[str, Any]) -> None:
    """Append an event with its time, durably."""
    entry = {"time": time.strftime("%Y-%m-%dT%H:%M:%S%z"), "event": event, **details}
    with os.fdopen(_open_own(path), "ab") as file:
        file.write(to_line(entry))
        file.flush()
        os.fsync(file.fileno())


def read_entries(path: Path) -> list[dict[str, Any]]:
    """The entries, none without the file; a torn line is passed over. Raises as `read_bytes`."""
    entries = []
    for line in read_bytes(path, UsageError).splitlines() if path.exists() else []:
        try:
            entries.append(json.loads(line))
        except (ValueError, RecursionError):
            continue
    return [entry for entry in entries if isinstance(entry, dict)]


def _open_own(path: Path) -> int:
    """Open a log to append to: a plain file that has no other name, which may be somebody's."""
    flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK
    try:
        descriptor = os.open(path, flags, 0o644)
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise UsageError(f"{path} is a link; a run keeps its log itself: remove it") from None
        if error.errno in (errno.ENXIO, errno.EISDIR):  # a pipe or a socket; a folder
            raise UsageError(f"{path} is not a plain file, and so no log; remove it") from None
        raise
    found = os.fstat(descriptor)
    if stat.S_ISREG(found.st_mode) and found.st_nlink == 1:
        return descriptor
    os.close(descriptor)
    if not stat.S_ISREG(found.st_mode):
        raise UsageError(f"{path} is not a plain file, and so no log; remove it")
    write_atomically(path, read_bytes(path, UsageError))  # a copy, which has one name
    return os.open(path, flags)


def to_line(entry: dict[str, Any]) -> bytes:
    """An entry as the file holds it."""
    return json.dumps(entry).encode() + b"\n"
