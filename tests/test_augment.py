import numpy as np
import pytest
import torch

from fashion_cnn.data.fashion_mnist import CLASS_NAMES, PIXEL_MEAN
from fashion_cnn.on_torch import augment as augmentation
from fashion_cnn.on_torch.augment import flip, paste, rotate, translate, warp
from fashion_cnn.recipes.recipe import Recipe
from fashion_cnn.training.draws import draw_erasures, mirrored_in

OPERATIONS = [
    {"flip": True},
    {"translate": 3},
    {"rotate": 20.0},
    {"erase": 0.7},
    {"cutout": 8},
    {"cutmix": 1.0},
]


def augment(images: torch.Tensor, recipe: Recipe, step: int, epoch: int = 0) -> torch.Tensor:
    sides = torch.from_numpy(mirrored_in(epoch, len(images), recipe.seed))
    mirrored = sides if recipe.flip else None
    labels = torch.arange(len(images)) % 10
    return augmentation.augment(images, labels, recipe, step, mirrored, CLASS_NAMES)[0]


@pytest.fixture
def images() -> torch.Tensor:
    return torch.randint(0, 256, (200, 28, 28), dtype=torch.uint8, generator=torch.manual_seed(0))


@pytest.mark.parametrize("fields", [*OPERATIONS, {k: v for o in OPERATIONS for k, v in o.items()}])
def test_a_step_decides_the_draws(images, fields) -> None:
    recipe, before = Recipe(**fields), images.clone()
    once = augment(images, recipe, 5)
    assert once.dtype == torch.uint8
    assert once.shape == images.shape
    assert torch.equal(images, before), "the data set itself is never written to"
    assert torch.equal(once, augment(images, recipe, 5))
    assert not torch.equal(once, augment(images, recipe, 6, epoch=1))
    assert not torch.equal(once, augment(images, recipe.replace(seed=1), 5))


def test_nothing_asked_for_nothing_done(images) -> None:
    assert augment(images, Recipe(), 0) is images


def test_operations_draw_apart(images) -> None:
    """Erasing as well changes which pixels are noise, not which images are mirrored."""
    flipped = augment(images, Recipe(flip=True), 0)
    both = augment(images, Recipe(flip=True, erase=1.0), 0)
    same = (flipped == both).flatten(1).double().mean(1)
    assert (same > 0.5).all()
    assert (same < 1).all()


def test_two_epochs_show_both_sides_of_each_image() -> None:
    first, second, third = (mirrored_in(epoch, 10_000, 3) for epoch in (0, 1, 2))
    assert (first != second).all()
    np.testing.assert_array_equal(first, third)
    assert 0.48 < first.mean() < 0.52
    assert (first != mirrored_in(0, 10_000, 4)).any()


def test_flip(images) -> None:
    chosen = torch.arange(200) % 2 == 0
    got = flip(images, chosen)
    np.testing.assert_array_equal(got[0], np.fliplr(images[0]))
    assert torch.equal(got[1], images[1])


def test_translate_reflects_at_the_border(images) -> None:
    padded = np.pad(images[0].numpy(), 3, mode="reflect")
    got = translate(images[:1], torch.tensor([[2, -3]]))[0]
    np.testing.assert_array_equal(got, padded[3 - 2 : 31 - 2, 3 + 3 : 31 + 3])
    assert torch.equal(translate(images, torch.zeros(200, 2, dtype=torch.int64)), images)
    extreme = translate(images[:1], torch.tensor([[27, -27]]))
    assert extreme.shape == (1, 28, 28)


def test_translate_uses_its_whole_reach() -> None:
    dot = torch.zeros(500, 28, 28, dtype=torch.uint8)
    dot[:, 14, 14] = 255
    place = augment(dot, Recipe(translate=2), 0).flatten(1).argmax(1)
    assert set((place // 28).tolist()) == set(range(12, 17))
    assert set((place % 28).tolist()) == set(range(12, 17))


def test_rotate(images) -> None:
    assert torch.equal(rotate(images, torch.zeros(200)), images)
    quarter = rotate(images, torch.full((200,), 90.0))
    np.testing.assert_array_equal(quarter[0], np.rot90(images[0]))
    corner = rotate(torch.full((1, 28, 28), 255, dtype=torch.uint8), torch.tensor([45.0]))
    assert corner[0, 0, 0] == 0
    assert corner[0, 14, 14] == 255


def test_warp_takes_values_from_where_the_map_says(images) -> None:
    still = torch.tensor([[1.0, 0, 0], [0, 1, 0]]).repeat(200, 1, 1)
    assert torch.equal(warp(images, still), images)
    moved = still.clone()
    moved[:, 0, 2] = 2 * 3 / 28  # from three pixels to the right
    got = warp(images, moved)
    assert torch.equal(got[:, :, :25], images[:, :, 3:])
    assert not got[:, :, 25:].any()


def test_paste(images) -> None:
    noise = torch.full_like(images, 7)
    boxes = torch.tensor([[3, 4, 5, 6]]).repeat(200, 1)
    boxes[1] = 0
    got = paste(images, noise, boxes)
    wanted = images[0].clone()
    wanted[3:8, 4:10] = 7
    assert torch.equal(got[0], wanted)
    assert torch.equal(got[1], images[1])


def test_erasing_draws_as_the_paper_says() -> None:
    blank = torch.zeros(4000, 28, 28, dtype=torch.uint8)
    touched = augment(blank, Recipe(erase=0.5), 0) != 0
    area = touched.double().mean((1, 2))
    assert 0.45 < (area > 0).double().mean() < 0.55
    assert area.max() < 0.45


def test_cutout_covers_a_square_also_at_the_border() -> None:
    white = torch.full((2000, 28, 28), 255, dtype=torch.uint8)
    blank = augment(white, Recipe(cutout=8), 0) == round(255 * PIXEL_MEAN)
    area = blank.flatten(1).sum(1)
    assert area.max() == 64
    assert 16 <= area.min() < 64
    assert blank.any(0).all(), "every pixel is covered in some image"


def test_mixed_labels_are_the_shares_of_the_pixels() -> None:
    """Images of one grey each: what is in the picture can be read off its pixels."""
    labels = torch.arange(200) % 10
    images = (labels * 20).to(torch.uint8)[:, None, None].expand(200, 28, 28)
    recipe = Recipe(cutmix=1.0)
    mixed, shares = augmentation.augment(images, labels, recipe, 0, None, CLASS_NAMES)
    assert shares.dtype == torch.float32
    torch.testing.assert_close(shares.sum(1), torch.ones(200))
    assert (shares > 0).sum(1).max() == 2
    mean = mixed.double().mean((1, 2)) / 20
    wanted = (shares.double() * torch.arange(10)).sum(1)
    assert (mean - wanted).abs().max() < 1e-5
    assert (mean - labels).abs().max() > 1


def test_mixing_happens_as_often_as_asked(images) -> None:
    mixed = [augment(images, Recipe(cutmix=0.3), step) is not images for step in range(300)]
    assert 0.2 < np.mean(mixed) < 0.4


def test_named_classes_alone_are_augmented(images) -> None:
    """And an image's own draws are those that it has when every class is augmented."""
    fields = {"flip": True, "translate": 3, "rotate": 20.0, "cutout": 8}
    fields["erase"] = 1.0
    every = augment(images, Recipe(**fields), 7)
    some = augment(images, Recipe(**fields, augment_classes=(0, 6)), 7)
    chosen = torch.isin(torch.arange(200) % 10, torch.tensor([0, 6]))
    assert torch.equal(some[chosen], every[chosen])
    assert torch.equal(some[~chosen], images[~chosen])
    assert (every != images).flatten(1).any(1).all(), "the others would have changed"


def test_mixing_is_not_confined(images) -> None:
    recipe = Recipe(translate=1, cutmix=1.0, augment_classes=(6,))
    assert (augment(images, recipe, 0) != images).flatten(1).any(1).sum() > 150


def test_erased_areas_run_from_a_fiftieth_to_two_fifths_of_the_image() -> None:
    _, boxes = draw_erasures(Recipe(erase=1.0), 0, 20_000)
    height, width = boxes[:, 2], boxes[:, 3]
    inside = (height < 28) & (width < 28)  # not cut to the image
    area = (height * width)[inside] / 784
    assert 0.015 < area.min() < 0.03
    assert 0.37 < area.max() < 0.43
    assert np.median(area) == pytest.approx(0.21, abs=0.03)
    aspect = (height / width)[inside]
    assert 0.25 < np.quantile(aspect, 0.001) < 0.4
    assert np.median(aspect) == pytest.approx(1, abs=0.1)
    assert (boxes[:, 0] + height).max() == (boxes[:, 1] + width).max() == 28
