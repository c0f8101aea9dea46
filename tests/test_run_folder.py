"""Every file of two runs, whose best epoch is not their last, computed here once more.

Early stopping ended both, so the last two epochs are worse than the best by necessity. One answers
with its best checkpoint on the test set; the other with its last one on the validation part, its
labels smoothed and its test set sealed.
"""

import csv
import json
import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import special

import plain
from conftest import make_split
from drawn import Drawn, figures_instead_of_pictures, labelled, points, ticks
from fashion_cnn.cli import main
from fashion_cnn.data.adoption import adopt
from fashion_cnn.data.fashion_mnist import CLASS_NAMES
from fashion_cnn.data.manifest import CLASSES, classes_txt
from fashion_cnn.data.split import Split, divide
from fashion_cnn.errors import UsageError
from fashion_cnn.recipes.recipe import Recipe
from fashion_cnn.reporting.plots import risk_coverage
from fashion_cnn.run import checkpoint
from fashion_cnn.run.command import run_command
from fashion_cnn.run.folder import Run
from fashion_cnn.run.layers import describe_layers
from finished import finished_run
from shapes import write_files

STEPS, RATES = 8, {"best": 0.005, "final": 0.01}
WORDS = ["train", "--width", "8", "--train-images", "80", "--batch-size", "10", "--dropout", "0"]
WORDS += ["--early-stopping", "2", "--validation", "0.5", "--threads", "1"]


@dataclass(frozen=True)
class Result:
    """A run folder, what was printed, and what the weights in it say."""

    folder: Path
    printed: str
    shown: str
    part: str
    smoothing: float
    parts: dict[str, Split]
    logits: dict[tuple[str, str], np.ndarray]
    drawn: Drawn

    def json(self, name: str) -> Any:
        return json.loads((self.folder / name).read_text())

    def rows(self, name: str) -> list[list[str]]:
        with (self.folder / name).open() as file:
            return list(csv.reader(file))

    @property
    def labels(self) -> np.ndarray:
        return self.parts[self.part].labels

    @property
    def its_logits(self) -> np.ndarray:
        return self.logits[self.shown, self.part]

    @property
    def calibration(self) -> dict[str, Any]:
        """Fitted to what the checkpoint that answers says of the validation part."""
        validation = self.parts["validation"].labels
        return plain.calibrate(self.logits[self.shown, "validation"], validation, self.smoothing)

    @property
    def probabilities(self) -> np.ndarray:
        unsmoothed = plain.without_smoothing(self.its_logits, self.smoothing)
        return special.softmax(unsmoothed / self.calibration["temperature"], axis=1)


def misread(count: int, seed: int) -> Split:
    """Half of the labels of the first four classes are mixed up: they can be learnt by heart."""
    split, random = make_split(count, seed), np.random.default_rng(seed)
    labels = split.labels.copy()
    wrong = (labels < 4) & (random.random(count) < 0.5)
    labels[wrong] = random.integers(0, 4, wrong.sum())
    return Split(split.images, labels, CLASS_NAMES)


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> tuple[Path, Split, Split]:
    training, test = misread(500, 1), misread(300, 2)
    arrays = [a for s in (training, test) for a in (s.images, s.labels.astype(np.uint8))]
    folder = write_files(tmp_path_factory.mktemp("data") / "misread", *arrays)
    (folder / CLASSES).write_bytes(classes_txt(CLASS_NAMES))
    adopt(folder)
    return folder, training, test


@pytest.fixture(scope="module")
def drawn() -> Iterator[Drawn]:
    with figures_instead_of_pictures() as figures:
        yield figures


@pytest.fixture(scope="module", params=["best", "final"])
def result(request, data, drawn, tmp_path_factory) -> Result:
    directory, training, test = data
    folder, shown = tmp_path_factory.mktemp("results") / "run", request.param
    more = ["--answer", "final", "--label-smoothing", "0.1", "--no-test"] * (shown == "final")
    with pytest.MonkeyPatch.context() as patch:
        printed: list[str] = []
        patch.setattr("fashion_cnn.cli.train.write", printed.append)
        more += ["--lr", str(RATES[shown])]
        where = ["--output", str(folder), "--data-dir", str(directory)]
        assert main([*WORDS, *more, *where]) == 0
    divided = divide(training, validation=0.5, seed=0, train_images=80)
    parts = {"training": divided.training, "validation": divided.validation, "test": test}
    links = {name: (folder / "checkpoints" / name).resolve() for name in ("best", "final")}
    assert int(links["best"].name[5:]) == int(links["final"].name[5:]) - 2 * STEPS
    logits = {
        (name, part): plain.logits_of(path, split.images)
        for name, path in links.items()
        for part, split in parts.items()
    }
    for part, split in parts.items():
        best, final = (
            plain.confusion_of(split.labels, logits[name, part].argmax(1)) for name in links
        )
        assert np.any(np.array(best) != final) or part == "training", "they must be told apart"
    smoothing = 0.1 if shown == "final" else 0.0
    part = "validation" if shown == "final" else "test"
    return Result(folder, printed[0], shown, part, smoothing, parts, logits, drawn)


def percent(value: float, digits: int = 2) -> str:
    return f"{100 * value:.{digits}f} %"


# -- what was measured -----------------------------------------------------------------------------


def test_what_is_validated_is_the_validation_part(result: Result) -> None:
    header, *rows = result.rows("history.csv")
    assert header[:3] == ["epoch", "step", "learning_rate"]
    assert header[5:7] == ["val_loss", "val_accuracy"]
    assert [row[:3] for row in rows] == [
        [str(epoch), str(STEPS * epoch), str(RATES[result.shown])]
        for epoch in range(1, len(rows) + 1)
    ]
    validation, kept = result.parts["validation"], 0
    for path in (result.folder / "checkpoints").glob("step-*[1-9]*"):
        logits = plain.logits_of(path, validation.images)
        wanted = plain.measured(logits, validation.labels)
        row = rows[int(path.name[5:]) // STEPS - 1]
        assert float(row[5]) == pytest.approx(wanted["loss"], abs=2e-6)
        assert float(row[6]) == pytest.approx(wanted["accuracy"], abs=1e-12)
        kept += 1
    assert kept == 3, "the best one and the last two"
    assert float(rows[-3][5]) == min(float(row[5]) for row in rows)


def test_metrics_are_of_each_checkpoint_on_each_part(result: Result) -> None:
    found, opened = result.json("metrics.json"), result.part == "test"
    assert (found["reports_speak_of"], found["reports_speak_on"]) == (result.shown, result.part)
    assert (found["status"], found["test_readings"]) == ("stopped early", int(opened))
    assert found["class_names"] == list(CLASS_NAMES)
    seconds = sum(float(row[7]) for row in result.rows("history.csv")[1:])
    assert found["training_seconds"] == pytest.approx(seconds)
    for name in ("best", "final"):
        step = int((result.folder / "checkpoints" / name).resolve().name[5:])
        assert (found[name]["step"], found[name]["epoch"]) == (step, step / STEPS)
        assert opened or found[name]["test"] is None
        for part in ("training", "validation", "test") if opened else ("training", "validation"):
            got, wanted = (
                found[name][part],
                plain.measured(result.logits[name, part], result.parts[part].labels),
            )
            assert (got["split"], got["n"]) == (part, wanted["n"])
            assert got["confusion"] == wanted["confusion"]
            assert got["interval"] == pytest.approx(wanted["interval"], abs=1e-12)
            for figure in ("accuracy", "loss", "brier", "ece", "mean_confidence"):
                assert got[figure] == pytest.approx(wanted[figure], abs=1e-5), figure
            assert [row["name"] for row in got["per_class"]] == list(CLASS_NAMES)
            for figure in ("precision", "recall", "f1", "support"):
                values = [row[figure] for row in got["per_class"]]
                assert values == pytest.approx(wanted[figure], abs=1e-12), figure


def test_calibration_is_fitted_on_validation_and_measured_on_the_part(result: Result) -> None:
    found, wanted = result.json("calibration.json"), result.calibration
    assert (found["checkpoint"], found["label_smoothing"]) == (result.shown, result.smoothing)
    assert found["fitted_on"] == {"split": "validation", "n": 250}
    assert found["temperature"] == pytest.approx(wanted["temperature"], rel=1e-4)
    assert found["temperature_interval"] == pytest.approx(wanted["interval"], rel=1e-3)
    sets = found["conformal"]
    assert sets["coverage"] == 0.95
    assert sets["threshold"] == pytest.approx(wanted["set_threshold"], abs=1e-4)
    expected = sets["expected_coverage_interval"]
    assert expected == pytest.approx(wanted["expected_coverage_interval"])
    thresholds = {row["error_rate"]: row["threshold"] for row in found["reject"]["choices"]}
    assert thresholds == pytest.approx(wanted["reject"], abs=1e-4)
    assert None in thresholds.values()
    assert thresholds[0.05], "some can be sure enough"
    assert found["reject"]["error_rate"] == 0.02
    assert found["reject"]["threshold"] == thresholds[0.02]


def test_what_calibration_is_worth_is_measured_on_the_part(result: Result) -> None:
    found = result.json("calibration.json")
    got, labels, probabilities = found["measured"], result.labels, result.probabilities
    assert (got["split"], got["n"]) == (result.part, len(labels))
    logs = {"before": special.log_softmax(result.its_logits, 1), "after": np.log(probabilities)}
    for when, log in logs.items():
        for figure, value in plain.scores(log, labels).items():
            assert got[when][figure] == pytest.approx(value, abs=2e-4), (when, figure)
    right, confidence = probabilities.argmax(1) == labels, probabilities.max(1)
    for when, log in logs.items():
        sure, chance = np.exp(log).max(1), 0.0
        for row in got[when]["reliability"]:
            inside = (sure > row["low"]) & (sure <= row["high"])
            assert row["n"] == inside.sum()
            assert row["accuracy"] == pytest.approx(right[inside].mean())
            assert row["confidence"] == pytest.approx(sure[inside].mean(), abs=1e-4)
            assert row["interval"] == pytest.approx(plain.wilson(right[inside].sum(), inside.sum()))
            chance += np.sqrt((sure * (1 - sure))[inside].sum() * 2 / np.pi) / len(labels)
        assert sum(row["n"] for row in got[when]["reliability"]) == len(labels)
        assert got[when]["ece_by_chance"] == pytest.approx(chance, abs=1e-4)
    assert got["before"]["reliability"] != got["after"]["reliability"]
    above = np.array([[row[row > p].sum() for p in row] for row in probabilities])
    sets = above <= found["conformal"]["threshold"] + 1e-9
    covered, sizes = sets[np.arange(len(labels)), labels], sets.sum(1)
    conformal = got["conformal"]
    assert conformal["coverage"] == pytest.approx(covered.mean(), abs=1.5 / len(labels))
    assert conformal["interval"] == pytest.approx(
        plain.wilson(covered.sum(), len(labels)), abs=0.01
    )
    assert conformal["mean_size"] == pytest.approx(sizes.mean(), abs=0.02)
    wanted = [covered[labels == label].mean() for label in range(10)]
    assert conformal["coverage_by_class"] == pytest.approx(wanted, abs=0.05)
    for row, choice in zip(got["reject"], found["reject"]["choices"], strict=True):
        assert row["error_rate"] == choice["error_rate"]
        least = choice["threshold"]
        answered = confidence >= (np.inf if least is None else least - 1e-7)
        assert row["answered"] == pytest.approx(answered.mean(), abs=1.5 / len(labels))
        if least is not None:
            wrong, n = (answered & ~right).sum(), answered.sum()
            assert row["wrong"] == pytest.approx(wrong / n, abs=0.01)
            assert row["interval"] == pytest.approx(plain.wilson(wrong, n), abs=0.01)
    order = np.argsort(-confidence, kind="stable")
    risks = np.cumsum(~right[order]) / np.arange(1, len(labels) + 1)
    assert got["risk_coverage"]["area"] == pytest.approx(risks.mean(), abs=2e-3)
    assert got["risk_coverage"]["curve"][-1]["risk"] == pytest.approx((~right).mean())


# -- tables ----------------------------------------------------------------------------------------


def test_predictions_and_errors_are_its_calibrated_answers(result: Result) -> None:
    header, *rows = result.rows("predictions.csv")
    classes = [f"p{k}" for k in range(10)]
    assert header == ["index", "label", "predicted", "confidence", *classes]
    wanted, labels = result.probabilities, result.labels
    values = np.array(rows, float)
    np.testing.assert_array_equal(values[:, 0], np.arange(len(labels)))
    np.testing.assert_array_equal(values[:, 1], labels)
    np.testing.assert_array_equal(values[:, 2], result.its_logits.argmax(1))
    np.testing.assert_allclose(values[:, 3], wanted.max(1), atol=3e-5)
    np.testing.assert_allclose(values[:, 4:], wanted, atol=3e-5)

    header, *errors = result.rows("errors.csv")
    assert header == [
        "index", "label", "predicted", "confidence", "label_probability", "label_name",
        "predicted_name",
    ]  # fmt: skip
    places = [int(row[0]) for row in errors]
    assert sorted(places) == np.flatnonzero(wanted.argmax(1) != labels).tolist()
    sure = [float(row[3]) for row in errors]
    assert sure == sorted(sure, reverse=True)
    for place, label, called, confidence, own, name, other in errors:
        row = rows[int(place)]
        assert [label, called, confidence] == row[1:4]
        assert own == row[4 + int(label)]
        assert (name, other) == (CLASS_NAMES[int(label)], CLASS_NAMES[int(called)])


def test_the_matrix_has_a_row_a_true_class(result: Result) -> None:
    header, *rows = result.rows("confusion_matrix.csv")
    assert header == ["true \\ predicted", *CLASS_NAMES]
    wanted = plain.confusion_of(result.labels, result.its_logits.argmax(1))
    assert np.array(wanted).tolist() != np.array(wanted).T.tolist()
    assert rows == [[name, *map(str, row)] for name, row in zip(CLASS_NAMES, wanted, strict=True)]


def test_the_report_is_of_the_checkpoint_that_answers(result: Result) -> None:
    wanted = plain.measured(result.its_logits, result.labels)
    step = int((result.folder / "checkpoints" / result.shown).resolve().name[5:])
    values = result.json("classification_report.json")
    assert (values["checkpoint"], values["split"]) == (result.shown, result.part)
    assert values["accuracy"] == pytest.approx(wanted["accuracy"])
    text = (result.folder / "classification_report.txt").read_text()
    title, *lines = text.splitlines()
    assert title == (
        f"{result.part.capitalize()} set, {len(result.labels)} images, {result.shown} checkpoint "
        f"(step {step}, epoch {step // STEPS})"
    )
    for label, name in enumerate(CLASS_NAMES):
        figures = [wanted[figure][label] for figure in ("precision", "recall", "f1", "support")]
        got = [values[name][key] for key in ("precision", "recall", "f1-score", "support")]
        assert got == pytest.approx(figures)
        (line,) = [line.split() for line in lines if line.strip().startswith(f"{name} ")][:1]
        assert line[-4:] == [*(f"{figure:.4f}" for figure in figures[:3]), str(figures[3])]
    confusion = wanted["confusion"]
    pairs = [(confusion[a][b] + confusion[b][a], a, b) for b in range(10) for a in range(b)]
    start = lines.index("Most often taken for each other:")
    most = [count for count, _, _ in sorted(pairs, reverse=True)[:5]]
    assert [int(line.split()[0]) for line in lines[start + 1 :]] == most
    for line in lines[start + 1 :]:
        assert line.strip() in {
            f"{count}  {CLASS_NAMES[a]} and {CLASS_NAMES[b]} ({confusion[a][b]} one way, "
            f"{confusion[b][a]} the other)"
            for count, a, b in pairs
        }


def test_the_summary_has_the_accuracies_of_both_checkpoints(result: Result) -> None:
    lines = {line.split()[0]: line.split() for line in result.printed.splitlines() if line.strip()}
    for name in ("best", "final"):
        step = int((result.folder / "checkpoints" / name).resolve().name[5:])
        measured = {
            part: plain.measured(result.logits[name, part], split.labels)
            for part, split in result.parts.items()
        }
        low, high = measured["test"]["interval"]
        said = {
            part: [*percent(one["accuracy"]).split(), f"{one['loss']:.3f}"]
            for part, one in measured.items()
        }
        sealed = ["sealed"] if result.part == "validation" else [
            *said["test"], f"{100 * low:.2f}", "-", *percent(high).split(),
        ]  # fmt: skip
        shown = [*said["training"], *said["validation"]]
        assert lines[name] == [name, str(step), str(step // STEPS), *shown, *sealed]
    assert f"opened {int(result.part == 'test')} time(s) by this run" in result.printed


# -- pictures --------------------------------------------------------------------------------------


def test_the_matrices_are_drawn_true_against_predicted(result: Result) -> None:
    counts = np.array(plain.confusion_of(result.labels, result.its_logits.argmax(1)))
    shares = counts / np.maximum(counts.sum(1), 1)[:, None]
    right = percent(counts.trace() / counts.sum())
    for name, wanted, style in (
        ("confusion_matrix", counts, "d"),
        ("confusion_matrix_normalized", shares, ".2f"),
    ):
        axes = result.drawn.axes(result.folder / f"{name}.png")
        right_ones, mistakes = axes.collections
        np.testing.assert_allclose(np.asarray(right_ones.get_array()), wanted)
        shown = np.ma.masked_array(mistakes.get_array())
        assert (np.ma.getmaskarray(shown) == np.eye(10, dtype=bool)).all()
        np.testing.assert_allclose(shown.filled(0), wanted * (1 - np.eye(10)))
        assert (axes.get_ylabel(), axes.get_xlabel()) == ("true class", "predicted class")
        names = {float(k): name for k, name in enumerate(CLASS_NAMES)}
        assert ticks(axes, "x") == ticks(axes, "y") == names
        written = {text.get_position(): text.get_text() for text in axes.texts}
        assert written == {
            (column, row): format(wanted[row, column], style)
            for row in range(10)
            for column in range(10)
        }
        title = axes.get_title()
        assert title.startswith(f"{result.part.capitalize()} set, {result.shown} checkpoint")
        assert f": {right} right" in title
    assert "share of the true class" in title


def test_the_curves_are_the_history(result: Result) -> None:
    header, *rows = result.rows("history.csv")
    history = {name: [float(row[k]) for row in rows] for k, name in enumerate(header)}
    best = int((result.folder / "checkpoints/best").resolve().name[5:]) // STEPS
    film = Run(result.folder).film
    assert film
    for quantity in ("loss", "accuracy"):
        axes = result.drawn.axes(result.folder / f"{quantity}_pytorch.png")
        lines = labelled(axes)
        answering = lines.pop("training, as it answers (a sample)")
        sample = film.training[:, int(quantity == "accuracy")].tolist()
        assert answering == (history["epoch"], sample)
        training = [line for label, line in lines.items() if label.startswith("training")]
        smoothed = quantity == "loss" and result.smoothing > 0
        wanted = (history["epoch"], history[f"train_{quantity}"])
        assert training == ([] if smoothed else [wanted]), "another loss is not drawn beside it"
        assert lines["validation"] == (history["epoch"], history[f"val_{quantity}"])
        value = history[f"val_{quantity}"][best - 1]
        assert lines[f"best checkpoint: epoch {best}, {value:.4f}"] == ([best], [value])
        assert len(lines) == 2 + len(training)
        assert axes.get_xlabel() == "epoch"
        assert quantity in axes.get_ylabel()


def test_the_reliability_diagram_is_the_calibration(result: Result) -> None:
    found = result.json("calibration.json")
    axes = result.drawn.axes(result.folder / "reliability.png")
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("confidence", "accuracy (95 % interval)")
    for bars, when in zip(axes.containers, ("before", "after"), strict=True):
        rows = found["measured"][when]["reliability"]
        (line, _, (whiskers,)) = bars.lines
        assert points(line) == (
            [row["confidence"] for row in rows],
            [row["accuracy"] for row in rows],
        )
        ends = [[y for _, y in segment] for segment in whiskers.get_segments()]
        np.testing.assert_allclose(ends, [row["interval"] for row in rows])
        assert f"{100 * found['measured'][when]['ece']:.2f} %" in str(bars.get_label())
    assert f"temperature {found['temperature']:.3f}" in str(bars.get_label())
    title = f"{result.part.capitalize()} set, {len(result.labels)} images; temperature fitted on"
    assert axes.get_title() == f"{title} 250 of validation"


def test_the_risk_curve_is_the_calibration(result: Result) -> None:
    """The share of wrong answers stands above the share that is answered, as the axes say."""
    found = result.json("calibration.json")
    (axes,) = risk_coverage(found).axes
    assert axes.get_xlabel() == "share answered, the surest first"
    assert axes.get_ylabel() == "wrong among these"
    lines, measured = labelled(axes), found["measured"]
    curve = measured["risk_coverage"]["curve"]
    assert lines.pop("wrong") == (
        [row["coverage"] for row in curve],
        [row["risk"] for row in curve],
    )
    assert lines == {
        f"wanted: at most {100 * row['error_rate']:g} % wrong": ([row["answered"]], [row["wrong"]])
        for row in measured["reject"]
        if row["wrong"] is not None
    }


# -- the page --------------------------------------------------------------------------------------


class Tables(HTMLParser):
    """The cells' words of each table, by section and by the table's place in it."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: dict[str, list[list[list[str]]]] = {"": []}
        self.section, self.open = "", False
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "section":
            self.section = dict(attrs)["id"] or ""
            self.found[self.section] = []
        elif tag == "table":
            self.found[self.section].append([])
        elif tag == "tr":
            self.found[self.section][-1].append([])
        elif tag in ("td", "th"):
            self.found[self.section][-1][-1].append("")
            self.open = True

    def handle_endtag(self, tag: str) -> None:
        if tag in ("td", "th"):
            self.open = False
            row = self.found[self.section][-1][-1]
            row[-1] = " ".join(row[-1].split())

    def handle_data(self, data: str) -> None:
        if self.open:
            self.found[self.section][-1][-1][-1] += data.replace("\N{NO-BREAK SPACE}", " ")


@pytest.fixture
def page(result: Result) -> dict[str, list[list[list[str]]]]:
    return Tables((result.folder / "report.html").read_text()).found


def test_the_page_has_the_checkpoints_and_the_epochs(result: Result, page) -> None:
    checkpoints, epochs = page["learning"]
    for row, name in zip(checkpoints[1:], ("best", "final"), strict=True):
        step = int((result.folder / "checkpoints" / name).resolve().name[5:])
        training, validation, test = (
            plain.measured(result.logits[name, part], result.parts[part].labels)
            for part in ("training", "validation", "test")
        )
        assert row[:2] == [name, str(step // STEPS)]
        for place, measured in ((2, training), (4, validation)):
            assert float(row[place]) == pytest.approx(measured["loss"], abs=6e-5)
            assert row[place + 1] == percent(measured["accuracy"])
        if result.part == "validation":
            assert row[6:] == ["sealed"]
        else:
            assert float(row[6]) == pytest.approx(test["loss"], abs=6e-5)
            ends = " – ".join(map(percent, test["interval"]))
            assert row[7:] == [percent(test["accuracy"]), ends]
    for row, (epoch, _, _, loss, accuracy, val_loss, val_accuracy, *_) in zip(
        epochs[1:], result.rows("history.csv")[1:], strict=True
    ):
        assert row[0] == epoch
        assert row[2:6] == [
            f"{float(loss):.4f}",
            percent(float(accuracy)),
            f"{float(val_loss):.4f}",
            percent(float(val_accuracy)),
        ]


def with_ends(part: int, whole: int, of: Callable[[float], float]) -> str:
    """A figure with its interval, of a share and the ends of its, as the page writes it."""
    if not whole:
        return "–"
    value, low, high = (of(share) for share in (part / whole, *plain.wilson(part, whole)))
    return f"{value:.3f} {low:.3f}–{high:.3f}"


def test_the_page_has_the_matrix_and_the_classes(result: Result, page) -> None:
    wanted = plain.measured(result.its_logits, result.labels)
    matrix, pairs = page["confusion"]
    assert matrix[0][1:] == list(CLASS_NAMES)
    assert matrix[1:] == [
        [name, *map(str, row)] for name, row in zip(CLASS_NAMES, wanted["confusion"], strict=True)
    ]
    confusion = wanted["confusion"]
    counts = sorted(
        (confusion[a][b] + confusion[b][a] for b in range(10) for a in range(b)), reverse=True
    )
    assert [int(row[1]) for row in pairs[1:]] == [count for count in counts[:5] if count]
    (classes,) = page["classes"]
    assert classes[0][:5] == ["Class", "Precision", "Recall", "F1", "Images"]
    by_class = result.json("calibration.json")["measured"]["conformal"]["coverage_by_class"]
    for label, (name, precision, recall, f1, images, covered) in enumerate(classes[1:]):
        assert (name, images) == (CLASS_NAMES[label], str(wanted["support"][label]))
        hits, there = confusion[label][label], sum(confusion[label])
        called = sum(row[label] for row in confusion)
        for shown, part, whole in ((precision, hits, called), (recall, hits, there)):
            assert shown == with_ends(part, whole, lambda share: share)
        assert f1 == with_ends(hits, there + called - hits, lambda share: 2 * share / (1 + share))
        assert covered == percent(by_class[label], 1)


def test_the_page_has_the_calibration(result: Result, page) -> None:
    found = result.json("calibration.json")
    measured = found["measured"]
    change, sets, rejecting = page["calibration"]
    before, after = measured["before"], measured["after"]
    assert change[1:] == [
        ["Calibration error", percent(before["ece"]), percent(after["ece"])],
        [
            "by chance alone, about",
            percent(before["ece_by_chance"]),
            percent(after["ece_by_chance"]),
        ],
        ["Cross-entropy", f"{before['loss']:.4f}", f"{after['loss']:.4f}"],
        ["Brier score", f"{before['brier']:.4f}", f"{after['brier']:.4f}"],
        ["Mean confidence", percent(before["mean_confidence"]), percent(after["mean_confidence"])],
    ]
    sizes = measured["conformal"]["sizes"]
    assert [row[:2] for row in sets[1:]] == [
        [str(size), str(count)] for size, count in enumerate(sizes) if count
    ]
    for row, figures, choice in zip(
        rejecting[1:], measured["reject"], found["reject"]["choices"], strict=True
    ):
        default = " (the default)" * (choice["error_rate"] == 0.02)
        least, wrong, ends = choice["threshold"], figures["wrong"], figures["interval"]
        assert row == [
            percent(choice["error_rate"], 1) + default,
            "–" if least is None else percent(least, 1),
            percent(figures["answered"], 1),
            "–" if wrong is None else percent(wrong),
            "–" if ends is None else " – ".join(map(percent, ends)),
        ]


def test_the_page_opens_with_the_accuracy_that_answers(result: Result) -> None:
    wanted = plain.measured(result.its_logits, result.labels)
    text = (result.folder / "report.html").read_text().replace("\N{NO-BREAK SPACE}", " ")
    assert f"<strong>{percent(wanted['accuracy'])}</strong>" in text
    low, high = wanted["interval"]
    noun = "test" if result.part == "test" else "validation"
    assert f"of {len(result.labels)} {noun} images right" in text
    assert f"{percent(low)} to {percent(high)}" in text
    calibration = result.json("calibration.json")
    low, high = calibration["temperature_interval"]
    assert f"(95 % interval {low:.3f} to {high:.3f})" in text
    history = result.rows("history.csv")[1:]
    for column in (-4, -3):  # validation loss and accuracy, as the charts say them in words
        said = ", ".join(f"{float(row[column]):.4g} at {row[0]}" for row in history)
        assert f"; validation: {said};" in text


def begun(folder: Path) -> Run:
    """What a start leaves that is killed before it writes the recipe."""
    run = Run(folder)
    folder.mkdir()
    run.prepare(overwrite=False)
    run.describe({"framework": "pytorch"}, {"test_sealed": False})
    (folder / "layers.json").write_text(json.dumps(describe_layers([])))
    (folder / "network.py").write_text("class Net: ...")
    run.record_history([])
    start = checkpoint.save(folder / "checkpoints", {}, {}, {"step": 0})
    shutil.copytree(start, start.with_name(f".{start.name}.tmp"))
    (folder / f".recipe.json.{'0' * 16}.tmp").write_text("torn")
    return run


def content(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


@pytest.mark.parametrize("overwrite", [False, True])
def test_the_rest_of_a_killed_start_makes_room(tmp_path: Path, overwrite: bool) -> None:
    run = begun(tmp_path / "run")
    (run.path / "notes.txt").write_text("mine")
    run.prepare(overwrite=overwrite)
    assert sorted(os.listdir(run.path)) == [".begun", "notes.txt"]
    run.record_recipe(Recipe())
    assert sorted(os.listdir(run.path)) == ["notes.txt", "recipe.json"]


@pytest.mark.parametrize("overwrite", [False, True])
@pytest.mark.parametrize("name", ["network.py", "history.csv", "checkpoints", ".cache.tmp"])
def test_a_new_run_removes_nobodys_files(tmp_path: Path, name: str, overwrite: bool) -> None:
    """Their names alone do not make them ours."""
    (tmp_path / name).write_text("mine")
    with pytest.raises(UsageError) as caught:
        Run(tmp_path).prepare(overwrite=overwrite)
    named = f"{tmp_path} holds no run, but other files ({name}); name an empty or new folder"
    assert str(caught.value).startswith(named)
    assert content(tmp_path) == {name: b"mine"}


def test_a_start_that_was_killed_before_its_mark_is_no_obstacle(tmp_path: Path) -> None:
    (tmp_path / ".lock").write_text("1\n")
    (tmp_path / f"..begun.{'0' * 16}.tmp").write_text("")
    Run(tmp_path).prepare(overwrite=False)
    assert sorted(os.listdir(tmp_path)) == [".begun", ".lock"]


def test_a_folder_of_a_files_name_is_nobodys_to_remove(tmp_path: Path) -> None:
    for folder in (tmp_path / "new", finished_run(tmp_path / "run")[0].path):
        (folder / "network.py").mkdir(parents=True)
        (folder / "network.py/precious").write_text("mine")
        with pytest.raises(UsageError, match=r"network.py"):
            Run(folder).prepare(overwrite=True)
        assert (folder / "network.py/precious").exists()


def test_a_run_is_replaced_and_what_else_is_there_stays(tmp_path: Path) -> None:
    run, _, _ = finished_run(tmp_path / "run")
    checkpoint.save(run.checkpoints.folder, {}, {}, {"step": 30})
    run.checkpoints.finish(30, run.history)
    mine = ("notes.txt", "checkpoints/epoch10.pt", ".env.tmp", "model-v2.onnx")
    for name in mine:
        (run.path / name).write_text("mine")
    with pytest.raises(UsageError, match="already holds a run"):
        Run(run.path).prepare(overwrite=False)
    Run(run.path).prepare(overwrite=True)
    assert {*content(run.path)} == {*mine, ".begun"}


@pytest.mark.parametrize(
    ("name", "value"),
    [("recipe.json", '{"name": "mine", "net": 3}'), ("recipe.json", "mine"),
     ("environment.json", '{"python": "3.12"}')],
)  # fmt: skip
def test_only_a_run_is_replaced(tmp_path: Path, name: str, value: str) -> None:
    """A recipe may be somebody's own file, beside the code of their network."""
    run, _, _ = finished_run(tmp_path / "run")
    (run.path / name).write_text(value)
    before = content(run.path)
    with pytest.raises(UsageError, match=rf"{name} .*; --overwrite replaces only a run: remove"):
        Run(run.path).prepare(overwrite=True)
    assert content(run.path) == before


def test_a_run_that_was_half_removed_is_no_run_and_is_replaced(tmp_path, monkeypatch) -> None:
    run, _, _ = finished_run(tmp_path / "run")
    removed, left = checkpoint.remove, len(list(run.path.iterdir())) - 2

    def killed(path: Path) -> None:
        nonlocal left
        left -= 1
        if left < 0:
            raise KeyboardInterrupt
        removed(path)

    monkeypatch.setattr(checkpoint, "remove", killed)
    with pytest.raises(KeyboardInterrupt):
        Run(run.path).prepare(overwrite=True)
    monkeypatch.undo()
    assert not run.exists()
    assert len(os.listdir(run.path)) > 1
    with pytest.raises(UsageError, match=r"holds the rest of a run \(.*\); remove it with --over"):
        Run(run.path).prepare(overwrite=False)
    Run(run.path).prepare(overwrite=True)
    assert os.listdir(run.path) == [".begun"]


def test_what_came_into_the_folder_of_a_killed_start_is_not_removed(tmp_path: Path) -> None:
    run = begun(tmp_path / "run")
    (run.path / "loss_pytorch.png").write_text("mine")
    with pytest.raises(UsageError, match=r"the rest of a run \(loss_pytorch.png\)"):
        run.prepare(overwrite=False)
    assert (run.path / "loss_pytorch.png").read_text() == "mine"


def test_a_mark_of_another_kind_does_not_matter_to_a_resume(tmp_path: Path) -> None:
    run, _, _ = finished_run(tmp_path / "run")
    (run.path / ".begun").mkdir()
    run.record_recipe(run.recipe.replace(epochs=9))
    assert Run(run.path).recipe.epochs == 9


def test_a_command_that_runs_a_runs_own_code_says_so(tmp_path: Path) -> None:
    """The run may be somebody else's, and the message be pasted without a thought."""
    run = finished_run(tmp_path / "run")[0]
    assert "network.py" not in run_command("evaluate", run.path)
    recipe = json.loads((run.path / "recipe.json").read_text())
    (run.path / "recipe.json").write_text(json.dumps({**recipe, "model": "mine.py:Net"}))
    said = f"{run.path} --trust-code (--trust-code runs {run.path}/network.py: read that first)"
    assert run_command("evaluate", run.path).endswith(said)
