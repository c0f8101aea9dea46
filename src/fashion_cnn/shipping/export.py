"""A finished run as one ONNX file, proven to answer as the trained model does."""

import functools
import hashlib
from collections.abc import Callable, Mapping
from pathlib import Path, PurePath
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fashion_cnn.classifier import Classifier
from fashion_cnn.data.fashion_mnist import FASHION_MNIST, SHA256, DataSet
from fashion_cnn.data.split import Split, stratified_sample
from fashion_cnn.errors import ExportError, ModelError, UsageError
from fashion_cnn.evaluation.calibration import Calibration, fit
from fashion_cnn.evaluation.outliers import NOT_WARNED, SCORE, outlier_score, outlier_threshold
from fashion_cnn.frameworks import Framework, Hardware, hardware_as_before, open_framework
from fashion_cnn.recipes.networks import own_network
from fashion_cnn.recipes.recipe import Recipe
from fashion_cnn.run.command import run_command
from fashion_cnn.run.dataset import (
    check_same_data,
    class_names_of,
    framing_of,
    is_fashion_mnist,
)
from fashion_cnn.run.exports import ExportFiles
from fashion_cnn.run.folder import Run
from fashion_cnn.run.results import Evaluation
from fashion_cnn.shipping.graph import OPSET, complete
from fashion_cnn.shipping.inside import Inside
from fashion_cnn.shipping.layers import seen_layers
from fashion_cnn.shipping.onnx_classifier import OnnxClassifier
from fashion_cnn.shipping.onnx_graph import EXPORT_AGAIN
from fashion_cnn.text import to_utf8
from fashion_cnn.version import __version__

TOLERANCE = 1e-4
"""The largest difference of two logits, or probabilities, that is still rounding."""

_CALIBRATION_IMAGES = 1000


def export(
    run: Run, directory: Path, *, output: Path | None = None, int8: bool = False
) -> dict[str, Any]:
    """Export a run's answering checkpoint as ONNX, with a report beside the file.

    The trained model must answer all test images alike. Their labels are not read, so this does not
    count as opening the test set; measuring the int8 variant does. Where the test set stays sealed,
    that is measured on the validation part.

    Args:
        run: evaluated; of either framework, which must be installed.
        directory: of the data set.
        output: the file; None for the run folder's own.
        int8: also make the quantised variant.

    The temperature, the prediction sets and the thresholds of a run for photos are fitted on
    validation images made to look cut out of photos, so they are not those of `calibration.json`.

    Returns:
        What `export.json` holds.

    Raises:
        ExportError: the network cannot be exported; or the two do not agree: the report says so
            and no model is left.
        UsageError: the run was not evaluated.
        CheckpointError: the checkpoint is missing or damaged.
        DataError: the data set is not what it should be.
    """
    target = ExportFiles.of(run, output)
    checkpoint = answering_checkpoint(run)
    data_set = DataSet.open(directory)
    check_same_data(run, data_set)
    hardware = hardware_as_before(Hardware("cpu"), run)  # where ONNX Runtime computes too
    with open_framework(hardware) as framework:
        reference = framework.open_classifier(run, checkpoint)
        exported = framework.to_onnx(run, checkpoint, OPSET)
    parts = data_set.divided(run.recipe)
    images, ordinary = data_set.test_images(), as_used(run, parts.validation)
    facts = {
        **facts_of(run, checkpoint, calibration_for_use(run, reference, ordinary)),
        "outlier": outlier_facts(reference.logits(ordinary.images)),
    }
    answers = Calibration.from_dict(facts["calibration"])
    data = complete(exported, answers, facts).SerializeToString()
    report: dict[str, Any] = {
        **described(data, facts),
        "step": facts["made_by"]["step"],
        "parity": prove(data, answers, images, reference.logits(images)),
    }
    files = {"model": data}
    if int8 and report["parity"]["passed"]:
        from fashion_cnn.shipping.quantise import quantise

        count = min(_CALIBRATION_IMAGES, len(parts.training))
        chosen = stratified_sample(parts.training.labels, count, run.recipe.seed, "int8")
        part, measured_on = facts["measured"]["split"], parts.validation
        if part == "test":
            run.record_test_reading(purpose="accuracy of the int8 variant")
            measured_on = data_set.test()
        files["int8"], report["int8"] = quantise(
            data, parts.training.images[chosen], measured_on, part
        )
    target.write(files if report["parity"]["passed"] else {}, report)
    check_parity(report)
    return report


def as_used(run: Run, validation: Split) -> Split:
    """Validation images as those that an exported model will be shown.

    A run of Fashion-MNIST with `photo` in its recipe is for photos: of these it must be as sure as
    it may be, and warn of few. Own data that are cut out of photos need no imitation.
    """
    if not is_for_photos(run):
        return validation
    from fashion_cnn.on_torch.imitate import as_photos  # PyTorch alone trains for photos

    return as_photos(validation)


def calibration_for_use(run: Run, reference: Classifier, ordinary: Split) -> Mapping[str, Any]:
    """What `fit` found for a run; for one for photos, finds now.

    Args: reference: the run's network; ordinary: what `as_used` made of its validation images.
    """
    if is_for_photos(run):
        logits = reference.logits(ordinary.images)
        return fit(logits, ordinary.labels, run.recipe.label_smoothing)
    found = run.results.calibration
    assert found is not None
    return found


def is_for_photos(run: Run) -> bool:
    """Whether a run learned from published images to tell photos apart."""
    return run.recipe.photo > 0 and is_fashion_mnist(run.environment.get("data_sha256"))


def look_into(run: Run, framework: Framework) -> Callable[[NDArray[np.uint8]], dict[str, Any]]:
    """What tells of one image, (28, 28) uint8, what a run's network sees in it; see `seen_layers`.

    Nothing is written. Args: run: evaluated; framework: that computes with it.

    Raises:
        ExportError: the network cannot be exported, as it must be for this.
        UsageError: the run was not evaluated.
        CheckpointError: the checkpoint is missing or damaged.
    """
    checkpoint, found = answering_checkpoint(run), run.results.calibration
    assert found is not None
    facts = {**facts_of(run, checkpoint, found), "outlier": {"score": SCORE, "threshold": 0.0}}
    graph = framework.to_onnx(run, checkpoint, OPSET)
    data = complete(graph, Calibration.from_dict(facts["calibration"]), facts).SerializeToString()
    return functools.partial(seen_layers, Inside(OnnxClassifier(data)))


def answering_checkpoint(run: Run) -> str:
    """The name of the checkpoint that a run's report speaks of: "best" or "final".

    Raises:
        UsageError: the run was not evaluated yet, or before runs were calibrated, or not as it
            stands now.
        CheckpointError: its checkpoint cannot be read.
    """
    if not run.results.exist() or run.results.calibration is None:
        raise UsageError(
            f"{run.path} has no results or no calibration yet; make them with: "
            f"{run_command('evaluate', run.path)}"
        )
    run.check_results()
    return run.results.metrics.reports_speak_of


def described(data: bytes, facts: Mapping[str, Any]) -> dict[str, Any]:
    """What `export.json` holds of any file."""
    sha256 = hashlib.sha256(data).hexdigest()
    return {"bytes": len(data), "sha256": sha256, "opset": OPSET, "facts": facts}


def outlier_facts(ordinary: NDArray[np.floating]) -> dict[str, Any]:
    """From when on there is a warning, by logits (N, C) of images that need none."""
    threshold = outlier_threshold(outlier_score(ordinary))
    return {"score": SCORE, "not_warned": NOT_WARNED, "threshold": threshold}


def prove(
    data: bytes,
    calibration: Calibration,
    images: NDArray[np.uint8],
    wanted: NDArray[np.float32],
    *,
    of_probabilities: bool = False,
) -> dict[str, Any]:
    """Compare a file with what it was made of.

    Args:
        calibration: what its probabilities are made by.
        images: (N, 28, 28) uint8 to compare on.
        wanted: (N, C), the logits of what it was made of.
        of_probabilities: these are logarithms of probabilities, which are compared themselves: a
            probability near zero has a logarithm that rounding moves far.

    Returns:
        `parity` of `export.json`.

    Raises:
        ExportError: it has operators that no model here may have.
    """
    try:
        model = OnnxClassifier(data)
    except ModelError as error:
        reason = str(error).removesuffix(EXPORT_AGAIN)
        raise ExportError(f"this network can be trained, but not exported: {reason}") from None
    answers = model.logits_and_probabilities(images)
    return _compare(*answers, wanted, calibration, of_probabilities=of_probabilities)


def _compare(
    found: NDArray[np.floating],
    given: NDArray[np.floating],
    wanted: NDArray[np.floating],
    calibration: Calibration,
    *,
    of_probabilities: bool = False,
) -> dict[str, Any]:
    """Compare the logits `found` and the probabilities `given` with the logits `wanted`."""
    others = int((found.argmax(1) != wanted.argmax(1)).sum())
    probabilities = np.exp(calibration.log_probabilities(wanted))
    uncertainty = float(np.abs(given - probabilities).max())
    if of_probabilities:
        found, wanted = np.exp(found), np.exp(wanted)
    difference = float(np.abs(found - wanted).max())
    return {
        "images": len(found),
        "compared": "mean probabilities" if of_probabilities else "logits",
        "tolerance": TOLERANCE,
        "other_classes": others,
        "largest_difference": difference,
        "largest_difference_of_probabilities": uncertainty,
        "passed": others == 0 and difference <= TOLERANCE and uncertainty <= TOLERANCE,
    }


def check_parity(report: Mapping[str, Any]) -> None:
    """Raise `ExportError` unless the file answered every image as the trained model did."""
    parity = report["parity"]
    if not parity["passed"]:
        raise ExportError(
            f"the exported graph is not the trained model: {parity['other_classes']} of "
            f"{parity['images']} images have another class, {parity['compared']} differ by up to "
            f"{parity['largest_difference']:.2g} ({TOLERANCE:g} is allowed); nothing was exported"
        )


def accuracy_facts(measured: Evaluation) -> dict[str, Any]:
    """Of what was measured, what a file says of itself."""
    return {
        "split": measured.split,
        "n": measured.n,
        "accuracy": measured.accuracy,
        "interval": list(measured.interval),
    }


def calibration_facts(found: Mapping[str, Any]) -> dict[str, Any]:
    """Of what `fit` found, what answers need."""
    choices = [
        {name: row[name] for name in ("error_rate", "threshold")}
        for row in found["reject"]["choices"]
    ]
    return {
        "label_smoothing": found.get("label_smoothing", 0.0),
        "temperature": found["temperature"],
        "conformal": {name: found["conformal"][name] for name in ("coverage", "threshold")},
        "reject": {"error_rate": found["reject"]["error_rate"], "choices": choices},
    }


def facts_of(run: Run, checkpoint: str, found: Mapping[str, Any]) -> dict[str, Any]:
    """What a file says of itself; `found` is its calibration."""
    opened = run.checkpoints.load(checkpoint)
    run.check_results()  # they are of what was loaded: another process may have replaced it
    return {
        "data": run.split.get("data", FASHION_MNIST),
        "framing": str(framing_of(run)),
        "class_names": list(class_names_of(run)),
        "calibration": calibration_facts(found),
        "recipe": _sendable(run.recipe),
        "measured": accuracy_facts(run.results.metrics.shown),
        "data_sha256": run.environment.get("data_sha256", dict(SHA256)),
        "made_by": {
            "fashion_cnn": __version__,
            "framework": run.environment["framework"],
            "step": int(opened.state["step"]),
            "sha256": opened.sha256,
            **({"validation_seen_before": True} if "validation_seen_before" in run.split else {}),
        },
    }


def _sendable(recipe: Recipe) -> dict[str, Any]:
    """A recipe for a file that others get: of a path the name, and not in whose folders it was.

    All as JSON in UTF-8 may hold it: a path's bytes may be none.
    """
    paths = ["init_from", "teacher"]
    if own_network(recipe.model):
        paths.append("model")
    found = recipe.to_dict()
    found |= {name: PurePath(found[name]).name or found[name] for name in paths}
    return {k: to_utf8(v).decode() if isinstance(v, str) else v for k, v in found.items()}


def export_text(report: Mapping[str, Any], where: ExportFiles) -> str:
    """The result in lines for people."""
    parity, measured = report["parity"], report["facts"]["measured"]
    count = len(report["runs"]) if "runs" in report else 1
    trained = "trained model" if count == 1 else f"{count} trained models together"
    lines = [
        f"{where.model}: {report['bytes'] / 1e6:.2f} MB, ONNX opset {report['opset']}, "
        f"{measured['accuracy']:.2%} of {measured['n']:,} {measured['split']} images",
        f"agrees with the {trained} on all {parity['images']:,} test images "
        f"({parity['compared']} within {parity['largest_difference']:.1g})",
    ]
    if small := report.get("int8"):
        found = small["measured"]
        lines.append(
            f"{where.int8}: {small['bytes'] / 1e6:.2f} MB, {found['accuracy']:.2%} "
            f"({100 * (found['accuracy'] - found['float_accuracy']):+.2f} points), the same class "
            f"for {found['same_class']:.2%}"
        )
    return "\n".join([*lines, f"{where.report}: what was compared and measured"])
