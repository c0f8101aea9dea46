"""Evaluate a run: its best and its final checkpoint, on validation and on test."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import classification_report

from fashion_cnn.classifier import Classifier
from fashion_cnn.data.split import Split
from fashion_cnn.evaluation.calibration import Calibration, fit
from fashion_cnn.evaluation.errors import error_rows
from fashion_cnn.evaluation.metrics import measure, most_confused
from fashion_cnn.evaluation.reliability import measure_calibration
from fashion_cnn.run.files import to_csv
from fashion_cnn.run.folder import Run
from fashion_cnn.run.history import best_record
from fashion_cnn.run.predictions import Predictions


@dataclass(frozen=True)
class Standing:
    """How far training came.

    Attributes:
        status: "finished", "stopped early" or "interrupted".
        step: optimiser steps.
        epochs: a stop inside an epoch makes it a fraction.
        seconds: of training and validation.
    """

    status: str
    step: int
    epochs: float
    seconds: float


def evaluate_run(
    run: Run,
    open_classifier: Callable[[str], Classifier],
    validation: Split,
    open_test: Callable[[], Split] | None,
    standing: Standing,
    *,
    tta: bool = False,
) -> dict[str, Any]:
    """Evaluate the best and the final checkpoint; calibrate; write report, matrix, predictions.

    Those speak of the checkpoint that the recipe's `answer` names, or of the final one where no
    epoch was finished; and of the test set, or of the validation part where that stays sealed.

    Args:
        run: locked; its history says which epoch is best.
        open_classifier: gives the classifier of "best" or "final".
        validation: the validation part.
        open_test: opens the test set; called once, after that was written down. None leaves the
            test set sealed.
        standing: of the final checkpoint.
        tta: also measure the checkpoint that the report speaks of with test-time augmentation,
            the mean over each image and its mirror image: the key "tta".

    Returns:
        What `metrics.json` is to hold. The caller writes it when all other results are there.
    """
    best = best_record(run.history)
    parts = {"validation": validation}
    if open_test:
        run.record_test_reading(status=standing.status, step=standing.step)
        parts["test"] = open_test()
    results: dict[str, Any] = {"best": None, "final": None, "tta": None}
    shown_logits: dict[str, NDArray[np.float32]] = {}
    predicted: dict[str, NDArray[np.int64]] = {}
    shown = run.answering
    part_shown = "test" if open_test else "validation"
    scored: dict[int, tuple[Classifier, dict[str, NDArray[np.float32]]]] = {}
    for name in ("best", "final") if best else ("final",):
        where = {"step": standing.step, "epoch": round(standing.epochs, 4)}
        if best and name == "best":
            where = {"step": best.step, "epoch": best.epoch}
        if where["step"] not in scored:  # the last epoch may be the best one
            classifier = open_classifier(name)
            scores = {part: classifier.logits(split.images) for part, split in parts.items()}
            scored[where["step"]] = classifier, scores
        classifier, scores = scored[where["step"]]
        results[name] = {**where, "test": None, **_measure(scores, parts)}
        predicted[name] = scores[part_shown].argmax(1)
        if name == shown:
            shown_logits = scores
            if tta:
                both = {
                    part: (scores[part] + classifier.logits(np.flip(split.images, axis=2)))
                    * np.float32(0.5)
                    for part, split in parts.items()
                }
                results["tta"] = {"of": name, **where, "test": None, **_measure(both, parts)}
    metrics = {
        "status": standing.status,
        "framework": run.environment["framework"],
        "class_names": list(validation.class_names),
        "test_readings": run.test_readings(),
        "best_is": "the epoch of lowest validation loss",
        "reports_speak_of": shown,
        "reports_speak_on": part_shown,
        "training_seconds": standing.seconds,
        **results,
    }
    calibration = fit(shown_logits["validation"], validation.labels, run.recipe.label_smoothing)
    logits, labels = shown_logits[part_shown], parts[part_shown].labels
    measured = measure_calibration(calibration, logits, labels, part_shown)
    run.record_calibration({"checkpoint": shown, **calibration, "measured": measured})
    _write_report(run, metrics, logits, labels)
    answer = Calibration.from_dict(calibration).answer(logits)
    predictions = Predictions(labels, answer.predicted, answer.probabilities)
    run.record_predictions(predictions)
    run.record_table("errors", to_csv(error_rows(predictions, validation.class_names)))
    run.record_table("answers", to_csv(_answers(labels, predicted)))
    return metrics


def _answers(
    labels: NDArray[np.int64], predicted: Mapping[str, NDArray[np.int64]]
) -> list[list[object]]:
    """Give a row an image with what each checkpoint says: the two can be compared in pairs."""
    columns = zip(labels.tolist(), *(of.tolist() for of in predicted.values()), strict=True)
    header: list[object] = ["index", "label", *predicted]
    return [header, *([index, *row] for index, row in enumerate(columns))]


def _measure(
    scores: Mapping[str, NDArray[np.float32]], parts: Mapping[str, Split]
) -> dict[str, Any]:
    return {
        part: measure(scores[part], split.labels, split.class_names, part).to_dict()
        for part, split in parts.items()
    }


def _write_report(
    run: Run, metrics: dict[str, Any], logits: NDArray[np.float32], labels: NDArray[np.int64]
) -> None:
    shown, part = metrics["reports_speak_of"], metrics["reports_speak_on"]
    names = metrics["class_names"]
    predicted = logits.argmax(1)
    arguments: dict[str, Any] = {
        "labels": range(len(names)),
        "target_names": names,
        "zero_division": 0.0,
    }
    title = (
        f"{part.capitalize()} set, {len(labels):,} images, {shown} checkpoint "
        f"(step {metrics[shown]['step']}, epoch {metrics[shown]['epoch']:g})\n\n"
    )
    text = classification_report(labels, predicted, digits=4, **arguments)
    values = classification_report(labels, predicted, output_dict=True, **arguments)
    confusion = metrics[shown][part]["confusion"]
    pairs = "".join(
        f"  {count:>4}  {names[a]} and {names[b]} ({confusion[a][b]} one way, "
        f"{confusion[b][a]} the other)\n"
        for count, a, b in most_confused(confusion, 5)
    )
    text = f"{title}{text}\nMost often taken for each other:\n{pairs}"
    run.record_report(text, {"checkpoint": shown, "split": part, **dict(values)})  # type: ignore[arg-type]
    header = ["true \\ predicted", *names]
    run.record_table(
        "confusion_matrix",
        to_csv([header, *([name, *row] for name, row in zip(names, confusion, strict=True))]),
    )
