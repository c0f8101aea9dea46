"""A server that is asked for more than it can do."""

import asyncio
import json
import os
import time
from collections import Counter

from bench.campaign.experiment import Experiment, Trial
from bench.campaign.serving import BOOT, call, must_answer, served
from bench.pictures import shop_photo
from bench.recording import resident

_FACTORS = (1, 2, 10, 10)
_FLOOD = 2  # times, above which a connection may be closed on: 320 are heard at once
_SECONDS = 4  # of each
_REACHED = 0.8  # of the rate at least is to have been sent in time, or the trial says nothing
_WAIT = 30
_MEGABYTES = 10  # more after the last than after the one before


def _trial(trial: Trial) -> None:
    os.chdir(trial.room)
    picture = shop_photo(BOOT)
    with served() as (port, server):
        capacity, memory = _capacity(port, picture), []
        for factor in _FACTORS:
            rate = factor * capacity
            outcomes, sent = asyncio.run(_offer(port, picture, rate))
            print(f"{factor}x, {rate:.0f} a second, {sent} sent: {dict(outcomes)}")
            assert sent > _REACHED * rate * _SECONDS, "the client was too slow"
            closed = {"ConnectionResetError", "nothing"} if factor > _FLOOD else set()
            assert {*outcomes} <= {"right", "503", *closed}, outcomes
            assert outcomes["right"] > 0.3 * capacity * _SECONDS, outcomes
            must_answer(port)
            memory.append(resident(server) / 1e6)
        assert memory[-1] - memory[-2] <= _MEGABYTES, f"MB: {memory}"


def _capacity(port: int, picture: bytes) -> float:
    """Pictures a second on a new connection each, one after the other."""
    began, answered = time.monotonic(), 0
    while time.monotonic() - began < _SECONDS:
        status, _ = call(port, "POST", "/v1/predict", picture)
        assert status == 200, status
        answered += 1
    return answered / _SECONDS


async def _offer(port: int, picture: bytes, rate: float) -> tuple[Counter[str], int]:
    """Ask at fixed instants, answered or not: how each ended, and how many were sent in time."""
    began, asked, sent = time.monotonic(), [], []
    while (now := time.monotonic() - began) < _SECONDS:
        while len(asked) < now * rate:
            asked.append(asyncio.create_task(_ask(port, picture, sent)))
        await asyncio.sleep(0.002)
    outcomes = Counter(await asyncio.gather(*asked))
    return outcomes, sum(moment < began + _SECONDS for moment in sent)


async def _ask(port: int, picture: bytes, sent: list[float]) -> str:
    """Whether it was answered rightly, or else its status, or what became of it instead."""
    try:
        async with asyncio.timeout(_WAIT):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            head = f"Host: 127.0.0.1\r\nConnection: close\r\nContent-Length: {len(picture)}\r\n\r\n"
            writer.write(b"POST /v1/predict HTTP/1.1\r\n" + head.encode() + picture)
            sent.append(time.monotonic())
            head, _, body = (await reader.read()).partition(b"\r\n\r\n")
            writer.close()
    except (OSError, TimeoutError) as error:
        return type(error).__name__
    status = head[9:12].decode()
    if status == "200":
        label = json.loads(body)["label"]
        return "right" if label == "Ankle boot" else label
    if status == "503" and b"retry-after:" not in head.lower():
        return "503 without Retry-After"
    return status or "nothing"


LOAD = Experiment(
    "load",
    "A photo is asked about at 1, 2, 10 and again 10 times the rate that one client gets, "
    f"{_SECONDS} s each: every request is answered rightly or refused by a 503 that says when to "
    "come again (at 10 times also closed on), at least 0.3 times that rate is answered, and the "
    "server holds at most "
    f"{_MEGABYTES} MB more after the last part than after the one before",
    30,
    _trial,
    240,
)
