"""What pictures show, read back from their figures: axes, labels, points, bars, images."""

import dataclasses
import re
from collections.abc import Iterator

import numpy as np
import optuna
import pytest
from matplotlib import rcParams
from optuna.trial import TrialState
from scipy import stats

from conftest import make_split
from drawn import Drawn, figures_instead_of_pictures, labelled, points, ticks
from fashion_cnn.data.fashion_mnist import CLASS_NAMES
from fashion_cnn.evaluation.compare import compare
from fashion_cnn.reporting.comparison import draw
from fashion_cnn.reporting.plots import differences_plot, draw_run, sample_grid
from fashion_cnn.reporting.report import make_report
from fashion_cnn.tuning.pictures import draw_search
from fashion_cnn.tuning.record import importances
from finished import finished_run
from test_tuning import rows_of


@pytest.fixture(scope="module")
def drawn() -> Iterator[Drawn]:
    with figures_instead_of_pictures() as figures:
        yield figures


def test_an_interruption_is_marked_where_it_came(tmp_path, drawn: Drawn) -> None:
    run, metrics, _ = finished_run(tmp_path / "run")
    final = dataclasses.replace(metrics.final, epoch=2.4)
    metrics = dataclasses.replace(metrics, final=final, status="interrupted")
    draw_run(run, metrics)
    for quantity in ("loss", "accuracy"):
        value = getattr(final.validation, quantity)
        lines = labelled(drawn.axes(run.path / f"{quantity}_pytorch.png"))
        label = f"interrupted at epoch 2.40: validation {value:.4f}"
        assert lines[label] == ([2.4], [value])


def test_a_comparison_shows_intervals_and_recalls(tmp_path, drawn: Drawn) -> None:
    a, _, _ = finished_run(tmp_path / "a", skill=2.0)
    b, _, _ = finished_run(tmp_path / "b", skill=3.5, width=16)
    found = compare([a, b])
    above, below = draw(found).axes
    one, other = a.results.predictions, b.results.predictions
    for place, predictions in enumerate((one, other)):
        ends = stats.binomtest(int(predictions.correct.sum()), 1200).proportion_ci(method="wilson")
        bar, dot = (points(line) for line in above.get_lines()[2 * place : 2 * place + 2])
        assert bar == (pytest.approx([100 * ends.low, 100 * ends.high]), [place, place])
        assert dot == (pytest.approx([100 * predictions.correct.mean()]), [place])
    assert ticks(above, "y") == {0: str(a.path), 1: str(b.path)}
    assert above.get_xlabel() == "test accuracy, % (95 % interval)"
    gains = [
        100 * (other.correct[one.labels == k].mean() - one.correct[one.labels == k].mean())
        for k in range(10)
    ]
    (bars,) = (c for c in below.containers if hasattr(c, "patches"))
    assert [patch.get_height() for patch in bars] == pytest.approx(gains)
    assert [patch.get_center()[0] for patch in bars] == pytest.approx(list(range(10)))
    assert ticks(below, "x") == {float(k): name for k, name in enumerate(CLASS_NAMES)}
    assert below.get_ylabel() == f"recall, points from {a.path}"
    (difference,) = found.differences
    assert bars.errorbar is not None
    (whiskers,) = bars.errorbar.lines[2]
    ends = [[y for _, y in segment] for segment in whiskers.get_segments()]
    np.testing.assert_allclose(ends, 100 * np.array(difference.recall_intervals))


def test_groups_of_seeds_show_each_seed(tmp_path, drawn: Drawn) -> None:
    runs = [finished_run(tmp_path / f"a/{seed}", seed=seed)[0] for seed in range(3)]
    above, _ = draw(compare(runs)).axes
    bar, mean, seeds = (points(line) for line in above.get_lines())
    accuracies = [100 * run.results.predictions.correct.mean() for run in runs]
    assert seeds == (pytest.approx(accuracies), [0, 0, 0])
    assert mean[0] == pytest.approx([np.mean(accuracies)])
    reach = stats.t(2).ppf(0.975) * np.std(accuracies, ddof=1) / 3**0.5
    assert bar[0] == pytest.approx([mean[0][0] - reach, mean[0][0] + reach])


def test_a_study_shows_differences_and_what_is_a_finding(drawn: Drawn) -> None:
    eces = {"a": [0.02, 0.03, 0.04], "b": [0.01, 0.02, 0.029], "c": [0.03, 0.02, 0.05]}
    shirts = {"a": [0.7, 0.72, 0.74], "b": [0.71, 0.73, 0.75], "c": [0.8, 0.821, 0.842]}
    result = rows_of(eces, shirts)
    figure = drawn.figure(differences_plot(result))
    wanted = {
        "validation accuracy\n(right is better)": None,
        "accuracy on Shirt\n(right is better)": shirts,
        "calibration error\n(left is better)": eces,
    }
    assert {axes.get_title() for axes in figure.axes} == set(wanted)
    for axes in figure.axes:
        values = wanted[axes.get_title()]
        if values is None:
            continue
        zero, *lines = axes.get_lines()
        assert points(zero)[0] == [0, 0]
        assert axes.get_xlabel() == "percentage points"
        for height, variant in enumerate(("b", "c")):
            pairs = 100 * (np.array(values[variant]) - np.array(values["a"]))
            dots, interval, mean = lines[3 * height : 3 * height + 3]
            assert points(dots) == (pytest.approx(pairs.tolist()), [height] * 3)
            ends = (
                stats.ttest_1samp(pairs, 0).confidence_interval() if np.ptp(pairs) > 1e-9 else None
            )
            low, high = (pairs.mean(),) * 2 if ends is None else (ends.low, ends.high)
            assert points(interval) == (pytest.approx([low, high]), [height] * 2)
            assert points(mean) == (pytest.approx([pairs.mean()]), [height])
            assert mean.get_marker() == ("D" if low > 0 or high < 0 else "|")
    assert ticks(figure.axes[0], "y") == {0: "b", 1: "c"}
    assert figure.axes[0].yaxis.get_inverted(), "the first variant stands above"
    assert "difference from 'a', paired by seed (n=3)" in str(figure.get_suptitle())


def test_sets_of_two_sizes_that_are_as_many_keep_their_sizes(tmp_path) -> None:
    run, metrics, images = finished_run(tmp_path / "run")
    calibration = run.results.calibration
    assert calibration
    calibration["measured"]["conformal"]["sizes"] = [0, 700, 250, 250, *[0] * 7]
    run.results.write_calibration(calibration)
    text = make_report(run, metrics, images)
    rows = re.findall(r'<tr><th scope="row">(\d+)</th><td>(\d+)</td><td class="text">', text)
    assert rows == [("1", "700"), ("2", "250"), ("3", "250")]


def searched(*trials: tuple[float | None, list[float], float]) -> optuna.Study:
    """A search for accuracy: of each trial its value (None: pruned), epochs and learning rate."""
    study = optuna.create_study(direction="maximize")
    study.set_user_attr("objective", "accuracy")
    space = {
        "learning_rate": optuna.distributions.FloatDistribution(1e-3, 1e-1, log=True),
        "flip": optuna.distributions.CategoricalDistribution([True, False]),
    }
    for number, (value, course, rate) in enumerate(trials):
        study.add_trial(
            optuna.trial.create_trial(
                state=TrialState.PRUNED if value is None else TrialState.COMPLETE,
                value=value,
                params={"learning_rate": rate, "flip": number % 2 == 0},
                distributions=space,
                intermediate_values=dict(enumerate(course, 1)),
            )
        )
    return study


def offsets(collection) -> list[list[float]]:
    return np.asarray(collection.get_offsets(), float).tolist()


def test_a_search_shows_its_trials(drawn: Drawn) -> None:
    study = searched(
        (0.80, [0.6, 0.8], 0.001),
        (None, [0.2], 0.1),
        (0.90, [0.7, 0.9], 0.01),
        (0.85, [0.7, 0.85], 0.02),
        (0.84, [0.7, 0.84], 0.03),
    )
    before = dict(rcParams)
    pictures = draw_search(study, 0)
    assert dict(rcParams) == before, "whatever is drawn next looks as before"
    axes = drawn.axes(pictures["history"])
    assert offsets(axes.collections[0]) == [[0, 0.8], [2, 0.9], [3, 0.85], [4, 0.84]]
    assert labelled(axes)["Best Value"][1][-3:] == [0.9, 0.9, 0.9]
    assert axes.get_ylabel() == "validation accuracy"

    axes = drawn.axes(pictures["epochs"])
    courses = [points(line) for line in axes.get_lines() if len(np.asarray(line.get_xdata()))]
    assert sorted(courses) == sorted(
        (
            [float(epoch) for epoch in trial.intermediate_values],
            [*trial.intermediate_values.values()],
        )
        for trial in study.trials
    )

    flip, rate = drawn.figure(pictures["slice"]).axes[:2]
    assert (rate.get_xlabel(), flip.get_xlabel()) == ("learning_rate", "flip")
    assert (rate.get_xscale(), flip.get_xscale()) == ("log", "linear")
    assert offsets(rate.collections[0]) == [[0.001, 0.8], [0.01, 0.9], [0.02, 0.85], [0.03, 0.84]]

    axes = drawn.axes(pictures["importances"])
    shares = {
        name: patch.get_width()
        for name, patch in zip(ticks(axes, "y").values(), axes.patches, strict=True)
    }
    assert shares == pytest.approx(importances(study, 0))
    assert set(draw_search(searched((0.8, [0.8], 0.01)), 0)) == {"history", "epochs", "slice"}


def test_a_row_of_samples_is_of_its_class(drawn: Drawn) -> None:
    split = make_split(60)
    figure = drawn.figure(sample_grid(split, 4, seed=1))
    seen = []
    for place, axes in enumerate(figure.axes):
        (image,) = axes.get_images()
        found = np.flatnonzero((split.images == np.asarray(image.get_array())).all((1, 2)))
        assert split.labels[found[0]] == place // 4
        assert image.get_clim() == (0, 255)
        seen.append(int(found[0]))
        assert [t.get_text() for t in axes.texts] == [CLASS_NAMES[place // 4]] * (place % 4 == 0)
    assert len(set(seen)) == len(seen) == 40
