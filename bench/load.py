"""Load two servers: what is lost, what is turned away, how long answers take.

python3 bench/load.py PICTURE [--seconds 20] [--json FILE]

Starts `fashion-cnn serve` and measures what one client after another gets (its capacity), then
sends that rate, twice and ten times as much, each picture on a connection of its own, at fixed
instants whether or not earlier ones were answered. Then the same rates to bench/plain_server.py.
"""

import argparse
import collections
import http.client
import json
import statistics
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

from fashion_cnn.process.machine import cpu_name, machine
from fashion_cnn.run.files import to_json

_WARM_UP = 20
_FACTORS = (1, 2, 10)
_SERVERS = {
    "fashion-cnn serve": ["-m", "fashion_cnn", "serve", "--port", "0"],
    "plain handler": [str(Path(__file__).with_name("plain_server.py"))],
}


def main(picture: Path, seconds: float, output: Path | None) -> None:
    """Run the phases and print a line for each."""
    data = picture.read_bytes()
    record: dict[str, Any] = {"picture_bytes": len(data), "seconds": seconds}
    record["machine"] = {"cpu": cpu_name(), **machine()}
    rate = None
    for name, command in _SERVERS.items():
        with subprocess.Popen(
            [sys.executable, *command], stderr=subprocess.PIPE, text=True
        ) as server:
            try:
                assert server.stderr
                port = int(server.stderr.readline().split("127.0.0.1:")[1].split("/")[0])
                for _ in range(_WARM_UP):
                    _ask(port, data)
                alone = statistics.median(_ask(port, data)[1] for _ in range(100))
                record[name] = {"alone_p50_ms": 1000 * alone}
                print(f"{name}: {1000 * alone:.1f} ms, one after another")
                rate = rate or 1 / alone
                for factor in _FACTORS:
                    phase = _phase(port, data, factor * rate, seconds)
                    record[name][f"{factor}x"] = {**phase, "server_rss_mb": _rss(server.pid)}
                    print(f"{factor:>3}x {json.dumps(record[name][f'{factor}x'])}")
            finally:
                server.terminate()
    if output:
        output.write_bytes(to_json(record))


def _phase(port: int, data: bytes, rate: float, seconds: float) -> dict[str, Any]:
    answers: list[tuple[str, float]] = []
    threads = []
    began = time.perf_counter()
    for index in range(int(rate * seconds)):
        time.sleep(max(0.0, began + index / rate - time.perf_counter()))
        thread = threading.Thread(target=lambda: answers.append(_ask(port, data)))
        thread.start()
        threads.append(thread)
    for thread in threads:
        thread.join()
    good = sorted(taken for outcome, taken in answers if outcome == "200")
    return {
        "sent": len(threads),
        "per_second": len(threads) / (time.perf_counter() - began),
        "outcomes": dict(collections.Counter(outcome for outcome, _ in answers)),
        "p50_ms": 1000 * good[len(good) // 2] if good else None,
        "p99_ms": 1000 * good[len(good) * 99 // 100] if good else None,
    }


def _ask(port: int, data: bytes) -> tuple[str, float]:
    """What became of a picture: a status, or the name of the fault; and the seconds it took."""
    began = time.perf_counter()
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        connection.request("POST", "/v1/predict", data)
        answer = connection.getresponse()
        answer.read()
        outcome = str(answer.status)
    except OSError as error:
        outcome = type(error).__name__
    except http.client.HTTPException as error:
        outcome = type(error).__name__
    finally:
        connection.close()
    return outcome, time.perf_counter() - began


def _rss(pid: int) -> float:
    fields = dict(
        line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines()
    )
    return int(fields["VmRSS"].split()[0]) / 1000


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("picture", type=Path)
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--json", type=Path)
    words = parser.parse_args()
    main(words.picture, words.seconds, words.json)
