"""What `metrics.json` holds: written as it always was, read with every type checked."""

import dataclasses
import hashlib
import json
import os
import shutil
import signal
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from conftest import REPOSITORY
from fashion_cnn.errors import UsageError
from fashion_cnn.evaluation.compare import accuracy_interval, compare, unpaired_interval
from fashion_cnn.files import MOST_TEXT, from_here
from fashion_cnn.recipes.recipe import Recipe
from fashion_cnn.reporting.comparison_page import members
from fashion_cnn.reporting.report import report
from fashion_cnn.run.folder import Run
from fashion_cnn.run.predictions import Predictions, predictions_to_csv
from fashion_cnn.run.results import Metrics, most_bytes
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
        assert "sha256" in before["best"] or one.pop("sha256") == ""
    assert {name: again[name] for name in before} == before


EVALUATED = [folder for folder in RECORDS if (folder / "metrics.json").exists()]


@pytest.mark.parametrize("folder", EVALUATED, ids=lambda path: path.name)
def test_the_records_have_their_pages(folder: Path, tmp_path: Path) -> None:
    """Of figures alone: no images are shown, so no data set is needed and nothing is read."""
    page = report(Run.open(folder), tmp_path, tmp_path / "page.html").read_text()
    shown = Run.open(folder).results.metrics.shown
    assert f"{100 * shown.accuracy:.2f}" in page.split("</header>")[0]
    matrix = page.split('id="matrix"')[1].split("</table>")[0]
    assert matrix.count('class="cell"') == 100
    assert "<button" not in matrix, "there is nothing to open"
    assert f">{shown.confusion[3][3]}</span>" in matrix
    assert "Galleries" not in page
    assert not list(tmp_path.glob("*.json"))


def test_the_interval_of_what_nothing_pairs_is_newcombes() -> None:
    """Source: Newcombe 1998, doi 10.1002/(SICI)1097-0258(19980430)17:8<873, table II, method 10."""
    assert unpaired_interval(48, 80, 56, 70) == pytest.approx((0.0524, 0.3339), abs=5e-5)
    assert unpaired_interval(3, 10, 9, 10) == pytest.approx((0.1705, 0.8090), abs=5e-5)
    low, high = unpaired_interval(9, 10, 3, 10)
    assert (low, high) == pytest.approx((-0.8090, -0.1705), abs=5e-5)


def test_the_records_are_compared(tmp_path: Path) -> None:
    runs = [Run.open(folder) for folder in EVALUATED]
    found = compare(runs)
    shown = {str(from_here(run.path)): run.results.metrics.shown for run in runs}
    assert {group.name: group.mean for group in found.groups} == {
        name: of.accuracy for name, of in shown.items()
    }
    first, second = found.groups[:2]
    right, more = (round(group.mean * 10_000) for group in (first, second))
    wanted = unpaired_interval(right, 10_000, more, 10_000)
    assert found.differences[0].interval == pytest.approx(wanted, abs=1e-9)
    assert found.differences[0].mcnemar is None
    with pytest.raises(UsageError, match="is a record without the predictions.*leave out --page"):
        members(found)
    run, _, _ = finished_run(tmp_path / "run")
    shutil.rmtree(run.checkpoints.folder, ignore_errors=True)
    before = accuracy_interval(run.results.predictions)
    (run.path / "predictions.csv").unlink()
    other, _, _ = finished_run(tmp_path / "other", skill=3.0)
    mixed = compare([run, other])
    assert mixed.groups[0].interval == pytest.approx(before)
    assert mixed.differences[0].method == "not paired: predictions are not kept"


def test_what_is_written_is_read_back(tmp_path) -> None:
    run, metrics, _ = finished_run(tmp_path / "run")
    metrics = dataclasses.replace(metrics, tta=metrics.final, evaluated_in="keras")
    run.results.write_metrics(metrics)
    written = (run.path / "metrics.json").read_bytes()
    assert Run(run.path).results.metrics == metrics
    run.results.write_metrics(run.results.metrics)
    assert (run.path / "metrics.json").read_bytes() == written
    assert list(json.loads(written)["tta"]) == [
        *("of", "step", "epoch", "test", "validation", "training", "sha256")
    ]
    names = [item.name for item in dataclasses.fields(Metrics)]
    assert list(json.loads(written)) == [*names, "checksum"]


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
    with pytest.raises(UsageError, match="does not belong to metrics.json beside it"):
        _ = run.results.test_predictions


def put(values: Any, keys: str, value: Any) -> None:
    keys = keys.replace("predictions.csv", "predictions,csv")
    *way, last = (int(key) if key.isdigit() else key.replace(",", ".") for key in keys.split("."))
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
        ("class_names", [*"abcdefghi", "j\x1b[2J"], "cannot be the name of a class"),
        ("class_names", [*"abcdefghi", "a"], "class_names names 'a' twice"),
        ("reports_speak_of", "first", "has no figures of"),
        ("best", None, "has no figures of"),
        ("reports_speak_on", "train", "has no figures of"),
        ("best.test", None, "lacks the figures of the test images"),
        ("tta.validation.confusion.9", [0], "not of 10 classes"),
        ("tta.test.per_class", [], "not of 10 classes"),
        ("best.test.accuracy", 1.1, "best.test.accuracy is 1.1"),
        ("best.test.accuracy", -0.1, "best.test.accuracy is -0.1"),
        ("best.step", -1, "best.step is -1"),
        ("best.step", 2**53 + 1, "best.step is 9007199254740993"),
        ("final.epoch", 10**400, "final.epoch is 1000"),
        ("final.test.confusion.3.3", -1, "final.test.confusion is -1"),
        ("final.test.n", 5, "its matrix is not of its 5 images"),
        ("files", ["predictions.csv"], "files is"),
        ("files.predictions.csv", 5, "files.predictions.csv is 5"),
        ("files", {"../predictions.csv": ""}, "it names files that are not beside it"),
        ("run", "f" * 16, "is of another recipe, seed or data set"),
    ],
)
def test_altered_metrics_are_named(tmp_path, keys: str, value: Any, named: str) -> None:
    run, metrics, _ = finished_run(tmp_path / "run")
    run.results.write_metrics(dataclasses.replace(metrics, tta=metrics.final))
    path = run.path / "metrics.json"
    values = json.loads(path.read_text())
    del values["checksum"]  # it would tell as well
    put(values, keys, value)
    path.write_text(json.dumps(values))
    with pytest.raises(UsageError, match=named) as caught:
        _ = run.results.metrics
    assert str(path) in str(caught.value)
    assert "fashion-cnn evaluate" in str(caught.value)


@pytest.mark.parametrize("keys", ["final.validation.loss", "best.test.confusion.3.4", "status"])
def test_any_other_value_is_told(tmp_path, keys: str) -> None:
    """One that may be: by the checksum of all."""
    run, _, _ = finished_run(tmp_path / "run")
    path = run.path / "metrics.json"
    values = json.loads(path.read_text())
    found = values
    for key in keys.split("."):
        found = found[int(key) if key.isdigit() else key]
    put(values, keys, "interrupted" if keys == "status" else found + 1)
    if "confusion" in keys:
        put(values, "best.test.confusion.3.3", values["best"]["test"]["confusion"][3][3] - 1)
    path.write_text(json.dumps(values))
    with pytest.raises(UsageError, match="a value in it was altered"):
        _ = run.results.metrics
    del values["checksum"]
    path.write_text(json.dumps(values))
    assert run.results.metrics, "as older ones are"


def test_a_number_too_large_for_a_double_is_refused(tmp_path) -> None:
    run, metrics, _ = finished_run(tmp_path / "run")
    text = (run.path / "metrics.json").read_text()
    (run.path / "metrics.json").write_text(
        text.replace(json.dumps(metrics.final.validation.brier), "1e999")
    )
    with pytest.raises(UsageError, match="brier is inf"):
        _ = run.results.metrics


# -- the files beside it ---------------------------------------------------------------------------

FILES = [
    "answers.csv", "calibration.json", "classification_report.json", "classification_report.txt",
    "confusion_matrix.csv", "errors.csv", "predictions.csv",
]  # fmt: skip


def test_metrics_have_the_hashes_of_the_other_results(tmp_path) -> None:
    run, metrics, _ = finished_run(tmp_path / "run")
    assert list(metrics.files) == FILES
    for name, sha256 in metrics.files.items():
        assert sha256 == hashlib.sha256((run.path / name).read_bytes()).hexdigest()
    assert Run(run.path).results.are_whole()


def flip(path: Path) -> None:
    """Another digit where the file has one; it stays a file of its form."""
    content = path.read_bytes()
    place = max(content.rfind(digit) for digit in (b"1", b"2", b"3"))
    path.write_bytes(content[:place] + b"4" + content[place + 1 :])


@pytest.mark.parametrize("name", FILES)
def test_a_result_that_was_altered_is_told(tmp_path, name: str) -> None:
    run, _, _ = finished_run(tmp_path / "run")
    flip(run.path / name)
    assert not Run(run.path).results.are_whole()
    for kind in ("predictions", "calibration"):
        if name.startswith(kind):
            with pytest.raises(UsageError, match=f"{name} does not belong to metrics.json"):
                getattr(Run(run.path).results, kind)


def test_a_result_of_another_run_is_told(tmp_path) -> None:
    run, _, _ = finished_run(tmp_path / "run")
    other, _, _ = finished_run(tmp_path / "other", seed=1)
    for name in ("predictions.csv", "calibration.json", "metrics.json"):
        copy = shutil.copytree(run.path, tmp_path / name)
        shutil.copy(other.path / name, copy)
        with pytest.raises(UsageError) as caught:
            read_results(copy)
        assert str(copy / name) in str(caught.value)
        assert "fashion-cnn evaluate" in str(caught.value)


def read_results(folder: Path) -> None:
    results = Run.open(folder).results
    _ = results.metrics, results.calibration, results.predictions


@pytest.mark.parametrize("name", ["metrics.json", "calibration.json", "predictions.csv"])
def test_no_result_is_waited_for(tmp_path, name: str) -> None:
    run, _, _ = finished_run(tmp_path / "run")
    (run.path / name).unlink()
    os.mkfifo(run.path / name)
    signal.alarm(20)
    with pytest.raises(UsageError, match=f"{name} is not a plain file"):
        read_results(run.path)
    signal.alarm(0)


@pytest.mark.parametrize(
    ("keys", "value", "named"),
    [
        ("conformal", KeyError, "it lacks conformal"),
        ("temperature", "1", "temperature is '1'"),
        ("temperature", 0.0, "temperature is 0.0"),
        ("temperature", 1e7, "temperature is 10000000.0"),
        ("temperature_interval", [1.0], "temperature_interval is"),
        ("fitted_on.n", -1, "fitted_on.n is -1"),
        ("fitted_on.n", 0, "it is of no images"),
        ("measured.n", 0, "it is of no images"),
        ("measured.n", 1201, "it is of 1,201 images, not of 1,200"),
        ("conformal.threshold", 1.5, "conformal.threshold is 1.5"),
        ("conformal.expected_coverage_interval.0", None, "expected_coverage_interval is None"),
        ("reject.error_rate", 0.7, "its error rates are not those"),
        ("reject.choices.0.threshold", "x", "reject.choices.threshold is 'x'"),
        ("reject.choices", [], "its error rates are not those"),
        ("measured", KeyError, "it lacks measured"),
        ("measured.reject", "x", "measured.reject is 'x'"),
        ("measured.reject", [], "its error rates are not those"),
        ("measured.before.reliability.0.interval", [0.5], "before.reliability.interval is"),
        ("measured.after.ece", 2, "measured.after.ece is 2"),
        ("measured.conformal.coverage_by_class", [], "not of as many classes"),
        ("measured.risk_coverage.curve.0.risk", None, "curve.risk is None"),
        ("checkpoint", 5, "checkpoint is 5"),
    ],
)
def test_an_altered_calibration_is_named(tmp_path, keys: str, value: Any, named: str) -> None:
    """Also where no hash of it is known."""
    run, metrics, _ = finished_run(tmp_path / "run")
    run.results.write_metrics(dataclasses.replace(metrics, files={}))
    path = run.path / "calibration.json"
    values = json.loads(path.read_text())
    put(values, keys, value)
    path.write_text(json.dumps(values))
    with pytest.raises(UsageError, match=named) as caught:
        _ = Run(run.path).results.calibration
    assert f"{path} is not as it was written" in str(caught.value)


def test_predictions_are_of_the_images_and_classes_of_the_metrics(tmp_path) -> None:
    run, metrics, _ = finished_run(tmp_path / "run")
    run.results.write_metrics(dataclasses.replace(metrics, files={}))
    path = run.path / "predictions.csv"
    header, *rows = path.read_text().splitlines()
    for lines in (
        [f"{header},p10", *(f"{row},0.000000" for row in rows)],
        [f"{header},{','.join(f'p{i}' for i in range(10, 900))}"],
        [header, *rows[:-1]],
        [header, *rows, rows[-1].replace("1199", "1200", 1)],
        [header, *rows, *[""] * 200_000],
    ):
        path.write_text("\n".join([*lines, ""]))
        with pytest.raises(UsageError, match=r"predictions.csv (is not as it was|has more than)"):
            _ = Run(run.path).results.predictions


def test_predictions_are_as_long_as_their_images_need_and_no_longer(tmp_path) -> None:
    """They take many times their size when read."""
    run, _, _ = finished_run(tmp_path / "run")
    path = run.path / "predictions.csv"
    path.unlink()
    path.touch()
    os.truncate(path, 1 << 18)
    with pytest.raises(UsageError, match="predictions.csv has more than 180,"):
        _ = Run(run.path).results.predictions
    (run.path / "metrics.json").unlink()
    os.truncate(path, MOST_TEXT + 1)
    with pytest.raises(UsageError, match="predictions.csv has more than 16,777,216 bytes"):
        _ = Run(run.path).results.predictions
    sure = np.ones((1_000_000, 2))
    written = predictions_to_csv(Predictions(*np.ones((2, 1_000_000), int), sure))
    assert len(written) <= most_bytes(1_000_000, 2)


def test_a_calibration_is_of_the_classes_of_the_metrics(tmp_path) -> None:
    run, metrics, _ = finished_run(tmp_path / "run")
    run.results.write_metrics(dataclasses.replace(metrics, files={}))
    path = run.path / "calibration.json"
    values = json.loads(path.read_text())
    values["measured"]["conformal"]["coverage_by_class"].pop()
    values["measured"]["conformal"]["sizes"].pop()
    path.write_text(json.dumps(values))
    with pytest.raises(UsageError, match="it is of 9 classes, not of 10"):
        _ = Run(run.path).results.calibration


@pytest.mark.parametrize(
    ("name", "keys", "value", "named"),
    [
        ("environment", "framework", "other", "it names no framework"),
        ("environment", "framework", KeyError, "it lacks framework"),
        ("environment", "command", 1, "command is 1"),
        ("environment", "command", ["a", 1], "command is 1"),
        ("environment", "threads", "two", "threads is 'two'"),
        ("environment", "ranks", "two", "ranks is 'two'"),
        ("environment", "ranks", None, "ranks is None"),
        ("environment", "backend", "a\0b", r"backend is 'a\\x00b'"),
        ("environment", "backend", "\ud800", r"backend is '\\ud800'"),
        ("environment", "deterministic", 1, "deterministic is 1"),
        ("environment", "device", None, "device is None"),
        ("environment", "data_sha256", [], "data_sha256 is"),
        ("environment", "torch", {"a": []}, "torch is {'a': "),
        ("split", "test_sealed", 1, "test_sealed is 1"),
        ("split", "test_sealed", KeyError, "does not say whether the test set is sealed"),
        ("split", "fingerprint", 1, "fingerprint is 1"),
        ("split", "training_images", 100, "or of how many images"),
        ("split", "class_names", [1, 2], "class_names is 1"),
        ("split", "data_dir", ["a"], "data_dir is"),
        ("split", "data", None, "data is None"),
        ("split", "seed", -1, "seed is -1"),
    ],
)
def test_what_a_run_runs_on_is_checked_when_it_is_opened(
    tmp_path, name: str, keys: str, value: Any, named: str
) -> None:
    run, _, _ = finished_run(tmp_path / "run")
    path = run.path / f"{name}.json"
    values = json.loads(path.read_text())
    put(values, keys, value)
    path.write_text(json.dumps(values))
    with pytest.raises(UsageError, match=named) as caught:
        Run.open(run.path)
    assert f"{path} is not as it was written" in str(caught.value)


@pytest.mark.parametrize(
    "value", [[], {"parameters": 1}, {"parameters": 1, "flop": 2, "layers": [3]}]
)
def test_altered_layers_are_named(tmp_path, value: Any) -> None:
    run, _, _ = finished_run(tmp_path / "run")
    (run.path / "layers.json").write_text(json.dumps(value))
    with pytest.raises(UsageError, match="layers.json is not as it was written"):
        _ = Run.open(run.path).layers
