"""Where a search is kept: SQLite in its folder, any database by its URL, or a journal file."""

import errno
import stat
import time
import warnings
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import optuna
import sqlalchemy
from optuna.exceptions import ExperimentalWarning, StorageInternalError
from optuna.storages import BaseStorage, JournalStorage, RDBStorage
from optuna.storages.journal import JournalFileBackend, JournalFileSymlinkLock
from sqlalchemy.exc import ArgumentError, DatabaseError, SQLAlchemyError

from fashion_cnn.dependencies import install_command
from fashion_cnn.errors import OUT_OF_ROOM, UsageError
from fashion_cnn.reporting.addresses import told_without, without_password

_HEARTBEAT_SECONDS = 20
_SILENT_SECONDS = 120
"""A worker that a database has not heard of for so long is taken for dead."""

_BUSY_SECONDS = 60

_MADE_MEANWHILE = ("already exists", "duplicate key", "UNIQUE constraint", "is locked")
"""What SQLite and PostgreSQL say when another worker makes the same tables at this moment."""

_NO_ROOM = {"disk I/O error": errno.EIO, "database or disk is full": errno.ENOSPC}
"""What SQLite says of a disk, as the system says it of a file."""

_FIRST = b'{"op_code":'
"""What each line of a journal begins with, as Optuna writes it."""


class _Journal(JournalFileBackend):
    """Says of a line that is damaged while a search goes on what a database says of itself."""

    def read_logs(self, log_number_from: int) -> Generator[dict[str, Any], None, None]:
        try:
            yield from super().read_logs(log_number_from)
        except ValueError as error:
            raise StorageInternalError(f"a line of the journal is damaged: {error}") from None


@contextmanager
def open_storage(place: str, stale: Callable[[optuna.Study, Any], None]) -> Iterator[BaseStorage]:
    """Open a storage, or make it; its connections are closed at the end.

    Args:
        place: a URL that SQLAlchemy knows, or the path of a journal file.
        stale: told of each trial whose worker a database takes for dead.

    Raises:
        UsageError: it cannot be reached, is not one, or its driver is not installed.
        OSError: there, or while it is used: its disk is full or failing.
    """
    storage = _journal(place) if "://" not in place else _database(place, stale)
    try:
        yield storage
    except (StorageInternalError, SQLAlchemyError) as error:
        _check_room(error, place)
        raise
    finally:
        if isinstance(storage, RDBStorage):
            storage.scoped_session.remove()
            storage.engine.dispose()


def _journal(path: str) -> JournalStorage:
    try:
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        _check_plain(path)
        _check_lock(Path(f"{path}.lock"))
        with Path(path).open("ab+") as file:
            file.seek(0)
            found = file.read(len(_FIRST))
        if found not in (b"", _FIRST):
            raise UsageError(f"storage {path} is a file, but no journal of a search")
        _cut_torn_line(path)
        return JournalStorage(_Journal(path))
    except OSError as error:
        if error.errno in OUT_OF_ROOM:
            raise
        raise UsageError(f"storage {path}: {error.strerror}") from None
    except UsageError:  # which is a ValueError
        raise
    except StorageInternalError as error:
        raise UsageError(f"storage {path}: {error}") from None
    except (AssertionError, AttributeError, LookupError, TypeError, ValueError) as error:
        raise UsageError(f"storage {path} is not as a search wrote it ({error!r:.80})") from None


def _check_lock(path: Path) -> None:
    """Raise `UsageError` for a file: Optuna, whose locks are links, would wait, then remove it."""
    with suppress(FileNotFoundError):
        if not stat.S_ISLNK(path.lstat().st_mode):
            raise UsageError(f"{path} is not the journal's lock, which has this name; move it")


def _cut_torn_line(path: str) -> None:
    """Remove what a full disk left of a journal's last line; the next one would be lost in it."""
    lock = JournalFileSymlinkLock(path)
    lock.acquire()
    try:
        with Path(path).open("r+b") as file:
            file.truncate(file.read().rfind(b"\n") + 1)
    finally:
        lock.release()


def _check_plain(path: str) -> None:
    """Raise `UsageError` for a pipe or a device, which may be waited for, and for a folder."""
    if Path(path).exists() and not Path(path).is_file():
        raise UsageError(f"storage {path} is not a plain file")


def _database(place: str, stale: Callable[[optuna.Study, Any], None]) -> RDBStorage:
    try:
        place.encode()
        url = sqlalchemy.make_url(place)
    except (ArgumentError, ValueError):  # a port that is no number, bytes that are no UTF-8
        raise UsageError(
            f"storage {without_password(place)!r} is no database URL; give one like "
            "postgresql://USER@HOST/NAME"
        ) from None
    if url.drivername in ("postgresql", "postgres"):
        url = url.set(drivername="postgresql+psycopg")
    shown = without_password(url.render_as_string(hide_password=False))
    options = {}
    if url.get_backend_name() == "sqlite":
        if not url.database or ":memory:" in url.database:
            raise UsageError(
                f"storage {without_password(place)} names no file; give one like "
                "sqlite:///search.db"
            )
        _check_plain(url.database)
        options = {"connect_args": {"timeout": _BUSY_SECONDS}}  # of several workers one writes
    try:
        return _open(url.render_as_string(hide_password=False), options, stale)
    except ImportError as error:
        raise UsageError(
            f"storage {shown} needs a driver that is not installed ({error.name or error}); "
            f"for PostgreSQL: {install_command('tune')}"
        ) from None
    except RuntimeError as error:  # of another Optuna's tables; it says what to do
        raise UsageError(
            f"storage {shown} cannot be used: {told_without(' '.join(str(error).split()), place)}"
        ) from None
    except SQLAlchemyError as error:
        _check_room(error, place)
        reason = " ".join(str(getattr(error, "orig", None) or error).split())
        raise UsageError(f"storage {shown} cannot be used: {told_without(reason, place)}") from None


def _check_room(error: Exception, place: str) -> None:
    """Raise `OSError` if it says that a disk is full or failing."""
    for words, number in _NO_ROOM.items():
        if words in str(error.__cause__ or error):
            raise OSError(number, words, f"storage {without_password(place)}") from None


def _open(
    url: str, options: dict[str, Any], stale: Callable[[optuna.Study, Any], None]
) -> RDBStorage:
    """Open a database; of workers that start at once the first one makes the tables."""
    for attempt in range(5):
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", ExperimentalWarning)  # heartbeats, since 2021
                return RDBStorage(
                    url,
                    options,
                    heartbeat_interval=_HEARTBEAT_SECONDS,
                    grace_period=_SILENT_SECONDS,
                    heartbeat_stale_trial_callback=stale,
                )
        except DatabaseError as error:
            if attempt == 4 or not any(words in str(error.orig) for words in _MADE_MEANWHILE):
                raise
            time.sleep(0.5)
    raise AssertionError("unreachable")
