"""A server in a thread of the test's process, and a client that sends exactly what it is told."""

import http.client
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from fashion_cnn.shipping.address import Address
from fashion_cnn.shipping.predict import open_predictor
from fashion_cnn.shipping.serve import PAGE, build_server

SAMPLES = sorted((PAGE / "samples").iterdir())
BOOT = SAMPLES[9].read_bytes()


@contextmanager
def running(model: Path | None = None, **address: Any) -> Iterator[int]:
    """A server in a thread, of the model in the package or another; gives its port."""
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
        assert not thread.is_alive()


def call(
    port: int, method: str = "GET", path: str = "/healthz", body: Any = None, **headers: str
) -> tuple[int, dict[str, str], bytes]:
    """Status, headers in lower case and body of a request; a word_like_this is a Word-Like-This."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    try:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        connection.request(method, path, body, named, encode_chunked=False)
        answer = connection.getresponse()
        found = {name.lower(): value for name, value in answer.getheaders()}
        return answer.status, found, answer.read()
    finally:
        connection.close()


def detail(answer: tuple[int, dict[str, str], bytes]) -> str:
    return json.loads(answer[2])["detail"]
