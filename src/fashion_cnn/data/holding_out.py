"""Which images become the test files of a data set that has none."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from fashion_cnn.data.randomness import stream
from fashion_cnn.errors import DataError, UsageError

_LEAST_TRAINING = 2  # a class: one to train on, one to validate on


def check_share(share: float) -> None:
    """Raise `UsageError` unless a share of test images is between 0 and 1."""
    if not 0 < share < 1:
        raise UsageError(f"the test share is {share}; it must be above 0 and below 1")


def hold_out(
    labels: NDArray[np.int64], names: Sequence[str], share: float, seed: int
) -> NDArray[np.int64]:
    """Draw the positions of the test images, class by class, at least one of each.

    Args:
        labels: int64 (N,), positions in `names`.
        names: of the classes.
        share: of each class, between 0 and 1.
        seed: of the draw.

    Returns:
        int64 (M,) positions in `labels`, class by class.

    Raises:
        DataError: a class has too few images to train, validate and test on.
    """
    chosen = []
    for label, name in enumerate(names):
        members = np.flatnonzero(labels == label)
        count = max(1, round(share * len(members)))
        if len(members) - count < _LEAST_TRAINING:
            raise DataError(
                f"class {name!r} has {len(members)} usable pictures, of which {count} would be "
                f"tested on; at least {_LEAST_TRAINING} must be left. Add some, or take the "
                "folder away"
            )
        chosen.append(stream(seed, "import", label).permutation(members)[:count])
    return np.concatenate(chosen)
