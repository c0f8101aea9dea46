"""A real training on real images through the script and the command, signals and all."""

import csv
import fcntl
import json
import os
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import classification_report

from fashion_cnn import CLASS_NAMES, Run, open_classifier
from fashion_cnn.cli import main
from fashion_cnn.data.fashion_mnist import DataSet
from fashion_cnn.errors import UsageError
from fashion_cnn.evaluation.calibration import Calibration
from fashion_cnn.recipes.recipe import Recipe
from fashion_cnn.training.schedule import schedule_after_extension
from forked import finish, start, wait_for
from opened import load_test
from short import train

REPOSITORY = Path(__file__).resolve().parents[1]
SCRIPT = REPOSITORY / "fashion_mnist_pytorch.py"
SMALL = ["--epochs", "2", "--train-images", "2000", "--threads", "2", "--width", "8"]


def same_weights(a: Path, b: Path) -> bool:
    names = ("model.safetensors", "optimizer.safetensors")
    return all(
        (a / "checkpoints/final" / name).read_bytes()
        == (b / "checkpoints/final" / name).read_bytes()
        for name in names
    )


@pytest.mark.parametrize(
    ("script", "folder"),
    [("fashion_mnist_pytorch.py", "results/"), ("fashion_mnist_cnn.py", "results-keras/")],
)
def test_a_script_says_what_it_is_and_where_it_writes(script: str, folder: str) -> None:
    asked = [sys.executable, REPOSITORY / script]
    done = subprocess.run([*asked, "-h"], capture_output=True, text=True, check=True)
    about, _, command = done.stdout.partition("Usage: ")
    assert script in about
    assert folder in about
    assert "--resume" in command
    other = subprocess.run([*asked, "--framework=keras"], capture_output=True, text=True)
    assert (other.returncode, "one framework" in other.stderr) == (2, True)


@pytest.fixture(scope="module")
def results(few_data: Path, tmp_path_factory) -> tuple[Path, subprocess.CompletedProcess]:
    """What `python fashion_mnist_pytorch.py` leaves in results/."""
    folder = tmp_path_factory.mktemp("script")
    done = subprocess.run(
        [sys.executable, "-W", "error", SCRIPT, *SMALL, "--data-dir", few_data],
        cwd=folder,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return folder / "results", done


def test_the_script_leaves_every_deliverable(results) -> None:
    folder, done = results
    for name in [
        "recipe.json",
        "environment.json",
        "split.json",
        "log.jsonl",
        "history.csv",
        "loss_pytorch.png",
        "accuracy_pytorch.png",
        "confusion_matrix.png",
        "confusion_matrix_normalized.png",
        "confusion_matrix.csv",
        "classification_report.txt",
        "classification_report.json",
        "metrics.json",
        "calibration.json",
        "reliability.png",
        "errors.csv",
        "answers.csv",
        "report.html",
        "predictions.csv",
        "checkpoints/best/model.safetensors",
        "checkpoints/final/model.safetensors",
    ]:
        assert (folder / name).stat().st_size > 0, name
    assert not list(folder.rglob("*.tmp"))
    epochs = [line for line in done.stderr.splitlines() if line.startswith("epoch ")]
    assert len(epochs) == 2
    assert "\r" not in done.stderr, "no bar in a file"
    assert "95 % interval" in done.stdout
    assert "best" in done.stdout
    assert "final" in done.stdout


def test_pictures_are_pictures(results) -> None:
    for path in results[0].glob("*.png"):
        data = path.read_bytes()
        width, height = int.from_bytes(data[16:20], "big"), int.from_bytes(data[20:24], "big")
        assert data.startswith(b"\x89PNG")
        assert width >= 700, path
        assert height >= 450, path


def test_the_results_agree_with_each_other(results, few_data) -> None:
    folder, _ = results
    metrics = json.loads((folder / "metrics.json").read_text())
    best = metrics["best"]["test"]
    with (folder / "predictions.csv").open() as file:
        rows = list(csv.DictReader(file))
    test = load_test(few_data)
    labels = np.array([int(row["label"]) for row in rows])
    predicted = np.array([int(row["predicted"]) for row in rows])
    np.testing.assert_array_equal(labels, test.labels)
    assert (labels == predicted).mean() == pytest.approx(best["accuracy"], abs=1e-12)
    logits = open_classifier(Run(folder), "best").logits(test.images)
    np.testing.assert_array_equal(predicted, logits.argmax(1))
    written = np.array([[float(row[f"p{i}"]) for i in range(10)] for row in rows])
    calibration = json.loads((folder / "calibration.json").read_text())
    assert calibration["checkpoint"] == "best"
    answer = Calibration.from_dict(calibration).answer(logits)
    np.testing.assert_allclose(written, answer.probabilities, atol=1e-6)
    measured = calibration["measured"]
    assert measured["before"]["loss"] == pytest.approx(best["loss"], abs=1e-12)
    assert measured["after"]["loss"] < best["loss"]
    covered = answer.sets[np.arange(len(labels)), labels]
    assert measured["conformal"]["coverage"] == covered.mean()
    with (folder / "confusion_matrix.csv").open() as file:
        matrix = list(csv.reader(file))
    assert [row[0] for row in matrix[1:]] == list(CLASS_NAMES)
    assert [[int(v) for v in row[1:]] for row in matrix[1:]] == best["confusion"]
    report = json.loads((folder / "classification_report.json").read_text())
    assert report["checkpoint"] == "best"
    wanted = classification_report(
        labels, predicted, target_names=CLASS_NAMES, output_dict=True, zero_division=0
    )
    assert report["Bag"] == pytest.approx(wanted["Bag"])
    final = open_classifier(Run(folder), "final").logits(test.images)
    assert (final.argmax(1) == test.labels).mean() == metrics["final"]["test"]["accuracy"]


def test_the_test_set_is_read_once_and_each_reading_is_counted(results, capsys, few_data) -> None:
    folder, _ = results
    assert json.loads((folder / "metrics.json").read_text())["test_readings"] == 1
    before = json.loads((folder / "metrics.json").read_text())
    assert main(["evaluate", str(folder), "--data-dir", str(few_data)]) == 0
    after = json.loads((folder / "metrics.json").read_text())
    assert after.pop("test_readings") == before.pop("test_readings") + 1
    assert after.pop("command_seconds") != before.pop("command_seconds")
    assert after.pop("checksum") != before.pop("checksum")
    assert after == before
    assert "opened 2 time(s)" in capsys.readouterr().out


def test_recipe_json_reruns_the_run(results, tmp_path, few_data) -> None:
    from fashion_cnn import train

    folder, _ = results
    train(Run(folder).recipe, tmp_path, data=few_data, threads=2)
    assert same_weights(folder, tmp_path)


@pytest.fixture(scope="module")
def unstopped(few_data: Path, tmp_path_factory) -> Path:
    """A run of few images that nothing disturbed."""
    folder = tmp_path_factory.mktemp("unstopped") / "run"
    assert main(["train", *SMALL, "--output", str(folder), "--data-dir", str(few_data)]) == 0
    return folder


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_inside_an_epoch_saves_evaluates_and_resumes_exactly(
    unstopped, tmp_path, few_data, number: int, code: int
) -> None:
    output = ["--output", str(tmp_path / "run"), "--data-dir", str(few_data)]
    process = start("train", "baseline", *SMALL, *output, said=tmp_path / "said")
    wait_for(process, tmp_path / "said", "epoch 1/2")
    os.kill(process.pid, number)
    finish(process, code)
    metrics = json.loads((tmp_path / "run/metrics.json").read_text())
    assert metrics["status"] == "interrupted"
    assert metrics["test_readings"] == 1, "the evaluation that it ended with, and no other"
    assert 32 <= metrics["final"]["step"] < 64
    assert metrics["best"]["epoch"] == 1
    assert (tmp_path / "run/confusion_matrix.csv").exists()
    assert main(["train", "--resume", *output]) == 0
    assert Run(tmp_path / "run").test_readings() == 2
    assert same_weights(unstopped, tmp_path / "run")
    timeless = [
        [line.split(",")[:7] for line in (folder / "history.csv").read_text().splitlines()]
        for folder in (unstopped, tmp_path / "run")
    ]
    assert timeless[0] == timeless[1]


def test_a_stop_before_the_first_epoch_still_leaves_results(tmp_path, few_data) -> None:
    output = ["--output", str(tmp_path / "run"), "--data-dir", str(few_data)]
    process = start("train", *output, drawn=True)
    while not (tmp_path / "run/recipe.json").exists():
        time.sleep(0.01)
        assert process.is_alive()
    os.kill(process.pid, signal.SIGINT)
    finish(process, 130)
    metrics = json.loads((tmp_path / "run/metrics.json").read_text())
    assert metrics["best"] is None
    assert metrics["reports_speak_of"] == "final"
    assert (tmp_path / "run/loss_pytorch.png").exists()
    assert "final checkpoint" in (tmp_path / "run/classification_report.txt").read_text()


def test_a_second_signal_leaves_at_once(tmp_path, few_data) -> None:
    output = ["--output", str(tmp_path / "run"), "--data-dir", str(few_data)]
    process = start("train", *SMALL, *output, said=tmp_path / "said", drawn=True)
    wait_for(process, tmp_path / "said", "epoch 1/2")
    os.kill(process.pid, signal.SIGINT)
    wait_for(process, tmp_path / "said", "stopping")
    time.sleep(0.2)  # sooner it would be an echo; to draw takes longer
    os.kill(process.pid, signal.SIGINT)
    finish(process, 130)
    assert not (tmp_path / "run/metrics.json").exists()
    assert main(["train", "--resume", *output]) == 0


def test_a_folder_in_use_is_left_alone(unstopped, tmp_path, capsys, few_data) -> None:
    with (unstopped / ".lock").open("r+") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        for arguments in (["train", "--resume", "--output"], ["evaluate"]):
            code = main([*arguments, str(unstopped), "--data-dir", str(few_data)])
            assert code == 2
            assert "in use by process" in capsys.readouterr().err
        lock.truncate(0)  # as between locking it and writing who did
        assert main(["evaluate", str(unstopped), "--data-dir", str(few_data)]) == 2
        assert f"{unstopped} is in use by another process; wait" in capsys.readouterr().err


def test_a_full_disk_ends_with_code_7_and_the_older_checkpoint(
    tmp_path, few_data, unstopped, capsys
) -> None:
    """A size limit that the first checkpoint, without optimiser state, fits and the next not."""
    output = ["--output", str(tmp_path / "run"), "--data-dir", str(few_data)]
    weights = (unstopped / "checkpoints/final/model.safetensors").stat().st_size
    most, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (weights * 3 // 2, hard))
    try:
        assert main(["train", *SMALL, *output]) == 7
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (most, hard))
    last = capsys.readouterr().err.splitlines()[-1]
    assert "File too large" in last
    assert "--resume" in last
    assert os.listdir(tmp_path / "run/checkpoints") == ["step-00000000"]
    assert main(["train", "--resume", *output]) == 0
    assert same_weights(unstopped, tmp_path / "run")


def test_extending_says_what_happens_to_the_schedule(tmp_path, capsys, few_data) -> None:
    output = ["--output", str(tmp_path / "run"), "--data-dir", str(few_data)]
    small = ["--train-images", "500", "--schedule", "cosine"]
    assert main(["train", "--epochs", "1", *small, *output]) == 0
    assert main(["train", "--resume", "--epochs", "2", *output]) == 0
    assert "1 -> 2 epochs: the cosine schedule is stretched" in capsys.readouterr().err
    assert len(Run(tmp_path / "run").history) == 2
    assert Run(tmp_path / "run").recipe.epochs == 2
    assert main(["train", "--resume", "--epochs", "1", *output]) == 2
    assert "2 are begun" in capsys.readouterr().err
    before = Recipe(schedule="constant")
    notice = schedule_after_extension(before, before.replace(epochs=60))
    assert notice
    assert "goes on as it would have; the result is that of such a run" in notice


def test_no_test_leaves_the_test_set_sealed_until_evaluate(
    tmp_path, capsys, few_data, monkeypatch
) -> None:
    opened = []
    open_test = DataSet.test
    monkeypatch.setattr(DataSet, "test", lambda data: opened.append(data) or open_test(data))
    output = ["--output", str(tmp_path / "run"), "--data-dir", str(few_data)]
    small = ["--epochs", "1", "--train-images", "500", "--answer", "final"]
    assert main(["train", *small, "--no-test", *output]) == 0
    assert "sealed" in capsys.readouterr().out
    metrics = Run(tmp_path / "run").results.metrics
    assert not opened
    assert metrics.test_readings == 0
    assert metrics.final.test is None
    assert (metrics.reports_speak_of, metrics.reports_speak_on) == ("final", "validation")
    assert main(["train", "--resume", "--epochs", "2", *output]) == 0
    metrics = Run(tmp_path / "run").results.metrics
    assert metrics.final.epoch == 2
    assert not opened, "the seal outlives a resume"
    report = (tmp_path / "run/classification_report.txt").read_text()
    assert report.startswith("Validation set, 240 images, final checkpoint")
    assert len((tmp_path / "run/predictions.csv").read_text().splitlines()) == 241

    assert main(["evaluate", str(tmp_path / "run"), "--tta", "--data-dir", str(few_data)]) == 0
    assert "final + TTA" in capsys.readouterr().out
    assert len(opened) == 1
    metrics = Run(tmp_path / "run").results.metrics
    assert metrics.test_readings == 1
    assert metrics.tta
    assert metrics.tta.test
    assert metrics.final.test
    assert main(["train", "--resume", "--epochs", "3", "--no-test", *output]) == 0
    assert "opened 1 time(s)" in capsys.readouterr().out
    test = open_test(DataSet.open(few_data))
    classifier = open_classifier(Run(tmp_path / "run"), f"step-{metrics.final.step:08d}")
    mirrored = np.flip(test.images, axis=2)
    guess = (classifier.logits(test.images) + classifier.logits(mirrored)).argmax(1)
    assert metrics.tta.test.accuracy == (guess == test.labels).mean()
    assert metrics.tta.test.accuracy != metrics.final.test.accuracy


def test_classes_without_an_image_to_train_on_are_named(few_data, tmp_path, capsys) -> None:
    words = ["train", "--train-images", "8", "--batch-size", "8", "--epochs", "1", "--no-test"]
    where = ["--output", str(tmp_path / "run"), "--data-dir", str(few_data), "--threads", "1"]
    assert main([*words, *where]) == 0
    said = capsys.readouterr().err
    assert "no image is left to train on of: Bag, Ankle boot\n" in said


def test_an_epoch_that_is_begun_is_asked_for(small_data, tmp_path) -> None:
    recipe, steps = Recipe(epochs=3, width=4, batch_size=48), 5
    train("pytorch", recipe, small_data, tmp_path, stop=steps + 2)
    with pytest.raises(UsageError, match="epochs is 1, but 2 are begun; ask for at least 2"):
        train("pytorch", recipe.replace(epochs=1), small_data, tmp_path, resume=True)


def test_a_recipe_file_that_says_otherwise_than_the_run_is_told(few_data, tmp_path, capsys) -> None:
    file = tmp_path / "mine.toml"
    file.write_text("recipe = 'baseline'\nepochs = 1\ntrain_images = 200\nwidth = 4\n")
    words = ["--output", str(tmp_path / "run"), "--data-dir", str(few_data), "--no-test"]
    assert main(["train", str(file), *words]) == 0
    assert main(["train", str(file), "--resume", *words[:4]]) == 0
    assert "passed over" not in capsys.readouterr().err
    file.write_text("recipe = 'baseline'\nepochs = 2\ntrain_images = 200\nwidth = 4\n")
    assert main(["train", str(file), "--resume", *words[:4]]) == 0
    assert f"what {file} says otherwise is passed over: epochs (only" in capsys.readouterr().err
    assert main(["train", str(file), "--resume", "--epochs", "2", *words[:4]]) == 0
    assert "passed over" not in capsys.readouterr().err
    assert len(Run(tmp_path / "run").history) == 2
