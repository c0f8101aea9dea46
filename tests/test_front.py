"""The picture of accuracy against time says what the records say."""

import json
import statistics
from pathlib import Path

import numpy as np
import pytest
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

import front

RESULTS = Path(__file__).parents[1] / "docs/results"


def test_the_committed_picture_is_that_of_the_records(tmp_path: Path) -> None:
    front.write(tmp_path)
    assert (tmp_path / "front.svg").read_text() == (front.IMAGES / "front.svg").read_text()


def points_of(line: Line2D) -> list[tuple[float, float]]:
    return [tuple(point) for point in np.asarray(line.get_xydata()).tolist()]


def test_points_are_where_the_records_put_them() -> None:
    axes = Figure().subplots()
    front.draw(axes, front.ours(), front.published())
    *others, mine = axes.get_lines()
    names = {text.get_text().split(":")[0] for text in axes.texts}
    assert {"fast", "balanced", "best", "the assignment"} < names
    points = {point.name: point for point in front.ours()}
    runs = json.loads((RESULTS / "speedrun/study.json").read_text())["runs"]
    fast = points["fast"]
    assert fast.accuracy == pytest.approx(100 * statistics.mean(run["accuracy"] for run in runs))
    assert 60 * fast.minutes == statistics.median(run["training_seconds"] for run in runs)
    assert (fast.minutes, fast.accuracy) in points_of(mine)
    assert f"fast: {fast.accuracy:.1f} % (n={len(runs)})" in {t.get_text() for t in axes.texts}
    rows = json.loads((RESULTS / "published.json").read_text())["results"]
    shown = sorted(point for line in others for point in points_of(line))
    assert shown == sorted((row["minutes"], 100 - row["error"]) for row in rows)
    assert axes.get_xscale() == "log"
