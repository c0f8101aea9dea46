"""Pictures of a run, drawn from its folder alone, of the data and of a study."""

import io
import warnings
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import lru_cache
from typing import Any

import numpy as np
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties, findfont, fontManager, get_font
from matplotlib.text import Text
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from fashion_cnn.data.split import Split, stratified_sample
from fashion_cnn.evaluation.compare import student_interval
from fashion_cnn.recipes.recipe import OF_ONE_IMAGE, Recipe
from fashion_cnn.reporting.study import differences, quantities
from fashion_cnn.run.folder import Run
from fashion_cnn.run.history import best_record
from fashion_cnn.run.results import Metrics
from fashion_cnn.text import visible

TRAINING, VALIDATION = "#1f77b4", "#d95f02"  # told apart by the colour-blind too
_CURVES = ("loss", "accuracy")
_AUGMENTS = (*OF_ONE_IMAGE, "cutmix", "outliers", "photo")
_INCHES, _LARGEST = 0.5, 20.0  # of a confusion matrix: a class, and in all
_MOST_WRITTEN, _MOST_NAMED = 40, 60  # classes whose cells hold their numbers, that are named
_MOST_ROWS = 50  # of a grid of samples
_DOTS = 150  # an inch
_ROUNDED = 5e-5  # half of the last digit that is shown
_NO_LETTER = r"(?s)Glyph \d+ .* missing from"
_BOXES = "boxes stand for letters that no font of this machine has"


def draw_run(run: Run, metrics: Metrics) -> None:
    """Write the loss and accuracy curves, both confusion matrices, the reliability diagram.

    Each as PNG and as SVG. Args: metrics: what `metrics.json` holds, or is about to.
    """
    for name, figure in figures(run, metrics).items():
        place = f"{name}_{metrics.framework}" if name in _CURVES else name
        pixels = png(figure)
        figure.set_layout_engine("none")  # where everything is was found for the pixels
        run.results.write_plot(place, pixels, svg(figure, place))


def figures(run: Run, metrics: Metrics) -> dict[str, Figure]:
    """The figures of a run: "loss", "accuracy", "confusion_matrix" (also "…_normalized"),
    "reliability" where it was calibrated.

    Args: metrics: what `metrics.json` holds, or is about to.
    """
    names, shown = [literal(name) for name in metrics.class_names], metrics.shown
    found = {quantity: learning_curve(run, metrics, quantity) for quantity in _CURVES}
    confusion = np.array(shown.confusion)
    title = (
        f"{shown.split.capitalize()} set, {metrics.reports_speak_of} checkpoint "
        f"(epoch {metrics.answering.epoch:g}): {100 * shown.accuracy:.2f} % right"
    )
    found["confusion_matrix"] = _matrix(confusion, names, title, "d")
    shares = confusion / np.maximum(confusion.sum(1, keepdims=True), 1)
    found["confusion_matrix_normalized"] = _matrix(
        shares, names, f"{title}\nEach number is a share of the true class", ".2f"
    )
    if calibration := run.results.calibration:
        found["reliability"] = reliability(calibration)
    return found


def literal(name: str) -> str:
    """A name from outside as text of a figure: dollars make no formula, and all of it is UTF-8."""
    return visible(name).replace("$", r"\$")


def sample_grid(split: Split, columns: int, seed: int) -> bytes:
    """Draw a random sample of images, a row a class, the first 50 classes: PNG.

    Args:
        split: of a class with fewer than `columns` images all are shown.
        columns: images a class, >= 1.
        seed: of the choice.
    """
    names = [literal(name) for name in split.class_names[:_MOST_ROWS]]
    figure = Figure(figsize=(0.75 * columns + 1.7, 0.78 * len(names)))
    grid = figure.subplots(len(names), columns, squeeze=False)
    figure.subplots_adjust(left=1.5 / (0.75 * columns + 1.7), right=0.99, top=0.99, bottom=0.01)
    for label, row in enumerate(grid):
        places = np.flatnonzero(split.labels == label)
        count = min(columns, len(places))
        chosen = stratified_sample(split.labels[places], count, seed, "samples") if count else []
        for axes in row:
            axes.axis("off")
        for axes, place in zip(row, places[chosen], strict=False):
            axes.imshow(split.images[place], cmap="gray", vmin=0, vmax=255)
        row[0].text(-0.15, 0.5, names[label], ha="right", va="center", transform=row[0].transAxes)
    return png(figure)


def differences_plot(result: Mapping[str, Any]) -> bytes:
    """Draw each variant's paired differences from the first: PNG.

    A dot a seed, their mean, and Student's 95 % interval where there are two seeds or more; for
    accuracy, for Shirt (the class most often wrong) where there is one, and for calibration error.

    Args: result: what `study.json` holds, of two variants or more.
    """
    first, *variants = result["variants"]
    known = {
        "accuracy": f"{result['measure']} accuracy\n(right is better)",
        "Shirt": "accuracy on Shirt\n(right is better)",
        "ECE": "calibration error\n(left is better)",
    }
    titles = {name: title for name, title in known.items() if name in quantities(result)}
    figure = Picture(12, 1.6 + 0.42 * len(variants))
    panels = figure.subplots(1, len(titles), sharey=True, width_ratios=(3, 2, 2)[: len(titles)])
    for axes, (quantity, title) in zip(panels, titles.items(), strict=True):
        axes.axvline(0, color="black", linewidth=1)
        for height, variant in enumerate(variants):
            values = differences(result, variant, quantity)
            axes.plot(values, [height] * len(values), "o", color="#9a9a9a", markersize=4, zorder=2)
            if not values:
                continue
            mean, low, high = student_interval(values)
            # Only an interval that leaves 0 out is a finding; told by shape as well as by colour.
            found = len(values) > 1 and (low > 0 or high < 0)
            axes.plot([low, high], [height] * 2, color="#1f77b4" if found else "#5b7c99")
            marker = "D" if found else "|"
            axes.plot(mean, height, marker, color="#1f77b4", markersize=7 if found else 11)
        axes.set(title=title, xlabel="percentage points")
        axes.grid(axis="x", alpha=0.3)
    panels[0].set_yticks(range(len(variants)), map(literal, variants))
    panels[0].invert_yaxis()
    seeds = len(result["seeds"])
    figure.suptitle(
        f"{literal(result['name'])}: difference from {literal(repr(first))}, paired by seed "
        f"(n={seeds}), 95 % intervals; a diamond where the interval leaves 0 out"
    )
    return png(figure)


def learning_curve(run: Run, metrics: Metrics, quantity: str) -> Figure:
    """Training and validation over the epochs, the best epoch and an interruption marked.

    Training as it was trained on, where that is what validation measures; and as the network
    answers at the end of each epoch, where the run's film has it.

    Args:
        metrics: what `metrics.json` holds, or is about to.
        quantity: "loss" or "accuracy".
    """
    history, title = run.history, {"loss": "cross-entropy loss"}.get(quantity, quantity)
    figure, axes = curve_axes(title)
    epochs = [record.epoch for record in history]
    film = run.film
    if history and not (film and quantity == "loss" and _another_loss(run.recipe)):
        values = [getattr(record, f"train_{quantity}") for record in history]
        style = ":" if film else "-"
        axes.plot(
            *(epochs, values, style),
            color=TRAINING,
            label=as_trained(run.recipe),
            marker="o",
            markersize=3,
        )
    if film:
        values = film.training[:, _CURVES.index(quantity)]
        label = "training, as it answers (a sample)"
        axes.plot(film.epoch, values, color=TRAINING, label=label, marker="o", markersize=3)
    if history:
        values = [getattr(record, f"val_{quantity}") for record in history]
        axes.plot(epochs, values, color=VALIDATION, label="validation", marker="o", markersize=3)
    if (best := best_record(history)) and metrics.best:
        value = getattr(best, f"val_{quantity}")
        evaluated = getattr(metrics.best.validation, quantity)
        if abs(value - evaluated) > _ROUNDED:  # trained in bfloat16, it answers in float32
            value = evaluated
        axes.plot(
            best.epoch,
            value,
            "*",
            color=VALIDATION,
            markersize=15,
            markeredgecolor="black",
            label=f"best checkpoint: epoch {best.epoch}, {value:.4f}",
        )
    final = metrics.final
    if metrics.status == "interrupted" or not history:
        at = f"interrupted at epoch {final.epoch:.2f}" if final.step else "not trained"
        value = getattr(final.validation, quantity)
        axes.plot(
            final.epoch,
            value,
            "D",
            color="black",
            markersize=7,
            label=f"{at}: validation {value:.4f}",
        )
    axes.set_title(f"{literal(run.recipe.name)}: {title}")
    if len(history) > 1:
        axes.legend()
    else:  # a lone point has room beside it, and none to spare for a legend on it
        axes.set_xlim(len(history) - 1, len(history) + 1)
        axes.margins(y=0.5)
        axes.legend(loc="upper left", bbox_to_anchor=(0.0, -0.15), frameon=False)
    return figure


def _another_loss(recipe: Recipe) -> bool:
    """Whether what training minimises is not the labels' cross-entropy."""
    return bool(
        recipe.label_smoothing
        or recipe.class_weights
        or recipe.teacher
        or recipe.cutmix
        or recipe.outliers
    )


def as_trained(recipe: Recipe) -> str:
    """What a history's training figures are, by what its recipe does to images and labels."""
    does = {
        "dropout": bool(recipe.dropout),
        "augmentation": any(getattr(recipe, name) for name in _AUGMENTS),
        "label smoothing": bool(recipe.label_smoothing),
        "class weights": bool(recipe.class_weights),
        "a teacher's answers": bool(recipe.teacher),
    }
    with_them = ", ".join(name for name, is_done in does.items() if is_done)
    return f"training, as trained: with {with_them}" if with_them else "training, while it learns"


def _matrix(values: NDArray[Any], names: Sequence[str], title: str, style: str) -> Figure:
    """Hits in blue and mistakes in orange, each on a scale of its own: hits are many more."""
    side = min(max(8.0, _INCHES * len(names)), _LARGEST)
    figure = Picture(side + 2, side)
    axes = figure.add_subplot()
    wrong = values * (1 - np.eye(len(names), dtype=values.dtype))
    most = np.array([values.diagonal().max(), wrong.max()])
    apart = np.ma.masked_array(wrong, np.eye(len(names), dtype=bool))
    edges, many = np.arange(len(names) + 1) - 0.5, len(names) > _MOST_WRITTEN
    right, mistakes = (
        axes.pcolormesh(  # in an SVG, shapes, where they are not too many
            *(edges, edges, shown), cmap=colours, vmin=0, vmax=top or 1, rasterized=many
        )
        for shown, colours, top in ((values, "Blues", most[0]), (apart, "Oranges", most[1]))
    )
    axes.set_aspect("equal")
    axes.invert_yaxis()
    unit = "images" if style == "d" else "share of the true class"
    for shown, which in ((right, "right"), (mistakes, "wrong")):
        figure.colorbar(shown, ax=axes, shrink=0.8, pad=0.02, label=f"{which}: {unit}")
    places = range(len(names))
    named = places[:: -(-len(names) // _MOST_NAMED)]
    axes.set_xticks(named, [names[place] for place in named], rotation=45, ha="right")
    axes.set_yticks(named, [names[place] for place in named])
    axes.set(xlabel="predicted class", ylabel="true class", title=title)
    for row in () if many else places:
        for column in places:
            value = values[row, column]
            dark = value > 0.6 * most[int(row != column)]
            colour = "white" if dark else "black" if value else "#999999"
            text = axes.text(column, row, format(value, style), ha="center", va="center")
            text.set(color=colour, in_layout=False)  # to measure it takes time: it is in its cell
    return figure


def reliability(calibration: dict[str, Any]) -> Figure:
    """Accuracy against confidence, before and after calibration.

    Args: calibration: what `calibration.json` holds.
    """
    measured = calibration["measured"]
    undone = "unsmoothed, " if calibration.get("label_smoothing") else ""
    figure = Picture(8, 7)
    axes = figure.add_subplot()
    axes.plot([0, 1], [0, 1], color="#999999", linewidth=1, label="confidence = accuracy")
    for part, name, colour in (
        ("before", "as trained", TRAINING),
        ("after", f"{undone}temperature {calibration['temperature']:.3f}", VALIDATION),
    ):
        rows = measured[part]["reliability"]
        middle = [row["confidence"] for row in rows]
        height = np.array([row["accuracy"] for row in rows])
        ends = np.array([row["interval"] for row in rows]).reshape(-1, 2).T
        axes.errorbar(
            middle,
            height,
            yerr=np.abs(ends - height),
            color=colour,
            marker="o",
            markersize=4,
            linewidth=1.5,
            elinewidth=0.8,
            capsize=2,
            label=f"{name}: calibration error {100 * measured[part]['ece']:.2f} %",
        )
    fitted = calibration["fitted_on"]
    title = f"{measured['split'].capitalize()} set, {measured['n']:,} images; temperature fitted on"
    axes.set(
        xlabel="confidence",
        ylabel="accuracy (95 % interval)",
        title=f"{title} {fitted['n']:,} of validation",
        xlim=(0, 1),
        ylim=(0, 1),
    )
    axes.grid(alpha=0.3)
    axes.legend(loc="lower right")
    return figure


def risk_coverage(calibration: dict[str, Any]) -> Figure:
    """The share of wrong answers against the share that is answered, the surest first.

    Args: calibration: what `calibration.json` holds.
    """
    measured = calibration["measured"]
    figure = Picture(8, 5)
    axes = figure.add_subplot()
    curve = measured["risk_coverage"]["curve"]
    coverage, risk = [row["coverage"] for row in curve], [row["risk"] for row in curve]
    axes.plot(coverage, risk, color=VALIDATION, label="wrong")
    for row in measured["reject"]:
        if row["wrong"] is not None:
            label = f"wanted: at most {100 * row['error_rate']:g} % wrong"
            axes.plot(
                row["answered"], row["wrong"], "o", color="black", fillstyle="none", label=label
            )
    axes.set(
        xlabel="share answered, the surest first",
        ylabel="wrong among these",
        title="The share of wrong answers against the share that is answered",
        xlim=(0, 1),
    )
    axes.set_ylim(bottom=0)
    axes.grid(alpha=0.3)
    axes.legend()
    return figure


class Picture(Figure):
    """A figure that makes room for its labels, and that a notebook shows without being told how."""

    def __init__(self, width: float, height: float) -> None:
        """Args: width, height: in inches."""
        super().__init__(figsize=(width, height), layout="constrained")

    def _repr_png_(self) -> bytes:
        return png(self)


def curve_axes(title: str) -> tuple[Figure, Axes]:
    """A figure of curves over epochs, empty."""
    figure = Picture(8, 5)
    axes = figure.add_subplot()
    axes.set(xlabel="epoch", ylabel=title, title=title)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, steps=[1, 2, 5, 10]))
    axes.grid(alpha=0.3)
    return figure, axes


def drawn(figure: Figure, form: str) -> bytes:
    """Draw a figure as "png", "svg" or "pdf"."""
    if form == "svg":
        return svg(figure, "figure")
    if form == "png":
        return png(figure)
    from matplotlib.backends.backend_pdf import FigureCanvasPdf

    def print_pdf(data: io.BytesIO) -> None:
        FigureCanvasPdf(figure).print_pdf(data, metadata={"CreationDate": None})

    return _with_letters(figure, print_pdf)


def png(figure: Figure) -> bytes:
    """Draw a figure."""
    figure.set_dpi(_DOTS)

    def print_png(data: io.BytesIO) -> None:
        FigureCanvasAgg(figure).print_png(data, metadata={"Software": None})

    return _with_letters(figure, print_png)


def _with_letters(figure: Figure, draw: Callable[[io.BytesIO], None]) -> bytes:
    """Draw a figure; letters that its font lacks come from other fonts of this machine.

    Where none has them, a line below the figure says so. Only texts that the figure has before it
    is drawn are looked at, so the labels of ticks must be set.
    """
    texts = [(text, text.get_fontfamily()) for text in figure.findobj(Text)]
    written = {ord(letter) for text, _ in texts for letter in text.get_text() if letter != "\n"}
    others, lacking = _fonts_with(frozenset(written) - _letters_of(findfont(FontProperties())))
    for text, families in texts if others else ():
        text.set_fontfamily([*families, *others])
    if lacking:
        figure.supxlabel(_BOXES, fontsize="x-small")
    data = io.BytesIO()
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", _NO_LETTER, UserWarning)
        draw(data)
    if lacking:
        figure.supxlabel("")
    for text, families in texts if others else ():
        text.set_fontfamily(families)
    return data.getvalue()


@lru_cache
def _fonts_with(letters: frozenset[int]) -> tuple[tuple[str, ...], frozenset[int]]:
    """The families of installed fonts that have some of these letters, as few as are found.

    And the letters that none has.
    """
    families = []
    for entry in fontManager.ttflist:
        if not letters:
            break
        if entry.name.startswith("Last Resort"):  # matplotlib's own boxes
            continue
        with suppress(OSError, RuntimeError):  # a damaged font is nobody's fault here
            if found := letters & _letters_of(entry.fname):
                families.append(entry.name)
                letters -= found
    return tuple(families), letters


def _letters_of(font: str) -> frozenset[int]:
    return frozenset(get_font(font).get_charmap())


def svg(figure: Figure, name: str) -> bytes:
    """Draw a figure in lines and letters; the same bytes each time.

    Args: name: of the picture; shapes are called after it, so that several fit into one page.
    """
    data = io.StringIO()
    nothing = dict.fromkeys(("Creator", "Date", "Format", "Type"))
    # Text stays text, in the page's letters.
    with (
        rc_context(
            {"svg.fonttype": "none", "svg.hashsalt": name, "font.sans-serif": ["DejaVu Sans"]}
        ),
        warnings.catch_warnings(),
    ):
        warnings.filterwarnings("ignore", _NO_LETTER, UserWarning)
        FigureCanvasSVG(figure).print_svg(data, metadata=nothing)
    return data.getvalue().encode()
