"""Averages speak of the classes that there are images of."""

import json

import numpy as np
import pytest
from sklearn.metrics import classification_report

from fashion_cnn.evaluation import evaluate
from finished import finished_run


def test_the_macro_average_leaves_out_classes_without_images(tmp_path) -> None:
    run, metrics, images = finished_run(tmp_path / "run")
    random = np.random.default_rng(0)
    labels = images.labels % 4
    logits = random.normal(size=(len(labels), 10)).astype(np.float32)
    logits[np.arange(len(labels)), labels] += 1
    evaluate._write_report(run, metrics, logits, labels)
    values = json.loads((run.path / "classification_report.json").read_text())
    every = classification_report(
        labels, logits.argmax(1), labels=range(10), output_dict=True, zero_division=0.0
    )
    names = metrics.class_names
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


def test_with_all_classes_it_is_scikit_learns(tmp_path) -> None:
    run, metrics, images = finished_run(tmp_path / "run")
    logits = np.eye(10, dtype=np.float32)[(images.labels + (images.labels == 3)) % 10]
    evaluate._write_report(run, metrics, logits, images.labels)
    values = json.loads((run.path / "classification_report.json").read_text())
    assert "absent" not in values
    assert values["macro avg"]["recall"] == pytest.approx(0.9)
    text = (run.path / "classification_report.txt").read_text()
    assert "No image is of" not in text
