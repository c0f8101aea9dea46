"""A server in a thread of the test's process, and a client that sends exactly what it is told."""

import http.client
import json
from typing import Any

from bench.campaign.serving import running as running
from fashion_cnn.shipping.serve import PAGE

SAMPLES = sorted((PAGE / "samples").iterdir())
BOOT = SAMPLES[9].read_bytes()


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
