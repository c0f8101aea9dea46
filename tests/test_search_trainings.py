"""Searches with real trainings: stopped, killed, shared by two workers, pruned."""

import json
import os
import signal
import time
from multiprocessing.process import BaseProcess
from pathlib import Path

import optuna
import pytest

from fashion_cnn.recipes.recipe import Recipe
from fashion_cnn.run.folder import Run
from fashion_cnn.tuning.search import open_search
from fashion_cnn.tuning.space import Search, parse_space
from forked import finish, start, wait_for
from test_search import search

pytestmark = pytest.mark.usefixtures("here")


SMALL = ("--train-images", "200", "--validation", "0.02", "--threads", "1")
COMMAND = ("tune", "baseline", "--search", "lr=1e-4:1e-2:log", "batch_size=50,100", *SMALL)


def epochs_done(run: Path) -> int:
    history = run / "history.csv"
    return history.read_text().count("\n") - 1 if history.exists() else 0


def wait_for_epoch(run: Path, epoch: int, process: BaseProcess) -> None:
    while epochs_done(run) < epoch:
        assert process.is_alive()
        time.sleep(0.02)


def test_stopped_and_killed_a_search_goes_on(tmp_path) -> None:
    """Ctrl+C, then SIGKILL of the search alone, then of both: no epoch is trained twice."""
    words = (*COMMAND, "--trials", "1", "--epochs", "20", "--output", "out")
    run, said = tmp_path / "out/trials/0000", [tmp_path / f"said-{turn}" for turn in range(3)]
    process = start(*words, said=said[0])
    wait_for_epoch(run, 1, process)
    os.kill(process.pid, signal.SIGINT)
    finish(process, 130)
    assert "trial 0: stopped; the same command continues it" in said[0].read_text()
    assert "no trial is complete yet" in said[0].read_text()
    assert Run(run).results.exist(), "the training saved and reported"

    process = start(*words, said=said[1])
    wait_for_epoch(run, epochs_done(run) + 1, process)
    trainer = int((run / ".lock").read_text())
    process.kill()
    process.join()
    process = start(*words, said=said[2])
    wait_for(process, said[2], "waiting: ")
    assert f"in use by process {trainer}" in said[2].read_text()
    os.kill(trainer, signal.SIGKILL)
    finish(process)

    (row,) = json.loads((tmp_path / "out/search.json").read_text())["trials"]
    assert (row["state"], row["epochs"], row["folder"]) == ("complete", 20, "0000")
    assert row["retries"] == 1, "a stop is no failure"
    events = [event["event"] for event in Run(run).events()]
    assert (events.count("started"), events.count("resumed")) == (1, 2)
    assert events.count("epoch") == 20
    assert Run(run).test_readings() == 0
    assert "fashion-cnn train baseline" in said[2].read_text()


def test_two_workers_share_a_study(tmp_path) -> None:
    words = (*COMMAND, "--trials", "2", "--epochs", "1", "--output", "out")
    said = [tmp_path / "one", tmp_path / "other"]
    for worker in [start(*words, said=file) for file in said]:
        finish(worker)
    assert [file.read_text().count(": validation ") for file in said] == [1, 1]
    result = json.loads((tmp_path / "out/search.json").read_text())
    assert len(result["trials"]) == 2
    assert len({row["params"]["learning_rate"] for row in result["trials"]}) == 2
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
