"""A server that answers good and hostile pictures for long: its memory stays the same."""

import os
import statistics
import time
from functools import partial

from bench.campaign.experiment import Experiment, Trial
from bench.campaign.hostile import hostile_picture
from bench.campaign.serving import call, must_answer, served
from bench.recording import resident

_PARTS = 10  # of the time; the first is for warming up
_WARM = 300  # pictures at least in that one: all children and caches are there by then
_MEGABYTES = 30  # more in the last part than in the second


def soak(minutes: float) -> Experiment:
    """The experiment, each trial of which takes so long."""
    return Experiment(
        "soak",
        f"{minutes:g} minutes of good and hostile pictures: all processes of the server together "
        f"take at most {_MEGABYTES} MB more in the last tenth than in the second",
        1,
        partial(_trial, seconds=60 * minutes),
        60 * minutes + 180,
    )


def _trial(trial: Trial, seconds: float) -> None:
    os.chdir(trial.room)
    with served() as (port, server):
        asked, memory = _ask(trial, port, server, seconds)
    print(asked, "pictures;", memory, "MB")
    grown = memory[-1] - memory[1]
    assert grown <= _MEGABYTES, f"{grown:.0f} MB more: {memory}"


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
            seen.append(resident(server) / 1e6)
        memory.append(statistics.median(seen))
    return asked, memory
