"""Learning from another model's answers: what is mixed, what is refused, resumed to the bit."""

import dataclasses
import hashlib
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from conftest import make_split
from fashion_cnn.classifier import Teacher
from fashion_cnn.cli import main
from fashion_cnn.errors import ModelError, UsageError
from fashion_cnn.on_torch.batches import taught
from fashion_cnn.recipes.recipe import Recipe
from fashion_cnn.run.folder import Run
from fashion_cnn.shipping.predict import PRETRAINED, open_model
from fashion_cnn.shipping.teacher import knows_validation, open_teacher
from test_train import SHORT, content, go, timeless

TINY = (
    "--train-images",
    "200",
    "--batch-size",
    "50",
    "--validation",
    "0.02",
    "--epochs",
    "1",
    "--threads",
    "1",
)


class Bars:
    """Knows the bright bars of `make_split`, whatever noise there is on them."""

    def probabilities(self, images: np.ndarray) -> np.ndarray:
        rows = images[:, :, 4:24].mean(2, dtype=np.float32)
        bars = np.stack([rows[:, 2 * k + 3 : 2 * k + 6].mean(1) for k in range(10)], axis=1)
        return np.eye(10, dtype=np.float32)[bars.argmax(1)]


def test_the_answer_and_the_label_share_the_target() -> None:
    split = make_split(20)
    images, labels = torch.from_numpy(split.images), torch.from_numpy(split.labels)
    wrong = (labels + 1) % 10
    found = taught(images, wrong, Bars(), 0.75)
    assert found.dtype == torch.float32
    rows = torch.arange(20)
    assert (found[rows, labels] == 0.75).all()
    assert (found[rows, wrong] == 0.25).all()
    assert (found.sum(1) == 1).all()
    mixed = torch.full((20, 10), 0.1)
    torch.testing.assert_close(
        taught(images, mixed, Bars(), 0.5), 0.05 + 0.5 * torch.eye(10)[labels]
    )


def test_a_network_learns_what_the_labels_do_not_say(small_data, tmp_path) -> None:
    """The labels are of the next class; only a teacher tells the right one."""
    training = small_data.training
    wrong = dataclasses.replace(training, labels=(training.labels + 1) % 10)
    data = dataclasses.replace(small_data, training=wrong)
    with_teacher = dataclasses.replace(data, teacher=Bars())
    recipe = SHORT.replace(epochs=6)
    alone = go(recipe, data, tmp_path / "alone")
    recipe = recipe.replace(teacher="bars", distill=1.0)
    learned = go(recipe, with_teacher, tmp_path / "taught")
    assert alone.history[-1].val_accuracy < 0.1
    assert learned.history[-1].val_accuracy > 0.9


@pytest.mark.parametrize("teacher", [Bars(), open_model(threads=1)], ids=["by hand", "ONNX"])
def test_it_resumes_to_the_same_bits(small_data, tmp_path, teacher: Teacher) -> None:
    recipe = SHORT.replace(teacher="bars", flip=True, cutmix=0.5)
    data = dataclasses.replace(small_data, teacher=teacher)
    whole = go(recipe, data, tmp_path / "whole")
    go(recipe, data, tmp_path / "run", stop=7)
    run = go(recipe, data, tmp_path / "run", resume=True)
    assert content(run) == content(whole)
    assert timeless(run) == timeless(whole)
    with pytest.raises(UsageError, match="the data come without it"):
        go(recipe, small_data, tmp_path / "run", resume=True)


@pytest.fixture(scope="module")
def exported(few_data, tmp_path_factory) -> Path:
    """A run of seed 1, exported."""
    folder = tmp_path_factory.mktemp("teacher") / "run"
    where = ("--data-dir", str(few_data))
    assert main(["train", "fast", *TINY, "--seed", "1", "--output", str(folder), *where]) == 0
    assert main(["export", str(folder), *where]) == 0
    return folder


@pytest.fixture
def home(monkeypatch, few_data, tmp_path, exported) -> Path:
    """Where teacher/ is the exported run."""
    monkeypatch.setenv("FASHION_CNN_DATA", str(few_data))
    monkeypatch.chdir(tmp_path)
    shutil.copytree(exported, "teacher", symlinks=True)
    return tmp_path


def test_the_run_says_whom_it_learned_from(home, capsys) -> None:
    words = ["train", "fast", *TINY, "--no-test"]
    assert main([*words, "--output", "alone"]) == 0
    assert main([*words, "--output", "run", "--teacher", "teacher", "--distill", "0.8"]) == 0
    said = "learning 80 % from teacher, the rest from the labels"
    assert f"{said}; trained with another seed" in capsys.readouterr().err
    alone, run = Run(Path("alone")), Run(Path("run"))
    assert content(alone) != content(run), "the labels are not all"
    digest = hashlib.sha256(Path("teacher/model.onnx").read_bytes()).hexdigest()
    assert run.recipe.teacher_sha256 == digest
    assert run.split["validation_seen_before"]
    assert run.environment["onnxruntime"]
    assert main([*words, "--seed", "1", "--output", "same", "--teacher", "teacher"]) == 0
    assert f"{said.replace('80', '90')}\n" in capsys.readouterr().err
    assert "validation_seen_before" not in Run(Path("same")).split

    # Whom it taught saw those images too, as far as anyone can tell.
    assert main(["evaluate", "run"]) == 0
    assert main(["export", "run"]) == 0
    assert main([*words, "--output", "third", "--teacher", "run"]) == 0
    assert "validation figures will flatter" in capsys.readouterr().err


def test_a_run_goes_on_with_its_own_teacher_and_no_other(home, capsys) -> None:
    words = ["train", "fast", *TINY, "--no-test", "--teacher", "teacher", "--output", "run"]
    assert main(words) == 0
    assert main(["train", "--resume", "--epochs", "2", "--output", "teacher", "--no-test"]) == 0
    assert main([*words, "--overwrite"]) == ModelError.exit_code
    assert "is not of the checkpoint that" in capsys.readouterr().err
    more = ["train", "--resume", "--output", "run", "--epochs"]
    assert main([*more, "2"]) == 0, "the file is what it was"
    assert len(Run(Path("run")).history) == 2

    shutil.copy(PRETRAINED, "teacher/model.onnx")
    assert main([*more, "3"]) == ModelError.exit_code
    assert "teacher/model.onnx is not the file that was exported" in capsys.readouterr().err
    Path("teacher/export.json").unlink()
    assert main([*more, "3"]) == ModelError.exit_code
    assert "is not the model that teacher_sha256 names" in capsys.readouterr().err
    Path("teacher/model.onnx").unlink()
    assert main([*more, "3"]) == ModelError.exit_code
    assert "teacher/model.onnx" in capsys.readouterr().err.splitlines()[-1]
    assert len(Run(Path("run")).history) == 2


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        ("--teacher teacher --output teacher --overwrite", 2, "which the new run would replace"),
        ("--teacher empty", 3, "the teacher cannot be opened: empty"),
        ("--teacher nowhere", 3, "nowhere"),
        ("--teacher pretrained --framework keras --model simple_cnn", 2, "which Keras does not do"),
        ("--distill 0.5", 2, "distill is 0.5, but there is no teacher"),
    ],
)
def test_what_cannot_be_is_said_before_anything_is_written(
    home, capsys, words: str, code: int, said: str
) -> None:
    Path("empty").mkdir()
    before = sorted(home.rglob("*"))
    assert main(["train", *TINY, *words.split()]) == code
    assert said in capsys.readouterr().err.splitlines()[-1]
    assert sorted(home.rglob("*")) == before


def test_the_model_in_the_package_is_no_folder(home) -> None:
    words = ["train", "fast", *TINY, "--no-test", "--teacher", "pretrained"]
    assert main([*words, "--output", "pretrained"]) == 0


def test_a_teacher_of_other_classes_is_refused() -> None:
    names = [f"{k}" for k in range(10)]
    with pytest.raises(ModelError, match="T-shirt/top, .* not the classes of this data set"):
        open_teacher(Recipe(teacher="pretrained"), names, 1)


def test_figures_that_flatter_are_told_apart() -> None:
    """The model in the package trained on all but its own thousand validation images."""
    teacher = open_model(threads=1)
    before = teacher.facts["recipe"]
    same = Recipe(seed=before["seed"], validation=before["validation"])
    data = teacher.facts["data_sha256"]
    assert not knows_validation(teacher, same, data)
    assert knows_validation(teacher, same.replace(seed=before["seed"] + 1), data)
    assert knows_validation(teacher, same.replace(validation=0.5), data)
    assert not knows_validation(teacher, same.replace(validation=0.5), json.loads("{}"))


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"teacher_sha256": "0" * 64}, "teacher_sha256 is 0+, but there is no teacher"),
        ({"teacher": "x", "teacher_sha256": "0"}, "it must be 64 hexadecimal digits, or empty"),
        ({"teacher": "x", "outliers": 0.1}, "outliers is 0.1, but a teacher would give images"),
        ({"teacher": "x", "distill": 1.1}, "distill is 1.1"),
    ],
)
def test_what_contradicts_itself_is_refused(fields: dict, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        Recipe(**fields)
