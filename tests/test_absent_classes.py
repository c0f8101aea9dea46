"""Averages speak of the classes that there are images of."""

import dataclasses
import json
from typing import Any

import numpy as np
import pytest
from sklearn.metrics import classification_report

from fashion_cnn.data.fashion_mnist import CLASS_NAMES
from fashion_cnn.evaluation import evaluate
from fashion_cnn.evaluation.class_report import class_report
from fashion_cnn.evaluation.metrics import measure
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
