"""Metrics by hand, and against scikit-learn on arbitrary data."""

import dataclasses
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import special, stats
from sklearn import metrics as sk

from fashion_cnn.data.fashion_mnist import CLASS_NAMES
from fashion_cnn.errors import UsageError
from fashion_cnn.evaluation.metrics import (
    ClassMetrics,
    Evaluation,
    expected_calibration_error,
    log_softmax,
    measure,
    most_confused,
    probability_scores,
    wilson_interval,
)


def logits_of(*probabilities: list[float]) -> np.ndarray:
    return np.log(np.array(probabilities, np.float32))


def test_by_hand() -> None:
    """Three images of two classes: right at 0.8, wrong at 0.6, right at 0.9."""
    logits = logits_of([0.8, 0.2], [0.6, 0.4], [0.1, 0.9])
    got = measure(logits, np.array([0, 1, 1]), ("a", "b"), "test")
    assert got.n == 3
    assert got.accuracy == pytest.approx(2 / 3)
    assert got.loss == pytest.approx(-(math.log(0.8) + math.log(0.4) + math.log(0.9)) / 3, rel=1e-6)
    assert got.confusion == ((1, 0), (1, 1))
    a, b = got.per_class
    assert (a.precision, a.recall, a.support) == (0.5, 1.0, 1)
    assert (b.precision, b.recall, b.support) == (1.0, 0.5, 2)
    assert b.f1 == pytest.approx(2 / 3)
    assert got.ece == pytest.approx((0.2 + 0.6 + 0.1) / 3, rel=1e-6)
    assert got.brier == pytest.approx((2 * 0.2**2 + 2 * 0.6**2 + 2 * 0.1**2) / 3, rel=1e-6)
    assert got.mean_confidence == pytest.approx((0.8 + 0.6 + 0.9) / 3, rel=1e-6)


cases = st.integers(1, 60).flatmap(
    lambda n: st.tuples(
        st.lists(st.integers(0, 9), min_size=n, max_size=n), st.integers(0, 2**32 - 1)
    )
)


@settings(max_examples=300, deadline=None)
@given(cases)
def test_against_scikit_learn(case) -> None:
    labels, seed = np.array(case[0]), case[1]
    logits = np.random.default_rng(seed).normal(0, 3, (len(labels), 10)).astype(np.float32)
    predicted = logits.argmax(1)
    got = measure(logits, labels, CLASS_NAMES, "test")
    every = range(10)
    assert got.accuracy == pytest.approx(sk.accuracy_score(labels, predicted), abs=1e-12)
    np.testing.assert_array_equal(
        got.confusion, sk.confusion_matrix(labels, predicted, labels=every)
    )
    probabilities = np.exp(log_softmax(logits))
    probabilities /= probabilities.sum(1, keepdims=True)
    assert got.loss == pytest.approx(sk.log_loss(labels, probabilities, labels=every), abs=1e-12)
    for ours, function in (
        ("precision", sk.precision_score),
        ("recall", sk.recall_score),
        ("f1", sk.f1_score),
    ):
        wanted = function(labels, predicted, labels=every, average=None, zero_division=0)
        np.testing.assert_allclose([getattr(c, ours) for c in got.per_class], wanted, atol=1e-12)
    assert 0 <= got.interval[0] <= got.accuracy <= got.interval[1] <= 1


def test_wilson_interval_by_hand() -> None:
    low, high = wilson_interval(9164, 10_000)
    assert (low, high) == pytest.approx((0.91081, 0.92167), abs=1e-5)
    assert wilson_interval(0, 10)[0] == 0
    assert wilson_interval(10, 10)[1] == 1
    assert wilson_interval(0, 10)[1] == pytest.approx(0.27753, abs=1e-5)
    for bad in ((1, 0), (-1, 5), (6, 5)):
        with pytest.raises(UsageError):
            wilson_interval(*bad)


def test_calibration_error_by_hand() -> None:
    confidence = np.array([0.95, 0.95, 0.55, 0.55])
    correct = np.array([True, False, True, True])
    assert expected_calibration_error(confidence, correct, 10) == pytest.approx(
        0.5 * abs(0.95 - 0.5) + 0.5 * abs(0.55 - 1.0)
    )
    assert expected_calibration_error(np.ones(4), np.ones(4, bool)) == 0


def test_extreme_logits_stay_finite() -> None:
    logits = np.array([[1e4, -1e4], [3e38, -3e38]], np.float32)
    got = measure(logits, np.array([0, 0]), ("a", "b"), "test")
    assert got.loss == 0
    assert measure(logits, np.array([1, 1]), ("a", "b"), "test").loss > 1e4


@pytest.mark.parametrize(
    ("logits", "labels"),
    [
        (np.zeros((0, 10), np.float32), np.zeros(0, np.int64)),
        (np.zeros((2, 9), np.float32), np.zeros(2, np.int64)),
        (np.zeros((3, 10), np.float32), np.zeros(2, np.int64)),
        (np.full((2, 10), np.nan, np.float32), np.zeros(2, np.int64)),
    ],
)
def test_what_cannot_be_measured_is_refused(logits, labels) -> None:
    with pytest.raises(UsageError):
        measure(logits, labels, CLASS_NAMES, "test")


def test_most_confused_counts_both_directions() -> None:
    assert most_confused(((9, 2, 0), (3, 9, 1), (0, 0, 9)), 2) == [(5, 0, 1), (1, 1, 2)]


def test_all_that_is_measured_of_three_classes_by_hand() -> None:
    """Class b has no image and is never answered; of a's two images one is called c."""
    logits = logits_of([0.5, 0.25, 0.25], [0.25, 0.25, 0.5], [0.125, 0.125, 0.75])
    got = measure(logits, np.array([0, 0, 2]), ("a", "b", "c"), "validation")
    loss = -(math.log(0.5) + math.log(0.25) + math.log(0.75)) / 3
    brier = (0.25 + 2 * 0.0625 + 0.5625 + 0.0625 + 0.25 + 2 * 0.015625 + 0.0625) / 3
    wanted = Evaluation(
        split="validation",
        n=3,
        loss=pytest.approx(loss, rel=1e-6),
        accuracy=2 / 3,
        interval=wilson_interval(2, 3),
        per_class=(
            ClassMetrics(0, "a", 1.0, 0.5, pytest.approx(2 / 3), 2),
            ClassMetrics(1, "b", 0.0, 0.0, 0.0, 0),
            ClassMetrics(2, "c", 0.5, 1.0, pytest.approx(2 / 3), 1),
        ),
        confusion=((1, 0, 1), (0, 0, 0), (0, 0, 1)),
        ece=pytest.approx((0.5 + 0.5 - 1 + 0.25) / 3, abs=1e-6),
        brier=pytest.approx(brier, rel=1e-6),
        mean_confidence=pytest.approx((0.5 + 0.5 + 0.75) / 3, rel=1e-6),
    )
    assert got == wanted
    assert dataclasses.asdict(got)["per_class"][1]["name"] == "b"
    assert {type(row.support) for row in got.per_class} == {int}


def test_the_interval_against_scipy() -> None:
    for n in (1, 2, 7, 30, 1000):
        for successes in range(0, n + 1, max(1, n // 10)):
            wanted = stats.binomtest(successes, n).proportion_ci(method="wilson")
            assert wilson_interval(successes, n) == pytest.approx(tuple(wanted), abs=1e-12)


def test_no_rounding_puts_the_proportion_out_of_its_interval() -> None:
    for n in range(1, 400):
        assert wilson_interval(0, n)[0] == 0
        assert wilson_interval(n, n)[1] == 1


@pytest.mark.parametrize(("successes", "n"), [(1, 0), (0, 0), (-1, 5), (6, 5)])
def test_what_is_no_proportion_is_said(successes: int, n: int) -> None:
    with pytest.raises(UsageError) as caught:
        wilson_interval(successes, n)
    assert str(caught.value) == f"{successes} of {n} is not a proportion"


def test_bins_are_open_below_and_closed_above() -> None:
    """With two bins, 0.5 is in the lower one, and so is 0."""
    confidence, correct = np.array([0.0, 0.5, 0.75]), np.array([True, False, False])
    got = expected_calibration_error(confidence, correct, 2)
    assert got == (abs(-1 + 0.5) + 0.75) / 3
    # 15 bins unless others are asked for: 0.93 and 0.94 have the boundary 14/15 between them.
    apart = np.array([0.93, 0.94])
    got = expected_calibration_error(apart, np.array([True, False]))
    assert got == pytest.approx((0.07 + 0.94) / 2)
    together = np.array([0.94, 0.95])
    got = expected_calibration_error(together, np.array([True, False]))
    assert got == pytest.approx((0.95 - 0.06) / 2)


def test_log_probabilities_against_scipy() -> None:
    logits = np.array([[1e4, 1e4 - 1, 0.0], [-1e4, -1e4 + 2, -1e4], [0.1, 0.2, 0.3]], np.float32)
    got = log_softmax(logits)
    assert got.dtype == np.float64
    wanted = special.log_softmax(logits.astype(np.float64), axis=1)
    np.testing.assert_allclose(got, wanted, rtol=1e-13, atol=1e-13)


def test_scores_of_probabilities_by_hand() -> None:
    """Two images of three classes, of one length with neither: shapes cannot be confused."""
    found = probability_scores(
        np.log([[0.5, 0.375, 0.125], [0.25, 0.125, 0.625]]), np.array([1, 2])
    )
    assert found == {
        "loss": pytest.approx(-(math.log(0.375) + math.log(0.625)) / 2, rel=1e-12),
        "brier": pytest.approx((0.25 + 0.625**2 + 0.125**2 + 0.25**2 + 0.125**2 + 0.375**2) / 2),
        "ece": pytest.approx((0.5 + 0.375) / 2),
        "mean_confidence": pytest.approx(0.5625),
    }


TO_FIT = "logits are {}; for {} labels and 2 classes they must be ({}, 2), with at least one image"


@pytest.mark.parametrize(
    ("logits", "labels", "message"),
    [
        (np.zeros((0, 2)), [], TO_FIT.format((0, 2), 0, 0)),
        (np.zeros((1, 3)), [0], TO_FIT.format((1, 3), 1, 1)),
        (np.zeros((2, 2)), [0], TO_FIT.format((2, 2), 1, 1)),
        (np.zeros((2, 2)), [0, 2], "labels run from 0 to 2; they must be 0 to 1"),
        (np.zeros((2, 2)), [-1, 1], "labels run from -1 to 1; they must be 0 to 1"),
        (np.array([[0.0, np.inf]]), [0], "logits are not finite"),
        (
            np.array([[0.2, 0.8], [1.0, 0.0]]),
            [1, 0],
            "these are probabilities, and scored as logits they would be others; give their "
            "logarithms: np.log(probabilities.clip(1e-12))",
        ),
    ],
)
def test_what_cannot_be_measured_is_said(logits, labels: list[int], message: str) -> None:
    with pytest.raises(UsageError) as caught:
        measure(logits.astype(np.float32), np.array(labels, np.int64), ("a", "b"), "test")
    assert str(caught.value) == message


PROBABILITIES = special.softmax(np.random.default_rng(0).normal(0, 3, (50, 10)), axis=1)


@pytest.mark.parametrize(
    ("given", "advice"),
    [
        (PROBABILITIES.round(4), "np.log(probabilities.clip(1e-12))"),
        (PROBABILITIES.round(3).astype(np.float32), "np.log(probabilities.clip(1e-12))"),
        (PROBABILITIES.astype(np.float16), "np.log(probabilities.clip(1e-12))"),
        (100 * PROBABILITIES, "in percent, and scored"),
        ((100 * PROBABILITIES).round(1), "np.log((percent / 100).clip(1e-12))"),
    ],
)
def test_probabilities_are_known_however_they_are_rounded(given, advice: str) -> None:
    with pytest.raises(UsageError) as caught:
        measure(given, np.zeros(50, np.int64), CLASS_NAMES, "test")
    assert "these are probabilities" in str(caught.value)
    assert advice in str(caught.value)


@pytest.mark.parametrize(
    "logits",
    [
        np.array([[0, 100], [100, 0]]),
        np.array([[0.2, 0.81], [0.5, 0.4]]),
        np.array([[0.2, 0.8], [0.3, 0.8]]),
        np.array([[-0.1, 1.1], [0.5, 0.5]]),
        np.array([[20.0, 80.0], [30.0, 80.0]]),
        np.zeros((2, 1200)),
        np.full((2, 1200), 0.0005),
        np.random.default_rng(0).uniform(0, 1, (100, 10)),
        np.maximum(0, np.random.default_rng(0).normal(0, 40, (100, 10))),
    ],
)
def test_logits_that_look_a_little_like_probabilities_are_scored(logits) -> None:
    rows, classes = logits.shape
    names = tuple(map(str, range(classes)))
    found = measure(logits, np.zeros(rows, np.int64), names, "test")
    assert found.loss == pytest.approx(-special.log_softmax(logits.astype(float), 1)[:, 0].mean())


def test_what_gives_no_array_is_told_as_such() -> None:
    class Tensor:
        def __array__(self, *arguments, **words):
            raise RuntimeError("it requires grad. Use tensor.detach().numpy() instead.")

    said = "cannot be made an array: it requires grad. Use tensor.detach"
    with pytest.raises(UsageError, match=f"logits {said}"):
        measure(Tensor(), np.zeros(2, np.int64), ("a", "b"), "test")  # type: ignore[arg-type]
    with pytest.raises(UsageError, match=f"labels {said}"):
        measure(np.zeros((2, 2), np.float32), Tensor(), ("a", "b"), "test")  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="logits cannot be made an array"):
        measure([[1, 2], [3]], [0, 1], ("a", "b"), "test")  # type: ignore[arg-type]


def test_logarithms_of_probabilities_are_scored_as_these_in_a_list_too() -> None:
    probabilities = np.array([[0.8, 0.2], [0.5, 0.5]])
    found = measure(np.log(probabilities).tolist(), [0, 1], ["a", "b"], "test")
    assert found.loss == pytest.approx(-np.log([0.8, 0.5]).mean())


def test_the_most_confused_come_first_and_as_many_as_asked_for() -> None:
    confusion = ((50, 1, 4), (2, 50, 0), (5, 3, 50))
    assert most_confused(confusion, 3) == [(9, 0, 2), (3, 1, 2), (3, 0, 1)]
    assert most_confused(confusion, 1) == [(9, 0, 2)]


def test_there_are_fifteen_bins_of_confidence() -> None:
    confidence, correct = np.array([0.54, 0.6]), np.array([True, False])
    assert expected_calibration_error(confidence, correct) == pytest.approx(0.07)  # 8/15 to 9/15
    for bins in (14, 16):
        assert expected_calibration_error(confidence, correct, bins) > 0.5


def test_the_last_classes_have_their_rows_though_no_image_is_of_them() -> None:
    names = ("a", "b", "c", "d")
    got = measure(logits_of([0.4, 0.3, 0.2, 0.1]), np.array([0]), names, "test")
    assert got.confusion == ((1, 0, 0, 0), *[(0, 0, 0, 0)] * 3)
    assert [row.support for row in got.per_class] == [1, 0, 0, 0]


@pytest.mark.parametrize("kind", [np.uint8, np.int8, np.int32])
def test_labels_of_any_whole_numbers_are_counted_right(kind: type) -> None:
    labels = np.arange(40).astype(kind)
    logits = 9 * np.eye(40, dtype=np.float32)
    names = tuple(map(str, range(40)))
    found = measure(logits, labels, names, "test")
    assert [one.recall for one in found.per_class] == [1.0] * 40
    with pytest.raises(UsageError, match="must be whole numbers"):
        measure(logits, labels.astype(np.float32), names, "test")
