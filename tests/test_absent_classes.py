"""Averages speak of the classes that there are images of."""

import dataclasses
import json
from typing import Any

import numpy as np
import pytest
from sklearn.metrics import classification_report

from fashion_cnn.cli import main
from fashion_cnn.data.fashion_mnist import CLASS_NAMES
from fashion_cnn.data.idx import to_idx
from fashion_cnn.evaluation import evaluate
from fashion_cnn.evaluation.class_report import class_report
from fashion_cnn.evaluation.compare import compare
from fashion_cnn.evaluation.metrics import measure
from fashion_cnn.reporting.comparison import comparison_text
from finished import finished_run


def test_the_macro_average_leaves_out_classes_without_images(tmp_path) -> None:
    run, metrics, images = finished_run(tmp_path / "run")
    names = metrics.class_names
    random = np.random.default_rng(0)
    labels = images.labels % 4
    logits = random.normal(size=(len(labels), 10)).astype(np.float32)
    logits[np.arange(len(labels)), labels] += 1
    shown = dataclasses.replace(metrics.answering, test=measure(logits, labels, names, "test"))
    evaluate._write_report(run, dataclasses.replace(metrics, **{metrics.reports_speak_of: shown}))
    values = json.loads((run.path / "classification_report.json").read_text())
    every: Any = classification_report(
        labels, logits.argmax(1), labels=range(10), output_dict=True, zero_division=0.0
    )
    for score in ("precision", "recall", "f1-score"):
        wanted = np.mean([every[str(k)][score] for k in range(4)])
        assert values["macro avg"][score] == pytest.approx(wanted)
        assert values["weighted avg"][score] == pytest.approx(every["weighted avg"][score])
        assert values[names[1]][score] == every["1"][score]
    assert values["absent"] == list(names[4:])
    text = (run.path / "classification_report.txt").read_text()
    row = next(line for line in text.splitlines() if "macro avg" in line)
    other = next(line for line in text.splitlines() if "weighted avg" in line)
    assert float(row.split()[3]) == pytest.approx(values["macro avg"]["recall"], abs=5e-5)
    assert [i for i, c in enumerate(row) if c == "."] == [
        i for i, c in enumerate(other) if c == "."
    ]
    assert len(row) == len(other)
    assert f"No image is of {', '.join(names[4:])}: the macro average is over the others." in text


@pytest.mark.parametrize("seed", range(3))
def test_with_all_classes_it_is_scikit_learns(seed: int) -> None:
    random = np.random.default_rng(seed)
    labels = random.permutation(np.arange(500) % 10)
    logits = random.normal(size=(500, 10)).astype(np.float32)
    logits[np.arange(500), labels] += seed
    logits[:, 3] -= 9 * (seed == 1)  # a class that is never answered
    text, values = class_report(measure(logits, labels, CLASS_NAMES, "test"))
    words: Any = {"labels": range(10), "target_names": CLASS_NAMES, "zero_division": 0.0}
    wanted: Any = classification_report(labels, logits.argmax(1), output_dict=True, **words)
    assert values.keys() == wanted.keys()
    for name, of in wanted.items():
        assert values[name] == pytest.approx(of), name
    assert text == classification_report(labels, logits.argmax(1), digits=4, **words)


def test_a_comparison_says_nothing_of_classes_without_images(tmp_path) -> None:
    runs = [finished_run(tmp_path / name, seed=seed)[0] for seed, name in enumerate("ab")]
    for run in runs:
        there = run.results.predictions
        run.results.write_predictions(dataclasses.replace(there, labels=there.labels % 4))
    text = comparison_text(compare(runs))
    rows = [line for line in text.splitlines() if line.startswith(f"| {CLASS_NAMES[4]} |")]
    assert rows == [f"| {CLASS_NAMES[4]} | no image | |"]
    assert "nan" not in text


def test_a_folder_adopted_as_it_is_says_which_classes_a_part_lacks(tmp_path, capsys) -> None:
    for part, labels in (("train", range(4)), ("t10k", range(0, 4, 2))):
        labels = np.repeat(np.array(labels, np.uint8), 3)
        (tmp_path / f"{part}-labels-idx1-ubyte").write_bytes(to_idx(labels))
        images = np.zeros((len(labels), 28, 28), np.uint8)
        (tmp_path / f"{part}-images-idx3-ubyte").write_bytes(to_idx(images))
    assert main(["data", "adopt", str(tmp_path)]) == 0
    said = capsys.readouterr().err
    assert "class 1 has no image to test\nclass 3 has no image to test\n" in said
    assert "to train\n" not in said


def test_a_class_may_be_called_as_a_word_of_the_report_is() -> None:
    names = ("accuracy", "macro avg", "split", "split (class)")
    logits = 9 * np.eye(4, dtype=np.float32)[[0, 1, 2, 3, 3]]
    text, values = class_report(measure(logits, np.array([0, 1, 2, 3, 2]), names, "test"))
    assert values["accuracy"] == 0.8
    assert values["accuracy (class)"]["recall"] == 1
    assert values["macro avg (class)"]["support"] == 1
    assert values["split (class)"]["recall"] == 1
    assert values["split (class) (class)"]["recall"] == 0.5
    assert "split" not in values, "the writer's"
    assert [line.split()[0] for line in text.splitlines()[2:4]] == ["accuracy", "macro"]
