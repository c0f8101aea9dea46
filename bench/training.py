"""An epoch of the baseline: hand-written, bare kernels, ours, and in Keras plain fit and ours.

python bench/training.py [--rounds 5] [--images 54000] [--threads N] [--output FILE]
"""

import multiprocessing
import signal
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from fashion_cnn.cli.output import say
from fashion_cnn.data.fashion_mnist import DataSet
from fashion_cnn.data.fetch import data_directory
from fashion_cnn.data.split import TrainingData, epoch_order
from fashion_cnn.files import to_json
from fashion_cnn.on_torch.device import configure, describe
from fashion_cnn.on_torch.framework import TorchFramework
from fashion_cnn.on_torch.state import TorchState
from fashion_cnn.process.interruption import Interruption
from fashion_cnn.process.machine import machine
from fashion_cnn.recipes.catalog import baseline
from fashion_cnn.recipes.recipe import Recipe
from fashion_cnn.run.folder import Run
from fashion_cnn.training.progress import Progress
from fashion_cnn.version import __version__
from hand_written import hand_written_epoch
from recording import parser

_TURN = 40  # steps: about half a second, soon against the drift of a machine, long for its caches


def benchmark_training(
    directory: Path, *, rounds: int, images: int, threads: int | None
) -> dict[str, Any]:
    """Time an epoch of the baseline in five ways, without Keras in three, `rounds` times each.

    hand_written: what the assignment's script does: a DataLoader over PIL images with per-sample
        transforms, NCHW, ReLU before pooling, PyTorch's default Adam, running loss and accuracy.
    bare: the kernels of our training step and nothing else: no sampling of our own, no checks, no
        sums, no records, no checkpoints. Its steps and ours take turns.
    ours: `train` from start to end, with start-up, sampling, checks, log and checkpoints, less
        its validation pass, which the other two have not.
    keras_fit, keras_ours: Keras's own `fit` on the same arrays, and ours in Keras; both compile
        first, as a run does. Left out where Keras is not installed.

    Args:
        directory: of the data set.
        rounds: >= 1; at least 5 for a figure to quote.
        images: to train on, at most 54,000.
        threads: CPU threads; None for all cores.

    Returns:
        Seconds a round and their medians, ratios pair by pair, and the machine.
    """
    recipe = baseline().replace(epochs=1, train_images=images if images < 54_000 else 0)
    seconds: dict[str, list[float]] = {"hand_written": [], "bare": [], "ours": []}
    with_keras = all(find_spec(name) for name in ("keras", "tensorflow"))
    if with_keras:
        seconds |= {"keras_fit": [], "keras_ours": []}
    else:
        say("Keras on TensorFlow is not installed (requirements-keras.txt): its rows are left out")
    bookkeeping, keras = [], None
    for turn in range(rounds):
        # Processes of their own: our settings of heap and denormals must not help the hand-written
        # loop. The other two share one, as how its heap happens to lie moves both.
        seconds["hand_written"].append(
            _in_a_process(hand_written_epoch, directory, recipe, threads)
        )
        bare, ours, steps = _in_a_process(bare_and_our_epoch, directory, recipe, threads)
        seconds["bare"].append(bare)
        seconds["ours"].append(ours)
        bookkeeping.append(ours / steps - 1)
        if with_keras:
            fit, ours, keras = _in_a_process(
                _fit_and_our_epoch_in_keras, directory, recipe, threads
            )
            seconds["keras_fit"].append(fit)
            seconds["keras_ours"].append(ours)
        say(
            f"round {turn + 1}/{rounds}: "
            + ", ".join(f"{name} {values[-1]:.2f} s" for name, values in seconds.items())
        )
    return {
        "command": f"python bench/training.py --rounds {rounds} --images {images}"
        + (f" --threads {threads}" if threads else ""),
        "version": __version__,
        "machine": {
            **describe(configure("cpu", threads, deterministic=False)),
            **machine(),
            "keras": keras,
        },
        "images": recipe.train_images or 54_000,
        "rounds": rounds,
        "seconds": seconds,
        "median_seconds": {name: statistics.median(values) for name, values in seconds.items()},
        "median_ratio_hand_written_to_ours": _median_ratio(
            seconds["hand_written"], seconds["ours"]
        ),
        "median_ratio_ours_to_bare": _median_ratio(seconds["ours"], seconds["bare"]),
        "median_ratio_keras_ours_to_fit": _median_ratio(seconds["keras_ours"], seconds["keras_fit"])
        if with_keras
        else None,
        "median_bookkeeping_share": statistics.median(bookkeeping),
    }


def to_text(result: dict[str, Any]) -> str:
    """The result as a table for people."""
    names = {
        "hand_written": "hand-written DataLoader loop",
        "keras_fit": "Keras fit",
        "keras_ours": "ours in Keras",
        "bare": "bare kernels",
        "ours": "ours",
    }
    lines = [f"{'an epoch of':<30} {'median s':>9} {'images/s':>9}"]
    medians, in_keras = result["median_seconds"], result["median_ratio_keras_ours_to_fit"]
    for key, name in names.items():
        if key in medians:
            lines.append(
                f"{name:<30} {medians[key]:>9.2f} {result['images'] / medians[key]:>9,.0f}"
            )
    lines += [
        "",
        f"hand-written / ours: {result['median_ratio_hand_written_to_ours']:.2f}x",
        f"ours / bare kernels: {result['median_ratio_ours_to_bare']:.3f}x",
        *([f"ours in Keras / Keras fit: {in_keras:.3f}x"] if in_keras else []),
        f"records, checkpoints, start-up: {result['median_bookkeeping_share']:.1%} of steps",
        f"medians of {result['rounds']} rounds, {result['images']:,} images, "
        f"{result['machine']['threads']} threads, {result['machine']['device_name']}",
    ]
    return "\n".join(lines)


def _fit_and_our_epoch_in_keras(*arguments: Any) -> Any:
    from keras_training import fit_and_our_epoch

    return fit_and_our_epoch(*arguments)


def _in_a_process(function: Callable[..., Any], *arguments: Any) -> Any:
    context = multiprocessing.get_context("spawn")
    # Ctrl+C reaches the child too: it ends in silence, and this process says that it was stopped.
    quiet = {"initializer": signal.signal, "initargs": (signal.SIGINT, signal.SIG_DFL)}
    with ProcessPoolExecutor(max_workers=1, mp_context=context, **quiet) as pool:
        return pool.submit(function, *arguments).result()


def bare_and_our_epoch(
    directory: Path, recipe: Recipe, threads: int | None
) -> tuple[float, float, float]:
    """Seconds of an epoch of the bare kernels, of ours without its validation, and of our steps.

    The two take turns, some steps each: whatever slows the machine down slows both.
    """
    device = configure("cpu", threads, deterministic=False)
    data = DataSet.open(directory).divided(recipe)
    beside = _BareBeside(data, recipe, device)
    with tempfile.TemporaryDirectory() as folder:
        run = Run(folder)
        began = time.perf_counter()
        TorchFramework("cpu", threads, False).train(recipe, data, run, Interruption(), beside)
        whole = time.perf_counter() - began - beside.bare
        (record,) = run.history
    trained = len(data.training) / record.images_per_second  # what the epoch counts as training
    return beside.bare, whole - (record.seconds - trained), beside.ours


class _BareBeside(Progress):
    """Does steps of the bare kernels, on a network of its own, after every few of ours."""

    def __init__(self, data: TrainingData, recipe: Recipe, device: torch.device) -> None:
        super().__init__(quiet=True)
        self._images = torch.from_numpy(data.training.images).to(device)
        self._labels = torch.from_numpy(data.training.labels).to(device)
        self._state = TorchState.start(recipe, data, device)
        order = torch.from_numpy(epoch_order(len(data.training), recipe.seed, 0))
        self._batches = order.split(recipe.batch_size)
        self._done = 0
        self.bare = self.ours = 0.0

    def begin(self, epochs: int, steps_per_epoch: int, step: int, frozen_steps: int = 0) -> None:
        self._mark = time.perf_counter()

    def step(self, step: int, loss: float, accuracy: float) -> None:
        if step % _TURN and step < len(self._batches):
            return
        ended = time.perf_counter()
        self.ours += ended - self._mark
        for chosen in self._batches[self._done : step]:
            self._bare_step(chosen)
        self._done = step
        self._mark = time.perf_counter()
        self.bare += self._mark - ended

    def _bare_step(self, chosen: Tensor) -> None:
        model, optimizer = self._state.model, self._state.optimizer
        loss = F.cross_entropy(model(self._images[chosen]), self._labels[chosen])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()


def _median_ratio(above: list[float], below: list[float]) -> float:
    return statistics.median(a / b for a, b in zip(above, below, strict=True))


def main(words: Sequence[str] | None = None) -> None:
    """Measure and print. Args: words: of the command line, for tests."""
    options = parser(__doc__, rounds=5)
    options.add_argument("--images", type=int, default=54_000, help="an epoch")
    options.add_argument("--threads", type=int, help="CPU threads; without it all cores")
    given = options.parse_args(words)
    result = benchmark_training(
        data_directory(None, say), rounds=given.rounds, images=given.images, threads=given.threads
    )
    print(to_text(result))
    if given.output:
        given.output.write_bytes(to_json(result))


if __name__ == "__main__":
    main()
