"""Short trainings in either framework, stopped or not, and what of a run must be the same."""

import contextlib
import dataclasses
import io
from pathlib import Path

from fashion_cnn.cli import main
from fashion_cnn.data.split import TrainingData
from fashion_cnn.frameworks import Hardware, open_framework
from fashion_cnn.process.interruption import Interruption
from fashion_cnn.recipes.recipe import Recipe
from fashion_cnn.run import checkpoint
from fashion_cnn.run.folder import Run
from fashion_cnn.training.progress import Progress


class StopAt(Interruption):
    """As if a signal came when so many steps were done."""

    def __init__(self, looks: int) -> None:
        self.looks = looks

    @property
    def signal(self) -> int | None:
        self.looks -= 1
        return 2 if self.looks < 0 else None

    @signal.setter
    def signal(self, number: int | None) -> None:
        """What the ranks agree on is what this one said."""


def train(
    framework: str,
    recipe: Recipe,
    data: TrainingData,
    path: Path,
    *,
    stop: int | None = None,
    resume: bool = False,
) -> Run:
    run = Run(path)
    path.mkdir(exist_ok=True)
    interruption = Interruption() if stop is None else StopAt(stop)
    opened = open_framework(Hardware("cpu", framework=framework))
    arguments = (recipe, data, run, interruption, Progress(quiet=True))
    ended = opened.train(*arguments, resume=resume)
    assert (ended.status == "interrupted") == (stop is not None)
    return run


def train_here(command: list[str], alone: bool) -> int:
    """A run of a study, in place of a process of its own, which would import everything anew."""
    with contextlib.redirect_stdout(io.StringIO()):
        return main(command[command.index("train") :])


def content(run: Run, name: str = "final") -> dict[str, bytes]:
    folder = run.path / "checkpoints" / name
    return {file: (folder / file).read_bytes() for file in checkpoint._FILES[:2]}


def timeless(run: Run) -> list[dict]:
    rows = [dataclasses.asdict(record) for record in run.history]
    return [
        {k: v for k, v in row.items() if k not in ("seconds", "images_per_second")} for row in rows
    ]
