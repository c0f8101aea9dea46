"""`log.jsonl`: what happened to a run, a JSON object a line."""

import json
import os
from datetime import datetime
from pathlib import Path
from typing import Any

from fashion_cnn.errors import UsageError
from fashion_cnn.files import MOST_TEXT, open_to_append, read_bytes

_MOST_LINES = 250_000  # as many as there can be in such a file, of 67 bytes


def append_entry(path: Path, event: str, details: dict[str, Any]) -> None:
    """Append an event with its time, durably."""
    now = datetime.now().astimezone().isoformat(timespec="milliseconds")
    entry = {"time": now, "event": event, **details}
    with open_to_append(path) as file:
        file.write(b"\n" * _is_torn(path) + to_line(entry))
        file.flush()
        os.fsync(file.fileno())


def _is_torn(path: Path) -> bool:
    """Whether the last line has no end: written on a full disk, it would swallow the next."""
    with path.open("rb") as file:
        end = file.seek(0, os.SEEK_END)
        file.seek(max(0, end - 1))
        return file.read(1) not in (b"", b"\n")


def read_entries(path: Path) -> list[dict[str, Any]]:
    """The entries, none without the file; a torn line is passed over.

    Raises:
        UsageError: as `read_bytes`, or there are more lines than a run writes.
    """
    data = read_bytes(path, UsageError, MOST_TEXT) if path.exists() else b""
    if data.count(b"\n") > _MOST_LINES:
        raise UsageError(f"{path} has more than {_MOST_LINES:,} lines, which no log here has")
    entries = []
    for line in data.split(b"\n"):
        try:
            entries.append(json.loads(line))
        except (ValueError, RecursionError):
            continue
    return [entry for entry in entries if isinstance(entry, dict)]


def to_line(entry: dict[str, Any]) -> bytes:
    """An entry as the file holds it."""
    return json.dumps(entry).encode() + b"\n"
