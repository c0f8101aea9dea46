"""The campaign's own machinery, and a few trials of its quick experiments."""

import json
import os
import signal
import time
from dataclasses import replace
from pathlib import Path

import pytest

from bench.campaign import __main__ as campaign
from bench.campaign.experiment import Experiment, Trial, run_trial
from bench.campaign.soak import soak
from bench.campaign.stage import prepare

QUICK = ("flips", "cuts", "swaps", "data", "models", "requests", "openapi", "mirror", "forms")


@pytest.fixture(scope="module")
def room(tmp_path_factory, real_data: Path) -> Path:
    folder = tmp_path_factory.mktemp("campaign")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FASHION_CNN_DATA", str(real_data))
        prepare(folder / "stage")
    return folder


@pytest.mark.parametrize("name", QUICK)
def test_a_trial_holds(room: Path, name: str) -> None:
    (found,) = (one for one in campaign.EXPERIMENTS if one.name == name)
    assert run_trial(found, room / "stage", room / "trial", 0) == ""


def test_a_short_soak(room: Path) -> None:
    assert run_trial(soak(0.02), room / "stage", room / "trial", 0) == ""


def test_names_are_different_and_goals_are_set() -> None:
    names = [one.name for one in campaign.EXPERIMENTS]
    assert len(set(names)) == len(names)
    assert all(one.goal > 0 for one in campaign.EXPERIMENTS)


def odd(trial: Trial) -> None:
    (trial.room / "file").write_text("something")
    if trial.number == 1:
        raise AssertionError(f"number {trial.number}, {trial.draw.random():.3f}")
    if trial.number == 2:
        os.kill(os.getpid(), signal.SIGKILL)
    if trial.number == 3:
        time.sleep(60)


def test_what_fails_is_recorded_and_gone_on_with(tmp_path, monkeypatch, capsys) -> None:
    record = tmp_path / "campaign.json"
    tried = Experiment("odd", "Odd numbers fail.", 9, odd)

    def run(goal: int) -> dict:
        campaign._run(tried, goal, tmp_path, record)
        return json.loads(record.read_text())["experiments"]["odd"]

    row = run(1)
    assert (row["trials"], row["failures"], row["bound"], row["goal"]) == (1, [], 3.0, 9)
    run(3)
    tried = replace(tried, seconds=0.2)
    run(4)
    tried = replace(tried, seconds=120)
    row = run(5)
    assert (row["trials"], row["bound"]) == (5, None)
    why = {one["trial"]: one["why"] for one in row["failures"]}
    assert list(why) == [1, 2, 3]
    assert "AssertionError: number 1, 0." in why[1]
    assert why[2].startswith("exit code -9")
    assert why[3] == "not done after 0.2 s"
    assert run(5) == row, "nothing is left to do"
    tried = replace(tried, what="Others fail.")
    assert run(1)["trials"] == 1, "of another promise nothing is done yet"
    assert run(2)["trials"] == 2
    assert "odd: 3 of 5 trials failed" in capsys.readouterr().out
