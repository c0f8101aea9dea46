"""Which images become the test files of a data set that has none."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fashion_cnn.data.randomness import stream
from fashion_cnn.errors import DataError, UsageError

_SHARE = 0.2
_LEAST_TRAINING = 2  # a class: one to train on, one to validate on


@dataclass(frozen=True)
class Draw:
    """How test images are drawn.

    Attributes:
        share: of each class, between 0 and 1; None, which is not asked for, means a fifth.
        seed: of the choice.
    """

    share: float | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        """Raise `UsageError` unless the share is between 0 and 1."""
        if self.share is not None and not 0 < self.share < 1:
            raise UsageError(f"the test share is {self.share}; it must be above 0 and below 1")

    def check_needless(self) -> None:
        """Raise `UsageError` if a share is asked for where the source has a test part."""
        if self.share is not None:
            raise UsageError(
                f"the test share is {self.share}, but the source has a test part of its own; "
                "leave --test-share out"
            )


def hold_out(labels: NDArray[np.int64], names: Sequence[str], draw: Draw) -> NDArray[np.int64]:
    """Draw the positions of the test images, class by class, at least one of each.

    Args:
        labels: int64 (N,), positions in `names`.
        names: of the classes.
        draw: which share of each class, and its seed.

    Returns:
        int64 (M,) positions in `labels`, class by class.

    Raises:
        DataError: a class has too few images to train, validate and test on.
    """
    chosen = []
    for label, name in enumerate(names):
        members = np.flatnonzero(labels == label)
        count = max(1, round((draw.share or _SHARE) * len(members)))
        if len(members) - count < _LEAST_TRAINING:
            raise DataError(
                f"class {name!r} has {len(members)} usable pictures, of which {count} would be "
                f"tested on; at least {_LEAST_TRAINING} must be left. Add some, leave the "
                "class out, or hold out a smaller share"
            )
        chosen.append(stream(draw.seed, "import", label).permutation(members)[:count])
    return np.concatenate(chosen)
