"""What other work on the machine costs: each command alone, and with one core kept busy, in turn.

    python bench/busy.py [--rounds 5] [--output FILE]

Commands choose their threads themselves, and "all cores" is the same command with --threads of all
of them. The machine must be quiet otherwise. Prints the record as JSON.
"""

import contextlib
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator

from fashion_cnn.process.machine import usable_cores
from recording import parser, write

TRAIN = ["-m", "fashion_cnn", "train", "--no-test", "--overwrite"]
ONNX = """
import sys
import numpy as np
from fashion_cnn.shipping.predict import open_model
images = np.random.default_rng(0).integers(0, 256, (10_000, 28, 28), dtype=np.uint8)
open_model(threads=int(sys.argv[1]) or None).logits(images)
"""


def commands(folder: str) -> dict[str, list[str]]:
    """What is timed: arguments of Python, by a name of it."""
    cores, output = str(usable_cores()), ["--output", folder]
    fast = [*TRAIN, "fast", "--train-images", "12000", *output]
    keras = [*TRAIN, "--framework", "keras", "--epochs", "1", "--train-images", "12000", *output]
    return {
        "train in PyTorch": fast,
        "train in PyTorch, all cores": [*fast, "--threads", cores],
        "train in Keras": keras,
        "train in Keras, all cores": [*keras, "--threads", cores],
        "10,000 images in ONNX Runtime": ["-c", ONNX, "0"],
    }


@contextlib.contextmanager
def busy() -> Iterator[None]:
    """Another process that computes all the time."""
    with subprocess.Popen([sys.executable, "-c", "while True: pass"]) as other:
        time.sleep(0.2)
        try:
            yield
        finally:
            other.kill()


def seconds(words: list[str]) -> float:
    """From the start of the process to its end."""
    began = time.perf_counter()
    done = subprocess.run([sys.executable, *words], capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{' '.join(words)} ended with {done.returncode}: {done.stderr}")
    return time.perf_counter() - began


def main() -> None:
    """Measure and print."""
    options = parser(__doc__, rounds=5).parse_args()
    found: dict[str, dict[str, list[float]]] = {}
    with tempfile.TemporaryDirectory() as folder:
        for count in range(options.rounds + 1):
            for name, words in commands(f"{folder}/run").items():
                for state, beside in (("alone", contextlib.nullcontext), ("one core busy", busy)):
                    with beside():
                        took = seconds(words)
                    if count:  # the first round is not counted
                        found.setdefault(name, {}).setdefault(state, []).append(took)
    medians = {
        name: {state: statistics.median(values) for state, values in states.items()}
        for name, states in found.items()
    }
    command, rounds = "python bench/busy.py", options.rounds
    write(command, options.output, rounds=rounds, seconds=found, medians=medians)


if __name__ == "__main__":
    main()
