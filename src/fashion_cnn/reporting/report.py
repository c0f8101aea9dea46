"""The report of a run: one page that needs nothing but itself, made from its folder alone."""

import base64
import io
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fashion_cnn.classifier import Classifier
from fashion_cnn.data.fashion_mnist import DataSet, find_data, load_test, load_training, nowhere
from fashion_cnn.data.split import Split, divide
from fashion_cnn.errors import UsageError
from fashion_cnn.evaluation.metrics import most_confused
from fashion_cnn.evaluation.mistakes import (
    class_scores,
    confident_mistakes,
    doubtful_hits,
    mistakes_between,
)
from fashion_cnn.evaluation.occlusion import draw_maps, occlusion_maps
from fashion_cnn.files import write_atomically
from fashion_cnn.reporting.charts import charts
from fashion_cnn.reporting.summary import explain_recipe, reproduce
from fashion_cnn.run.dataset import check_same_data
from fashion_cnn.run.folder import Run
from fashion_cnn.run.predictions import Predictions
from fashion_cnn.run.results import Confusion, Metrics
from fashion_cnn.text import to_utf8
from fashion_cnn.version import __version__

GALLERY = 24
"""Images of each gallery."""

PAIRS, PAIR_IMAGES = 5, 12
"""Confused pairs, and images of each direction."""

_COLUMNS = 40  # of the sheet that holds every image
_MOST_IMAGES = 2500  # even noise, which no PNG compresses, then leaves a page below 3 MB
_MOST_CLASSES = 40  # of the matrix
_HITS = 48  # a class; the least sure of them


@dataclass(frozen=True)
class Sheet:
    """Many images in one PNG, so that a page holds each once.

    Attributes:
        url: the PNG as a data URL.
        places: position of an image in the split to its place in the sheet, row by row.
    """

    url: str
    places: dict[int, int]

    def style(self, index: int) -> str:
        """The CSS variables that show image `index`."""
        row, column = divmod(self.places[index], _COLUMNS)
        return f"--x:{column};--y:{row}"


def report(
    run: Run,
    *,
    data_dir: str | Path | None = None,
    output: str | Path | None = None,
    classifier: Classifier | None = None,
) -> Path:
    """Make the report of a run on disk.

    The images are opened again to be shown; of the test set that is one more reading, written down
    as that.

    Args:
        run: evaluated; of any framework.
        data_dir: the folder of the data set; see `find_data` for where it is looked for without.
        output: the file; `report.html` in the run folder without.
        classifier: of this run; with it the galleries show where it finds its evidence.

    Returns:
        Where the page is.

    Raises:
        UsageError: the run was not evaluated, or its files were altered beyond use.
        DataError: the data set is missing or is not what it should be.
    """
    metrics = run.results.metrics
    directory = find_data(Path(data_dir) if data_dir else None)
    if directory is None:
        raise nowhere()
    check_same_data(run, DataSet.open(directory))
    with run.lock():
        predictions = run.results.predictions
        if metrics.reports_speak_on == "test":
            run.record_test_reading(purpose="pictures of the report; nothing is measured")
            images = load_test(directory)
        else:
            recipe = run.recipe
            images = divide(
                load_training(directory), validation=recipe.validation, seed=recipe.seed
            ).validation
        maps = {}
        if classifier:
            chosen = gallery_images(predictions, metrics.shown.confusion)
            pixels = images.images[chosen]
            found = occlusion_maps(classifier, pixels, predictions.predicted[chosen])
            maps = dict(zip(chosen, draw_maps(pixels, found), strict=True))
        html = make_report(run, metrics, images, maps)
        if output is None:
            return run.results.write_page(html)
        write_atomically(Path(output), to_utf8(html))
        return Path(output)


def make_report(
    run: Run,
    metrics: Metrics,
    images: Split,
    heat_maps: dict[int, NDArray[np.uint8]] | None = None,
) -> str:
    """Render the page.

    Args:
        run: evaluated.
        metrics: what `metrics.json` holds, or is about to.
        images: those that `predictions.csv` speaks of, in its order.
        heat_maps: RGB pictures, uint8 (28, 28, 3), of some of the gallery's images, to stand
            beside them.

    Returns:
        HTML with its style, script and pictures inside.

    Raises:
        UsageError: the images are not those of the predictions.
    """
    from jinja2 import Environment, StrictUndefined  # here: only a page needs it

    predictions, calibration = run.results.predictions, run.results.calibration
    if not np.array_equal(predictions.labels, images.labels):
        raise UsageError(f"{run.path}: predictions.csv is not of these {len(images)} images")
    result = metrics.shown
    galleries, rows = _galleries(predictions, result.confusion), _matrix(result.confusion)
    sheet, cells = _sheet(predictions, images, galleries, list(rows))
    heat = _heat_sheet(heat_maps or {})
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True)
    environment.filters |= {"percent": _percent, "number": _number}
    template = (
        resources.files("fashion_cnn.reporting").joinpath("report.html.j2").read_text("utf-8")
    )
    return environment.from_string(template).render(
        version=__version__,
        name=run.path.resolve().name,
        folder=str(run.path),
        metrics=metrics,
        result=result,
        names=metrics.class_names,
        history=run.history,
        charts=charts(run, metrics),
        calibration=calibration,
        scores=class_scores(result.confusion),
        rows=rows,
        pairs=[
            {"count": count, "one": a, "other": b}
            for count, a, b in most_confused(result.confusion, PAIRS)
            if count
        ],
        galleries=galleries,
        predictions=predictions,
        confidence=predictions.confidence,
        sheet=sheet,
        heat=heat,
        columns=_COLUMNS,
        cells=cells,
        readings=run.test_readings(),
        recipe=run.recipe,
        settings=explain_recipe(run.recipe),
        network=run.layers,
        environment=run.environment,
        split=run.split,
        command=reproduce(run),
    )


def gallery_images(predictions: Predictions, confusion: Confusion) -> list[int]:
    """The positions of the images that the page's galleries show, each once."""
    galleries = _galleries(predictions, confusion)
    return list(dict.fromkeys(index for chosen in galleries.values() for index in chosen))


def _galleries(predictions: Predictions, confusion: Confusion) -> dict[str, list[int]]:
    """By name: "mistakes", "hits", and "A-B" for the images of class A taken for class B."""
    found = {
        "mistakes": confident_mistakes(predictions, GALLERY).tolist(),
        "hits": doubtful_hits(predictions, GALLERY).tolist(),
    }
    for _, a, b in most_confused(confusion, PAIRS):
        for label, guess in ((a, b), (b, a)):
            chosen = mistakes_between(predictions, label, guess)[:PAIR_IMAGES]
            found[f"{label}-{guess}"] = chosen.tolist()
    return found


def _sheet(
    predictions: Predictions, images: Split, galleries: dict[str, list[int]], classes: list[int]
) -> tuple[Sheet, dict[str, list[list[float]]]]:
    """All images of the page, and for each cell "A-B" of the matrix its [index, confidence, place].

    As many of each cell as the page has room for, the surest mistakes and the least sure hits.
    """
    confidence = predictions.confidence
    pairs = [(a, b) for a in classes for b in classes]
    of_cell = {pair: mistakes_between(predictions, *pair).tolist() for pair in pairs}
    limit = max(1, max(len(chosen) for chosen in of_cell.values()))
    while True:
        kept = {
            (a, b): chosen[: min(limit, _HITS) if a == b else limit]
            for (a, b), chosen in of_cell.items()
        }
        chosen = [index for group in (*galleries.values(), *kept.values()) for index in group]
        places = {index: place for place, index in enumerate(dict.fromkeys(chosen))}
        if len(places) <= _MOST_IMAGES or limit == 1:
            break
        limit //= 2
    cells = {
        f"{a}-{b}": [[index, round(float(confidence[index]), 4), places[index]] for index in group]
        for (a, b), group in kept.items()
        if group
    }
    return Sheet(_url(_tile(images.images[list(places)])), places), cells


def _heat_sheet(heat_maps: dict[int, NDArray[np.uint8]]) -> Sheet | None:
    if not heat_maps:
        return None
    places = {index: place for place, index in enumerate(heat_maps)}
    return Sheet(_url(_tile(np.stack(list(heat_maps.values())))), places)


def _tile(images: NDArray[np.uint8]) -> bytes:
    """Put images (N, 28, 28) or (N, 28, 28, 3) side by side, row by row: PNG."""
    from PIL import Image

    rows = max(1, -(-len(images) // _COLUMNS))
    filled = np.zeros((rows * _COLUMNS, *images.shape[1:]), np.uint8)
    filled[: len(images)] = images
    grid = filled.reshape(rows, _COLUMNS, *images.shape[1:]).swapaxes(1, 2)
    data = io.BytesIO()
    picture = Image.fromarray(grid.reshape(rows * 28, _COLUMNS * 28, *images.shape[3:]))
    picture.save(data, "PNG", compress_level=6)
    return data.getvalue()


def _url(png: bytes) -> str:
    return "data:image/png;base64," + base64.b64encode(png).decode()


def _matrix(confusion: Confusion) -> dict[int, dict[int, dict[str, Any]]]:
    """The cells: a count, and how strongly to tint it, from 0 to 1, hits and mistakes apart.

    Of the classes with most mistakes, where there are too many for a page.
    """
    counts = np.array(confusion)
    mistakes = counts - np.diag(counts.diagonal())
    most = int(mistakes.max(initial=0))
    worst = np.argsort(-(mistakes.sum(0) + mistakes.sum(1)), kind="stable")
    shown = sorted(worst[:_MOST_CLASSES].tolist())
    return {
        a: {
            b: {
                "count": confusion[a][b],
                "share": confusion[a][b] / max(sum(confusion[a]), 1),
                "tint": round(
                    (confusion[a][b] / max(sum(confusion[a]), 1)) ** 2
                    if a == b
                    else confusion[a][b] / (most or 1),
                    3,
                ),
            }
            for b in shown
        }
        for a in shown
    }


def _percent(value: float | None, digits: int = 1) -> str:
    """The sign stays with its number."""
    return "–" if value is None else f"{100 * value:.{digits}f}\N{NO-BREAK SPACE}%"


def _number(value: Any, digits: int = 3) -> str:
    return "–" if value is None else f"{value:,.{digits}f}"
