"""What stands around training: start-up, reading the data, evaluation.

python bench/overhead.py [--rounds 5] [--threads N] [--output FILE]
"""

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from fashion_cnn.cli.output import say
from fashion_cnn.data.fashion_mnist import FASHION_MNIST, DataSet
from fashion_cnn.data.fetch import data_directory
from fashion_cnn.errors import UsageError
from fashion_cnn.files import to_json
from fashion_cnn.on_torch.classifier import BATCH, TorchClassifier
from fashion_cnn.on_torch.device import configure, describe
from fashion_cnn.on_torch.model import StagedCNN, build_model, to_device
from fashion_cnn.process.machine import machine
from fashion_cnn.recipes.catalog import fast
from fashion_cnn.version import __version__

_EVALUATED = 10_000


def benchmark_overhead(directory: Path, rounds: int, threads: int | None) -> dict[str, Any]:
    """Time three things `rounds` times.

    start: from the call of the command `train fast` to the report of its first optimiser step
        (an epoch of one batch), so with imports, data, first checkpoint and one validation.
    data: reading and hashing all four files and splitting, in a running process.
    evaluation: the residual network, untrained, on 10,000 training images by the classifier that
        `evaluate` uses, beside the bare forward pass over the same batches.

    Args:
        directory: of the data set.
        rounds: >= 1; at least 5 for a figure to quote.
        threads: CPU threads; None for all cores.

    Returns:
        Seconds a round, their medians, the median of the paired ratios, and the machine.
    """
    device = configure("cpu", threads, deterministic=False)
    images = DataSet.open(directory).training().images[:_EVALUATED].copy()
    torch.manual_seed(0)
    model = build_model(fast().replace(model="resnet"), 10)
    assert isinstance(model, StagedCNN)
    model.fit_whitening(torch.from_numpy(images[:100]))
    to_device(model, device)
    classifier = TorchClassifier(model, device)
    seconds: dict[str, list[float]] = {"start": [], "data": [], "evaluation": [], "bare": []}
    for turn in range(rounds + 1):
        row = {
            "start": _start(directory, threads),
            "data": _timed(lambda: DataSet.open(directory).divided(fast())),
            "evaluation": _timed(lambda: classifier.logits(images)),
            "bare": _timed(lambda: _bare(model, images)),
        }
        for name, value in row.items() if turn else ():  # the first warms caches up
            seconds[name].append(value)
    ratios = [a / b for a, b in zip(seconds["evaluation"], seconds["bare"], strict=True)]
    return {
        "command": f"python bench/overhead.py --rounds {rounds}"
        + (f" --threads {threads}" if threads else ""),
        "version": __version__,
        "machine": {**describe(device), **machine()},
        "rounds": rounds,
        "seconds": seconds,
        "median_seconds": {name: statistics.median(values) for name, values in seconds.items()},
        "median_ratio_evaluation_to_bare": statistics.median(ratios),
    }


def to_text(result: dict[str, Any]) -> str:
    """The result in lines for people."""
    medians, machine = result["median_seconds"], result["machine"]
    ratio = result["median_ratio_evaluation_to_bare"]
    return "\n".join(
        [
            f"command to its first step        {medians['start']:.2f} s",
            f"reading, hashing, splitting     {medians['data']:.2f} s",
            f"evaluating 10,000 images        {medians['evaluation']:.2f} s: {ratio:.3f}x the bare "
            "forward pass",
            f"medians of {result['rounds']} rounds, {machine['threads']} threads, "
            f"{machine['device_name']}",
        ]
    )


def _start(directory: Path, threads: int | None) -> float:
    with tempfile.TemporaryDirectory() as folder:
        words = ["--epochs", "1", "--train-images", str(fast().batch_size), "--no-test"]
        words += ["--data-dir", str(directory), "--output", folder]
        words += ["--threads", str(threads)] if threads else []
        began = time.perf_counter()
        command = [sys.executable, "-m", "fashion_cnn", "train", "fast", *words]
        with subprocess.Popen(
            command, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL
        ) as process:
            assert process.stderr
            while not (line := process.stderr.readline()).startswith(b"epoch"):
                if not line:
                    raise RuntimeError(f"{' '.join(command)} ended with {process.wait()}")
            seconds = time.perf_counter() - began
            process.kill()  # what follows the first step is not asked for
    return seconds


def _bare(model: torch.nn.Module, images: np.ndarray) -> None:
    model.eval()
    with torch.inference_mode():
        for part in torch.from_numpy(images).split(BATCH):
            model(part)


def _timed(call: Any) -> float:
    began = time.perf_counter()
    call()
    return time.perf_counter() - began


def main(words: Sequence[str] | None = None) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data-dir", type=Path, help="folder of the four data files")
    parser.add_argument("--rounds", type=int, default=5, help="of each loop")
    parser.add_argument("--threads", type=int, help="CPU threads; without it all cores")
    parser.add_argument("--output", type=Path, help="also write the record here")
    given = parser.parse_args(words)
    directory = data_directory(given.data_dir, say)
    if DataSet.open(directory).contents.name != FASHION_MNIST:
        raise UsageError(f"{directory} holds another data set; this is for Fashion-MNIST alone")
    result = benchmark_overhead(directory, given.rounds, given.threads)
    print(to_text(result))
    if given.output:
        given.output.write_bytes(to_json(result))


if __name__ == "__main__":
    main()
