"""Searches with real trainings: stopped, killed, shared by two workers, pruned."""

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import optuna
import pytest

from fashion_cnn.recipes.recipe import Recipe
from fashion_cnn.run.folder import Run
from fashion_cnn.tuning.search import open_search
from fashion_cnn.tuning.space import Search, parse_space
from test_search import search


@pytest.fixture(autouse=True)
def _elsewhere(monkeypatch, tmp_path, few_data) -> None:
    monkeypatch.setenv("FASHION_CNN_DATA", str(few_data))
    monkeypatch.chdir(tmp_path)


SMALL = ("--train-images", "200", "--validation", "0.02", "--threads", "1")
COMMAND = ("tune", "baseline", "--search", "lr=1e-4:1e-2:log", "batch_size=50,100", *SMALL)


def start(*words: str) -> subprocess.Popen:
    command = [sys.executable, "-W", "error", "-m", "fashion_cnn", *COMMAND, *words]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def epochs_done(run: Path) -> int:
    history = run / "history.csv"
    return history.read_text().count("\n") - 1 if history.exists() else 0


def wait_for_epoch(run: Path, epoch: int, process: subprocess.Popen) -> None:
    while epochs_done(run) < epoch:
        assert process.poll() is None, process.communicate()
        time.sleep(0.02)


def test_stopped_and_killed_a_search_goes_on(tmp_path) -> None:
    """Ctrl+C, then SIGKILL of the search alone, then of both: no epoch is trained twice."""
    words = ("--trials", "1", "--epochs", "20", "--output", "out")
    run = tmp_path / "out/trials/0000"
    process = start(*words)
    wait_for_epoch(run, 1, process)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    assert "trial 0: stopped; the same command continues it" in err
    assert "no trial is complete yet" in out
    assert Run(run).results.exist(), "the training saved and reported"

    process = start(*words)
    wait_for_epoch(run, epochs_done(run) + 1, process)
    trainer = int((run / ".lock").read_text())
    process.kill()
    process.communicate()
    process = start(*words)
    line = ""
    while "waiting: " not in line:
        line = process.stderr.readline()
        assert line
    assert f"in use by process {trainer}" in line
    subprocess.run(["kill", "-9", str(trainer)], check=True)
    out, err = process.communicate(timeout=120)
    assert process.returncode == 0, err

    (row,) = json.loads((tmp_path / "out/search.json").read_text())["trials"]
    assert (row["state"], row["epochs"], row["folder"]) == ("complete", 20, "0000")
    assert row["retries"] == 1, "a stop is no failure"
    events = [event["event"] for event in Run(run).events()]
    assert (events.count("started"), events.count("resumed")) == (1, 2)
    assert events.count("epoch") == 20
    assert Run(run).test_readings() == 0
    assert "fashion-cnn train baseline" in out


def test_two_workers_share_a_study(tmp_path) -> None:
    workers = [start("--trials", "3", "--epochs", "1", "--output", "out") for _ in range(2)]
    said = [worker.communicate(timeout=200) for worker in workers]
    assert [worker.returncode for worker in workers] == [0, 0], said
    lines = [err.count(": validation ") for _, err in said]
    assert sum(lines) == 3
    assert min(lines) >= 1, said
    result = json.loads((tmp_path / "out/search.json").read_text())
    assert len(result["trials"]) == 3
    assert len({row["params"]["learning_rate"] for row in result["trials"]}) == 3
    assert {row["state"] for row in result["trials"]} <= {"complete", "running"}
    for row in result["trials"]:
        run = Run.open(tmp_path / "out/trials" / row["folder"])
        assert run.test_readings() == 0
        assert run.recipe.learning_rate == row["params"]["learning_rate"]
    for name in ("search.md", "history.png", "slice.png"):
        assert (tmp_path / "out" / name).exists()


def test_a_training_is_stopped_when_it_is_pruned(tmp_path) -> None:
    """Against five trials that were better at the first epoch."""
    recipe = Recipe(epochs=30, train_images=200, validation=0.02)
    given = {"epochs": 30, "train_images": 200, "validation": 0.02}
    space = parse_space(["lr=1e-6:1e-5"], recipe, {})
    hopeless = Search(name="s", recipe=recipe, given=given, space=space, trials=6)
    with open_search(hopeless, tmp_path, "") as study:
        for _ in range(5):
            study.add_trial(
                optuna.trial.create_trial(
                    params={"learning_rate": 2e-6},
                    distributions={
                        "learning_rate": optuna.distributions.FloatDistribution(1e-6, 1e-5)
                    },
                    intermediate_values=dict.fromkeys(range(1, 31), 0.9),
                    value=0.9,
                )
            )
    last = search(tmp_path, hopeless)["trials"][-1]
    assert last["state"] == "pruned"
    run = Run.open(tmp_path / "trials/0005")
    assert 1 <= len(run.history) < 30
    assert run.results.metrics.status == "interrupted"
    assert last["validation"] == [record.val_accuracy for record in run.history][: last["epochs"]]
