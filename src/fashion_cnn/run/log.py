"""`log.jsonl`: what happened to a run, a JSON object a line."""

import json
import os
import time
from pathlib import Path
from typing import Any

from fashion_cnn.errors import UsageError
from fashion_cnn.files import open_to_append, read_bytes


def append_entry(path: Path, event: str, details: dict[str, Any]) -> None:
    """Append an event with its time, durably."""
    entry = {"time": time.strftime("%Y-%m-%dT%H:%M:%S%z"), "event": event, **details}
    with open_to_append(path) as file:
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


def to_line(entry: dict[str, Any]) -> bytes:
    """An entry as the file holds it."""
    return json.dumps(entry).encode() + b"\n"
