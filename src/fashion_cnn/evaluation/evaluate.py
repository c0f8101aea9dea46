"""Evaluate a run: its best and its final checkpoint, on training, validation and test images."""

from collections.abc import Callable, Mapping
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from fashion_cnn.classifier import Classifier, with_mirror_images
from fashion_cnn.data.split import Split, TrainingData, stratified_sample
from fashion_cnn.evaluation.calibration import Calibration, fit
from fashion_cnn.evaluation.class_report import class_report
from fashion_cnn.evaluation.metrics import measure, most_confused
from fashion_cnn.evaluation.mistakes import mistake_rows
from fashion_cnn.evaluation.reliability import measure_calibration
from fashion_cnn.files import to_csv
from fashion_cnn.run.folder import Run
from fashion_cnn.run.history import Trained, best_record
from fashion_cnn.run.predictions import Predictions
from fashion_cnn.run.results import CheckpointMetrics, Metrics

TRAINING_IMAGES = 10_000
"""Of the training part at most so many are measured; to measure the rest would only take time."""
_Logits = Mapping[str, NDArray[np.float32]]
"""Of the images of a part, by its name."""


def evaluate_run(
    run: Run,
    open_classifier: Callable[[str], Classifier],
    data: TrainingData,
    open_test: Callable[[], Split] | None,
    trained: Trained,
    *,
    tta: bool = False,
) -> Metrics:
    """Evaluate the best and the final checkpoint; calibrate; write report, matrix, predictions.

    Those speak of the checkpoint that the recipe's `answer` names, or of the final one where no
    epoch was finished; and of the test set, or of the validation part where that stays sealed.

    Args:
        run: locked; its history says which epoch is best.
        open_classifier: gives the classifier of "best" or "final".
        data: the training part, of which a sample is measured, and the validation part.
        open_test: opens the test set; called once, after that was written down. None leaves the
            test set sealed.
        trained: up to the final checkpoint.
        tta: also measure the checkpoint that the report speaks of with test-time augmentation,
            the mean over each image and its mirror image.

    Returns:
        What `metrics.json` is to hold. The caller writes it when all other results are there.
    """
    parts = {"training": _sample(data.training), "validation": data.validation}
    best, answering = best_record(run.history), run.answering
    at: dict[str, tuple[int, float]] = {"best": (best.step, best.epoch)} if best else {}
    at["final"] = trained.step, round(trained.epochs, 4)
    names: dict[int, str] = {}
    for name, (step, _) in at.items():
        names.setdefault(step, name)  # the last epoch may be the best one
    classifiers = {step: open_classifier(name) for step, name in names.items()}
    weights = {step: run.checkpoints.sha256(name) for step, name in names.items()}
    if open_test:  # now that nothing is refused any more
        run.record_test_reading(status=trained.status, step=trained.step)
        parts["test"] = open_test()
    scored = {
        step: (one, {part: one.logits(split.images) for part, split in parts.items()})
        for step, one in classifiers.items()
    }
    found = {
        name: replace(_measure((step, epoch), scored[step][1], parts), sha256=weights[step])
        for name, (step, epoch) in at.items()
    }
    classifier, logits = scored[at[answering][0]]
    mirrored = {
        part: with_mirror_images(classifier, split.images, logits[part])
        for part, split in (parts.items() if tta else ())
        if part != "training"
    }
    metrics = Metrics(
        status=trained.status,
        framework=run.environment["framework"],
        class_names=data.validation.class_names,
        test_readings=run.test_readings(),
        best_is="the epoch of lowest validation loss",
        reports_speak_of=answering,
        reports_speak_on="test" if open_test else "validation",
        training_seconds=trained.seconds,
        best=found.get("best"),
        final=found["final"],
        tta=replace(_measure(at[answering], mirrored, parts), sha256=found[answering].sha256)
        if tta
        else None,
        run=run.fingerprint() or "",
    )
    _write_results(run, metrics, logits, parts)
    part = metrics.reports_speak_on
    predicted = {name: scored[step][1][part].argmax(1) for name, (step, _) in at.items()}
    run.results.write_table("answers", to_csv(_answers(parts[part].labels, predicted)))
    return replace(metrics, files=run.results.written())


def _sample(split: Split) -> Split:
    """At most `TRAINING_IMAGES`, the same ones each time, the classes in their shares."""
    if len(split) <= TRAINING_IMAGES:
        return split
    return split.select(stratified_sample(split.labels, TRAINING_IMAGES, 0, "measured"))


def _answers(
    labels: NDArray[np.int64], predicted: Mapping[str, NDArray[np.int64]]
) -> list[list[object]]:
    """Give a row an image with what each checkpoint says: the two can be compared in pairs."""
    columns = zip(labels.tolist(), *(of.tolist() for of in predicted.values()), strict=True)
    header: list[object] = ["index", "label", *predicted]
    return [header, *([index, *row] for index, row in enumerate(columns))]


def _measure(
    at: tuple[int, float], logits: _Logits, parts: Mapping[str, Split]
) -> CheckpointMetrics:
    found = {
        part: measure(logits[part], split.labels, split.class_names, part)
        for part, split in parts.items()
        if part in logits
    }
    return CheckpointMetrics(*at, found.get("test"), found["validation"], found.get("training"))


def _write_results(run: Run, metrics: Metrics, logits: _Logits, parts: Mapping[str, Split]) -> None:
    """Calibrate, and write all but `metrics.json`."""
    validation, part = parts["validation"], metrics.reports_speak_on
    shown, labels = logits[part], parts[part].labels
    fitted = fit(logits["validation"], validation.labels, run.recipe.label_smoothing)
    measured = measure_calibration(fitted, shown, labels, part)
    about = {"checkpoint": metrics.reports_speak_of, "sha256": metrics.answering.sha256}
    run.results.write_calibration({**about, **fitted, "measured": measured})
    _write_report(run, metrics)
    answer = Calibration.from_dict(fitted).answer(shown)
    predictions = Predictions(labels, answer.predicted, answer.probabilities)
    run.results.write_predictions(predictions)
    rows = mistake_rows(predictions, validation.class_names)
    run.results.write_table("errors", to_csv(rows))


def _write_report(run: Run, metrics: Metrics) -> None:
    checkpoint, part, names = (
        metrics.reports_speak_of,
        metrics.reports_speak_on,
        metrics.class_names,
    )
    title = (
        f"{part.capitalize()} set, {metrics.shown.n:,} images, {checkpoint} checkpoint "
        f"(step {metrics.answering.step}, epoch {metrics.answering.epoch:g})\n\n"
    )
    text, values = class_report(metrics.shown)
    confusion = metrics.shown.confusion
    pairs = "".join(
        f"  {count:>4}  {names[a]} and {names[b]} ({confusion[a][b]} one way, "
        f"{confusion[b][a]} the other)\n"
        for count, a, b in most_confused(confusion, 5)
        if count
    )
    text = f"{title}{text}"
    if pairs:
        text += f"\nMost often taken for each other:\n{pairs}"
    values = {"checkpoint": checkpoint, "split": part, **values}
    run.results.write_report(text, values)
    rows = [[name, *row] for name, row in zip(names, confusion, strict=True)]
    run.results.write_table("confusion_matrix", to_csv([["true \\ predicted", *names], *rows]))
