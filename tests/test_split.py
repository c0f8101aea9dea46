import hashlib

import numpy as np
import pytest

from fashion_cnn.data.randomness import stream
from fashion_cnn.data.split import Split, TrainingData, divide, epoch_order, stratified_sample
from fashion_cnn.errors import DataError, UsageError
from opened import load_training


def parts(split: Split, **changes):
    return divide(split, **{"validation": 0.1, "train_images": 0, "seed": 0, **changes})


def test_the_assignments_split(real_data) -> None:
    data = parts(load_training(real_data))
    assert (len(data.training), len(data.validation)) == (54_000, 6_000)
    assert np.bincount(data.training.labels).tolist() == [5400] * 10
    assert np.bincount(data.validation.labels).tolist() == [600] * 10
    both = np.concatenate([data.training_indices, data.validation_indices])
    np.testing.assert_array_equal(np.sort(both), np.arange(60_000))


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


def test_numbers_below_0_are_refused(small_split: Split) -> None:
    for name in ("train_images", "seed"):
        with pytest.raises(UsageError, match=f"{name}.* -1.* must be at least 0"):
            parts(small_split, **{name: -1})


def test_epochs_are_permutations_that_differ() -> None:
    first, second = epoch_order(100, 0, 0), epoch_order(100, 0, 1)
    np.testing.assert_array_equal(np.sort(first), np.arange(100))
    np.testing.assert_array_equal(first, epoch_order(100, 0, 0))
    assert (first != second).any()


def test_labels_are_places_among_the_class_names() -> None:
    images = np.zeros((3, 28, 28), np.uint8)
    split = Split(images, np.array([0, 2, 2]), ("a", "b", "c"))
    assert split.select(np.array([1])).class_names == ("a", "b", "c")
    with pytest.raises(DataError, match="labels run from 0 to 2, not 0-1"):
        Split(images, split.labels, ("a", "b"))


def test_fingerprints_by_hand(small_split: Split) -> None:
    training, validation = np.array([0, 300, 70_000]), np.array([5])
    data = TrainingData(small_split, small_split, training, validation)
    content = (3).to_bytes(8, "big") + b"".join(i.to_bytes(8, "big") for i in (0, 300, 70_000))
    content += (1).to_bytes(8, "big") + (5).to_bytes(8, "big")
    assert data.fingerprint() == hashlib.sha256(content).hexdigest()[:16]


def test_samples_by_hand() -> None:
    """Of 6, 3 and 1 images 5: 3, 1.5 and 0.5; of equal remainders the first class's is taken."""
    labels = np.array([4, 4, 4, 4, 4, 4, 7, 7, 7, 9])
    chosen = stratified_sample(labels, 5, 3, "some")
    fours, sevens = (
        stream(3, "some", label).permutation(np.flatnonzero(labels == label)) for label in (4, 7)
    )
    assert chosen.tolist() == sorted([*fours[:3], *sevens[:2]])
    assert chosen.dtype == np.int64
    assert stratified_sample(labels, 10, 3, "some").tolist() == list(range(10))
    assert (stratified_sample(labels, 5, 3, "other") != chosen).any()
    # 5 of 7, 2 and 1: 3.5, 1 and 0.5, so the place left is the first class's.
    uneven = np.repeat([0, 1, 2], [7, 2, 1])
    assert np.bincount(uneven[stratified_sample(uneven, 5, 0, "x")], minlength=3).tolist() == [
        4,
        1,
        0,
    ]
    # 7 of 6, 3, 1: 4.2, 2.1, 0.7: the last class has the largest remainder.
    assert np.bincount(labels[stratified_sample(labels, 7, 0, "x")])[[4, 7, 9]].tolist() == [
        4,
        2,
        1,
    ]


def test_of_many_equal_remainders_the_first_classes_are_rounded_up() -> None:
    """Every third of 40 classes has 4 images, the others 2: 20 of the 108 are 0.74 and 0.37."""
    labels = np.repeat(np.arange(40), np.where(np.arange(40) % 3 == 0, 4, 2))
    chosen = labels[stratified_sample(labels, 20, 0, "x")]
    assert chosen.tolist() == sorted([*range(0, 40, 3), 1, 2, 4, 5, 7, 8])


def test_divisions_are_those_of_every_run_before(small_split: Split) -> None:
    """A run is resumed, and a comparison made, by another version on the same images."""
    data = divide(small_split, validation=0.2, train_images=30, seed=5)
    held_out = stratified_sample(small_split.labels, 60, 5, "validation")
    np.testing.assert_array_equal(data.validation_indices, held_out)
    rest = np.setdiff1d(np.arange(300), held_out)
    rest = rest[stratified_sample(small_split.labels[rest], 30, 5, "train_images")]
    np.testing.assert_array_equal(data.training_indices, rest)
    np.testing.assert_array_equal(data.training.labels, small_split.labels[rest])
    np.testing.assert_array_equal(data.validation.images, small_split.images[held_out])
    assert data.teacher is None
    assert len(divide(small_split, validation=0.2, seed=5).training) == 240
    order = stream(2, "order", 7).permutation(50)
    np.testing.assert_array_equal(epoch_order(50, 2, 7), order)
    assert epoch_order(6, 1, 2).tolist() == [0, 2, 1, 5, 4, 3]


def test_the_smallest_and_the_largest_parts(small_split: Split) -> None:
    assert len(divide(small_split, validation=0.0034, seed=0).validation) == 1
    assert len(divide(small_split, validation=0.9967, seed=0).training) == 1
    assert len(divide(small_split, validation=0.1, seed=0, train_images=270).training) == 270
    assert len(divide(small_split, validation=0.1, seed=0, train_images=1).training) == 1
    for share in (0.001, 0.999):
        with pytest.raises(UsageError) as caught:
            divide(small_split, validation=share, seed=0)
        assert str(caught.value) == (
            f"a validation share of {share:.3g} of 300 images leaves a part empty; give another "
            "--validation"
        )
    with pytest.raises(UsageError) as caught:
        divide(small_split, validation=0.1, seed=0, train_images=271)
    assert str(caught.value) == (
        "train_images is 271; 270 images are left to train on beside the 30 of validation; "
        "ask for at most 270, or 0 for all"
    )


@pytest.mark.parametrize(
    ("images", "labels", "message"),
    [
        (
            np.zeros((2, 28, 28), np.int8),
            np.zeros(2, np.int64),
            "images are int8 (2, 28, 28), not uint8 (N, 28, 28)",
        ),
        (
            np.zeros((2, 28, 29), np.uint8),
            np.zeros(2, np.int64),
            "images are uint8 (2, 28, 29), not uint8 (N, 28, 28)",
        ),
        (
            np.zeros((2, 28, 28), np.uint8),
            np.zeros((2, 1), np.int64),
            "labels are int64 (2, 1) for 2 images, not int64 (2,)",
        ),
        (
            np.zeros((2, 28, 28), np.uint8),
            np.zeros(2, np.uint8),
            "labels are uint8 (2,) for 2 images, not int64 (2,)",
        ),
        (
            np.zeros((2, 28, 28), np.uint8),
            np.array([-1, 1]),
            "labels run from -1 to 1, not 0-1",
        ),
        (
            np.zeros((2, 28, 28), np.uint8),
            np.array([1, 2]),
            "labels run from 1 to 2, not 0-1",
        ),
    ],
)
def test_what_a_split_lacks_is_said(images, labels, message: str) -> None:
    with pytest.raises(DataError) as caught:
        Split(images, labels, ("a", "b"))
    assert str(caught.value) == message


def test_a_split_may_be_empty_or_of_the_last_class_alone() -> None:
    assert len(Split(np.zeros((0, 28, 28), np.uint8), np.zeros(0, np.int64), ("a", "b"))) == 0
    assert len(Split(np.zeros((1, 28, 28), np.uint8), np.ones(1, np.int64), ("a", "b"))) == 1
