"""Pictures of a run: letters that matplotlib's font lacks."""

import warnings
from collections.abc import Iterator

import numpy as np
import pytest
from matplotlib import rc_context
from matplotlib.font_manager import fontManager

from fashion_cnn.reporting import plots
from fashion_cnn.reporting.plots import Picture, _matrix, drawn, png, svg

IN_ANOTHER, IN_NONE = "\u210a", "\u65e5\u672c \U0001f45f"  # STIX, of matplotlib's, has the first


@pytest.fixture(autouse=True)
def fonts(monkeypatch) -> Iterator[None]:
    """Those that come with matplotlib, whatever this machine has."""
    known = [one for one in fontManager.ttflist if one.name in ("DejaVu Sans", "STIXGeneral")]
    monkeypatch.setattr(fontManager, "ttflist", known)
    plots._fonts_with.cache_clear()
    yield
    plots._fonts_with.cache_clear()


@pytest.fixture
def lines(monkeypatch) -> list[str]:
    """What is written below figures."""
    written, original = [], Picture.supxlabel

    def noted(self, text: str, **how):
        written.append(text)
        return original(self, text, **how)

    monkeypatch.setattr(Picture, "supxlabel", noted)
    return written


def named(name: str) -> Picture:
    """A figure with a class's name at its axis and in its title, as a confusion matrix has it."""
    figure = Picture(3, 2)
    axes = figure.add_subplot()
    axes.set_yticks([0, 1], [name, "Shirt"])
    axes.set_title(name)
    return figure


def test_letters_come_from_another_font_that_has_them(lines) -> None:
    figure = named(IN_ANOTHER)
    with rc_context({"font.family": ["sans-serif", "STIXGeneral"]}):
        wanted = png(named(IN_ANOTHER))
    assert png(figure) == wanted
    assert png(figure) == wanted, "as often as a notebook shows it"
    assert lines == []


@pytest.mark.parametrize("form", ["png", "pdf"])
def test_letters_that_no_font_has_are_told_below(form: str, lines) -> None:
    figure = named(IN_NONE)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        first = drawn(figure, form)
    assert lines == ["boxes stand for letters that no font of this machine has", ""]
    assert drawn(figure, form) == first
    assert "boxes" not in svg(figure, "figure").decode(), "a browser has more fonts"
    assert IN_NONE in svg(figure, "figure").decode()


@pytest.mark.parametrize(("classes", "in_pixels"), [(3, False), (60, True)])
def test_a_matrix_is_of_shapes_unless_they_are_too_many(classes: int, in_pixels: bool) -> None:
    names = [f"class {label}" for label in range(classes)]
    figure = _matrix(np.eye(classes, dtype=int) * 7 + 1, names, "matrix", "d")
    picture = svg(figure, "matrix").decode()
    of_scales = 2  # which matplotlib makes of pixels
    assert (picture.count("<image") > of_scales) is in_pixels
    assert picture.index(">class 0<") < picture.index(">class 1<")
    axes = figure.axes[0]
    top, bottom = axes.transData.transform([(0, 0), (0, classes - 1)])
    assert top[1] > bottom[1], "the first class stands at the top"
