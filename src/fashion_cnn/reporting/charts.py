"""Charts as SVG, to stand inside a page: its style sheet gives them their colours."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape

_WIDTH, _HEIGHT = 520, 320
_LEFT, _RIGHT, _TOP, _BOTTOM = 84, 14, 12, 44
_DOTS = 60  # more points than these are drawn as a line alone


@dataclass(frozen=True)
class Series:
    """One line of a chart.

    Attributes:
        name: said of each point.
        style: a class of the page's style sheet: "a", "b" or "quiet".
        points: (x, y) in the order in which they are joined.
        intervals: (low, high) of each y, drawn as whiskers; or none.
        marks: points that are emphasised, with what is said of them.
    """

    name: str
    style: str
    points: Sequence[tuple[float, float]]
    intervals: Sequence[tuple[float, float]] = ()
    marks: Sequence[tuple[float, float, str]] = ()


@dataclass(frozen=True)
class Axis:
    """A linear axis.

    Attributes:
        label: what it measures.
        low, high: its ends.
        show: writes a value.
        whole: whether only whole numbers are ticked.
    """

    label: str
    low: float
    high: float
    show: Callable[[float], str]
    whole: bool = False

    def ticks(self) -> list[float]:
        """Five or so round values from end to end."""
        raw = max(self.high - self.low, 1e-9) / 5
        power = 10.0 ** math.floor(math.log10(raw))
        step = next(power * factor for factor in (1, 2, 5, 10) if power * factor >= raw * 0.999)
        step = max(step, 1.0) if self.whole else step
        first, last = math.ceil(self.low / step - 1e-9), math.floor(self.high / step + 1e-9)
        return [index * step for index in range(first, last + 1)]


def spanning(values: Sequence[float], *, floor: float | None = None) -> tuple[float, float]:
    """Ends for an axis that holds all values with a little room; `floor` is a fixed lower end."""
    low, high = min(values, default=0.0), max(values, default=1.0)
    room = 0.06 * (high - low or abs(high) or 1.0)
    return (low - room if floor is None else floor), high + room


def line_chart(title: str, x: Axis, y: Axis, series: Sequence[Series]) -> str:
    """Draw lines over two axes: an `<svg>` element, whose text alternative is `title`."""

    def place(a: float, b: float) -> tuple[float, float]:
        across = (a - x.low) / ((x.high - x.low) or 1)
        up = (b - y.low) / ((y.high - y.low) or 1)
        return (
            _LEFT + across * (_WIDTH - _LEFT - _RIGHT),
            _HEIGHT - _BOTTOM - up * (_HEIGHT - _TOP - _BOTTOM),
        )

    parts = [
        f'<svg class="chart" viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" '
        f'aria-label="{escape(title)}">'
    ]
    base, right = _HEIGHT - _BOTTOM, _WIDTH - _RIGHT
    for tick in y.ticks():
        _, v = place(x.low, tick)
        parts.append(f'<path class="grid" d="M{_LEFT} {v:.1f}H{right}"/>')
        parts.append(_text(_LEFT - 8, v + 4, "end", y.show(tick)))
    for tick in x.ticks():
        u, _ = place(tick, y.low)
        parts.append(f'<path class="grid" d="M{u:.1f} {base}v5"/>')
        parts.append(_text(u, base + 19, "middle", x.show(tick)))
    parts.append(f'<path class="axis" d="M{_LEFT} {base}H{right}"/>')
    parts.append(_text((_LEFT + right) / 2, _HEIGHT - 5, "middle", x.label))
    middle = (_TOP + base) / 2
    parts.append(_text(14, middle, "middle", y.label, f' transform="rotate(-90 14 {middle})"'))
    for line in series:
        parts += _line(line, x, y, place)
    return "".join([*parts, "</svg>"])


def _line(
    line: Series, x: Axis, y: Axis, place: Callable[[float, float], tuple[float, float]]
) -> list[str]:
    parts = [f'<g class="{line.style}">']
    for (a, _), (low, high) in zip(line.points, line.intervals, strict=False):
        (u, top), (_, end) = place(a, high), place(a, low)
        parts.append(f'<path class="whisker" d="M{u:.1f} {top:.1f}V{end:.1f}"/>')
    places = [place(a, b) for a, b in line.points]
    if len(places) > 1:
        route = "L".join(f"{u:.1f} {v:.1f}" for u, v in places)
        parts.append(f'<path class="line" d="M{route}"/>')
    if len(places) <= _DOTS and line.style != "quiet":
        for (u, v), (a, b) in zip(places, line.points, strict=True):
            said = escape(f"{line.name}: {y.show(b)} ({x.label} {x.show(a)})")
            parts.append(f'<circle cx="{u:.1f}" cy="{v:.1f}" r="3"><title>{said}</title></circle>')
    for a, b, words in line.marks:
        u, v = place(a, b)
        parts.append(
            f'<circle class="mark" cx="{u:.1f}" cy="{v:.1f}" r="6"><title>{escape(words)}</title>'
            "</circle>"
        )
    return [*parts, "</g>"]


def _text(x: float, y: float, anchor: str, words: str, more: str = "") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}"{more}>{escape(words)}</text>'
