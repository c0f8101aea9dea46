"""A comparison of runs as text, as CSV and as a picture."""

import dataclasses
import math
from typing import TYPE_CHECKING

import numpy as np

from fashion_cnn.evaluation.compare import Comparison, Difference, Group, accuracy_interval
from fashion_cnn.files import to_csv
from fashion_cnn.text import cell

if TYPE_CHECKING:
    from matplotlib.figure import Figure

COLOURS = ("#1f77b4", "#d95f02", "#1b9e77", "#7570b3", "#e7298a", "#66a61e")
"""Of the runs, in turn."""

_LEAST_P = 1e-300  # near the smallest double; below, all are 0 in the end
_RECALL = (
    "Recall by class, percentage points from the first (each 95 % interval stands alone: among "
    "many classes one is likely to leave out 0 by chance):"
)


def comparison_markdown(comparison: Comparison) -> str:
    """`comparison_text` for a notebook, which would run the HTML that a stranger's name may hold.

    No letter of a name means anything there: those that could are written as numbers.
    """
    groups = tuple(dataclasses.replace(g, name=_literal(g.name)) for g in comparison.groups)
    names = tuple(map(_literal, comparison.class_names))
    return comparison_text(dataclasses.replace(comparison, groups=groups, class_names=names))


def _literal(name: str) -> str:
    return "".join(c if c.isalnum() or c in " -./" else f"&#{ord(c)};" for c in name)


def comparison_text(comparison: Comparison) -> str:
    """The accuracies, the differences from the first, and what they mean, in Markdown tables.

    For a terminal, by way of `aligned`; names stand there as they are.
    """
    first, *others = comparison.groups
    lines = [
        f"{comparison.n:,} {comparison.split} images",
        "",
        "| | runs | accuracy | 95 % interval | difference | 95 % interval |",
        "|---|---|---|---|---|---|",
        _row(first, None),
        *(_row(g, d) for g, d in zip(others, comparison.differences, strict=True)),
    ]
    for group in comparison.groups:
        lines += _together(group)
    for group, difference in zip(others, comparison.differences, strict=True):
        lines += ["", f"{group.name} against {first.name}:", f"  {_verdict(difference)}"]
        lines += _sides(difference, group.name, first.name)
    lines += ["", _RECALL, ""]
    header = " | ".join(cell(group.name) for group in comparison.groups)
    lines += [f"| class | {header} |", "|---" * (2 + len(others)) + "|"]
    for label, name in enumerate(comparison.class_names):
        if np.isnan(first.recalls[0, label]):
            lines.append(f"| {cell(name)} | no image |{' |' * len(others)}")
            continue
        cells = [f"{100 * first.recalls.mean(0)[label]:.1f} %"]
        for difference in comparison.differences:
            gain = f"{100 * difference.recalls[label]:+.1f}"
            if difference.recall_intervals:
                low, high = difference.recall_intervals[label]
                gain += f" ({100 * low:+.1f} to {100 * high:+.1f})"
            cells.append(gain)
        lines.append(f"| {cell(name)} | {' | '.join(cells)} |")
    return "\n".join(lines)


_COLUMNS = (
    *("run", "runs", "accuracy", "low", "high", "difference"),
    *("difference_low", "difference_high", "by"),
)


def results_table(comparison: Comparison, form: str) -> str:
    """A row a run or group of seeds: accuracy, difference from the first, their 95 % intervals.

    In percent and percentage points.

    Args: form: "csv", or "tex" for a `tabular` of LaTeX.
    """
    rows: list[list[str]] = []
    for group, difference in zip(comparison.groups, (None, *comparison.differences), strict=True):
        row = [group.name, str(len(group.runs)), *_points(group.mean, *group.interval)]
        if difference:
            row += [*_points(difference.accuracy, *difference.interval), difference.method]
        rows.append(row + [""] * (len(_COLUMNS) - len(row)))
    if form == "csv":
        return to_csv([_COLUMNS, *rows])
    lines = [" & ".join(map(_for_latex, row)) + r" \\" for row in (_COLUMNS, *rows)]
    lines.insert(1, r"\hline")
    body = "\n".join(lines)
    return f"\\begin{{tabular}}{{l{'r' * (len(_COLUMNS) - 2)}l}}\n{body}\n\\end{{tabular}}\n"


def _points(*shares: float) -> list[str]:
    return [f"{100 * share:.2f}" for share in shares]


def _for_latex(text: str) -> str:
    marks = {"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}"}
    marks |= {mark: f"\\{mark}" for mark in "&%$#_{}"}
    return "".join(marks.get(letter, letter) for letter in text)


def changes_csv(comparison: Comparison) -> str:
    """A row an image on which two single runs differ in being right."""
    rows: list[list[object]] = [
        ["first", "second", "index", "label", "first_says", "second_says", "change"]
    ]
    first, *others = comparison.groups
    for group, difference in zip(others, comparison.differences, strict=True):
        if test := difference.mcnemar:
            one, other = first.predictions[0], group.predictions[0]
            assert one
            assert other
            for change, places in (("gained", test.gained), ("lost", test.lost)):
                for i in places.tolist():
                    says = [one.labels[i], one.predicted[i], other.predicted[i]]
                    rows.append([first.name, group.name, i, *says, change])
    return to_csv(rows)


def draw(comparison: Comparison) -> "Figure":
    """Accuracies with their intervals, and the recall of each class from the first's."""
    from fashion_cnn.reporting.plots import Picture, literal

    figure = Picture(11, 1.6 + 0.4 * len(comparison.groups) + 3.6)
    above, below = figure.subplots(2, 1, height_ratios=[1 + 0.4 * len(comparison.groups), 3.6])
    for place, group in enumerate(comparison.groups):
        colour = COLOURS[place % len(COLOURS)]
        low, high = (100 * end for end in group.interval)
        above.plot([low, high], [place, place], color=colour, linewidth=2)
        above.plot(100 * group.mean, place, "o", color=colour, markersize=8)
        if len(group.runs) > 1:
            above.plot(
                [100 * a for a in group.accuracies],
                [place] * len(group.runs),
                "|",
                color=colour,
                markersize=14,
            )
    above.set_yticks(range(len(comparison.groups)), [literal(g.name) for g in comparison.groups])
    above.set(
        xlabel=f"{comparison.split} accuracy, % (95 % interval)",
        ylim=(len(comparison.groups) - 0.5, -0.5),
    )
    above.grid(axis="x", alpha=0.3)
    classes = np.arange(len(comparison.class_names))
    width = 0.8 / max(1, len(comparison.differences))
    for place, difference in enumerate(comparison.differences):
        x = classes + (place - (len(comparison.differences) - 1) / 2) * width
        height = 100 * difference.recalls
        ends = None
        if difference.recall_intervals:
            ends = np.abs(100 * np.array(difference.recall_intervals).T - height)
        colour = COLOURS[(place + 1) % len(COLOURS)]
        below.bar(x, height, width * 0.9, yerr=ends, color=colour, ecolor="#555555", capsize=2)
    below.axhline(0, color="black", linewidth=0.8)
    below.set_xticks(classes, map(literal, comparison.class_names), rotation=30, ha="right")
    below.set(ylabel=f"recall, points from {literal(comparison.groups[0].name)}")
    below.grid(axis="y", alpha=0.3)
    return figure


def _row(group: Group, difference: Difference | None) -> str:
    spread = "" if group.deviation is None else f" ± {100 * group.deviation:.2f}"
    low, high = group.interval
    cells = [
        cell(group.name),
        str(len(group.runs)),
        f"{100 * group.mean:.2f}{spread} %",
        f"{100 * low:.2f} to {100 * high:.2f}",
    ]
    if difference is None:
        return f"| {' | '.join(cells)} | | |"
    low, high = difference.interval
    return (
        f"| {' | '.join(cells)} | {100 * difference.accuracy:+.2f} | "
        f"{100 * low:+.2f} to {100 * high:+.2f}, {difference.method} |"
    )


def _together(group: Group) -> list[str]:
    if (ensemble := group.ensemble) is None:
        return []
    low, high = accuracy_interval(ensemble)
    return [
        "",
        f"{group.name} as an ensemble, their probabilities averaged: "
        f"{100 * ensemble.correct.mean():.2f} % "
        f"(95 % interval {100 * low:.2f} to {100 * high:.2f} %)",
    ]


def _verdict(difference: Difference) -> str:
    low, high = difference.interval
    if math.isnan(low):
        return "no interval"
    if low <= 0 <= high:
        return "may be chance: the 95 % interval holds 0"
    return f"{'better' if low > 0 else 'worse'}: the 95 % interval leaves 0 out"


def _sides(difference: Difference, name: str, first: str) -> list[str]:
    test = difference.mcnemar
    if test is None:
        return []
    return [
        f"  {len(test.gained)} images are right only in {name}, {len(test.lost)} only in {first}; "
        f"McNemar: mid-p {_p(test.mid_p)}, exact p {_p(test.exact_p)}",
        "  This compares these two networks; to compare recipes, train several seeds of each.",
        f"  right only in {name}: {_some(test.gained.tolist())}",
        f"  right only in {first}: {_some(test.lost.tolist())}",
    ]


def _p(value: float) -> str:
    if value < _LEAST_P:
        return f"< {_LEAST_P:.0e}"
    return f"{value:.4f}" if value >= 1e-4 else f"{value:.1e}"


def _some(indices: list[int], most: int = 12) -> str:
    more = f" … (--csv lists all {len(indices)})" if len(indices) > most else ""
    return ", ".join(f"#{index}" for index in indices[:most]) + more if indices else "none"
