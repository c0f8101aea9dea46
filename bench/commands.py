"""How long the commands that people wait for take, and how much memory: each a process of its own.

    python bench/commands.py --run RUN --picture FILE [--rounds 5] [--output FILE]

From the start of the process to its end, in turn, after a round that is not counted. Prints the
record as JSON.
"""

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from recording import parser, summary, write


def commands(run: Path, picture: Path, scratch: str) -> dict[str, list[str]]:
    """What is timed, by a name of it."""
    return {
        "help": ["--help"],
        "predict": ["predict", str(picture)],
        "report": ["report", str(run), "--output", f"{scratch}/report.html"],
        "audit": ["data", "audit", "--output", f"{scratch}/audit"],
    }


def measure(words: list[str]) -> tuple[float, float]:
    """Seconds and MiB at most of `fashion-cnn` with these words."""
    began = time.perf_counter()
    with subprocess.Popen(
        [sys.executable, "-m", "fashion_cnn", *words], stdout=subprocess.DEVNULL
    ) as process:
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        sys.exit(f"fashion-cnn {' '.join(words)} ended with {process.returncode}")
    return time.perf_counter() - began, usage.ru_maxrss / 1024


def main() -> None:
    """Measure and print."""
    options = parser(__doc__, rounds=5)
    options.add_argument("--run", type=Path, required=True, help="a finished run")
    options.add_argument("--picture", type=Path, required=True, help="a photo")
    given = options.parse_args()
    readings: dict[str, list[tuple[float, float]]] = {}
    with tempfile.TemporaryDirectory() as scratch:
        for count in range(given.rounds + 1):
            for name, words in commands(given.run, given.picture, scratch).items():
                reading = measure(words)
                if count:
                    readings.setdefault(name, []).append(reading)
    command = "python bench/commands.py --run RUN --picture FILE"
    write(command, given.output, rounds=given.rounds, commands=summary(readings))


if __name__ == "__main__":
    main()
