import numpy as np
import pytest

from fashion_cnn.data.fashion_mnist import CLASS_NAMES, load_training
from fashion_cnn.data.split import Split, divide, epoch_order
from fashion_cnn.errors import DataError, UsageError


def parts(split: Split, **changes):
    return divide(split, **{"validation": 0.1, "train_images": 0, "seed": 0, **changes})


def test_the_assignments_split(real_data) -> None:
    data = parts(load_training(real_data))
    assert (len(data.training), len(data.validation)) == (54_000, 6_000)
    assert np.bincount(data.training.labels).tolist() == [5400] * 10
    assert np.bincount(data.validation.labels).tolist() == [600] * 10
    both = np.concatenate([data.training_indices, data.validation_indices])
    np.testing.assert_array_equal(np.sort(both), np.arange(60_000))


def test_parts_hold_the_images_that_their_indices_say(small_split: Split) -> None:
    data = parts(small_split, train_images=50)
    np.testing.assert_array_equal(data.training.images, small_split.images[data.training_indices])
    np.testing.assert_array_equal(
        data.validation.labels, small_split.labels[data.validation_indices]
    )
    assert not set(data.training_indices) & set(data.validation_indices)
    assert np.bincount(data.training.labels).tolist() == [5] * 10


def test_the_seed_decides_and_validation_does_not_depend_on_train_images(small_split) -> None:
    assert parts(small_split).fingerprint() == parts(small_split).fingerprint()
    assert parts(small_split).fingerprint() != parts(small_split, seed=1).fingerprint()
    few = parts(small_split, train_images=20)
    np.testing.assert_array_equal(few.validation_indices, parts(small_split).validation_indices)


@pytest.mark.parametrize("count", [11, 99, 269])
def test_uneven_quotas_differ_by_at_most_one(small_split: Split, count: int) -> None:
    counts = np.bincount(parts(small_split, train_images=count).training.labels, minlength=10)
    assert counts.sum() == count
    assert counts.max() - counts.min() <= 1


def test_impossible_parts_are_refused(small_split: Split) -> None:
    with pytest.raises(UsageError, match="270 images are left"):
        parts(small_split, train_images=271)
    with pytest.raises(UsageError, match="leaves a part empty"):
        parts(small_split, validation=0.001)


def test_epochs_are_permutations_that_differ() -> None:
    first, second = epoch_order(100, 0, 0), epoch_order(100, 0, 1)
    np.testing.assert_array_equal(np.sort(first), np.arange(100))
    np.testing.assert_array_equal(first, epoch_order(100, 0, 0))
    assert (first != second).any()


@pytest.mark.parametrize(
    ("images", "labels"),
    [
        (np.zeros((2, 28, 28), np.float32), np.zeros(2, np.int64)),
        (np.zeros((2, 27, 28), np.uint8), np.zeros(2, np.int64)),
        (np.zeros((2, 28, 28), np.uint8), np.zeros(3, np.int64)),
        (np.zeros((2, 28, 28), np.uint8), np.zeros(2, np.int32)),
        (np.zeros((2, 28, 28), np.uint8), np.array([0, 10])),
        (np.zeros((2, 28, 28), np.uint8), np.array([-1, 0])),
    ],
)
def test_a_split_of_anything_else_is_refused(images, labels) -> None:
    with pytest.raises(DataError):
        Split(images, labels, CLASS_NAMES)


def test_labels_are_places_among_the_class_names() -> None:
    images = np.zeros((3, 28, 28), np.uint8)
    split = Split(images, np.array([0, 2, 2]), ("a", "b", "c"))
    assert split.select(np.array([1])).class_names == ("a", "b", "c")
    with pytest.raises(DataError, match="labels run from 0 to 2, not 0-1"):
        Split(images, split.labels, ("a", "b"))
