"""Folds, and predictions of images that a network did not train on."""

import contextlib
import types

import numpy as np
import pytest

from conftest import make_split
from fashion_cnn.data.fashion_mnist import CLASS_NAMES
from fashion_cnn.data.split import Split
from fashion_cnn.errors import UsageError
from fashion_cnn.job import Hardware
from fashion_cnn.recipes.recipe import Recipe
from fashion_cnn.studies import cross_validation
from fashion_cnn.studies.cross_validation import folds, out_of_fold


def test_folds_are_even_and_decided_by_the_seed() -> None:
    labels = np.repeat([0, 3, 7], [31, 40, 32])
    fold = folds(labels, 4, seed=1)
    np.testing.assert_array_equal(fold, folds(labels, 4, seed=1))
    assert (fold != folds(labels, 4, seed=2)).any()
    assert np.ptp(np.bincount(fold)) <= 1
    for label in (0, 3, 7):
        assert np.ptp(np.bincount(fold[labels == label])) <= 1


@pytest.mark.parametrize("count", [1, 32])
def test_too_few_or_too_many_folds(count: int) -> None:
    with pytest.raises(UsageError, match="must be from 2 to 31"):
        folds(np.repeat([0, 1], 31), count, 0)


def test_no_network_saw_what_it_scores() -> None:
    """Class 9 has one image that looks like nothing else: only a network that saw it knows it."""
    split = make_split(300)
    images, labels = split.images.copy(), split.labels.copy()
    images[10], labels[10] = 255 - images[10], 9
    recipe = Recipe(epochs=5, batch_size=20, learning_rate=0.003, dropout=0.0)
    said = []
    found = out_of_fold(
        Split(images, labels, CLASS_NAMES), recipe, 2, Hardware("cpu", 1), said.append
    )
    np.testing.assert_allclose(found.sum(1), 1)
    right = found.argmax(1) == labels
    assert right.mean() > 0.9
    assert not right[10]
    assert said[1].startswith("fold 2 of 2: ")
    assert said[1].endswith("of 150 images right")


def test_the_last_epoch_scores_a_fold_whichever_was_best_on_it(monkeypatch) -> None:
    """What was best on a fold was chosen by its labels."""
    trained = []

    def train(recipe, data, *rest, **more) -> None:
        trained.append(data)

    def open_classifier(run, checkpoint):
        def logits(images: np.ndarray) -> np.ndarray:
            known = trained[-1].validation.labels if checkpoint == "best" else 3
            return 50 * np.eye(10)[np.broadcast_to(known, len(images))]

        return types.SimpleNamespace(logits=logits)

    fake = types.SimpleNamespace(train=train, open_classifier=open_classifier)
    monkeypatch.setattr(
        cross_validation, "open_framework", lambda hardware: contextlib.nullcontext(fake)
    )
    split = make_split(40)
    found = out_of_fold(split, Recipe(batch_size=50), 4, Hardware("cpu", 1), lambda line: None)
    np.testing.assert_allclose(found, np.eye(10)[[3] * 40], atol=1e-20)
    scored = [place for data in trained for place in data.validation_indices]
    assert sorted(scored) == list(range(40))
    for data in trained:
        assert sorted([*data.training_indices, *data.validation_indices]) == list(range(40))
        np.testing.assert_array_equal(data.training.labels, split.labels[data.training_indices])
