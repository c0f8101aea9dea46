"""Which framework computes, and where; and what of that stays when a run goes on."""

import os
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from fashion_cnn.errors import UsageError
from fashion_cnn.run.folder import Run
from fashion_cnn.run.machine import DEVICES, FRAMEWORKS, MOST_THREADS
from fashion_cnn.run.progress import Progress

_ROOMS: dict[str, str] = dict(zip(FRAMEWORKS, ("on_torch", "on_keras"), strict=True))
"""Both have `device`, `model`, `ranks`, `train` and `classifier`, with the same functions."""


@dataclass(frozen=True)
class Hardware:
    """What computes, and where.

    Attributes:
        device: "auto", "cpu", "cuda" or "mps".
        threads: CPU threads; None for all cores, or for what a resumed run had.
        deterministic: refuse operations that cannot be repeated bit for bit.
        framework: "pytorch", or "keras", whose backend the environment variable KERAS_BACKEND
            names (TensorFlow without); None for PyTorch, or for what a run began in.

    Raises:
        UsageError: another framework.
    """

    device: str = "auto"
    threads: int | None = None
    deterministic: bool = False
    framework: str | None = None

    def __post_init__(self) -> None:
        if self.framework not in (None, *FRAMEWORKS):
            raise UsageError(
                f"framework is {self.framework!r}; it must be one of {', '.join(FRAMEWORKS)}"
            )

    @property
    def name(self) -> str:
        """The framework's name."""
        return self.framework or FRAMEWORKS[0]

    def room(self, module: str) -> Any:
        """A module of the framework's room, imported when it is needed."""
        return import_module(f"fashion_cnn.{_ROOMS[self.name]}.{module}")

    def configure(self) -> Any:
        """Set this process up, as `on_torch.device.configure` does; returns the device."""
        return self.room("device").configure(self.device, self.threads, self.deterministic)


def check_framework(hardware: Hardware, run: Run) -> None:
    """Raise `UsageError` if a run is to go on in another framework than it began in."""
    before = run.environment["framework"]
    if hardware.framework not in (None, before):
        raise UsageError(
            f"{run.path} is a run in {before} and goes on in that alone; start another with "
            "--output FOLDER"
        )


def hardware_as_before(hardware: Hardware, run: Run) -> Hardware:
    """What the user leaves open stays as the run began: it decides the order of sums."""
    before = run.environment
    framework = hardware.framework or before["framework"]
    if framework != before["framework"]:
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


def note_changes(run: Run, now: dict[str, Any], progress: Progress) -> None:
    """Say and log what differs from how the run began, and may therefore change bits."""
    before = run.environment
    changes = {name: [before.get(name), value] for name, value in now.items()}
    changes = {name: pair for name, pair in changes.items() if pair[0] != pair[1]}
    if changes:
        text = ", ".join(f"{name} was {old}, is {new}" for name, (old, new) in changes.items())
        progress.say(f"the run goes on, but its bits may differ: {text}")
        run.log("environment changed", **changes)
