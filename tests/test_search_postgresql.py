"""A search in PostgreSQL: a throw-away server on loopback, from Debian's package."""

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from fashion_cnn.cli import main
from fashion_cnn.tuning import search as searching
from test_search import Pretended, search, wanted

PASSWORD = "not a secret, but p/nct:ation@"
QUOTED = "not%20a%20secret%2C%20but%20p%2Fnct%3Aation%40"


def program(name: str) -> str:
    """One of the server's, which Debian keeps out of the path."""
    debian = sorted(map(str, Path("/usr/lib/postgresql").glob(f"*/bin/{name}")))
    found = shutil.which(name) or (debian and debian[-1])
    assert found, "PostgreSQL is missing: make postgresql"
    return found


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    """The address of an empty database; its server does not run as root, and ends with us."""
    base = Path(tempfile.mkdtemp(dir="/tmp"))
    somebody: dict = {"cwd": base}
    if os.geteuid() == 0:
        os.chown(base, 65534, 65534)
        somebody |= {"user": 65534, "group": 65534, "extra_groups": []}
    (base / "password").write_text(PASSWORD)
    (base / "password").chmod(0o644)
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    words = [program("initdb"), "-D", "data", "-U", "me", "-A", "scram-sha-256", "-N"]
    words += ["--pwfile", "password", "-E", "UTF8", "--no-locale"]
    subprocess.run(words, check=True, capture_output=True, **somebody)
    words = [program("postgres"), "-D", "data", "-h", "127.0.0.1", "-p", str(port), "-k", ""]
    with (base / "log").open("wb") as log:
        process = subprocess.Popen([*words, "-c", "fsync=off"], stderr=log, **somebody)
    try:
        while True:
            try:
                address = {"host": "127.0.0.1", "port": port, "user": "me", "password": PASSWORD}
                psycopg.connect(**address, dbname="postgres", connect_timeout=10).close()
                break
            except psycopg.OperationalError:
                assert process.poll() is None, (base / "log").read_text()
                time.sleep(0.1)
        yield f"postgresql://me:{QUOTED}@127.0.0.1:{port}/postgres"
    finally:
        process.send_signal(signal.SIGINT)  # a fast shutdown: clients' pools may be open yet
        process.wait(timeout=30)
        shutil.rmtree(base)


def test_workers_on_two_machines_share_a_database(tmp_path, server, monkeypatch) -> None:
    """Two folders, as two machines have; the trials are counted together, and none is double."""
    trainings = Pretended()
    monkeypatch.setattr(searching, "follow_training", trainings)
    search(tmp_path / "here", wanted(3), server)
    result = search(tmp_path / "there", wanted(7), server)
    assert len(result["trials"]) == len(trainings.commands) == 7
    folders = [
        {path.name for path in (tmp_path / w / "trials").iterdir()} for w in ("here", "there")
    ]
    assert "0000" in folders[0] - folders[1]
    assert "0006" in folders[1] - folders[0]
    assert len({row["params"]["learning_rate"] for row in result["trials"]}) == 7


def test_the_command_takes_its_address(tmp_path, server, monkeypatch, few_data, capsys) -> None:
    words = ["tune", "--search", "lr=1e-3:1e-2", "--trials", "1", "--epochs", "1", "--name", "one"]
    words += ["--train-images", "200", "--validation", "0.02", "--output", str(tmp_path / "out")]
    words += ["--storage", server, "--data-dir", str(few_data), "--threads", "1"]
    assert main(words) == 0
    assert "1 trials: 1 complete" in capsys.readouterr().out
    for path in (tmp_path / "out").rglob("*"):
        assert not path.is_file() or QUOTED.encode() not in path.read_bytes(), path
    assert not (tmp_path / "out/search.db").exists()
