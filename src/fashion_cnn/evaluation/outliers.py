"""Saying that a picture looks like nothing in the training set: the out-of-distribution score."""

import numpy as np
from numpy.typing import NDArray

NOT_WARNED = 0.95
"""Share of the validation images that stay below the threshold."""

SCORE = "minus the standard deviation of the logits"
"""What thresholds are of; an exported file says it, so that none of another score is used."""

WARNING = "this looks like nothing in the training set; the answer is a guess"


def outlier_score(logits: NDArray[np.floating]) -> NDArray[np.float64]:
    """Score how little images look like those of the training set.

    Minus the standard deviation of an image's logits: where nothing speaks for or against any
    class, they are all alike. Chosen over the largest logit, its distance from their mean and the
    entropy in docs/log.md, 2026-11-28.

    Args: logits: (N, C), not divided by a temperature.

    Returns:
        float64 (N,), at most 0, higher is stranger.
    """
    return -np.asarray(logits, np.float64).std(axis=1)


def outlier_threshold(validation_scores: NDArray[np.floating]) -> float:
    """The score above which a picture is warned about.

    Args: validation_scores: (N,) of images neither trained on nor tested on, N >= 1.

    Returns:
        The least of them that 95 % of them do not exceed.
    """
    return float(np.quantile(validation_scores, NOT_WARNED, method="higher"))
