"""Metrics by hand, and against scikit-learn on arbitrary data."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as sk

from fashion_cnn.data.fashion_mnist import CLASS_NAMES
from fashion_cnn.errors import UsageError
from fashion_cnn.evaluation.metrics import (
    expected_calibration_error,
    log_softmax,
    measure,
    most_confused,
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
