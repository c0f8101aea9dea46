"""A training on three classes of one's own, through everything that reads its run."""

import csv
import dataclasses
import json
import re
import shlex
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from conftest import make_split
from exported import export_each_network_once
from failing import fails
from fashion_cnn import api
from fashion_cnn.cli import main
from fashion_cnn.data.fashion_mnist import CLASS_NAMES, DataSet
from fashion_cnn.errors import DataError, UsageError
from fashion_cnn.reporting.plots import draw_run, sample_grid
from fashion_cnn.reporting.report import make_report
from fashion_cnn.reporting.study import quantities
from fashion_cnn.reporting.summary import reproduce
from fashion_cnn.run.dataset import check_same_data, class_names_of
from fashion_cnn.run.folder import Run
from fashion_cnn.shipping.onnx_classifier import OnnxClassifier
from fashion_cnn.shipping.predict import PRETRAINED, Predictor, open_model
from fashion_cnn.shipping.serve import Desk
from finished import finished_run
from opened import load_test
from pages import commands
from serving import call, running
from shapes import CLASSES, draw_photos, draw_shape, write_idx
from short import train_here

if TYPE_CHECKING:
    from playwright.sync_api import Browser

TINY = ("--batch-size", "16", "--validation", "0.2", "--precision", "float32", "--threads", "1")


@pytest.fixture(scope="module", autouse=True)
def exported_once() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        export_each_network_once(patch)
        yield


@pytest.fixture(scope="module")
def home(tmp_path_factory) -> Path:
    """A folder with photos, the data set made of them, and a run on it."""
    home = tmp_path_factory.mktemp("own")
    draw_photos(home / "photos", 24)
    own, run = str(home / "own"), str(home / "run")
    assert main(["data", "import", str(home / "photos"), "--output", own]) == 0
    assert main(["train", "fast", "--epochs", "12", "--data-dir", own, "--output", run, *TINY]) == 0
    assert main(["export", run, "--data-dir", own, "--int8"]) == 0
    return home


@pytest.fixture
def run(home: Path) -> Run:
    return Run.open(home / "run")


def test_the_run_knows_its_classes(run: Run, home: Path) -> None:
    assert class_names_of(run) == CLASSES
    assert run.split["data"] == "own"
    manifest = json.loads((home / "own/dataset.json").read_text())
    sums = {name: one["sha256"] for name, one in manifest["files"].items()}
    assert run.environment["data_sha256"] == sums
    assert run.checkpoints.load("best").model["output.weight"].shape[0] == 3
    assert reproduce(run).endswith(f"--data-dir {home}/own")


def test_the_results_are_of_three_classes(run: Run, home: Path) -> None:
    metrics, n = run.results.metrics, len(load_test(home / "own"))
    assert metrics.class_names == CLASSES
    result = metrics.shown
    assert result.split == "test"
    assert result.n == n == sum(map(sum, result.confusion))
    assert [len(row) for row in result.confusion] == [3, 3, 3]
    assert tuple(one.name for one in result.per_class) == CLASSES
    assert result.accuracy > 0.8
    assert run.results.predictions.probabilities.shape == (n, 3)
    matrix = list(csv.reader((run.path / "confusion_matrix.csv").read_text().splitlines()))
    assert matrix[0][1:] == [row[0] for row in matrix[1:]] == list(CLASSES)
    report = (run.path / "classification_report.txt").read_text()
    page = (run.path / "report.html").read_text()
    for name in CLASSES:
        assert name in report
        assert name.replace("&", "&amp;") in page
    assert not re.search(r"Trouser|Pullover|Sandal", page + report)


def test_the_report_and_another_evaluation_come_from_the_same_data(run: Run, home: Path) -> None:
    before = run.results.metrics
    assert main(["evaluate", str(run.path), "--data-dir", str(home / "own"), "--threads", "1"]) == 0
    assert before.best
    assert run.results.metrics.best == before.best
    page = home / "page.html"
    words = ["--data-dir", str(home / "own"), "--heat-maps", "--layers", "--output", str(page)]
    assert main(["report", str(run.path), *words]) == 0
    assert 'id="layers-data"' in page.read_text()


def test_runs_on_it_are_compared_and_go_on(run: Run, home: Path, capsys, monkeypatch) -> None:
    monkeypatch.chdir(home)
    again = ["train", "fast", "--data-dir", "own", "--output", "other", *TINY]
    assert main([*again, "--epochs", "1", "--seed", "1"]) == 0
    advice = shlex.split(capsys.readouterr().err.split("to go on: ")[1])
    assert main(["compare", "run", "other"]) == 0
    assert f"\n{CLASSES[2]}  " in capsys.readouterr().out
    assert advice[-2:] == ["--data-dir", str(home / "own")]
    assert main(advice[1:]) == 0
    assert len(Run("other").history) == 2


def test_data_that_the_environment_names_are_in_what_is_to_be_typed(
    home: Path, capsys, monkeypatch
) -> None:
    monkeypatch.chdir(home)
    monkeypatch.setenv("FASHION_CNN_DATA", "own")
    assert main(["train", "fast", "--output", "named", "--epochs", "1", *TINY]) == 0
    words = ["--data-dir", str(home / "own")]
    assert shlex.split(capsys.readouterr().err.split("to go on: ")[1])[-2:] == words
    assert reproduce(Run("named")).endswith(shlex.join(words))
    space = ["--search", "lr=0.01,0.02", "--trials", "1", "--epochs", "1", "--output", "searched"]
    assert main(["tune", "fast", *space, *TINY]) == 0
    best = json.loads(Path("searched/search.json").read_text())["best"]["command"]
    assert best[best.index("--data-dir") + 1] == "own"
    study = {
        "recipe": "fast",
        "seeds": [0],
        "measure": "validation",
        "variants": {"it": {"epochs": 1, "batch_size": 16, "validation": 0.2}},
    }
    monkeypatch.setattr("fashion_cnn.studies.study._wait_for", train_here)
    (row,) = api.study(study, "studied", threads=1)["runs"]
    assert row["command"][row["command"].index("--data-dir") + 1] == "own"


def test_a_folder_called_fashion_mnist_may_hold_others(home: Path, tmp_path) -> None:
    folder = tmp_path / "Fashion-MNIST"
    shutil.copytree(home / "own", folder)
    record = folder / "dataset.json"
    record.write_text(json.dumps({**json.loads(record.read_text()), "name": "Fashion-MNIST"}))
    words = ["--data-dir", str(folder), "--output", str(tmp_path / "run"), "--epochs", "1"]
    assert main(["train", "fast", *words, *TINY]) == 0
    assert f"--data-dir {folder}" in reproduce(Run(tmp_path / "run"))


def test_what_repeats_a_run_leaves_out_what_decides_nothing(tmp_path) -> None:
    idle = {"warmup": 0.1, "schedule": "constant", "learning_rate": 0.01}
    run, _, _ = finished_run(tmp_path / "run", name="baseline", **idle)
    assert "--lr 0.01" in reproduce(run)
    assert "--warmup" not in reproduce(run)


def test_predictions_name_the_right_classes(run: Run, tmp_path, capsys) -> None:
    random = np.random.default_rng(7)
    files = [tmp_path / f"{kind}.png" for kind in (2, 0, 1)]
    for file in files:
        draw_shape(int(file.stem), random).save(file)
    words = ["--model", str(run.path), "--format", "json", "--top-k", "10"]
    assert main(["predict", *map(str, files), *words]) == 0
    found = json.loads(capsys.readouterr().out)
    assert [row["label"] for row in found] == [CLASSES[2], CLASSES[0], CLASSES[1]]
    assert {one["label"] for one in found[0]["top"]} == set(CLASSES)
    assert main(["predict", str(files[0]), "--model", str(run.path), "--format", "csv"]) == 0
    assert capsys.readouterr().out.splitlines()[0].endswith(",".join(["error", *CLASSES]))


def test_a_server_of_its_model_is_ready(run: Run) -> None:
    model = open_model(run.path, threads=1)
    assert model.facts["data"] == "own"
    assert model.class_names == CLASSES
    desk = Desk(Predictor(model), 1)
    desk.check()
    assert OnnxClassifier.open(PRETRAINED, 1).facts["data"] == "Fashion-MNIST"


def test_the_page_speaks_of_its_model(run: Run, chromium: "Browser", tmp_path) -> None:
    draw_shape(0, np.random.default_rng(3)).save(tmp_path / "bar.png")
    with running(run.path) as port:
        page = chromium.new_page()
        page.goto(f"http://127.0.0.1:{port}/")
        page.locator("#model", has_text="test images of own right. It knows 3 classes").wait_for()
        assert not page.locator("#samples img").first.is_visible()
        assert not page.locator("#samples-title").is_visible()
        page.set_input_files("#file", str(tmp_path / "bar.png"))
        page.locator("#headline", has_text="Bar").wait_for()
        assert page.locator("#bars > li").count() == 3
        page.close()
        answer = call(port, "POST", "/v1/predict?top_k=4", (tmp_path / "bar.png").read_bytes())
        assert answer[0] == 422, "there are three"


def test_the_audit_is_of_the_data_it_is_given(run: Run, home: Path, capsys) -> None:
    words = ["data", "audit", "--run", str(run.path), "--output", str(home / "audit")]
    assert main([*words, "--data-dir", str(home / "own")]) == 0
    page = (home / "audit/audit.html").read_text()
    assert "Audit of own" in page
    assert CLASSES[0] in page
    write_idx(home / "digits", 3)
    assert main(["data", "adopt", str(home / "digits")]) == 0
    assert "is a run on own" in fails(capsys, 3, *words, "--data-dir", str(home / "digits"))


COMMANDS = ("evaluate", "report", "export", "benchmark infer", "train --resume --output")


@pytest.mark.parametrize("command", COMMANDS)
def test_a_run_finds_its_data_where_they_were(
    run: Run, home: Path, real_data, tmp_path, command: str, monkeypatch
) -> None:
    shutil.copytree(run.path, tmp_path / "run", symlinks=True)
    monkeypatch.setenv("FASHION_CNN_DATA", str(real_data))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("fashion_cnn.benchmark._IMAGES", 32)
    monkeypatch.setattr("fashion_cnn.benchmark._SINGLES", 8)
    words = ["--rounds", "1"] if "infer" in command else []
    assert main([*command.split(), "run", *words]) == 0


@pytest.mark.parametrize("command", COMMANDS)
def test_other_data_are_refused(
    run: Run, real_data, tmp_path, capsys, command: str, monkeypatch
) -> None:
    moved = tmp_path / "run"
    shutil.copytree(run.path, moved, symlinks=True)
    split = moved / "split.json"
    split.write_text(split.read_text().replace(str(run.split["data_dir"]), "/nowhere/own"))
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("FASHION_CNN_DATA", raising=False)
    error = fails(capsys, 3, *command.split(), "run")
    assert "is a run on own, whose images are not found; they were in /nowhere/own" in error
    monkeypatch.setenv("FASHION_CNN_DATA", str(real_data))
    error = fails(capsys, 3, *command.split(), "run")
    assert "is a run on own" in error
    assert "holds Fashion-MNIST" in error
    assert "--data-dir FOLDER" in error


def test_a_run_does_not_go_on_with_other_data(run: Run, home: Path, capsys) -> None:
    folder = home / "digits"
    write_idx(folder, 3)
    assert main(["data", "adopt", str(folder)]) == 0
    words = ["--resume", "--output", str(run.path), "--epochs", "13"]
    assert "is a run on own" in fails(capsys, 3, "train", *words, "--data-dir", str(folder))


def test_fields_of_other_class_counts_are_refused(home: Path, capsys, tmp_path) -> None:
    words = ["train", "--data-dir", str(home / "own"), "--output", str(tmp_path / "run"), *TINY]
    error = fails(capsys, 2, *words, "--class-weights", ",".join("1" * 10))
    assert "class_weights has 10 numbers; the data set has 3 classes" in error
    error = fails(capsys, 2, *words, "--flip", "--augment-classes", "3")
    assert "3 classes, 0 to 2" in error
    assert not (tmp_path / "run").exists()


def test_every_augmentation_takes_three_classes(home: Path, tmp_path) -> None:
    """Mixing, outliers and the imitation of photos make labels of their own."""
    flags = "--epochs 1 --cutmix 0.5 --outliers 0.3 --photo 0.5 --flip --cutout 4"
    flags += " --class-weights 1,2,1 --augment-classes 0,2 --label-smoothing 0.1"
    words = ["--data-dir", str(home / "own"), "--output", str(tmp_path / "run"), "--no-test"]
    assert main(["train", "fast", *words, *TINY, *flags.split()]) == 0


def test_a_study_on_it_has_no_columns_for_clothes() -> None:
    rows = [{"class_accuracy": dict.fromkeys(CLASSES, 0.5)}]
    assert quantities({"runs": rows}) == ["accuracy", "ECE"]
    assert "Shirt" in quantities({"runs": [{"class_accuracy": {"Shirt": 0.5}}]})


def test_keras_trains_on_it(home: Path, tmp_path) -> None:
    output = tmp_path / "run"
    words = ["--data-dir", str(home / "own"), "--output", str(output), *TINY]
    flags = ["--epochs", "2", "--label-smoothing", "0.1", "--class-weights", "1,2,1"]
    assert main(["train", "--framework", "keras", *words[:-2], *flags]) == 0
    run = Run(output)
    assert run.results.metrics.class_names == CLASSES
    assert run.checkpoints.load("best").model["output.weight"].shape == (3, 128)


def test_a_run_that_records_no_classes_is_of_fashion_mnist(tmp_path, real_data, run: Run) -> None:
    old, _, _ = finished_run(tmp_path / "old")
    assert "class_names" not in old.split
    assert class_names_of(old) == CLASS_NAMES
    check_same_data(old, DataSet.open(real_data))
    with pytest.raises(DataError, match="is a run on own"):
        check_same_data(run, DataSet.open(real_data))
    split = old.split
    for names in ("abc", ["a"], ["a", "a"], [1, 2], None, {"a": 1, "b": 2}):
        old.describe(old.environment, {**split, "class_names": names})
        with pytest.raises(UsageError, match="does not say what its classes are|class_names"):
            class_names_of(old)


def test_a_page_of_many_classes_stays_small(tmp_path) -> None:
    names = tuple(f"class {number}" for number in range(300))
    splits = [
        dataclasses.replace(
            make_split(count, seed), class_names=names, labels=np.arange(count) % 300
        )
        for count, seed in ((1200, 1), (800, 2))
    ]
    run, metrics, images = finished_run(tmp_path / "run", test=splits[0], validation=splits[1])
    page = make_report(run, metrics, images)
    assert "The 40 classes with most mistakes of 300" in page
    assert len(page) < 3e6
    draw_run(run, metrics)
    without_the_first = images.select(np.flatnonzero(images.labels))
    assert sample_grid(without_the_first, 2, 0).startswith(b"\x89PNG")


def test_the_guides_commands_work(tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    draw_photos(tmp_path / "photos", 24)
    draw_shape(1, np.random.default_rng(1)).save(tmp_path / "new.jpg")
    write_idx(tmp_path / "mnist", 10, 600)
    (tmp_path / "kaggle").mkdir()
    rows = [",".join(map(str, [label % 10, *[label] * 784])) for label in range(100)]
    (tmp_path / "kaggle/train.csv").write_text("\n".join(rows))
    for words in commands("docs/own-data.md"):
        assert main(words) == 0, words
    assert class_names_of(Run("runs/clothes")) == CLASSES
    assert class_names_of(Run("runs/digits")) == tuple("0123456789")
