"""From a picture file to the 28x28 pixels that a network sees, as the publisher made the data set.

Fashion-MNIST (Xiao, Rasul, Vollgraf 2017, arXiv 1708.07747, sec. 2) was made from shop photos on
white: trim the border of the corner's colour, shrink the longest edge to 28, sharpen, extend to
28x28 with the garment in the middle, negate, make grey. Real photos need more: turning upright,
any background, any polarity. A data set of one's own may lie otherwise in its pixels: `Framing`.
"""

import atexit
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from fashion_cnn.data.decoding import DecoderPool
from fashion_cnn.data.framing import AS_PUBLISHED, GREY, SIDE, Framing, against, shrink
from fashion_cnn.data.segmentation import border_colour, find_garment
from fashion_cnn.errors import ImageError

_CENTRE, _EDGE, _CORNER = 1.661, -0.1029, -0.0624
"""Sharpening with a Gaussian of radius and standard deviation 1. Source: ImageMagick's -sharpen,
whose kernel is minus the Gaussian, in the middle twice its sum, and sums to one."""
_DARK = 40  # 8-bit levels: a grey picture with a darker border is a negative already
_COLOURLESS = 4  # 8-bit levels: channels that differ less are of a grey picture
_NEARLY = 10  # 8-bit levels: a picture whose pixels differ less has nothing in it
_OPAQUE = 0.5
_LEAST, _MOST = 0.02, 0.85  # share of a picture that a garment can be
_WIDTH = 0.85
"""What is laid out for a photo spreads its sleeves and legs; the data set's clothes hang, and are
narrower. Source: docs/log.md, 2026-11-24."""

decoders = DecoderPool()
atexit.register(decoders.close)


@dataclass(frozen=True, eq=False)
class Photo:
    """A picture as a network sees it.

    Attributes:
        seen: uint8 (28, 28), as in the data set.
        notes: lines for people on what was done or looks wrong; often none.
        plain: whether it stood out from a background of one colour (shaded, grained), or had none,
            or came as 28x28 pixels; else GrabCut looked for it, or nothing stood out.
        untouched: whether it came as 28x28 grey pixels.
        found: whether something stood out of the background, where there is one.
    """

    seen: NDArray[np.uint8]
    notes: tuple[str, ...] = ()
    plain: bool = True
    untouched: bool = False
    found: bool = True


def read_photo(
    data: bytes, framing: Framing = AS_PUBLISHED, cpu_seconds: float | None = None
) -> Photo:
    """Read a picture file and make it look like the data set.

    Args:
        data: a PNG, JPEG, WEBP, AVIF or HEIC file, at most 8 MB and 25 million pixels. A grey one
            of 28x28 pixels passes untouched.
        framing: how the data set's images were made.
        cpu_seconds: of processor time to decode it in; None for the most, 2 s.

    Raises:
        ImageError: it is none, or damaged, too large or hostile, or there is nothing in it; one
            line that says which. `SlowImageError` if it takes too long.
        DecoderError: what opens pictures is ended from outside.
    """
    pixels, notes = decoders.decode(data, cpu_seconds)
    if pixels.ndim == 3:
        photo = prepare(pixels, framing)
        return replace(photo, notes=(*notes, *photo.notes))
    if framing.background != "none" and np.ptp(pixels) < _NEARLY:
        raise _nothing("of one colour, or nearly")
    return Photo(pixels, (*notes, *against(pixels[None], framing)[0]), untouched=True)


def prepare(pixels: NDArray[np.uint8], framing: Framing = AS_PUBLISHED) -> Photo:
    """Make upright pixels look like the data set: find the garment, crop, shrink, sharpen, negate.

    Args:
        pixels: uint8 (H, W, 4) RGBA, alpha not premultiplied.
        framing: how the data set's images were made. What has no background is cut to a square
            around the middle and shrunk whole.

    Raises:
        ImageError: there is nothing in the picture: one colour, or all of it transparent.
    """
    colours, alpha, cut_out = pixels[:, :, :3], pixels[:, :, 3:], False
    notes: list[str] = []
    if alpha.min() < 255:
        share = alpha / 255
        opaque = share[:, :, 0] > _OPAQUE
        cut_out = not opaque.all()
        ground = 255  # as the publisher's
        if cut_out and opaque.any() and _grey(colours[opaque][None]).min() > 255 - _NEARLY:
            ground = 0
            notes.append("white on transparent, so taken as bright on black")
        colours = (colours * share + ground * (1 - share)).round().astype(np.uint8)
    if framing.background == "none":
        return Photo(_whole(_grey(colours)), tuple(notes))
    background = border_colour(colours)
    if cut_out:
        garment, plain = alpha[:, :, 0] > _OPAQUE * 255, True
    else:
        garment, plain = find_garment(colours, background)
    if not garment.any():
        if plain:
            raise _nothing("transparent" if cut_out else "of one colour, or nearly")
        garment[:] = True  # the whole frame, with the note below
    rows, columns = np.flatnonzero(garment.any(1)), np.flatnonzero(garment.any(0))
    box = slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)
    values, as_published = _grey(colours[box]), framing == AS_PUBLISHED
    if not cut_out and _is_negative(colours, background):
        same = "for a negative like those of" if framing.background == "black" else "for one unlike"
        notes.append(f"grey on black, so taken {same} the data set")
    elif not cut_out and not as_published and _is_brighter(colours, garment, background):
        like = "like" if framing.background == "black" else "unlike"
        notes.append(f"brighter than its background, so taken for one {like} those of the data set")
    elif not notes:  # white on transparent is bright already
        values = 255 - values
    found = bool(_LEAST < garment.mean() < _MOST)
    if not found:
        what = "no piece of clothing" if as_published else "nothing"
        notes.append(f"{what} stands out from the background")
    sharpen, width = plain and framing.longest == SIDE, 1 if plain or not as_published else _WIDTH
    seen = _fit(values * garment[box], framing, sharpen=sharpen, width=width)
    seen = 255 - seen if framing.background == "white" else seen
    return Photo(seen, tuple(notes), plain, found=found)


def _nothing(why: str) -> ImageError:
    return ImageError(f"there is nothing in this picture: it is {why}")


def _grey(colours: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Brightness of pixels, (H, W, 3) to (H, W)."""
    values = np.zeros(colours.shape[:2])
    for channel, weight in enumerate(GREY):
        values += weight * colours[:, :, channel]
    return values


def _whole(values: NDArray[np.float64]) -> NDArray[np.uint8]:
    """Shrink the largest square in the middle: (H, W) to (28, 28)."""
    side = min(values.shape)
    top, left = ((length - side) // 2 for length in values.shape)
    square = values[top : top + side, left : left + side]
    return shrink(square, (SIDE, SIDE)).round().astype(np.uint8)


def _is_negative(pixels: NDArray[np.uint8], background: NDArray[np.float64]) -> bool:
    """Whether a picture is grey on black, as an enlarged image of the data set is."""
    return bool(background.max() < _DARK and np.ptp(pixels, axis=2).max() < _COLOURLESS)


def _is_brighter(
    colours: NDArray[np.uint8], found: NDArray[np.bool_], background: NDArray[np.float64]
) -> bool:
    """Whether what was found, bool (H, W), is brighter than its background; not if it is all."""
    return not found.all() and bool(_grey(colours)[found].mean() > background @ GREY)


def _fit(
    values: NDArray[np.float64], framing: Framing, *, sharpen: bool, width: float
) -> NDArray[np.uint8]:
    """Shrink the longest edge and put what is framed into the middle: (H, W) to (28, 28).

    Args: values; how; whether to sharpen; width: a factor on it before anything else.
    """
    across, down = values.shape[1] * width, values.shape[0]
    scale = framing.longest / max(across, down)
    height, width = max(1, round(scale * down)), max(1, round(scale * across))
    small = shrink(values, (height, width))
    top, left = (SIDE - height) // 2, (SIDE - width) // 2
    if framing.centre == "mass" and small.any():
        top = _start(small.sum(axis=1))
        left = _start(small.sum(axis=0))
    framed = np.zeros((SIDE, SIDE))
    framed[top : top + height, left : left + width] = small
    if sharpen:
        framed = _sharpened(framed)
    return framed.round().clip(0, 255).astype(np.uint8)


def _start(weights: NDArray[np.float64]) -> int:
    """Where an axis of so much weight a pixel begins if its mass is to lie in the middle."""
    middle = weights @ np.arange(len(weights)) / weights.sum()
    return min(max(0, round((SIDE - 1) / 2 - middle)), SIDE - len(weights))


def _sharpened(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Convolve with the 3x3 kernel of ImageMagick's `-sharpen 1x1`, zeros beyond the border."""
    padded = np.pad(values, 1)
    upper, middle, lower = padded[:-2], padded[1:-1], padded[2:]
    edges = upper[:, 1:-1] + lower[:, 1:-1] + middle[:, :-2] + middle[:, 2:]
    corners = upper[:, :-2] + upper[:, 2:] + lower[:, :-2] + lower[:, 2:]
    return _CENTRE * values + _EDGE * edges + _CORNER * corners
