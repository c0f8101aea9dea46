"""Pictures of runs, drawn for once, or read and not drawn: a PNG's bytes are then the key of its
figure."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from fashion_cnn.reporting import plots, report
from fashion_cnn.reporting.charts import charts
from fashion_cnn.reporting.plots import draw_run


class Drawn:
    """The figures of the PNGs that were made meanwhile."""

    def __init__(self) -> None:
        self._figures: dict[bytes, Figure] = {}

    def keep(self, figure: Figure) -> bytes:
        key = b"\x89PNG figure %d" % len(self._figures)
        self._figures[key] = figure
        return key

    def figure(self, png: bytes | Path) -> Figure:
        return self._figures[png.read_bytes() if isinstance(png, Path) else png]

    def axes(self, png: bytes | Path) -> Axes:
        """The first of them."""
        return self.figure(png).axes[0]


@contextmanager
def drawing() -> Iterator[pytest.MonkeyPatch]:
    """As outside the tests: runs get their plots, and their pages charts."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(plots, "draw_run", draw_run)
        patch.setattr(report, "charts", charts)
        yield patch


@contextmanager
def figures_instead_of_pictures() -> Iterator[Drawn]:
    drawn = Drawn()
    with drawing() as patch:

        def print_png(canvas: FigureCanvasAgg, file, **_) -> None:
            file.write(drawn.keep(canvas.figure))

        patch.setattr(FigureCanvasAgg, "print_png", print_png)
        yield drawn


def points(line) -> tuple[list[float], list[float]]:
    x, y = line.get_data()
    return np.asarray(x, float).tolist(), np.asarray(y, float).tolist()


def labelled(axes: Axes) -> dict[str, tuple[list[float], list[float]]]:
    """The points of each line that the legend names."""
    return {
        str(line.get_label()): points(line)
        for line in axes.get_lines()
        if not str(line.get_label()).startswith("_")
    }


def ticks(axes: Axes, side: str) -> dict[float, str]:
    """Where each name stands on the x or the y axis."""
    axis = axes.xaxis if side == "x" else axes.yaxis
    return {
        float(place): label.get_text()
        for place, label in zip(axis.get_ticklocs(), axis.get_ticklabels(), strict=True)
    }
