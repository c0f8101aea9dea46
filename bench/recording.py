"""What the scripts that time things share: their options, memory, what a record holds."""

import argparse
import statistics
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from fashion_cnn.files import to_json
from fashion_cnn.process.machine import cpu_name, machine

Reading = tuple[float, float]
"""Seconds, and MiB at most."""


def parser(about: str | None, rounds: int) -> argparse.ArgumentParser:
    """The options that all have. Args: about: the script's docstring; rounds: by default."""
    made = argparse.ArgumentParser(description=(about or "").splitlines()[0])
    made.add_argument("--rounds", type=int, default=rounds)
    made.add_argument("--output", type=Path, help="also write the record here")
    return made


def resident(process: int) -> int:
    """Bytes that a process and all below it have in memory; 0 if it is gone."""
    import psutil  # of requirements-dev.txt; the other functions do without

    try:
        whole = psutil.Process(process)
        every = [whole, *whole.children(recursive=True)]
    except psutil.NoSuchProcess:
        return 0
    total = 0
    for one in every:
        try:
            total += one.memory_info().rss
        except psutil.NoSuchProcess:  # ended meanwhile
            continue
    return total


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


def write(command: str, output: Path | None, **found: Any) -> None:
    """Print a record as JSON. Args: output: a file for it too; found: what was measured."""
    text = to_json({"command": command, "machine": {"cpu": cpu_name(), **machine()}, **found})
    if output:
        output.write_bytes(text)
    sys.stdout.write(text.decode())
