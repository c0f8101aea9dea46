"""The errors that a person can mend, each with the exit code that the command line gives it."""

import errno


class FashionCNNError(Exception):
    """An error whose message says what is wrong, where, and what to do about it."""

    exit_code = 1


class UsageError(FashionCNNError, ValueError):
    """An unknown argument, an invalid value, or a path that cannot be used as asked."""

    exit_code = 2


class DataError(FashionCNNError):
    """The data set is missing, or is not what it should be."""

    exit_code = 3


class ImageError(FashionCNNError):
    """A picture that cannot be read: damaged, too large, hostile, or no picture at all."""

    exit_code = 4


class SlowImageError(ImageError):
    """A picture that takes longer to decode than it was given."""


class DecoderError(FashionCNNError):
    """A process that decodes was killed or could not start; nothing is wrong with its input."""

    exit_code = 7


class ModelError(FashionCNNError):
    """An exported model, or weights to start from, are missing or not what they should be."""

    exit_code = 3


class ExportError(FashionCNNError):
    """A model cannot be exported, or does not answer as the trained one."""


class DivergedError(FashionCNNError):
    """Training became non-finite and smaller learning rates did not help."""

    exit_code = 5


class CheckpointError(FashionCNNError):
    """A checkpoint is missing, damaged or of another run."""

    exit_code = 6


class NotFiniteError(CheckpointError):
    """A loss, a gradient or a tensor is NaN or infinite."""


OUT_OF_ROOM = frozenset(
    {
        errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.ENOMEM, errno.EMFILE,
        errno.ENFILE,
    }
)  # fmt: skip
"""The `OSError.errno` values of a disk full, over quota or failing, no memory, or too many open
files: exit code 7."""
