"""Equality, and the closed forms of every interval and p-value that is printed."""

import math

import numpy as np
import pytest
from scipy import stats

from fashion_cnn.data.fashion_mnist import CLASS_NAMES
from fashion_cnn.data.split import Split
from fashion_cnn.evaluation.audit import audit
from fashion_cnn.evaluation.calibration import Calibration, rejection
from fashion_cnn.evaluation.compare import (
    mcnemar,
    paired_interval,
    student_interval,
    student_quantile,
)
from fashion_cnn.evaluation.metrics import expected_calibration_error, wilson_interval
from fashion_cnn.evaluation.outliers import outlier_threshold
from fashion_cnn.evaluation.reliability import reliability, risk_coverage
from fashion_cnn.run.predictions import Predictions

EVEN = np.zeros((1, 2))  # logits: one half each, exactly


def test_as_sure_as_asked_for_is_sure_enough() -> None:
    assert Calibration(1.0, 1.0, 0.5).answer(EVEN).accepted.tolist() == [True]
    assert Calibration(1.0, 1.0, math.nextafter(0.5, 1)).answer(EVEN).accepted.tolist() == [False]
    assert Calibration(1.0, 1.0, None).answer(EVEN).accepted.tolist() == [False]
    confidence, correct = np.array([0.25, 0.5, 0.75]), np.array([False, True, False])
    assert rejection(confidence, correct, 0.5) == {
        "answered": 2 / 3, "wrong": 0.5, "interval": wilson_interval(1, 2),
    }  # fmt: skip
    assert rejection(confidence, correct, 0.75)["answered"] == 1 / 3
    assert rejection(confidence, correct, math.nextafter(0.75, 1))["answered"] == 0


def test_a_class_with_as_much_above_as_allowed_is_in_the_set() -> None:
    assert Calibration(1.0, 0.5, None).answer(EVEN).sets.tolist() == [[True, True]]
    below = math.nextafter(0.5, 0)
    assert Calibration(1.0, below, None).answer(EVEN).sets.tolist() == [[True, False]]
    assert Calibration(1.0, 0.0, None).answer(EVEN).sets.tolist() == [[True, False]]


def test_a_bin_holds_its_upper_end() -> None:
    confidence, correct = np.array([1 / 3, 1 / 3 + 1e-9, 1.0]), np.array([True, False, True])
    rows = reliability(confidence, correct)
    ends = [(round(row["low"] * 15), round(row["high"] * 15), row["n"]) for row in rows]
    assert ends == [(4, 5, 1), (5, 6, 1), (14, 15, 1)]
    wanted = (2 / 3 + 1 / 3 + 0) / 3
    assert expected_calibration_error(confidence, correct) == pytest.approx(wanted, abs=1e-8)


def test_the_curve_of_risk_ends_where_all_are_answered() -> None:
    random = np.random.default_rng(0)
    confidence, correct = random.random(300), random.random(300) < 0.7
    curve = risk_coverage(confidence, correct)["curve"]
    assert len(curve) == 100
    for row in curve:
        answered = confidence >= row["confidence"]
        assert row["coverage"] == answered.mean()
        assert row["risk"] == pytest.approx((~correct[answered]).mean())
    assert curve[-1]["coverage"] == 1


@pytest.mark.parametrize(("hits", "n"), [(0, 1), (1, 1), (0, 9), (9, 9), (3, 7), (912, 1000)])
def test_wilson_is_scipys(hits: int, n: int) -> None:
    wanted = stats.binomtest(hits, n).proportion_ci(0.95, "wilson")
    assert wilson_interval(hits, n) == pytest.approx((wanted.low, wanted.high), abs=1e-12)


@pytest.mark.parametrize("freedom", [1, 2, 4, 9.5, 19])
def test_students_quantile_is_scipys(freedom: float) -> None:
    assert student_quantile(freedom) == pytest.approx(stats.t(freedom).ppf(0.975), rel=1e-9)


@pytest.mark.parametrize("values", [[1.0, 3.0], [0.2, -0.4, 0.9, 0.1, 0.0]])
def test_students_interval_is_scipys(values: list[float]) -> None:
    wanted = stats.ttest_1samp(values, 0).confidence_interval(0.95)
    mean, low, high = student_interval(values)
    assert (mean, low, high) == pytest.approx((np.mean(values), wanted.low, wanted.high))


@pytest.mark.parametrize(("gained", "lost"), [(0, 5), (7, 2), (30, 30), (1, 0), (0, 0), (90, 60)])
def test_mcnemar_is_its_closed_form(gained: int, lost: int) -> None:
    """The binomial test of the images that changed sides; half of the outcome less for mid-p."""
    labels = np.zeros(gained + lost + 10, int)
    first, second = labels.copy(), labels.copy()
    first[:gained], second[gained : gained + lost] = 1, 1
    one, other = (
        Predictions(labels, called, np.zeros((len(labels), 2))) for called in (first, second)
    )
    found, n = mcnemar(one, other), gained + lost
    assert (len(found.gained), len(found.lost)) == (gained, lost)
    exact = stats.binomtest(gained, n).pvalue if n else 1.0
    assert found.exact_p == pytest.approx(exact)
    low = range(min(gained, lost))
    half = math.comb(n, min(gained, lost)) / 2**n
    mid = 2 * sum(math.comb(n, k) / 2**n for k in low) + half if n else 1.0
    assert found.mid_p == pytest.approx(min(1, mid))
    low, high = paired_interval(gained, lost, 1000)
    share, other = (gained + 0.5) / 1002, (lost + 0.5) / 1002
    error = math.sqrt((share + other - (share - other) ** 2) / 1002)
    reach = stats.norm.ppf(0.975) * error
    assert (low, high) == pytest.approx((share - other - reach, share - other + reach))


def test_a_pair_as_far_apart_as_the_threshold_is_near() -> None:
    """One pixel of 3 and of 4: 1 / sqrt((9 + 16) / 2)."""
    images = np.zeros((2, 28, 28), np.uint8)
    images[:, 3, 3] = 3, 4
    training = Split(images[:1], np.zeros(1, int), CLASS_NAMES)
    distance = 1 / math.sqrt(12.5)
    for threshold, wanted in ((distance, [0]), (math.nextafter(distance, 0), [])):
        found = audit(training, images[1:], threshold=threshold).summary
        assert found["test_images_near_training"] == wanted


def test_the_threshold_of_outliers_spares_19_in_20() -> None:
    scores = np.random.default_rng(0).permutation(101).astype(float)
    threshold = outlier_threshold(scores)
    assert threshold == 95
    assert outlier_threshold(np.arange(10.0)) == 9, "of ten, nine would be less than 19 in 20"
