"""A server that answers good and hostile pictures for long: its memory stays the same."""

import os
import re
import signal
import statistics
import subprocess
import sys
import time
from functools import partial

import psutil

from bench.campaign.experiment import Experiment, Trial
from bench.campaign.hostile import hostile_picture
from bench.campaign.serving import call, must_answer

_PARTS = 10  # of the time; the first is for warming up
_WARM = 300  # pictures at least in that one: all children and caches are there by then
_MEGABYTES = 30  # more in the last part than in the second


def soak(minutes: float) -> Experiment:
    """The experiment, each trial of which takes so long."""
    return Experiment(
        "soak",
        f"{minutes:g} minutes of good and hostile pictures: all processes of the server together "
        f"take at most {_MEGABYTES} MB more in the last tenth than in the second",
        6,
        partial(_trial, seconds=60 * minutes),
        60 * minutes + 180,
    )


def _trial(trial: Trial, seconds: float) -> None:
    os.chdir(trial.room)
    words = ["serve", "--port", "0"]
    with subprocess.Popen(
        [sys.executable, "-m", "fashion_cnn", *words], stderr=subprocess.PIPE
    ) as (server):
        try:
            assert server.stderr
            found = re.search(rb"http://127\.0\.0\.1:(\d+)", server.stderr.readline())
            assert found, "the server does not say where it is"
            asked, memory = _ask(trial, int(found[1]), server.pid, seconds)
        finally:
            server.terminate()
            server.communicate(timeout=60)
    print(asked, "pictures;", memory, "MB")
    grown = memory[-1] - memory[1]
    assert grown <= _MEGABYTES, f"{grown:.0f} MB more: {memory}"
    assert server.returncode == -signal.SIGTERM, server.returncode


def _ask(trial: Trial, port: int, server: int, seconds: float) -> tuple[int, list[float]]:
    """How many pictures were sent, and the server's memory in each part of the time, in MB."""
    asked, memory = 0, []
    for _ in range(_PARTS):
        until, seen = time.monotonic() + seconds / _PARTS, []
        while time.monotonic() < until or asked < _WARM:
            status, _ = call(port, "POST", "/v1/predict", hostile_picture(trial.draw))
            assert status in (200, 400, 413, 415, 422), status
            must_answer(port)
            asked += 2
            seen.append(_resident(server))
        memory.append(statistics.median(seen))
    return asked, memory


def _resident(server: int) -> float:
    """Megabytes of a process and all that it started."""
    whole = psutil.Process(server)
    total = 0
    for process in (whole, *whole.children(recursive=True)):
        try:
            total += process.memory_info().rss
        except psutil.NoSuchProcess:  # ended meanwhile
            continue
    return total / 1e6
