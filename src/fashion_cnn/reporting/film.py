"""A run's film, as the report plays it."""

from typing import Any

import numpy as np

from fashion_cnn.evaluation.metrics import log_softmax
from fashion_cnn.reporting.pages import in_bytes
from fashion_cnn.run.film import Film


def film_data(film: Film) -> dict[str, Any]:
    """What the page's script plays: counts as they are, all else in bytes.

    Probabilities have 255 steps; filters 127 to each side of 0, which is 128, on one scale.
    """
    frames, _, classes = film.logits.shape
    shares = np.exp(log_softmax(film.logits.reshape(-1, classes).astype(np.float32)))
    largest = float(np.abs(film.filters).max(initial=0)) or 1.0
    return {
        "epochs": film.epoch.tolist(),
        "validated": int(film.confusion[-1].sum()),
        "thinned": bool((np.diff(film.epoch, prepend=0) > 1).any()),
        "confusion": film.confusion.reshape(frames, -1).tolist(),
        "labels": film.labels.tolist(),
        "probabilities": in_bytes(np.rint(255 * shares)),
        "filters": in_bytes(np.rint(128 + 127 * (film.filters.astype(np.float32) / largest))),
        "count": film.filters.shape[1],
        "sides": list(film.filters.shape[2:]),
    }
