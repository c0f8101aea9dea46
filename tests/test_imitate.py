import numpy as np
import pytest
import torch

from fashion_cnn.data.fashion_mnist import CLASS_NAMES
from fashion_cnn.data.split import Split
from fashion_cnn.on_torch import imitate
from fashion_cnn.on_torch.augment import augment
from fashion_cnn.on_torch.imitate import as_photos, outliers, photo_like
from fashion_cnn.recipes.recipe import Recipe

COUNT = 120


@pytest.fixture
def images() -> torch.Tensor:
    images = torch.zeros((COUNT, 28, 28), dtype=torch.uint8)
    images[:, 4:24, 9:19] = 180
    images[:, 16:24, 13:15] = 0  # two legs
    return images


@pytest.fixture
def labels() -> torch.Tensor:
    return torch.arange(COUNT) % 10


def test_a_step_decides_the_draws(images, labels) -> None:
    before = images.clone()
    once = photo_like(images, labels, 1.0, 0, 5, CLASS_NAMES)
    assert once.dtype == torch.uint8
    assert once.shape == images.shape
    assert torch.equal(once, photo_like(images, labels, 1.0, 0, 5, CLASS_NAMES))
    assert not torch.equal(once, photo_like(images, labels, 1.0, 0, 6, CLASS_NAMES))
    assert not torch.equal(once, photo_like(images, labels, 1.0, 1, 5, CLASS_NAMES))
    mixed, shares = outliers(images, labels, 1.0, 0, 5, CLASS_NAMES)
    again, same = outliers(images, labels, 1.0, 0, 5, CLASS_NAMES)
    assert torch.equal(mixed, again)
    assert torch.equal(shares, same)
    assert not torch.equal(mixed, outliers(images, labels, 1.0, 0, 6, CLASS_NAMES)[0])
    assert torch.equal(images, before), "the data set itself is never written to"


def test_shares_say_how_many_change(images, labels) -> None:
    assert torch.equal(photo_like(images, labels, 0.0, 0, 0, CLASS_NAMES), images)
    some = (
        (photo_like(images, labels, 0.5, 0, 0, CLASS_NAMES) != images).any(2).any(1).double().mean()
    )
    assert 0.35 < some < 0.65
    _, shares = outliers(images, labels, 0.25, 0, 0, CLASS_NAMES)
    even = (shares == 0.1).all(1)
    assert 0.1 < even.double().mean() < 0.4
    assert torch.equal(shares[~even].argmax(1), labels[~even])
    assert (shares[~even].amax(1) == 1).all()
    torch.testing.assert_close(shares.sum(1), torch.ones(COUNT))


def test_one_image_does_not_depend_on_the_others(images, labels) -> None:
    other = images.clone()
    other[1:] = 255 - other[1:]
    first, second = (photo_like(x, labels, 1.0, 0, 3, CLASS_NAMES)[0] for x in (images, other))
    assert torch.equal(first, second)


def test_a_photo_like_image_still_shows_the_garment(images) -> None:
    labels = torch.zeros(COUNT, dtype=torch.int64)
    changed = photo_like(images, labels, 1.0, 0, 1, CLASS_NAMES)
    lit = (changed > 20).double().mean((1, 2))
    assert (lit > 0.1).double().mean() > 0.95
    assert (lit < 0.95).all()
    tall = (changed > 20).any(2).sum(1).double()
    assert tall.mean() > 22, "fitted to the picture again"
    widths = (changed > 20).any(1).sum(1)
    assert widths.max() - widths.min() > 6


def test_shoes_are_paired_and_other_things_not(images) -> None:
    """A pair of two narrow bars: a row or a column between them is dark."""
    bar = torch.zeros_like(images)
    bar[:, 12:16, 2:26] = 200
    single = photo_like(bar, torch.zeros(COUNT, dtype=torch.int64), 1.0, 0, 2, CLASS_NAMES)
    paired = photo_like(bar, torch.full((COUNT,), 7), 1.0, 0, 2, CLASS_NAMES)
    same = (single == paired).flatten(1).all(1).double().mean()
    assert 0.3 < same < 0.55, "two fifths of the shoes stay single"


def test_from_above_a_pair_is_two_ovals_whatever_the_shoe(images, monkeypatch) -> None:
    line = torch.zeros_like(images)
    line[:, 14, 2:26] = 200
    lit = {}
    for share in (0.0, 1.0):
        monkeypatch.setattr(imitate, "_ASIDE", 0.0)
        monkeypatch.setattr(imitate, "_ABOVE", share)
        seen = photo_like(line, torch.full((COUNT,), 7), 1.0, 0, 2, CLASS_NAMES)
        lit[share] = (seen > 20).double().mean((1, 2))
    assert lit[0.0].median() < 0.15
    assert 0.25 < lit[1.0].median() < 0.7
    assert (lit[1.0] > lit[0.0]).double().mean() > 0.9


def test_a_split_as_photos_is_always_the_same(images, labels) -> None:
    split = Split(images.numpy(), labels.numpy(), CLASS_NAMES)
    seen = as_photos(split)
    np.testing.assert_array_equal(seen.images, as_photos(split).images)
    np.testing.assert_array_equal(seen.labels, split.labels)
    assert (seen.images != split.images).any((1, 2)).all(), "every image"


def test_nothing_in_the_picture_is_no_trouble(labels) -> None:
    black = torch.zeros((COUNT, 28, 28), dtype=torch.uint8)
    assert photo_like(black, labels, 1.0, 0, 0, CLASS_NAMES).dtype == torch.uint8
    assert (
        outliers(black, torch.zeros(COUNT, dtype=torch.int64), 1.0, 0, 0, CLASS_NAMES)[0].shape
        == black.shape
    )


def test_recipes_use_them_and_leave_other_draws_alone(images, labels) -> None:
    recipe = Recipe(erase=1.0)
    plain, hard = augment(images, labels, recipe, 4, None, CLASS_NAMES)
    assert torch.equal(hard, labels)
    both, shares = augment(
        images, labels, recipe.replace(photo=0.5, outliers=0.2), 4, None, CLASS_NAMES
    )
    assert shares.shape == (COUNT, 10)
    alike = (plain == both).flatten(1).all(1).double().mean()
    assert 0.25 < alike < 0.6, "those neither chosen for the one nor for the other"


def test_outliers_of_mixed_labels(images) -> None:
    shares = torch.full((COUNT, 10), 0.0)
    shares[:, 1], shares[:, 2] = 0.7, 0.3
    _, after = outliers(images, shares, 0.5, 0, 0, CLASS_NAMES)
    kept = after[:, 1] == shares[0, 1]
    assert torch.equal(after[kept], shares[kept])
    assert (after[~kept] == 0.1).all()
