"""Where a search is kept: SQLite in its folder, any database by its URL, or a journal file."""

import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import optuna
import sqlalchemy
from optuna.exceptions import ExperimentalWarning
from optuna.storages import BaseStorage, JournalStorage, RDBStorage
from optuna.storages.journal import JournalFileBackend
from sqlalchemy.exc import ArgumentError, DatabaseError, SQLAlchemyError

from fashion_cnn.dependencies import install_command
from fashion_cnn.errors import UsageError

_HEARTBEAT_SECONDS = 20
_SILENT_SECONDS = 120
"""A worker that a database has not heard of for so long is taken for dead."""

_BUSY_SECONDS = 60

_MADE_MEANWHILE = ("already exists", "duplicate key", "UNIQUE constraint", "is locked")
"""What SQLite and PostgreSQL say when another worker makes the same tables at this moment."""


@contextmanager
def open_storage(place: str, stale: Callable[[optuna.Study, Any], None]) -> Iterator[BaseStorage]:
    """Open a storage, or make it; its connections are closed at the end.

    Args:
        place: a URL that SQLAlchemy knows, or the path of a journal file.
        stale: told of each trial whose worker a database takes for dead.

    Raises:
        UsageError: it cannot be reached, is not one, or its driver is not installed.
    """
    storage = _journal(place) if "://" not in place else _database(place, stale)
    try:
        yield storage
    finally:
        if isinstance(storage, RDBStorage):
            storage.scoped_session.remove()
            storage.engine.dispose()


def _journal(path: str) -> JournalStorage:
    try:
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        return JournalStorage(JournalFileBackend(path))
    except OSError as error:
        raise UsageError(f"storage {path}: {error.strerror}") from None


def _database(place: str, stale: Callable[[optuna.Study, Any], None]) -> RDBStorage:
    try:
        url = sqlalchemy.make_url(place)
    except ArgumentError:
        raise UsageError(
            f"storage {place!r} is no database URL; give one like postgresql://USER@HOST/NAME"
        ) from None
    if url.drivername in ("postgresql", "postgres"):
        url = url.set(drivername="postgresql+psycopg")
    options = {}
    if url.get_backend_name() == "sqlite":
        options = {"connect_args": {"timeout": _BUSY_SECONDS}}  # of several workers one writes
    shown = url.render_as_string(hide_password=True)
    try:
        return _open(url.render_as_string(hide_password=False), options, stale)
    except ImportError as error:
        raise UsageError(
            f"storage {shown} needs a driver that is not installed ({error.name or error}); "
            f"for PostgreSQL: {install_command('tune')}"
        ) from None
    except SQLAlchemyError as error:
        reason = " ".join(str(getattr(error, "orig", None) or error).split())
        raise UsageError(f"storage {shown} cannot be used: {reason}") from None


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
