"""`train --minutes`: a recipe that fits a time, and the cores that it has."""

import dataclasses
import json
import subprocess
import sys
import time
from pathlib import Path
from typing import cast

import pytest

from fashion_cnn import frameworks, pace
from fashion_cnn.cli import main
from fashion_cnn.data.split import TrainingData
from fashion_cnn.errors import UsageError
from fashion_cnn.frameworks import Framework, Hardware, beside_others, open_framework
from fashion_cnn.process import machine
from fashion_cnn.process.machine import CoreTimes, busy_cores, usable_cores
from fashion_cnn.recipes.recipe import Recipe
from fashion_cnn.run.folder import Run
from fashion_cnn.run.history import EpochRecord
from fashion_cnn.training import progress
from fashion_cnn.training.progress import Speed

LONG_AGO = CoreTimes(0.0, None, 0.0)


class Even:
    """A framework that takes 10 ms an image, for training as for validation, by its own records.

    What it takes besides, 0.3 s an epoch, shows in the clock alone.
    """

    def __init__(self) -> None:
        self.now = 0.0
        self.trained: list[tuple[int, Recipe]] = []

    def train(self, recipe, data, run, interruption, progress, *, resume=False) -> None:
        self.trained.append((len(data.training), recipe))
        seconds = 0.01 * (len(data.training) + len(data.validation))
        first = EpochRecord(1, 1, 0.1, 1.0, 0.5, 1.0, 0.5, seconds=99.0, images_per_second=1.0)
        second = dataclasses.replace(first, seconds=seconds, images_per_second=100.0)
        run.record_history([first, second])
        for record in (first, second):
            self.now += seconds + 0.3
            progress.epoch(record, best=False)


@pytest.mark.parametrize(
    ("seconds", "epochs", "images"),
    [(30, 10, 0), (30.3, 10, 0), (31.5, 11, 226), (2.4, 1, 180), (0.75, 1, 15), (3.6, 2, 120)],
)
def test_epochs_and_images_fill_the_time(
    small_data: TrainingData, seconds: float, epochs: int, images: int
) -> None:
    """240 images in 2.4 s and 60 to validate in 0.6: with what is besides, an epoch is 3 s."""
    recipe = Recipe(batch_size=10)
    fitted = pace.fit(recipe, small_data, pace.Pace(0.01, 0.005, 0.3), seconds)
    assert fitted == recipe.replace(epochs=epochs, train_images=images)


def test_no_time_is_too_long(small_data: TrainingData) -> None:
    fitted = pace.fit(Recipe(batch_size=10), small_data, pace.Pace(0.01, 0.005, 0.3), 300_000)
    assert (fitted.epochs, fitted.train_images) == (30_000, 0)


@pytest.mark.parametrize("seconds", [-1.0, 0.0, 0.6, 0.69])
def test_no_epoch_fits_into_nothing(small_data: TrainingData, seconds: float) -> None:
    with pytest.raises(UsageError, match=r"0\.\d s are left for training.*give more minutes"):
        pace.fit(Recipe(batch_size=10), small_data, pace.Pace(0.01, 0.005, 0.3), seconds)


def test_a_speed_is_measured_on_enough_steps_of_the_same_recipe(
    small_data: TrainingData, monkeypatch
) -> None:
    even = Even()
    monkeypatch.setattr(time, "monotonic", lambda: even.now)
    found = pace.measure(Recipe(batch_size=1, early_stopping=1), small_data, cast(Framework, even))
    assert found.image_seconds == pytest.approx(0.01)
    assert found.scoring_seconds == pytest.approx(0.01)
    assert found.epoch_seconds == pytest.approx(0.3)
    assert [images for images, _ in even.trained] == [8, 200], "two seconds of 10 ms"
    asked = Recipe(batch_size=1, epochs=2)
    assert [recipe for _, recipe in even.trained] == [asked, asked]


@pytest.mark.parametrize("minutes", [0.0, -1.0, 1e6, float("nan")])
def test_a_time_is_a_time(minutes: float) -> None:
    with pytest.raises(UsageError, match="minutes is .* must be above 0 and at most 10080"):
        pace.fit_to_minutes(minutes, Recipe(), None, Hardware())


@pytest.mark.parametrize("minutes", ["5", None, True])
def test_a_time_is_a_number(minutes: object) -> None:
    with pytest.raises(UsageError, match="must be a number"):
        pace.fit_to_minutes(minutes, Recipe(), None, Hardware())


def test_ranks_may_not_be_equally_fast(monkeypatch) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(UsageError, match="torchrun"):
        pace.fit_to_minutes(1, Recipe(), None, Hardware())


def test_measuring_takes_from_the_time(few_data: Path, monkeypatch, capsys) -> None:
    """Of 45 s 9 are spent on it, and 3 + 12 on 6,000 scorings of the 3,000 images and drawing.

    An epoch of the 2,160 images is 2 s, and 1 s for validating 240 and recording.
    """
    clock = [0.0]

    def measured(*_: object) -> pace.Pace:
        clock[0] += 9
        return pace.Pace(2 / 2160, 0.002, 0.52)

    monkeypatch.setattr(pace, "measure", measured)
    monkeypatch.setattr(time, "monotonic", lambda: clock[0])
    hardware = Hardware(threads=1)
    fitted = pace.fit_to_minutes(0.75, Recipe(), few_data, hardware)
    assert fitted == (Recipe(epochs=7), hardware)
    said = "0.75 minutes: 7 epochs of 2,160 images, 3.0 s each; about 15.0 s to evaluate\n"
    assert capsys.readouterr().err == said
    pace.fit_to_minutes(0.75, Recipe(), few_data, hardware, test=False)
    assert "about 12.6 s to evaluate" in capsys.readouterr().err, "the 600 of the test set are not"


@pytest.mark.parametrize("framework", ["pytorch", "keras"])
def test_both_frameworks_are_measured(small_data: TrainingData, framework: str) -> None:
    with open_framework(Hardware(framework=framework)) as opened:
        found = pace.measure(Recipe(batch_size=60), small_data, opened)
    assert 1e-6 < found.image_seconds < 0.1
    assert 1e-6 < found.scoring_seconds < 0.1
    assert 1e-5 < found.epoch_seconds < 20


def test_what_was_fitted_is_a_plain_recipe(
    few_data: Path, tmp_path: Path, capsys, monkeypatch
) -> None:
    """It is repeated, to the bit, by its recipe alone. (Speed apart: tests may be slow.)"""
    monkeypatch.setattr(pace, "measure", lambda *_: pace.Pace(4e-3, 1e-6, 0.0))
    words = ["--data-dir", str(few_data), "--no-test", "--threads", "1"]
    first, again = tmp_path / "first", tmp_path / "again"
    assert main(["train", "fast", "--minutes", "0.25", *words, "--output", str(first)]) == 0
    assert " epochs of " in capsys.readouterr().err
    run = Run.open(first)
    assert run.recipe.epochs == len(run.history) >= 1
    assert "minutes" not in json.loads((first / "recipe.json").read_text())
    assert main(["train", str(first / "recipe.json"), *words, "--output", str(again)]) == 0
    losses = [[record.val_loss for record in Run.open(one).history] for one in (first, again)]
    assert losses[0] == losses[1]


@pytest.mark.parametrize("other", [["--epochs", "3"], ["--resume"]])
def test_minutes_and_epochs_contradict_each_other(other: list[str], tmp_path: Path, capsys) -> None:
    words = ["train", "fast", "--minutes", "1", "--output", str(tmp_path / "run"), *other]
    assert main(words) == 2
    assert f"it cannot be used with {other[0]}" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("busy", "threads", "words"),
    [
        (0.4, None, ""),
        (
            1.2,
            3,
            "1 of 4 cores is busy with other work: training with 3 threads (--threads 4 uses all)",
        ),
        (
            3.4,
            1,
            "3 of 4 cores are busy with other work: training with 1 thread (--threads 4 uses all)",
        ),
        (
            4.0,
            1,
            "4 of 4 cores are busy with other work: training with 1 thread (--threads 4 uses all)",
        ),
    ],
)
def test_busy_cores_are_left_to_others(busy: float, threads: int | None, words: str, monkeypatch):
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.setattr(frameworks, "usable_cores", lambda: 4)
    monkeypatch.setattr(frameworks, "busy_cores", lambda since: busy)
    said: list[str] = []
    assert beside_others(Hardware(), LONG_AGO, said.append) == Hardware(threads=threads)
    assert said == ([words] if words else [])


def test_a_number_that_was_asked_for_stays(monkeypatch) -> None:
    monkeypatch.setattr(frameworks, "usable_cores", lambda: 4)
    monkeypatch.setattr(frameworks, "busy_cores", lambda since: 4.0)
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    assert beside_others(Hardware(), LONG_AGO, pytest.fail) == Hardware()
    monkeypatch.delenv("OMP_NUM_THREADS")
    assert beside_others(Hardware(threads=2), LONG_AGO, pytest.fail) == Hardware(threads=2)
    monkeypatch.setenv("WORLD_SIZE", "2")
    assert beside_others(Hardware(), LONG_AGO, pytest.fail) == Hardware(), "their ranks share"


def test_a_run_keeps_the_threads_that_it_began_with(
    few_data: Path, tmp_path: Path, capsys, monkeypatch
) -> None:
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.setattr(frameworks, "usable_cores", lambda: 2)
    monkeypatch.setattr(frameworks, "busy_cores", lambda since: 0.9)
    words = ["train", "fast", "--data-dir", str(few_data), "--no-test", "--output", str(tmp_path)]
    assert main([*words, "--epochs", "1"]) == 0
    assert "1 thread" in capsys.readouterr().err
    monkeypatch.setattr(frameworks, "busy_cores", pytest.fail)
    assert main([*words, "--epochs", "2", "--resume"]) == 0
    assert Run.open(tmp_path).environment["threads"] == 1
    assert "threads was" not in capsys.readouterr().err


def test_others_are_told_from_oneself(monkeypatch) -> None:
    monkeypatch.setattr(machine, "usable_cores", lambda: 2)
    monkeypatch.setattr(time, "monotonic", lambda: 9.0)
    monkeypatch.setattr(CoreTimes, "now", lambda: CoreTimes(9.0, 7.0, 3.0))
    assert busy_cores(CoreTimes(8.0, 5.5, 2.5)) == 1.0
    assert busy_cores(CoreTimes(8.0, 7.0, 2.5)) == 0.0, "ticks are coarse"
    assert busy_cores(CoreTimes(8.0, 1.0, 2.5)) == 2.0
    assert busy_cores(CoreTimes(8.0, None, 2.5)) == 0.0, "the system does not tell"


def test_another_process_is_seen() -> None:
    with subprocess.Popen([sys.executable, "-c", "while True: pass"]) as busy:
        time.sleep(0.3)
        seen = busy_cores(CoreTimes.now())
        busy.kill()
    assert 0.3 < seen <= usable_cores()


def test_steps_that_become_slow_are_spoken_of_once(monkeypatch) -> None:
    now = 0.0
    monkeypatch.setattr(CoreTimes, "now", lambda: CoreTimes(now, 0.0, 0.0))
    monkeypatch.setattr(progress, "busy_cores", lambda since: 1.0)
    monkeypatch.setattr(progress, "usable_cores", lambda: 2)
    speed, said = Speed(), []
    for pace_, steps in ((0.1, 100), (0.29, 100), (0.4, 100)):
        for _ in range(steps):
            now += pace_
            said += [(pace_, line) for line in [speed.step(now)] if line]
        speed.pause()
    ((pace_, line),) = said
    assert pace_ == 0.4
    assert line.startswith("steps take 4.0 times as long as before: other work keeps 1.0 of 2 ")


def test_a_pause_between_epochs_is_no_slow_step(monkeypatch) -> None:
    now = 0.0
    monkeypatch.setattr(CoreTimes, "now", lambda: CoreTimes(now, 0.0, 0.0))
    speed = Speed()
    for _ in range(20):
        for _ in range(20):
            now += 0.1
            assert speed.step(now) is None
        speed.pause()
        now += 30


@pytest.mark.parametrize(("frozen_steps", "told"), [(100, 0), (0, 1)])
def test_that_all_layers_take_longer_than_one_is_no_news(
    monkeypatch, capsys, frozen_steps: int, told: int
) -> None:
    now = 0.0
    monkeypatch.setattr(CoreTimes, "now", lambda: CoreTimes(now, 0.0, 0.0))
    monkeypatch.setattr(progress, "busy_cores", lambda since: 0.0)
    monkeypatch.setattr(time, "monotonic", lambda: now)
    with progress.Progress() as shown:
        shown.begin(2, 100, 0, frozen_steps)
        for step in range(1, 201):
            now += 0.05 if step <= 100 else 0.4
            shown.step(step, 1.0, 0.5)
    assert capsys.readouterr().err.count("steps take 8.0 times as long") == told
