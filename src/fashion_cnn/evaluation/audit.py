"""The audit of the data set: class balance, near-duplicates, suspect labels, and what they mean."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fashion_cnn.data.split import Split
from fashion_cnn.errors import UsageError
from fashion_cnn.evaluation import label_noise
from fashion_cnn.evaluation.near_duplicates import (
    REACH,
    Pairs,
    accuracy_without,
    bands,
    copies_of,
    disagreement,
    near_pairs,
)
from fashion_cnn.files import to_csv
from fashion_cnn.run.predictions import Predictions


@dataclass(frozen=True, eq=False)
class Audit:
    """What an audit found.

    Positions run through the training images and then through the test images.

    Attributes:
        summary: the figures, as `audit.json` holds them.
        training: images whose labels are known.
        pairs: up to `REACH` times the threshold, the nearest first.
        suspects: int64 (K,) training images, the least credible label first; empty without
            out-of-fold predictions.
        probabilities: (N, C) float64 out of fold, or None.
    """

    summary: dict[str, Any]
    training: int
    pairs: Pairs
    suspects: NDArray[np.int64]
    probabilities: NDArray[np.float64] | None

    @property
    def near(self) -> Pairs:
        """The near-duplicates: the pairs within the threshold."""
        return self.pairs.where(self.pairs.distance <= self.summary["threshold"])


def audit(
    training: Split,
    test_images: NDArray[np.uint8],
    *,
    threshold: float,
    ground: int = 0,
    predictions: Predictions | None = None,
    probabilities: NDArray[np.float64] | None = None,
) -> Audit:
    """Audit a data set. The labels of the test images are not asked for; nothing is relabelled.

    Args:
        training: images and labels.
        test_images: (M, 28, 28) uint8.
        threshold: up to which distance two images are near-duplicates, above 0 and at most 1/3.
        ground: grey value of the background, 0 or 255, from which distances are measured.
        predictions: of a run on the test images: adds what the run's accuracy is without copies.
        probabilities: (N, C) out-of-fold probabilities: adds suspect labels and the ceiling.

    Raises:
        UsageError: a threshold out of range, or predictions of other test images.
    """
    check_threshold(threshold)
    if predictions and len(predictions.labels) != len(test_images):
        raise UsageError(
            f"the run has {len(predictions.labels)} predictions for {len(test_images)} test images"
        )
    n, classes = len(training), len(training.class_names)
    images = np.concatenate([training.images, test_images])
    if ground:
        images = ground - images
    pairs = near_pairs(images, threshold * REACH)
    near = pairs.where(pairs.distance <= threshold)
    copies = copies_of(near, n)
    within = near.where(near.second < n)  # the first is the smaller
    balance = {"train": np.bincount(training.labels, minlength=classes).tolist()}
    noise: dict[str, Any] = {"near_duplicates": disagreement(within, training.labels)}
    summary: dict[str, Any] = {
        "images": {"train": n, "test": len(test_images)},
        "class_names": list(training.class_names),
        "class_balance": balance,
        "threshold": threshold,
        "pairs": _count(near, n),
        "images_in_pairs": len(np.unique(np.concatenate([near.first, near.second]))),
        "bands": {
            kind: bands(pairs.distance[pairs.mirrored == mirrored], threshold)
            for kind, mirrored in (("as_it_is", False), ("mirrored", True))
        },
        "test_images_near_training": copies.tolist(),
        "label_noise": noise,
    }
    if predictions:
        balance["test"] = np.bincount(predictions.labels, minlength=classes).tolist()
        summary["accuracy"] = accuracy_without(predictions.correct, copies)
        summary["accuracy_at"] = [
            {"threshold": band["high"], **accuracy_without(predictions.correct, left_out)}
            for band in summary["bands"]["as_it_is"]
            for left_out in [copies_of(pairs.where(pairs.distance <= band["high"]), n)]
        ]
    suspects = np.empty(0, np.int64)
    if probabilities is not None:
        suspects = label_noise.suspects(training.labels, probabilities)
        summary["suspects"] = _describe_suspects(training.labels, probabilities, suspects)
        noise["train, out of fold"] = label_noise.ceiling(training.labels, probabilities)
        if predictions:
            noise["test, by the run"] = label_noise.ceiling(
                predictions.labels, predictions.probabilities
            )
    return Audit(summary, n, pairs, suspects, probabilities)


def check_threshold(threshold: float) -> None:
    """Raise `UsageError` unless it is a distance that few pairs are within."""
    if not 0 < threshold <= 1 / 3:
        raise UsageError(f"threshold is {threshold}; it must be a number above 0 and at most 1/3")


def audit_text(found: Audit) -> str:
    """The figures in a few lines."""
    summary = found.summary
    lines = [f"near-duplicate pairs, up to a distance of {summary['threshold']:g}:"]
    for group, kinds in summary["pairs"].items():
        counts = ", ".join(f"{count} {kind}" for kind, count in kinds.items())
        lines.append(f"  {group:<13} {counts}")
    copies = len(summary["test_images_near_training"])
    lines.append(f"test images near a training image: {copies} of {summary['images']['test']:,}")
    if accuracy := summary.get("accuracy"):
        for group, name in (("all", "official"), ("without", "without these")):
            if accuracy[group]["n"]:
                low, high = accuracy[group]["interval"]
                lines.append(
                    f"  test accuracy, {name}: {100 * accuracy[group]['accuracy']:.2f} % "
                    f"({100 * low:.2f} to {100 * high:.2f})"
                )
    if suspects := summary.get("suspects"):
        share = suspects["count"] / summary["images"]["train"]
        lines.append(f"suspect training labels: {suspects['count']:,} ({100 * share:.2f} %)")
    for name, row in summary["label_noise"].items():
        if name != "near_duplicates":
            low, high = row["interval"]
            lines.append(
                f"right labels, {name}: {100 * row['accuracy']:.2f} % "
                f"({100 * low:.2f} to {100 * high:.2f}), an estimate"
            )
    return "\n".join(lines)


def pairs_csv(found: Audit, labels: NDArray[np.int64]) -> str:
    """A row a near-duplicate pair, nearest first; a test image's label stays empty.

    Args: labels: of the training images.
    """
    names = found.summary["class_names"]

    def describe(position: int) -> list[object]:
        if position < found.training:
            return ["train", position, names[labels[position]]]
        return ["test", position - found.training, ""]

    near = found.near
    rows = [
        [f"{distance:.6f}", "yes" if mirrored else "no", *describe(first), *describe(second)]
        for first, second, distance, mirrored in zip(
            near.first, near.second, near.distance, near.mirrored, strict=True
        )
    ]
    columns = [f"{side}_{part}" for side in "ab" for part in ("set", "index", "label")]
    return to_csv([["distance", "mirrored", *columns], *rows])


def suspects_csv(found: Audit, labels: NDArray[np.int64]) -> str:
    """A row a suspect label, the least credible first."""
    probabilities, names = found.probabilities, found.summary["class_names"]
    assert probabilities is not None
    rows = [
        [
            place,
            names[labels[place]],
            names[probabilities[place].argmax()],
            f"{probabilities[place, labels[place]]:.6f}",
            f"{probabilities[place].max():.6f}",
        ]
        for place in found.suspects
    ]
    header = ["train_index", "label", "predicted", "probability_label", "probability_predicted"]
    return to_csv([header, *rows])


def _count(pairs: Pairs, training: int) -> dict[str, dict[str, int]]:
    """Pairs by where the two images are, exact, near and mirrored apart."""
    groups = {
        "within train": pairs.second < training,
        "within test": pairs.first >= training,
        "across": (pairs.first < training) & (pairs.second >= training),
    }
    exact = (pairs.distance == 0) & ~pairs.mirrored
    kinds = {"exact": exact, "near": ~exact & ~pairs.mirrored, "mirrored": pairs.mirrored}
    return {
        group: {kind: int((chosen & of_kind).sum()) for kind, of_kind in kinds.items()}
        for group, chosen in groups.items()
    }


def _describe_suspects(
    labels: NDArray[np.int64], probabilities: NDArray[np.float64], suspects: NDArray[np.int64]
) -> dict[str, Any]:
    guesses = probabilities.argmax(1)
    given, suggested = labels[suspects], guesses[suspects]
    classes = probabilities.shape[1]
    table = np.zeros((classes, classes), int)
    np.add.at(table, (given, suggested), 1)
    order = np.argsort(-table, axis=None, kind="stable")[:10]
    pairs = [divmod(int(place), classes) for place in order]
    return {
        "count": len(suspects),
        "out_of_fold_accuracy": float((guesses == labels).mean()),
        "per_class": np.bincount(given, minlength=classes).tolist(),
        "most_frequent": [
            {"label": a, "predicted": b, "count": int(table[a, b])} for a, b in pairs if table[a, b]
        ],
    }
