"""Mistakes, galleries and class scores, by hand and against resampling."""

import base64
import dataclasses
import io
import json

import numpy as np
import pytest
from PIL import Image
from sklearn.metrics import precision_recall_fscore_support

import plain
from conftest import make_split
from fashion_cnn.data.split import Split
from fashion_cnn.errors import UsageError
from fashion_cnn.evaluation import evaluate as evaluation
from fashion_cnn.evaluation.evaluate import evaluate_run
from fashion_cnn.evaluation.mistakes import (
    class_scores,
    confident_mistakes,
    doubtful_hits,
    mistake_rows,
    mistakes_between,
)
from fashion_cnn.evaluation.occlusion import occlusion_maps
from fashion_cnn.reporting.pictures import COLUMNS, heat_maps
from fashion_cnn.run.folder import Run
from fashion_cnn.run.history import Trained
from fashion_cnn.run.predictions import Predictions, predictions_from_csv, predictions_to_csv
from finished import Guesser, around, finished_run

FIVE = Predictions(
    np.array([0, 0, 1, 1, 2]),
    np.array([0, 1, 0, 0, 2]),
    np.array([[0.5, 0.3, 0.2], [0.1, 0.9, 0.0], [0.6, 0.4, 0.0], [0.7, 0.3, 0.0], [0.0, 0.0, 1.0]]),
)


def test_the_order_of_mistakes_and_hits() -> None:
    assert confident_mistakes(FIVE, 9).tolist() == [1, 3, 2]
    assert confident_mistakes(FIVE, 2).tolist() == [1, 3]
    assert doubtful_hits(FIVE, 9).tolist() == [0, 4]
    assert mistakes_between(FIVE, 1, 0).tolist() == [3, 2]
    assert mistakes_between(FIVE, 2, 2).tolist() == [4]
    assert mistakes_between(FIVE, 2, 0).tolist() == []


def test_the_table_of_mistakes() -> None:
    rows = mistake_rows(FIVE, ("a", "b", "c"))
    assert rows[0][:5] == ["index", "label", "predicted", "confidence", "label_probability"]
    assert rows[1] == [1, 0, 1, "0.900000", "0.100000", "a", "b"]
    assert [row[0] for row in rows[1:]] == [1, 3, 2]


def test_class_scores_against_scikit_learn_and_a_bootstrap() -> None:
    random = np.random.default_rng(0)
    labels = np.repeat([0, 1, 2], [300, 200, 100])
    predicted = np.where(random.uniform(size=600) < 0.8, labels, random.integers(0, 3, 600))
    confusion = np.zeros((3, 3), int)
    np.add.at(confusion, (labels, predicted), 1)
    wanted = precision_recall_fscore_support(labels, predicted)
    draws = random.integers(0, 600, (2000, 600))
    f1s = np.array([precision_recall_fscore_of(labels[d], predicted[d]) for d in draws])
    for label, score in enumerate(class_scores(confusion.tolist())):
        for values, expected in zip(
            (score.precision, score.recall, score.f1), wanted, strict=False
        ):
            assert values
            assert values[0] == pytest.approx(expected[label], abs=1e-12)
            assert values[1] < values[0] < values[2]
        assert score.support == (labels == label).sum()
        ends = np.quantile(f1s[:, label], [0.025, 0.975])
        assert score.f1
        assert score.f1[1:] == pytest.approx(ends, abs=0.012)


def precision_recall_fscore_of(labels: np.ndarray, predicted: np.ndarray) -> np.ndarray:
    hits = np.bincount(labels[labels == predicted], minlength=3)
    both = np.bincount(labels, minlength=3) + np.bincount(predicted, minlength=3)
    return 2 * hits / both


def test_a_class_that_never_comes_has_no_scores() -> None:
    none, one = class_scores([[0, 0], [0, 4]])
    assert (none.precision, none.recall, none.f1, none.support) == (None, None, None, 0)
    assert one.recall
    assert one.recall[0] == 1
    assert class_scores([[0, 4], [0, 4]])[0].precision is None


def test_predictions_survive_the_file(tmp_path) -> None:
    run, metrics, images = finished_run(tmp_path / "run")
    found = Run(run.path).results.predictions
    np.testing.assert_array_equal(found.labels, images.labels)
    assert found.correct.mean() == metrics.shown.accuracy
    np.testing.assert_allclose(found.probabilities.sum(1), 1, atol=1e-5)
    again = predictions_from_csv(predictions_to_csv(found))
    np.testing.assert_array_equal(again.probabilities, found.probabilities)
    errors = (run.path / "errors.csv").read_text().splitlines()
    assert len(errors) == 1 + (~found.correct).sum()


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("index,label", "index,labels"),
        ("\n1,", "\n7,"),
        ("\n1,1,", "\n1,10,"),
        ("\n1,1,", "\n1,-1,"),
        ("\n1,1,", "\n1,0.5,"),
        ("\n1,1,", "\n1,1,1,"),
        ("\n1,1,", "\n1,x,"),
        ("\n1,1,", "\n1,nan,"),
        ("\n1,1,", "\n1,1e300,"),
        ("0.0", "2.0"),
        (",p9", ""),
    ],
)
def test_altered_predictions_are_refused(tmp_path, old: str, new: str) -> None:
    run, metrics, _ = finished_run(tmp_path / "run")
    path = run.path / "predictions.csv"
    path.write_text(path.read_text().replace(old, new, 1))
    with pytest.raises(UsageError, match="predictions.csv does not belong to metrics.json"):
        _ = run.results.predictions
    run.results.write_metrics(dataclasses.replace(metrics, files={}))  # as older ones are
    with pytest.raises(UsageError, match="predictions.csv is not as it was written"):
        _ = Run(run.path).results.predictions
    path.unlink()
    with pytest.raises(UsageError, match="fashion-cnn evaluate"):
        _ = Run(run.path).results.predictions


class Bright:
    """Class 1 is as likely as the upper left corner is bright; all else is even."""

    def logits(self, images: np.ndarray) -> np.ndarray:
        logits = np.zeros((len(images), 10), np.float32)
        logits[:, 1] = images[:, :4, :4].mean((1, 2)) / 25
        return logits


def test_occlusion_finds_the_evidence() -> None:
    images = np.full((2, 28, 28), 200, np.uint8)
    maps = occlusion_maps(Bright(), images, np.array([1, 0]))
    assert maps.shape == (2, 28, 28)
    bright = np.exp(8) / (np.exp(8) + 9)
    assert maps[0, :4, :4].min() == maps[0].max() == pytest.approx(bright - 0.1, abs=1e-6)
    assert (maps[0, 8:] == 0).all()
    assert (maps[0, :, 8:] == 0).all()
    assert maps[1].min() < 0, "covering it helps the other classes"
    halved = occlusion_maps(Bright(), images, np.array([1, 0]), lambda x: np.log((x + 1e-9) / 20))
    assert halved[0].max() == pytest.approx(8 / 20), "of the probabilities that it is told"


def test_evidence_is_coloured_on_one_scale() -> None:
    maps = {7: np.full((28, 28), 0.5), 9: np.full((28, 28), -0.25)}
    heat = heat_maps(maps)
    assert heat
    assert heat.points == 50
    assert heat.sheet.places == {7: 0, 9: 1}
    png = base64.b64decode(heat.sheet.url.partition(",")[2])
    tiles = np.asarray(Image.open(io.BytesIO(png)))
    assert tiles.shape == (7, 7 * COLUMNS, 4)
    (for_it, against) = tiles[0, 0], tiles[0, 7]
    assert for_it[0] > for_it[2], "warm"
    assert against[2] > against[0], "cold"
    assert int(for_it[3]) == pytest.approx(2 * int(against[3]), abs=1)
    assert heat_maps({}) is None


def test_the_guesser_of_these_tests_is_neither_right_nor_wrong() -> None:
    split = make_split(500)
    share = (Guesser(split).logits(split.images).argmax(1) == split.labels).mean()
    assert 0.4 < share < 0.9


def test_both_checkpoints_answers_are_kept_in_pairs(tmp_path) -> None:
    """So that a difference between them can be judged on the same images, as McNemar does."""
    run, _, test = finished_run(tmp_path / "run")
    validation = make_split(800, seed=2)
    run.record_history([dataclasses.replace(e, val_loss=1.0 + (e.epoch != 2)) for e in run.history])
    answered = {
        "best": Guesser(test, validation, seed=1),
        "final": Guesser(test, validation, seed=2, skill=3.5),
    }
    trained = Trained("finished", 30, 3.0, 4.5)
    evaluate_run(run, answered.__getitem__, around(validation), lambda: test, trained)
    rows = [line.split(",") for line in (run.path / "answers.csv").read_text().splitlines()]
    assert rows[0] == ["index", "label", "best", "final"]
    table = np.array(rows[1:], int)
    assert table[:, 0].tolist() == list(range(len(test)))
    assert table[:, 1].tolist() == test.labels.tolist()
    for column, guesser in enumerate(answered.values(), 2):
        assert table[:, column].tolist() == guesser.logits(test.images).argmax(1).tolist()
    assert (table[:, 2] != table[:, 3]).any()


@pytest.mark.parametrize("sealed", [False, True])
@pytest.mark.parametrize("answering", ["best", "final"])
def test_all_that_is_written_is_of_the_checkpoint_that_answers(
    tmp_path, answering: str, sealed: bool
) -> None:
    """Two checkpoints whose matrices differ; both are calibrated by validation images."""
    run, _, shown = finished_run(tmp_path / "run", answer=answering, sealed=sealed)
    validation, test = make_split(800, seed=2), make_split(1200, seed=1)
    run.record_history([dataclasses.replace(e, val_loss=1.0 + (e.epoch != 2)) for e in run.history])
    answered = {
        "best": Guesser(test, validation, seed=1),
        "final": Guesser(test, validation, seed=2, skill=3.5),
    }
    trained = Trained("finished", 30, 3.0, 4.5)
    open_test = None if sealed else lambda: test
    evaluate_run(run, answered.__getitem__, around(validation), open_test, trained)

    predicted = answered[answering].logits(shown.images).argmax(1)
    confusion = plain.confusion_of(shown.labels, predicted)
    _, *rows = [
        line.split(",") for line in (run.path / "confusion_matrix.csv").read_text().splitlines()
    ]
    assert [[int(cell) for cell in row[1:]] for row in rows] == confusion
    report = json.loads((run.path / "classification_report.json").read_text())
    assert report["checkpoint"] == answering
    assert report["accuracy"] == pytest.approx((predicted == shown.labels).mean())
    assert run.results.predictions.predicted.tolist() == predicted.tolist()
    _, *mistakes = (run.path / "errors.csv").read_text().splitlines()
    wrong = np.flatnonzero(predicted != shown.labels)
    assert sorted(int(line.split(",")[0]) for line in mistakes) == wrong.tolist()
    calibration = run.results.calibration
    wanted = {
        name: plain.calibrate(guesser.logits(validation.images), validation.labels, 0)
        for name, guesser in answered.items()
    }
    assert calibration["checkpoint"] == answering
    assert calibration["temperature"] == pytest.approx(wanted[answering]["temperature"], rel=1e-3)
    assert wanted["best"]["temperature"] != pytest.approx(wanted["final"]["temperature"], rel=0.01)


class Sided:
    """Looks at the left half of an image, so that an image and its mirror image differ."""

    def logits(self, images: np.ndarray) -> np.ndarray:
        rows = images[:, 4:24:2, :14].astype(np.float32).mean(2)
        return 0.1 * (rows - rows.mean(1, keepdims=True))


def test_what_test_time_augmentation_is_worth_is_of_the_mean_over_both_sides(tmp_path) -> None:
    run, _, test = finished_run(tmp_path / "run")
    validation = make_split(800, seed=2)
    trained, sided = Trained("finished", 30, 3.0, 4.5), Sided()
    found = evaluate_run(
        run, lambda name: sided, around(validation), lambda: test, trained, tta=True
    )
    assert found.tta
    assert (found.tta.step, found.tta.training) == (found.answering.step, None)
    for got, split in ((found.tta.test, test), (found.tta.validation, validation)):
        assert got
        logits = (sided.logits(split.images) + sided.logits(split.images[:, :, ::-1])) / 2
        wanted = plain.measured(logits, split.labels)
        assert list(map(list, got.confusion)) == wanted["confusion"]
        assert got.loss == pytest.approx(wanted["loss"], rel=1e-5)
        assert got.ece == pytest.approx(wanted["ece"], abs=1e-5)
    assert found.answering.test
    assert found.tta.test
    assert found.tta.test.loss != pytest.approx(found.answering.test.loss, rel=1e-3)


def test_an_opening_of_the_test_set_is_counted_before_it_happens(tmp_path) -> None:
    """So that one that a kill or a full disk cuts short counts too."""
    run, _, validation = finished_run(tmp_path / "run", sealed=True)
    assert run.test_readings() == 0
    counted = []

    def break_off() -> Split:
        counted.append(run.test_readings())
        raise OSError("cut short")

    trained, guesser = Trained("finished", 30, 3.0, 4.5), Guesser(validation)
    with pytest.raises(OSError, match="cut short"):
        evaluate_run(run, lambda name: guesser, around(validation), break_off, trained)
    assert counted == [1]
    assert run.test_readings() == 1


def test_of_many_training_images_the_same_sample_is_measured() -> None:
    few, many = make_split(400), make_split(11_000)
    assert evaluation._sample(few) is few
    chosen, again = evaluation._sample(many), evaluation._sample(many)
    assert len(chosen) == evaluation.TRAINING_IMAGES == 10_000
    np.testing.assert_array_equal(chosen.images, again.images)
    shares = np.bincount(chosen.labels) / np.bincount(many.labels)
    np.testing.assert_allclose(shares, 10 / 11, atol=1e-3)
    assert chosen.class_names == many.class_names
