"""From a picture file to what a network sees."""

import subprocess
import sys

import numpy as np
import pytest
from PIL import Image
from scipy import ndimage

from fashion_cnn.data.photo import Photo, prepare, read_photo
from fashion_cnn.data.segmentation import find_garment
from fashion_cnn.errors import FashionCNNError, ImageError
from test_decoding import encoded


def drawn(ground, garment, size: tuple[int, int] = (200, 160), at: tuple[int, int] = (0, 0)):
    """A garment like a T, 60 wide and 80 high, its middle at `at` from the picture's."""
    pixels = np.empty((*size, 4), np.uint8)
    pixels[:] = (*ground, 255)
    top, left = size[0] // 2 - 40 + at[0], size[1] // 2 - 30 + at[1]
    pixels[top : top + 25, left : left + 60] = (*garment, 255)
    pixels[top : top + 80, left + 15 : left + 45] = (*garment, 255)
    return pixels


def assert_is_the_t(seen: np.ndarray, level: float) -> None:
    """80 high becomes 28, 60 wide becomes 21, in the middle, on black."""
    assert seen.dtype == np.uint8
    assert seen.shape == (28, 28)
    assert (seen[:, :3] == 0).all()
    assert (seen[:, 25:] == 0).all()
    assert (seen[13:, :7] == 0).all()
    assert abs(np.median(seen[3:6, 6:22]) - level) < 4
    assert abs(np.median(seen[12:26, 11:17]) - level) < 4


@pytest.mark.parametrize("ground", [(255, 255, 255), (0, 0, 0), (200, 30, 60), (20, 120, 240)])
@pytest.mark.parametrize("at", [(0, 0), (40, -35)])
def test_any_plain_background_and_place(ground, at) -> None:
    photo = prepare(drawn(ground, (90, 120, 60), at=at))
    grey = 0.299 * 90 + 0.587 * 120 + 0.114 * 60
    assert_is_the_t(photo.seen, 255 - grey)
    assert photo.notes == ()


def test_light_on_dark_is_negated_too() -> None:
    """The data set is bright where the garment is dark, whatever it lay on."""
    assert_is_the_t(prepare(drawn((10, 10, 60), (230, 220, 200))).seen, 255 - 220.7)


def test_an_enlarged_negative_is_not_negated() -> None:
    photo = prepare(drawn((0, 0, 0), (170, 170, 170)))
    assert_is_the_t(photo.seen, 170)
    assert "negative" in photo.notes[0]


def test_alpha_says_where_the_garment_is() -> None:
    pixels = drawn((0, 255, 0), (60, 60, 60))
    pixels[pixels[:, :, 1] == 255, 3] = 0
    assert_is_the_t(prepare(pixels).seen, 195)


def shaded(ground, garment, light: tuple[float, float], grain: float) -> np.ndarray:
    """The T in a light that changes down and across, with grain: (256, 192, 4) uint8."""
    pixels = drawn(ground, garment, (256, 192)).astype(np.float64)
    down, across = np.linspace(*light, 256), np.linspace(-0.15, 0.15, 192)
    pixels[:, :, :3] *= (down[:, None] + across)[:, :, None]
    pixels[:, :, :3] += np.random.default_rng(0).normal(0, grain, (256, 192, 1))
    return pixels.clip(0, 255).astype(np.uint8)


def the_t() -> np.ndarray:
    """Where `shaded` draws it: bool (256, 192)."""
    return drawn((0, 0, 0), (1, 1, 1), (256, 192))[:, :, 0] > 0


def overlap(garment: np.ndarray, wanted: np.ndarray) -> float:
    return (garment & wanted).sum() / (garment | wanted).sum()


def test_shade_and_grain_are_seen_past() -> None:
    pixels = shaded((170, 140, 90), (30, 40, 110), light=(0.7, 1.25), grain=15)
    garment, plain = find_garment(pixels[:, :, :3])
    assert plain
    assert overlap(garment, the_t()) > 0.9
    assert_is_the_t(prepare(shaded((170, 140, 90), (60, 60, 60), (1, 1), 12)).seen, 195)


def test_on_shaded_ground_a_garment_may_reach_over_the_border() -> None:
    pixels = shaded((170, 140, 90), (170, 140, 90), light=(0.8, 1.1), grain=10)
    pixels[60:, 66:126, :3] = (30, 40, 110)
    garment, plain = find_garment(pixels[:, :, :3])
    assert plain
    wanted = np.zeros((256, 192), bool)
    wanted[60:, 66:126] = True
    assert overlap(garment, wanted) > 0.95


def test_shade_without_a_garment_is_no_garment() -> None:
    pixels = shaded((170, 140, 90), (170, 140, 90), light=(0.7, 1.25), grain=6)
    garment, plain = find_garment(pixels[:, :, :3])
    assert not plain
    assert not garment.any()
    assert prepare(pixels).notes == ("no piece of clothing stands out from the background",)


def test_uneven_ground_is_cut_away() -> None:
    pixels = shaded((170, 140, 90), (30, 40, 110), light=(0.7, 1.25), grain=15)
    planks = np.arange(256) // 16 % 2 == 1
    darker = planks[:, None] & ~the_t()
    pixels[darker, :3] = pixels[darker, :3] * 0.8
    garment, plain = find_garment(pixels[:, :, :3])
    assert not plain
    assert overlap(garment, the_t()) > 0.9
    seen = prepare(pixels).seen
    np.testing.assert_array_equal(seen, prepare(pixels).seen, "the same photo, the same pixels")
    assert (seen[:, :2] == 0).all()
    assert (seen[15:, :6] == 0).all()
    assert seen[4, 14] > 60


def test_a_wide_thing_fills_the_width() -> None:
    pixels = np.full((100, 200, 4), 255, np.uint8)
    pixels[50:70, 10:190, :3] = 40
    seen = prepare(pixels).seen
    rows = np.flatnonzero(seen.any(1))
    assert seen.any(0).all()
    assert (rows.min(), rows.max()) in {(12, 14), (13, 15), (12, 15)}


@pytest.mark.parametrize(("alpha", "why"), [(0, "it is transparent"), (255, "it is of one colour")])
def test_an_empty_picture_is_an_image_error(alpha: int, why: str) -> None:
    data = encoded(Image.new("RGBA", (50, 40), (90, 90, 90, alpha)))
    with pytest.raises(ImageError, match=f"nothing in this picture: {why}"):
        read_photo(data)
    assert issubclass(ImageError, FashionCNNError)


def test_all_of_a_pattern_is_taken_where_nothing_stands_out() -> None:
    pixels = np.full((28, 28, 4), 255, np.uint8)
    pixels[:, :, :3] = np.random.default_rng(1).integers(0, 256, (28, 28, 3))
    garment, plain = find_garment(pixels[:, :, :3])
    assert not plain
    assert not garment.any()
    photo = prepare(pixels)
    assert photo.seen[:, 3:25].all()
    assert photo.notes == ("no piece of clothing stands out from the background",)


@pytest.mark.parametrize("size", [(1, 2), (2, 1), (1, 200), (200, 1), (2, 2), (2, 3), (2, 200)])
def test_extreme_shapes_are_read(size: tuple[int, int]) -> None:
    pixels = np.random.default_rng(1).integers(0, 256, (*size, 4), dtype=np.uint8)
    pixels[:, :, 3] = 255
    seen = prepare(pixels).seen
    assert seen.shape == (28, 28)
    assert seen.any()


def test_images_of_the_data_set_pass_untouched() -> None:
    image = np.zeros((28, 28), np.uint8)
    image[4:20, 5:15] = 130
    photo = read_photo(encoded(Image.fromarray(image)))
    assert isinstance(photo, Photo)
    np.testing.assert_array_equal(photo.seen, image)
    assert photo.notes == ()
    assert "bright on black" in read_photo(encoded(Image.fromarray(255 - image))).notes[0]


def test_reading_loads_no_torch_and_plain_ground_no_opencv() -> None:
    code = """if True:
        import sys
        from fashion_cnn.data.photo import read_photo
        read_photo(sys.stdin.buffer.read())
        print(*{"torch", "cv2", "PIL", "scipy"} & set(sys.modules))
    """
    data = encoded(Image.fromarray(drawn((255, 255, 255), (9, 9, 9))))
    done = subprocess.run([sys.executable, "-c", code], input=data, capture_output=True, check=True)
    assert done.stdout.split() == []


def test_a_pixel_by_hand() -> None:
    """Halved by area, sharpened by ImageMagick's kernel, negated, in the middle: 56x40 to 28x20."""
    blocks = np.random.default_rng(0).integers(0, 200, (56, 40)).astype(np.uint8)
    pixels = np.full((80, 100, 4), 255, np.uint8)
    pixels[12:68, 30:70, :3] = blocks[:, :, None]
    framed = np.zeros((28, 28))
    framed[:, 4:24] = 255 - blocks.reshape(28, 2, 20, 2).mean((1, 3))
    gaussian = np.exp(-np.array([[2, 1, 2], [1, 0, 1], [2, 1, 2]]) / 2)
    kernel = -gaussian
    kernel[1, 1] = 2 * gaussian.sum()
    wanted = ndimage.convolve(framed, kernel / kernel.sum(), mode="constant")
    off = np.abs(prepare(pixels).seen - wanted.clip(0, 255).round())
    assert off.max() <= 1


def test_what_is_half_transparent_lies_on_white() -> None:
    pixels = drawn((0, 255, 0), (60, 60, 60))
    pixels[pixels[:, :, 1] == 255, 3] = 0
    pixels[pixels[:, :, 3] == 255, 3] = 204  # four fifths
    assert_is_the_t(prepare(pixels).seen, 255 - (0.8 * 60 + 0.2 * 255))


@pytest.mark.parametrize(("ground", "taken"), [((200, 30, 60), 1), ((255, 255, 255), 0)])
def test_on_a_coloured_background_the_outermost_pixels_go(ground, taken: int) -> None:
    pixels = drawn(ground, (30, 40, 110), (256, 192))
    garment, plain = find_garment(pixels[:, :, :3])
    assert plain
    wanted = ndimage.binary_erosion(the_t()) if taken else the_t()
    np.testing.assert_array_equal(garment, wanted)


def test_what_is_cut_out_of_uneven_ground_is_made_narrower() -> None:
    """The T, 60 by 80, would be 21 columns wide; of a photo 0.85 of that, 18."""
    pixels = shaded((170, 140, 90), (30, 40, 110), light=(0.7, 1.25), grain=15)
    darker = (np.arange(256) // 16 % 2 == 1)[:, None] & ~the_t()
    pixels[darker, :3] = pixels[darker, :3] * 0.8
    columns = np.flatnonzero((prepare(pixels).seen > 20).any(0))
    assert 17 <= columns.max() - columns.min() + 1 <= 19
