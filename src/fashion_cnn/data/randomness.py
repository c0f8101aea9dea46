"""All randomness of the project: a pure function of a seed, a purpose and a position.

No generator lives longer than the call that needs it, so there is no generator state to save:
a run resumed at step 1,234 draws what it would have drawn had it never stopped.
"""

from __future__ import annotations  # those below would import numpy.random, which few need

import functools
import zlib

import numpy as np


def seed_of(seed: int, purpose: str, *position: int) -> int:
    """Derive a 64-bit seed for another library's generator.

    Args:
        seed: the run's seed, >= 0.
        purpose: what the numbers are for, for instance "dropout"; purposes never share numbers.
        position: where in the run, for instance the epoch or the step; each >= 0.
    """
    return int(_sequence(seed, purpose, position).generate_state(1, np.uint64)[0])


@functools.cache
def first_seed(seed: int, purpose: str) -> int:
    """The first of a run of seeds for another library's generator, one a step; below 2**62.

    For what happens every step: deriving a seed from scratch would show in a small one.
    """
    return seed_of(seed, purpose) >> 2


def stream(seed: int, purpose: str, *position: int) -> np.random.Generator:
    """Open the generator of one purpose at one position; arguments as in `seed_of`."""
    return np.random.Generator(np.random.PCG64(_sequence(seed, purpose, position)))


def _sequence(seed: int, purpose: str, position: tuple[int, ...]) -> np.random.SeedSequence:
    return np.random.SeedSequence((seed, zlib.crc32(purpose.encode()), *position))
