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
from fashion_cnn.cli import main
from fashion_cnn.errors import ModelError, UsageError
from fashion_cnn.on_torch.train import taught
from fashion_cnn.recipes.recipe import Recipe
from fashion_cnn.run.folder import Run
from fashion_cnn.shipping.predict import open_model, pretrained_model
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
    recipe = SHORT.replace(epochs=6, teacher="bars", distill=1.0)
    alone = go(recipe, data, tmp_path / "alone")
    learned = go(recipe, with_teacher, tmp_path / "taught")
    assert alone.history[-1].val_accuracy < 0.1
    assert learned.history[-1].val_accuracy > 0.9


def test_it_resumes_to_the_same_bits(small_data, tmp_path) -> None:
    recipe = SHORT.replace(teacher="bars", flip=True, mixup=0.5)
    data = dataclasses.replace(small_data, teacher=Bars())
    whole = go(recipe, data, tmp_path / "whole")
    go(recipe, data, tmp_path / "run", stop=7)
    run = go(recipe, data, tmp_path / "run", resume=True)
    assert content(run) == content(whole)
    assert timeless(run) == timeless(whole)


def test_the_run_says_which_file_and_goes_on_with_no_other(
    monkeypatch, few_data, tmp_path, capsys
) -> None:
    monkeypatch.setenv("FASHION_CNN_DATA", str(few_data))
    monkeypatch.chdir(tmp_path)
    shutil.copy(pretrained_model(), "teacher.onnx")
    words = ["train", "fast", *TINY, "--teacher", "teacher.onnx", "--output", "run"]
    assert main([*words, "--distill", "0.8"]) == 0
    err = capsys.readouterr().err
    assert "learning 80 % from teacher.onnx, the rest from the labels\n" in err
    digest = hashlib.sha256(Path("teacher.onnx").read_bytes()).hexdigest()
    assert Run("run").recipe.teacher_sha256 == digest

    assert main(["train", "--resume", "--epochs", "2", "--output", "run"]) == 0
    assert len(Run("run").history) == 2
    Path("teacher.onnx").unlink()
    assert main(["train", "--resume", "--epochs", "3", "--output", "run"]) == ModelError.exit_code
    assert "teacher.onnx" in capsys.readouterr().err.splitlines()[-1]
    assert len(Run("run").history) == 2

    again = ["train", "fast", *TINY, "--teacher", "pretrained"]
    other = ["--teacher-sha256", "0" * 64, "--output", "other"]
    assert main([*again, *other]) == ModelError.exit_code
    assert "is not the model that teacher_sha256 names" in capsys.readouterr().err
    assert not Path("other").exists()

    shutil.copy(pretrained_model(), "run/model.onnx")
    inside = ["train", "fast", *TINY, "--teacher", "run/model.onnx", "--output", "run"]
    assert main([*inside, "--overwrite"]) == 2
    assert "which the new run would replace" in capsys.readouterr().err
    keras = ["train", *TINY, "--teacher", "pretrained", "--framework", "keras"]
    assert main(keras) == 2
    assert "teacher is " in capsys.readouterr().err


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
        ({"teacher_sha256": "0" * 64}, "teacher_sha256 is given without a teacher"),
        ({"teacher": "x", "teacher_sha256": "0"}, "it must be 64 hexadecimal digits, or empty"),
        ({"teacher": "x", "outliers": 0.1}, "outliers is 0.1, but a teacher would be sure"),
        ({"teacher": "x", "distill": 1.1}, "distill is 1.1"),
    ],
)
def test_what_contradicts_itself_is_refused(fields: dict, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        Recipe(**fields)
