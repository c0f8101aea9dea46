"""Keras trains here in one process; those that torchrun starts together are PyTorch's."""

from collections.abc import Iterator
from contextlib import contextmanager

from fashion_cnn.errors import UsageError
from fashion_cnn.run import launch


def check_alone() -> None:
    """Raise `UsageError` if torchrun started several processes."""
    if launch.ranks() > 1:
        raise UsageError(
            f"Keras trains in one process here, and torchrun started {launch.ranks()}; leave "
            "torchrun out, or --framework keras"
        )


@contextmanager
def joined(device: str) -> Iterator[None]:
    """Meet nobody: this process trains alone."""
    check_alone()
    yield
