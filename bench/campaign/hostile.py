"""Pictures and requests from anybody, and clients that take their time."""

import io
import json
import os
import random
import resource
import socket
import struct
import threading
import time
import zlib

from PIL import Image

from bench.campaign.experiment import Experiment, Trial
from bench.campaign.serving import BOOT, SAMPLES, call, must_answer, must_live, raw, running
from fashion_cnn.errors import ImageError
from fashion_cnn.shipping.predict import open_predictor

_PICTURES, _REQUESTS = 25, 50  # a trial
_FORMATS = ("PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF", "PPM")


# -- pictures --------------------------------------------------------------------------------------


def _pictures(trial: Trial) -> None:
    os.chdir(trial.room)
    pictures = [hostile_picture(trial.draw) for _ in range(_PICTURES)]
    predictor = open_predictor(None, threads=1)
    for answer in predictor.predict_all(pictures):
        assert isinstance(answer, ImageError) or 0 <= answer.probability <= 1
    assert predictor.predict(BOOT).label == "Ankle boot"
    with running() as port:
        for picture in pictures:
            status, body = call(port, "POST", "/v1/predict", picture)
            assert status in (200, 400, 413, 415, 422), f"{status} {body!r:.300}"
            json.loads(body)
        must_answer(port)
    memory = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    assert memory < 800, f"a decoder took {memory:.0f} MB"


def hostile_picture(draw: random.Random) -> bytes:
    """A sample in some format with bytes altered, or a file made to do harm."""
    if draw.random() < 0.25:
        return draw.choice(_HARMFUL)(draw)
    picture = Image.open(io.BytesIO(draw.choice(SAMPLES)))
    mode = draw.choice(("L", "RGB", "RGBA", "P", "1", "CMYK", "I;16"))
    file = io.BytesIO()
    try:
        picture.convert(mode).save(file, draw.choice(_FORMATS))
    except (OSError, ValueError):
        file = io.BytesIO(BOOT)
    altered = bytearray(file.getvalue())
    for _ in range(draw.choice((0, 1, 1, 3, 30))):
        place = draw.randrange(len(altered) + 1)
        match draw.randrange(4):
            case 0 | 1:
                altered[place : place + 1] = draw.randbytes(1)
            case 2:
                del altered[place : place + draw.choice((1, 8, 500))]
            case _:
                altered[place:place] = draw.randbytes(draw.choice((1, 8, 500)))
    return bytes(altered)


def _png(width: int, height: int, rows: bytes, *more: tuple[bytes, bytes]) -> bytes:
    head = (b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0))
    parts = (head, *more, (b"IDAT", zlib.compress(rows, 9)), (b"IEND", b""))
    chunks = (
        struct.pack(">I", len(part)) + kind + part + struct.pack(">I", zlib.crc32(kind + part))
        for kind, part in parts
    )
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


_HARMFUL = (
    lambda draw: _png(draw.choice((20_000, 2**31 - 1, 0)), draw.choice((20_000, 1)), b"\0" * 9_000),
    lambda draw: _png(3_000, 3_000, bytes(9_003_000)),
    lambda draw: _png(28, 28, bytes(28 * 29), (b"iCCP", b"x\0\0" + zlib.compress(bytes(50 << 20)))),
    lambda draw: _png(28, 28, bytes(28 * 29), (b"zTXt", b"x\0\0" + zlib.compress(bytes(50 << 20)))),
    lambda draw: b"\xff\xd8" + b"\xff\xe1\xff\xffExif\0\0" + draw.randbytes(65_000),
    lambda draw: b"RIFF" + draw.randbytes(4) + b"WEBPVP8L" + draw.randbytes(2_000),
    lambda draw: b"GIF89a" + struct.pack("<HH", 65_535, 65_535) + draw.randbytes(500),
    lambda draw: b"<svg onload='x'>" * draw.randrange(1, 100),
    lambda draw: b"%!PS-Adobe\n(/etc/passwd) run\n",
    lambda draw: draw.randbytes(draw.choice((0, 1, 10, 10_000))),
)


# -- requests --------------------------------------------------------------------------------------

_LINES = (
    b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n",
    b"GET /v1/model HTTP/1.1\r\nHost: localhost\r\n\r\n",
    b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n",
    b"POST /v1/predict HTTP/1.1\r\nHost: localhost\r\nContent-Length: 4\r\n\r\nabcd",
    b"POST /v1/predict HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
    b"4\r\nabcd\r\n0\r\n\r\n",
    b"POST /v1/layers HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    b'Content-Length: 17\r\n\r\n{"image": "AAAA"}',
    b"POST /v1/predict HTTP/1.1\r\nHost: localhost\r\nContent-Type: multipart/form-data; "
    b"boundary=b\r\nContent-Length: 30\r\n\r\n--b\r\nContent-Disposition: form-d",
)
_TOKENS = (
    b"\r\n", b"\0", b"Content-Length: -1\r\n", b"Content-Length: 99999999999999999999\r\n",
    b"Transfer-Encoding: chunked\r\n", b"Host: evil\r\n", b"Expect: 100-continue\r\n",
    b"Upgrade: h2c\r\n", b"Connection: close\r\n", b"Origin: null\r\n", b"\xff\xfe", b"A" * 9_000,
    b"X: " + b"y" * 70_000 + b"\r\n", b"%00", b"../" * 40, b"?top_k=-1", b"?top_k=1e9", b"[" * 500,
    b"Range: bytes=0-\r\n", b"Cookie: " + b"a=b;" * 500 + b"\r\n", b"ffffffffffffffff\r\n",
)  # fmt: skip


def _requests(trial: Trial) -> None:
    os.chdir(trial.room)
    with running() as port:
        for _ in range(_REQUESTS):
            sent = _request(trial.draw)
            got = raw(port, sent)
            statuses = [part[:3] for part in got.split(b"HTTP/1.1 ")[1:]]
            bad = [one for one in statuses if one.startswith(b"5") and one != b"503"]
            assert not bad, f"{bad} for {sent!r:.2000}"
            if trial.draw.random() < 0.1:
                must_live(port)
        must_answer(port)
    said = (trial.room / "output.txt").read_text(errors="replace")
    assert "Traceback" not in said, said[-1500:]
    assert len(said) < 100_000


def _request(draw: random.Random) -> bytes:
    sent = bytearray(b"".join(draw.choice(_LINES) for _ in range(draw.choice((1, 1, 1, 2, 5)))))
    for _ in range(draw.choice((1, 1, 2, 6))):
        place = draw.randrange(len(sent) + 1)
        match draw.randrange(4):
            case 0:
                sent[place:place] = draw.choice(_TOKENS)
            case 1 if place < len(sent):
                sent[place] = draw.randrange(256)
            case 2:
                del sent[place : place + draw.choice((1, 4, 40))]
            case _:
                sent[place:place] = draw.randbytes(draw.choice((1, 4, 40)))
    return bytes(sent)


# -- time ------------------------------------------------------------------------------------------

_CLIENTS, _ALIVE = 200, 20


def _slow(trial: Trial) -> None:
    """Half of them send a byte now and then, half ask and never read."""
    stop = threading.Event()

    def client(number: int, port: int) -> None:
        while not stop.is_set():
            try:
                with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
                    if number % 2:
                        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
                        connection.sendall(_LINES[1] * 500)
                        stop.wait(5)
                    for byte in b"POST /v1/predict HTTP/1.1\r\nX: " + b"a" * 90:
                        connection.sendall(bytes([byte]))
                        if stop.wait(0.3):
                            return
            except OSError:
                stop.wait(0.05)

    with running() as port:
        threads = [
            threading.Thread(target=client, args=(number, port), daemon=True)
            for number in range(_CLIENTS)
        ]
        for thread in threads:
            thread.start()
        try:
            time.sleep(2)
            for _ in range(_ALIVE):
                must_live(port, 2.0)
                time.sleep(1)
        finally:
            stop.set()
            for thread in threads:
                thread.join(15)
        must_answer(port)


PICTURES = Experiment(
    "pictures",
    "25 hostile pictures, by the decoder and by HTTP: an answer or a named error each, no status "
    "of 500, and a good picture is answered after them",
    200,
    _pictures,
    240,
)
REQUESTS = Experiment(
    "requests",
    "50 requests with bytes altered, by raw sockets: no status from 500 on but 503, no traceback, "
    "alive throughout, and a good picture is answered after them",
    100,
    _requests,
    240,
)
SLOW = Experiment(
    "slow",
    "200 clients that send a byte now and then or never read: /healthz answers throughout, and a "
    "good picture is answered after them",
    10,
    _slow,
    180,
)
