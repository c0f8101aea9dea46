"""Load two servers side by side: what they answer a second, how long it takes, what is lost.

    python bench/load.py [--seconds 5] [--rounds 3] [--output FILE]

Needs wrk and h2load (Debian: wrk, nghttp2-client). Starts `fashion-cnn serve` and
bench/plain_server.py, sends each in turn the same two pictures, a sample of 28x28 pixels and an
ordinary JPEG of 800x800 made of it (`shop_photo`), and prints the record as JSON.

Closed: wrk keeps 1, 8 and 32 requests in flight, on connections that are kept or on a new one each.
Open, ours alone: h2load opens a connection a picture at fixed instants, whether or not earlier ones
were answered, at 0.8 and, with the JPEG, at 10 times what 8 new connections got. A phase that
offers a tenth less than it should have fails, and with it the measurement.
"""

import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from pictures import shop_photo
from recording import parser, resident, write

HERE = Path(__file__).parent
_SAMPLE = HERE.parent / "src/fashion_cnn/shipping/page/samples/9-ankle-boot.png"
_SERVERS = {
    "ours": ["-m", "fashion_cnn", "serve", "--port", "0"],
    "plain": [str(HERE / "plain_server.py")],
}
_CONNECTIONS = (1, 8, 32)
_FACTORS = {"28 pixels": (0.8,), "800 pixels": (0.8, 10.0)}
"""Of what 8 new connections got. Ten times that of small pictures cannot be sent beside a server
that has the same cores."""
_LEAST_OFFERED = 0.9
_PACED = 0.02
_REST = 1  # second between open phases, in which what one left is closed


def closed_figures(found: dict[str, int]) -> dict[str, Any]:
    """What a closed phase comes to.

    Args: found: what load.lua prints: all answers, those that are not 200 among them, losses,
        and microseconds that passed.

    Returns:
        Elapsed time, answers with 200 a second of it, latency of all answers, outcomes.
    """
    seconds, good = found["microseconds"] / 1e6, found["answers"] - found["not_200"]
    return {
        "elapsed_seconds": seconds,
        "answered_per_second": good / seconds,
        "p50_ms": found["p50_us"] / 1000,
        "p99_ms": found["p99_us"] / 1000,
        "outcomes": {"200": good, "other": found["not_200"], "lost": found["lost"]},
    }


def open_figures(log: str, sent: int, rate: float) -> dict[str, Any]:
    """What an open phase comes to.

    Args:
        log: h2load's, a line a request: microseconds at which it was sent, status, microseconds
            that it took.
        sent: how many requests there should be.
        rate: how many a second there should be.

    Returns:
        Elapsed time, from the first request to the last answer; the rate that was offered, and
        answers with 200 a second of it; their latency; outcomes.

    Raises:
        RuntimeError: fewer than nine tenths of `rate` were offered.
    """
    rows = np.array([line.split("\t") for line in log.splitlines()], np.int64).reshape(-1, 3)
    began, status, taken = rows.T
    if len(rows) < 2:
        raise RuntimeError(f"of {sent} requests {len(rows)} were sent")
    offered = (len(rows) - 1) / ((began.max() - began.min()) / 1e6)
    if offered < _LEAST_OFFERED * rate:
        raise RuntimeError(f"{offered:.0f} requests a second were offered, not {rate:.0f}")
    elapsed = ((began + taken).max() - began.min()) / 1e6
    outcomes = Counter(str(code) if code > 0 else "lost" for code in status.tolist())
    outcomes["lost"] += sent - len(rows)
    good = taken[status == 200]
    return {
        "wanted_per_second": rate,
        "offered_per_second": offered,
        "elapsed_seconds": elapsed,
        "answered_per_second": len(good) / elapsed,
        "p50_ms": float(np.quantile(good, 0.5)) / 1000 if len(good) else None,
        "p99_ms": float(np.quantile(good, 0.99)) / 1000 if len(good) else None,
        "outcomes": dict(outcomes),
    }


def medians(rounds: Sequence[dict[str, Any]], by: str = "answered_per_second") -> dict[str, Any]:
    """Of phases that were repeated, the one in the middle by a figure; and that of all."""
    every = [phase[by] for phase in rounds]
    middle = every.index(statistics.median_low(every))
    return {**rounds[middle], f"rounds_{by}": every}


def pace(rate: float) -> tuple[int, int]:
    """Connections to open at once, and every how many milliseconds.

    The shortest time, 100 at most, that comes within 2 % of `rate`: connections that come together
    wait for each other, and that would be the client's doing.
    """
    ways = [(max(1, round(rate * ms / 1000)), ms) for ms in range(1, 101)]
    off = {way: abs(1000 * way[0] / way[1] / rate - 1) for way in ways}
    return next((way for way in ways if off[way] <= _PACED), min(ways, key=lambda way: off[way]))


def _closed(url: str, body: Path, connections: int, kept: bool, seconds: float) -> dict[str, Any]:
    how = {"BODY": str(body), "CONNECTION": "keep-alive" if kept else "close"}
    words = ["wrk", "-t1", f"-c{connections}", f"-d{seconds:g}s", "-s", str(HERE / "load.lua"), url]
    done = subprocess.run(words, env=os.environ | how, capture_output=True, text=True, check=True)
    return closed_figures(json.loads(done.stdout.splitlines()[-1]))


def _open(url: str, body: Path, rate: float, seconds: float) -> dict[str, Any]:
    sent, (count, milliseconds) = round(rate * seconds), pace(rate)
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / "log"
        words = ["h2load", "--h1", f"-n{sent}", f"-c{sent}", f"-r{count}"]
        words += [f"--rate-period={milliseconds}ms", "--connection-inactivity-timeout=30s"]
        subprocess.run([*words, f"-d{body}", f"--log-file={log}", url], capture_output=True)
        return open_figures(log.read_text(), sent, rate)


@contextmanager
def _serving(words: Sequence[str]) -> Iterator[tuple[str, int]]:
    """A server while it is needed: where it takes pictures, and its process."""
    with subprocess.Popen([sys.executable, *words], stderr=subprocess.PIPE, text=True) as server:
        try:
            assert server.stderr
            found = re.search(r"http://127\.0\.0\.1:\d+/", server.stderr.readline())
            assert found
            yield f"{found[0]}v1/predict", server.pid
        finally:
            server.terminate()


def _measure_closed(
    urls: dict[str, str], bodies: dict[str, Path], seconds: float
) -> dict[str, dict[str, Any]]:
    """Each phase for one server right after the other: a shared machine changes by the minute."""
    found: dict[str, dict[str, Any]] = {name: {} for name in urls}
    for picture, body in bodies.items():
        for url in urls.values():
            _closed(url, body, 8, True, 1)  # warm
        for kept in (True, False):
            for count in _CONNECTIONS:
                for name, url in urls.items():
                    phase = f"{picture}, {count} {'kept' if kept else 'new'}"
                    found[name][phase] = _closed(url, body, count, kept, seconds)
    return found


def measure(seconds: float, rounds: int) -> dict[str, Any]:
    """Run all phases so many times; returns what is recorded."""
    record: dict[str, Any] = {"tools": {tool: _version(tool) for tool in ("wrk", "h2load")}}
    with tempfile.TemporaryDirectory() as folder:
        sample = _SAMPLE.read_bytes()
        bodies = {"28 pixels": Path(folder) / "sample.png", "800 pixels": Path(folder) / "shop.jpg"}
        for body, data in zip(bodies.values(), (sample, shop_photo(sample)), strict=True):
            body.write_bytes(data)
        record["picture_bytes"] = {name: body.stat().st_size for name, body in bodies.items()}
        with ExitStack() as stack:
            servers = {name: stack.enter_context(_serving(_SERVERS[name])) for name in _SERVERS}
            before = {name: resident(pid) / 1e6 for name, (_, pid) in servers.items()}
            urls = {name: url for name, (url, _) in servers.items()}
            closed = [_measure_closed(urls, bodies, seconds) for _ in range(rounds)]
            record["megabytes"] = {
                name: [before[name], resident(pid) / 1e6] for name, (_, pid) in servers.items()
            }
        record["closed"] = {
            name: {
                phase: medians([one[name][phase] for one in closed]) for phase in closed[0][name]
            }
            for name in servers
        }
        record["times_plain"] = {
            phase: statistics.median(
                one["ours"][phase]["answered_per_second"]
                / one["plain"][phase]["answered_per_second"]
                for one in closed
            )
            for phase in record["closed"]["ours"]
        }
        record["open"] = {}
        with _serving(_SERVERS["ours"]) as (url, pid):
            for picture, body in bodies.items():
                _closed(url, body, 8, True, 1)
                capacity = record["closed"]["ours"][f"{picture}, 8 new"]["answered_per_second"]
                for factor in _FACTORS[picture]:
                    before, found = resident(pid) / 1e6, []
                    for _ in range(rounds):
                        found.append(_open(url, body, factor * capacity, seconds))
                        time.sleep(_REST)
                    middle = medians(found, "p99_ms")
                    middle["megabytes"] = [before, resident(pid) / 1e6]
                    record["open"][f"{picture}, {factor:g} times"] = middle
    return record


def _version(tool: str) -> str:
    how = {"wrk": "-v", "h2load": "--version"}[tool]
    done = subprocess.run([tool, how], capture_output=True, text=True)  # wrk says it and exits 1
    return done.stdout.splitlines()[0]


if __name__ == "__main__":
    options = parser(__doc__, rounds=3)
    options.add_argument("--seconds", type=int, default=5, help="of each phase")
    given = options.parse_args()
    write("python " + " ".join(sys.argv), given.output, **measure(given.seconds, given.rounds))
