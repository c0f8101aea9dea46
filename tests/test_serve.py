"""The server over HTTP: answers, faults, who may ask."""

import asyncio
import base64
import gc
import http.client
import io
import json
import re
import socket
import statistics
import sys
import threading
import time
import urllib.parse
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.parse import urlsplit

import cv2
import numpy as np
import pytest
from fastapi import HTTPException
from PIL import Image
from prometheus_client.parser import text_string_to_metric_families
from pydantic import TypeAdapter

from fashion_cnn.cli import main
from fashion_cnn.data.decoding import DecoderPool
from fashion_cnn.data.fashion_mnist import CLASS_NAMES
from fashion_cnn.errors import DecoderError, ModelError, SlowImageError, UsageError
from fashion_cnn.shipping import serve
from fashion_cnn.shipping.address import Address
from fashion_cnn.shipping.layers import SeenLayers
from fashion_cnn.shipping.predict import Predictor, open_model, open_predictor
from fashion_cnn.shipping.serve import PAGE, Desk, build_server
from fashion_cnn.shipping.upload import picture_in
from serving import BOOT, SAMPLES, call, detail, running


def test_a_picture_is_answered(port: int) -> None:
    status, headers, body = call(port, "POST", "/v1/predict?top_k=2", BOOT)
    found = json.loads(body)
    wanted = Predictor(open_model(threads=1)).predict(BOOT)
    assert status == 200
    assert headers["cache-control"] == "no-store"
    assert [(one["label"], one["probability"]) for one in found["top"]] == list(wanted.classes[:2])
    assert found["label"] == "Ankle boot"
    assert found["may_be"] == list(wanted.may_be)
    seen = np.asarray(Image.open(io.BytesIO(base64.b64decode(found["seen_png"]))))
    np.testing.assert_array_equal(seen, wanted.seen)
    assert len(json.loads(call(port, "POST", "/v1/predict", BOOT)[2])["top"]) == 10


@pytest.mark.parametrize("body", [BOOT, b"", bytes(8 * 2**20 + 1)], ids=["boot", "none", "long"])
def test_with_and_without_a_query_the_answer_is_the_same(port: int, body: bytes) -> None:
    """Without one it does not pass through FastAPI."""
    direct, routed = (
        call(port, "POST", f"/v1/predict{query}", body) for query in ("", "?top_k=10")
    )
    assert direct[0] == routed[0]
    assert direct[2] == routed[2]
    assert {**direct[1], "date": ""} == {**routed[1], "date": ""}


def test_its_layers_are_told_as_documented(port: int) -> None:
    status, _, body = call(port, "POST", "/v1/layers", BOOT)
    assert status == 200
    form = TypeAdapter(SeenLayers)
    seen = form.validate_json(body)
    assert form.dump_python(seen, mode="json") == json.loads(body)
    assert [stage.channels for stage in seen.stages] == [8, 32, 64, 128]
    assert seen.classes[0].label == "Ankle boot"
    assert call(port, "POST", "/v1/layers", b"<html>")[0] == 422
    assert call(port, "POST", "/v1/layers", b"{}", content_type="application/json")[0] == 415


def test_it_says_what_it_is(port: int) -> None:
    model = json.loads(call(port, path="/v1/model")[2])
    assert model["sha256"] == open_model().sha256
    assert model["recipe"]["name"] == open_model().facts["recipe"]["name"] == "balanced"
    assert model["for_photos"]["recipe"]["name"] == "photo"
    assert json.loads(call(port, path="/healthz")[2]) == {"status": "alive"}
    assert json.loads(call(port, path="/readyz")[2]) == {"status": "ready"}
    schema = json.loads(call(port, path="/openapi.json")[2])
    assert set(schema["paths"]) == {
        "/v1/predict",
        "/v1/layers",
        "/v1/model",
        "/metrics",
        "/healthz",
        "/readyz",
    }
    bodies = schema["paths"]["/v1/predict"]["post"]["requestBody"]["content"]
    assert "image/png" in bodies
    assert bodies["multipart/form-data"]["schema"]["required"] == ["file"]
    assert bodies["application/json"]["schema"]["required"] == ["image"]


def test_answers_on_a_kept_connection_are_not_held_back(port: int) -> None:
    """The kernel would wait 40 ms for an acknowledgement between an answer's head and its body."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    seconds = []
    for _ in range(40):
        began = time.perf_counter()
        connection.request("GET", "/healthz")
        assert connection.getresponse().read() == b'{"status":"alive"}'
        seconds.append(time.perf_counter() - began)
    connection.close()
    assert statistics.median(seconds[10:]) < 0.03  # a connection's first are acknowledged at once


@pytest.mark.parametrize(
    ("body", "status", "words"),
    [
        (b"", 422, "empty"),
        (b"<html>", 422, "not a PNG, JPEG, WEBP, AVIF or HEIC"),
        (b"GIF89a" + bytes(99), 422, "not a PNG, JPEG, WEBP, AVIF or HEIC"),
        (BOOT[:200], 422, "cannot be decoded"),
        (bytes(8 * 2**20 + 1), 413, "8 MB"),
        (b"\x89PNG\r\n\x1a\n" + bytes(8 * 2**20 - 8), 422, ""),
    ],
)
def test_bad_pictures_are_refused_and_it_goes_on(port: int, body, status: int, words: str) -> None:
    answer = call(port, "POST", "/v1/predict", body)
    assert answer[0] == status
    assert words in detail(answer)
    assert call(port, "POST", "/v1/predict", BOOT)[0] == 200


def test_bytes_are_counted_as_they_arrive(port: int) -> None:
    chunk = b"%x\r\n" % 2**20 + bytes(2**20) + b"\r\n"
    answer = call(
        port, "POST", "/v1/predict", iter([chunk] * 9 + [b"0\r\n\r\n"]), Transfer_Encoding="chunked"
    )
    assert answer[0] == 413


@pytest.mark.parametrize(
    ("path", "method", "status"),
    [
        ("/v1/predict", "GET", 405),
        ("/v1/predict?top_k=11", "POST", 422),
        ("/v1/nothing", "GET", 404),
        ("/../serve.py", "GET", 404),
        ("/%2e%2e/serve.py", "GET", 404),
        ("/samples/..%2f..%2fserve.py", "GET", 404),
        ("/style.css", "DELETE", 405),
    ],
)
def test_other_requests(port: int, path: str, method: str, status: int) -> None:
    assert call(port, method, path)[0] == status


@pytest.mark.parametrize(
    "path", ["/v1/predict/", "/v1/predict/?top_k=3", "/v1/layers/", "/metrics/"]
)
def test_a_slash_too_many_is_said_to_be_nowhere(port: int, path: str) -> None:
    for method in ("POST", "GET"):
        status, headers, body = call(port, method, path, BOOT if method == "POST" else None)
        assert (status, json.loads(body)) == (404, {"detail": "Not Found"})
        assert "location" not in headers


@pytest.mark.parametrize(
    "path", ["/", "/healthz", "/readyz", "/metrics", "/v1/model", "/openapi.json", "/style.css"]
)
def test_head_is_answered_as_get_without_a_body(port: int, path: str) -> None:
    """As curl -I asks, and what watches whether a server is up."""
    status, headers, body = call(port, "HEAD", path)
    wanted = call(port, "GET", path)
    assert (status, body) == (200, b"")
    of_the_moment = {"date": "", **({"content-length": ""} if path == "/metrics" else {})}
    assert headers | of_the_moment == wanted[1] | of_the_moment
    assert int(headers["content-length"]) > 0


def test_head_is_no_way_around_a_refusal(port: int) -> None:
    assert call(port, "HEAD", "/v1/predict")[0] == 405
    assert call(port, "HEAD", "/v1/none")[0] == 404
    assert call(port, "HEAD", "/healthz", Host="evil.example")[0] == 421
    assert b'"head"' not in call(port, "GET", "/openapi.json")[2]


def test_a_proxys_check_of_http_1_0_is_answered(port: int) -> None:
    for path, status in (("/healthz", b"200"), ("/readyz", b"200"), ("/v1/model", b"421")):
        with socket.create_connection(("127.0.0.1", port), timeout=20) as connection:
            connection.sendall(b"GET %s HTTP/1.0\r\n\r\n" % path.encode())
            assert connection.makefile("rb").readline().split()[1] == status


def test_other_sites_are_refused_and_own_pages_are_not(port: int) -> None:
    """All ways are in tests/test_guard.py."""
    for headers, status in (
        ({"Host": "evil.example"}, 421),
        ({"Origin": "http://evil.example"}, 403),
        ({"Sec_Fetch_Site": "cross-site"}, 403),
        ({"Origin": f"http://127.0.0.1:{port}", "Sec_Fetch_Site": "same-origin"}, 200),
    ):
        for path in ("/v1/model", "/healthz"):
            assert call(port, path=path, **headers)[0] == status
        assert call(port, "POST", "/v1/predict", BOOT, **headers)[0] == status


def test_every_answer_has_the_headers(port: int) -> None:
    for path in ("/", "/app.js", "/v1/model", "/v1/none", "/healthz", "/openapi.json"):
        _, headers, _ = call(port, path=path)
        assert headers["x-frame-options"] == "DENY"
        assert not {"access-control-allow-origin", "set-cookie", "server"} & set(headers)


def test_a_token_opens_the_interface() -> None:
    token = "correct horse battery"
    with running(token=token) as port:
        assert call(port, path="/")[0] == call(port, path="/readyz")[0] == 200
        for wrong in ({}, {"Authorization": token}, {"Authorization": f"Bearer {token}x"}):
            status, headers, _ = call(port, "POST", "/v1/predict", BOOT, **wrong)
            assert (status, headers["www-authenticate"]) == (401, "Bearer")
            assert call(port, path="/v1/model", **wrong)[0] == 401
        right = {"Authorization": f"Bearer {token}"}
        assert call(port, "POST", "/v1/predict", BOOT, **right)[0] == 200


def test_a_name_can_be_allowed() -> None:
    with running(allow_hosts=("Shoes.example",)) as port:
        assert call(port, Host="shoes.example")[0] == 200
        assert call(port, Host="other.example")[0] == 421


@pytest.mark.parametrize("host", ["0.0.0.0", "::"])
def test_an_open_door_is_found(host: str) -> None:
    """By any of the machine's numbers, and by the one that is printed; by no name."""
    address = Address(host, token="correct horse battery")
    with running(host=host, token=address.token) as port:
        for number in ("192.168.1.5", "192.168.1.5:8000", "[fd00::5]", f"127.0.0.1:{port}"):
            assert call(port, Host=number)[0] == 200
            assert call(port, Host=number, Origin=f"http://{number}")[0] == 200
            assert call(port, Host=number, Origin="http://192.168.1.6")[0] == 403
        for name in ("evil.example", "192.168.1.5.evil.example", "[fd00::5].evil.example"):
            assert call(port, Host=name)[0] == 421
        assert not urlsplit(address.url(port)).hostname.startswith(host)
        with urllib.request.urlopen(address.url(port), timeout=20) as answer:
            assert answer.status == 200
    with running() as port:
        assert call(port, Host="192.168.1.5")[0] == 421, "it listens to this machine alone"


def test_what_is_printed_is_what_was_asked_for() -> None:
    for empty in ({"host": ""}, {"allow_hosts": ("shoes", "")}):
        with pytest.raises(UsageError, match="--host or --allow-host is empty"):
            Address(token="correct horse battery", **empty)
    assert Address().url(81) == "http://127.0.0.1:81/"
    assert Address("localhost").url(81) == "http://localhost:81/"
    assert Address("::1").url(81) == "http://[::1]:81/"


def test_a_token_has_at_least_16_characters() -> None:
    assert Address(token="x" * 16).token
    with pytest.raises(UsageError, match="at least 16"):
        Address(token="x" * 15)


def test_an_open_door_needs_a_token(capsys, port: int) -> None:
    for host in ("0.0.0.0", "::"):
        with pytest.raises(UsageError, match="token"):
            Address(host)
        first, made = Address.opened(host, 0, None, ())
        second, _ = Address.opened(host, 0, None, ())
        assert made
        assert first.token != second.token
        assert re.fullmatch(r"[\w-]{22}", first.token or "")
    given = "correct horse battery"
    assert Address.opened("0.0.0.0", 0, given, ()) == (Address("0.0.0.0", 0, given), False)
    assert Address.opened("127.0.0.1", 0, None, ()) == (Address(port=0), False)
    assert main(["serve", "--token", "short"]) == 2
    assert "token" in capsys.readouterr().err
    assert main(["serve", "--port", str(port)]) == 2
    assert "Address already in use" in capsys.readouterr().err


def read_code(text: str) -> str:
    """What is on a QR code in a terminal: halves of its cells are letters, the rest background."""
    lines = [re.sub(r"\x1b\[[\d;]*m", "", line) for line in text.splitlines()]
    halves = {" ": (0, 0), "▀": (1, 0), "▄": (0, 1), "█": (1, 1)}
    rows = np.array([[halves[one] for one in line] for line in lines], np.uint8)
    light = rows.transpose(0, 2, 1).reshape(-1, rows.shape[1])
    return cv2.QRCodeDetector().detectAndDecode(np.kron(light * 255, np.ones((8, 8), np.uint8)))[0]


def test_a_class_is_let_in_by_a_code(monkeypatch) -> None:
    """On a terminal; into a file goes the address alone, and a token of one's own into neither."""
    address = Address("0.0.0.0", 0, "correct-horse-battery")
    url = f"{address.url(8000)}#correct-horse-battery"
    plain = serve._invitation(address, 8000, show_token=True)
    assert plain.startswith(f"serving on {url}  (Ctrl+C ends it)")
    assert "correct" not in serve._invitation(address, 8000, show_token=False)
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    code, words = serve._invitation(address, 8000, show_token=True).split("\nserving on")
    assert read_code(code) == url
    assert words in plain
    assert "█" not in serve._invitation(address, 8000, show_token=False)


def samples(port: int, **headers: str) -> dict[str, float]:
    """What /metrics says, by name with labels."""
    status, _, body = call(port, path="/metrics", **headers)
    assert status == 200
    return {
        f"{one.name}{sorted(one.labels.values())}": one.value
        for family in text_string_to_metric_families(body.decode())
        for one in family.samples
    }


def test_prometheus_is_told_what_was_done() -> None:
    with running() as port:
        for body, status in ((BOOT, 200), (BOOT, 200), (b"<html>", 422)):
            assert call(port, "POST", "/v1/predict", body)[0] == status
        call(port, path="/nowhere/at/all")
        call(port, Host="evil.example")
        found = samples(port)
        for name, value in {
            "fashion_cnn_requests_total['/v1/predict', '200']": 2,
            "fashion_cnn_requests_total['/v1/predict', '422']": 1,
            "fashion_cnn_requests_total['404', 'other']": 1,
            "fashion_cnn_requests_total['/healthz', '421']": 1,
            "fashion_cnn_request_seconds_count['/v1/predict']": 3,
            "fashion_cnn_answers_total['Ankle boot', 'balanced', 'false']": 2,
            "fashion_cnn_pictures_waiting[]": 0,
        }.items():
            assert found[name] == value, name
        assert 0 < found["fashion_cnn_request_seconds_sum['/v1/predict']"] < 60
        assert sum(value for name, value in found.items() if "fashion_cnn_model[" in name) == 1
        assert samples(port)["fashion_cnn_requests_total['/metrics', '200']"] == 1
    token = "correct horse battery"
    with running(token=token) as port:
        assert call(port, path="/metrics")[0] == 401
        assert samples(port, Authorization=f"Bearer {token}")


def test_a_request_is_a_line_of_the_log(caplog) -> None:
    caplog.set_level("INFO", "fashion_cnn.access")
    with running(token="correct horse battery") as port:
        call(port, path="/%0A%1b[2Jfaked?secret=1")
        call(port, "POST", "/v1/predict", BOOT, Authorization="Bearer correct horse battery")
    lines = [one.getMessage() for one in caplog.records if one.name == "fashion_cnn.access"]
    assert re.fullmatch(r"127\.0\.0\.1 GET /\\n\\x1b\[2Jfaked 404 \d+ B [\d.]+ ms", lines[0])
    assert re.fullmatch(r"127\.0\.0\.1 POST /v1/predict 200 \d+ B [\d.]+ ms", lines[1])
    assert "secret" not in caplog.text
    assert "horse" not in caplog.text


def desk_of(predict_all: Any = None, *, workers: int, layers: Any = None) -> Desk:
    """A desk whose predictor answers by these."""
    classifier = open_model(threads=1)
    answering = SimpleNamespace(predict_all=predict_all, layers=layers, classifier=classifier)
    return Desk(answering, workers)  # type: ignore[arg-type]


async def rush(ask: Any, count: int, release: threading.Event) -> list[Any]:
    """Ask so often at once; what is asked may go on when all have come."""
    calls = [asyncio.ensure_future(ask(bytes([i]))) for i in range(count)]
    await asyncio.sleep(0.2)
    release.set()
    return await asyncio.gather(*calls, return_exceptions=True)


def test_what_does_not_fit_the_queue_is_turned_away() -> None:
    """32 wait beside those that are worked on; the others get a 503 that says when to come back."""
    release = threading.Event()
    together: list[int] = []

    def slow(files: list[bytes], seconds: float | None) -> list[bytes]:
        together.append(len(files))
        assert release.wait(20)
        return files

    desk = desk_of(slow, workers=2)
    found = asyncio.run(rush(desk.predict, 34 + 10, release))
    assert found[:34] == [bytes([i]) for i in range(34)]
    for refusal in found[34:]:
        assert isinstance(refusal, HTTPException)
        assert refusal.status_code == 503
        assert refusal.headers == {"Retry-After": "1"}
    assert max(together) == 8, "no answer waits for more than seven others"
    assert asyncio.run(desk.predict(b"again")) == b"again"


def test_sixteen_wait_to_be_looked_into() -> None:
    """One is looked into at a time; who comes when sixteen are there is told to come back."""
    release, under_way, most = threading.Event(), [], []

    def layers(data: bytes) -> bytes:
        under_way.append(data)
        most.append(len(under_way))
        assert release.wait(20)
        under_way.remove(data)
        return data

    desk = desk_of(layers=layers, workers=2)
    found = asyncio.run(rush(desk.layers, 16 + 3, release))
    assert found[:16] == [bytes([i]) for i in range(16)]
    for refusal in found[16:]:
        assert isinstance(refusal, HTTPException)
        assert (refusal.status_code, refusal.headers) == (503, {"Retry-After": "1"})
    assert max(most) == 1
    assert asyncio.run(desk.layers(b"again")) == b"again"


@pytest.mark.parametrize(("workers", "most"), [(1, 1), (2, 1), (5, 2), (6, 3)])
def test_half_of_the_workers_take_slow_pictures(workers: int, most: int) -> None:
    at_slow: list[bytes] = []
    release = threading.Event()

    def predict_all(files: list[bytes], seconds: float | None) -> list[Any]:
        if seconds is None:
            at_slow.extend(files)
            assert release.wait(20)
            return files
        return [SlowImageError() for _ in files]

    desk = desk_of(predict_all, workers=workers)

    async def rush() -> int:
        large = [bytes([i]) * 2**15 for i in range(8)]  # none is answered together with another
        calls = [asyncio.ensure_future(desk.predict(data)) for data in large]
        async with asyncio.timeout(10):
            while len(at_slow) < most:
                await asyncio.sleep(0.01)
        await asyncio.sleep(0.1)
        found = len(at_slow)
        release.set()
        assert await asyncio.gather(*calls) == large
        return found

    assert asyncio.run(rush()) == most


def test_slow_pictures_hold_up_no_other() -> None:
    """Each is tried for a moment; then a worker at most is at them, eight wait, the rest go."""
    at_slow: list[bytes] = []
    release = threading.Event()

    def predict_all(files: list[bytes], seconds: float | None) -> list[Any]:
        if seconds is None:
            at_slow.extend(files)
            assert release.wait(20)
            return [b"at last " + data for data in files]
        assert seconds == 0.3
        return [SlowImageError() if data < b"b" else data for data in files]

    desk = desk_of(predict_all, workers=2)

    async def rush() -> None:
        slow = [asyncio.ensure_future(desk.predict(b"a%d" % i)) for i in range(12)]
        await asyncio.sleep(0.2)
        assert len(at_slow) == 1
        assert await desk.predict(b"quick") == b"quick"
        assert sum(call.done() for call in slow) == 3
        quick = [desk.predict(b"quick %d" % i) for i in range(34)]
        assert len(await asyncio.gather(*quick)) == 34, "the queue is for these"
        release.set()
        found = await asyncio.gather(*slow, return_exceptions=True)
        refused = [one for one in found if isinstance(one, HTTPException)]
        assert [(one.status_code, one.headers) for one in refused] == [
            (503, {"Retry-After": "1"})
        ] * 3
        assert sorted(at_slow) == sorted(one[8:] for one in found if isinstance(one, bytes))
        assert desk._inside == desk._at_slow == 0

    asyncio.run(rush())


@pytest.mark.parametrize("fault", [DecoderError("killed"), OSError(24, "Too many open files")])
def test_what_is_no_fault_of_the_picture_is_503(monkeypatch, port: int, fault: Exception) -> None:
    def broken(self, data: bytes, seconds: float | None) -> None:
        raise fault

    monkeypatch.setattr(DecoderPool, "decode", broken)
    status, headers, body = call(port, "POST", "/v1/predict", BOOT)
    assert (status, headers["retry-after"]) == (503, "1")
    assert json.loads(body)["detail"] == "pictures cannot be opened just now"


@pytest.mark.parametrize("ask", ["predict", "layers"])
def test_at_the_end_those_who_wait_are_told_to_come_back(ask: str) -> None:
    """What is being worked on is finished; what arrives later gets a worker only if one is idle."""
    release, begun = threading.Event(), []

    def predict_all(files: list[bytes], seconds: float | None) -> list[bytes]:
        begun.extend(files)
        assert release.wait(20)
        return files

    def layers(data: bytes) -> bytes:
        return predict_all([data], None)[0]

    desk = desk_of(predict_all, layers=layers, workers=1)

    async def stop() -> None:
        first = asyncio.ensure_future(getattr(desk, ask)(b"first"))
        async with asyncio.timeout(10):
            while not begun:
                await asyncio.sleep(0.01)
        waiting = [asyncio.ensure_future(getattr(desk, ask)(b"waits")) for _ in range(3)]
        await asyncio.sleep(0)
        desk.turn_away()
        waiting.append(asyncio.ensure_future(getattr(desk, ask)(b"comes later")))
        if ask == "layers":  # one after the other
            release.set()
        for refusal in await asyncio.gather(*waiting, return_exceptions=True):
            assert isinstance(refusal, HTTPException)
            assert (refusal.status_code, refusal.headers) == (503, {"Retry-After": "1"})
        release.set()
        assert await first == b"first"
        assert await getattr(desk, ask)(b"last") == b"last"
        assert begun == [b"first", b"last"]

    asyncio.run(stop())


def test_long_forms_and_json_hold_up_nobody(monkeypatch, port: int) -> None:
    began, release, in_time = threading.Event(), threading.Event(), []

    def slow(body: bytes, content_type: str) -> bytes | None:
        if body.startswith(b'{"slow'):
            began.set()
            in_time.append(release.wait(10))
        return picture_in(body, content_type)

    monkeypatch.setattr(serve, "picture_in", slow)
    long = BOOT + bytes(2**17)
    with ThreadPoolExecutor(1) as pool:
        found = pool.submit(call, port, "POST", "/v1/predict", b'{"slow": "%s"}' % bytes(2**17))
        assert began.wait(10)
        assert call(port)[0] == 200
        for body in (BOOT, long, json.dumps({"image": base64.b64encode(BOOT).decode()})):
            assert call(port, "POST", "/v1/predict", body)[0] == 200
        release.set()
        assert found.result(20)[0] == 415
    assert in_time == [True]


def test_readiness_is_found_out_once_for_all_who_ask(monkeypatch) -> None:
    """And beside the event loop: with a large model it takes long."""
    checks, release = [], threading.Event()

    def check(self) -> None:
        if threading.current_thread().name.startswith("asyncio"):
            checks.append(release.wait(10))

    monkeypatch.setattr(Desk, "check", check)
    monkeypatch.setattr(serve, "_CHECK_SECONDS", 60)
    with running() as port, ThreadPoolExecutor(4) as pool:
        found = [pool.submit(call, port, path="/readyz") for _ in range(4)]
        assert call(port)[0] == 200
        release.set()
        assert [one.result(20)[0] for one in found] == [200] * 4
        assert call(port, path="/readyz")[0] == 200
    assert checks == [True]


def test_a_model_that_turns_wrong_is_not_ready(monkeypatch) -> None:
    monkeypatch.setattr(serve, "_CHECK_SECONDS", 0)
    with running() as port:
        assert call(port, path="/readyz")[0] == 200
        monkeypatch.setattr(Desk, "_say", lambda self, predictor: "Bag")
        for _ in range(2):
            answer = call(port, path="/readyz")
            assert (answer[0], "'Bag', not 'Trouser'" in detail(answer)) == (503, True)
        monkeypatch.undo()
        assert call(port, path="/readyz")[0] == 200


def test_all_workers_work_again_after_a_rush() -> None:
    """Two pictures too large to be answered together wait for each other, twice."""
    both = threading.Barrier(2, timeout=5)

    def beside_another(files: list[bytes], seconds: float | None) -> list[bytes]:
        both.wait()
        return files

    desk = desk_of(beside_another, workers=2)
    large = bytes(2**20)

    async def ask() -> list[Any]:
        return await asyncio.gather(desk.predict(large), desk.predict(large))

    for _ in range(2):
        assert asyncio.run(ask()) == [large, large]


def test_a_fault_of_ours_reaches_all_who_wait_and_ends_nothing() -> None:

    def faulty(files: list[bytes], seconds: float | None) -> list[bytes]:
        if b"bad" in files:
            raise RuntimeError("a fault")
        return files

    desk = desk_of(faulty, workers=1)

    async def ask() -> list[Any]:
        calls = [desk.predict(data) for data in (b"good", b"bad", b"beside it")]
        return await asyncio.gather(*calls, return_exceptions=True)

    good, bad, beside = asyncio.run(ask())
    assert "a fault" in str(bad)
    assert good == beside == b"good" or "a fault" in str(beside)
    assert asyncio.run(desk.predict(b"good")) == b"good"


def test_a_picture_without_a_usable_answer_is_told_and_those_beside_it_are_answered() -> None:

    def unusable(files: list[bytes], seconds: float | None) -> list[bytes]:
        if b"bad" in files:
            raise ModelError("it answers with unusable logits")
        return files

    desk = desk_of(unusable, workers=1)

    async def ask() -> list[Any]:
        calls = [desk.predict(data) for data in (b"first", b"good", b"bad", b"beside it")]
        return await asyncio.gather(*calls, return_exceptions=True)

    first, good, bad, beside = asyncio.run(ask())
    assert (first, good, beside) == (b"first", b"good", b"beside it")
    assert isinstance(bad, ModelError)


def test_a_model_without_a_usable_answer_is_no_fault_of_the_server(monkeypatch, capsys) -> None:
    def unusable(*_: Any) -> Any:
        raise ModelError("/home/me/\x1b[31m.onnx answers with unusable logits")

    with running() as port:
        monkeypatch.setattr(Predictor, "predict_all", unusable)
        for path in ("/v1/predict", "/v1/predict?top_k=1", "/v1/layers"):
            answer = call(port, "POST", path, BOOT)
            assert answer[0] == 422
            assert detail(answer) == "the model has no usable answer for this picture"
    told = capsys.readouterr().err
    assert told.count("a picture was not answered: /home/me/\\x1b[31m.onnx answers with") == 3


def test_what_was_imported_is_not_collected_while_serving(monkeypatch) -> None:
    """A collection that looks at all of it holds up every answer."""
    frozen: list[int] = []

    def run(self, sockets: list[socket.socket]) -> None:
        frozen.append(gc.get_freeze_count())
        sockets[0].close()

    monkeypatch.setattr(serve._Server, "run", run)
    try:
        serve.serve(open_predictor(threads=1), Address(port=0))
    finally:
        gc.unfreeze()
    assert frozen[0] > 10_000


def test_a_model_that_fails_on_trousers_is_not_served(monkeypatch) -> None:
    monkeypatch.setattr(serve, "_GOLDEN", SAMPLES[8])
    with pytest.raises(
        ModelError, match="the model of balanced calls a known picture 'Bag', not 'Trouser'"
    ):
        build_server(open_predictor(threads=1), Address(port=0))


def test_both_models_must_know_trousers() -> None:
    predictor = open_predictor(threads=1)
    wrong = SimpleNamespace(
        class_names=CLASS_NAMES,
        facts={"recipe": {"name": "bad"}},
        logits=lambda images: np.eye(10, dtype=np.float32)[[3] * len(images)],
    )
    predictor.__dict__["for_photos"] = SimpleNamespace(classifier=wrong)
    with pytest.raises(
        ModelError, match="the model of bad calls a known picture 'Dress', not 'Trouser'"
    ):
        build_server(predictor, Address(port=0))


def test_the_page_asks_nobody_else() -> None:
    for path in PAGE.rglob("*.*"):
        if path.suffix in (".html", ".css", ".js"):
            text = path.read_text()
            assert "//" not in text.replace("// ", "").replace("http://www.w3.org", ""), path
    assert {path.suffix for path in Path(PAGE).rglob("*.*")} <= {
        ".html", ".css", ".js", ".svg", ".png",
    }  # fmt: skip


@pytest.mark.parametrize(
    "token", ["correct-horse-battery ", " correct-horse-battery", "correct%20horse%20battery"]
)
def test_a_token_that_browsers_write_otherwise_is_refused(token: str) -> None:
    with pytest.raises(UsageError, match="no blank at either end, and no %20"):
        Address(token=token)
    assert Address(token="correct horse 100%25 battery").token


@pytest.mark.parametrize(
    ("host", "written"),
    [("::0", "::"), ("0", "0.0.0.0"), ("2001:DB8:0::1", "2001:db8::1"), ("Shoes.local",) * 2],
)
def test_an_address_is_known_as_browsers_write_it(host: str, written: str) -> None:
    assert Address(host, token="correct horse battery").host == written


@pytest.mark.parametrize(
    ("given", "known"),
    [
        ("fd00::5", "fd00::5"),
        ("[fd00::5]", "fd00::5"),
        ("FD00:0::5", "fd00::5"),
        ("10.0.0.7", "10.0.0.7"),
        ("Shoes.Example", "shoes.example"),
        ("shoes_1", "shoes_1"),
        ("xn--mller-kva.example", "xn--mller-kva.example"),
    ],
)
def test_an_allowed_name_is_known_as_requests_have_it(given: str, known: str) -> None:
    assert Address(allow_hosts=(given,)).allow_hosts == (known,)


@pytest.mark.parametrize(
    "given",
    [
        "shoes.example:8443",
        "https://shoes.example",
        "shoes.example/",
        "*",
        "*.example",
        ".example",
        "shoes.example.",
        "a.example,b.example",
        "a.example b.example",
        "müller.example",
        "[fd00::5]:8000",
        "[shoes.example",
        "fd00::5::1",
        "fe80::1%eth0",
    ],
)
def test_an_allowed_name_that_no_request_has_is_refused_at_the_start(given: str) -> None:
    with pytest.raises(UsageError, match="could ask for; give one alone, as shoes.example"):
        Address(allow_hosts=("shoes.example", given))


def test_a_machine_without_ipv6_is_told_so(monkeypatch) -> None:
    def none(*_: Any) -> Any:
        raise OSError(97, "Address family not supported by protocol")

    monkeypatch.setattr(socket, "socket", none)
    with pytest.raises(UsageError, match="::1:8000 cannot be used: Address family not supported"):
        Address("::1").listen()


def test_an_answer_needs_nobody_who_reads_the_log(monkeypatch) -> None:
    def broken(*_: Any, **words: Any) -> int:
        raise BrokenPipeError(32, "Broken pipe")

    async def fail(*_: Any) -> Any:
        raise ModelError("no answer")

    monkeypatch.setattr(serve, "print", broken, raising=False)
    monkeypatch.setattr(Desk, "predict", fail)
    with running() as port:
        assert call(port, "POST", "/v1/predict", BOOT)[0] == 422


def test_advice_on_curl_is_for_what_curl_sent() -> None:
    blank = io.BytesIO()
    Image.new("L", (40, 40)).save(blank, "PNG")
    form = urllib.parse.urlencode({"image": base64.b64encode(blank.getvalue())}).encode()
    kind = {"Content-Type": "application/x-www-form-urlencoded"}
    with running() as port:
        for body, advised in ((form, False), (blank.getvalue(), True)):
            detail = json.loads(call(port, "POST", "/v1/predict", body, **kind)[2])["detail"]
            assert ("curl" in detail) == advised
