"""The report of a run: one page that needs nothing but itself, made from its folder alone."""

from collections.abc import Callable, Collection, Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fashion_cnn.classifier import Classifier
from fashion_cnn.data.fashion_mnist import FASHION_MNIST, DataSet
from fashion_cnn.data.split import Split
from fashion_cnn.errors import UsageError
from fashion_cnn.evaluation.calibration import Calibration
from fashion_cnn.evaluation.metrics import log_softmax, most_confused
from fashion_cnn.evaluation.mistakes import (
    class_scores,
    confident_mistakes,
    doubtful_hits,
    mistakes_between,
)
from fashion_cnn.evaluation.occlusion import occlusion_maps
from fashion_cnn.files import from_here, write_atomically
from fashion_cnn.reporting.charts import charts
from fashion_cnn.reporting.film import film_data
from fashion_cnn.reporting.map import FeatureMap, map_data, map_features
from fashion_cnn.reporting.pages import render
from fashion_cnn.reporting.pictures import COLUMNS, Sheet, heat_maps, sheet_of
from fashion_cnn.reporting.plots import as_trained
from fashion_cnn.reporting.summary import explain_recipe, repeats_bits, reproduce
from fashion_cnn.run.dataset import framing_of, images_of
from fashion_cnn.run.folder import Run
from fashion_cnn.run.predictions import Predictions
from fashion_cnn.run.results import Confusion, Metrics
from fashion_cnn.text import to_utf8

GALLERY = 24
"""Images of each gallery."""

PAIRS, PAIR_IMAGES = 5, 12
"""Confused pairs, and images of each direction."""

SHOWN = ("heat-maps", "map", "layers")
"""What a page may show besides, if the network itself is at hand."""

LOOKED_INTO = 12
"""Garments whose layers a page shows."""

_NOTHING = Split(np.zeros((0, 28, 28), np.uint8), np.zeros(0, np.int64), ("",))
_NO_ANSWERS = Predictions(_NOTHING.labels, _NOTHING.labels, np.zeros((0, 1)))

Look = Callable[[NDArray[np.uint8]], Mapping[str, Any]]

_MOST_IMAGES = 2500  # even noise, which no PNG compresses, then leaves a page below 3 MB
_MOST_CLASSES = 40  # of the matrix
_HITS = 48  # a class; the least sure of them
_MOST_HEATED = 1200  # images whose evidence is sought, each by 36 more answers
_MOST_BARS = 10  # classes of an enlarged image


def report(
    run: Run,
    directory: Path,
    output: Path | None = None,
    *,
    classifier: Classifier | None = None,
    show: Collection[str] = (),
    look: Look | None = None,
) -> Path:
    """Make the report of a run on disk.

    To show test images this opens the test set, which is counted. A record that keeps figures alone
    has a page of these.

    Args:
        run: evaluated; of any framework.
        directory: of the data set.
        output: the file; `report.html` in the run folder without.
        classifier: of this run, for the next.
        show: some of `SHOWN`: where it finds its evidence; a map of the images by what its last
            layer sees of them, and each one's neighbours among the training images.
        look: what tells of an image what the network sees in it; for "layers".

    Returns:
        Where the page is.

    Raises:
        UsageError: the run was not evaluated, or its files were altered beyond use; or its network
            has no features to map.
        DataError: the data set is missing or is not what it should be.
    """
    metrics = run.results.metrics
    if run.is_record:
        return _write(run, make_report(run, metrics, None), output)
    data_set = DataSet.open(directory)
    purpose = "pictures of the report; nothing is measured"
    images = images_of([run], data_set, metrics.reports_speak_on, purpose)
    with run.lock():
        predictions = run.results.predictions
        maps, features, layers = {}, None, {}
        galleries = _galleries(predictions, metrics.shown.confusion)
        if classifier and "heat-maps" in show:
            maps = _evidence(run, predictions, images, classifier)
        if look and "layers" in show:
            chosen = [*galleries["mistakes"][:LOOKED_INTO], *galleries["hits"]][:LOOKED_INTO]
            layers = {index: look(images.images[index]) for index in chosen}
        if classifier and "map" in show:
            first = [index for chosen in galleries.values() for index in chosen]
            training = data_set.divided(run.recipe).training
            features = map_features(classifier, images, predictions, first, training)
        html = make_report(run, metrics, images, maps, features, layers)
        return _write(run, html, output)


def _write(run: Run, html: str, output: Path | None) -> Path:
    if output is None:
        return run.results.write_page(html)
    write_atomically(output, to_utf8(html))
    return output


def check_show(show: Collection[str]) -> None:
    """Raise `UsageError` for anything but some of `SHOWN`."""
    if isinstance(show, str) or not set(show) <= set(SHOWN):
        raise UsageError(f"show is {show!r}; it must be a list of some of {', '.join(SHOWN)}")


def make_report(
    run: Run,
    metrics: Metrics,
    images: Split | None,
    evidence: Mapping[int, NDArray[np.floating]] | None = None,
    feature_map: FeatureMap | None = None,
    layers: Mapping[int, Mapping[str, Any]] | None = None,
) -> str:
    """Render the page.

    Args:
        run: evaluated.
        metrics: what `metrics.json` holds, or is about to.
        images: those that `predictions.csv` speaks of, in its order; None for none, where there is
            no such file.
        evidence: of some images, by position, where it is, as `occlusion_maps` gives it.
        feature_map: of some images.
        layers: of some images in the galleries, by position, what the network sees in them.

    Returns:
        HTML with its style, script and pictures inside.

    Raises:
        UsageError: the images are not those of the predictions.
    """
    result, shown = metrics.shown, _NOTHING if images is None else images
    predictions = _NO_ANSWERS if images is None else run.results.predictions
    if not np.array_equal(predictions.labels, shown.labels):
        raise UsageError(f"{run.path}: predictions.csv is not of these {len(shown)} images")
    galleries, rows = _galleries(predictions, result.confusion), _matrix(result.confusion)
    kept = _images_of_cells(predictions, galleries, list(rows))
    mapped = [feature_map.chosen.tolist()] if feature_map else []
    sheet = _sheet(shown, [*galleries.values(), *kept.values(), *mapped], lossy=bool(mapped))
    heat = heat_maps({i: found for i, found in (evidence or {}).items() if i in sheet.places})
    data = {
        "names": metrics.class_names,
        "columns": COLUMNS,
        "cells": _cells(predictions, sheet, kept),
        "answers": _answers(predictions, sheet),
        "points": heat and heat.points,
        "heat": heat and {sheet.places[i]: place for i, place in heat.sheet.places.items()},
    }
    film = run.film
    return render(
        "report.html.j2",
        feature_map=feature_map,
        map_data=feature_map and map_data(feature_map, sheet),
        layers=layers and [*layers.items()],
        film=film and film_data(film),
        film_sheet=film and sheet_of(dict(enumerate(film.images))),
        name=run.path.resolve().name,
        folder=str(from_here(run.path)),
        trained=_what_was_trained(run),
        curves=_what_curves_show(run),
        metrics=metrics,
        result=result,
        names=metrics.class_names,
        history=run.history,
        charts=charts(run, metrics),
        calibration=run.results.calibration,
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
        print_sheet=_sheet(shown, galleries.values(), lossy=bool(mapped)),
        heat=heat,
        columns=COLUMNS,
        data=data,
        readings=max(run.test_readings(), metrics.test_readings),  # a record has no log
        recipe=run.recipe,
        settings=explain_recipe(run.recipe),
        network=run.layers,
        environment=run.environment,
        split=run.split,
        command=reproduce(run),
        same_bits=repeats_bits(run),
    )


def _sheet(shown: Split, groups: Iterable[list[int]], *, lossy: bool) -> Sheet:
    return sheet_of(
        {index: shown.images[index] for group in groups for index in group}, lossy=lossy
    )


def _what_was_trained(run: Run) -> str:
    """A network on images, in a sentence; what the folder does not say is left out."""
    split, network = run.split, run.layers
    parameters = f" of {network['parameters']:,} parameters" if network else ""
    data = split.get("data", FASHION_MNIST)
    if not run.recipe.epochs:
        done = f"judged as it was given, on images of {data}; it was not trained here"
    elif "training_images" not in split:
        done = f"trained on {data}"
    else:
        done = (
            f"trained on {split['training_images']:,} images of {data} and validated on "
            f"{split['validation_images']:,} others"
        )
    sentence = f"A {run.recipe.model}{parameters}, {done}."
    if "validation_seen_before" in split:
        sentence += (
            " It may have learned before from images that validate here, and then validation "
            "figures flatter it."
        )
    return sentence


def _what_curves_show(run: Run) -> str:
    sampled = "; “training, as it answers” is of a sample, at the epoch's end" if run.film else ""
    return (
        f"“{as_trained(run.recipe)}” is the mean over each epoch{sampled}. The table is by "
        "the finished checkpoint."
    )


def _evidence(
    run: Run, predictions: Predictions, images: Split, classifier: Classifier
) -> dict[int, NDArray[np.float64]]:
    """Where the evidence is for the answers to the images of galleries and of the matrix."""
    confusion = run.results.metrics.shown.confusion
    galleries = _galleries(predictions, confusion)
    kept = _images_of_cells(predictions, galleries, list(_matrix(confusion)))
    mistakes_first = sorted(kept, key=lambda cell: cell[0] == cell[1])
    groups = (*galleries.values(), *(kept[cell] for cell in mistakes_first))
    chosen = list(dict.fromkeys(index for group in groups for index in group))[:_MOST_HEATED]
    found = run.results.calibration
    maps = occlusion_maps(
        classifier,
        images.images[chosen],
        predictions.predicted[chosen],
        Calibration.from_dict(found).log_probabilities if found else log_softmax,
        framing_of(run).ground,
    )
    return dict(zip(chosen, maps, strict=True))


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


def _images_of_cells(
    predictions: Predictions, galleries: dict[str, list[int]], classes: list[int]
) -> dict[tuple[int, int], list[int]]:
    """For each cell of the matrix the images that it shows.

    As many as the page has room for, the surest mistakes and the least sure hits.
    """
    pairs = [(a, b) for a in classes for b in classes]
    of_cell = {pair: mistakes_between(predictions, *pair).tolist() for pair in pairs}
    limit = max(1, max(len(chosen) for chosen in of_cell.values()))
    while True:
        kept = {
            (a, b): chosen[: min(limit, _HITS) if a == b else limit]
            for (a, b), chosen in of_cell.items()
        }
        chosen = {index for group in (*galleries.values(), *kept.values()) for index in group}
        if len(chosen) <= _MOST_IMAGES or limit == 1:
            return kept
        limit //= 2


def _cells(
    predictions: Predictions, sheet: Sheet, kept: dict[tuple[int, int], list[int]]
) -> dict[str, list[list[float]]]:
    """For each cell "A-B" of the matrix its [index, confidence, place in the sheet]."""
    confidence = predictions.confidence
    return {
        f"{a}-{b}": [
            [index, round(float(confidence[index]), 4), sheet.places[index]] for index in group
        ]
        for (a, b), group in kept.items()
        if group
    }


def _answers(predictions: Predictions, sheet: Sheet) -> list[list[Any]]:
    """By place in the sheet: index, label, answer, and the likeliest classes with per mille."""
    found = []
    for index in sheet.places:
        row = predictions.probabilities[index]
        shares: list[int | float] = []
        for label in np.argsort(-row, kind="stable")[:_MOST_BARS].tolist():
            shares += [label, round(1000 * float(row[label]), 1)]
        found.append(
            [index, int(predictions.labels[index]), int(predictions.predicted[index]), shares]
        )
    return found


def _matrix(confusion: Confusion) -> dict[int, dict[int, dict[str, Any]]]:
    """The cells: a count, and how strongly to tint it, from 0 to 1, hits and mistakes apart.

    Of the classes with most mistakes, where there are too many for a page.
    """
    counts = np.array(confusion)
    mistakes = counts - np.diag(counts.diagonal())
    shares = counts / np.maximum(counts.sum(1, keepdims=True), 1)
    tints = mistakes / max(mistakes.max(initial=0), 1)
    np.fill_diagonal(tints, shares.diagonal() ** 2)
    worst = np.argsort(-(mistakes.sum(0) + mistakes.sum(1)), kind="stable")
    shown = sorted(worst[:_MOST_CLASSES].tolist())
    return {
        a: {
            b: {
                "count": confusion[a][b],
                "share": float(shares[a, b]),
                "tint": round(float(tints[a, b]), 3),
            }
            for b in shown
        }
        for a in shown
    }
