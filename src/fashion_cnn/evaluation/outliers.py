"""Saying that a picture looks like nothing in the training set: the out-of-distribution score."""

import numpy as np
from numpy.typing import NDArray

NOT_WARNED = 0.95
"""Share of the validation images that stay below the threshold."""

WARNING = "this looks like nothing in the training set; the answer is a guess"


def outlier_score(logits: NDArray[np.floating]) -> NDArray[np.float64]:
    """Score how little images look like those of the training set.

    Minus the largest logit: what no class claims scores high. Source: Hendrycks et al. 2019, arXiv
    1911.11132. Chosen over the free energy and the largest probability in docs/log.md, 2026-11-24.

    Args: logits: (N, C), not divided by a temperature.

    Returns:
        float64 (N,), higher is stranger; no fixed range.
    """
    return -np.asarray(logits, np.float64).max(axis=1)


def outlier_threshold(validation_scores: NDArray[np.floating]) -> float:
    """The score above which a picture is warned about.

    Args: validation_scores: (N,) of images neither trained on nor tested on, N >= 1.

    Returns:
        The least of them that 95 % of them do not exceed.
    """
    return float(np.quantile(validation_scores, NOT_WARNED, method="higher"))


def auroc(ordinary: NDArray[np.floating], strange: NDArray[np.floating]) -> float:
    """Probability that a strange picture scores higher than an ordinary one, ties counting half.

    Args: ordinary, strange: (N,) and (M,) scores, N and M >= 1.
    """
    ordinary = np.sort(ordinary)
    below = np.searchsorted(ordinary, strange, side="left")
    not_above = np.searchsorted(ordinary, strange, side="right")
    return float((below + not_above).mean() / (2 * len(ordinary)))
