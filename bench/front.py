"""The pictures of accuracy against time, from the records: python bench/front.py.

Writes docs/images/front.png: ours and other tools on one or two cores of a CPU, and what others
published, on the hardware that docs/results/published.json names. And peers.png: other tools and
ours, one after the other on the same machine, a panel for each machine, as bench/peers.py recorded
them.
"""

import json
import statistics
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

REPOSITORY = Path(__file__).parents[1]
RESULTS, IMAGES = REPOSITORY / "docs/results", REPOSITORY / "docs/images"
OURS, THEIRS, TOOLS = "#0b5fa5", "#b8560b", "#2e7d32"
TICKS = {5 / 60: "5 s", 10 / 60: "10 s", 0.5: "30 s", 2: "2 min", 10: "10 min", 30: "30 min"}
TICKS |= {60: "1 h", 180: "3 h", 600: "10 h", 1440: "1 day"}
ACCURACIES = (75, 80, 85, 90, 92, 93, 94, 95, 96, 97)
PEERS = {
    "keras_convnet": "Keras, MNIST example",
    "torchvision_resnet18": "torchvision, ResNet-18",
    "timm_resnet18": "timm, ResNet-18",
    "fastai_resnet18": "fastai, ResNet-18",
    "ultralytics_yolo26n": "Ultralytics, YOLO26n",
}
"""What the pictures call them; the others are ours."""
COLOURS = ("#b8560b", "#7b3fa0", "#555555", "#2e7d32", "#c2185b")
MACHINES = {"with AVX-512": "peers.json", "with AVX2": "peers-avx2.json"}
"""The records of bench/peers.py, by what sets their machines apart: each had 2 cores of an EPYC."""
SLOWER = ", on AVX2"
"""What the names of ours end with that ran on the slower one."""
GROUPS = {
    "hysts": ("o", "none", THEIRS, "published, on a GTX 1080 Ti GPU"),
    "project": ("^", "none", THEIRS, "the course project, on an Apple GPU"),
    "ours": ("s", "full", OURS, "ours, on one or two cores of a CPU"),
    "tool": ("D", "full", TOOLS, "other tools, 3 to 15 epochs, with start-up"),
    "again": ("s", "none", OURS, "ours on the same two cores, with the start-up"),
}
"""Of points: marker, filling, colour, and what the legend calls them."""
LEFT, RIGHT = (-8, -4, "right"), (8, -4, "left")
PLACES = {
    **dict.fromkeys(("fast", "fast94, 6 epochs", "balanced"), LEFT),
    **dict.fromkeys(("Keras, MNIST example", "Ultralytics, YOLO26n"), LEFT),
    "best": (-8, -16, "left"),
    "the assignment": (8, 2, "left"),  # clear of the course project
}
"""Where a name stands beside its point, if not to the right."""


@dataclass(frozen=True)
class Point:
    """One recipe or network.

    Attributes:
        name: as it stands beside the point.
        minutes: of training.
        accuracy: of the test images, in percent; the mean, or published median, of the runs.
        group: of `GROUPS`.
    """

    name: str
    minutes: float
    accuracy: float
    group: str = "ours"


def read(path: str) -> Any:
    """A record."""
    return json.loads((RESULTS / path).read_text())


def of_study(name: str, path: str, minutes: float | None = None) -> Point:
    """The mean accuracy of a study's runs and, unless it is given, the median of their times."""
    runs = read(path)["runs"]
    accuracy = statistics.mean(100 * run["accuracy"] for run in runs)
    seconds = statistics.median(run["training_seconds"] for run in runs)
    return Point(name, minutes or seconds / 60, accuracy)


def of_run(name: str, path: str, checkpoint: str) -> Point:
    """One run by one of its checkpoints."""
    found = read(f"{path}/metrics.json")
    accuracy = 100 * found[checkpoint]["test"]["accuracy"]
    return Point(name, found["training_seconds"] / 60, accuracy)


def ours() -> list[Point]:
    """The recipes; `balanced` and `best` by the time of the one run on two cores."""
    alone = read("balanced/seed-5/metrics.json")["training_seconds"] / 60
    of_seed_3 = read("speedrun-95/study.json")["runs"][-1]["training_seconds"] / 60
    return [
        of_study("fast, 1 epoch", "sprint/study.json"),
        of_study("fast", "speedrun/study.json"),
        of_study("fast93", "speedrun-93/study.json"),
        of_study("fast94, 6 epochs", "speedrun-94/history/01.json"),
        of_study("fast94, on AVX2", "speedrun-94/study.json"),
        of_study("balanced", "balanced/study.json", alone),
        of_study("best", "speedrun-95/study.json", of_seed_3),
        of_run("the assignment", "baseline-xeon", "final"),
    ]


def published() -> list[Point]:
    """What others have published, by their own times."""
    return [
        Point(row["network"], row["minutes"], 100 - row["error"], row["source"])
        for row in read("published.json")["results"]
    ]


def side_by_side() -> list[Point]:
    """Other tools and ours on the same machines; times go from the command to the last epoch."""
    return [
        Point(
            str(PEERS.get(name, name + (SLOWER if "AVX2" in machine else ""))),
            one["validation"][-1][0] / 60,
            100 * one["test_accuracy"],
            "tool" if name in PEERS else "again",
        )
        for machine, record in MACHINES.items()
        for name, one in read(record)["peers"].items()
    ]


def errors(accuracies: np.ndarray) -> np.ndarray:
    """Where an accuracy in percent stands on the axis: every halving of the error is as high."""
    return -np.log10(np.maximum(100 - np.asarray(accuracies, float), 0.1))


def accuracies_at(places: np.ndarray) -> np.ndarray:
    """The inverse of `errors`."""
    return 100 - 10 ** -np.asarray(places, float)


def draw(axes: Axes, points: list[Point]) -> None:
    """Ours, what others published, and tools and ours on the same machines."""
    for group, (marker, filling, colour, label) in GROUPS.items():
        chosen = [point for point in points if point.group == group]
        axes.plot(
            [point.minutes for point in chosen],
            [point.accuracy for point in chosen],
            marker,
            fillstyle=filling,
            color=colour,
            label=label,
        )
        for point in chosen:
            # Of ours beside tools the others stand near their recipes.
            if group in ("ours", "tool") or point.name.endswith(SLOWER):
                x, y, side = PLACES.get(point.name, RIGHT)
                axes.annotate(
                    f"{point.name}: {point.accuracy:.1f} %",
                    (point.minutes, point.accuracy),
                    xytext=(x, y),
                    textcoords="offset points",
                    ha=side,
                    color=colour,
                )
    _scales(axes, most_minutes=1440)
    axes.set(xlabel="training time", ylabel="test accuracy (%), by the logarithm of the error")
    axes.set(xlim=(0.02, 3000), ylim=(72, 97.4))
    axes.legend(loc="upper left", frameon=False, labelspacing=0.3)


def _scales(axes: Axes, most_minutes: float) -> None:
    """Minutes, and accuracies by their error, each on a logarithmic scale."""
    ticks = {minutes: text for minutes, text in TICKS.items() if minutes <= most_minutes}
    axes.set_xscale("log")
    axes.set_xticks(list(ticks), list(ticks.values()))
    axes.minorticks_off()
    axes.set_yscale("function", functions=(errors, accuracies_at))
    axes.set_yticks(ACCURACIES)
    axes.grid(alpha=0.25)


def draw_peers(axes: Axes, peers: dict[str, Any]) -> None:
    """Validation accuracy after each epoch against the time since the command's start."""
    marks = iter("sD^")  # of ours, which share a colour
    for name, found in peers.items():
        theirs = name in PEERS
        seconds, accuracies = zip(*found["validation"], strict=True)
        axes.plot(
            [one / 60 for one in seconds],
            [100 * one for one in accuracies],
            "o-" if theirs else f"{next(marks)}-",
            color=COLOURS[list(PEERS).index(name)] if theirs else OURS,
            linewidth=1 if theirs else 1.5,
            markersize=4,
            label=PEERS.get(name, f"ours, {name}, {found['epochs']} epochs"),
        )
    _scales(axes, most_minutes=30)
    axes.set(xlabel="time since the command began", xlim=(5 / 60, 40), ylim=(72, 95.2))


def write(folder: Path) -> None:
    """Draw into a folder; the same records give the same pixels."""
    for name in ("front", "peers"):
        figure = Figure(figsize=(8, 5), layout="constrained")
        if name == "front":
            draw(figure.subplots(), [*ours(), *published(), *side_by_side()])
        else:
            panels = figure.subplots(1, len(MACHINES), sharex=True, sharey=True)
            for axes, (machine, record) in zip(panels, MACHINES.items(), strict=True):
                draw_peers(axes, read(record)["peers"])
                axes.set_title(f"2 cores of an AMD EPYC {machine}", fontsize="medium")
            panels[0].set_ylabel("validation accuracy (%), by the log of the error")
            lines = {line.get_label(): line for axes in panels for line in axes.get_lines()}
            figure.legend(lines.values(), lines, loc="outside lower center", ncols=3, frameon=False)
        figure.savefig(folder / f"{name}.png", dpi=150)


def main() -> None:
    """Draw."""
    write(IMAGES)
    print(f"wrote the pictures of the front and the peers into {IMAGES}")


if __name__ == "__main__":
    main()
