"""Calibration by hand, against scikit-learn, and its promises on data whose truth is known."""

import math

import numpy as np
import pytest
from scipy import optimize, special, stats
from sklearn import metrics as sk
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.calibration import CalibratedClassifierCV, calibration_curve
from sklearn.frozen import FrozenEstimator

from fashion_cnn.errors import UsageError
from fashion_cnn.evaluation.calibration import (
    Calibration,
    fit,
    fit_sets,
    fit_temperature,
    rejection,
    unsmoothed,
)
from fashion_cnn.evaluation.metrics import log_softmax, wilson_interval
from fashion_cnn.evaluation.reliability import (
    ece_by_chance,
    measure_calibration,
    reliability,
    risk_coverage,
)


def drawn(count: int, temperature: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Logits that are right once divided by `temperature`, and labels drawn by them."""
    random = np.random.default_rng(seed)
    honest = random.normal(0, 6, (count, 10))
    labels = (honest + random.gumbel(size=honest.shape)).argmax(1)
    return (honest * temperature).astype(np.float32), labels


class Given(ClassifierMixin, BaseEstimator):
    """A scikit-learn classifier whose features are its logits."""

    def fit(self, x, y):
        self.classes_ = np.arange(x.shape[1])
        return self

    def decision_function(self, x):
        return x

    def predict(self, x):
        return x.argmax(1)


@pytest.mark.parametrize("temperature", [0.6, 1.0, 2.5])
def test_temperature_against_scikit_learn_and_the_truth(temperature: float) -> None:
    logits, labels = drawn(2000, temperature, seed=1)
    exact = logits.astype(np.float64)  # theirs works in the precision that it is given
    given = FrozenEstimator(Given().fit(exact, labels))
    theirs = CalibratedClassifierCV(given, method="temperature").fit(exact, labels)
    ours = Calibration(fit_temperature(logits, labels)[0], 1.0, None)
    np.testing.assert_allclose(
        ours.answer(logits).probabilities, theirs.predict_proba(exact), atol=1e-6
    )


def test_the_temperature_interval_holds_the_truth_19_times_in_20() -> None:
    hits = 0
    for seed in range(200):
        low, high = fit_temperature(*drawn(400, 1.7, seed))[1]
        hits += low <= 1.7 <= high
    assert 180 <= hits <= 199  # 190 are expected, with a standard deviation of 3


def test_temperature_by_hand() -> None:
    """Logits (1, 0), right three times in four: the odds are e to the 1/T = 3."""
    logits = np.array([[1, 0]] * 4, np.float32)
    temperature, _ = fit_temperature(logits, np.array([0, 0, 0, 1]))
    assert temperature == pytest.approx(1 / math.log(3))


def test_a_temperature_without_an_optimum_is_the_end_of_the_range() -> None:
    logits = np.array([[1, 0], [0, 1]], np.float32)
    assert fit_temperature(logits, np.array([0, 1]))[0] == pytest.approx(0.05)
    assert fit_temperature(logits, np.array([1, 0]))[0] == pytest.approx(20)
    assert fit_temperature(np.zeros((2, 2), np.float32), np.array([0, 1]))[0] > 0


def test_smoothing_is_undone_by_hand() -> None:
    """Of 0.925, 0.05, 0.025 with smoothing 0.075, 0.025 each is the smoothing's: 0.9, 0.025, 0."""
    logits = np.log(np.array([[0.925, 0.05, 0.025], [0.02, 0.97, 0.01]]))
    left = np.exp(unsmoothed(logits + 5, 0.075))
    least = [[0.9, 0.025, 0.03 * 0.025], [0.03 * 0.02, 0.945, 0.03 * 0.01]]
    np.testing.assert_allclose(left, least)
    np.testing.assert_array_equal(unsmoothed(logits, 0.0), logits)
    far = unsmoothed(np.array([[1e4, -1e4, 0.0]]), 0.1)
    assert np.isfinite(far).all()
    assert far.argsort().tolist() == [[1, 2, 0]]


@pytest.mark.parametrize("smoothing", [0.05, 0.1])
def test_a_network_that_learned_smoothed_labels_is_calibrated_again(smoothing: float) -> None:
    honest, labels = drawn(20_000, 1.0, seed=3)
    probabilities = np.exp(log_softmax(honest))
    learned = np.log((1 - smoothing) * probabilities + smoothing / 10).astype(np.float32)
    fitted = fit(learned, labels, smoothing)
    assert fitted["temperature"] == pytest.approx(1, abs=0.03)
    calibration = Calibration.from_dict(fitted)
    assert calibration.label_smoothing == smoothing
    found = np.exp(calibration.log_probabilities(learned))
    assert np.abs(found - probabilities).max() < 0.02
    blind = Calibration.from_dict(fit(learned, labels))
    assert np.abs(np.exp(blind.log_probabilities(learned)) - probabilities).max() > 0.05
    del fitted["label_smoothing"]
    assert Calibration.from_dict(fitted).label_smoothing == 0, "a file from before"


def test_sets_by_hand() -> None:
    calibration = Calibration(1.0, 0.7, 0.5)
    probabilities = [[0.1, 0.6, 0.3], [0.98, 0.01, 0.01], [0.4, 0.35, 0.25]]
    answer = calibration.answer(np.log(np.array(probabilities)))
    # Above the second class stand 0.6, above the third 0.9: more than 0.7.
    assert answer.sets.tolist() == [[False, True, True], [True, False, False], [True, True, False]]
    assert answer.predicted.tolist() == [1, 0, 0]
    assert answer.accepted.tolist() == [True, True, False]
    np.testing.assert_allclose(answer.probabilities, probabilities)
    np.testing.assert_allclose(answer.confidence, [0.6, 0.98, 0.4])


def test_the_threshold_is_the_finite_sample_quantile() -> None:
    """39 images: the ceil(40 x 0.95) = 38th smallest score."""
    scores = np.linspace(0.011, 0.391, 39)  # the true class is the second: the first stands above
    probabilities = np.stack([1 - scores, scores], 1)[:, ::-1]
    order = np.random.default_rng(0).permutation(39)
    above = np.where(scores > 0.5, scores, 1 - scores)
    threshold, (low, high) = fit_sets(probabilities[order], np.zeros(39, int), 0.95)
    assert threshold == pytest.approx(np.sort(above)[37])
    assert low < 0.95 < high
    assert fit_sets(probabilities[:18], np.zeros(18, int), 0.95)[0] == 1.0, "too few: all classes"


def test_sets_cover_as_often_as_promised_on_average_and_scatter_as_stated() -> None:
    """200 draws of 300 validation images each, from a classifier that is wrong about itself."""
    logits, labels = drawn(4_000, 2.0, seed=5)
    probabilities = np.exp(log_softmax(logits))
    random, coverages = np.random.default_rng(6), []
    for _ in range(200):
        chosen = random.permutation(4_000)
        held, rest = chosen[:300], chosen[300:]
        threshold, expected = fit_sets(probabilities[held], labels[held], 0.95)
        sets = Calibration(1.0, threshold, None).answer(logits[rest]).sets
        coverages.append(sets[np.arange(len(rest)), labels[rest]].mean())
    assert np.mean(coverages) == pytest.approx(0.95 + 0.5 / 301, abs=0.003)
    inside = np.mean([expected[0] <= value <= expected[1] for value in coverages])
    assert inside == pytest.approx(0.95, abs=0.05)


def test_a_classifier_right_more_often_than_wanted_gives_single_classes() -> None:
    logits = np.eye(10, dtype=np.float32)[np.arange(200) % 10] * 9
    labels = np.arange(200) % 10
    labels[:4] = 9 - labels[:4]  # 98 % right
    fitted = fit(logits, labels)
    assert fitted["conformal"]["threshold"] == 0
    assert (Calibration.from_dict(fitted).answer(logits).sets.sum(1) == 1).all()


def test_reject_threshold_by_hand() -> None:
    """Sorted by confidence: 99 right, then right and wrong in turn."""
    confidence = np.linspace(0.99, 0.55, 119)
    correct = np.concatenate([np.ones(99, bool), np.arange(20) % 2 == 0])
    logits = np.stack([np.log(confidence), np.log(1 - confidence)], 1).astype(np.float32)
    choices = {
        row["error_rate"]: row for row in fit(logits, np.where(correct, 0, 1))["reject"]["choices"]
    }
    for rate, row in choices.items():
        counts = [
            (n, (~correct[:n]).sum())
            for n in range(1, 120)
            if ((~correct[:n]).sum() + 1) / (n + 1) <= rate
        ]
        if not counts:
            assert row["threshold"] is None
            assert row["validation"] == {"answered": 0.0, "wrong": None, "interval": None}
            continue
        n, wrong = counts[-1]
        assert row["validation"]["answered"] == pytest.approx(n / 119)
        assert row["validation"]["wrong"] == pytest.approx(wrong / n)
        assert row["validation"]["interval"] == wilson_interval(wrong, n)
    assert choices[0.005]["threshold"] is None, "119 images cannot promise half a per cent"
    assert choices[0.02]["validation"]["answered"] == pytest.approx(102 / 119)


def test_images_of_one_confidence_are_answered_together() -> None:
    logits = np.array([[2, 0]] * 100 + [[1, 0]] * 100, np.float32)
    labels = np.repeat([0, 0, 1], [100, 50, 50])
    row = fit(logits, labels)["reject"]["choices"][2]
    assert row["error_rate"] == 0.02
    assert row["validation"]["answered"] == 0.5


def test_rejecting_keeps_the_error_rate_on_new_images() -> None:
    logits, labels = drawn(10_000, 2.0, seed=7)
    fitted = fit(*drawn(6_000, 2.0, seed=8))
    measured = measure_calibration(fitted, logits, labels, "test")
    for row in measured["reject"]:
        assert row["wrong"] <= 1.5 * row["error_rate"]
        answer = Calibration.from_dict(fitted, row["error_rate"]).answer(logits)
        assert row["answered"] == answer.accepted.mean()
        wrong = (answer.predicted != labels)[answer.accepted].mean()
        assert row["wrong"] == pytest.approx(wrong)


def test_what_is_measured_against_scikit_learn() -> None:
    logits, labels = drawn(4000, 2.0, seed=2)
    fitted = fit(*drawn(3000, 2.0, seed=3))
    measured = measure_calibration(fitted, logits, labels, "test")
    answer = Calibration.from_dict(fitted).answer(logits)
    after = measured["after"]
    every = range(10)
    wanted = sk.log_loss(labels, answer.probabilities, labels=every)
    assert after["loss"] == pytest.approx(wanted, abs=1e-12)
    wanted = sk.brier_score_loss(
        labels, answer.probabilities, labels=list(every), scale_by_half=False
    )
    assert after["brier"] == pytest.approx(wanted, abs=1e-12)
    share, confidence = calibration_curve(
        answer.predicted == labels, answer.confidence, n_bins=15, strategy="uniform"
    )
    rows = after["reliability"]
    np.testing.assert_allclose([row["accuracy"] for row in rows], share, atol=1e-12)
    np.testing.assert_allclose([row["confidence"] for row in rows], confidence, atol=1e-12)
    assert sum(row["n"] for row in rows) == 4000
    gaps = [row["n"] / 4000 * abs(row["accuracy"] - row["confidence"]) for row in rows]
    assert after["ece"] == pytest.approx(sum(gaps), abs=1e-12)
    assert after["ece"] < measured["before"]["ece"] / 2
    assert after["loss"] < measured["before"]["loss"]
    assert measured["conformal"]["coverage"] == pytest.approx(0.95, abs=0.015)
    assert sum(measured["conformal"]["sizes"]) == 4000


def test_chance_alone_makes_a_calibration_error() -> None:
    random = np.random.default_rng(4)
    confidence = random.uniform(0.3, 1.0, 2000)
    errors = []
    for _ in range(100):
        rows = reliability(confidence, random.uniform(size=2000) < confidence)
        errors.append(sum(r["n"] / 2000 * abs(r["accuracy"] - r["confidence"]) for r in rows))
    assert ece_by_chance(confidence) == pytest.approx(np.mean(errors), rel=0.1)


def test_risk_coverage_by_hand() -> None:
    confidence = np.array([0.9, 0.8, 0.7, 0.6])
    found = risk_coverage(confidence, np.array([True, True, False, True]))
    assert [row["coverage"] for row in found["curve"]] == [0.25, 0.5, 0.75, 1.0]
    assert [row["risk"] for row in found["curve"]] == pytest.approx([0, 0, 1 / 3, 1 / 4])
    assert [row["confidence"] for row in found["curve"]] == [0.9, 0.8, 0.7, 0.6]
    assert found["area"] == pytest.approx((1 / 3 + 1 / 4) / 4)
    assert len(risk_coverage(np.linspace(0, 1, 1234), np.ones(1234, bool))["curve"]) == 100


def test_nothing_answered_has_no_error_rate() -> None:
    assert rejection(np.ones(3), np.ones(3, bool), None)["wrong"] is None


GOOD = fit(*drawn(500, 1.0, seed=9))


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"temperature": 0}, "temperature is 0"),
        ({"temperature": math.nan}, "temperature is nan"),
        ({"temperature": "1"}, "temperature is '1'"),
        ({"temperature": True}, "temperature is True"),
        ({"label_smoothing": 1.5}, "label_smoothing is 1.5"),
        ({"conformal": {"threshold": 1.5}}, "conformal.threshold is 1.5"),
        ({"conformal": {}}, "it lacks conformal.threshold"),
        ({"reject": None}, "reject is None"),
        ({"reject": {"error_rate": 0.3, "choices": []}}, "no threshold for an error rate of 0.3"),
        ({"reject": {"error_rate": "x", "choices": []}}, "reject.error_rate is 'x'"),
        ({"reject": {"error_rate": 10**400, "choices": []}}, "reject.error_rate is 1000"),
        (
            {"reject": {"error_rate": 0.3, "choices": [{"error_rate": "x", "threshold": 0.5}]}},
            "reject.choices.error_rate is 'x'",
        ),
    ],
)
def test_a_file_that_is_no_calibration_is_refused(changed: dict, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        Calibration.from_dict({**GOOD, **changed})


def test_no_images_get_no_answers() -> None:
    answer = Calibration.from_dict(GOOD).answer(np.empty((0, 10), np.float32))
    assert answer.sets.shape == answer.probabilities.shape == (0, 10)
    assert answer.accepted.shape == answer.predicted.shape == (0,)


def loss_by(inverse: float, logits: np.ndarray, labels: np.ndarray) -> np.ndarray:
    return -special.log_softmax(logits * inverse, axis=1)[np.arange(len(labels)), labels]


def test_temperature_and_interval_against_scipy() -> None:
    """The optimum by a search, the sandwich by differences of the loss."""
    logits, labels = drawn(200, 1.4, seed=11)
    exact = logits.astype(np.float64)
    temperature, interval = fit_temperature(logits, labels)
    found = optimize.minimize_scalar(
        lambda inverse: loss_by(inverse, exact, labels).mean(),
        bounds=(0.05, 20),
        method="bounded",
        options={"xatol": 1e-10},
    )
    assert temperature == pytest.approx(1 / found.x, rel=1e-6)
    inverse, step = 1 / temperature, 1e-4
    below, here, above = (loss_by(inverse + d, exact, labels) for d in (-step, 0.0, step))
    first, second = (above - below) / (2 * step), (above - 2 * here + below) / step**2
    error = 1.96 * np.sqrt((first**2).sum()) / second.sum()
    assert interval == pytest.approx([1 / (inverse + error), 1 / (inverse - error)], rel=1e-4)
    assert type(temperature) is float


def test_what_is_added_to_an_images_logits_changes_nothing() -> None:
    logits, labels = drawn(50, 1.4, seed=12)
    exact = logits.astype(np.float64)
    moved = exact + np.linspace(0, 1e7, 50)[:, None]
    temperature, interval = fit_temperature(exact, labels)
    again, ends = fit_temperature(moved, labels)
    assert [again, *ends] == pytest.approx([temperature, *interval], rel=1e-6)


def test_temperatures_at_the_ends_of_the_range_have_intervals() -> None:
    equal = np.zeros((2, 2), np.float32)
    assert fit_temperature(equal, np.array([0, 1])) == (20, [20, 20])
    # One image, wrong: the hotter the better. Derivatives by 1 / T at 1 / 20, where p is the
    # probability of the first class: p x 0 + (1 - p) x -0.1 + 0.1, and 0.01 p (1 - p).
    temperature, interval = fit_temperature(np.array([[0.0, -0.1]]), np.array([1]))
    p = special.expit(0.1 / 20)
    error = 1.959963984540054 * (0.1 * p) / (0.01 * p * (1 - p))
    assert temperature == 20
    assert interval == pytest.approx([max(1 / (0.05 + error), 0.05), 20])
    temperature, interval = fit_temperature(np.array([[1.0, 0.0]]), np.array([0]))
    assert temperature == 0.05
    p = special.expit(20.0)
    error = 1.959963984540054 * (1 - p) / (p * (1 - p))
    assert interval == pytest.approx([0.05, 1 / (20 - error)])


def test_smoothing_is_undone_in_double_precision_whatever_the_class_count() -> None:
    logits = np.log(np.array([[0.6, 0.4]], np.float32))
    assert unsmoothed(logits, 0.0).dtype == np.float64
    np.testing.assert_allclose(np.exp(unsmoothed(logits, 0.2)), [[0.5, 0.3]], rtol=1e-6)
    far = unsmoothed(np.array([[0.0, -800.0]]), 0.1)
    assert far[0, 1] == pytest.approx(-800 + math.log(0.03))


def test_who_stands_exactly_at_a_threshold_is_in() -> None:
    logits = np.array([[2.0, 1.0, 0.0]])
    sure = Calibration(1.5, 1.0, None).answer(logits)
    first, second, _ = sure.probabilities[0]
    np.testing.assert_allclose(sure.probabilities, special.softmax(logits / 1.5, axis=1))
    assert sure.confidence.tolist() == [first]
    assert sure.accepted.tolist() == [False], "no threshold is high enough"
    at = Calibration(1.5, float(first), float(first)).answer(logits)
    assert at.sets.tolist() == [[True, True, False]]
    assert at.accepted.tolist() == [True]
    below = Calibration(1.5, float(np.nextafter(first, 0)), float(np.nextafter(first, 1)))
    assert below.answer(logits).sets.tolist() == [[True, False, False]]
    assert below.answer(logits).accepted.tolist() == [False]
    assert Calibration(1.5, float(first + second), None).answer(logits).sets.all()


def test_classes_of_one_probability_stand_in_their_order() -> None:
    """Of 64 equal classes a threshold just above a half lets in the first 33."""
    answer = Calibration(1.0, 0.501, None).answer(np.zeros((2, 64)))
    assert answer.sets.sum(1).tolist() == [33, 33]
    assert answer.sets[:, :33].all()
    threshold, _ = fit_sets(answer.probabilities[:1].repeat(19, 0), np.arange(19), 0.95)
    assert threshold == pytest.approx(18 / 64)


def test_thresholds_of_sets_by_hand() -> None:
    """19 images: the 19th smallest score, with the quantiles of a Beta distribution."""
    scores = np.linspace(0.55, 0.73, 19)  # the mass of the first class, the true one the second
    probabilities = np.stack([scores, 1 - scores], 1)
    threshold, expected = fit_sets(probabilities, np.ones(19, int), 0.95)
    assert threshold == pytest.approx(0.73)
    assert expected == pytest.approx(stats.beta(19, 1).ppf([0.025, 0.975]))
    assert fit_sets(probabilities[:18], np.ones(18, int), 0.95) == (1.0, [1.0, 1.0])
    threshold, expected = fit_sets(probabilities, np.ones(19, int), 0.5)
    assert threshold == pytest.approx(0.55 + 9 * 0.01)
    assert expected == pytest.approx(stats.beta(10, 10).ppf([0.025, 0.975]))
    above_one = np.array([[0.4, 0.3, 0.2, 0.1 + 1e-12, 0.0]]).repeat(19, 0)
    assert fit_sets(above_one, np.full(19, 4), 0.95)[0] == 1.0, "despite rounding"


def test_rejecting_by_hand() -> None:
    """49 right answers: (0 + 1) / (49 + 1) is 0.02, no more; with 48 it is."""
    logits = np.stack([np.linspace(5, 4, 49), np.zeros(49)], 1)
    right = np.zeros(49, int)
    fitted = fit(logits, right)
    confidence = Calibration.from_dict(fitted).answer(logits).confidence
    rows = {row["error_rate"]: row for row in fitted["reject"]["choices"]}
    assert list(rows) == [0.005, 0.01, 0.02, 0.03, 0.05]
    assert rows[0.01]["threshold"] is None
    assert rows[0.02]["threshold"] == confidence[-1]
    assert fitted["reject"]["threshold"] == confidence[-1]
    assert fit(logits[:48], right[:48])["reject"]["threshold"] is None
    # A wrong one among the least sure: with it (1 + 1) / (49 + 1); before it (0 + 1) / (48 + 1).
    labels = right.copy()
    labels[48] = 1
    fitted = fit(logits, labels)
    calibration = Calibration.from_dict(fitted, 0.03)
    assert calibration.reject_threshold == calibration.answer(logits).confidence[47]
    rows = {row["error_rate"]: row for row in fitted["reject"]["choices"]}
    assert rows[0.03]["validation"] == {
        "answered": 48 / 49,
        "wrong": 0.0,
        "interval": wilson_interval(0, 48),
    }
    calibration = Calibration.from_dict(fitted, 0.05)
    assert calibration.reject_threshold == calibration.answer(logits).confidence[48]
    assert rows[0.05]["validation"]["wrong"] == 1 / 49


def test_rejection_by_hand() -> None:
    confidence, correct = np.array([0.9, 0.8, 0.8, 0.3]), np.array([True, False, True, False])
    assert rejection(confidence, correct, 0.8) == {
        "answered": 0.75,
        "wrong": pytest.approx(1 / 3),
        "interval": wilson_interval(1, 3),
    }
    assert rejection(confidence, correct, 0.95) == {
        "answered": 0.0,
        "wrong": None,
        "interval": None,
    }
    assert rejection(confidence, correct, None)["answered"] == 0.0
    assert rejection(confidence, correct, 0.9) == {
        "answered": 0.25,
        "wrong": 0.0,
        "interval": wilson_interval(0, 1),
    }


def test_all_that_is_fitted() -> None:
    logits, labels = drawn(300, 1.4, seed=13)
    fitted = fit(logits, labels, 0.1)
    plain = unsmoothed(logits, 0.1)
    temperature, interval = fit_temperature(plain, labels)
    probabilities = special.softmax(plain / temperature, axis=1)
    threshold, expected = fit_sets(probabilities, labels, 0.95)
    reject = fitted.pop("reject")
    assert fitted == {
        "label_smoothing": 0.1,
        "temperature": temperature,
        "temperature_interval": interval,
        "fitted_on": {"split": "validation", "n": 300},
        "conformal": {
            "method": "adaptive prediction sets, not randomised, never empty",
            "coverage": 0.95,
            "threshold": pytest.approx(threshold, abs=1e-12),
            "expected_coverage_interval": expected,
        },
    }
    assert set(reject) == {"error_rate", "threshold", "choices"}
    assert reject["error_rate"] == 0.02
    correct = plain.argmax(1) == labels
    for row in reject["choices"]:
        wanted = rejection(probabilities.max(1) + 1e-12, correct, row["threshold"])
        assert row["validation"] == wanted
    assert reject["threshold"] == reject["choices"][2]["threshold"] > 0
    assert fit(logits, labels)["label_smoothing"] == 0.0


GOOD_BY_HAND = {
    "temperature": 1.5,
    "conformal": {"threshold": 0.25},
    "reject": {
        "error_rate": 0.02,
        "choices": [
            {"error_rate": 0.01, "threshold": None},
            {"error_rate": 0.02, "threshold": 0.75},
        ],
    },
    "label_smoothing": 0.125,
}


def test_a_calibration_is_read_from_its_file() -> None:
    assert Calibration.from_dict(GOOD_BY_HAND) == Calibration(1.5, 0.25, 0.75, 0.125)
    assert Calibration.from_dict(GOOD_BY_HAND, 0.01) == Calibration(1.5, 0.25, None, 0.125)
    older = {k: v for k, v in GOOD_BY_HAND.items() if k != "label_smoothing"}
    assert Calibration.from_dict(older) == Calibration(1.5, 0.25, 0.75, 0.0)
    with pytest.raises(UsageError) as caught:
        Calibration.from_dict(GOOD_BY_HAND, 0.03)
    assert (
        str(caught.value)
        == "there is no threshold for an error rate of 0.03; choose one of 0.01, 0.02"
    )
    for name in ("temperature", "conformal", "reject"):
        lacking = {k: v for k, v in GOOD_BY_HAND.items() if k != name}
        with pytest.raises(UsageError) as caught:
            Calibration.from_dict(lacking)
        assert str(caught.value) == f"the calibration cannot be used (it lacks {name})"
    for asked in (None, 0.01):
        foreign = {**GOOD_BY_HAND, "reject": {**GOOD_BY_HAND["reject"], "error_rate": 0.05}}
        with pytest.raises(UsageError, match="no threshold for an error rate of 0.05"):
            Calibration.from_dict(foreign, asked)


RANGES = {
    "temperature": ("1e-06", "1e+06"),
    "set_threshold": ("0", "1"),
    "reject_threshold": ("0", "1"),
    "label_smoothing": ("0", "1"),
}


@pytest.mark.parametrize("name", RANGES)
def test_numbers_may_be_at_the_ends_of_their_ranges_and_no_further(name: str) -> None:
    good = {"temperature": 1, "set_threshold": 1, "reject_threshold": 1, "label_smoothing": 0}
    low, high = RANGES[name]
    for end in (float(low), float(high)):
        Calibration(**{**good, name: end})
    for beyond in (float(low) - 1e-7, float(high) + 1e-7, math.inf, math.nan, "1", True):
        with pytest.raises(UsageError) as caught:
            Calibration(**{**good, name: beyond})
        message = f"{name} is {beyond!r}; it must be from {low} to {high}"
        assert str(caught.value) == message
