"""A comparison of runs as one page: curves, settings, ranking, and the images they differ on."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from fashion_cnn.data.split import Split
from fashion_cnn.errors import UsageError
from fashion_cnn.evaluation.compare import Comparison, accuracy_interval
from fashion_cnn.files import from_here
from fashion_cnn.recipes.fields import format_value
from fashion_cnn.recipes.recipe import Recipe
from fashion_cnn.reporting.charts import chart
from fashion_cnn.reporting.comparison import COLOURS
from fashion_cnn.reporting.pages import in_bytes, render
from fashion_cnn.reporting.pictures import COLUMNS, sheet_of
from fashion_cnn.reporting.plots import curve_axes, literal
from fashion_cnn.run.folder import Run
from fashion_cnn.run.predictions import Predictions

MOST_RUNS = 60
"""Of a page."""

_MOST_IMAGES = 2000  # those on which most runs disagree
_MOST_CLASSES = 40


def members(comparison: Comparison) -> list[tuple[Run, Predictions]]:
    """The runs, those of a group one after the other, each with its answers.

    Raises:
        UsageError: one keeps none, or there are more runs than a page holds, or more classes than
            its matrix has room for.
    """
    found = []
    for group in comparison.groups:
        for path, predictions in zip(group.runs.values(), group.predictions, strict=True):
            if predictions is None:
                raise UsageError(
                    f"{from_here(Path(path))} is a record without the predictions that a page "
                    "needs; leave out --page"
                )
            found.append((Run.open(path), predictions))
    if len(found) > MOST_RUNS or len(comparison.class_names) > _MOST_CLASSES:
        raise UsageError(
            f"a page compares at most {MOST_RUNS} runs of at most {_MOST_CLASSES} classes, not "
            f"{len(found)} of {len(comparison.class_names)}; without --page there is no limit"
        )
    return found


def comparison_page(comparison: Comparison, images: Split) -> str:
    """Render the page.

    Args:
        images: those that the runs speak of, in their order.

    Returns:
        HTML with its style, script and pictures inside.

    Raises:
        UsageError: as `members`, or other images.
    """
    found = members(comparison)
    labels = found[0][1].labels
    if not np.array_equal(labels, images.labels):
        raise UsageError(
            f"the runs were not evaluated on these {len(images)} images; name the folder of their "
            "data set with --data-dir"
        )
    predicted = np.stack([predictions.predicted for _, predictions in found])
    sheet = sheet_of({int(i): images.images[i] for i in _disagreed(predicted)})
    names = short_names([str(run.path) for run, _ in found])
    data = {
        "names": comparison.class_names,
        "columns": COLUMNS,
        "answers": [
            [index, int(labels[index]), None, []]  # what each run calls it stands beneath
            for index in sheet.places
        ],
        "heat": None,
        "runs": names,
        "labels": in_bytes(labels),
        "predicted": [in_bytes(row) for row in predicted],
        "sure": [in_bytes(np.floor(200 * p.confidence)) for _, p in found],
    }
    runs = [run for run, _ in found]
    return render(
        "comparison.html.j2",
        comparison=comparison,
        rows=_rows(found, names),
        differences=[
            (group.name, difference)
            for group, difference in zip(comparison.groups[1:], comparison.differences, strict=True)
        ],
        settings=differing_settings(runs),
        run_names=names,
        charts={q: chart(curves(runs, names, q)) for q in ("loss", "accuracy")},
        ranking=chart(ranking(found, names, comparison.split), (7, 1 + 0.26 * len(found))),
        sheet=sheet,
        columns=COLUMNS,
        data=data,
    )


def short_names(paths: Sequence[str]) -> list[str]:
    """What tells paths apart: without the folders that all of them are in."""
    parts = [Path(path).parts for path in paths]
    shared = 0
    while all(len(one) > shared + 1 and one[shared] == parts[0][shared] for one in parts):
        shared += 1
    return ["/".join(one[shared:]) or path for one, path in zip(parts, paths, strict=True)]


def differing_settings(runs: Sequence[Run]) -> dict[str, list[str]]:
    """By setting what each run has; of those in which runs differ, and of what computed them."""
    recipes = [run.recipe for run in runs]
    found = {
        item.name: [
            format_value(getattr(recipe, item.name)) if recipe.applies(item.name) else "–"
            for recipe in recipes
        ]
        for item in dataclasses.fields(Recipe)
    }
    for name in ("framework", "device"):
        found[name] = [str(run.environment.get(name, "–")) for run in runs]
    # A setting that some of the runs do not use, and the others leave alone, tells nothing.
    default = {item.name: format_value(item.default) for item in dataclasses.fields(Recipe)}
    return {
        name: values
        for name, values in found.items()
        if len(set(values)) > 1 and set(values) != {"–", default.get(name, "–")}
    }


def curves(runs: Sequence[Run], names: Sequence[str], quantity: str) -> Figure:
    """Validation loss or accuracy of each run over its epochs."""
    title = {"loss": "validation cross-entropy"}.get(quantity, f"validation {quantity}")
    figure, axes = curve_axes(title)
    for place, (run, name) in enumerate(zip(runs, names, strict=True)):
        history = run.history
        axes.plot(
            [record.epoch for record in history],
            [getattr(record, f"val_{quantity}") for record in history],
            color=COLOURS[place % len(COLOURS)],
            linestyle=("-", "--", ":", "-.")[place // len(COLOURS) % 4],
            marker="o",
            markersize=2.5,
            label=literal(name),
        )
    if all(len(run.history) <= 1 for run in runs):  # lone points in the middle, whole epochs beside
        axes.set_xlim(0, 2)
        axes.margins(y=0.5)
    if len(runs) <= len(COLOURS):
        axes.legend()
    return figure


def ranking(found: Sequence[tuple[Run, Predictions]], names: Sequence[str], split: str) -> Figure:
    """The accuracies with their intervals, the best at the top."""
    figure, axes = curve_axes("Ranking")
    order = np.argsort([-predictions.correct.mean() for _, predictions in found], kind="stable")
    shown = [literal(name) for name in names]
    for height, place in enumerate(order.tolist()):
        low, high = accuracy_interval(found[place][1])
        middle = 100 * found[place][1].correct.mean()
        colour = COLOURS[place % len(COLOURS)]
        axes.plot([100 * low, 100 * high], [height, height], color=colour, linewidth=2)
        axes.plot([middle], [height], "o", color=colour, label=shown[place])
    axes.set_yticks(range(len(order)), [shown[place] for place in order.tolist()])
    axes.set(xlabel=f"{split} accuracy, % (95 % interval)", ylabel="")
    axes.set_ylim(len(order) - 0.5, -0.5)  # the first and the last clear of the frame
    return figure


def _rows(found: Sequence[tuple[Run, Predictions]], names: Sequence[str]) -> list[dict[str, Any]]:
    """A run a row, the best first: how right, how large, how long."""
    rows = []
    for (run, predictions), name in zip(found, names, strict=True):
        network, metrics = run.layers or {}, run.results.metrics
        rows.append(
            {
                "name": name,
                "recipe": run.recipe.name,
                "seed": run.recipe.seed,
                "accuracy": float(predictions.correct.mean()),
                "interval": accuracy_interval(predictions),
                "parameters": network.get("parameters"),
                "flop": network.get("flop"),
                "seconds": metrics.training_seconds,
                "threads": run.environment.get("threads"),
            }
        )
    return sorted(rows, key=lambda row: -row["accuracy"])


def _disagreed(predicted: NDArray[np.int64]) -> NDArray[np.int64]:
    """The images that not all runs answer alike, those first on which most differ."""
    same = [(predicted == row).sum(0) for row in predicted]
    alike = np.max(same, axis=0)
    differing = np.flatnonzero(alike < len(predicted))
    return differing[np.argsort(alike[differing], kind="stable")][:_MOST_IMAGES]
