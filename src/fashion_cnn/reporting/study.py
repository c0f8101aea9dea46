"""A study in tables, out of what its `study.json` holds."""

import statistics
from collections.abc import Callable, Mapping
from typing import Any

from fashion_cnn.evaluation.compare import student_interval
from fashion_cnn.text import cell

CONFUSED = ("T-shirt/top", "Pullover", "Coat", "Shirt")
"""The classes that are taken for each other: docs/assignment.md, part (c)."""

_QUANTITIES: dict[str, Callable[[Mapping[str, Any]], float]] = {
    "accuracy": lambda row: 100 * row["accuracy"],
    "ECE": lambda row: 100 * row["ece"],
    **{name: lambda row, name=name: 100 * row["class_accuracy"][name] for name in CONFUSED},
}
_CHECKPOINTS = {"best": "lowest validation loss", "final": "last epoch"}


def to_tables(result: Mapping[str, Any]) -> str:
    """Show a study as all of its tables, in Markdown. Args: result: what `study.json` holds."""
    shown = (to_table(result), to_checkpoint_table(result), to_class_table(result))
    return "\n\n".join(filter(None, shown))


def to_table(result: Mapping[str, Any]) -> str:
    """Show a study as a Markdown table: mean and sd over the seeds, and paired differences.

    Args: result: what `study.json` holds.
    """
    first = next(iter(result["variants"]))
    lines = [
        f"| {result['recipe']}, {result['measure']} accuracy | n | mean ± sd | paired difference, "
        "95 % interval | training, median | whole command, median |",
        "|---|---|---|---|---|---|",
    ]
    for variant in result["variants"]:
        own = _by_seed(result, variant, "accuracy")
        rows = [row for row in result["runs"] if row["variant"] == variant]
        diverged = len(rows) - len(own)
        difference = "" if variant == first else _interval(differences(result, variant))
        lines.append(
            f"| {cell(variant)} | {len(own)}{f' (and {diverged} diverged)' if diverged else ''} | "
            f"{_mean_sd(list(own.values()))} | {difference} | "
            f"{_median(rows, 'training_seconds')} | {_median(rows, 'command_seconds')} |"
        )
    return "\n".join(lines)


def to_class_table(result: Mapping[str, Any]) -> str:
    """Show what happens to the confused classes and to calibration, as a Markdown table.

    The first variant's row has means in per cent, the others' the mean paired difference from it
    in percentage points and its 95 % interval. A class's accuracy is its recall. ECE is the
    expected calibration error of the logits as they are; less is better.

    Args: result: as in `to_table`.
    """
    first, *others = result["variants"]
    columns = [name for name in quantities(result) if name != "accuracy"]
    means = [_mean_sd(list(_by_seed(result, first, name).values())) for name in columns]
    lines = [
        f"| {result['recipe']}, {result['measure']} | n | {' | '.join(columns)} |",
        "|---" * (len(columns) + 2) + "|",
        f"| {cell(first)} | {len(_by_seed(result, first, 'ECE'))} | {' | '.join(means)} |",
    ]
    for variant in others:
        pairs = [differences(result, variant, name) for name in columns]
        cells = " | ".join(map(_interval, pairs))
        lines.append(f"| {cell(variant)} | {len(pairs[0])} | {cells} |")
    return "\n".join(lines)


def to_checkpoint_table(result: Mapping[str, Any]) -> str:
    """Show the checkpoint of lowest validation loss and that of the last epoch, as Markdown.

    A cell has mean and sd over the seeds, and the paired difference from what the first variant
    answers with. Which of the two answers, a recipe's `answer` says: a table of one alone may hide
    what a variant does to the other.

    Args: result: as in `to_table`; rows from before both were noted are left out.

    Returns:
        "" if no row has them.
    """
    first = next(iter(result["variants"]))
    answering = _by_seed(result, first, "accuracy")
    lines = []
    for variant in result["variants"]:
        cells = []
        for checkpoint in _CHECKPOINTS:
            own = {
                row["seed"]: 100 * row["checkpoints"][checkpoint]["accuracy"]
                for row in result["runs"]
                if row["variant"] == variant and checkpoint in row.get("checkpoints", {})
            }
            pairs = [own[seed] - answering[seed] for seed in own if seed in answering]
            cells += [str(len(own)), _mean_sd(list(own.values())), _interval(pairs)]
        lines.append(f"| {' | '.join([cell(variant), *cells])} |")
    heads = [f"n | {name} | paired difference, 95 % interval" for name in _CHECKPOINTS.values()]
    head = f"| {result['recipe']}, {result['measure']} accuracy | {' | '.join(heads)} |"
    noted = any("checkpoints" in row for row in result["runs"])
    return "\n".join([head, "|---" * 7 + "|", *lines]) if noted else ""


def quantities(result: Mapping[str, Any]) -> list[str]:
    """What a study measures: of the confused classes those that its data set has."""
    return [
        name
        for name in _QUANTITIES
        if name not in CONFUSED
        or any(name in row.get("class_accuracy", CONFUSED) for row in result["runs"])
    ]


def differences(result: Mapping[str, Any], variant: str, quantity: str = "accuracy") -> list[float]:
    """A variant's differences from the first, seed by seed, in percentage points.

    Args: quantity: "accuracy", "ECE" or a class of `CONFUSED`. Rows without it are left out.
    """
    first = _by_seed(result, next(iter(result["variants"])), quantity)
    own = _by_seed(result, variant, quantity)
    return [own[seed] - first[seed] for seed in own if seed in first]


def _by_seed(result: Mapping[str, Any], variant: str, quantity: str) -> dict[int, float]:
    values = {}
    for row in result["runs"]:
        if row["variant"] == variant:
            try:
                values[row["seed"]] = _QUANTITIES[quantity](row)
            except KeyError:  # it diverged, or is from before the quantity was noted
                continue
    return values


def _median(rows: list[Mapping[str, Any]], key: str) -> str:
    """Of the runs in one go where the first one ran; the others' times mean something else."""
    first = rows[0].get("environment") if rows else None
    whole = [
        row[key]
        for row in rows
        if key in row and not row["resumed"] and row.get("environment") == first
    ]
    if not whole:
        return ""
    fewer = f" (n={len(whole)})" if len(whole) < len(rows) else ""
    return f"{statistics.median(whole):.1f} s{fewer}"


def _mean_sd(values: list[float]) -> str:
    if not values:
        return ""
    spread = f" ± {statistics.stdev(values):.2f}" if len(values) > 1 else ""
    return f"{statistics.mean(values):.2f}{spread} %"


def _interval(values: list[float]) -> str:
    if not values:
        return ""
    mean, low, high = student_interval(values)
    return f"{mean:+.2f}" + (f" ({low:+.2f} to {high:+.2f})" if len(values) > 1 else "")
