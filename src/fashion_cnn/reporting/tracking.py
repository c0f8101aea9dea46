"""A run for TensorBoard and MLflow, read out of its folder, whenever it was trained.

Both get a figure for each column of `history.csv`, under its name, at the step of its row.
"""

import dataclasses
import importlib.util
import io
import logging
import os
import time
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from typing import Any
from urllib.parse import quote

from fashion_cnn.commands import pasted
from fashion_cnn.dependencies import install_command
from fashion_cnn.errors import FashionCNNError, UsageError
from fashion_cnn.files import write_atomically
from fashion_cnn.recipes.fields import format_value
from fashion_cnn.reporting.addresses import told_without
from fashion_cnn.run.folder import Run
from fashion_cnn.run.history import EVENT_FILE
from fashion_cnn.text import visible

_KEPT = " !#$&()*+,-./:;<=>?@[]^_{|}~"  # of ASCII: neither quotes nor what could stand before one


def check_tracker(name: str) -> None:
    """Raise `UsageError` if a tracker's library is not installed."""
    if importlib.util.find_spec(name) is None:
        raise UsageError(f"{name} is not installed; install it with: {install_command('track')}")


def track(run: Run, tracker: str) -> str:
    """Give a run to "tensorboard" or "mlflow"; what it has of the run already is not doubled.

    Returns:
        Where it can be seen.

    Raises:
        UsageError: the library is not installed, or a file of the run was altered.
        FashionCNNError: the MLflow server cannot be used.
    """
    check_tracker(tracker)
    return track_tensorboard(run) if tracker == "tensorboard" else track_mlflow(run)


def track_tensorboard(run: Run) -> str:
    """Write the run's scalars and its recipe, anew, into an event file in its folder."""
    from tensorboard.compat.proto.event_pb2 import Event  # pyright: ignore[reportAttributeAccessIssue]
    from tensorboard.compat.proto.summary_pb2 import Summary  # pyright: ignore[reportAttributeAccessIssue]
    from tensorboard.plugins.text.summary_v2 import text_pb
    from tensorboard.summary.writer.record_writer import RecordWriter

    points = list(_points(run))
    began = points[0][1] if points else time.time()
    rows = "\n".join(f"| {name} | {value} |" for name, value in _parameters(run).items())
    recipe = text_pb("recipe", f"| field | value |\n|---|---|\n{rows}")
    events = [Event(wall_time=began, file_version="brain.Event:2")]
    events.append(Event(wall_time=began, summary=recipe))
    for step, moment, figures in points:
        values = [Summary.Value(tag=tag, simple_value=value) for tag, value in figures.items()]
        events.append(Event(wall_time=moment, step=step, summary=Summary(value=values)))
    # Not by its EventFileWriter, which imports all of TensorFlow wherever that is installed.
    data = io.BytesIO()
    writer = RecordWriter(data)
    for event in events:
        writer.write(event.SerializeToString())
    write_atomically(run.path / EVENT_FILE, data.getvalue())
    return pasted(["tensorboard", "--logdir", str(run.path.parent)])


def track_mlflow(run: Run) -> str:
    """Log the run to the experiment `MLFLOW_EXPERIMENT_NAME`, or "fashion-cnn", where
    `MLFLOW_TRACKING_URI` says.

    Without it MLflow takes `mlflow.db` in the working folder. A run that is there already, by its
    folder and start, gets the epochs that it lacks.
    """
    name, identity = os.environ.get("MLFLOW_EXPERIMENT_NAME") or "fashion-cnn", _identity(run)
    with _quiet_mlflow():
        from mlflow import MlflowClient
        from mlflow.entities import Metric, Param
        from mlflow.exceptions import MlflowException
        from sqlalchemy.exc import SQLAlchemyError

        try:
            client = MlflowClient()
            experiment = _experiment(client, name)
            wanted = " and ".join(f'tags.`{key}` = "{value}"' for key, value in identity.items())
            known = client.search_runs([experiment], wanted, max_results=1)
            points = list(_points(run))
            if known:
                there = known[0].info.run_id
                known_points = client.get_metric_history(there, "val_loss")
                logged = {(metric.step, metric.value) for metric in known_points}
            else:
                began = int(1000 * (points[0][1] if points else time.time()))
                called = visible(run.path.name)
                # By its tags it is found again, whatever fails after this.
                made = client.create_run(experiment, began, tags=identity, run_name=called)
                there = made.info.run_id
                logged = set()
            if not (known and known[0].data.params):
                params = [Param(key, visible(value)) for key, value in _parameters(run).items()]
                client.log_batch(there, params=params)
            for step, moment, figures in points:
                if (step, figures["val_loss"]) not in logged:  # or trained anew after a roll-back
                    stamp = int(1000 * moment)
                    metrics = [Metric(key, value, stamp, step) for key, value in figures.items()]
                    client.log_batch(there, metrics=metrics)
            client.set_terminated(there, _mlflow_status(run))
        except UsageError:
            raise
        # Also an address that is none, a database without its driver, a folder's name in Latin-1.
        except (MlflowException, SQLAlchemyError, ImportError, ValueError) as error:
            reason = " ".join(str(error).partition("[SQL:")[0].split())
            told = told_without(reason, os.environ.get("MLFLOW_TRACKING_URI", ""))
            raise FashionCNNError(f"MLflow: {told} (MLFLOW_TRACKING_URI)") from None
    return f"MLflow, experiment {visible(name)}, run {there}"


def _experiment(client: Any, name: str) -> str:
    """The number of an experiment, made if there is none.

    Raises:
        UsageError: somebody deleted it, and MLflow keeps it, and its name, in a bin.
    """
    found = client.get_experiment_by_name(name)
    if found is None:
        return client.create_experiment(name)
    if found.lifecycle_stage == "deleted":
        restore = ["mlflow", "experiments", "restore", "--experiment-id", found.experiment_id]
        raise UsageError(
            f"MLflow: the experiment {visible(name)} was deleted; restore it with: "
            f"{pasted(restore)}, or name another in MLFLOW_EXPERIMENT_NAME"
        )
    return found.experiment_id


@contextmanager
def _quiet_mlflow() -> Iterator[None]:
    """Keep MLflow to the matter: no usage report over the network, no notes on its database."""
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    os.environ.setdefault("MLFLOW_LOGGING_LEVEL", "WARNING")
    loggers = [logging.getLogger(name) for name in ("alembic", "mlflow.store.db.utils")]
    before = [logger.level for logger in loggers]
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="The ``noload`` loader strategy is deprecated")
        for logger in loggers:
            logger.setLevel(logging.WARNING)
        try:
            yield
        finally:
            for logger, level in zip(loggers, before, strict=True):
                logger.setLevel(level)


def _points(run: Run) -> Iterator[tuple[int, float, Mapping[str, float]]]:
    """Of each epoch: its last step, when it ended (Unix time) and its figures."""
    ends = [event for event in run.events() if event.get("event") == "epoch"]
    stamps = {event["step"]: event.get("time") for event in ends if type(event.get("step")) is int}
    for record in run.history:
        figures = {k: float(v) for k, v in dataclasses.asdict(record).items() if k != "step"}
        yield record.step, _moment(stamps.get(record.step)), figures


_STATUS = {
    **dict.fromkeys(("started", "resumed"), "RUNNING"),
    **dict.fromkeys(("finished", "stopped early"), "FINISHED"),
    "interrupted": "KILLED",
    "diverged": "FAILED",
}
"""MLflow's words, by the events of a run's log."""


def _mlflow_status(run: Run) -> str:
    """MLflow's word for where the run stands."""
    turns = [_STATUS[turn] for event in run.events() if (turn := event.get("event")) in _STATUS]
    return turns[-1] if turns else "RUNNING"


def _moment(stamp: Any) -> float:
    """Unix time of an entry of the log; now where that is lost, or no time of a training."""
    try:
        found = datetime.fromisoformat(stamp).timestamp()
    except (TypeError, ValueError, OverflowError):
        found = -1.0
    return found if found >= 0 else time.time()


def _parameters(run: Run) -> dict[str, str]:
    return {field: format_value(value) for field, value in dataclasses.asdict(run.recipe).items()}


def _identity(run: Run) -> dict[str, str]:
    """What tells this run from others: a folder may be used again, and then starts again."""
    started = [event.get("time") for event in run.events() if event.get("event") == "started"]
    return {
        "fashion_cnn.folder": _quotable(str(run.path.resolve())),
        "fashion_cnn.started": _quotable(str(started[0] if started else "")),
    }


def _quotable(text: str) -> str:
    """Text for MLflow's filters, which know no way to write a quote: escaped as in a URL."""
    return quote(text, _KEPT, errors="backslashreplace")
