"""The server's limits: slow and greedy clients, wild bytes, signals."""

import json
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress

import numpy as np
import pytest

from fashion_cnn.shipping import guard, serve
from fashion_cnn.shipping.address import Address
from fashion_cnn.shipping.predict import Predictor, open_predictor
from fashion_cnn.shipping.serve import build_server
from serving import BOOT, call, detail, running


def wait_for_end(connection: socket.socket, seconds: float = 10) -> bytes:
    connection.settimeout(seconds)
    parts = []
    try:
        while part := connection.recv(4096):
            parts.append(part)
    except ConnectionResetError:
        pass
    return b"".join(parts)


def alive(connection: socket.socket) -> bool:
    """Whether the answer to `GET` comes, whole."""
    connection.settimeout(10)
    answer = b""
    while part := connection.recv(4096):
        answer += part
        if answer.endswith(b'"alive"}'):
            return b"200 OK" in answer
    return False


HEAD = b"POST /v1/predict HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\n"
GET = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"
PAGE = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"
MODEL = PAGE.replace(b"/ ", b"/v1/model ", 1)


@pytest.mark.parametrize(
    ("sent", "answer"),
    [
        (b"", b""),
        (b"GET /healthz HT", b""),
        (GET + b"|GET /", b"200 OK"),
        (HEAD + b"x", b"408 Request Timeout"),
        (HEAD.replace(b"POST /v1/predict", b"GET /healthz") + b"x", b"200 OK"),
    ],
    ids=["nothing", "half a line", "half a second request", "half a body", "a body nobody reads"],
)
def test_slow_requests_are_ended(monkeypatch, sent: bytes, answer: bytes) -> None:
    monkeypatch.setattr(guard, "HEADER_SECONDS", 0.3)
    monkeypatch.setattr(guard, "BODY_SECONDS", 0.3)
    monkeypatch.setattr(guard, "_GRACE", 0.3)
    monkeypatch.setattr(serve, "BODY_SECONDS", 0.3)
    with running() as port, socket.create_connection(("127.0.0.1", port)) as connection:
        began = time.monotonic()
        for part in sent.split(b"|"):
            connection.sendall(part)
            assert call(port)[0] == 200, "others are answered meanwhile"
        assert answer in wait_for_end(connection)
        assert time.monotonic() - began < 4


def test_how_long_is_waited() -> None:
    assert (guard.HEADER_SECONDS, guard.BODY_SECONDS, serve.BODY_SECONDS) == (5, 15, 15)
    server, listening = build_server(open_predictor(threads=1), Address(port=0), workers=1)
    listening.close()
    assert server.config.timeout_keep_alive == 5, "between requests"
    assert server.config.timeout_graceful_shutdown == 20, "in flight at the end"


def test_64_connections_are_held_and_no_more() -> None:
    with running() as port, ExitStack() as stack:
        held = [
            stack.enter_context(socket.create_connection(("127.0.0.1", port))) for _ in range(64)
        ]
        for connection in held:
            connection.sendall(GET)
            assert alive(connection)
        with socket.create_connection(("127.0.0.1", port)) as connection:
            connection.sendall(MODEL)
            began = time.monotonic()
            assert b"503 Service" in wait_for_end(connection)
            try:
                while time.monotonic() - began < 8:
                    connection.sendall(b"x")
                    time.sleep(0.05)
            except ConnectionError:
                pass
            assert 1.5 < time.monotonic() - began < 3.5, "it may finish sending, for 2 s"


def test_the_end_waits_for_what_is_worked_on_alone(monkeypatch) -> None:
    release, begun, predict_all = threading.Event(), threading.Event(), Predictor.predict_all

    def slow(self, files: list[bytes], seconds: float | None) -> list:
        begun.set()
        assert release.wait(10)
        return predict_all(self, files, seconds)

    monkeypatch.setattr(Predictor, "predict_all", slow)
    server, listening = build_server(open_predictor(threads=1), Address(port=0), workers=1)
    port = listening.getsockname()[1]
    with ThreadPoolExecutor(3) as pool:
        end = pool.submit(server.run, sockets=[listening])
        first = pool.submit(call, port, "POST", "/v1/predict", BOOT)
        assert begun.wait(10)
        second = pool.submit(call, port, "POST", "/v1/predict", BOOT)
        while b"waiting 2.0" not in call(port, path="/metrics")[2]:
            time.sleep(0.01)
        server.should_exit = True
        status, headers, _ = second.result(8)
        assert (status, headers["retry-after"]) == (503, "1")
        release.set()
        assert first.result(10)[0] == 200
        end.result(10)


def test_too_many_connections_are_told(monkeypatch) -> None:
    monkeypatch.setattr(guard, "CONNECTIONS", 3)
    with running() as port:
        held = [socket.create_connection(("127.0.0.1", port)) for _ in range(3)]
        for connection in held:
            connection.sendall(GET)
            assert b"200 OK" in connection.recv(4096)
        status, headers, body = call(port, path="/v1/model")
        assert (status, headers["retry-after"]) == (503, "1")
        assert json.loads(body)["detail"] == "too many connections"
        for path in ("/healthz", "/", "/app.js", "/samples/1-trouser.png"):
            assert call(port, path=path)[0] == 200, "a class's browsers get all of the page"
        for connection in held:
            connection.close()
        time.sleep(0.2)
        assert call(port, path="/v1/model")[0] == 200


@pytest.mark.parametrize("lingering", [256, 0])
def test_who_is_turned_away_may_finish_sending(monkeypatch, lingering: int) -> None:
    monkeypatch.setattr(guard, "CONNECTIONS", 1)
    monkeypatch.setattr(guard, "_LINGERING", lingering)
    monkeypatch.setattr(guard, "_LINGER_SECONDS", 0.5)
    with running() as port, socket.create_connection(("127.0.0.1", port)) as held:
        held.sendall(GET)
        assert alive(held)
        with socket.create_connection(("127.0.0.1", port)) as connection:
            connection.sendall(MODEL)
            assert b"503 Service" in connection.recv(4096)
            whole = True
            try:
                for _ in range(3):
                    connection.sendall(bytes(10_000))
                    time.sleep(0.05)
            except ConnectionError:
                whole = False
            assert whole == bool(lingering)
            began = time.monotonic()
            wait_for_end(connection)
            assert time.monotonic() - began < 2, "it is not waited for any longer"
        held.sendall(GET)
        assert alive(held), "the other connection goes on"


def test_clients_that_ask_and_never_read_are_ended(monkeypatch) -> None:
    monkeypatch.setattr(guard, "WRITE_SECONDS", 0.5)
    monkeypatch.setattr(guard, "CONNECTIONS", 2)
    listen = Address.listen

    def listen_narrowly(self) -> socket.socket:
        listening = listen(self)
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
        return listening

    monkeypatch.setattr(Address, "listen", listen_narrowly)
    with running() as port, ExitStack() as stack:
        for _ in range(2):
            greedy = stack.enter_context(socket.socket())
            greedy.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
            greedy.connect(("127.0.0.1", port))
            greedy.setblocking(False)
            with suppress(BlockingIOError):  # when as much waits as the system holds
                while True:
                    greedy.send(PAGE.replace(b"/ ", b"/app.js ", 1) * 200)
        assert call(port, path="/v1/model")[0] == 503
        assert call(port)[0] == 200
        ended = time.monotonic() + 4  # before 5 s of silence would end them
        while call(port, path="/v1/model")[0] != 200:
            assert time.monotonic() < ended
            time.sleep(0.1)


@pytest.mark.parametrize(
    "lengths",
    [
        b"Content-Length: 4\r\nTransfer-Encoding: chunked",
        b"Transfer-Encoding: chunked\r\nContent-Length: 4",
        b"Content-Length: 4\r\nContent-Length: 5",
        b"Content-Length: +4",
        b"Content-Length: 4, 4",
        b"Transfer-Encoding: chunked, identity",
    ],
)
def test_a_request_of_two_lengths_is_none(port: int, lengths: bytes) -> None:
    """Or a proxy in front could see another request behind it than we do."""
    with socket.create_connection(("127.0.0.1", port)) as connection:
        connection.sendall(HEAD.replace(b"Content-Length: 9", lengths) + b"0\r\n\r\n" + GET)
        answer = wait_for_end(connection)
        assert answer.startswith(b"HTTP/1.1 400 ")
        assert answer.count(b"HTTP/1.1") == 1


def test_wild_bytes_end_nothing(port: int) -> None:
    random = np.random.default_rng(0)
    for _ in range(50):
        wild = bytearray(HEAD + b"123456789")
        for place in random.integers(0, len(wild), 6):
            wild[place] = random.integers(0, 256)
        with socket.create_connection(("127.0.0.1", port)) as connection:
            connection.sendall(wild)
            connection.shutdown(socket.SHUT_WR)
            assert b" 500 " not in wait_for_end(connection)
    assert call(port)[0] == 200


@pytest.fixture
def process() -> Iterator[tuple[subprocess.Popen[str], int]]:
    words = ["serve", "--port", "0", "--drain", "1"]
    with subprocess.Popen(
        [sys.executable, "-m", "fashion_cnn", *words],
        stderr=subprocess.PIPE,
        text=True,
        # A shell's background job, which tests may be, ignores SIGINT, and so would its children.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    ) as server:
        assert server.stderr
        line = server.stderr.readline()
        try:
            port = int(line.split("127.0.0.1:")[1].split("/")[0])
            assert call(port)[0] == 200  # it listens before it answers
            yield server, port
        finally:
            server.kill()


def test_sigterm_ends_readiness_first(process) -> None:
    server, port = process
    assert call(port, path="/readyz")[0] == 200
    server.send_signal(signal.SIGTERM)
    time.sleep(0.3)
    assert detail(call(port, path="/readyz")) == "stopping"
    assert call(port, "POST", "/v1/predict", BOOT)[0] == 200, "it is still served"
    assert server.wait(20) == -signal.SIGTERM
    assert "Traceback" not in server.stderr.read()
    with pytest.raises(ConnectionRefusedError):
        call(port)


def test_a_request_in_flight_is_finished(process) -> None:
    server, port = process
    with socket.create_connection(("127.0.0.1", port)) as connection:
        head = HEAD.replace(b": 9", b": %d" % len(BOOT))
        connection.sendall(head + BOOT[:100])
        time.sleep(0.2)
        server.send_signal(signal.SIGINT)
        time.sleep(0.5)
        connection.sendall(BOOT[100:])
        assert b"Ankle boot" in wait_for_end(connection)
    assert server.wait(20) in (-signal.SIGINT, 130)
