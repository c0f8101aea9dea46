import numpy as np
import pytest

from fashion_cnn.evaluation.outliers import outlier_score, outlier_threshold


def test_the_score_is_minus_the_deviation_of_the_logits() -> None:
    logits = np.array([[0, 2, 0, 2], [-9, -9, -9, -9], [5, 5, 5, -7]], np.float32)
    np.testing.assert_allclose(outlier_score(logits), [-1, 0, -(27**0.5)], atol=1e-12)
    np.testing.assert_allclose(outlier_score(logits + 3), outlier_score(logits), atol=1e-12)
    assert outlier_score(logits).dtype == np.float64
    assert len(outlier_score(np.zeros((0, 10)))) == 0


def test_what_no_class_claims_scores_higher() -> None:
    sure, lost = np.zeros((1, 10)), np.zeros((1, 10))
    sure[0, 3] = 8
    assert outlier_score(lost) > outlier_score(sure)


@pytest.mark.parametrize("count", [1, 19, 20, 100, 1001])
def test_at_least_95_percent_are_not_warned_about(count) -> None:
    scores = np.random.default_rng(count).normal(size=count)
    threshold = outlier_threshold(scores)
    assert (scores <= threshold).mean() >= 0.95
    assert (scores < threshold).mean() <= 0.95
