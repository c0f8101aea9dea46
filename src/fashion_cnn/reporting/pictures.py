"""Many small images in one picture, so that a page holds each once; and maps to lay over them."""

import base64
import io
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fashion_cnn.evaluation.occlusion import BLOCK

COLUMNS = 40
"""Images side by side in a sheet."""

_FOR, _AGAINST = (255, 140, 40), (70, 140, 255)  # told apart by the colour-blind too
_STRONGEST = 0.85  # opacity
_QUALITY = 50  # of WebP, from 0 to 100


@dataclass(frozen=True)
class Sheet:
    """A sheet of images.

    Attributes:
        url: the picture as a data URL.
        places: position of an image in the split to its place in the sheet, row by row.
    """

    url: str
    places: dict[int, int]


def sheet_of(images: Mapping[int, NDArray[np.uint8]], *, lossy: bool = False) -> Sheet:
    """Put images, uint8 of one shape (S, S) or (S, S, channels), into a sheet, by position.

    Args: lossy: as WebP, a third of the size of a PNG, for very many.
    """
    tiles = np.stack(list(images.values())) if images else np.zeros((0, 28, 28), np.uint8)
    form = "webp" if lossy else "png"
    url = f"data:image/{form};base64," + base64.b64encode(_tile(tiles, form)).decode()
    return Sheet(url, {position: place for place, position in enumerate(images)})


def _tile(images: NDArray[np.uint8], form: str) -> bytes:
    """Put images (N, S, S) or (N, S, S, channels) side by side, row by row."""
    from PIL import Image

    rows, side = max(1, -(-len(images) // COLUMNS)), images.shape[1]
    filled = np.zeros((rows * COLUMNS, *images.shape[1:]), np.uint8)
    filled[: len(images)] = images
    grid = filled.reshape(rows, COLUMNS, *images.shape[1:]).swapaxes(1, 2)
    data = io.BytesIO()
    picture = Image.fromarray(grid.reshape(rows * side, COLUMNS * side, *images.shape[3:]))
    words = {"quality": _QUALITY, "method": 2} if form == "webp" else {"compress_level": 6}
    picture.save(data, form, **words)
    return data.getvalue()


@dataclass(frozen=True)
class HeatMaps:
    """Where the evidence is, as a page shows it: transparent tiles to lay over the images.

    Attributes:
        sheet: of the tiles.
        points: what the deepest colour stands for, in percentage points; one scale for all.
    """

    sheet: Sheet
    points: float


def heat_maps(maps: Mapping[int, NDArray[np.floating]]) -> HeatMaps | None:
    """Colour maps (28, 28) of probabilities from -1 to 1, by the image's position, on one scale.

    Warm where covering the place takes from the answer's probability, cold where it adds to it.
    None without maps.
    """
    if not maps:
        return None
    values = np.stack(list(maps.values()))[:, ::BLOCK, ::BLOCK]
    most = max(float(np.abs(values).max()), 0.01)
    tiles = np.zeros((*values.shape, 4), np.uint8)
    tiles[..., :3] = np.where(values[..., None] > 0, _FOR, _AGAINST)
    tiles[..., 3] = np.rint(255 * _STRONGEST * np.abs(values) / most)
    return HeatMaps(
        sheet_of({position: tiles[place] for place, position in enumerate(maps)}), 100 * most
    )
