"""The audit as one page: HTML that needs no network and no script."""

from typing import Any

import jinja2  # noqa: F401  # told before the audit, which takes long, if the page has none
import numpy as np
from numpy.typing import NDArray

from fashion_cnn.data.split import Split
from fashion_cnn.evaluation.audit import Audit
from fashion_cnn.evaluation.near_duplicates import Pairs
from fashion_cnn.reporting.pages import render
from fashion_cnn.reporting.pictures import COLUMNS, sheet_of

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
    images: dict[int, NDArray[np.uint8]] = {}

    def side(position: int) -> dict[str, Any]:
        index = position - len(training)
        images[position] = training.images[position] if index < 0 else test_images[index]
        where = f"train {position}" if index < 0 else f"test {index}"
        label = training.class_names[training.labels[position]] if index < 0 else ""
        return {"position": position, "where": where, "label": label}

    def shown(pairs: Pairs, most: int) -> list[dict[str, Any]]:
        columns = (pairs.first, pairs.second, pairs.distance, pairs.mirrored)
        rows = zip(*(column[:most].tolist() for column in columns), strict=True)
        return [
            {"sides": (side(first), side(second)), "distance": distance, "mirrored": mirrored}
            for first, second, distance, mirrored in rows
        ]

    def suspect(position: int) -> dict[str, Any]:
        assert found.probabilities is not None
        row = found.probabilities[position]
        return {
            **side(position),
            "credible": float(row[training.labels[position]]),
            "predicted": training.class_names[row.argmax()],
            "confidence": float(row.max()),
        }

    values = {
        "near": shown(found.near, _MOST_PAIRS),
        "beyond": shown(
            found.pairs.where(found.pairs.distance > found.summary["threshold"]), _BEYOND
        ),
        "suspects": [suspect(place) for place in found.suspects[:_MOST_SUSPECTS].tolist()],
    }
    return render(
        "audit.html.j2",
        **values,
        near_count=len(found.near),
        found=found.summary,
        names=training.class_names,
        origin=origin,
        most=max(band["pairs"] for band in found.summary["bands"]["as_it_is"]) or 1,
        sheet=sheet_of(images),
        columns=COLUMNS,
    )
