"""One process a run folder."""

import errno
import fcntl
import os
import re
import stat
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
        UsageError: another process holds it, or it cannot be made or written to, or it is a link,
            has a second name or is not a lock file of a run: that may be somebody's file, and is
            left as it is.
    """
    folder = path.parent
    try:
        folder.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK, 0o644)
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise UsageError(f"{path} is a link, and not a lock; remove it") from None
        unusable = (
            errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR, errno.EEXIST, errno.ENOENT,
        )  # fmt: skip
        if error.errno not in unusable:
            raise
        raise UsageError(
            f"{folder} cannot be used: {error.strerror}; it must be a folder that can be written to"
        ) from None
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = _holder(descriptor, path)
            raise UsageError(
                f"{folder} is in use by {holder}; wait for it, stop it, or use another folder"
            ) from None
        except OSError as error:
            raise UsageError(
                f"{folder} is on a file system that has no locks ({error.strerror}); use a folder "
                "on another"
            ) from None
        _holder(descriptor, path)
        os.truncate(descriptor, 0)
        os.write(descriptor, f"{os.getpid()}\n".encode())
        yield
    finally:
        os.close(descriptor)


def _holder(descriptor: int, path: Path) -> str:
    """Which process held a lock last, in words. Raises `UsageError` for a file that is no lock."""
    found = os.fstat(descriptor)
    if not stat.S_ISREG(found.st_mode):
        raise UsageError(f"{path} is not a plain file, and so no lock; remove it")
    if found.st_nlink > 1:
        raise UsageError(
            f"{path} has a second name, and so may be somebody's file, and not a lock; remove it"
        )
    said = re.fullmatch(rb"(\d{0,20})\n?", os.pread(descriptor, 32, 0))
    if not said:
        raise UsageError(f"{path} is not a lock file; move it elsewhere")
    return f"process {said[1].decode()}" if said[1] else "another process"
