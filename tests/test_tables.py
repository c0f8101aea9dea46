"""Figures in text: each stands in the row and the column that its heading names."""

import csv
import dataclasses
import io
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import stats

import plain
from conftest import make_split
from fashion_cnn.data.fashion_mnist import CLASS_NAMES
from fashion_cnn.evaluation.audit import audit, audit_text, suspects_csv
from fashion_cnn.evaluation.compare import compare
from fashion_cnn.evaluation.label_noise import ceiling
from fashion_cnn.reporting.audit_page import audit_page
from fashion_cnn.reporting.comparison import changes_csv, comparison_text
from fashion_cnn.reporting.study import to_class_table, to_table
from fashion_cnn.run.folder import Run
from fashion_cnn.run.predictions import Predictions
from fashion_cnn.run.results import CheckpointMetrics, ClassMetrics, Evaluation
from fashion_cnn.studies import study as tuning
from finished import finished_run


def cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.strip("|").split("|")]


# -- comparisons -----------------------------------------------------------------------------------


def test_two_runs_in_a_table(tmp_path) -> None:
    a, _, _ = finished_run(tmp_path / "a", skill=2.4)
    b, _, _ = finished_run(tmp_path / "b", skill=2.6, width=16)
    found = compare([a, b])
    one, other = a.results.predictions, b.results.predictions
    lines = comparison_text(found).splitlines()
    assert lines[0] == "1,200 test images"
    rows = [cells(line) for line in lines[4:6]]
    for row, run, answers in zip(rows, (a, b), (one, other), strict=True):
        hits = int(answers.correct.sum())
        low, high = (100 * end for end in plain.wilson(hits, 1200))
        shown = [str(run.path), "1", f"{hits / 12:.2f} %", f"{low:.2f} to {high:.2f}"]
        assert row[:4] == shown
    gained = int((other.correct & ~one.correct).sum())
    lost = int((one.correct & ~other.correct).sum())
    assert gained > lost
    low, high = (100 * end for end in paired(gained, lost, 1200))
    assert rows[1][4:] == [
        f"{(gained - lost) / 12:+.2f}", f"{low:+.2f} to {high:+.2f}, paired by image",
    ]  # fmt: skip
    text = "\n".join(lines)
    verdict = "better: the 95 % interval leaves 0 out" if low > 0 else "may be chance"
    assert verdict in text
    assert re.search(rf"  {gained} images are right only in \S+, {lost} only in \S+; McNemar", text)
    exact = stats.binomtest(gained, gained + lost).pvalue
    assert f"exact p {exact:.4f}" in text or f"exact p {exact:.1e}" in text
    for label, name in enumerate(CLASS_NAMES):
        (line,) = (cells(line) for line in lines if line.startswith(f"| {name} |"))
        of = one.labels == label
        more = int((other.correct & ~one.correct)[of].sum())
        less = int((one.correct & ~other.correct)[of].sum())
        low, high = (100 * end for end in paired(more, less, int(of.sum())))
        first = f"{100 * one.correct[of].mean():.1f} %"
        change = 100 * (more - less) / of.sum()
        assert line == [name, first, f"{change:+.1f} ({low:+.1f} to {high:+.1f})"]
    rows = list(csv.DictReader(io.StringIO(changes_csv(found))))
    assert [row["change"] for row in rows] == ["gained"] * gained + ["lost"] * lost
    for row in rows:
        place = int(row["index"])
        assert int(row["label"]) == one.labels[place]
        assert int(row["first_says"]) == one.predicted[place]
        assert int(row["second_says"]) == other.predicted[place]
        right = row["second_says"] if row["change"] == "gained" else row["first_says"]
        assert right == row["label"]


def paired(gained: int, lost: int, n: int) -> tuple[float, float]:
    """Agresti and Min: half an image more in each of four counts."""
    more, less = (gained + 0.5) / (n + 2), (lost + 0.5) / (n + 2)
    reach = stats.norm.ppf(0.975) * ((more + less - (more - less) ** 2) / (n + 2)) ** 0.5
    return more - less - reach, more - less + reach


def test_a_worse_run_is_called_worse(tmp_path) -> None:
    a, _, _ = finished_run(tmp_path / "a", skill=3.5)
    b, _, _ = finished_run(tmp_path / "b", skill=2.0, width=16)
    assert "worse: the 95 % interval leaves 0 out" in comparison_text(compare([a, b]))
    same, _, _ = finished_run(tmp_path / "c", skill=3.5, width=8)
    assert "may be chance: the 95 % interval holds 0" in comparison_text(compare([a, same]))


# -- studies ---------------------------------------------------------------------------------------

STUDY = """
recipe = "baseline"
seeds = [3]
measure = "MEASURE"
[variants.plain]
"""


def figures(accuracy: float) -> Evaluation:
    return Evaluation(
        split="", accuracy=accuracy, loss=accuracy + 1, n=round(1000 * accuracy),
        interval=(0.0, 1.0), ece=accuracy / 10, brier=1.9, mean_confidence=0.5,
        per_class=tuple(ClassMetrics(k, name, 0.5, accuracy / (k + 1), 0.25, 100 * (k != 5))
                        for k, name in enumerate(CLASS_NAMES)),
        confusion=((round(1000 * accuracy), *(0,) * 9), *((0,) * 10,) * 9),
    )  # fmt: skip


@pytest.mark.parametrize("measure", ["validation", "test"])
@pytest.mark.parametrize("shown", ["best", "final"])
def test_a_row_is_of_the_checkpoint_that_answers(
    tmp_path: Path, monkeypatch, measure: str, shown: str
) -> None:
    """Four parts with figures of their own; the best checkpoint is of epoch 4, the last of 7."""
    parts = {
        ("best", "validation"): 0.71, ("best", "test"): 0.72,
        ("final", "validation"): 0.73, ("final", "test"): 0.74,
    }  # fmt: skip
    commands = []

    def trained(command: list[str], alone: bool) -> int:
        commands.append(command)
        run = Run(command[command.index("--output") + 1])
        _, metrics, _ = finished_run(run.path, seed=3)
        checkpoints = {
            name: CheckpointMetrics(
                9, epoch, figures(parts[name, "test"]), figures(parts[name, "validation"])
            )
            for name, epoch in (("best", 4.0), ("final", 7.0))
        }
        changed = {"reports_speak_of": shown, "training_seconds": 12.5, **checkpoints}
        run.results.write_metrics(dataclasses.replace(metrics, **changed))
        return 0

    monkeypatch.setattr(tuning, "_wait_for", trained)
    file = tmp_path / "s.toml"
    file.write_text(STUDY.replace("MEASURE", measure))
    (row,) = tuning.run_study(tuning.open_study(str(file)), tmp_path / "out", [], print)["runs"]
    wanted = figures(parts[shown, measure])
    for name in ("accuracy", "loss", "n", "ece"):
        assert row[name] == getattr(wanted, name)
    there = {one.name: one.recall for one in wanted.per_class if one.support}
    assert row["class_accuracy"] == there
    assert (row["epoch"], row["epochs"]) == (4.0 if shown == "best" else 7.0, 7.0)
    assert (row["seed"], row["training_seconds"], row["resumed"]) == (3, 12.5, False)
    assert ("--no-test" in commands[0]) == (measure == "validation")


def test_times_are_medians_of_runs_in_one_go_on_one_machine() -> None:
    def row(variant: str, seed: int, seconds: float, **more) -> dict[str, Any]:
        times = {"training_seconds": seconds, "command_seconds": 3 * seconds, "resumed": False}
        accuracy = {"accuracy": 0.5 + seed / 100, "ece": 0.1}
        return {"variant": variant, "seed": seed, **accuracy, **times, **more}

    rows = [row("a", 0, 1.0), row("a", 1, 2.0), row("a", 2, 30.0)]
    rows += [row("b", 0, 4.0), row("b", 1, 50.0, resumed=True)]
    rows += [row("b", 2, 60.0, environment={"cpu": "other"})]
    variants = {"a": {}, "b": {}}
    result = {"recipe": "fast", "measure": "test", "variants": variants, "runs": rows}
    first, second = (cells(line) for line in to_table(result).splitlines()[2:])
    assert first == ["a", "3", "51.00 ± 1.00 %", "", "2.0 s", "6.0 s"]
    assert second[4:] == ["4.0 s (n=1)", "12.0 s (n=1)"]
    assert second[3] == "+0.00 (+0.00 to +0.00)"
    assert cells(to_class_table(result).splitlines()[2])[:3] == ["a", "3", "10.00 ± 0.00 %"]


# -- audits ----------------------------------------------------------------------------------------


def test_an_audit_in_words() -> None:
    """Of 40 test images number 4 is a training image and is wrong, as is number 30."""
    training, images = make_split(200), make_split(40, seed=1).images
    images[4] = training.images[50]
    labels = np.arange(40) % 10
    predicted = labels.copy()
    predicted[[4, 30]] = 9
    predictions = Predictions(labels, predicted, np.eye(10)[predicted])
    found = audit(training, images, threshold=0.03, predictions=predictions)
    text = audit_text(found)
    ends = [[f"{100 * end:.2f}" for end in plain.wilson(*of)] for of in ((38, 40), (38, 39))]
    assert f"official: 95.00 % ({ends[0][0]} to {ends[0][1]})" in text
    assert f"without these: 97.44 % ({ends[1][0]} to {ends[1][1]})" in text
    assert "test images near a training image: 1 of 40" in text


ORIGIN = {
    "data": "d", "command": "c", "run": "r", "folds": 5, "versions": {}, "seconds": {"all": 1.0},
}  # fmt: skip


def test_an_audit_shows_the_pairs_and_the_suspects_that_it_means() -> None:
    training, images = make_split(200), make_split(4, seed=1).images
    pixels = training.images.copy()
    pixels[7] = pixels[3]
    rough = pixels[11].astype(float) + np.random.default_rng(0).normal(0, 5, (28, 28))
    pixels[21] = rough.clip(0, 255).astype(np.uint8)
    training = type(training)(pixels, training.labels, CLASS_NAMES)
    distance = np.linalg.norm(pixels[11].astype(float) - pixels[21])
    both = [np.linalg.norm(pixels[k].astype(float)) ** 2 for k in (11, 21)]
    distance /= (sum(both) / 2) ** 0.5
    truth = np.arange(200) % 10
    probabilities = np.full((200, 10), 0.01)
    probabilities[np.arange(200), truth] = 0.91
    probabilities[5] = 0.001
    probabilities[5, 2] = 0.991
    found = audit(training, images, threshold=distance / 1.2, probabilities=probabilities)
    assert found.suspects.tolist() == [5]
    page = audit_page(found, training, images, ORIGIN)
    near, _, beyond = page.partition("train 11")
    assert "train 3" in near
    assert "train 7" in near
    assert "train 21" not in near
    assert "train 21" in beyond
    (row,) = csv.DictReader(io.StringIO(suspects_csv(found, training.labels)))
    assert row == {
        "train_index": "5", "label": "Sandal", "predicted": "Pullover",
        "probability_label": "0.001000", "probability_predicted": "0.991000",
    }  # fmt: skip
    after = page[page.index("train 5") :]
    assert re.search(r"Sandal.*Pullover", after, re.DOTALL)


def test_the_interval_of_the_ceiling_is_of_95_percent() -> None:
    """Nine of ten labels are right: the bootstrap's ends are near those of the normal."""
    random = np.random.default_rng(0)
    truth = np.arange(2000) % 10
    labels = np.where(random.random(2000) < 0.1, (truth + 3) % 10, truth)
    probabilities = np.full((2000, 10), 0.001)
    probabilities[np.arange(2000), truth] = 0.991
    found = ceiling(labels, probabilities)
    right = (labels == truth).mean()
    assert found["accuracy"] == pytest.approx(right, abs=1e-3)
    low, high = found["interval"]
    reach = 1.96 * (right * (1 - right) / 2000) ** 0.5
    assert (right - low, high - right) == (
        pytest.approx(reach, rel=0.14), pytest.approx(reach, rel=0.14),
    )  # fmt: skip
    assert high - low == pytest.approx(2 * reach, rel=0.1)
