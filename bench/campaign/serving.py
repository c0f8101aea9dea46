"""A server of the product, in a thread or by its command, and clients that do as they are told."""

import http.client
import json
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from fashion_cnn.shipping.address import Address
from fashion_cnn.shipping.predict import open_predictor
from fashion_cnn.shipping.serve import PAGE, build_server

SAMPLES = [path.read_bytes() for path in sorted((PAGE / "samples").iterdir())]
BOOT = SAMPLES[9]


@contextmanager
def running(model: Path | None = None, **address: Any) -> Iterator[int]:
    """A server in a thread, of the models in the package or another one; gives its port."""
    server, listening = build_server(
        open_predictor(model, threads=1), Address(port=0, **address), workers=1
    )
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
    thread.start()
    try:
        yield listening.getsockname()[1]
    finally:
        server.should_exit = True
        thread.join(30)
        listening.close()
    assert not thread.is_alive(), "the server does not stop"


@contextmanager
def served() -> Iterator[tuple[int, int]]:
    """The command itself, in processes of its own; gives its port and its process's number."""
    words = [sys.executable, "-m", "fashion_cnn", "serve", "--port", "0"]
    with subprocess.Popen(words, stderr=subprocess.PIPE) as server:
        try:
            assert server.stderr
            found = re.search(rb"http://127\.0\.0\.1:(\d+)", server.stderr.readline())
            assert found, "the server does not say where it is"
            yield int(found[1]), server.pid
        finally:
            server.terminate()
            server.communicate(timeout=60)
    assert server.returncode == -signal.SIGTERM, server.returncode


def call(port: int, method: str, path: str, body: bytes | None = None) -> tuple[int, bytes]:
    """Status and body of a request."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    try:
        connection.request(method, path, body)
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


def must_answer(port: int) -> None:
    """A good picture is called what it is."""
    status, body = call(port, "POST", "/v1/predict", BOOT)
    assert status == 200, f"{status} {body!r:.200}"
    assert json.loads(body)["label"] == "Ankle boot"


def must_live(port: int, seconds: float = 1.0) -> None:
    """/healthz answers soon."""
    began = time.monotonic()
    status, _ = call(port, "GET", "/healthz")
    assert status == 200, status
    assert time.monotonic() - began < seconds, f"{time.monotonic() - began:.1f} s"


def raw(port: int, sent: bytes, seconds: float = 0.3) -> bytes:
    """What comes back for some bytes, as far as it comes within a time."""
    got = b""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=seconds) as connection:
            connection.sendall(sent)
            connection.shutdown(socket.SHUT_WR)
            while part := connection.recv(65536):
                got += part
    except OSError:
        pass
    return got
