"""Writing files so that a kill or a full disk leaves either the old content or the new."""

import csv
import io
import json
import os
import tomllib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from fashion_cnn.errors import CheckpointError, UsageError


def write_atomically(path: Path, data: bytes) -> None:
    """Replace `path` by `data`, durably. Raises `OSError`, and then `path` is as it was."""
    temporary = path.with_name(f".{path.name}.tmp")
    try:
        write_durably(temporary, data)
        os.replace(temporary, path)
    except OSError as error:
        error.filename = str(path)  # not our temporary one, of which nobody knows
        temporary.unlink(missing_ok=True)
        raise
    sync_directory(path.parent)


def write_durably(path: Path, data: bytes) -> None:
    """Write `path` and wait until the disk has it."""
    with path.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def sync_directory(directory: Path) -> None:
    """Wait until the disk has the directory's entries: a rename is not durable before that."""
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def to_json(value: Any) -> bytes:
    """Encode as JSON; floats round-trip exactly, NaN and infinities are refused."""
    return (json.dumps(value, indent=2, allow_nan=False) + "\n").encode()


def to_csv(rows: Iterable[Iterable[object]]) -> str:
    """Write rows, the header among them, as CSV."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue()


def from_json(data: bytes, what: str) -> Any:
    """Decode JSON. Raises `CheckpointError` naming `what` when it is not valid."""
    try:
        return json.loads(data, parse_constant=_refuse)
    except (ValueError, RecursionError) as error:
        raise CheckpointError(f"{what} is not valid JSON ({error})") from None


def read_json(path: Path) -> Any:
    """Read a JSON file of a run. Raises `UsageError` when it is missing or not valid."""
    try:
        return from_json(path.read_bytes(), str(path))
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}") from None
    except CheckpointError as error:
        raise UsageError(str(error)) from None


def read_fields(path: Path) -> dict[str, Any]:
    """Read the fields that a person wrote, or a run recorded, into a `.json` or `.toml` file.

    Raises:
        UsageError: it is missing, or not valid, or no object.
    """
    if path.suffix == ".toml":
        try:
            found = tomllib.loads(path.read_bytes().decode(errors="replace"))
        except OSError as error:
            raise UsageError(f"{path} cannot be read: {error.strerror}") from None
        except tomllib.TOMLDecodeError as error:
            raise UsageError(f"{path} is not valid TOML ({error})") from None
    else:
        found = read_json(path)
    if not isinstance(found, dict):
        raise UsageError(f"{path}: a recipe or a study is an object of fields, not {found!r:.40}")
    return found


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is not a number")
