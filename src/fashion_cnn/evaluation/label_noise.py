"""Labels that are probably wrong, and what they cost: confident learning, by the library cleanlab.

Nothing is ever relabelled: these are lists to look at and an estimate to read a test accuracy by.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from fashion_cnn.data.randomness import stream
from fashion_cnn.dependencies import install_command
from fashion_cnn.errors import UsageError

_RESAMPLES = 200


def require_cleanlab() -> None:
    """Raise `UsageError`, which says how to get it, unless cleanlab can be imported."""
    try:
        import cleanlab  # noqa: F401
    except ImportError as error:
        raise UsageError(
            f"--suspects needs cleanlab ({error}); install it with: {install_command('audit')}"
        ) from None


def suspects(labels: NDArray[np.int64], probabilities: NDArray[np.float64]) -> NDArray[np.int64]:
    """Positions of the labels that are probably wrong, the least credible first.

    Args:
        labels: (N,) int64 from 0 to C - 1, of every class at least one.
        probabilities: (N, C), from classifiers that did not train on the image in question.

    Returns:
        (K,) int64 positions.

    Source: Northcutt et al. 2021, arXiv 1911.00068; cleanlab's `prune_by_noise_rate`.
    """
    from cleanlab.filter import find_label_issues

    found = find_label_issues(
        labels, probabilities, return_indices_ranked_by="self_confidence", n_jobs=1
    )
    return np.asarray(found, np.int64)


def ceiling(labels: NDArray[np.int64], probabilities: NDArray[np.float64]) -> dict[str, Any]:
    """Estimate the share of right labels: what a classifier that knows every true class scores.

    The trace of cleanlab's joint distribution of given and true labels, with a 95 % interval by
    the bootstrap (percentiles of 200 resamples of the images). It assumes that mistakes in labels
    depend on the classes alone, and takes a classifier's confident disagreement for a wrong label.
    Where that is the classifier's own mistake, the estimate is too low. A wrong label that the
    classifier would give as well is missed. The interval is for the drawing of images only; it
    knows nothing of these assumptions.

    Args: labels, probabilities: as in `suspects`.

    Returns:
        "n", "accuracy" from 0 to 1, "interval", "resamples".
    """
    values = [_right(labels, probabilities)]
    for resample in range(_RESAMPLES):
        drawn = stream(0, "label noise", resample).integers(0, len(labels), len(labels))
        values.append(_right(labels[drawn], probabilities[drawn]))
    low, high = np.percentile(values[1:], [2.5, 97.5])
    return {
        "n": len(labels),
        "accuracy": values[0],
        "interval": [float(low), float(high)],
        "resamples": _RESAMPLES,
    }


def _right(labels: NDArray[np.int64], probabilities: NDArray[np.float64]) -> float:
    from cleanlab.count import estimate_joint

    return float(np.trace(estimate_joint(labels, probabilities)))
