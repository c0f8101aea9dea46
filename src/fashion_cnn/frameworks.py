"""Which framework computes, and where; and what of that stays when a run goes on."""

import gc
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Protocol, Self

from fashion_cnn.classifier import Classifier
from fashion_cnn.data.split import TrainingData
from fashion_cnn.errors import UsageError
from fashion_cnn.process import launch
from fashion_cnn.process.interruption import Interruption
from fashion_cnn.process.machine import (
    DEVICES,
    FRAMEWORKS,
    MOST_THREADS,
    CoreTimes,
    busy_cores,
    threads_of_environment,
    usable_cores,
)
from fashion_cnn.recipes.recipe import Recipe
from fashion_cnn.run.folder import Run
from fashion_cnn.run.history import Trained
from fashion_cnn.run.layers import Layer
from fashion_cnn.run.weights import Weights
from fashion_cnn.training.progress import Progress

if TYPE_CHECKING:
    from onnx import ModelProto


@dataclass(frozen=True)
class Hardware:
    """What computes, and where.

    Attributes:
        device: "auto", "cpu", "cuda" or "mps".
        threads: CPU threads; None for $OMP_NUM_THREADS or the cores, or for what a resumed run had.
        deterministic: refuse operations that cannot be repeated bit for bit.
        framework: "pytorch", or "keras", whose backend the environment variable KERAS_BACKEND
            names (TensorFlow without); None for PyTorch, or for what a run began in.

    Raises:
        UsageError: another framework, device or number of threads.
    """

    device: str = "auto"
    threads: int | None = None
    deterministic: bool = False
    framework: str | None = None

    def __post_init__(self) -> None:
        for name, known in {"framework": FRAMEWORKS, "device": DEVICES}.items():
            value = getattr(self, name)
            if value not in known and not (name == "framework" and value is None):
                raise UsageError(f"{name} is {value!r}; it must be one of {', '.join(known)}")
        if self.threads is not None and (
            type(self.threads) is not int or not 1 <= self.threads <= MOST_THREADS
        ):
            raise UsageError(
                f"threads is {self.threads!r}; it must be a whole number from 1 to {MOST_THREADS}"
            )

    @property
    def words(self) -> list[str]:
        """What says the same again to another command, the framework apart."""
        words = ["--device", self.device] if self.device != "auto" else []
        words += ["--threads", str(self.threads)] if self.threads is not None else []
        return [*words, "--deterministic"] if self.deterministic else words


class Framework(Protocol):
    """What trains a recipe and scores images with what it learned.

    Entered, it is on the device that it is for, together with the ranks that torchrun started.

    Attributes:
        name: one of `FRAMEWORKS`.
    """

    name: str

    def __enter__(self) -> Self:
        """Set this process up. Raises `UsageError` if the device is not there."""
        ...

    def __exit__(self, *exception: Any) -> None: ...

    def check(self, recipe: Recipe) -> None:
        """Raise `UsageError`, naming the field, for what this framework does not train."""
        ...

    def describe(self) -> dict[str, Any]:
        """The versions, hardware and settings that numbers depend on, for `environment.json`."""
        ...

    def start(self, recipe: Recipe, data: TrainingData) -> Weights | None:
        """Build the network at its start, for `train` to take, before anything is written.

        Returns:
            The weights of before that it starts from; None for those of a seed alone.

        Raises:
            ModelError: what it is to start from is missing, or not what it should be.
        """
        ...

    def layers(self) -> list[Layer]:
        """The layers that hold numbers, of the network that `start` built."""
        ...

    def train(
        self,
        recipe: Recipe,
        data: TrainingData,
        run: Run,
        interruption: Interruption,
        progress: Progress,
        *,
        resume: bool = False,
    ) -> Trained:
        """Train until the recipe is done, or stops early, or someone interrupts.

        Args:
            recipe: as `start` was given it, with the SHA-256 of the weights that it found.
            data: on the CPU.
            run: locked by the first rank, the only one that writes, and new unless `resume`.
            interruption: looked at after every step; a signal to any rank stops all.
            progress: is shown every step and epoch.
            resume: continue from the newest checkpoint that verifies.

        Returns:
            How it ended; a checkpoint of that moment is published.

        Raises:
            UsageError: a batch does not fit the data or the ranks; or this framework does not
                train the recipe; or that names a teacher and `data` has none.
            ModelError: as `start`, which it need not follow.
            CheckpointError: `resume`, and there is nothing to resume from.
            DivergedError: the loss stayed non-finite after `MOST_ROLLBACKS` roll-backs.
            OSError: the disk is full or failing.
        """
        ...

    def open_classifier(self, run: Run, checkpoint: str | None = None) -> Classifier:
        """Rebuild a run's network with the weights of a checkpoint.

        Args:
            run: a run of any framework.
            checkpoint: "best", "final" or "step-XXXXXXXX"; None for the one that answers.

        Raises:
            CheckpointError: it is missing or damaged, or not of the recipe's network.
            UsageError: this framework does not have that network.
        """
        ...

    def to_onnx(self, run: Run, checkpoint: str, opset: int) -> "ModelProto":
        """Export a run's network with a checkpoint's weights, by the framework's own exporter.

        Args:
            run, checkpoint: as for `open_classifier`.
            opset: of the operators.

        Returns:
            A graph from uint8 (N, 28, 28) to logits, float32 (N, C), with any N.

        Raises:
            ExportError: the network does something that cannot be exported.
        """
        ...


def open_framework(hardware: Hardware) -> Framework:
    """Import a framework; entering it sets this process up.

    Raises:
        UsageError: it is not installed.
    """
    if hardware.framework == "keras":
        with _uncollected("keras"):
            from fashion_cnn.on_keras.framework import KerasFramework as Opened
    else:
        with _uncollected("torch"):
            from fashion_cnn.on_torch.framework import TorchFramework as Opened
    return Opened(hardware.device, hardware.threads, hardware.deterministic)


@contextmanager
def _uncollected(module: str) -> Iterator[None]:
    """Import a large module without searches for garbage, which take a good part of that time.

    In a command no later search looks through what is there then. Nothing happens where the module
    is there already.
    """
    if module in sys.modules or not gc.isenabled():
        yield
        return
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
    if launch.runs_a_command:  # in somebody's session, what is alive now would never be freed
        gc.freeze()


def check_framework(hardware: Hardware, run: Run) -> None:
    """Raise `UsageError` if a run is to go on in another framework than it began in."""
    before = run.environment.get("framework")
    if hardware.framework not in (None, before):
        raise UsageError(
            f"{run.path} was trained with {before} and can only be resumed with it; leave "
            "--framework out, or start another run with --output FOLDER"
        )


def hardware_as_before(hardware: Hardware, run: Run) -> Hardware:
    """What the user leaves open stays as the run began: it decides the order of sums."""
    before = run.environment
    framework = hardware.framework or before.get("framework")
    if framework != before.get("framework"):
        return hardware
    if framework == "keras" and isinstance(before.get("backend"), str):
        os.environ.setdefault("KERAS_BACKEND", before["backend"])
    device, threads = before.get("device"), before.get("threads")
    return Hardware(
        str(device) if hardware.device == "auto" and device in DEVICES else hardware.device,
        hardware.threads or (threads if threads in range(1, MOST_THREADS + 1) else None),
        hardware.deterministic or before.get("deterministic") is True,
        framework,
    )


def beside_others(hardware: Hardware, since: CoreTimes, say: Callable[[str], None]) -> Hardware:
    """Leave the cores that other work keeps busy to it, unless a number of threads was asked for.

    Threads share each operation out evenly, so that one on a busy core makes all of them wait.

    Args:
        since: when looking at the cores began.
        say: is told if there are to be fewer threads than cores.
    """
    cores = usable_cores()
    asked = hardware.threads or threads_of_environment() or launch.ranks() > 1
    if asked or cores == 1:
        return hardware
    busy = round(busy_cores(since))
    if not busy:
        return hardware
    free = max(1, cores - busy)
    say(
        f"{busy} of {cores} cores {'is' if busy == 1 else 'are'} busy with other work: "
        f"training with {free} thread{'s' * (free > 1)} (--threads {cores} uses all)"
    )
    return replace(hardware, threads=free)


def note_changes(run: Run, now: dict[str, Any], progress: Progress) -> None:
    """Say and log what differs from how the run began, and may therefore change bits."""
    before = run.environment
    changes = {name: [before.get(name), value] for name, value in now.items()}
    changes = {name: pair for name, pair in changes.items() if pair[0] != pair[1]}
    if changes:
        text = ", ".join(f"{name} was {old}, is {new}" for name, (old, new) in changes.items())
        progress.say(f"the run goes on, but may not be bit for bit the same: {text}")
        run.log("environment changed", **changes)
