"""Finished runs that answer together, as one ONNX file: an ensemble, or one that mirrors too."""

from collections import Counter
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray

from fashion_cnn.classifier import Classifier, with_mirror_images
from fashion_cnn.data.fashion_mnist import DataSet
from fashion_cnn.data.split import Split
from fashion_cnn.errors import UsageError
from fashion_cnn.evaluation.calibration import Calibration, fit
from fashion_cnn.evaluation.metrics import measure
from fashion_cnn.evaluation.outliers import outlier_score
from fashion_cnn.evaluation.reliability import measure_calibration
from fashion_cnn.frameworks import Hardware, hardware_as_before, open_framework
from fashion_cnn.run.dataset import check_same_data, framing_of
from fashion_cnn.run.exports import ExportFiles
from fashion_cnn.run.folder import Run
from fashion_cnn.shipping.export import (
    accuracy_facts,
    answering_checkpoint,
    as_used,
    calibration_facts,
    calibration_for_use,
    check_parity,
    described,
    export,
    facts_of,
    is_for_photos,
    outlier_facts,
    prove,
)
from fashion_cnn.shipping.graph import OPSET, complete_ensemble, set_facts
from fashion_cnn.version import __version__


def export_runs(
    runs: Sequence[Run],
    directory: Path,
    *,
    output: Path | None = None,
    int8: bool = False,
    tta: bool = False,
) -> tuple[ExportFiles, dict[str, Any]]:
    """Export one run, or several as one model, while their folders are locked.

    Args:
        runs: at least one; evaluated.
        directory: of the data set.
        output: the file; None for the run folder's own.
        int8: also make the quantised variant, of one run.
        tta: show the networks each image and its mirror image, and average.

    Returns:
        The files, and what the report beside them holds.

    Raises:
        ExportError, CheckpointError, DataError: as `export`.
        UsageError: a run was not evaluated, or is given twice, or they do not fit together; or
            there is no `output` for what is no run's own, or `int8` for it; or `output` is where
            another run's model goes.
    """
    together = len(runs) > 1 or tta
    if together and output is None:
        raise UsageError("several runs, or one with TTA, have no file of their own; give --output")
    if together and int8:
        raise UsageError("int8 is for one run, without TTA")
    if len({run.path.resolve() for run in runs}) < len(runs):
        raise UsageError("a run is given twice")
    files = ExportFiles.of(runs[0], output)
    beside = Run(files.model.parent)
    own = not together and beside.path.resolve() == runs[0].path.resolve()
    if not own and beside.exists() and files == ExportFiles.of(beside):
        raise UsageError(f"{files.model} is where that run's own model goes; give another --output")
    with ExitStack() as locks:
        for run in runs:
            locks.enter_context(run.lock())
        if together:
            return files, _export_ensemble(runs, DataSet.open(directory), files, tta=tta)
        return files, export(runs[0], directory, output=output, int8=int8)


class Ensemble:
    """A `Classifier` that answers with the mean of its members' calibrated probabilities.

    Source: Lakshminarayanan, Pritzel, Blundell 2017, arXiv 1612.01474.
    """

    def __init__(self, members: Sequence[tuple[Classifier, Calibration]], *, tta: bool) -> None:
        """Args: tta: average each member's logits of an image and its mirror image."""
        self._members, self._tta = members, tta

    def logits(
        self, images: NDArray[np.uint8], asked: NDArray[np.bool_] | None = None
    ) -> NDArray[np.float32]:
        """The logarithms of the mean probabilities; see `Classifier.logits`.

        Args: asked: (members, N), who answers for which image, one at least; None for all.
        """
        everyone = np.ones((len(self._members), len(images)), bool)
        asked = everyone if asked is None else asked
        total: NDArray[np.float64] | None = None
        for (classifier, calibration), chosen in zip(self._members, asked, strict=True):
            logits = classifier.logits(images[chosen])
            if self._tta:
                logits = with_mirror_images(classifier, images[chosen], logits)
            answer = calibration.log_probabilities(logits)
            if total is None:
                total = np.full((len(images), answer.shape[1]), -np.inf)
            total[chosen] = np.logaddexp(total[chosen], answer)
        assert total is not None
        return (total - np.log(asked.sum(0))[:, None]).astype(np.float32)


@dataclass(frozen=True, eq=False)
class _Opened:
    """A run with its network, in the framework that trained it and as a graph."""

    classifier: Classifier
    exported: onnx.ModelProto
    calibration: Calibration
    held_out: NDArray[np.int64]
    facts: dict[str, Any]


def _export_ensemble(
    runs: Sequence[Run], data_set: DataSet, files: ExportFiles, *, tta: bool
) -> dict[str, Any]:
    for run in runs:
        answering_checkpoint(run)
        check_same_data(run, data_set)
    if len({is_for_photos(run) for run in runs}) > 1:
        raise UsageError("some of the runs are for photos; they cannot answer with the others")
    if len({str(framing_of(run)) for run in runs}) > 1:
        raise UsageError("the runs learned from images that lie in other ways")
    opened = [_open(run, data_set) for run in runs]
    together = Ensemble([(one.classifier, one.calibration) for one in opened], tta=tta)
    held_out, asked = _held_out([one.held_out for one in opened], data_set.training())
    ordinary = as_used(runs[0], held_out)
    logits = together.logits(ordinary.images, asked)
    fitted = fit(logits, ordinary.labels)
    on_clean = logits if ordinary is held_out else together.logits(held_out.images, asked)
    shown, labels, part = on_clean, held_out.labels, "validation"
    facts = {
        **_joint_facts([one.facts for one in opened], tta=tta),
        "calibration": calibration_facts(fitted),
        "outlier": outlier_facts(logits),
        "measured": accuracy_facts(measure(shown, labels, held_out.class_names, part)),
    }
    calibration = Calibration.from_dict(facts["calibration"])
    members = [(one.exported, one.calibration) for one in opened]
    graph = complete_ensemble(members, calibration, facts, mirror=tta)
    data, images = graph.SerializeToString(), data_set.test_images()
    wanted = together.logits(images)
    parity = prove(data, calibration, images, wanted, of_probabilities=True)
    sealed = any(run.results.metrics.reports_speak_on != "test" for run in runs)
    if parity["passed"] and not sealed:
        for run in runs:
            run.record_test_reading(purpose="accuracy of an ensemble")
        shown, labels, part = wanted, data_set.test().labels, "test"
        facts["measured"] = accuracy_facts(measure(shown, labels, held_out.class_names, part))
        set_facts(graph, facts)
        data = graph.SerializeToString()
    warned_of = outlier_score(wanted) > facts["outlier"]["threshold"]
    report = {
        **described(data, facts),
        "parity": parity,
        "runs": [run.path.resolve().name for run in runs],
        "fitted_on": {"n": len(held_out), "answered_by": float(asked.sum(0).mean())},
        "calibration": measure_calibration(fitted, shown, labels, part),
        "test_images_warned_of": float(warned_of.mean()),
    }
    files.write({"model": data} if parity["passed"] else {}, report)
    check_parity(report)
    return report


def _open(run: Run, data_set: DataSet) -> _Opened:
    checkpoint = answering_checkpoint(run)
    with open_framework(hardware_as_before(Hardware("cpu"), run)) as framework:
        classifier = framework.open_classifier(run, checkpoint)
        exported = framework.to_onnx(run, checkpoint, OPSET)
    parts = data_set.divided(run.recipe)
    found = calibration_for_use(run, classifier, as_used(run, parts.validation))
    facts = facts_of(run, checkpoint, found)
    calibration = Calibration.from_dict(found)
    return _Opened(classifier, exported, calibration, parts.validation_indices, facts)


def _held_out(
    indices: Sequence[NDArray[np.int64]], everything: Split
) -> tuple[Split, NDArray[np.bool_]]:
    """The validation images of all runs, and whose they are: bool (runs, N).

    Runs of other seeds hold out other images. What a network has learned by heart tells nothing of
    how sure it may be, so an image is answered by those runs alone that held it out.
    """
    together = np.unique(np.concatenate(indices))
    return everything.select(together), np.stack([np.isin(together, one) for one in indices])


def _joint_facts(facts: Sequence[dict[str, Any]], *, tta: bool) -> dict[str, Any]:
    """What a file of several runs says of itself, but for what is fitted and measured."""
    counts = Counter(one["recipe"]["name"] for one in facts)
    name = " + ".join(f"{count} x {name}" if count > 1 else name for name, count in counts.items())
    made_by: dict[str, Any] = {
        "fashion_cnn": __version__,
        "members": [one["made_by"] for one in facts],
    }
    if any(one["made_by"].get("validation_seen_before") for one in facts):
        made_by["validation_seen_before"] = True
    return {
        **{key: facts[0][key] for key in ("data", "framing", "class_names", "data_sha256")},
        "recipe": {
            "name": f"{name} + TTA" if tta else name,
            "members": [one["recipe"] for one in facts],
            "tta": tta,
        },
        "made_by": made_by,
    }
