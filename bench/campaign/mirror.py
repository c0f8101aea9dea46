"""Mirrors that answer anything but the data set."""

import gzip
import hashlib
import os
import random
import resource
import socket
import ssl
import struct
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import trustme

from bench.campaign.experiment import Experiment, Trial
from fashion_cnn.data import fashion_mnist, fetch
from fashion_cnn.data.fashion_mnist import SHA256
from fashion_cnn.errors import DataError

_STALL, _DEADLINE = 2.0, 4.0  # seconds, in place of the real ones
_SECONDS, _MEGABYTES = 40.0, 200


def _trial(trial: Trial) -> None:
    """A bad mirror before no other or a good one, into a folder that is empty or has the data."""
    os.chdir(trial.room)
    draw, data = trial.draw, Path("data")
    files = _stand_in(trial.stage / "data")
    patient = fetch.TIMEOUT_SECONDS, fetch.DEADLINE_SECONDS
    if draw.random() < 0.5:
        data.mkdir()
        for name, content in files.items():
            (data / name).write_bytes(content)
    before, rescued = _content(data), draw.random() < 0.5
    # A good mirror has to be in time, too, and may share its core with others.
    times = 2 if rescued else 1
    fetch.TIMEOUT_SECONDS, fetch.DEADLINE_SECONDS = times * _STALL, times * _DEADLINE
    with _serving(files, draw) as (address, context):
        mirrors = [f"{address}/bad/", *[f"{address}/good/"] * rescued]
        began, memory = time.monotonic(), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        failed = _fetch(data, mirrors, context)
        print(failed)
        if failed:
            assert not rescued, failed
            assert _content(data) == before
        else:
            fashion_mnist.DataSet.open(data).verify()
            assert _content(data).keys() == {f"{name}.gz" for name in SHA256}
        spent = time.monotonic() - began
        grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - memory) / 1024
        assert spent < _SECONDS, f"{spent:.1f} s"
        assert grown < _MEGABYTES, f"{grown:.0f} MB"
        fetch.TIMEOUT_SECONDS, fetch.DEADLINE_SECONDS = patient
        failed = _fetch(data, [f"{address}/good/"], context)
        assert not failed, failed


def _fetch(data: Path, mirrors: list[str], context: ssl.SSLContext) -> str:
    """Why the files could not be had; "" if they are there."""
    try:
        fetch.fetch(data, mirrors=mirrors, context=context, package=False)
    except DataError as error:
        return str(error)
    return ""


def _stand_in(folder: Path) -> dict[str, bytes]:
    """The files of a small data set, packed, which this process then takes for Fashion-MNIST's."""
    plain = {name: (folder / name).read_bytes() for name in SHA256}
    SHA256.update({name: hashlib.sha256(data).hexdigest() for name, data in plain.items()})
    fashion_mnist._BYTES.update({name: len(data) for name, data in plain.items()})
    return {f"{name}.gz": gzip.compress(data, 1) for name, data in plain.items()}


def _content(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*")}


@contextmanager
def _serving(files: dict[str, bytes], draw: random.Random) -> Iterator[tuple[str, ssl.SSLContext]]:
    """A server that answers below /good/ as it should; gives its address, and whom to trust."""
    authority, own = trustme.CA(), ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(own)
    trusting = ssl.create_default_context()
    authority.configure_trust(trusting)
    listening = socket.create_server(("127.0.0.1", 0))
    address = f"https://localhost:{listening.getsockname()[1]}"

    def run() -> None:
        while True:
            try:
                raw, _ = listening.accept()
            except OSError:  # closed
                return
            threading.Thread(target=answer, args=(raw,), daemon=True).start()

    def answer(raw: socket.socket) -> None:
        with suppress(OSError), own.wrap_socket(raw, server_side=True) as client:
            _answer(client, files, address, draw)

    threading.Thread(target=run, daemon=True).start()
    try:
        yield address, trusting
    finally:
        listening.close()


def _answer(
    client: ssl.SSLSocket, files: dict[str, bytes], address: str, draw: random.Random
) -> None:
    path = client.recv(65536).split(b" ")[1].decode()
    _, behaviour, name = path.split("/")
    good = _head(len(files[name])) + files[name]
    if behaviour == "good" or draw.random() < 0.3:  # not each file of a bad mirror is bad
        client.sendall(good)
        return
    match draw.randrange(12):
        case 0:  # cut short, in some way
            client.sendall(good[: draw.randrange(len(good))])
            if draw.random() < 0.5:
                client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        case 1:  # stalls
            client.sendall(good[: draw.randrange(1, 2_000)])
            time.sleep(2 * _STALL)
        case 2:  # a byte now and then
            client.sendall(good[:200])
            for byte in good[200:400]:
                client.sendall(bytes([byte]))
                time.sleep(0.1)
        case 3:  # without end
            client.sendall(_head(draw.choice((None, 10**12))))
            while True:
                client.sendall(bytes(1 << 20))
        case _:
            client.sendall(_lie(files, name, address, draw))


def _lie(files: dict[str, bytes], name: str, address: str, draw: random.Random) -> bytes:
    """A whole answer that is wrong."""
    good = files[name]
    match draw.randrange(7):
        case 0:
            status = draw.choice((204, 206, 301, 400, 403, 404, 429, 500, 503, 599, 999, 100))
            return _head(9, status) + b"not this."
        case 1:  # a length that is none, or not this one
            length = draw.choice((0, -1, "x", "", "1, 2", len(good) - 1, len(good) + 9, 10**30))
            return _head(length) + good
        case 2:
            there = address.replace("https", "http"), f"{address}/bad/{name}"
            place = draw.choice((*there, "file:///etc", "ftp://localhost", "//[", ""))
            return _head(0, 302, f"Location: {place}\r\n")
        case 3:
            parts = draw.choice((b"fffffffff\r\n", b"-1\r\n", b"x\r\n", b"5\r\nab"))
            return _head(None, 200, "Transfer-Encoding: chunked\r\n") + parts
        case 4:  # what is no HTTP, or too much of it
            more = f"X: {'y' * draw.choice((70_000, 9))}\r\n" * 150
            junk = b"", b"\r\n", draw.randbytes(3_000), b"HTTP/9 x\r\n" * 99
            return draw.choice((*junk, _head(None, 200, more)))
        case 5:  # something else
            bomb = gzip.compress(bytes(64 << 20)) * 20
            others = b"<html>sign in</html>", b"", draw.choice([*files.values()]), bomb
            other = draw.choice(others)
            return _head(len(other), 200, draw.choice(("", "Content-Type: text/html\r\n"))) + other
        case _:
            altered = bytearray(good)
            for _ in range(draw.choice((1, 1, 9))):
                altered[draw.randrange(len(good))] ^= 1 << draw.randrange(8)
            return _head(len(altered)) + altered


def _head(length: object, status: int = 200, more: str = "") -> bytes:
    said = "" if length is None else f"Content-Length: {length}\r\n"
    return f"HTTP/1.1 {status} So\r\nConnection: close\r\n{said}{more}\r\n".encode()


MIRROR = Experiment(
    "mirror",
    "A mirror that cuts, stalls, lies, redirects or never ends: a named error, soon and in little "
    "memory, or the next mirror's files; nothing partial is left, and what was there is as before",
    200,
    _trial,
)
