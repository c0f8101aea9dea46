"""Fetching from a local HTTPS server that misbehaves in every way."""

import contextlib
import functools
import os
import shutil
import ssl
import subprocess
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import trustme

from fashion_cnn.cli import main
from fashion_cnn.data import fashion_mnist
from fashion_cnn.data import fetch as fetch_module
from fashion_cnn.data.fashion_mnist import SHA256, DataSet
from fashion_cnn.data.fetch import fetch
from fashion_cnn.errors import DataError
from pages import commands


class Mirror(BaseHTTPRequestHandler):
    """The first part of the path says how to behave."""

    files: Path

    def do_GET(self) -> None:
        _, behaviour, name = self.path.split("/")
        data = (self.files / name).read_bytes()
        if behaviour in ("headers", "continue"):
            lines = b"HTTP/1.1 100 Continue\r\n\r\n" if behaviour == "continue" else b"HTTP/1.1 200"
            with contextlib.suppress(OSError):
                for place in range(100):
                    self.wfile.write(lines if behaviour == "continue" else lines[place : place + 1])
                    threading.Event().wait(0.1)
            return None
        if behaviour == "missing":
            return self.send_error(404)
        if behaviour in ("downgrade", "move"):
            host = self.headers["Host"]
            scheme = "http" if behaviour == "downgrade" else "https"
            self.send_response(302)
            self.send_header("Location", f"{scheme}://{host}/good/{name}")
            return self.end_headers()
        if behaviour == "page":
            data = b"<html>please sign in</html>"
        if behaviour == "disguised":
            data = b"<!doctype html>please sign in"
        self.send_response(200)
        self.send_header("Content-Type", "text/html" if behaviour == "page" else "application/gzip")
        if behaviour != "endless":
            self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        if behaviour == "short":
            data = data[:1000]
        if behaviour == "flipped":
            data = data[:-100] + bytes([data[-100] ^ 1]) + data[-99:]
        try:
            if behaviour == "endless":
                while True:
                    self.wfile.write(bytes(1 << 20))
            if behaviour == "stall":
                self.wfile.write(data[:10])
                threading.Event().wait(20)
                return None
            self.wfile.write(data)
        except OSError:  # the client has left, as it should
            pass
        return None

    def log_message(self, *arguments) -> None:
        pass


@pytest.fixture(scope="module")
def server(real_data: Path):
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)
    handler = type("Handler", (Mirror,), {"files": real_data})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as http:
        http.handle_error = lambda *arguments: None
        http.socket = context.wrap_socket(http.socket, server_side=True)
        thread = threading.Thread(target=http.serve_forever, daemon=True)
        thread.start()
        trusting = ssl.create_default_context()
        authority.configure_trust(trusting)
        yield f"https://localhost:{http.server_port}", trusting
        http.shutdown()
        thread.join()


def is_empty(directory: Path) -> bool:
    return list(directory.iterdir()) == []


@pytest.mark.parametrize("behaviour", ["good", "move"])
def test_a_good_mirror_gives_the_data_set(server, tmp_path: Path, behaviour: str) -> None:
    address, context = server
    mirror = f"{address}/{behaviour}/"
    source = fetch(tmp_path / "data", mirrors=[mirror], context=context, package=False)
    assert source == mirror
    DataSet.open(tmp_path / "data").verify()
    assert sorted(path.name for path in (tmp_path / "data").iterdir()) == sorted(
        f"{name}.gz" for name in SHA256
    )


def test_the_commands_of_installing_work(server, tmp_path: Path, monkeypatch) -> None:
    address, context = server
    here = functools.partial(fetch, mirrors=[f"{address}/good/"], context=context, package=False)
    monkeypatch.setattr(fetch_module, "fetch", here)
    monkeypatch.setattr(fashion_mnist, "SYSTEM_DIRECTORY", tmp_path / "none")
    monkeypatch.delenv("FASHION_CNN_DATA", raising=False)
    monkeypatch.chdir(tmp_path)
    for words in commands("docs/install.md"):
        assert main(words) == 0, words
    DataSet.open(tmp_path / "data").verify()


@pytest.mark.parametrize(
    ("behaviour", "words"),
    [
        ("missing", "HTTP status 404"),
        ("page", "a web page instead of the file"),
        ("disguised", "is a web page"),
        ("short", "the body ended after 1000 of"),
        ("flipped", "damaged|holds over|is not Fashion-MNIST's"),
        ("downgrade", "refused a redirect from https to http:"),
        ("endless", "more than .* bytes"),
        ("stall", "timed out"),
    ],
)
def test_a_bad_mirror_is_named_and_leaves_nothing(
    server, tmp_path, monkeypatch, behaviour: str, words: str
) -> None:
    seconds = 1.0 if behaviour == "stall" else 3.0
    monkeypatch.setattr(fetch_module, "TIMEOUT_SECONDS", seconds)
    address, context = server
    with pytest.raises(DataError, match=words):
        fetch(tmp_path, mirrors=[f"{address}/{behaviour}/"], context=context, package=False)
    assert is_empty(tmp_path)


def test_a_slow_trickle_meets_the_deadline(server, tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(fetch_module, "DEADLINE_SECONDS", 0.0)
    address, context = server
    with pytest.raises(DataError, match="not complete after"):
        fetch(tmp_path, mirrors=[f"{address}/good/"], context=context, package=False)


@pytest.mark.parametrize("behaviour", ["headers", "continue"])
def test_headers_without_end_meet_the_deadline(server, tmp_path, monkeypatch, behaviour) -> None:
    """Each byte of them comes soon enough."""
    monkeypatch.setattr(fetch_module, "DEADLINE_SECONDS", 0.5)
    address, context = server
    with pytest.raises(DataError, match="not complete after"):
        fetch(tmp_path, mirrors=[f"{address}/{behaviour}/"], context=context, package=False)
    assert is_empty(tmp_path)


def test_the_next_mirror_is_tried(server, tmp_path: Path) -> None:
    address, context = server
    mirrors = [f"{address}/missing/", f"{address}/good/"]
    assert fetch(tmp_path, mirrors=mirrors, context=context, package=False) == mirrors[1]


def test_unencrypted_addresses_and_strange_certificates_are_refused(server, tmp_path) -> None:
    with pytest.raises(DataError, match="only https"):
        fetch(tmp_path, mirrors=["http://localhost/"], package=False)
    with pytest.raises(DataError, match="(?i)certificate"):
        fetch(tmp_path, mirrors=[f"{server[0]}/good/"], package=False)


def test_the_debian_package_is_the_last_resort(real_data, tmp_path, monkeypatch) -> None:
    """A real package, built here, handed out by a stand-in for `apt-get download`."""
    tree = tmp_path / "tree"
    files = tree / "usr/share/datasets/fashion-mnist"
    files.mkdir(parents=True)
    for name in SHA256:
        shutil.copy(real_data / f"{name}.gz", files)
    (tree / "DEBIAN").mkdir()
    (tree / "DEBIAN/control").write_text(
        "Package: dataset-fashion-mnist\nVersion: 1\nArchitecture: all\n"
        "Maintainer: nobody <n@example.org>\nDescription: data\n"
    )
    package = tmp_path / "dataset-fashion-mnist_1_all.deb"
    subprocess.run(["dpkg-deb", "-Znone", "-b", tree, package], check=True, capture_output=True)
    tools, lists = tmp_path / "bin", tmp_path / "lists"
    tools.mkdir()
    (tools / "apt-get").write_text(
        "#!/bin/sh\n"
        f'if [ "$1" = update ]; then touch {lists}; exit 0; fi\n'
        f"if [ ! -e {lists} ]; then echo 'E: Unable to locate package' >&2; exit 100; fi\n"
        f"cp {package} .\n"
    )
    (tools / "apt-get").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tools}:{os.environ['PATH']}")
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(DataError, match="Unable to locate package"):
        fetch(tmp_path / "data", mirrors=[])
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    assert "package" in fetch(tmp_path / "data", mirrors=[])
    DataSet.open(tmp_path / "data").verify()
