"""Pictures to measure on: the data set as if photographed, and pictures of no clothes."""

import io
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter, ImageFont

from fashion_cnn.data.randomness import stream

_SIDE, _MARGIN = 168, 24
_ORIENTATION = 0x0112  # Source: EXIF 2.32
_TURN = {3: Image.Transpose.ROTATE_180, 6: Image.Transpose.ROTATE_90, 8: Image.Transpose.ROTATE_270}
"""How a camera's picture lies in the file, by what its EXIF tag says."""

Random = np.random.Generator
Pixels = NDArray[np.uint8]


def _file(picture: Image.Image, kind: str = "PNG", **how: object) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, kind, **how)
    return buffer.getvalue()


def _enlarged(image: Pixels) -> tuple[Image.Image, Image.Image]:
    """The garment in its own greys (negated, as it was photographed), and its outline."""
    size = (_SIDE, _SIDE)
    solid = Image.fromarray((image > 0).astype(np.uint8) * 255)
    solid = solid.filter(ImageFilter.MaxFilter(3)).filter(ImageFilter.MinFilter(3))
    outline = solid.resize(size, Image.Resampling.BICUBIC).point([0] * 128 + [255] * 128)
    return Image.fromarray(255 - image).resize(size, Image.Resampling.BICUBIC), outline


def _on(background: Image.Image, image: Pixels, at: tuple[int, int]) -> Image.Image:
    garment, outline = _enlarged(image)
    background.paste(garment.convert("RGB"), at, outline)
    return background


def _white(image: Pixels, random: Random) -> Image.Image:
    side = _SIDE + 2 * _MARGIN
    return _on(Image.new("RGB", (side, side), "white"), image, (_MARGIN, _MARGIN))


def _colour(random: Random) -> tuple[int, ...]:
    """A saturated colour, as of a sheet that clothes are laid on."""
    return tuple(
        int(v) for v in random.permutation([random.integers(a, a + 50) for a in (10, 90, 200)])
    )


def _coloured(image: Pixels, random: Random) -> Image.Image:
    side = _SIDE + 2 * _MARGIN
    return _on(Image.new("RGB", (side, side), _colour(random)), image, (_MARGIN, _MARGIN))


def _noisy(image: Pixels, random: Random) -> Image.Image:
    side = _SIDE + 2 * _MARGIN
    slope = np.linspace(0.8, 1.1, side)[:, None, None] * np.array(_colour(random))
    background = slope + random.normal(0, 12, (side, side, 3))
    background = Image.fromarray(background.clip(0, 255).astype(np.uint8))
    return _on(background, image, (_MARGIN, _MARGIN))


def _off_centre(image: Pixels, random: Random) -> Image.Image:
    at = random.integers(_MARGIN, 320 - _SIDE - _MARGIN, 2)
    return _on(Image.new("RGB", (320, 320), _colour(random)), image, (int(at[0]), int(at[1])))


def _exif(image: Pixels, random: Random) -> bytes:
    tag = int(random.choice(list(_TURN)))
    exif = Image.Exif()
    exif[_ORIENTATION] = tag
    return _file(_white(image, random).transpose(_TURN[tag]), "JPEG", quality=90, exif=exif)


def _transparent(image: Pixels, random: Random) -> bytes:
    garment, outline = _enlarged(image)
    picture = garment.convert("RGB")
    picture.putalpha(outline)
    return _file(picture)


def _negative(image: Pixels, random: Random) -> bytes:
    return _file(Image.fromarray(image).resize((_SIDE, _SIDE), Image.Resampling.BICUBIC))


CONDITIONS: dict[str, Callable[[Pixels, Random], bytes]] = {
    "white": lambda image, random: _file(_white(image, random)),
    "jpeg": lambda image, random: _file(_white(image, random), "JPEG", quality=50),
    "coloured": lambda image, random: _file(_coloured(image, random)),
    "noisy": lambda image, random: _file(_noisy(image, random), "JPEG", quality=85),
    "off_centre": lambda image, random: _file(_off_centre(image, random), "WEBP", quality=90),
    "exif": _exif,
    "transparent": _transparent,
    "negative": _negative,
}
"""Ways to photograph an image of the data set: each makes the bytes of a file."""


def photographs(condition: str, images: Pixels, seed: int = 0) -> list[bytes]:
    """Files that show images (N, 28, 28) of the data set in one of `CONDITIONS`."""
    make = CONDITIONS[condition]
    return [make(image, stream(seed, condition, i)) for i, image in enumerate(images)]


def shop_photo(sample: bytes) -> bytes:
    """An ordinary photo of a garment: a JPEG of 800x800, quality 85, of some 30 kB.

    Args: sample: a grey picture of 28x28, bright on black, as the page has them of test images.

    Returns:
        It enlarged to 600x600, negated, brownish, in the middle of a white background, with a
        camera's grain (a standard deviation of 3 levels).
    """
    small = Image.open(io.BytesIO(sample)).convert("L")
    garment = np.asarray(small.resize((600, 600), Image.Resampling.BICUBIC)) / 255
    share = np.pad(garment, 100)[:, :, None]
    grain = np.random.default_rng(0).normal(0, 3, (800, 800, 3))
    pixels = 255 - share * np.array([200.0, 215.0, 230.0]) + grain
    return _file(Image.fromarray(pixels.round().clip(0, 255).astype(np.uint8)), "JPEG", quality=85)


def _noise(random: Random) -> Image.Image:
    return Image.fromarray(random.integers(0, 256, (160, 160, 3), dtype=np.uint8))


def _gradient(random: Random) -> Image.Image:
    across, down = np.meshgrid(np.linspace(-1, 1, 160), np.linspace(-1, 1, 160))
    way = random.uniform(-1, 1, (2, 3))
    values = 128 + 127 * np.tanh(across[..., None] * way[0] + down[..., None] * way[1])
    return Image.fromarray(values.astype(np.uint8))


def _words(random: Random, text: str, size: int) -> Image.Image:
    picture = Image.new("RGB", (200, 160), tuple(random.integers(200, 256, 3).tolist()))
    ink = tuple(random.integers(0, 90, 3).tolist())
    ImageDraw.Draw(picture).multiline_text((16, 12), text, ink, ImageFont.load_default(size))
    return picture


def _text(random: Random) -> Image.Image:
    letters = random.integers(97, 123, (6, 14))
    return _words(random, "\n".join("".join(map(chr, row)) for row in letters), 18)


def _digit(random: Random) -> Image.Image:
    return _words(random, str(random.integers(0, 10)), int(random.integers(90, 140)))


def _shape(random: Random) -> Image.Image:
    picture = Image.new("RGB", (160, 160), tuple(random.integers(180, 256, 3).tolist()))
    ink, draw = tuple(random.integers(0, 140, 3).tolist()), ImageDraw.Draw(picture)
    radius = int(random.integers(25, 60))
    kind = random.integers(0, 5)
    if kind == 0:
        draw.circle((80, 80), radius, ink)
    elif kind == 1:
        draw.circle((80, 80), radius, outline=ink, width=8)
    else:
        sides = (3, 5, 6)[kind - 2]
        draw.regular_polygon((80, 80, radius), sides, int(random.integers(0, 90)), ink)
    return picture


STRANGE: dict[str, Callable[[Random], Image.Image]] = {
    "noise": _noise,
    "gradients": _gradient,
    "text": _text,
    "digits": _digit,
    "shapes": _shape,
}
"""Pictures of nothing to wear."""


def strange_pictures(kind: str, count: int, seed: int = 0) -> list[bytes]:
    """Files that show one kind of `STRANGE`."""
    return [_file(STRANGE[kind](stream(seed, kind, i))) for i in range(count)]
