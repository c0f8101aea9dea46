"""Several trainings in one folder, and clocks that are set while a training runs."""

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

from bench.campaign.experiment import Experiment, Trial, say_into
from bench.campaign.stage import command
from bench.campaign.trainings import (
    RECIPES,
    expected_seconds,
    finish,
    start,
    straight,
    wait,
    wait_for_start,
    words,
)

_REFUSED = 2


def _together(trial: Trial) -> None:
    """Two to four at about the same time; one is killed now and then."""
    draw, run = trial.draw, trial.room / "run"
    name = draw.choice([*RECIPES])
    seconds = expected_seconds(straight(trial, name))
    if draw.random() < 0.5:  # in a folder with a run that was killed
        child = start(words(trial, name, run))
        time.sleep(draw.uniform(1, seconds))
        os.kill(child, signal.SIGKILL)
        wait(child)
    children: list[int] = []
    for number in range(draw.randint(2, 4)):
        given = words(trial, name, run)
        said = trial.room / f"said-{number}.txt"
        children.append(start(given, lambda said=said: say_into(said)))
        time.sleep(draw.choice((0, draw.uniform(0, 0.1), draw.uniform(0, seconds / 2))))
    killed = draw.random() < 0.4
    if killed:
        time.sleep(draw.uniform(0, seconds / 2))
        os.kill(draw.choice(children), signal.SIGKILL)
    codes = [wait(child) for child in children]
    print(name, codes)
    assert set(codes) <= {0, _REFUSED, -signal.SIGKILL}, codes
    assert 0 in codes or killed, codes
    for number, code in enumerate(codes):
        said = (trial.room / f"said-{number}.txt").read_text()
        refused = "is in use by" in said or "already holds a run" in said
        assert refused == (code == _REFUSED), f"{code}: {said}"
    finish(trial, name, run)


# -- clocks ----------------------------------------------------------------------------------------

_LIBRARY = "faketime/libfaketimeMT.so.1"  # of Debian's package libfaketime
_TIMES = ("+0", "-1s", "-1h", "-1d", "-400d", "-26y", "-56y", "+1d", "+11y")
"""Back to 1970, where a clock begins that lost its battery, and forth."""


def _clock(trial: Trial) -> None:
    """Trainings under a clock that is set while they run; killed or stopped, and gone on with."""
    os.chdir(trial.room)  # where what `compare` draws is put
    draw, run = trial.draw, trial.room / "run"
    name = draw.choice([*RECIPES])
    clock = trial.room / "clock"
    seconds = expected_seconds(straight(trial, name))
    for _ in range(draw.randint(1, 2)):
        _set(clock, draw)
        child = _under(clock, words(trial, name, run))
        wait_for_start(run)
        for _ in range(3):
            time.sleep(draw.uniform(0, seconds))
            _set(clock, draw)
        child.send_signal(draw.choice((signal.SIGKILL, signal.SIGTERM)))
        code = child.wait()
        # By the signal itself if it was still being started.
        assert code in (0, -signal.SIGKILL, -signal.SIGTERM, 128 + signal.SIGTERM), code
        _alter_times(draw, run)
    _set(clock, draw)
    print(name, clock.read_text())
    for after in (words(trial, name, run), ["report", str(run)]):
        code = _under(clock, after).wait()
        assert code == 0, f"{after}: {code}"
    finish(trial, name, run)
    command(["compare", str(run), str(straight(trial, name))])


def _set(clock: Path, draw: random.Random) -> None:
    new = clock.with_suffix(".new")
    new.write_text(draw.choice(_TIMES))
    new.replace(clock)  # a half of it is never read


def _under(clock: Path, given: list[str]) -> subprocess.Popen[bytes]:
    """Start a command for which it is as much later or earlier as a file says at any moment.

    Durations are not altered, as by a real clock that is set.
    """
    library = next(Path("/usr/lib").glob(f"*/{_LIBRARY}"), None)
    assert library, "this needs libfaketime: apt-get install libfaketime"
    fake = {
        "LD_PRELOAD": str(library),
        "FAKETIME_TIMESTAMP_FILE": str(clock),
        "FAKETIME_NO_CACHE": "1",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
    }
    return subprocess.Popen([sys.executable, "-m", "fashion_cnn", *given], env=os.environ | fake)


def _alter_times(draw: random.Random, run: Path) -> None:
    for path in run.rglob("*"):
        moment = draw.choice((0, 1e9, time.time(), 4e9))
        os.utime(path, (moment, moment), follow_symlinks=False)


TOGETHER = Experiment(
    "together",
    "Two to four trainings in one folder at about the same time, one of them killed now and then: "
    "one trains, the others are refused, and resuming ends in the same bits",
    150,
    _together,
    240,
)
CLOCK = Experiment(
    "clock",
    "A training while the clock is set back and forth, by libfaketime, and with files of any date, "
    "killed or stopped: resuming and reporting work, and it ends in the same bits",
    50,
    _clock,
    300,
)
