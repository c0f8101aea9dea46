"""Where a search is kept: SQLite in its folder, or any database by its URL."""

import errno
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import optuna
import sqlalchemy
from optuna.exceptions import ExperimentalWarning, StorageInternalError
from optuna.storages import RDBStorage
from sqlalchemy.exc import ArgumentError, DatabaseError, SQLAlchemyError

from fashion_cnn.dependencies import install_command
from fashion_cnn.errors import UsageError
from fashion_cnn.reporting.addresses import told_without, without_password

_HEARTBEAT_SECONDS = 20
_SILENT_SECONDS = 120
"""A worker that a database has not heard of for so long is taken for dead."""

_BUSY_SECONDS = 60

_MADE_MEANWHILE = ("already exists", "duplicate key", "UNIQUE constraint", "is locked")
"""What SQLite and PostgreSQL say when another worker makes the same tables at this moment."""

_NO_ROOM = {"disk I/O error": errno.EIO, "database or disk is full": errno.ENOSPC}
"""What SQLite says of a disk, as the system says it of a file."""


@contextmanager
def open_storage(place: str, stale: Callable[[optuna.Study, Any], None]) -> Iterator[RDBStorage]:
    """Open a database, or make it; its connections are closed at the end.

    Args:
        place: a URL that SQLAlchemy knows.
        stale: told of each trial whose worker is taken for dead.

    Raises:
        UsageError: it cannot be reached, is not one, or its driver is not installed.
        OSError: there, or while it is used: its disk is full or failing.
    """
    storage = _database(place, stale)
    try:
        yield storage
    except (StorageInternalError, SQLAlchemyError) as error:
        _check_room(error, place)
        raise
    finally:
        storage.scoped_session.remove()
        storage.engine.dispose()


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
            "postgresql://USER@HOST/NAME or sqlite:///FILE"
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
