"""What TensorBoard and MLflow read back is what the run folder holds."""

import builtins
import dataclasses
import importlib.util
import os
import shlex
import shutil
import sqlite3
import time
from pathlib import Path

import pytest
from tensorboard.backend.event_processing.event_file_loader import EventFileLoader

from fashion_cnn.cli import main
from fashion_cnn.dependencies import install_command
from fashion_cnn.reporting import tracking
from fashion_cnn.run.folder import Run
from fashion_cnn.run.history import EpochRecord
from fashion_cnn.run.log import to_line

SMALL = ("--train-images", "200", "--epochs", "2", "--validation", "0.02", "--threads", "1")
COLUMNS = {item.name for item in dataclasses.fields(EpochRecord)} - {"step"}


@pytest.fixture(autouse=True)
def unnamed(here, monkeypatch) -> None:
    for name in ("MLFLOW_EXPERIMENT_NAME", "MLFLOW_TRACKING_URI"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(scope="module")
def trained(tmp_path_factory, few_data) -> Path:
    """Tracked by the command that trained it."""
    folder = tmp_path_factory.mktemp("tracked") / "run"
    words = ["--output", str(folder), "--data-dir", str(few_data), "--track", "tensorboard"]
    assert main(["train", *SMALL, *words, "--no-test"]) == 0
    return folder


@pytest.fixture
def run(trained, tmp_path) -> Run:
    shutil.copytree(trained, tmp_path / "run", symlinks=True)
    return Run(tmp_path / "run")


def scalars(run: Run) -> dict[str, list[tuple[int, float]]]:
    """By tag, as TensorBoard's own loader reads them: step and value."""
    (file,) = run.path.glob("*tfevents*")
    found: dict[str, list[tuple[int, float]]] = {}
    for event in EventFileLoader(str(file)).Load():
        for value in event.summary.value if event.HasField("summary") else ():
            if value.metadata.plugin_data.plugin_name == "scalars":
                found.setdefault(value.tag, []).append((event.step, value.tensor.float_val[0]))
            else:
                assert value.tag == "recipe"
                assert b"| train_images | 200 |" in value.tensor.string_val[0]
    return found


def test_a_moment_is_of_the_time_zone_that_the_log_names() -> None:
    assert tracking._moment("2026-01-02T03:04:05+0500") == 1767305045
    for lost in None, "0001-01-01T00:00:00", "0001-01-01T00:00:00+2300", "1960-01-01T00:00:00":
        assert abs(tracking._moment(lost) - time.time()) < 5


def test_tensorboard_reads_the_history(run) -> None:
    found = scalars(run)
    assert set(found) == COLUMNS
    for tag, points in found.items():
        assert [step for step, _ in points] == [record.step for record in run.history]
        wanted = [getattr(record, tag) for record in run.history]
        assert [value for _, value in points] == pytest.approx(wanted, rel=1e-6), tag


def test_a_run_is_tracked_again_after_it_grew(run, capsys) -> None:
    assert main(["train", "--resume", "--epochs", "3", "--output", str(run.path)]) == 0
    assert main(["track", str(run.path)]) == 0
    assert f"tensorboard --logdir {run.path.parent}" in capsys.readouterr().out
    assert len(scalars(run)["val_loss"]) == 3


def test_mlflow_reads_the_history(run, monkeypatch, tmp_path, capfd) -> None:
    from mlflow import MlflowClient

    address = f"sqlite:///{tmp_path}/other.db"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", address)
    history = run.history
    run.record_history(history[:1])
    assert main(["track", str(run.path), "--to", "mlflow"]) == 0
    run.record_history(history)
    assert main(["track", str(run.path), "--to", "mlflow"]) == 0
    assert capfd.readouterr().err == ""

    with tracking._quiet_mlflow():
        client = MlflowClient()
        experiment = client.get_experiment_by_name("fashion-cnn")
        assert experiment
        (found,) = client.search_runs([experiment.experiment_id])
        assert (found.info.run_name, found.info.status) == ("run", "FINISHED")
        assert found.data.params["train_images"] == "200"
        assert set(found.data.metrics) == COLUMNS
        for name in COLUMNS:
            points = client.get_metric_history(found.info.run_id, name)
            wanted = [(record.step, getattr(record, name)) for record in history]
            assert [(point.step, point.value) for point in points] == wanted

        another = "an 'oth`er" + '"' + os.fsdecode(b"\xe9\\")
        shutil.copytree(run.path, tmp_path / another, symlinks=True)
        for _ in range(2):
            assert main(["track", another, "--to", "mlflow"]) == 0
            assert len(client.search_runs([experiment.experiment_id])) == 2


def test_mlflow_takes_the_experiment_that_its_variable_names(run, monkeypatch, capsys) -> None:
    from mlflow import MlflowClient

    monkeypatch.setenv("MLFLOW_EXPERIMENT_NAME", "clothes of ours")
    assert main(["track", str(run.path), "--to", "mlflow"]) == 0
    assert "experiment clothes of ours, run" in capsys.readouterr().out
    with tracking._quiet_mlflow():
        client = MlflowClient()
        assert client.get_experiment_by_name("fashion-cnn") is None
        experiment = client.get_experiment_by_name("clothes of ours")
        assert experiment
        assert len(client.search_runs([experiment.experiment_id])) == 1
        client.delete_experiment(experiment.experiment_id)
    assert main(["track", str(run.path), "--to", "mlflow"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    restore = f"mlflow experiments restore --experiment-id {experiment.experiment_id}"
    assert f"clothes of ours was deleted; restore it with: {restore}, or name another in" in line
    monkeypatch.setenv("MLFLOW_EXPERIMENT_NAME", "")
    assert main(["track", str(run.path), "--to", "mlflow"]) == 0
    assert "experiment fashion-cnn, run" in capsys.readouterr().out


def test_a_log_of_anything_is_passed_over(run) -> None:
    lost = [{"step": [1]}, {"step": {}}, {"step": 1.5}, {"time": []}, {}]
    (run.path / "log.jsonl").write_bytes(
        b"".join(
            to_line({"event": "epoch", "step": run.history[0].step, "time": "x"} | entry)
            for entry in lost
        )
    )
    assert [step for step, _, _ in tracking._points(run)] == [one.step for one in run.history]
    tracking.track_tensorboard(run)


def test_mlflow_looks_for_a_folder_by_a_word_that_it_can_read() -> None:
    for usual in "/home/a b/runs.1", "2026-01-02T03:04:05+0500":
        assert tracking._quotable(usual) == usual
    written = tracking._quotable("\"'`\\%\n\0é\ud800")
    assert written.isascii()
    assert not {*written} & set("\"'`\\\n\0")
    assert tracking._quotable("%22") != tracking._quotable('"')


def refusals() -> list[Exception]:
    from sqlalchemy.exc import OperationalError

    at = OperationalError("INSERT INTO experiments", {}, sqlite3.OperationalError("disk I/O error"))
    return [at, ModuleNotFoundError("No module named 'MySQLdb'"), ValueError("Invalid IPv6 URL")]


@pytest.mark.parametrize("error", refusals(), ids=lambda error: type(error).__name__)
def test_what_mlflow_lets_through_is_one_line_too(run, monkeypatch, capsys, error) -> None:
    import mlflow

    def refuse() -> None:
        raise error

    monkeypatch.setattr(mlflow, "MlflowClient", refuse)
    assert main(["track", str(run.path), "--to", "mlflow"]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("fashion-cnn: MLflow: ")
    assert line.endswith("(MLFLOW_TRACKING_URI)")
    assert "INSERT" not in line


@pytest.mark.parametrize(
    ("address", "said"),
    [
        ("nosuch://me:s3cretpw@db/x", "Unsupported URI 'nosuch://me:s3cretpw@db/x'"),
        ("postgresql://me:s3cretpw@db:54x2/x", "invalid literal for int(): 's3cretpw@db'"),
        ("https://s3cretpw@host/", "API request to https://s3cretpw@host/api/2.0 failed"),
        ("mysql://db/x?password=s3cretpw", "cannot connect with password s3cretpw"),
        ("http://me:pre/s3cretpw@h/", "Port could not be cast: 'pre', host 's3cretpw@h'"),
        ("http://me:s3cret%20pw@h/", "user me, password 's3cret pw'"),
    ],
)
def test_a_password_for_mlflow_is_not_told(run, monkeypatch, capsys, address, said) -> None:
    import mlflow
    from mlflow.exceptions import MlflowException

    def refuse() -> None:
        raise MlflowException(said)

    monkeypatch.setattr(mlflow, "MlflowClient", refuse)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", address)
    assert main(["track", str(run.path), "--to", "mlflow"]) == 1
    told = capsys.readouterr()
    assert "***" in told.err
    assert "s3cret" not in told.err + told.out


def test_mlflows_own_way_out_is_not_cut(run, monkeypatch, capsys) -> None:
    import mlflow
    from mlflow.exceptions import MlflowException

    def refuse() -> None:
        raise MlflowException(f"{'The store is of an old kind. ' * 30}Set MLFLOW_THIS=true.")

    monkeypatch.setattr(mlflow, "MlflowClient", refuse)
    assert main(["track", str(run.path), "--to", "mlflow"]) == 1
    assert capsys.readouterr().err.endswith("Set MLFLOW_THIS=true. (MLFLOW_TRACKING_URI)\n")


def test_a_diverged_run_is_tracked_as_far_as_it_came(monkeypatch, tmp_path) -> None:
    from mlflow import MlflowClient

    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path}/diverged.db")
    trackers = ("--track", "tensorboard", "--track", "mlflow")
    assert main(["train", *SMALL, "--lr", "1e30", "--output", "run", *trackers]) == 5
    assert list(Path("run").glob("*tfevents*"))
    with tracking._quiet_mlflow():
        client = MlflowClient()
        experiment = client.get_experiment_by_name("fashion-cnn")
        assert experiment
        (found,) = client.search_runs([experiment.experiment_id])
    assert found.info.status == "FAILED"

    assert main(["evaluate", "run"]) == 0  # what there is of it, as the message says
    assert tracking._mlflow_status(Run(Path("run"))) == "FAILED"


def test_a_run_that_diverges_says_so_last_where_no_server_answers(monkeypatch, capsys) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:1")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    words = ["train", *SMALL, "--lr", "1e30", "--output", "run", "--track", "mlflow"]
    assert main(words) == 5
    *_, before, last = capsys.readouterr().err.splitlines()
    assert "MLflow" in before
    assert "diverged" in last


def test_an_overwritten_run_loses_its_events(run) -> None:
    assert main(["train", *SMALL[:2], "--epochs", "1", "--overwrite", "--output", "run"]) == 0
    assert not list(run.path.glob("*tfevents*"))


def test_a_server_that_does_not_answer_is_one_line(run, monkeypatch, capsys) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:1")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    assert main(["track", str(run.path), "--to", "mlflow"]) == 1
    err = capsys.readouterr().err
    assert err.startswith("fashion-cnn: MLflow: ")
    assert err.count("\n") == 1


def test_what_is_missing_is_told_before_training(monkeypatch, tmp_path, capsys) -> None:
    found = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: None if name == "mlflow" else found(name)
    )
    for words in (["train", "--track", "mlflow"], ["track", "x", "--to", "mlflow"]):
        assert main(words) == 2
        assert (
            f"mlflow is not installed; install it with: {install_command('track')}"
            in capsys.readouterr().err
        )
    assert main(["track", "nowhere"]) == 2
    assert "nowhere holds no run" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_tracking_needs_no_framework(run, monkeypatch) -> None:
    imported = builtins.__import__

    def watched(name, *rest):
        assert name.split(".")[0] not in ("torch", "tensorflow", "keras"), name
        return imported(name, *rest)

    monkeypatch.setattr(builtins, "__import__", watched)
    tracking.track_tensorboard(run)


@pytest.mark.parametrize(
    ("events", "status"),
    [
        (["started"], "RUNNING"),
        (["started", "interrupted"], "KILLED"),
        (["started", "interrupted", "evaluated", "resumed"], "RUNNING"),
        (["started", "finished", "evaluated"], "FINISHED"),
        (["started", "stopped early", "resumed"], "RUNNING"),
        (["started", "rolled back", "diverged"], "FAILED"),
    ],
)
def test_a_status_is_of_the_last_turn(run, events: list[str], status: str) -> None:
    """Whatever results of before still lie there."""
    lines = [to_line({"event": event, "time": "2026-01-01T00:00:00+00:00"}) for event in events]
    (run.path / "log.jsonl").write_bytes(b"".join(lines))
    assert tracking._mlflow_status(run) == status


def test_a_folder_for_tensorboard_is_quoted(run, tmp_path) -> None:
    shutil.copytree(run.path, tmp_path / "my runs/a", symlinks=True)
    said = tracking.track_tensorboard(Run(tmp_path / "my runs/a"))
    assert shlex.split(said) == ["tensorboard", "--logdir", str(tmp_path / "my runs")]


def test_parameters_that_failed_come_with_the_next_try(run, monkeypatch, tmp_path) -> None:
    from mlflow import MlflowClient
    from mlflow.exceptions import MlflowException

    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path}/other.db")
    log_batch, failed = MlflowClient.log_batch, []

    def once(self, *arguments, **words) -> None:
        if not failed:
            failed.append(True)
            raise MlflowException("the network is gone")
        log_batch(self, *arguments, **words)

    monkeypatch.setattr(MlflowClient, "log_batch", once)
    assert main(["track", str(run.path), "--to", "mlflow"]) == 1
    assert main(["track", str(run.path), "--to", "mlflow"]) == 0
    with tracking._quiet_mlflow():
        client = MlflowClient()
        experiment = client.get_experiment_by_name("fashion-cnn")
        assert experiment
        (found,) = client.search_runs([experiment.experiment_id])
    assert found.data.params["train_images"] == "200"
    assert set(found.data.metrics) == COLUMNS
