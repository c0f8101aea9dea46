"""Comparing runs: McNemar and intervals against scipy and simulation, groups, refusals."""

import csv
import dataclasses
import html
import math
import re
import types
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from conftest import make_split
from fashion_cnn.cli import main
from fashion_cnn.errors import UsageError
from fashion_cnn.evaluation import compare as module
from fashion_cnn.evaluation.compare import (
    Group,
    accuracy_interval,
    compare,
    mcnemar,
    paired_interval,
    student_quantile,
)
from fashion_cnn.evaluation.metrics import wilson_interval
from fashion_cnn.recipes.recipe import Recipe
from fashion_cnn.reporting import comparison
from fashion_cnn.reporting.comparison import comparison_markdown, comparison_text
from fashion_cnn.run.predictions import Predictions
from fashion_cnn.text import aligned
from finished import finished_run


def predictions(correct: list[int]) -> Predictions:
    """Images of class 0, right or called 1."""
    right = np.array(correct, bool)
    return Predictions(np.zeros(len(right), int), (~right).astype(int), np.zeros((len(right), 2)))


def test_mcnemar_by_hand_and_against_scipy() -> None:
    one = predictions([1] * 50 + [0] * 10 + [1] * 3 + [0] * 7)
    other = predictions([1] * 50 + [1] * 10 + [0] * 3 + [0] * 7)
    found = mcnemar(one, other)
    assert found.gained.tolist() == list(range(50, 60))
    assert found.lost.tolist() == [60, 61, 62]
    assert found.exact_p == pytest.approx(stats.binomtest(3, 13).pvalue)
    # 2 x (1 + 13 + 78 + 286) / 8192, and half of the last term each side less for mid-p
    assert found.exact_p == pytest.approx(2 * 378 / 8192)
    assert found.mid_p == pytest.approx((2 * 378 - 286) / 8192)
    same = mcnemar(one, one)
    assert (same.exact_p, same.mid_p) == (1, 1)
    balanced = mcnemar(predictions([0, 1]), predictions([1, 0]))
    assert balanced.exact_p == 1


def test_the_paired_interval_covers_and_is_no_wider_than_it_must_be() -> None:
    random = np.random.default_rng(0)
    hits = 0
    for gained, lost, _ in random.multinomial(1000, [0.04, 0.02, 0.94], 1000):
        low, high = paired_interval(gained, lost, 1000)
        hits += low <= 0.02 <= high
    assert 0.935 <= hits / 1000 <= 0.97
    low, high = paired_interval(40, 20, 1000)
    wald = 1.96 * np.sqrt(60 - 20**2 / 1000) / 1000
    assert (low, high) == pytest.approx((0.02 - wald, 0.02 + wald), abs=5e-4)
    assert paired_interval(0, 0, 10)[0] < 0 < paired_interval(0, 0, 10)[1]


def test_two_runs(tmp_path) -> None:
    a, _, _ = finished_run(tmp_path / "a", skill=2.0)
    b, _, _ = finished_run(tmp_path / "b", skill=3.5, width=16)
    found = compare([a, b])
    (first, _), (difference,) = found.groups, found.differences
    one, other = a.results.predictions, b.results.predictions
    assert first.mean == one.correct.mean()
    assert first.deviation is None
    assert first.ensemble is None
    assert difference.accuracy == pytest.approx(other.correct.mean() - one.correct.mean())
    assert difference.interval[0] > 0
    assert difference.mcnemar
    assert difference.mcnemar.mid_p < 1e-6
    gained = len(difference.mcnemar.gained) - len(difference.mcnemar.lost)
    assert gained / 1200 == pytest.approx(difference.accuracy)
    label = one.labels == 3
    wanted = other.correct[label].mean() - one.correct[label].mean()
    assert difference.recalls[3] == pytest.approx(wanted)
    assert difference.recall_intervals
    assert difference.recall_intervals[3][0] < wanted < difference.recall_intervals[3][1]
    none = dataclasses.replace(difference.mcnemar, mid_p=0.0, exact_p=2e-5)
    certain = dataclasses.replace(difference, mcnemar=none)
    assert "mid-p < 1e-300, exact p 2.0e-05" in comparison_text(
        dataclasses.replace(found, differences=(certain,))
    )


def test_names_mean_nothing_to_a_notebook_and_stay_themselves_in_a_terminal(tmp_path) -> None:
    """A notebook shows Markdown, with the HTML, the links and the marks that are in it."""
    names = ["<img src=x onerror=alert(1)>", "[a](javascript:b)", "a | b", "*a*", "T-shirt/top"]
    splits = [make_split(n, seed=n) for n in (300, 200)]
    test, validation = (
        dataclasses.replace(split, class_names=(*names, *"vwxyz")) for split in splits
    )
    runs = [
        finished_run(tmp_path / name, test=test, validation=validation, width=width)[0]
        for name, width in (("<b>one", 8), ("two", 16))
    ]
    found = compare(runs)
    shown, plain = comparison_markdown(found), comparison_text(found)
    assert not set("<>[]*\\") & set(shown)
    assert {line.count("|") for line in shown.splitlines()[-10:]} == {4}
    assert "| T-shirt/top |" in shown
    assert html.unescape(shown) == plain.replace("\\|", "|")
    for name in ("<b>one", *names):
        assert name in aligned(plain)


def test_groups_in_one_folder_are_told_apart(tmp_path) -> None:
    names = [("fast-0", 0, {}), ("fast-1", 1, {}), ("wide-0", 0, {"width": 8})]
    names.append(("wide-1", 1, {"width": 8}))
    runs = [finished_run(tmp_path / name, seed=seed, **how)[0] for name, seed, how in names]
    first, second = (group.name for group in compare(runs).groups)
    assert first == f"{tmp_path}/fast-0 and others (2 seeds)"
    assert second == f"{tmp_path}/wide-0 and others (2 seeds)"


def test_seeds_of_one_recipe_are_a_group(tmp_path) -> None:
    runs = [finished_run(tmp_path / f"a/seed-{seed}", seed=seed)[0] for seed in range(3)]
    others = [
        finished_run(tmp_path / f"b/seed-{seed}", seed=seed, skill=4, width=8)[0]
        for seed in range(3)
    ]
    found = compare([*runs, *others])
    first, second = found.groups
    assert first.name == f"{tmp_path}/a (3 seeds)"
    accuracies = [run.results.predictions.correct.mean() for run in runs]
    assert first.mean == pytest.approx(np.mean(accuracies))
    assert first.deviation == pytest.approx(np.std(accuracies, ddof=1))
    assert first.ensemble
    votes = sum(run.results.predictions.probabilities for run in runs)
    together = (votes.argmax(1) == runs[0].results.predictions.labels).mean()
    assert first.ensemble.correct.mean() == together
    assert together > max(accuracies)
    text = comparison_text(found)
    assert f"{first.name} as an ensemble, their probabilities averaged: {together:.2%}" in (
        text.replace(" %", "%")
    )
    assert text.count("ensemble") == 2
    alone = comparison_text(compare(runs)).splitlines()
    assert f"| class | {first.name} |" in alone
    assert alone[-10].startswith("| T-shirt/top | ")
    assert {line.count("|") for line in alone[-12:]} == {3}
    (difference,) = found.differences
    pairs = np.array(second.accuracies) - np.array(first.accuracies)
    wanted = stats.ttest_1samp(pairs, 0).confidence_interval()
    assert difference.interval == pytest.approx((wanted.low, wanted.high))
    assert difference.method == "Student's, 3 pairs of one seed"
    assert difference.mcnemar is None
    (difference,) = compare([*runs, *others[:2]]).differences
    wanted = stats.ttest_ind(second.accuracies[:2], first.accuracies, equal_var=False)
    wanted = wanted.confidence_interval()
    assert difference.interval == pytest.approx((wanted.low, wanted.high))
    (difference,) = compare([*runs, others[0]]).differences
    assert difference.interval[0] < difference.accuracy < difference.interval[1]
    for run in others:
        run.results.write_metrics(dataclasses.replace(run.results.metrics, run=""))
        run.describe({**run.environment, "framework": "keras"}, run.split)
        run.record_recipe(runs[0].recipe.replace(seed=run.recipe.seed))
    assert [len(group.accuracies) for group in compare([*runs, *others]).groups] == [3, 3]
    assert len(compare(runs[:2]).groups) == 2, "two runs are compared one by one"


def test_the_command(tmp_path, capsys, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    finished_run(tmp_path / "a", skill=2.0)
    finished_run(tmp_path / "b", skill=3.5, width=16)
    assert main(["compare", "a", "b", "--csv", "sides.csv"]) == 0
    out, err = capsys.readouterr()
    assert "better: the 95 % interval leaves 0 out" in out
    assert "right only in b" in out
    assert re.search(r"^Shirt +\d", out, re.M), "a row for each class"
    assert "comparison.png" in err
    assert (tmp_path / "comparison.png").read_bytes().startswith(b"\x89PNG")
    with (tmp_path / "sides.csv").open() as file:
        rows = list(csv.DictReader(file))
    counts = [sum(row["change"] == change for row in rows) for change in ("gained", "lost")]
    assert f"{counts[0]} images are right only in b, {counts[1]} only in a; McNemar" in out
    row = rows[0]
    assert row["second_says"] == row["label"] != row["first_says"]


# -- by hand, without folders ----------------------------------------------------------------------


def test_mcnemar_counts_half_of_the_outcome_itself() -> None:
    found = mcnemar(predictions([1, 0, 0, 1]), predictions([0, 1, 1, 1]))
    assert (found.gained.tolist(), found.lost.tolist()) == ([1, 2], [0])
    # 2 x (1 + 3) / 8, and less the 3 of the outcome itself.
    assert (found.exact_p, found.mid_p) == (1.0, pytest.approx(2 * 4 / 8 - 3 / 8))
    one = mcnemar(predictions([0]), predictions([1]))
    assert (one.exact_p, one.mid_p) == pytest.approx((1.0, 0.5))
    six = mcnemar(predictions([0] * 6), predictions([1] * 6))
    assert (six.exact_p, six.mid_p) == pytest.approx((2 / 64, 1 / 64))


def test_the_paired_interval_by_hand() -> None:
    """9 gained and 3 lost of 98: 9.5 and 3.5 of 100."""
    reach = stats.norm.ppf(0.975) * np.sqrt(13 - 36 / 100) / 100
    assert paired_interval(9, 3, 98) == pytest.approx((0.06 - reach, 0.06 + reach), rel=1e-12)
    assert paired_interval(3, 9, 98) == pytest.approx((-0.06 - reach, -0.06 + reach), rel=1e-12)
    assert paired_interval(1, 0, 1)[1] == 1
    assert paired_interval(0, 1, 1)[0] == -1


def test_the_accuracy_has_wilsons_interval() -> None:
    assert accuracy_interval(predictions([1, 1, 0])) == wilson_interval(2, 3)


def test_students_quantile_against_scipy() -> None:
    for freedom in (1, 2.5, 30):
        assert student_quantile(freedom) == pytest.approx(stats.t.ppf(0.975, freedom), rel=1e-9)


def group(*accuracies: float, seeds: tuple[int, ...] | None = None, recalls=None) -> Group:
    seeds = seeds or tuple(range(len(accuracies)))
    recalls = np.zeros((len(accuracies), 2)) if recalls is None else np.array(recalls)
    answers = (predictions([1, 0]),) * len(accuracies)
    return Group("some", {seed: f"run-{seed}" for seed in seeds}, accuracies, recalls, answers)


def test_seeds_in_common_are_paired_by_hand() -> None:
    first = group(0.90, 0.92, 0.91, recalls=[[0.5, 1.0], [0.5, 0.5], [0.5, 0.0]])
    second = group(0.91, 0.94, 0.91, recalls=[[1.0, 0.5], [0.25, 0.5], [1.0, 0.5]])
    found = module._difference(first, second)
    wanted = stats.ttest_rel(second.accuracies, first.accuracies).confidence_interval()
    assert found.accuracy == pytest.approx(0.01)
    assert found.interval == pytest.approx((wanted.low, wanted.high))
    assert found.method == "Student's, 3 pairs of one seed"
    assert found.recalls == pytest.approx([0.25, 0.0])
    assert found.recall_intervals is None
    assert found.mcnemar is None
    of_two = module._difference(group(0.90, 0.92), group(0.91, 0.94))
    assert of_two.method == "Student's, 2 pairs of one seed"


def test_a_difference_is_written_with_the_lower_end_first() -> None:
    difference = module._difference(group(0.90, 0.92), group(0.91, 0.94))
    low, high = (f"{100 * end:+.2f}" for end in difference.interval)
    row = comparison._row(group(0.91, 0.94), difference)
    assert row.endswith(f"| +1.50 | {low} to {high}, Student's, 2 pairs of one seed |")
    assert (low, high) == ("-4.85", "+7.85")


@pytest.mark.parametrize(
    ("interval", "verdict"),
    [
        ((-0.001, 0.002), "may be chance: the 95 % interval holds 0"),
        ((0.0, 0.002), "may be chance: the 95 % interval holds 0"),
        ((-0.002, 0.0), "may be chance: the 95 % interval holds 0"),
        ((0.001, 0.002), "better: the 95 % interval leaves 0 out"),
        ((-0.002, -0.001), "worse: the 95 % interval leaves 0 out"),
        ((math.nan, math.nan), "no interval"),
    ],
)
def test_only_an_interval_without_0_is_a_finding(interval, verdict: str) -> None:
    found = module.Difference(0.0005, interval, "paired by image", np.zeros(10), None, None)
    assert comparison._verdict(found) == verdict


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (group(0.90, 0.92, 0.95), group(0.91, 0.99)),
        (group(0.91, 0.99), group(0.90, 0.92, 0.95)),
        (group(0.90, 0.92), group(0.91, 0.99, seeds=(1, 2))),
        (group(0.90, 0.92), group(0.91, 0.99, seeds=(7, 8))),
    ],
    ids=["fewer", "more", "one seed in common", "no seed in common"],
)
def test_other_seeds_are_compared_by_welchs_test(first: Group, second: Group) -> None:
    found = module._difference(first, second)
    wanted = stats.ttest_ind(second.accuracies, first.accuracies, equal_var=False)
    interval = wanted.confidence_interval()
    assert found.interval == pytest.approx((interval.low, interval.high), rel=1e-9)
    assert found.method == "Welch's, over the seeds"
    assert found.accuracy == pytest.approx(second.mean - first.mean)
    assert found.recall_intervals is None
    assert found.mcnemar is None


def test_a_run_alone_is_given_the_other_groups_deviation() -> None:
    several, alone = group(0.90, 0.92, 0.94, 0.95), group(0.96)
    deviation = np.std(several.accuracies, ddof=1)
    reach = stats.t.ppf(0.975, 3) * deviation * np.sqrt(1 / 4 + 1)
    for first, second in ((several, alone), (alone, several)):
        found = module._difference(first, second)
        difference = second.mean - first.mean
        assert found.accuracy == pytest.approx(difference)
        assert found.interval == pytest.approx((difference - reach, difference + reach))
        assert found.method == "Welch's, over the seeds"


def test_means_that_are_equally_sure_by_more_seeds_have_welchs_freedom() -> None:
    """Variances of 1 over 3 seeds and of 4 over 12: (2/3)^2 / (1/9/2 + 1/9/11)."""
    few, more = (
        group(-1.0, 0.0, 1.0),
        group(*(sign * x for x in (4, 2, 1, 1, 0, 0) for sign in (-1.0, 1.0))),
    )
    error, freedom = module._welch(few, more)
    assert (error, freedom) == pytest.approx((np.sqrt(2 / 3), 88 / 13))


def test_groups_without_any_deviation_have_an_interval_of_no_width() -> None:
    assert module._welch(group(0.5, 0.5), group(0.75, 0.75, 0.75)) == (0.0, 3)
    found = module._difference(group(0.5, 0.5), group(0.75, 0.75, 0.75))
    assert found.interval == (0.25, 0.25)


def test_one_run_and_another_are_paired_by_image_by_hand() -> None:
    """Of class 0 one gained of three, of class 1 one lost of two; class 2 has no image."""
    labels = np.array([0, 0, 0, 1, 1])
    one = Predictions(labels, np.array([0, 0, 1, 1, 1]), np.zeros((5, 3)))
    other = Predictions(labels, np.array([0, 0, 0, 1, 0]), np.zeros((5, 3)))
    recalls = np.array([[2 / 3, 1.0, np.nan]]), np.array([[1.0, 0.5, np.nan]])
    first = Group("a", {0: "a"}, (0.8,), recalls[0], (one,))
    second = Group("b", {0: "b"}, (0.8,), recalls[1], (other,))
    found = module._difference(first, second)
    assert found.accuracy == 0
    assert found.interval == paired_interval(1, 1, 5)
    assert found.method == "paired by image"
    np.testing.assert_allclose(found.recalls, [1 / 3, -0.5, np.nan])
    assert found.recall_intervals == [
        paired_interval(1, 0, 3),
        paired_interval(0, 1, 2),
        paired_interval(0, 0, 0),
    ]
    assert found.mcnemar
    assert (found.mcnemar.gained.tolist(), found.mcnemar.lost.tolist()) == ([2], [4])
    assert first.interval == wilson_interval(4, 5)


def stand_in(path: str, seed: int = 0, **changed) -> types.SimpleNamespace:
    """What `compare` reads of a run that was evaluated on five images of three classes."""
    labels, guesses = np.array([0, 0, 0, 1, 1]), np.array([0, 0, 1, 1, 1])
    predictions = Predictions(labels, guesses, np.eye(3)[guesses])
    results = {"metrics": figures_on("test"), "predictions": predictions}
    results |= {name: changed.pop(name) for name in results if name in changed}
    run = {
        "path": Path(path),
        "recipe": Recipe(name="mine", seed=seed),
        "environment": {
            "framework": "pytorch",
            "data_sha256": {"t10k-images": "1", "train-images": "1"},
        },
        "results": types.SimpleNamespace(**results),
        "is_record": False,
    }
    return types.SimpleNamespace(**{**run, **changed})


def figures_on(split: str, names: tuple[str, ...] = ("x", "y", "z")) -> types.SimpleNamespace:
    return types.SimpleNamespace(reports_speak_on=split, class_names=names)


def with_predictions(path: str, seed: int, guesses: list[int]) -> types.SimpleNamespace:
    labels = stand_in(path).results.predictions.labels
    answers = Predictions(labels, np.array(guesses), np.eye(3)[guesses])
    return stand_in(path, seed, predictions=answers)


def test_groups_by_hand() -> None:
    """Seeds in any order; the mean of the probabilities; a class without images has no recall."""
    runs = [
        with_predictions("a/two", 2, [0, 0, 0, 1, 1]),
        with_predictions("a/one", 1, [0, 0, 1, 1, 1]),
        with_predictions("b/three", 3, [1, 0, 0, 1, 0]),
    ]
    found = compare(runs)
    (only,) = found.groups
    assert (found.split, found.n, found.class_names) == ("test", 5, ("x", "y", "z"))
    assert found.differences == ()
    assert only.name == "mine (3 seeds)"
    assert list(only.runs.items()) == [(1, "a/one"), (2, "a/two"), (3, "b/three")]
    assert only.accuracies == (0.8, 1.0, 0.6)
    np.testing.assert_allclose(
        only.recalls, [[2 / 3, 1, np.nan], [1, 1, np.nan], [2 / 3, 0.5, np.nan]]
    )
    assert only.ensemble
    assert only.ensemble.predicted.tolist() == [0, 0, 0, 1, 1]
    np.testing.assert_allclose(only.ensemble.probabilities[0], [2 / 3, 1 / 3, 0])
    assert only.deviation == pytest.approx(0.2)
    reach = stats.t.ppf(0.975, 2) * 0.2 / np.sqrt(3)
    assert only.interval == pytest.approx((0.8 - reach, 0.8 + reach))
    runs[2].path = Path("a/three")
    assert compare(runs).groups[0].name == "a (3 seeds)"


def test_what_makes_a_group() -> None:
    def sizes(*runs) -> list[tuple[str, int]]:
        return [(item.name, len(item.accuracies)) for item in compare(runs).groups]

    one, two, three = stand_in("r/1", 1), stand_in("r/2", 2), stand_in("r/3", 3)
    assert sizes(one, two) == [("r/1", 1), ("r/2", 1)]
    assert sizes(one, two, three) == [("r (3 seeds)", 3)]
    assert sizes(one, two, stand_in("r/again", 2)) == [("r/1", 1), ("r/2", 1), ("r/again", 1)]
    keras = stand_in(
        "r/k",
        3,
        environment={
            "framework": "keras",
            "data_sha256": {"t10k-images": "1", "train-images": "1"},
        },
    )
    assert sizes(keras, one, two) == [("r/k", 1), ("r (2 seeds)", 2)]
    wider = stand_in("r/w", 3, recipe=Recipe(name="mine", seed=3, width=8))
    assert sizes(one, wider, two) == [("r (2 seeds)", 2), ("r/w", 1)]
    found = compare([one, wider, two])
    assert len(found.differences) == 1
    assert found.differences[0].method == "Welch's, over the seeds"
    unnamed = stand_in(
        "r/u", 3, environment={"data_sha256": {"t10k-images": "1", "train-images": "1"}}
    )
    assert sizes(one, two, unnamed) == [("r (2 seeds)", 2), ("r/u", 1)]


OTHER = Predictions(np.array([0, 0, 1, 1, 1]), np.zeros(5, int), np.zeros((5, 3)))
SEALED = figures_on("validation")
NOT_THE_SAME = "were not evaluated on the same {} images, so they cannot be compared image by image"


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"predictions": OTHER}, "a and b " + NOT_THE_SAME.format("test")),
        ({"environment": {"data_sha256": {}}}, "a and b " + NOT_THE_SAME.format("test")),
        (
            {"metrics": figures_on("test", ("x", "y", "q"))},
            "a and b " + NOT_THE_SAME.format("test"),
        ),
        (
            {"metrics": SEALED},
            "b was evaluated on validation images, as its test set is sealed, and the other run on "
            "test images; open it with: fashion-cnn evaluate b",
        ),
        (
            {"environment": {}},
            "b: its results lack 'data_sha256'; write them anew: fashion-cnn evaluate b",
        ),
    ],
)
def test_why_two_runs_cannot_be_compared_is_said(changed: dict, message: str) -> None:
    with pytest.raises(UsageError) as caught:
        compare([stand_in("a"), stand_in("b", 1, **changed)])
    assert str(caught.value) == message
    with pytest.raises(UsageError) as caught:
        compare([stand_in("a"), stand_in("c", 1), stand_in("b", 2, **changed)])
    assert str(caught.value) == message


def test_the_side_that_is_sealed_is_named_whichever_it_is() -> None:
    with pytest.raises(UsageError, match="^s was evaluated on validation images.*evaluate s$"):
        compare([stand_in("s", metrics=SEALED), stand_in("b", 1)])


def test_validation_images_are_the_same_for_one_seed_and_share_alone() -> None:
    first = stand_in("a", metrics=SEALED)
    wider = stand_in("b", metrics=SEALED, recipe=Recipe(width=8))
    assert compare([first, wider]).split == "validation"
    for recipe in (Recipe(seed=1), Recipe(validation=0.25)):
        with pytest.raises(UsageError) as caught:
            compare([first, stand_in("b", metrics=SEALED, recipe=recipe)])
        assert str(caught.value) == "a and b " + NOT_THE_SAME.format("validation")


def test_fewer_than_two_runs_are_no_comparison() -> None:
    for runs in ([], [stand_in("a")], [stand_in("a"), stand_in("b", 1), stand_in("./a")]):
        with pytest.raises(UsageError) as caught:
            compare(runs)
        assert str(caught.value) == "name two runs or more, each once"


# -- records that keep figures alone ---------------------------------------------------------------


def record(path: str, seed: int, *confusion: list[int], **changed) -> types.SimpleNamespace:
    """What `compare` reads of a run whose predictions were not kept."""
    metrics = figures_on("test")
    metrics.shown = types.SimpleNamespace(confusion=confusion)
    results = types.SimpleNamespace(metrics=metrics)  # without predictions: nobody may ask
    return stand_in(path, seed, results=results, is_record=True, **changed)


WORSE = [1, 2, 0], [1, 1, 0], [0, 0, 0]
"""Of three images of the first class one is right, of two of the second one, of the third none."""


def newcombe(right: int, n: int, more: int, m: int) -> tuple[float, float]:
    """Of the second share less the first, by its definition: the squares of four arms."""
    ends = [
        stats.binomtest(hits, of).proportion_ci(0.95, "wilson")
        for hits, of in ((right, n), (more, m))
    ]
    (p, q), ((a, b), (c, d)) = (right / n, more / m), ends
    return (
        q - p - np.sqrt((q - c) ** 2 + (b - p) ** 2),
        q - p + np.sqrt((d - q) ** 2 + (p - a) ** 2),
    )


@pytest.mark.parametrize("counts", [(3, 7, 40, 50), (9, 10, 2, 30), (0, 4, 5, 5), (1, 3, 2, 6)])
def test_two_shares_that_nothing_pairs_have_newcombes_interval(counts: tuple) -> None:
    assert module.unpaired_interval(*counts) == pytest.approx(newcombe(*counts), rel=1e-9)


@pytest.mark.parametrize("both", [False, True])
def test_a_record_is_compared_without_pairs(both: bool) -> None:
    """Three of five images right less two of five or, of a run that keeps its answers, four."""
    kept = record("b", 1, [2, 0, 1], [0, 1, 1], [0, 0, 0]) if both else stand_in("b", 1)
    more = 3 if both else 4
    found = compare([record("a", 0, *WORSE), kept])
    assert (found.split, found.n, found.class_names) == ("test", 5, ("x", "y", "z"))
    first, second = found.groups
    assert first.accuracies == (0.4,)
    assert second.accuracies == (more / 5,)
    assert first.predictions == (None,)
    assert first.counts == ((1, 3), (1, 2), (0, 0))
    assert first.interval == wilson_interval(2, 5)
    assert (first.ensemble, first.deviation) == (None, None)
    (difference,) = found.differences
    assert difference.accuracy == pytest.approx(more / 5 - 0.4)
    assert difference.interval == pytest.approx(newcombe(2, 5, more, 5))
    assert difference.method == "not paired: predictions are not kept"
    assert difference.mcnemar is None
    np.testing.assert_allclose(difference.recalls, [1 / 3, 0.0 if both else 0.5, np.nan])
    assert difference.recall_intervals
    assert difference.recall_intervals[0] == pytest.approx(newcombe(1, 3, 2, 3))
    assert difference.recall_intervals[1] == pytest.approx(newcombe(1, 2, 1 if both else 2, 2))
    assert difference.recall_intervals[2] == (-1.0, 1.0)


def test_a_run_and_then_a_record_are_compared_the_other_way() -> None:
    (difference,) = compare([stand_in("b", 1), record("a", 0, *WORSE)]).differences
    assert difference.accuracy == pytest.approx(-0.4)
    assert difference.interval == pytest.approx(newcombe(4, 5, 2, 5))


def test_records_of_several_seeds_are_a_group_without_an_ensemble() -> None:
    better = [3, 0, 0], [0, 1, 1], [0, 0, 0]
    runs = [record("r/1", 1, *WORSE), record("r/2", 2, *better), stand_in("r/3", 3)]
    (only,) = compare(runs).groups
    assert only.name == "r (3 seeds)"
    assert only.accuracies == (0.4, 0.8, 0.8)
    assert only.ensemble is None
    assert only.interval[0] == pytest.approx(2 / 3 - stats.t.ppf(0.975, 2) * 0.4 / 3)
    wider = record("r/w", 3, *WORSE, recipe=Recipe(name="mine", seed=3, width=8))
    assert [item.name for item in compare([*runs[:2], wider]).groups] == ["r (2 seeds)", "r/w"]


@pytest.mark.parametrize(
    ("confusion", "environment", "fits"),
    [
        (WORSE, {"data_sha256": {"t10k-images": "1", "train-images": "1"}}, True),
        (WORSE, {}, True),  # what it ran on was not always noted
        (WORSE, {"data_sha256": {"t10k-images": "2", "train-images": "1"}}, False),
        (([2, 0, 0], [1, 2, 0], [0, 0, 0]), {}, False),
        (([1, 2, 0], [1, 0, 0], [0, 0, 1]), {}, False),
    ],
)
def test_a_record_is_of_the_same_images_by_what_it_has(confusion, environment, fits: bool) -> None:
    for kept in (record("a", 0, *WORSE), stand_in("a")):
        runs = [kept, record("b", 1, *confusion, environment=environment)]
        if fits:
            assert len(compare(runs).differences) == 1
        else:
            with pytest.raises(UsageError) as caught:
                compare(runs)
            assert str(caught.value) == "a and b " + NOT_THE_SAME.format("test")


def test_runs_on_other_training_images_are_compared_on_the_same_test_images() -> None:
    """As after an audit, by which labels to train on were mended."""
    mended = {"environment": {"data_sha256": {"t10k-images": "1", "train-images": "mended"}}}
    assert compare([stand_in("a"), stand_in("b", 1, **mended)]).split == "test"
    with pytest.raises(UsageError, match="not evaluated on the same validation images"):
        compare([stand_in("a", metrics=SEALED), stand_in("b", metrics=SEALED, **mended)])


def test_seeds_of_one_training_set_are_a_group() -> None:
    mended = {"environment": {"data_sha256": {"t10k-images": "1", "train-images": "mended"}}}
    runs = [stand_in("a", 0), stand_in("b", 1), stand_in("m", 0, **mended)]
    assert [len(group.runs) for group in compare(runs).groups] == [2, 1]
    runs.append(stand_in("n", 1, **mended))
    found = compare(runs)
    assert [len(group.runs) for group in found.groups] == [2, 2]
    assert len(found.differences) == 1
