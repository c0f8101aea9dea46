"""Near-duplicate images, found by an exact search over all pairs, and what they do to an accuracy.

The distance of two images is |a - b| / sqrt((|a|² + |b|²) / 2), with Euclidean norms of the grey
values. It is 0 for equal images and about 1 or more for unlike ones, whether clothes are dark or
bright; what lies on white is negated first, or its background would make it alike.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fashion_cnn.classifier import check_images
from fashion_cnn.errors import UsageError
from fashion_cnn.evaluation.metrics import wilson_interval

NEAR = 0.08
"""Up to here two images of Fashion-MNIST show the same photograph or garment.

Source: pairs looked at, band by band; docs/log.md, 2026-11-24.
"""

REACH = 1.5
"""Times the threshold: how far the search goes, to show what lies beyond."""

_FILTER = 64  # dimensions; 48 pass half as many pairs again on to be computed, 96 cost more to scan
_BLOCK = 1024  # images a side: their products fit the second-level cache
_AT_ONCE = 16_384  # pairs whose distances are computed together, 50 MB
_MOST_PAIRS = 10_000_000  # of 24 bytes, which are copied some times
_ROUNDING = 2e-5  # of the largest squared norm; the products' float32 error is below half of it


@dataclass(frozen=True, eq=False)
class Pairs:
    """Pairs of images and their distances, the nearest first.

    Attributes:
        first, second: int64 (M,) positions, `first` < `second`.
        distance: float64 (M,).
        mirrored: bool (M,), whether the second is compared after being mirrored left to right.
    """

    first: NDArray[np.int64]
    second: NDArray[np.int64]
    distance: NDArray[np.float64]
    mirrored: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.first)

    def where(self, chosen: NDArray[np.bool_]) -> "Pairs":
        """The pairs for which `chosen`, bool (M,), holds."""
        return Pairs(
            self.first[chosen], self.second[chosen], self.distance[chosen], self.mirrored[chosen]
        )


def near_pairs(images: NDArray[np.uint8], reach: float = NEAR * REACH) -> Pairs:
    """Find every pair of images at most `reach` apart, as they are or one of them mirrored.

    All pairs are looked at. A projection onto 64 orthonormal directions can only shrink a
    difference, so pairs whose projections are too far apart are passed over without loss; the
    distances of the rest are computed in whole numbers. A pair that is near both as it is and
    mirrored is listed once, by the smaller distance.

    Args:
        images: (N, 28, 28) uint8.
        reach: above 0 and at most 0.5, where nearly everything would be near.

    Raises:
        UsageError: another dtype or shape, or a reach out of range or that has very many pairs in
            it.
    """
    check_images(images)
    if not 0 < reach <= 0.5:
        raise UsageError(f"reach is {reach}; it must be a number above 0 and at most 0.5")
    found = [_search(images, reach, mirrored=mirrored) for mirrored in (False, True)]
    parts = zip(*found, strict=True)
    first, second, distance = (np.concatenate(part) for part in parts)
    mirrored = np.repeat([False, True], [len(part[0]) for part in found])
    order = np.lexsort((mirrored, second, first, distance))
    pairs = Pairs(first[order], second[order], distance[order], mirrored[order])
    _, once = np.unique(pairs.first * len(images) + pairs.second, return_index=True)
    return pairs.where(np.isin(np.arange(len(pairs)), once))


def _search(
    images: NDArray[np.uint8], reach: float, *, mirrored: bool
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]:
    """Pairs (first < second) and their distances, in no order."""
    pixels = images.reshape(-1, 28 * 28)
    others = images[:, :, ::-1].reshape(-1, 28 * 28) if mirrored else pixels
    norms = np.einsum("np,np->n", pixels, pixels, dtype=np.int64)
    left, right, slack = _filters(pixels, others, reach * reach / 2 * norms)
    firsts, seconds, distances, found = [], [], [], 0
    for top in range(0, len(images), _BLOCK):
        for start in range(top, len(images), _BLOCK):
            # Squared distance of the projections less what is allowed.
            excess = left[top : top + _BLOCK] @ right[start : start + _BLOCK].T
            places = np.flatnonzero(excess <= slack)
            a, b = np.divmod(places, excess.shape[1])
            a, b = a + top, b + start
            a, b = a[a < b], b[a < b]
            for part in range(0, len(a), _AT_ONCE):
                i, j = a[part : part + _AT_ONCE], b[part : part + _AT_ONCE]
                difference = pixels[i].astype(np.int32) - others[j]
                squared = np.einsum("np,np->n", difference, difference, dtype=np.int64)
                mean = np.maximum((norms[i] + norms[j]) / 2, 1)  # both black: 0 / 1
                distance = np.sqrt(squared / mean)
                near = distance <= reach
                firsts.append(i[near])
                seconds.append(j[near])
                distances.append(distance[near])
                found += int(near.sum())
                if found > _MOST_PAIRS:
                    raise UsageError(
                        f"more than {_MOST_PAIRS:,} pairs of images are within {reach:g}, which "
                        f"is {REACH:g} times the threshold; give a smaller one, or are "
                        "thousands of images the same?"
                    )
    empty = np.empty(0, np.int64)
    return (
        np.concatenate([empty, *firsts]),
        np.concatenate([empty, *seconds]),
        np.concatenate([np.empty(0), *distances]),
    )


def _filters(
    pixels: NDArray[np.uint8], others: NDArray[np.uint8], allowed: NDArray[np.float64]
) -> tuple[NDArray[np.float32], NDArray[np.float32], float]:
    """Two (N, 66) arrays whose products are squared projected distances less what is allowed.

    Returns:
        The arrays, and how far above 0 rounding can lift the product of a pair that is near.
    """
    mean = pixels.sum(0) / max(len(pixels), 1)
    centred = pixels.astype(np.float32) - mean.astype(np.float32)
    _, directions = np.linalg.eigh((centred.T @ centred).astype(np.float64))
    directions = directions[:, -_FILTER:]  # any orthonormal ones are right, these pass the fewest
    left = _project(pixels, mean, directions)
    right = left if others is pixels else _project(others, mean, directions)
    one = np.ones((len(pixels), 1))
    squares = [(side**2).sum(1) for side in (left, right)]
    slack = _ROUNDING * max(float(np.max(square, initial=0)) for square in squares)
    columns = [(square - allowed)[:, None] for square in squares]
    return (
        np.hstack([left, columns[0], one]).astype(np.float32),
        np.hstack([-2 * right, one, columns[1]]).astype(np.float32),
        slack,
    )


def _project(
    pixels: NDArray[np.uint8], mean: NDArray[np.float64], directions: NDArray[np.float64]
) -> NDArray[np.float64]:
    parts = [
        (pixels[start : start + 8 * _BLOCK] - mean) @ directions
        for start in range(0, len(pixels), 8 * _BLOCK)
    ]
    return np.concatenate([np.empty((0, directions.shape[1])), *parts])


def copies_of(pairs: Pairs, training: int) -> NDArray[np.int64]:
    """The test images, ascending from 0, that are the second of a pair with a training image.

    Args: training: images; the positions from there on are the test images.
    """
    across = (pairs.first < training) & (pairs.second >= training)
    return np.unique(pairs.second[across]) - training


def accuracy_without(
    correct: NDArray[np.bool_], left_out: NDArray[np.int64]
) -> dict[str, dict[str, Any]]:
    """Accuracy with 95 % Wilson intervals on all images, on the rest, and on those left out.

    Args:
        correct: (N,) bool.
        left_out: int64 (K,) positions, each once.

    Returns:
        "all", "without" and "left_out": n, accuracy from 0 to 1, interval; the last two are None
        where no image is in the group.
    """
    mask = np.zeros(len(correct), bool)
    mask[left_out] = True
    groups = {"all": correct, "without": correct[~mask], "left_out": correct[mask]}
    return {name: _accuracy(group) for name, group in groups.items()}


def _accuracy(correct: NDArray[np.bool_]) -> dict[str, Any]:
    n, hits = len(correct), int(correct.sum())
    if not n:
        return {"n": 0, "accuracy": None, "interval": None}
    return {"n": n, "accuracy": hits / n, "interval": list(wilson_interval(hits, n))}


def disagreement(pairs: Pairs, labels: NDArray[np.int64]) -> dict[str, Any]:
    """How often two near-duplicates carry different labels, and the noise that this speaks of.

    If both labels of a pair were drawn for one garment and each is wrong with probability e, they
    differ in about 2e of the pairs: so half the share, and half its Wilson interval.

    Args:
        pairs: all within `labels`, (N,) int64.
    """
    n = len(pairs)
    differ = int((labels[pairs.first] != labels[pairs.second]).sum())
    if not n:
        return {"pairs": 0, "differ": 0, "noise": None, "interval": None}
    low, high = wilson_interval(differ, n)
    return {"pairs": n, "differ": differ, "noise": differ / n / 2, "interval": [low / 2, high / 2]}


def bands(distances: Iterable[float], threshold: float) -> list[dict[str, Any]]:
    """Count distances in bands of a quarter of the threshold, (low, high], 0 in the first."""
    width, count = threshold / 4, math.ceil(4 * REACH)
    index = np.ceil(np.asarray(list(distances)) / width - 1e-9).astype(int) - 1
    counts = np.bincount(np.clip(index, 0, count - 1), minlength=count)
    return [
        {"low": round(i * width, 6), "high": round((i + 1) * width, 6), "pairs": int(found)}
        for i, found in enumerate(counts)
    ]
