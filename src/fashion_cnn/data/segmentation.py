"""Finding the garment in a photo: which pixels are the piece of clothing, which the background."""

import numpy as np
from numpy.typing import NDArray

_BORDER = 0.03  # share of the longest edge that is taken for background
_CORE = 0.15  # share of the half edges: the ellipse in the middle that is taken for garment
_LIKELY = 0.8  # share of the half edges: the rectangle where garment is likelier than background
_EVEN = 12.0  # 8-bit levels: a border whose colours differ less is of one colour
_PAINTED = 2.0  # 8-bit levels: half of a border as even as this is no photo's; the rest is garment
_APART = 10.0  # 8-bit levels: further than this from the background's colour is garment
_COLOURED = 20.0  # 8-bit levels: the channels of a colour differ by more
_SMALLEST_PART = 0.2  # of the largest part's area: smaller parts are dirt, labels and hangers
_GRAIN = 5  # pixels: averaged over a square of this side, grain is gone
_ITERATIONS = 3  # of GrabCut
_GRABCUT_SIDE = 192  # it takes four times as long at twice the side


def border_colour(pixels: NDArray[np.uint8]) -> NDArray[np.float64]:
    """The median colour, float64 (3,), of the outermost of pixels, uint8 (H, W, 3)."""
    return np.median(_border(pixels), axis=0)


def _unevenness(pixels: NDArray[np.uint8], colour: NDArray[np.float64]) -> tuple[float, float]:
    """The distances from `colour` that half and nine tenths of the outermost do not exceed."""
    squares = _squared_distance(_border(pixels), colour).astype(np.float64)
    distances = np.sort(np.sqrt(squares))
    return _quantile(distances, 0.5), _quantile(distances, 0.9)


def _quantile(ascending: NDArray[np.float64], share: float) -> float:
    """As `numpy.quantile`, whose call takes longer than its work."""
    place = share * (len(ascending) - 1)
    low, high = ascending[int(place) : int(place) + 2][[0, -1]]
    return float(low + (place - int(place)) * (high - low))


def _border(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The outermost pixels: (H, W, 3) to (N, 3)."""
    width = _edge(*pixels.shape[:2])
    edges = (pixels[:width], pixels[-width:], pixels[:, :width], pixels[:, -width:])
    return np.concatenate([edge.reshape(-1, 3) for edge in edges])


def _squared_distance(
    pixels: NDArray[np.uint8], colour: NDArray[np.float64]
) -> NDArray[np.float32]:
    """How far colours (..., 3) are from one, in 8-bit levels, squared: (...).

    Exact where `colour` is a median. A channel at a time and in place: ten times as fast.
    """
    total = np.zeros(pixels.shape[:-1], np.float32)
    for channel in range(3):
        off = pixels[..., channel].astype(np.float32)
        off -= np.float32(colour[channel])
        off *= off
        total += off
    return total


def _edge(height: int, width: int) -> int:
    """Pixels that the border is wide."""
    return max(1, round(_BORDER * max(height, width)))


def find_garment(
    pixels: NDArray[np.uint8], colour: NDArray[np.float64] | None = None
) -> tuple[NDArray[np.bool_], bool]:
    """Tell the garment from the background.

    On a border of one colour, whatever differs from that colour is garment; grain and a change of
    light from one side to another are seen past. Elsewhere GrabCut decides, told that the border is
    background and the middle likely to be garment.

    Args: pixels: uint8 (H, W, 3), at most a few hundred pixels a side; colour: `border_colour` of
        them, where it is known.

    Returns:
        bool (H, W), all False if there is nothing; and whether it is what differs from a background
        of one colour. For an empty picture that is True on one colour, False on a shaded one.

    Source: Rother, Kolmogorov, Blake 2004, GrabCut.
    """
    colour = border_colour(pixels) if colour is None else colour
    half, most = _unevenness(pixels, colour)
    if most <= _EVEN or half <= _PAINTED:
        uneven = most if most <= _EVEN else half
        garment = _squared_distance(pixels, colour) > np.float64(max(_APART, 3 * uneven) ** 2)
        return _eroded(garment) if np.ptp(colour) > _COLOURED else garment, True
    garment = _on_shaded_background(pixels)
    if garment is None:
        return _grabcut(pixels), False
    # Nothing: False, so that what may be too faint to find is answered with a note, not refused.
    return garment, bool(garment.any())


def _on_shaded_background(pixels: NDArray[np.uint8]) -> NDArray[np.bool_] | None:
    """What differs from a plane of colours through the border; None where none fits it."""
    import cv2  # 0.1 s, which pictures on a plain background need not pay

    smooth = cv2.blur(pixels, (_GRAIN, _GRAIN)).astype(np.float64)
    height, width = pixels.shape[:2]
    row, column = np.mgrid[:height, :width] / max(height, width)
    places = np.stack([np.ones_like(row), row, column], axis=2)
    edge = _edge(height, width)
    on_border = np.ones((height, width), bool)
    on_border[edge:-edge, edge:-edge] = False
    at, colours = places[on_border], smooth[on_border]
    plane = np.linalg.lstsq(at, colours)[0]
    off = np.linalg.norm(colours - at @ plane, axis=1)
    fits = off <= np.quantile(off, 0.9)  # the rest may be a garment that reaches over the border
    plane = np.linalg.lstsq(at[fits], colours[fits])[0]
    most = np.quantile(np.linalg.norm(colours - at @ plane, axis=1), 0.9)
    if most > _EVEN:
        return None
    apart = np.linalg.norm(smooth - places @ plane, axis=2) > max(_APART, 3 * most)
    # Specks of grain go, and the half of the square by which averaging has widened the rest.
    return cv2.erode(apart.astype(np.uint8), np.ones((_GRAIN, _GRAIN), np.uint8)).astype(bool)


def _eroded(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Take off the outermost pixels, which are mixed with the background's colour."""
    wider = np.pad(mask, 1)
    return mask & wider[:-2, 1:-1] & wider[2:, 1:-1] & wider[1:-1, :-2] & wider[1:-1, 2:]


def _grabcut(pixels: NDArray[np.uint8]) -> NDArray[np.bool_]:
    import cv2

    cv2.setRNGSeed(0)
    scale = min(1, _GRABCUT_SIDE / max(pixels.shape[:2]))
    height, width = (max(1, round(scale * length)) for length in pixels.shape[:2])
    small = cv2.resize(pixels, (width, height), interpolation=cv2.INTER_AREA)
    row = np.abs(np.arange(height) * 2 - height + 1)[:, None] / height
    column = np.abs(np.arange(width) * 2 - width + 1)[None, :] / width
    mask = np.full((height, width), cv2.GC_PR_BGD, np.uint8)
    mask[(row < _LIKELY) & (column < _LIKELY)] = cv2.GC_PR_FGD
    edge = _edge(height, width)
    mask[:edge] = mask[-edge:] = mask[:, :edge] = mask[:, -edge:] = cv2.GC_BGD
    mask[row**2 + column**2 < _CORE**2] = cv2.GC_FGD
    if not ((mask == cv2.GC_FGD) | (mask == cv2.GC_PR_FGD)).any():
        return np.zeros(pixels.shape[:2], bool)  # too narrow: all of it is border
    models = np.zeros((1, 65)), np.zeros((1, 65))
    whole = (0, 0, width, height)
    cv2.grabCut(small, mask, whole, *models, _ITERATIONS, cv2.GC_INIT_WITH_MASK)
    garment = ((mask == cv2.GC_FGD) | (mask == cv2.GC_PR_FGD)).astype(np.uint8)
    garment = cv2.morphologyEx(garment, cv2.MORPH_OPEN, np.ones((3, 3), np.uint8))
    _, parts, facts, _ = cv2.connectedComponentsWithStats(garment)
    areas = facts[:, cv2.CC_STAT_AREA].copy()
    areas[0] = 0  # the background
    kept = np.isin(parts, np.flatnonzero(areas > _SMALLEST_PART * areas.max())).astype(np.float32)
    return cv2.resize(kept, pixels.shape[1::-1], interpolation=cv2.INTER_LINEAR) > 0.5
