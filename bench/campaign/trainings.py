"""Trainings that are killed, signalled, or fail at single operations on files; all recipes."""

import errno
import functools
import json
import os
import shutil
import signal
import subprocess
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.backends.backend_svg import FigureCanvasSVG

from bench.campaign.experiment import Experiment, Trial
from fashion_cnn.cli import main
from fashion_cnn.run.folder import Run

RECIPES: dict[str, list[str]] = {
    "baseline": ["baseline"],
    "baseline, averaged": ["baseline", "--ema-decay", "0.9", "--translate", "1"],
    "fast": ["fast", "--batch-size", "100"],
    "balanced": ["balanced", "--batch-size", "100", "--blocks", "1"],
    "photo": ["photo", "--batch-size", "100", "--blocks", "1"],
    "resnet": ["baseline", "--model", "resnet", "--optimizer", "muon", "--cutmix", "0.5"],
}
_IN_KERAS = ["baseline", "--framework", "keras", "--deterministic"]
_KERAS = {
    "keras": _IN_KERAS,
    "keras, moved": [*_IN_KERAS, "--translate", "1", "--label-smoothing", "0.1"],
}
_SMALL = ["--epochs", "3", "--train-images", "300", "--width", "4", "--threads", "1", "--no-test"]
_FILES = ("model.safetensors", "optimizer.safetensors")


def straight(trial: Trial, name: str) -> Path:
    """The run of a recipe that nothing happened to, made once."""
    run = trial.stage / "straight" / name.replace(", ", "-")
    if not (run / "metrics.json").exists():
        shutil.rmtree(run, ignore_errors=True)
        if wait(start(words(trial, name, run))) != 0:
            raise AssertionError(f"{name} did not finish")
    return run


def words(trial: Trial, name: str, run: Path) -> list[str]:
    """What begins a run, or goes on with the one that is there; `name` of a recipe above."""
    where = ["--output", str(run), "--data-dir", str(trial.stage / "data")]
    if (run / "recipe.json").exists():
        return ["train", "--resume", "--threads", "1", "--no-test", *where]
    return ["train", *(RECIPES | _KERAS)[name], *_SMALL, *where]


def start(words: list[str], before: Callable[[], None] = lambda: None) -> int:
    """Run a command in a fork of this process. Returns its id."""
    child = os.fork()
    if child:
        return child
    code = 1
    try:
        before()
        code = main(words)
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def wait(child: int) -> int:
    """Its exit code; less than 0 for the signal that ended it."""
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def _ended(child: int) -> bool:
    return os.waitid(os.P_PID, child, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None


def _outcome(run: Path) -> tuple[list[bytes], list[list[str]]]:
    found = [(run / "checkpoints" / n / f).read_bytes() for n in ("best", "final") for f in _FILES]
    found.append((run / "film.safetensors").read_bytes())
    history = [line.split(",")[:7] for line in (run / "history.csv").read_text().splitlines()]
    return found, history


def finish(trial: Trial, name: str, run: Path) -> None:
    """Whatever happened, resuming ends in the bits of the run that nothing happened to."""
    code = wait(start(words(trial, name, run), unpainted))
    assert code == 0, f"resuming ended with {code}"
    assert _outcome(run) == _outcome(straight(trial, name)), "other bits"
    assert Run(run).results.are_whole()


def unpainted() -> None:
    """Leave the pictures of this process empty: painting them is most of so small a training."""
    FigureCanvasAgg.draw = FigureCanvasAgg.get_renderer  # type: ignore[method-assign]
    FigureCanvasSVG.print_svg = lambda _, file, **__: file.write("<svg></svg>")  # type: ignore[method-assign]


def _kill(trial: Trial, recipes: dict[str, list[str]]) -> None:
    draw, run = trial.draw, trial.room / "run"
    name = draw.choice([*recipes])
    seconds = expected_seconds(straight(trial, name))
    hits = 0
    for _ in range(draw.randint(1, 5)):
        child = start(words(trial, name, run))
        if draw.random() < 0.8:
            wait_for_start(run)
        time.sleep(draw.uniform(0, seconds))
        os.kill(child, signal.SIGKILL)
        hits += wait(child) == -signal.SIGKILL
    print(name, hits, "kills")
    finish(trial, name, run)


def expected_seconds(run: Path) -> float:
    """What a training on a busy machine may take that took so long as a run did."""
    return 2 * sum(record.seconds for record in Run(run).history) + 1


def wait_for_start(run: Path) -> None:
    """Until training has begun, for a minute at most."""
    until = time.monotonic() + 60
    while not (run / "recipe.json").exists() and time.monotonic() < until:
        time.sleep(0.005)


def _signal(trial: Trial) -> None:
    draw, run = trial.draw, trial.room / "run"
    name, kind = draw.choice([*RECIPES]), draw.choice((signal.SIGINT, signal.SIGTERM))
    seconds = expected_seconds(straight(trial, name))
    child = start(words(trial, name, run))
    while not (run / ".lock").exists() and not _ended(child):
        time.sleep(0.005)
    time.sleep(draw.uniform(0, seconds))
    os.kill(child, kind)
    twice = trial.number % 6 == 5
    if twice:
        time.sleep(draw.uniform(0, 0.3))
        os.kill(child, kind)
    code = wait(child)
    assert code in (0, 128 + kind, *([-kind] if twice else [])), f"{name}: exit code {code}"
    if (run / "recipe.json").exists() and not twice:
        metrics = json.loads((run / "metrics.json").read_text())
        assert metrics["status"] in ("finished", "interrupted")
        step = Run(run).checkpoints.load("final").state["step"]
        assert metrics["final"]["step"] == step
        assert (run / "confusion_matrix.png").exists()
    finish(trial, name, run)


# -- disks -----------------------------------------------------------------------------------------

_DISKS = 100  # sizes, up to more than a run needs


def _disk(trial: Trial) -> None:
    """A disk in memory, which is full at some point; then it gets room."""
    name, disk = "baseline, averaged", trial.room / "disk"
    whole = straight(trial, name).rglob("*")
    needed = sum(path.stat().st_size for path in whole if not path.is_symlink())
    size = max(4096, round(1.3 * needed * (trial.number % _DISKS + 1) / _DISKS))
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(disk)]
    subprocess.run(mount, check=True)
    try:
        code = wait(start(words(trial, name, disk / "run")))
        assert code in (0, 7), f"{size} bytes: exit code {code}"
        if (disk / "run/recipe.json").exists():
            Run(disk / "run").checkpoints.newest()
        subprocess.run(["mount", "-o", "remount,size=1G", str(disk)], check=True)
        finish(trial, name, disk / "run")
    finally:
        subprocess.run(["umount", str(disk)], check=True)


# -- faults ----------------------------------------------------------------------------------------

_OPERATIONS = ("open", "os.rename", "os.remove", "os.mkdir", "os.symlink", "os.rmdir")
_FAULTS = ("kill", "EIO", "ENOSPC")


class _Faults:
    """Counts the operations on files below a folder, and fails at one of them."""

    def __init__(self, folder: Path, at: int, fault: str, counted: Path) -> None:
        self._folder, self._at, self._fault, self._counted = str(folder), at, fault, counted
        self._count = 0
        self._sync = os.fsync

    def begin(self) -> None:
        """In the process that is to fail."""
        sys.addaudithook(self._seen)
        os.fsync = self._synced

    def _synced(self, descriptor: int) -> None:
        self._step()
        self._sync(descriptor)

    def _seen(self, event: str, arguments: tuple) -> None:
        if event not in _OPERATIONS or not isinstance(arguments[0], str | os.PathLike):
            return
        reads = event == "open" and not (
            isinstance(arguments[2], int) and arguments[2] & (os.O_WRONLY | os.O_RDWR)
        )
        if not reads and str(arguments[0]).startswith(self._folder):
            self._step()

    def _step(self) -> None:
        self._count += 1
        if self._count != self._at:
            return
        self._counted.touch()
        if self._fault == "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        number = getattr(errno, self._fault)
        raise OSError(number, os.strerror(number))


def _fail(trial: Trial) -> None:
    """The n-th operation, of about as many as a run has; each fault in turn."""
    run, hit = trial.room / "run", trial.room / "hit"
    name = "baseline, averaged"
    at, fault = trial.number // len(_FAULTS) + 1, _FAULTS[trial.number % len(_FAULTS)]
    faults = _Faults(run, at, fault, hit)
    code = wait(start(words(trial, name, run), faults.begin))
    print(at, fault, code, hit.exists())
    wanted = {"kill": (-signal.SIGKILL,), "EIO": (7, 0), "ENOSPC": (7, 0)}[fault]
    assert code in (wanted if hit.exists() else (0,)), f"operation {at}, {fault}: {code}"
    if (run / "recipe.json").exists():
        Run(run).checkpoints.newest()
    finish(trial, name, run)


KILLS = Experiment(
    "kills",
    "A chain of one to five SIGKILLs at random instants of a training, over six recipes: resuming "
    "ends in the same bits",
    350,
    functools.partial(_kill, recipes=RECIPES),
    240,
)
KERAS_KILLS = Experiment(
    "keras-kills",
    "A chain of one to five SIGKILLs at random instants of a training in Keras on TensorFlow: "
    "resuming ends in the same bits",
    40,
    functools.partial(_kill, recipes=_KERAS),
    600,
)
SIGNALS = Experiment(
    "signals",
    "SIGINT or SIGTERM at any moment of a training, each sixth time twice: results, exit code, and "
    "resuming ends in the same bits",
    600,
    _signal,
    240,
)
DISKS = Experiment(
    "disks",
    "A disk in memory of any size, for a training (as root): exit code 7 where it is full, a "
    "usable checkpoint, and with room resuming ends in the same bits",
    _DISKS,
    _disk,
    240,
)
FAULTS = Experiment(
    "faults",
    "SIGKILL, EIO or ENOSPC at one operation on a file of a training, one after the other: exit "
    "code 7, a usable checkpoint, and resuming ends in the same bits",
    900,
    _fail,
    240,
)
