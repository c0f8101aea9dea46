"""An experiment, and one trial of it in a process of its own."""

import multiprocessing
import os
import random
import shutil
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

_SERVER = multiprocessing.get_context("forkserver")
_SERVER.set_forkserver_preload(
    [
        "fashion_cnn.job",
        "fashion_cnn.cli.main",
        "fashion_cnn.on_torch.train",
        "fashion_cnn.evaluation.evaluate",
        "fashion_cnn.reporting.plots",
        "fashion_cnn.reporting.report",
        "fashion_cnn.shipping.predict",
        "jinja2",
        "scipy.special",
    ]
)


@dataclass(frozen=True)
class Trial:
    """What a trial has to work with.

    Attributes:
        stage: the folder with the data set and the finished runs; nothing in it may be altered.
        room: an empty folder of its own.
        number: counted from 0.
        draw: seeded by the experiment's name and the number.
    """

    stage: Path
    room: Path
    number: int
    draw: random.Random


@dataclass(frozen=True)
class Experiment:
    """What is tried, and how often.

    Attributes:
        name: for the command line and the record.
        what: a sentence: what is done, and what must come of it.
        goal: trials of a whole campaign.
        trial: raises if it fails.
        seconds: that one may take.
    """

    name: str
    what: str
    goal: int
    trial: Callable[[Trial], None]
    seconds: float = 120


def run_trial(experiment: Experiment, stage: Path, room: Path, number: int) -> str:
    """Run one trial. Returns why it failed; "" if it held."""
    shutil.rmtree(room, ignore_errors=True)
    room.mkdir(parents=True)
    said = room.with_suffix(".txt")
    said.unlink(missing_ok=True)
    process = _SERVER.Process(target=_in_child, args=(experiment, stage, room, number, said))
    process.start()
    process.join(experiment.seconds)
    if process.is_alive():
        process.kill()
        process.join()
        return f"not done after {experiment.seconds:g} s"
    if process.exitcode == 0:
        shutil.rmtree(room, ignore_errors=True)
        return ""
    text = said.read_text(errors="replace") if said.exists() else ""
    return f"exit code {process.exitcode}: {text[-1500:]}"


def _in_child(experiment: Experiment, stage: Path, room: Path, number: int, said: Path) -> None:
    os.environ["FASHION_CNN_DATA"] = str(stage / "data")
    say_into(room / "output.txt")
    try:
        draw = random.Random(f"{experiment.name} {number}")
        experiment.trial(Trial(stage, room, number, draw))
    except BaseException:
        said.write_text(traceback.format_exc())
        os._exit(1)
    os._exit(0)


def say_into(path: Path) -> None:
    """Let standard output and error of this process go into a new file."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT)
    os.dup2(descriptor, 1)
    os.dup2(descriptor, 2)
