"""The picture of accuracy against time says what the records say."""

import json
import statistics
from pathlib import Path

import numpy as np
import pytest
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from PIL import Image

import front

RESULTS = Path(__file__).parents[1] / "docs/results"


def test_the_committed_pictures_are_those_of_the_records(tmp_path: Path) -> None:
    front.write(tmp_path)
    for name in ("front.png", "peers.png"):
        drawn, committed = (
            np.asarray(Image.open(folder / name)) for folder in (tmp_path, front.IMAGES)
        )
        assert np.array_equal(drawn, committed), f"{name}: run bench/front.py"


def points_of(line: Line2D) -> list[tuple[float, float]]:
    return [tuple(point) for point in np.asarray(line.get_xydata()).tolist()]


def test_points_are_where_the_records_put_them() -> None:
    axes = Figure().subplots()
    front.draw(axes, [*front.ours(), *front.published()])
    *others, mine, _, _ = axes.get_lines()
    names = {text.get_text().split(":")[0] for text in axes.texts}
    assert {"fast", "balanced", "best", "the assignment"} < names
    points = {point.name: point for point in front.ours()}
    runs = json.loads((RESULTS / "speedrun/study.json").read_text())["runs"]
    fast = points["fast"]
    assert fast.accuracy == pytest.approx(100 * statistics.mean(run["accuracy"] for run in runs))
    assert 60 * fast.minutes == statistics.median(run["training_seconds"] for run in runs)
    assert (fast.minutes, fast.accuracy) in points_of(mine)
    assert f"fast: {fast.accuracy:.1f} %" in {t.get_text() for t in axes.texts}
    rows = json.loads((RESULTS / "published.json").read_text())["results"]
    shown = sorted(point for line in others for point in points_of(line))
    assert shown == sorted((row["minutes"], 100 - row["error"]) for row in rows)
    assert axes.get_xscale() == "log"


@pytest.mark.parametrize("record", front.MACHINES.values())
def test_peers_are_drawn_where_their_epochs_ended(record: str) -> None:
    peers = json.loads((RESULTS / record).read_text())["peers"]
    axes = Figure().subplots()
    front.draw_peers(axes, peers)
    wanted = [
        [(seconds / 60, 100 * accuracy) for seconds, accuracy in found["validation"]]
        for found in peers.values()
    ]
    for line, points in zip(axes.get_lines(), wanted, strict=True):
        np.testing.assert_allclose(points_of(line), points)
    lengths = {name: f"{one['epochs']} epochs" for name, one in peers.items()}
    names = [front.PEERS.get(name, f"ours, {name}, {lengths[name]}") for name in peers]
    assert [line.get_label() for line in axes.get_lines()] == names
    low, high = axes.get_ylim()
    ends = [points[-1][1] for points in wanted]
    assert all(low < accuracy < high for accuracy in ends)


@pytest.mark.parametrize(("group", "label"), [("tool", "other tools"), ("again", "ours on the")])
def test_other_tools_and_ours_stand_where_their_last_epoch_ended(group: str, label: str) -> None:
    found = [
        (name, one)
        for record in front.MACHINES.values()
        for name, one in json.loads((RESULTS / record).read_text())["peers"].items()
        if (name in front.PEERS) == (group == "tool")
    ]
    axes = Figure().subplots()
    front.draw(axes, front.side_by_side())
    (line,) = (line for line in axes.get_lines() if str(line.get_label()).startswith(label))
    wanted = [(one["validation"][-1][0] / 60, 100 * one["test_accuracy"]) for _, one in found]
    np.testing.assert_allclose(points_of(line), wanted)
    named = {
        f"{front.PEERS[name]}: {100 * one['test_accuracy']:.1f} %"
        for name, one in found
        if group == "tool"
    }
    assert named <= {text.get_text() for text in axes.texts}


def test_every_tool_was_measured() -> None:
    measured = {point.name for point in front.side_by_side() if point.group == "tool"}
    assert measured == set(front.PEERS.values())


def test_the_axis_halves_the_error_in_even_steps() -> None:
    places = front.errors(np.array([60, 80, 90, 95, 97.5]))
    np.testing.assert_allclose(np.diff(places), np.log10(2))
    np.testing.assert_allclose(front.accuracies_at(places), [60, 80, 90, 95, 97.5])
