"""The audit: planted copies, distances against brute force, and what is read of a run."""

import csv
import dataclasses
import io
import json
import re
import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import pytest

from conftest import make_split
from fashion_cnn.cli import main
from fashion_cnn.data import fashion_mnist
from fashion_cnn.data.fashion_mnist import CLASS_NAMES
from fashion_cnn.data.split import Split
from fashion_cnn.errors import UsageError
from fashion_cnn.evaluation import audit as auditing
from fashion_cnn.evaluation import label_noise
from fashion_cnn.evaluation.audit import audit
from fashion_cnn.evaluation.near_duplicates import (
    Pairs,
    accuracy_without,
    bands,
    disagreement,
    near_pairs,
)
from fashion_cnn.reporting.audit_page import audit_page
from fashion_cnn.run.predictions import Predictions
from finished import finished_run

ORIGIN = {
    "data": "Fashion-MNIST",
    "command": "fashion-cnn data audit",
    "run": "<b>run</b>",
    "folds": 5,
    "versions": {"numpy": "2"},
    "seconds": {"all": 1.0},
}


def brute_force(images: np.ndarray, reach: float) -> dict[tuple[int, int], tuple[float, bool]]:
    """Every pair on its own, in float64."""
    found = {}
    real = images.astype(np.float64)
    for a in range(len(images)):
        for b in range(a + 1, len(images)):
            scale = ((real[a] ** 2).sum() + (real[b] ** 2).sum()) / 2
            distances = [
                np.sqrt(((real[a] - other) ** 2).sum() / scale) if scale else 0.0
                for other in (real[b], real[b, :, ::-1])
            ]
            if min(distances) <= reach:
                found[a, b] = (min(distances), distances[1] < distances[0])
    return found


def as_dict(pairs: Pairs) -> dict[tuple[int, int], tuple[float, bool]]:
    rows = zip(pairs.first, pairs.second, pairs.distance, pairs.mirrored, strict=True)
    return {(int(a), int(b)): (float(d), bool(m)) for a, b, d, m in rows}


def clothes(count: int, seed: int) -> np.ndarray:
    """Smooth images, so that there are pairs at every distance."""
    random = np.random.default_rng(seed)
    coarse = random.integers(100, 200, (count, 4, 4))
    return np.kron(coarse, np.ones((7, 7), int)).astype(np.uint8)


@pytest.mark.parametrize(("reach", "pairs"), [(0.12, 7), (0.3, 1000)])
def test_every_pair_is_found_as_by_brute_force(reach: float, pairs: int) -> None:
    images = clothes(120, 0)
    images[7] = images[3, :, ::-1]
    images[90] = images[12]
    images[91] = images[12] + 1
    images[[5, 6]] = 0
    wanted = brute_force(images, reach)
    found = near_pairs(images, reach)
    assert len(wanted) >= pairs
    assert as_dict(found).keys() == wanted.keys()
    for pair, (distance, mirrored) in as_dict(found).items():
        assert distance == pytest.approx(wanted[pair][0], abs=1e-12)
        assert mirrored == wanted[pair][1]
    assert (np.diff(found.distance) >= 0).all()


def test_the_filter_loses_no_pair_of_the_real_images(real_data) -> None:
    images = fashion_mnist.DataSet.open(real_data).test_images()[:1500]
    assert images.shape == (1500, 28, 28)
    real = images.reshape(1500, -1).astype(np.float64)
    norms = (real**2).sum(1)
    wanted = {}
    for mirrored, other in ((False, images), (True, images[:, :, ::-1])):
        squared = norms[:, None] + norms - 2 * real @ other.reshape(1500, -1).T
        distance = np.sqrt(np.maximum(squared, 0) * 2 / (norms[:, None] + norms))
        for a, b in zip(*np.nonzero(np.triu(distance <= 0.25, 1)), strict=True):
            wanted[a, b] = min((distance[a, b], mirrored), wanted.get((a, b), (1, False)))
    found = as_dict(near_pairs(images, 0.25))
    assert len(wanted) > 200
    assert found.keys() == wanted.keys()
    for pair, (distance, mirrored) in found.items():
        assert distance == pytest.approx(wanted[pair][0], abs=1e-9)
        assert mirrored == wanted[pair][1]


def test_pairs_across_blocks_are_found(monkeypatch) -> None:
    images = clothes(50, 1)
    whole = as_dict(near_pairs(images, 0.3))
    monkeypatch.setattr("fashion_cnn.evaluation.near_duplicates._BLOCK", 7)
    monkeypatch.setattr("fashion_cnn.evaluation.near_duplicates._AT_ONCE", 3)
    assert as_dict(near_pairs(images, 0.3)) == whole
    assert len(whole) > 50


def test_a_distance_by_hand() -> None:
    """Norms 100² x 784 and 110² x 784: 10 / sqrt((100² + 110²) / 2) = 0.0951302991."""
    images = np.stack([np.full((28, 28), grey, np.uint8) for grey in (100, 110, 0)])
    assert as_dict(near_pairs(images, 0.1)) == {(0, 1): (pytest.approx(0.0951302991), False)}
    assert len(near_pairs(images, 0.095)) == 0


def test_a_symmetric_image_is_no_mirrored_pair_of_itself() -> None:
    images = np.zeros((2, 28, 28), np.uint8)
    images[0, :, 10:18], images[1, 10:18] = 200, 200
    assert len(near_pairs(images)) == 0


@pytest.mark.parametrize("count", [0, 1])
def test_few_images_have_no_pairs(count: int) -> None:
    assert len(near_pairs(np.zeros((count, 28, 28), np.uint8))) == 0


@pytest.fixture
def planted() -> tuple[Split, np.ndarray]:
    """Training image 7 a copy of 3; 20 nearly 11, mirrored, with another label; test 4 is 50."""
    training, test = make_split(200), make_split(40, seed=1).images
    images = training.images.copy()
    images[7] = images[3]
    images[20] = images[11, :, ::-1] + 1
    test[4] = images[50]
    test[9] = test[8] // 2 * 2
    return Split(images, training.labels, CLASS_NAMES), test


def test_planted_copies_are_counted_where_they_are(planted) -> None:
    found = audit(*planted, threshold=0.03)
    assert found.summary["pairs"] == {
        "within train": {"exact": 1, "near": 0, "mirrored": 1},
        "within test": {"exact": 0, "near": 1, "mirrored": 0},
        "across": {"exact": 1, "near": 0, "mirrored": 0},
    }
    assert found.summary["test_images_near_training"] == [4]
    assert found.summary["images_in_pairs"] == 8
    twins = found.summary["label_noise"]["near_duplicates"]
    assert (twins["pairs"], twins["differ"], twins["noise"]) == (2, 2, 0.5)
    assert found.summary["class_balance"] == {"train": [20] * 10}

    rows = list(csv.DictReader(io.StringIO(auditing.pairs_csv(found, planted[0].labels))))
    assert [(row["a_index"], row["b_index"]) for row in rows[:2]] == [("3", "7"), ("50", "4")]
    assert (rows[0]["a_label"], rows[0]["b_label"]) == ("Dress", "Sneaker")
    assert (rows[1]["b_set"], rows[1]["b_label"]) == ("test", ""), "test labels stay sealed"
    assert [row["mirrored"] for row in rows].count("yes") == 1
    json.dumps(found.summary)


def test_accuracy_without_the_copies(planted) -> None:
    """39 of 40 right: the copy is among them, so 38 of 39 without it."""
    labels = np.arange(40) % 10
    predicted = labels.copy()
    predicted[30] = 5
    predictions = Predictions(labels, predicted, np.eye(10)[predicted])
    found = audit(*planted, threshold=0.03, predictions=predictions).summary
    assert found["accuracy"]["all"]["accuracy"] == 39 / 40
    assert (found["accuracy"]["without"]["n"], found["accuracy"]["without"]["accuracy"]) == (
        39,
        38 / 39,
    )
    assert (found["accuracy"]["left_out"]["n"], found["accuracy"]["left_out"]["accuracy"]) == (1, 1)
    assert found["class_balance"]["test"] == [4] * 10
    assert [row["left_out"]["n"] for row in found["accuracy_at"]] == [1] * 6
    with pytest.raises(UsageError, match="40 predictions for 39 test images"):
        audit(planted[0], planted[1][1:], threshold=0.03, predictions=predictions)


def test_nothing_left_out_and_nothing_left() -> None:
    right = np.array([True, False])
    none = accuracy_without(right, np.array([], np.int64))
    assert none["left_out"] == {"n": 0, "accuracy": None, "interval": None}
    assert none["without"] == none["all"]
    assert accuracy_without(right, np.array([0, 1]))["without"]["n"] == 0


def test_disagreement_is_half_the_share() -> None:
    pairs = Pairs(np.zeros(4, int), np.arange(1, 5), np.zeros(4), np.zeros(4, bool))
    found = disagreement(pairs, np.array([0, 0, 0, 0, 1]))
    assert found["noise"] == 1 / 4 / 2
    # Wilson, by hand: (1/4 + z²/8 ± z sqrt(3/64 + z²/64)) / (1 + z²/4), z = 1.96; halved.
    assert found["interval"] == pytest.approx([0.0456 / 2, 0.6994 / 2], abs=1e-4)
    assert disagreement(pairs.where(np.zeros(4, bool)), np.zeros(5, int))["noise"] is None


def test_the_ceiling_has_the_middle_95_percent_of_200_resamples(monkeypatch) -> None:
    """Each is of as many images, drawn again with what was said of them."""
    labels, seen = np.arange(50) % 10, []
    probabilities = np.eye(10)[labels]

    def right(drawn: np.ndarray, said: np.ndarray) -> float:
        assert (said.argmax(1) == drawn).all()
        assert len(drawn) == 50
        seen.append(drawn.tolist())
        return 0.5 if len(seen) == 1 else len(seen) - 2.0

    monkeypatch.setattr(label_noise, "_right", right)
    found = label_noise.ceiling(labels, probabilities)
    assert found.pop("interval") == pytest.approx([4.975, 194.025])  # of 0 to 199
    assert found == {"n": 50, "accuracy": 0.5, "resamples": 200}
    assert seen[0] == labels.tolist()
    assert len({tuple(drawn) for drawn in seen}) == 201


def test_the_figures_in_lines() -> None:
    """Of 400 training images 3 have a suspect label."""
    summary = {
        "threshold": 0.1,
        "pairs": {"within train": {"exact": 1, "near": 2}, "across": {"exact": 0, "near": 4}},
        "test_images_near_training": [5, 7],
        "images": {"train": 400, "test": 1000},
        "accuracy": {
            "all": {"n": 1000, "accuracy": 0.91, "interval": (0.9, 0.92)},
            "without": {"n": 998, "accuracy": 0.909, "interval": (0.889, 0.929)},
        },
        "suspects": {"count": 3},
        "label_noise": {
            "near_duplicates": {},
            "train, out of fold": {"accuracy": 0.982, "interval": [0.981, 0.983]},
        },
    }
    found = auditing.audit_text(SimpleNamespace(summary=summary))  # type: ignore[arg-type]
    assert [" ".join(line.split()) for line in found.splitlines()] == [
        "near-duplicate pairs, up to a distance of 0.1:",
        "within train 1 exact, 2 near",
        "across 0 exact, 4 near",
        "test images near a training image: 2 of 1,000",
        "test accuracy, official: 91.00 % (90.00 to 92.00)",
        "test accuracy, without these: 90.90 % (88.90 to 92.90)",
        "suspect training labels: 3 (0.75 %)",
        "right labels, train, out of fold: 98.20 % (98.10 to 98.30), an estimate",
    ]


def test_bands_hold_their_upper_end() -> None:
    rows = bands([0.0, 0.02, 0.0201, 0.08, 0.0801, 0.12], 0.08)
    assert [row["pairs"] for row in rows] == [2, 1, 0, 1, 1, 1]
    assert (rows[0]["low"], rows[-1]["high"]) == (0, 0.12)


def test_planted_label_errors_are_suspects(planted) -> None:
    """Fifty images a class; of class 0 five are called 6 though the networks know better."""
    random = np.random.default_rng(0)
    truth = np.repeat(np.arange(10), 50)
    probabilities = np.full((500, 10), 0.01)
    probabilities[np.arange(500), truth] += 0.9 - 0.2 * random.random(500)
    probabilities[:5, 0] = 2  # surer than the class's average: confident learning asks for that
    probabilities /= probabilities.sum(1, keepdims=True)
    labels = truth.copy()
    labels[:5] = 6
    images = np.arange(500 * 784).reshape(500, 28, 28).astype(np.uint8)
    split = Split(images, labels, CLASS_NAMES)
    found = audit(split, planted[1], threshold=0.001, probabilities=probabilities)
    assert set(found.suspects.tolist()) == set(range(5))
    summary = found.summary["suspects"]
    assert summary["count"] == 5
    assert summary["out_of_fold_accuracy"] == 0.99
    assert summary["most_frequent"] == [{"label": 6, "predicted": 0, "count": 5}]
    right = found.summary["label_noise"]["train, out of fold"]
    assert right["accuracy"] == pytest.approx(0.99, abs=1e-6)
    assert 0.97 < right["interval"][0] < 0.99 < right["interval"][1] <= 1
    rows = list(csv.DictReader(io.StringIO(auditing.suspects_csv(found, labels))))
    assert {(row["label"], row["predicted"]) for row in rows} == {("Shirt", "T-shirt/top")}
    page = audit_page(found, split, planted[1], ORIGIN)
    assert "T-shirt/top" in page
    assert "99.00\N{NO-BREAK SPACE}% right out of fold" in page
    scrolling = re.findall(r'<div class="scroll"([^>]*)>', page)
    assert len(scrolling) > 4
    labels_of = [
        re.fullmatch(r' tabindex="0" role="region" aria-label="(.+)"', s) for s in scrolling
    ]
    assert len({found[1] for found in labels_of if found}) == len(scrolling), "by keyboard, by name"


def test_without_cleanlab_it_says_how_to_get_it(monkeypatch, capsys, real_data, tmp_path) -> None:
    monkeypatch.setitem(sys.modules, "cleanlab", None)
    words = ["--data-dir", str(real_data), "--output", str(tmp_path / "out"), "--suspects"]
    assert main(["data", "audit", *words]) == 2
    assert "--suspects needs cleanlab" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_the_page_needs_no_network_and_escapes(planted) -> None:
    labels = np.arange(40) % 10
    predictions = Predictions(labels, labels, np.eye(10)[labels])
    found = audit(*planted, threshold=0.03, predictions=predictions)
    page = audit_page(found, *planted, ORIGIN)
    assert "&lt;b&gt;run&lt;/b&gt;" in page
    assert "<b>run" not in page
    assert page.count('<span class="px"') == page.count('role="img"') > 0
    for word in ("http:", "https:", "<script", "@import"):
        assert word not in page
    assert "labels differ" in page


def test_the_page_of_an_audit_that_finds_nothing(planted) -> None:
    training = make_split(20)
    page = audit_page(
        audit(training, planted[1][:2], threshold=0.001), training, planted[1], ORIGIN
    )
    assert "<dt>Near-duplicate pairs</dt><dd>0<small>0 images</small>" in page


def test_a_sealed_test_set_stays_sealed(tmp_path) -> None:
    run, _, _ = finished_run(tmp_path / "run", sealed=True)
    with pytest.raises(UsageError, match="still sealed"):
        _ = run.results.test_predictions


def test_the_command_writes_page_figures_and_rows(monkeypatch, planted, tmp_path, capsys) -> None:
    monkeypatch.setattr("fashion_cnn.data.fetch.data_directory", lambda *_: tmp_path)
    monkeypatch.setattr(fashion_mnist.DataSet, "training", lambda _: planted[0])
    monkeypatch.setattr(fashion_mnist.DataSet, "test_images", lambda _: planted[1])

    def sealed(_) -> None:
        raise AssertionError("the test labels were opened")

    monkeypatch.setattr(fashion_mnist.DataSet, "test", sealed)
    folder = tmp_path / "a/b"
    assert main(["data", "audit", "--output", str(folder), "--threshold", "0.03"]) == 0
    out = capsys.readouterr().out
    assert "across        1 exact, 0 near, 0 mirrored" in out
    assert "test images near a training image: 1 of 40" in out
    assert {path.name for path in folder.iterdir()} == {
        "audit.html",
        "audit.json",
        "near_duplicates.csv",
    }
    assert json.loads((folder / "audit.json").read_text())["pairs"]["across"]["exact"] == 1


def test_the_audit_loads_no_torch() -> None:
    code = (
        "import sys, fashion_cnn.evaluation.audit, fashion_cnn.reporting.audit_page\n"
        "import fashion_cnn.studies.cross_validation\n"
        "assert not {'torch', 'cleanlab'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_what_lies_on_white_is_no_nearer_for_it(planted) -> None:
    training, test_images = planted
    wanted = auditing.audit(training, test_images, threshold=0.08)
    white = dataclasses.replace(training, images=255 - training.images)
    found = auditing.audit(white, 255 - test_images, threshold=0.08, ground=255)
    assert found.summary == wanted.summary


def test_suspects_of_an_earlier_audit_are_said_to_be(
    monkeypatch, planted, tmp_path, capsys
) -> None:
    monkeypatch.setattr("fashion_cnn.data.fetch.data_directory", lambda *_: tmp_path)
    monkeypatch.setattr(fashion_mnist.DataSet, "training", lambda _: planted[0])
    monkeypatch.setattr(fashion_mnist.DataSet, "test_images", lambda _: planted[1])
    (tmp_path / "audit").mkdir()
    (tmp_path / "audit/suspects.csv").write_text("index\n5\n")
    assert main(["data", "audit", "--output", str(tmp_path / "audit")]) == 0
    assert "audit/suspects.csv is of an audit before this one" in capsys.readouterr().err


def test_pairs_without_end_are_not_kept(monkeypatch) -> None:
    """Nearly alike images have as many as their number's square."""
    monkeypatch.setattr("fashion_cnn.evaluation.near_duplicates._MOST_PAIRS", 100)
    assert len(near_pairs(clothes(14, 0), 0.3)) < 100
    with pytest.raises(UsageError, match="more than 100 pairs of images are within 0.3"):
        near_pairs(clothes(40, 0), 0.3)
