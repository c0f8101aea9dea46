"""Answering, side by side: the trained model in PyTorch, its ONNX export, the int8 variant."""

import statistics
import time
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from fashion_cnn.classifier import Classifier
from fashion_cnn.data.fashion_mnist import DataSet
from fashion_cnn.errors import UsageError
from fashion_cnn.on_torch.classifier import open_classifier
from fashion_cnn.on_torch.device import configure, describe
from fashion_cnn.process.machine import machine
from fashion_cnn.run.command import run_command
from fashion_cnn.run.exports import ExportFiles
from fashion_cnn.run.folder import Run
from fashion_cnn.shipping.export import answering_checkpoint
from fashion_cnn.shipping.predict import open_model
from fashion_cnn.version import __version__

_BATCHES = (1, 8, 32, 64, 128, 256)
_IMAGES = 1024  # a pass at each batch size
_SINGLES = 300  # calls with one image, a round


def benchmark_inference(
    run: Run, directory: Path, rounds: int, threads: int | None
) -> dict[str, Any]:
    """Time each form of a run's model on training images, in turn, in one process.

    single: one image a call, uint8 in, logits out.
    images a second: at every batch size of `batches`; each form's best one is its throughput.

    Args:
        run: exported with its int8 variant.
        directory: of the data set.
        rounds: >= 1; at least 5 for a figure to quote. One more comes first and is not counted.
        threads: CPU threads; None for all cores.

    Returns:
        Sizes, accuracies, times a round, medians, ratios, and the machine.

    Raises:
        UsageError: an export is missing.
    """
    device, where = configure("cpu", threads, deterministic=False), ExportFiles.of(run)
    if not (where.model.is_file() and where.int8.is_file()):
        raise UsageError(
            f"{run.path} has no {where.int8.name}; make it with: "
            f"{run_command('export', run.path, '--int8')}"
        )
    threads = int(describe(device)["threads"])
    checkpoint = answering_checkpoint(run)
    exported = {
        "onnx": open_model(run.path, threads),  # which is refused if the run went on since
        "int8": open_model(where.int8, threads),
    }
    forms: dict[str, Classifier] = {"pytorch": open_classifier(run, checkpoint, device), **exported}
    images = DataSet.open(directory).training().images[:_IMAGES].copy()
    rows: dict[str, dict[str, list[float]]] = {
        name: {"single": [], **{str(size): [] for size in _BATCHES}} for name in forms
    }
    for turn in range(rounds + 1):
        for name, classifier in forms.items():
            found = {"single": _single(classifier, images)}
            found |= {str(size): _images_a_second(classifier, images, size) for size in _BATCHES}
            for key, value in found.items() if turn else ():  # the first warms caches up
                rows[name][key].append(value)
    weights = run.checkpoints.load(checkpoint).model.values()
    measured = {name: one.facts["measured"] for name, one in exported.items()}
    results = {
        name: {
            "bytes": exported[name].size if name in exported else sum(a.nbytes for a in weights),
            "measured": measured.get(name, measured["onnx"]),
            "single_p50_ms": 1000 * statistics.median(row["single"]),
            **_best(row),
            "rounds": row,
        }
        for name, row in rows.items()
    }
    best = results["pytorch"]["images_per_second"]
    return {
        "command": f"fashion-cnn benchmark infer RUN --rounds {rounds} --threads {threads}",
        "version": __version__,
        "recipe": run.recipe.to_dict(),
        "onnxruntime": onnxruntime.__version__,
        "machine": {**describe(device), **machine()},
        "rounds": rounds,
        "batches": _BATCHES,
        "forms": results,
        "throughput_to_pytorch": {
            name: row["images_per_second"] / best for name, row in results.items()
        },
    }


def to_text(result: dict[str, Any]) -> str:
    """The result in lines for people."""
    lines = [
        f"{'':<9}{'size':>9}{'accuracy':>10}{'one image':>11}{'images/s':>10}{'batch':>7}{'':>9}"
    ]
    for name, row in result["forms"].items():
        lines.append(
            f"{name:<9}{row['bytes'] / 1e6:>6.2f} MB{row['measured']['accuracy']:>10.2%}"
            f"{row['single_p50_ms']:>8.3f} ms{row['images_per_second']:>10,.0f}"
            f"{row['best_batch']:>7}{result['throughput_to_pytorch'][name]:>8.2f}x"
        )
    machine, part = result["machine"], result["forms"]["onnx"]["measured"]["split"]
    return "\n".join(
        [
            *lines,
            f"medians of {result['rounds']} rounds, {machine['threads']} threads, "
            f"{machine['device_name']}; accuracy on the {part} images",
        ]
    )


def _best(row: dict[str, list[float]]) -> dict[str, Any]:
    speeds = {size: statistics.median(row[str(size)]) for size in _BATCHES}
    size = max(speeds, key=lambda size: speeds[size])
    return {"best_batch": size, "images_per_second": speeds[size]}


def _single(classifier: Classifier, images: NDArray[np.uint8]) -> float:
    """The median seconds of a call with one image."""
    seconds = []
    for image in images[:_SINGLES]:
        began = time.perf_counter()
        classifier.logits(image[np.newaxis])
        seconds.append(time.perf_counter() - began)
    return statistics.median(seconds)


def _images_a_second(classifier: Classifier, images: NDArray[np.uint8], size: int) -> float:
    began = time.perf_counter()
    for first in range(0, len(images), size):
        classifier.logits(images[first : first + size])
    return len(images) / (time.perf_counter() - began)
