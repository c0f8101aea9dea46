"""One process a run folder."""

import errno
import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from fashion_cnn.errors import UsageError


@contextmanager
def hold(path: Path) -> Iterator[None]:
    """Hold the lock file `path`, whose folder is made if missing, while the block runs.

    The kernel lets go of it when the process ends, however it ends. The file stays: removing it
    would let two processes lock two files of one name.

    Raises:
        UsageError: another process holds it, or it cannot be made or written to.
    """
    folder = path.parent
    try:
        folder.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    except OSError as error:
        unusable = (
            errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR, errno.EEXIST, errno.ENOENT,
        )  # fmt: skip
        if error.errno not in unusable:
            raise
        raise UsageError(
            f"{folder} cannot be used as a run folder: {error.strerror}; name another with --output"
        ) from None
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.read(descriptor, 32).decode(errors="replace").strip() or "another"
            raise UsageError(
                f"{folder} is in use by process {holder}; wait for it, stop it, or name "
                "another folder with --output"
            ) from None
        os.truncate(descriptor, 0)
        os.write(descriptor, f"{os.getpid()}\n".encode())
        yield
    finally:
        os.close(descriptor)
