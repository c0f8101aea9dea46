"""Bits flipped, files cut short, and files of another run, in every file of a run folder."""

import functools
import hashlib
import os
import shutil
from collections.abc import Callable
from pathlib import Path

from bench.campaign.experiment import Experiment, Trial
from bench.campaign.stage import command
from fashion_cnn.errors import FashionCNNError
from fashion_cnn.run.folder import Run
from fashion_cnn.shipping.predict import open_model

_NOTES = (
    "log.jsonl", "environment.json", "layers.json", "history.csv", "film.safetensors",
    "report.html", "export.json",
)  # fmt: skip
"""Files of which no hash is kept: for people, and read with every type checked. The hashes that
export.json has are held by whatever opens the models."""

_NEWEST = "step-00000010"


def _files(run: Path) -> list[Path]:
    """Every file of a run but its lock, its pictures once; the same order for every trial."""
    found = sorted(path for path in run.rglob("*") if path.is_file() and path.name != ".lock")
    inside = (path.relative_to(run) for path in found)
    return [path for path in inside if path.suffix not in (".png", ".svg") and not _linked(path)]


def _linked(path: Path) -> bool:
    return path.parts[:1] == ("checkpoints",) and path.parts[1] in ("best", "final")


def _damage(trial: Trial, alter: Callable[[Trial, Path, bytes], bytes]) -> None:
    os.chdir(trial.room)
    names = _files(trial.stage / "run")
    name = names[trial.number % len(names)]
    shutil.copytree(trial.stage / "run", "run", symlinks=True)
    path = Path("run", name)
    before = path.read_bytes()
    after = alter(trial, name, before)
    if after == before:
        return
    path.write_bytes(after)
    told = _read_everything()
    print(name, told)
    if name.name not in _NOTES and name.name not in ("recipe.json", "split.json"):
        assert any(_is_of(name, one) for one in told), f"{name} was altered and nobody told: {told}"
    if name.parts[:2] == ("checkpoints", _NEWEST) and trial.number % 3 == 0:
        _must_fall_back(trial)


def _read_everything() -> list[str]:
    """What is told of a run folder by all that reads it; anything but a named error is raised."""
    told = []

    def tell(read: Callable[[], object]) -> None:
        try:
            read()
        except FashionCNNError as error:
            told.append(str(error))

    run = Run("run")
    tell(lambda: Run.open("run"))
    for read in (
        lambda: run.recipe, lambda: run.environment, lambda: run.split, lambda: run.layers,
        lambda: run.history, lambda: run.film, run.events, lambda: run.results.metrics,
        lambda: run.results.calibration, lambda: run.results.predictions, run.check_results,
        lambda: open_model(Path("run"), 1), lambda: open_model(Path("run/model-int8.onnx"), 1),
    ):  # fmt: skip
        tell(read)
    try:
        whole = run.results.are_whole()
    except FashionCNNError as error:
        told.append(str(error))
        whole = True
    if not whole:
        told += [f"{run.path / name}: not whole" for name in _not_whole(run)]
    for folder in sorted(Path("run/checkpoints").glob("step-*")):
        tell(lambda folder=folder: run.checkpoints.load(folder.name))
    return told


def _not_whole(run: Run) -> list[str]:
    """The results that are not as the metrics say."""
    try:
        files = run.results.metrics.files
    except FashionCNNError:
        return ["metrics.json"]
    return [
        name
        for name, sha in files.items()
        if hashlib.sha256((run.path / name).read_bytes()).hexdigest() != sha
    ]


def _is_of(name: Path, said: str) -> bool:
    """Whether an error is of a file: by its name, or for a checkpoint by the folder's."""
    checkpoint = name.parts[0] == "checkpoints" and name.parts[1] in said
    return checkpoint or name.name in said or "is of another recipe, seed or data set" in said


def _must_fall_back(trial: Trial) -> None:
    """What is resumed from the checkpoint before ends in the bits of the run that was whole."""
    words = ["train", "--resume", "--output", "run", "--threads", "1", "--no-test"]
    command([*words, "--data-dir", str(trial.stage / "data")])
    for file in ("model.safetensors", "optimizer.safetensors"):
        wanted = (trial.stage / "run/checkpoints" / _NEWEST / file).read_bytes()
        assert Path("run/checkpoints", _NEWEST, file).read_bytes() == wanted, "other weights"


def _flip(trial: Trial, name: Path, content: bytes) -> bytes:
    place = trial.draw.randrange(8 * len(content)) if content else 0
    altered = bytearray(content or b"\0")
    altered[place // 8] ^= 1 << place % 8
    return bytes(altered)


def _cut(trial: Trial, name: Path, content: bytes) -> bytes:
    return content[: trial.draw.randrange(len(content))] if content else content


def _swap(trial: Trial, name: Path, content: bytes) -> bytes:
    other = trial.stage / "other" / name
    return other.read_bytes() if other.is_file() else content


FLIPS = Experiment(
    "flips",
    "A bit flipped in a file of a run folder: told before use, or in notes that are for people; "
    "training falls back to the checkpoint before, and ends in the same bits",
    1_000,
    functools.partial(_damage, alter=_flip),
)
CUTS = Experiment(
    "cuts",
    "A file of a run folder cut short: as with flips",
    500,
    functools.partial(_damage, alter=_cut),
)
SWAPS = Experiment(
    "swaps",
    "A file of another run of as many steps, other seed: as with flips",
    100,
    functools.partial(_damage, alter=_swap),
)
