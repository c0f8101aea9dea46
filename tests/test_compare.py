"""Comparing runs: McNemar and intervals against scipy and simulation, groups, refusals."""

import csv
import dataclasses
import json

import numpy as np
import pytest
from scipy import stats

from conftest import make_split
from fashion_cnn.cli import main
from fashion_cnn.errors import UsageError
from fashion_cnn.evaluation.compare import compare, mcnemar, paired_interval
from fashion_cnn.reporting.comparison import to_text
from fashion_cnn.run.predictions import Predictions
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
    one, other = a.predictions, b.predictions
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
    assert "mid-p < 1e-300, exact p 2.0e-05" in to_text(
        dataclasses.replace(found, differences=(certain,))
    )


def test_seeds_of_one_recipe_are_a_group(tmp_path) -> None:
    runs = [finished_run(tmp_path / f"a/seed-{seed}", seed=seed)[0] for seed in range(3)]
    others = [
        finished_run(tmp_path / f"b/seed-{seed}", seed=seed, skill=4, width=8)[0]
        for seed in range(3)
    ]
    found = compare([*runs, *others])
    first, second = found.groups
    assert first.name == f"{tmp_path}/a (3 seeds)"
    accuracies = [run.predictions.correct.mean() for run in runs]
    assert first.mean == pytest.approx(np.mean(accuracies))
    assert first.deviation == pytest.approx(np.std(accuracies, ddof=1))
    assert first.ensemble
    votes = sum(run.predictions.probabilities for run in runs)
    together = (votes.argmax(1) == runs[0].predictions.labels).mean()
    assert first.ensemble.correct.mean() == together
    assert together > max(accuracies)
    text = to_text(found)
    assert f"{first.name} as an ensemble, their probabilities averaged: {together:.2%}" in (
        text.replace(" %", "%")
    )
    assert text.count("ensemble") == 2
    alone = to_text(compare(runs)).splitlines()
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
    assert "right only now" in out
    assert "| Shirt |" in out
    assert "comparison.png" in err
    assert (tmp_path / "comparison.png").read_bytes().startswith(b"\x89PNG")
    with (tmp_path / "sides.csv").open() as file:
        rows = list(csv.DictReader(file))
    counts = [sum(row["change"] == change for row in rows) for change in ("gained", "lost")]
    assert f"{counts[0]} images are right only now, {counts[1]} were" in out
    row = rows[0]
    assert row["second_says"] == row["label"] != row["first_says"]


def test_what_cannot_be_compared_is_refused(tmp_path, capsys) -> None:
    a, _, _ = finished_run(tmp_path / "a")
    sealed, _, _ = finished_run(tmp_path / "sealed", sealed=True)
    with pytest.raises(UsageError, match="sealed has its test set sealed"):
        compare([a, sealed])
    with pytest.raises(UsageError, match="sealed has its test set sealed"):
        compare([sealed, a])
    other, _, _ = finished_run(tmp_path / "other", test=make_split(1190))
    with pytest.raises(UsageError, match="do not speak of the same test images"):
        compare([a, other])
    elsewhere, _, _ = finished_run(tmp_path / "elsewhere", sealed=True, seed=1)
    with pytest.raises(UsageError, match="the same validation images"):
        compare([sealed, elsewhere])
    wider, _, _ = finished_run(tmp_path / "wider", sealed=True, width=8)
    assert compare([sealed, wider]).split == "validation"
    for runs in ([a], [a, a]):
        with pytest.raises(UsageError, match="two runs or more"):
            compare(runs)
    environment = json.loads((other.path / "environment.json").read_text())
    environment.pop("data_sha256")
    (other.path / "environment.json").write_text(json.dumps(environment))
    with pytest.raises(UsageError, match="lack 'data_sha256'"):
        compare([a, other])
    (other.path / "metrics.json").unlink()
    assert main(["compare", str(a.path), str(other.path)]) == 2
    assert "was not evaluated yet" in capsys.readouterr().err
