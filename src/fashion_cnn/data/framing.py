"""How the objects of a data set lie in their 28x28 pixels: measured, so that photos can be too."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fashion_cnn.errors import UsageError

SIDE = 28
GREY = (0.299, 0.587, 0.114)
"""Weights of red, green and blue. Source: ITU-R BT.601, as Pillow and ImageMagick."""
BACKGROUNDS, CENTRES = ("black", "white", "none"), ("box", "mass")
_LEAST_EDGE = 4
_LEVELS = 24  # of 255: what differs less from the background is background
_BRIGHT = 128  # of 255
_SAMPLE = 5_000  # images


@dataclass(frozen=True)
class Framing:
    """What a picture must become to look like a data set's; as it is, Fashion-MNIST's.

    Attributes:
        background: what an object lies on, "black" or "white"; "none" where pictures are whole.
        longest: edge of the object's box in pixels, 4 to 28.
        centre: what lies in the middle: of the "box", or of the "mass".
    """

    background: str = "black"
    longest: int = SIDE
    centre: str = "box"

    def __str__(self) -> str:
        """As `parse` reads it: "black,20,mass", or "none"."""
        if self.background == "none":
            return "none"
        return f"{self.background},{self.longest},{self.centre}"

    @classmethod
    def parse(cls, text: str) -> "Framing":
        """Read what `str` gives. Raises `UsageError` for anything else."""
        background, *rest = text.split(",")
        if text == "none":
            return cls(background)
        known = background in BACKGROUNDS[:2] and len(rest) == 2 and rest[1] in CENTRES
        if known and rest[0].isdecimal() and _LEAST_EDGE <= int(rest[0]) <= SIDE:
            return cls(background, int(rest[0]), rest[1])
        raise UsageError(
            f"{text!r:.60} is no framing; it is none, or BACKGROUND,EDGE,CENTRE: black or white, "
            f"{_LEAST_EDGE} to {SIDE} pixels, box or mass; MNIST's is black,20,mass"
        )

    @property
    def ground(self) -> int:
        """Grey value of the background, 0 or 255; 0 where there is none."""
        return 255 if self.background == "white" else 0

    def describe(self) -> str:
        """In words for people."""
        if self.background == "none":
            return "whole pictures without a background"
        contrast = {"black": "bright on black", "white": "dark on white"}[self.background]
        what = {"box": "its box", "mass": "its mass"}[self.centre]
        return f"{contrast}, the longest edge {self.longest} of {SIDE} pixels, {what} in the middle"


AS_PUBLISHED = Framing()
"""As Fashion-MNIST's images, and photos until others are asked for."""


def measure_framing(images: NDArray[np.uint8]) -> Framing:
    """Measure how objects lie in images, uint8 (N, 28, 28), N >= 1; some thousand are looked at.

    The background is what most of the rim is in most images. The longest edge is the median's. Of
    the two centres it is the one that is more often in one place.
    """
    images = images[:: max(1, len(images) // _SAMPLE)]
    rim = np.concatenate(
        [images[:, 0], images[:, -1], images[:, 1:-1, 0], images[:, 1:-1, -1]], axis=1
    )
    shares = {
        "black": ((rim <= _LEVELS).mean(axis=1) > 0.5).mean(),
        "white": ((rim >= 255 - _LEVELS).mean(axis=1) > 0.5).mean(),
    }
    background = max(shares, key=lambda name: shares[name])
    if shares[background] <= 0.5:
        return Framing("none")
    bright = images if background == "black" else 255 - images
    places, edges = np.arange(SIDE), []
    box, mass = [], []
    for axis in (2, 1):
        brightest = bright.max(axis=axis)
        some = brightest.max(axis=1) > _LEVELS
        there = brightest[some] > _LEVELS
        first, last = there.argmax(axis=1), SIDE - 1 - there[:, ::-1].argmax(axis=1)
        weights = bright[some].sum(axis=axis, dtype=np.float64)
        edges.append(last - first + 1)
        box.append((first + last) / 2)
        mass.append(weights @ places / weights.sum(axis=1))
    if not len(edges[0]):
        return Framing(background)
    longest = max(_LEAST_EDGE, int(np.median(np.maximum(*edges))))
    spread = {"box": np.var(box, axis=1).sum(), "mass": np.var(mass, axis=1).sum()}
    full = longest >= SIDE - 1  # there is no room to lie elsewhere
    centre = "box" if full else min(spread, key=lambda name: spread[name])
    return Framing(background, longest, centre)


def against(images: NDArray[np.uint8], framing: Framing) -> list[tuple[str, ...]]:
    """A note on each of images taken as they are, uint8 (N, 28, 28), that lies otherwise."""
    rims = np.concatenate([images[:, 0], images[:, -1], images[:, :, 0], images[:, :, -1]], axis=1)
    contrast = framing.describe().split(",")[0]
    note = f"28x28 and grey, so taken as it is; but the data set is {contrast}"
    fits = (np.median(rims, axis=1) > _BRIGHT) == (framing.background == "white")
    return [() if fit or framing.background == "none" else (note,) for fit in fits]


def shrink(values: NDArray[np.floating], shape: tuple[int, ...]) -> NDArray[np.float64]:
    """Average over areas: (…, H, W) to (…, *shape); enlarging repeats pixels."""
    return _areas(values.shape[-2], shape[0]) @ values @ _areas(values.shape[-1], shape[1]).T


def _areas(length: int, wanted: int) -> NDArray[np.float64]:
    """Share of each old pixel in each new one along an axis: (wanted, length), rows sum to one."""
    edges = np.arange(wanted + 1) * length / wanted
    old = np.arange(length)
    low, high = edges[:-1, None], edges[1:, None]
    overlap = np.minimum(high, old + 1) - np.maximum(low, old)
    return overlap.clip(0) * wanted / length
