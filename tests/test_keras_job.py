"""Keras from the command line: every deliverable, signals and kills, and each framework alone."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from PIL import Image

from fashion_cnn.cli import main
from fashion_cnn.shipping.onnx_classifier import OnnxClassifier
from forked import wait_for_line

REPOSITORY = Path(__file__).resolve().parents[1]
SCRIPT = REPOSITORY / "fashion_mnist_cnn.py"
SMALL = ["--epochs", "2", "--train-images", "1600", "--width", "16", "--threads", "2"]
SMALL += ["--deterministic"]

WITHOUT = """
import runpy, sys
from importlib.machinery import PathFinder
absent, script, sys.argv = set(sys.argv[1].split(",")), sys.argv[2], sys.argv[2:]

class Rest:
    @staticmethod
    def find_spec(name, path=None, target=None):
        if name.partition(".")[0] not in absent:
            return PathFinder.find_spec(name, path, target)

    find_distributions = PathFinder.find_distributions

sys.meta_path = [Rest if finder is PathFinder else finder for finder in sys.meta_path]
if script:
    runpy.run_path(script, run_name="__main__")
from fashion_cnn.cli import main
if sys.argv[1] in ("train", "evaluate"):
    from fashion_cnn.reporting import plots, report
    plots.draw_run = lambda run, metrics: None
    empty = dict.fromkeys(("loss", "accuracy", "reliability", "risk"), "")
    report.charts = lambda run, metrics: empty
    report._MOST_HEATED = 24
commands = [[]]
for word in sys.argv[1:]:
    commands.append([]) if word == "then" else commands[-1].append(word)
sys.exit(next(filter(None, map(main, commands)), 0))
"""


def start(
    data: Path,
    *words: object,
    absent: str,
    script: object = "",
    cwd: Path | None = None,
    **more: str,
) -> subprocess.Popen:
    """Run a script, or commands with a "then" between them, where some libraries are absent."""
    command = [sys.executable, "-W", "error", "-c", WITHOUT, absent, str(script), *map(str, words)]
    ours = ("KERAS_BACKEND", "TF_CPP_MIN_LOG_LEVEL")  # what importing Keras in this process set
    environment = {k: v for k, v in os.environ.items() if k not in ours}
    environment |= {"FASHION_CNN_DATA": str(data), **more}
    pipe = subprocess.PIPE
    return subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True, cwd=cwd, env=environment)


def finish(process: subprocess.Popen, code: int = 0) -> str:
    """Wait for it; returns what it said on standard error."""
    _, err = process.communicate(timeout=240)
    assert process.returncode == code, err
    return err


def bits(run: Path) -> list[bytes]:
    names = ("model.safetensors", "optimizer.safetensors")
    return [(run / "checkpoints" / n / f).read_bytes() for n in ("best", "final") for f in names]


def timeless(run: Path) -> list[list[str]]:
    return [line.split(",")[:7] for line in (run / "history.csv").read_text().splitlines()]


def metrics(run: Path) -> dict:
    return json.loads((run / "metrics.json").read_text())


@pytest.fixture(scope="module")
def results(few_data: Path, tmp_path_factory) -> tuple[Path, str]:
    """What `python fashion_mnist_cnn.py` leaves where there is no PyTorch."""
    folder = tmp_path_factory.mktemp("script")
    process = start(few_data, *SMALL, absent="torch", script=SCRIPT, cwd=folder)
    return folder / "results-keras", finish(process)


def test_the_script_leaves_every_deliverable_without_pytorch(results) -> None:
    folder, err = results
    for name in [
        "recipe.json",
        "environment.json",
        "split.json",
        "log.jsonl",
        "history.csv",
        "loss_keras.png",
        "accuracy_keras.png",
        "confusion_matrix.png",
        "confusion_matrix_normalized.png",
        "confusion_matrix.csv",
        "classification_report.txt",
        "classification_report.json",
        "metrics.json",
        "predictions.csv",
        "checkpoints/best/model.safetensors",
        "checkpoints/final/optimizer.safetensors",
    ]:
        assert (folder / name).stat().st_size > 0, name
    lines = err.splitlines()
    assert [line[:11] for line in lines] == [
        "training ba", "  given: wi", "epoch 1/2: ", "epoch 2/2: ", "to go on: f",
    ], "nothing of what TensorFlow says of itself"  # fmt: skip
    environment = json.loads((folder / "environment.json").read_text())
    assert (environment["framework"], environment["backend"]) == ("keras", "tensorflow")
    assert (environment["threads"], environment["deterministic"]) == (2, True)
    assert metrics(folder)["evaluated_in"] == "keras"
    assert metrics(folder)["best"]["test"]["accuracy"] > 0.4


def alike(before: dict, after: dict, part: str) -> None:
    for checkpoint in ("best", "final"):
        a, b = (found[checkpoint][part] for found in (before, after))
        assert a["confusion"] == b["confusion"]
        assert a["loss"] == pytest.approx(b["loss"], abs=1e-6)


def shows_layers(page: Path) -> None:
    assert "px heat" in page.read_text()
    layers = json.loads(page.read_text().split('id="layers-data">')[1].split("</script>")[0])
    seen = layers[0][1]
    assert seen["notes"] == []
    assert [stage["width"] for stage in seen["stages"]] == [14, 7, 3]
    assert seen["window"]["side"] == [3, 3]


def test_pytorch_alone_evaluates_and_reports_a_keras_run(results, few_data, tmp_path) -> None:
    folder, page = results[0], tmp_path / "report.html"
    before = metrics(folder)
    words = ["evaluate", folder, "--framework", "pytorch", "then", "report", folder]
    words += ["--framework", "pytorch", "--heat-maps", "--layers", "--output", page]
    finish(start(few_data, *words, absent="keras,tensorflow"))
    after = metrics(folder)
    assert (after["framework"], after["evaluated_in"]) == ("keras", "pytorch")
    alike(before, after, "validation")
    alike(before, after, "test")
    shows_layers(page)


@pytest.fixture(scope="module")
def of_pytorch(few_data, tmp_path_factory) -> Path:
    """A run where there is nothing but what its extra brings."""
    run = tmp_path_factory.mktemp("pytorch") / "run"
    words = ["train", *SMALL, "--no-test", "--output", run]
    others = "keras,tensorflow,timm,torchvision,huggingface_hub"
    finish(start(few_data, *words, absent=others))
    return run


def test_keras_alone_evaluates_and_reports_a_pytorch_run_and_answers(
    of_pytorch, few_data, tmp_path, capsys
) -> None:
    run, page = tmp_path / "run", tmp_path / "report.html"
    picture = tmp_path / "square.png"
    Image.new("L", (60, 60), 200).resize((90, 90)).crop((-20, -20, 110, 110)).save(picture)
    shutil.copytree(of_pytorch, run, symlinks=True)
    before = metrics(run)
    words = ["evaluate", run, "--framework", "keras", "then", "report", run]
    words += ["--framework", "keras", "--heat-maps", "--layers", "--output", page]
    words += ["then", "predict", picture]
    finish(start(few_data, *words, absent="torch"))
    after = metrics(run)
    assert (after["framework"], after["evaluated_in"]) == ("pytorch", "keras")
    alike(before, after, "validation")
    shows_layers(page)
    words = ["train", "--resume", "--framework", "keras", "--epochs", "3", "--output", str(run)]
    assert main(words) == 2
    assert "was trained with pytorch and can only be resumed with it" in capsys.readouterr().err


def test_networks_of_both_frameworks_become_one_file(
    results, of_pytorch, few_data, tmp_path
) -> None:
    file = tmp_path / "both.onnx"
    finish(start(few_data, "export", results[0], of_pytorch, "--output", file, absent="pandas"))
    facts = OnnxClassifier.open(file).facts
    assert [one["framework"] for one in facts["made_by"]["members"]] == ["keras", "pytorch"]


def test_ctrl_c_finishes_the_job_and_a_killed_run_resumes_exactly(
    results, few_data, tmp_path
) -> None:
    run = tmp_path / "run"
    output = ["--output", run]
    words = ["train", *SMALL, "--framework", "keras"]
    with start(few_data, *words, *output, absent="torch") as process:
        wait_for_line(process, "epoch 1/2")
        process.kill()
    with start(few_data, "train", "--resume", *output, absent="torch") as process:
        while '"resumed"' not in (run / "log.jsonl").read_text():
            time.sleep(0.02)
            assert process.poll() is None
        process.send_signal(signal.SIGINT)
        finish(process, code=130)
    found = metrics(run)
    assert found["status"] == "interrupted"
    assert 25 <= found["final"]["step"] < 50
    finish(start(few_data, "train", "--resume", *output, absent="torch"))
    assert bits(run) == bits(results[0])
    assert timeless(run) == timeless(results[0])


def test_on_the_torch_backend_and_resumed_on_it(few_data, tmp_path) -> None:
    words = ["--train-images", "640", "--no-test", "--output", tmp_path / "run"]
    once = ["train", "--framework", "keras", "--epochs", "1", "--deterministic", *words]
    finish(start(few_data, *once, absent="tensorflow", KERAS_BACKEND="torch"))
    more = ["train", "--resume", "--epochs", "2", "--output", tmp_path / "run"]
    err = finish(start(few_data, *more, absent="tensorflow"))
    assert "may not be bit for bit the same" not in err
    environment = json.loads((tmp_path / "run/environment.json").read_text())
    assert (environment["backend"], environment["deterministic"]) == ("torch", True)
    first, second = (
        line.split(",")[5] for line in (tmp_path / "run/history.csv").read_text().splitlines()[1:]
    )
    assert float(second) < float(first)


def test_on_the_torch_backend_it_learns_and_resumes_as_on_tensorflow() -> None:
    """Some of tests/test_keras.py; all of it: KERAS_BACKEND=torch pytest tests/test_keras.py."""
    some = "nearly or rich_run"
    tests = str(Path(__file__).with_name("test_keras.py"))
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", tests, "-k", some]
    environment = os.environ | {"KERAS_BACKEND": "torch"}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=240)
    assert done.returncode == 0, done.stdout
    assert "2 passed" in done.stdout


@pytest.mark.parametrize(
    ("absent", "backend", "words"),
    [
        ("keras", "tensorflow", "keras is not installed, which Keras on tensorflow needs"),
        ("torch", "torch", "torch is not installed, which Keras on torch needs"),
        ("none", "theano", "KERAS_BACKEND is 'theano'; it must be one of tensorflow, torch"),
    ],
)
def test_what_is_missing_is_named(
    few_data, tmp_path, absent: str, backend: str, words: str
) -> None:
    command = ["train", "--framework", "keras", "--output", tmp_path / "run"]
    err = finish(start(few_data, *command, absent=absent, KERAS_BACKEND=backend), code=2)
    assert words in err.splitlines()[-1]
    assert not (tmp_path / "run").exists()
