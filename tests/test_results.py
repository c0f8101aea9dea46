"""What `metrics.json` holds: written as it always was, read with every type checked."""

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest

from conftest import REPOSITORY
from fashion_cnn.errors import UsageError
from fashion_cnn.recipes.recipe import Recipe
from fashion_cnn.run.folder import Run
from fashion_cnn.run.results import Metrics
from finished import finished_run

RECORDS = sorted(path.parent for path in (REPOSITORY / "docs/results").rglob("recipe.json"))


def fault(run: Run) -> str:
    """Why a recipe cannot be opened."""
    try:
        _ = run.recipe
    except UsageError as error:
        return str(error)
    return ""


@pytest.mark.parametrize("folder", RECORDS, ids=lambda path: path.name)
def test_the_records_open(folder: Path) -> None:
    """Also those written before a key was there; a trial of an option that is gone says so."""
    run = Run.open(folder)
    fields = {item.name for item in dataclasses.fields(Recipe)}
    values = json.loads((folder / "recipe.json").read_text())
    if folder.parent.name == "trials" and (said := fault(run)):
        assert any(f"has no {name!r}" in said for name in values.keys() - fields), said
        return
    recipe = run.recipe.to_dict()
    for name in fields & values.keys():
        assert recipe[name] == values[name]
    assert len(run.history) == run.recipe.epochs or "stopped" in folder.name
    if not run.results.exist():
        return
    metrics, shown = run.results.metrics, run.results.metrics.shown
    assert shown.split == "test"
    assert shown.n == sum(map(sum, shown.confusion)) == 10_000
    right = sum(row[label] for label, row in enumerate(shown.confusion))
    assert shown.accuracy == pytest.approx(right / shown.n, abs=1e-12)
    assert metrics.best
    assert metrics.best.step == min(run.history, key=lambda record: record.val_loss).step
    written, before = metrics.to_dict(), json.loads((folder / "metrics.json").read_text())
    again = json.loads(json.dumps(written))
    for one in (again["best"], again["final"]):
        assert "training" in before["best"] or one.pop("training") is None
    assert {name: again[name] for name in before} == before


def test_what_is_written_is_read_back(tmp_path) -> None:
    run, metrics, _ = finished_run(tmp_path / "run")
    metrics = dataclasses.replace(metrics, tta=metrics.final, evaluated_in="keras")
    run.results.write_metrics(metrics)
    written = (run.path / "metrics.json").read_bytes()
    assert Run(run.path).results.metrics == metrics
    run.results.write_metrics(run.results.metrics)
    assert (run.path / "metrics.json").read_bytes() == written
    assert list(json.loads(written)["tta"]) == [
        *("of", "step", "epoch", "test", "validation", "training")
    ]
    assert list(json.loads(written)) == [item.name for item in dataclasses.fields(Metrics)]


def test_what_is_shown_is_of_the_checkpoint_and_the_part_that_it_names(tmp_path) -> None:
    _, metrics, _ = finished_run(tmp_path / "run")
    final = dataclasses.replace(metrics.final, step=31)
    for checkpoint, chosen in (("best", metrics.best), ("final", final)):
        found = dataclasses.replace(metrics, final=final, reports_speak_of=checkpoint)
        assert found.answering == chosen
        assert found.shown is found.answering.test
    sealed = dataclasses.replace(metrics, reports_speak_on="validation")
    assert sealed.shown is sealed.answering.validation


@pytest.mark.parametrize(
    ("column", "value"),
    [("p0", "1.5"), ("p0", "-0.5"), ("predicted", "9"), ("label", "9")],
    ids=["above 1", "below 0", "one answer of 1,200", "one label of 1,200"],
)
def test_predictions_must_be_those_of_the_metrics(tmp_path, column: str, value: str) -> None:
    run, metrics, test = finished_run(tmp_path / "run")
    found = run.results.test_predictions
    assert found.labels.tolist() == test.labels.tolist()
    assert found.correct.mean() == metrics.shown.accuracy
    path = run.path / "predictions.csv"
    header, *rows = (line.split(",") for line in path.read_text().splitlines())
    right = next(row for row in rows if row[1] == row[2] != "9")
    right[header.index(column)] = value
    path.write_text("".join(f"{','.join(row)}\n" for row in (header, *rows)))
    with pytest.raises(UsageError, match="is not what the metrics beside it speak of"):
        _ = run.results.test_predictions


def put(values: Any, keys: str, value: Any) -> None:
    *way, last = (int(key) if key.isdigit() else key for key in keys.split("."))
    for key in way:
        values = values[key]
    if value is KeyError:
        del values[last]
    else:
        values[last] = value


@pytest.mark.parametrize(
    ("keys", "value", "named"),
    [
        ("status", 5, "status is 5"),
        ("final", KeyError, "lacks final"),
        ("class_names", KeyError, "lacks class_names"),
        ("final", None, "final is None"),
        ("test_readings", True, "test_readings is True"),
        ("test_readings", 1.0, "test_readings is 1.0"),
        ("training_seconds", "1", "training_seconds is '1'"),
        ("final.validation.loss", [1.0], "final.validation.loss is"),
        ("best.test.interval", [0.5], "best.test.interval is"),
        ("best.test.interval", [0.5, 0.6, 0.7], "best.test.interval is"),
        ("best.test.per_class.3", {"label": 3}, "lacks best.test.per_class.f1"),
        ("best.test.per_class", {}, "best.test.per_class is"),
        ("final.test.confusion.9.9", 1.5, "final.test.confusion is 1.5"),
        ("final.test.confusion.9", [0], "not of 10 classes"),
        ("class_names", ["a", "b"], "not of 2 classes"),
        ("reports_speak_of", "first", "has no figures of"),
        ("best", None, "has no figures of"),
        ("reports_speak_on", "train", "has no figures of"),
        ("best.test", None, "lacks the figures on the test images"),
        ("tta.validation.confusion.9", [0], "not of 10 classes"),
        ("tta.test.per_class", [], "not of 10 classes"),
    ],
)
def test_altered_metrics_are_named(tmp_path, keys: str, value: Any, named: str) -> None:
    run, metrics, _ = finished_run(tmp_path / "run")
    run.results.write_metrics(dataclasses.replace(metrics, tta=metrics.final))
    path = run.path / "metrics.json"
    values = json.loads(path.read_text())
    put(values, keys, value)
    path.write_text(json.dumps(values))
    with pytest.raises(UsageError, match=named) as caught:
        _ = run.results.metrics
    assert str(path) in str(caught.value)
    assert "fashion-cnn evaluate" in str(caught.value)


def test_a_number_too_large_for_a_double_is_refused(tmp_path) -> None:
    run, metrics, _ = finished_run(tmp_path / "run")
    text = (run.path / "metrics.json").read_text()
    (run.path / "metrics.json").write_text(
        text.replace(json.dumps(metrics.final.validation.brier), "1e999")
    )
    with pytest.raises(UsageError, match="brier is inf"):
        _ = run.results.metrics
