"""The charts of a page: a run's plots as SVG, in the colours of the page's style sheet."""

import re
from html import escape

import numpy as np
from matplotlib.container import ErrorbarContainer
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from fashion_cnn.reporting import plots
from fashion_cnn.run.folder import Run
from fashion_cnn.run.results import Metrics

_INCHES = 5.4, 3.5  # as wide as a column of the page at the size of its own small text
_MOST_SAID = 20  # points of a line
_COLOURS = {
    plots.TRAINING: "var(--b)",
    plots.VALIDATION: "var(--miss)",
    "#000000": "var(--ink)",
    "#ffffff": "var(--paper)",
    "#b0b0b0": "var(--soft)",
    "#cccccc": "var(--rule)",
}


def charts(run: Run, metrics: Metrics) -> dict[str, str]:
    """An `<svg>` by name: "loss", "accuracy" after an epoch, "reliability", "risk" if calibrated.

    Args: metrics: what `metrics.json` holds, or is about to.
    """
    figures = {}
    if run.history:
        figures = {
            quantity: plots.learning_curve(run, metrics, quantity)
            for quantity in ("loss", "accuracy")
        }
    if calibration := run.results.calibration:
        figures["reliability"] = plots.reliability(calibration)
        figures["risk"] = plots.risk_coverage(calibration)
    return {name: chart(figure) for name, figure in figures.items()}


def chart(figure: Figure, inches: tuple[float, float] = _INCHES) -> str:
    """The picture with its title and points in words, for those who cannot see it.

    Args: inches: width and height at the size of the page's own small text.
    """
    (axes,) = figure.axes
    title = _as_read(" ".join(axes.get_title().split()))
    axes.set_title("")
    figure.set_size_inches(*inches)
    drawn = plots.svg(figure, title).decode()
    inside = drawn[drawn.index(">", drawn.index("<svg")) + 1 :]
    inside = re.sub(r' id="[a-z0-9.]+_\d+"', "", inside)  # the same in every figure, used by none
    for colour, variable in _COLOURS.items():
        inside = inside.replace(colour, variable)
    width, height = (72 * side for side in inches)
    return (
        f'<svg class="chart" viewBox="0 0 {width:g} {height:g}" role="img" '
        f'aria-label="{escape(title)}"><title>{escape(title)}</title>'
        f"<desc>{escape(_said(figure))}</desc>{inside}"
    )


def _as_read(text: str) -> str:
    """Text of a figure as it is read: in it, a plain dollar has a stroke before it."""
    return text.replace(r"\$", "$")


def _said(figure: Figure) -> str:
    """Each line's name and its points, a part of them where there are many."""
    (axes,) = figure.axes
    lines = []
    for shown, name in zip(*axes.get_legend_handles_labels(), strict=True):
        line = shown[0] if isinstance(shown, ErrorbarContainer) else shown
        assert isinstance(line, Line2D)
        points = np.asarray(line.get_xydata())
        points = points[:: max(1, -(-len(points) // _MOST_SAID))]
        lines.append(
            f"{_as_read(str(name))}: " + ", ".join(f"{y:.4g} at {x:.4g}" for x, y in points)
        )
    return "; ".join(lines)
