"""The audit as one page: HTML that needs no network and no script."""

import base64
import io
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from fashion_cnn.data.split import Split
from fashion_cnn.evaluation.audit import Audit
from fashion_cnn.evaluation.near_duplicates import Pairs
from fashion_cnn.reporting.pages import render

_MOST_PAIRS = 120
_BEYOND = 24
_MOST_SUSPECTS = 120


def audit_page(
    found: Audit, training: Split, test_images: NDArray[np.uint8], origin: dict[str, Any]
) -> str:
    """Show an audit: every figure of its summary, and the images behind them.

    Args:
        found: by `fashion_cnn.evaluation.audit.audit` from the next two.
        training: images and labels.
        test_images: (M, 28, 28) uint8.
        origin: "data", "command", "run", "versions", "seconds": what was called, on what, how long.
    """
    show = _Shower(training, test_images)
    near = found.near
    beyond = found.pairs.where(found.pairs.distance > found.summary["threshold"])
    return render(
        "audit.html.j2",
        found=found.summary,
        names=training.class_names,
        origin=origin,
        most=max(band["pairs"] for band in found.summary["bands"]["as_it_is"]) or 1,
        near=[show.pair(near, i) for i in range(min(len(near), _MOST_PAIRS))],
        near_count=len(near),
        beyond=[show.pair(beyond, i) for i in range(min(len(beyond), _BEYOND))],
        suspects=[show.suspect(found, place) for place in found.suspects[:_MOST_SUSPECTS]],
    )


class _Shower:
    """Positions into what the template shows."""

    def __init__(self, training: Split, test_images: NDArray[np.uint8]) -> None:
        self._training = training
        self._test_images = test_images

    def pair(self, pairs: Pairs, place: int) -> dict[str, Any]:
        first, second = (self._image(int(side[place])) for side in (pairs.first, pairs.second))
        labels = {side["label"] for side in (first, second)} - {""}
        return {
            "distance": float(pairs.distance[place]),
            "mirrored": bool(pairs.mirrored[place]),
            "sides": (first, second),
            "differ": len(labels) > 1,
        }

    def suspect(self, found: Audit, place: int) -> dict[str, Any]:
        assert found.probabilities is not None
        row = found.probabilities[place]
        label = int(self._training.labels[place])
        return {
            **self._image(int(place)),
            "credible": float(row[label]),
            "predicted": self._training.class_names[row.argmax()],
            "confidence": float(row.max()),
        }

    def _image(self, position: int) -> dict[str, Any]:
        index = position - len(self._training)
        if index < 0:
            label = self._training.class_names[self._training.labels[position]]
            image, where = self._training.images[position], f"train {position}"
        else:
            label, image, where = "", self._test_images[index], f"test {index}"
        return {"src": _data_uri(image), "where": where, "label": label}


def _data_uri(image: NDArray[np.uint8]) -> str:
    png = io.BytesIO()
    Image.fromarray(image).save(png, "png", optimize=True)
    return "data:image/png;base64," + base64.b64encode(png.getvalue()).decode()
