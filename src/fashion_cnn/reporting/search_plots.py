"""Pictures of a search, out of what its `search.json` holds."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.collections import PathCollection
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, MaxNLocator, NullFormatter

from fashion_cnn.recipes.fields import format_value
from fashion_cnn.reporting.plots import png

_DONE, _PRUNED, _BEST = "#1f77b4", "#b0b0b0", "#d95f02"


def draw_search(result: Mapping[str, Any]) -> dict[str, bytes]:
    """PNG by name: "history", "epochs", "slice" and, if there are any, "importances".

    Args: result: what `search.json` holds.
    """
    if result["best"] is None:
        return {}
    pictures = {"history": _history(result), "epochs": _epochs(result), "slice": _slice(result)}
    if result["importances"]:
        pictures["importances"] = _importances(result)
    return pictures


def _history(result: Mapping[str, Any]) -> bytes:
    """Each trial's value, and the best one so far."""
    figure, axes = _figure(result, "trials and the best so far")
    done, pruned = _complete(result), [row for row in _pruned(result) if row["validation"]]
    _points(axes, [(row["trial"], row["value"]) for row in done], _DONE, "o", "complete")
    last = [(row["trial"], row["validation"][-1]) for row in pruned]
    _points(axes, last, _PRUNED, "x", "pruned, at its last epoch")
    choose = max if result["objective"] == "accuracy" else min
    best = [choose(row["value"] for row in done[: place + 1]) for place in range(len(done))]
    steps = [row["trial"] for row in done]
    axes.step(steps, best, where="post", color=_BEST, label="best so far")
    axes.set(xlabel="trial", ylabel=f"validation {result['objective']}")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.legend()
    return png(figure)


def _epochs(result: Mapping[str, Any]) -> bytes:
    """The course of each trial over its epochs: what the pruner saw."""
    figure, axes = _figure(result, "the trials' epochs")
    best = result["best"]["trial"]
    for row in [*_pruned(result), *_complete(result)]:
        colour = _DONE if row["state"] == "complete" else _PRUNED
        style: dict[str, Any] = {"color": colour, "alpha": 0.6, "linewidth": 1}
        if row["trial"] == best:
            style = {"color": _BEST, "linewidth": 2, "zorder": 3}
        axes.plot(range(1, len(row["validation"]) + 1), row["validation"], marker=".", **style)
    for colour, label in ((_BEST, f"best: trial {best}"), (_DONE, "complete"), (_PRUNED, "pruned")):
        axes.plot([], [], color=colour, label=label)
    axes.set(xlabel="epoch", ylabel=f"validation {result['objective']}")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.legend()
    return png(figure)


def _slice(result: Mapping[str, Any]) -> bytes:
    """The objective against each field; the darker a point, the later its trial."""
    fields, rows = result["fields"], _complete(result)
    columns = min(3, len(fields))
    height = math.ceil(len(fields) / columns)
    figure = Figure(figsize=(4.2 * columns + 0.6, 3.4 * height + 0.5), layout="constrained")
    grid = figure.subplots(height, columns, squeeze=False, sharey=True)
    points: PathCollection | None = None
    for axes, field in zip(grid.flat, fields, strict=False):
        values = [row["params"][field] for row in rows]
        places = values
        if isinstance(values[0], bool | str):
            names = sorted({format_value(value) for value in values})
            places = [names.index(format_value(value)) for value in values]
            axes.set_xticks(range(len(names)), names)
            axes.set_xlim(-0.5, len(names) - 0.5)
        elif any(
            text.startswith(f"{field}=") and text.endswith(":log") for text in result["space"]
        ):
            axes.set_xscale("log")
            axes.xaxis.set_major_locator(LogLocator(subs=(1, 3)))
            axes.xaxis.set_major_formatter("{x:g}")
            axes.xaxis.set_minor_formatter(NullFormatter())
        order = [row["trial"] for row in rows]
        objective = [row["value"] for row in rows]
        points = axes.scatter(places, objective, c=order, cmap="Blues", edgecolors="grey", vmin=0)
        best = order.index(result["best"]["trial"])
        axes.plot(places[best], objective[best], "o", color=_BEST)
        axes.set_xlabel(field)
        axes.grid(alpha=0.3)
    for axes in list(grid.flat)[len(fields) :]:
        axes.axis("off")
    for row in grid:
        row[0].set_ylabel(f"validation {result['objective']}")
    assert points is not None
    figure.colorbar(points, ax=grid.ravel().tolist(), label="trial")
    figure.suptitle(f"{result['name']}: the complete trials, field by field; the best in orange")
    return png(figure)


def _importances(result: Mapping[str, Any]) -> bytes:
    """Each field's share of the objective's variance."""
    shares = dict(sorted(result["importances"].items(), key=lambda item: item[1]))
    count = len(_complete(result))
    figure, axes = _figure(result, f"importance (fANOVA, {count} complete trials)", len(shares))
    bars = axes.barh(list(shares), list(shares.values()), color=_DONE)
    axes.bar_label(bars, fmt="%.2f", padding=3)
    axes.set(xlabel="share of the objective's variance", xlim=(0, 1.08))
    return png(figure)


def _complete(result: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [row for row in result["trials"] if row["state"] == "complete"]


def _pruned(result: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [row for row in result["trials"] if row["state"] == "pruned"]


def _points(
    axes: Axes, points: Sequence[tuple[float, float]], colour: str, marker: str, label: str
) -> None:
    if points:
        x, y = zip(*points, strict=True)
        axes.scatter(x, y, color=colour, marker=marker, label=label)


def _figure(result: Mapping[str, Any], title: str, bars: int = 0) -> tuple[Figure, Axes]:
    figure = Figure(figsize=(8, 1.6 + 0.5 * bars if bars else 5), layout="constrained")
    axes = figure.subplots()
    axes.set_title(f"{result['name']}: {title}")
    axes.grid(alpha=0.3)
    return figure, axes
