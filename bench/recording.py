"""What the scripts that time whole commands share: what a record holds, and where it goes."""

import statistics
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from fashion_cnn.files import to_json
from fashion_cnn.process.machine import cpu_name, machine

Reading = tuple[float, float]
"""Seconds, and MiB at most."""


def summary(readings: Mapping[str, Sequence[Reading]]) -> dict[str, Any]:
    """All seconds of each command, their median, and the most memory."""
    return {
        name: {
            "seconds": [seconds for seconds, _ in found],
            "median_seconds": statistics.median(seconds for seconds, _ in found),
            "most_mib": max(mib for _, mib in found),
        }
        for name, found in readings.items()
    }


def write(command: str, rounds: int, output: Path | None, **found: Any) -> None:
    """Print a record as JSON. Args: output: a file for it too; found: what was measured."""
    where = {"cpu": cpu_name(), **machine()}
    text = to_json({"command": command, "rounds": rounds, "machine": where, **found})
    if output:
        output.write_bytes(text)
    sys.stdout.write(text.decode())
