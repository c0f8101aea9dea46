"""Evaluate a run: its best and its final checkpoint, on validation and on test."""

import csv
import io
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import classification_report

from fashion_cnn.classifier import Classifier
from fashion_cnn.data.fashion_mnist import CLASS_NAMES
from fashion_cnn.data.split import Split
from fashion_cnn.evaluation.metrics import log_softmax, measure, most_confused
from fashion_cnn.run.folder import Run
from fashion_cnn.run.history import best_record


def evaluate_run(
    run: Run,
    open_classifier: Callable[[str], Classifier],
    validation: Split,
    open_test: Callable[[], Split],
    *,
    status: str,
    step: int,
    epochs: float,
    seconds: float,
) -> dict[str, Any]:
    """Evaluate the best and the final checkpoint; write the report, the matrix, the predictions.

    The report, the confusion matrix and the predictions speak of the best checkpoint, or of the
    final one where no epoch was finished.

    Args:
        run: locked; its history says which epoch is best.
        open_classifier: gives the classifier of "best" or "final".
        validation: the validation part.
        open_test: opens the test set; called once, after that was written down.
        status: how training ended, for `metrics.json`.
        step, epochs, seconds: of training until the final checkpoint; a stop inside an epoch
            makes `epochs` a fraction.

    Returns:
        What `metrics.json` is to hold. The caller writes it when all other results are there.
    """
    history = run.history
    best = best_record(history)
    readings = run.record_test_reading(status=status, step=step)
    test = open_test()
    results: dict[str, Any] = {"best": None, "final": None}
    test_logits: dict[str, NDArray[np.float32]] = {}
    for name in ("best", "final") if best else ("final",):
        classifier = open_classifier(name)
        test_logits[name] = classifier.logits(test.images)
        validation_logits = classifier.logits(validation.images)
        results[name] = {
            "step": best.step if best and name == "best" else step,
            "epoch": best.epoch if best and name == "best" else round(epochs, 4),
            "validation": measure(
                validation_logits, validation.labels, CLASS_NAMES, "validation"
            ).to_dict(),
            "test": measure(test_logits[name], test.labels, CLASS_NAMES, "test").to_dict(),
        }
    shown = "best" if best else "final"
    metrics = {
        "status": status,
        "framework": run.environment["framework"],
        "class_names": list(CLASS_NAMES),
        "test_readings": readings,
        "best_is": "the epoch of lowest validation loss",
        "reports_speak_of": shown,
        "training_seconds": seconds,
        **results,
    }
    _write_report(run, metrics, test_logits[shown], test.labels)
    return metrics


def _write_report(
    run: Run, metrics: dict[str, Any], logits: NDArray[np.float32], labels: NDArray[np.int64]
) -> None:
    shown = metrics["reports_speak_of"]
    predicted = logits.argmax(1)
    arguments: dict[str, Any] = {
        "labels": range(len(CLASS_NAMES)),
        "target_names": CLASS_NAMES,
        "zero_division": 0.0,
    }
    title = (
        f"Test set, {len(labels):,} images, {shown} checkpoint "
        f"(step {metrics[shown]['step']}, epoch {metrics[shown]['epoch']:g})\n\n"
    )
    text = classification_report(labels, predicted, digits=4, **arguments)
    values = classification_report(labels, predicted, output_dict=True, **arguments)
    confusion = metrics[shown]["test"]["confusion"]
    pairs = "".join(
        f"  {count:>4}  {CLASS_NAMES[a]} and {CLASS_NAMES[b]} ({confusion[a][b]} one way, "
        f"{confusion[b][a]} the other)\n"
        for count, a, b in most_confused(confusion, 5)
    )
    text = f"{title}{text}\nMost often taken for each other:\n{pairs}"
    run.record_report(text, {"checkpoint": shown, **dict(values)})  # type: ignore[arg-type]
    header = ["true \\ predicted", *CLASS_NAMES]
    run.record_confusion(
        _csv([header, *([name, *row] for name, row in zip(CLASS_NAMES, confusion, strict=True))])
    )
    probabilities = np.exp(log_softmax(logits))
    columns = ["index", "label", "predicted", "confidence", *(f"p{i}" for i in range(10))]
    rows = [
        [index, label, guess, f"{row.max():.6f}", *(f"{p:.6f}" for p in row)]
        for index, (label, guess, row) in enumerate(
            zip(labels, predicted, probabilities, strict=True)
        )
    ]
    run.record_predictions(_csv([columns, *rows]))


def _csv(rows: Sequence[Sequence[object]]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue()
