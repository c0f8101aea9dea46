"""Run folders from somebody else: any of their names may be anything."""

import os
import shutil
import socket
from itertools import product
from pathlib import Path

from bench.campaign.experiment import Experiment, Trial
from bench.campaign.serving import BOOT
from bench.campaign.stage import SMALL, command

_NAMES = (
    "recipe.json", "environment.json", "split.json", "layers.json", "log.jsonl", "history.csv",
    "film.safetensors", "network.py", "metrics.json", "calibration.json", "predictions.csv",
    "classification_report.json", "report.html", "loss_pytorch.png", "errors.csv", "model.onnx",
    "model-int8.onnx", "export.json", ".lock", ".begun", "checkpoints", "checkpoints/best",
    "checkpoints/final", "checkpoints/step-00000010", "checkpoints/step-00000010/MANIFEST.json",
    "checkpoints/step-00000010/model.safetensors", "checkpoints/step-00000010/state.json",
    "checkpoints/.step-00000015.tmp", ".recipe.json.tmp", ".metrics.json.tmp", ".log.jsonl.tmp",
    ".history.csv.tmp", ".report.html.tmp", ".model.onnx.tmp", "fashion-cnn.tfevents.0",
)  # fmt: skip
_KINDS = (
    "link", "hard link", "link to a folder", "link to itself", "link to nothing", "link to zeros",
    "pipe", "socket", "folder", "empty", "junk", "deep", "huge",
)  # fmt: skip
_COMMANDS = (
    ["report"], ["evaluate"], ["predict"], ["export"], ["compare"], ["track"], ["audit"],
    ["train", "--resume", "--epochs", "3"], ["train", "--overwrite"],
)  # fmt: skip
_ALL = [*product(_NAMES, _KINDS, _COMMANDS)]
_NAMED = (0, 2, 3, 4, 5, 6, 7)


def _trial(trial: Trial) -> None:
    name, kind, words = _ALL[trial.number * 1_009 % len(_ALL)]  # each once, in a mixed order
    print(name, kind, words)
    os.chdir(trial.room)
    victim = _victim()
    before = _content(victim)
    shutil.copytree(trial.stage / "run", "run", symlinks=True)
    _put(Path("run", name), kind)
    Path("boot.png").write_bytes(BOOT)
    data = ["--data-dir", str(trial.stage / "data")]
    match words:
        case ["predict"]:
            words = ["predict", "boot.png", "--model", "run"]
        case ["compare"]:
            words = ["compare", "run", str(trial.stage / "other")]
        case ["track"]:
            words = ["track", "run"]
        case ["audit"]:
            words = ["data", "audit", "--run", "run", "--output", "audit", *data]
        case ["train", "--overwrite"]:
            words = ["train", "baseline", "--epochs", "1", "--output", "run", "--overwrite"]
            words += [*SMALL, *data]
        case ["train", *more]:
            words = ["train", *more, "--output", "run", "--threads", "1", *data]
        case [verb]:
            words = [verb, "run", *data]
    command(words, _NAMED)
    assert _content(victim) == before, f"{victim} was altered"


def _victim() -> Path:
    """What is nobody's business: a file, and a folder that looks like a run's checkpoints."""
    victim = Path("victim")
    (victim / "step-00000003").mkdir(parents=True)
    (victim / "step-00000003/notes").write_text("precious")
    (victim / "bashrc").write_text("# precious\n")
    return victim


def _content(folder: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def _put(path: Path, kind: str) -> None:
    """Put something else in a file's or a folder's place."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    path.unlink(missing_ok=True)
    up = Path(*[".."] * (len(path.parts) - 1))
    match kind:
        case "link":
            path.symlink_to(up / "victim/bashrc")
        case "hard link":
            os.link("victim/bashrc", path)
        case "link to a folder":
            path.symlink_to(up / "victim")
        case "link to itself":
            path.symlink_to(path.name)
        case "link to nothing":
            path.symlink_to(up / "victim/nothing")
        case "link to zeros":
            path.symlink_to("/dev/zero")
        case "pipe":
            os.mkfifo(path)
        case "socket":
            socket.socket(socket.AF_UNIX).bind(str(path))
        case "folder":
            path.mkdir()
            (path / "inside").write_text("something")
        case "empty":
            path.touch()
        case "junk":
            path.write_bytes(bytes(range(256)) * 4)
        case "deep":
            path.write_bytes(b"[" * 200_000)
        case "huge":
            with path.open("wb") as file:
                file.truncate(3 << 30)


FOLDERS = Experiment(
    "folders",
    "A run folder in which one name is a link, a pipe, a device, a folder or junk; any command "
    "names it or does without, and alters nothing outside",
    200,
    _trial,
)
