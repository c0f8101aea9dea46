import json
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

from fashion_cnn.data.adoption import adopt
from serving import SAMPLES, running
from shapes import write_idx

REPOSITORY = Path(__file__).resolve().parents[1]


def test_the_script_of_uv_trains_and_answers(tmp_path) -> None:
    """As Python runs it; what uv reads of it names this package, by where it is."""
    script = REPOSITORY / "examples/uv_script.py"
    (head,) = re.findall(r"^# /// script\n(.*?)^# ///$", script.read_text(), re.M | re.S)
    wanted = tomllib.loads(re.sub(r"^# ?", "", head, flags=re.M))
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]
    assert wanted["dependencies"] == [f"{project['name']}[train]"]
    assert wanted["requires-python"] == project["requires-python"]
    (source,) = wanted["tool"]["uv"]["sources"].values()
    assert (script.parent / source["path"]).resolve() == REPOSITORY
    data = write_idx(tmp_path / "data", 10)
    adopt(data)
    done = subprocess.run(
        [sys.executable, "-W", "error", script],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env={**os.environ, "FASHION_CNN_DATA": str(data)},
    )
    assert done.returncode == 0, done.stderr
    assert "% of the test images\n" in done.stdout
    assert "9-ankle-boot.png: " in done.stdout


TOKEN = "correct horse battery"


def ask(*words: object, token: str = TOKEN) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(word) for word in words],
        capture_output=True,
        text=True,
        env={**os.environ, "FASHION_CNN_TOKEN": token},
    )


def test_the_clients_are_answered(tmp_path) -> None:
    (tmp_path / "bad.png").write_bytes(b"<html>")
    python = (sys.executable, "-W", "error", REPOSITORY / "examples/client.py")
    shell = ("sh", REPOSITORY / "examples/client.sh")
    with running(token=TOKEN) as port:
        server = f"http://127.0.0.1:{port}"
        found = ask(*python, SAMPLES[9], server)
        assert found.stdout.startswith("Ankle boot"), found.stderr
        assert len(found.stdout.splitlines()) == 3
        assert json.loads(ask(*shell, SAMPLES[9], server).stdout)["label"] == "Ankle boot"
        refused = ask(*python, tmp_path / "bad.png", server)
        assert (refused.returncode, refused.stdout) == (1, "")
        assert "422: not a PNG, JPEG, WEBP, AVIF or HEIC picture" in refused.stderr
        assert "not a PNG" in ask(*shell, tmp_path / "bad.png", server).stdout
        assert "401" in ask(*python, SAMPLES[9], server, token="wrong").stderr


def test_the_token_of_the_shell_client_is_in_no_command(tmp_path) -> None:
    """Any user of the machine can list the words of a command."""
    curl = tmp_path / "curl"
    curl.write_text('#!/bin/sh\necho "$@"; tr "\\0" "\\n" </proc/$$/cmdline; cat /dev/fd/3\n')
    curl.chmod(0o755)
    path = f"{tmp_path}:{os.environ['PATH']}"
    for token, header in ((TOKEN, f"Authorization: Bearer {TOKEN}"), ("", "")):
        done = subprocess.run(
            ["sh", REPOSITORY / "examples/client.sh", "boot.png"],
            env={"PATH": path, "FASHION_CNN_TOKEN": token},
            capture_output=True,
            text=True,
            check=True,
        )
        *words, last = done.stdout.splitlines()
        assert last == header
        assert "--header @/dev/fd/3" in words[0]
        assert not token or token not in "\n".join(words)


def test_the_shell_client_needs_no_token_where_the_server_wants_none() -> None:
    with running() as port:
        found = ask(
            *("sh", REPOSITORY / "examples/client.sh", SAMPLES[9], f"http://127.0.0.1:{port}"),
            token="",
        )
    assert json.loads(found.stdout)["label"] == "Ankle boot", found.stderr


def test_the_container_asks_for_its_health_past_any_proxy() -> None:
    said = (REPOSITORY / "Dockerfile").read_text()
    (words,) = re.findall(r"^HEALTHCHECK .*\\\n +CMD (\[.*\])$", said, re.MULTILINE)
    _, *rest = json.loads(words)
    nowhere = dict.fromkeys(("http_proxy", "HTTP_PROXY", "all_proxy"), "http://127.0.0.1:1")
    with running() as port:
        asked = [word.replace(":8000", f":{port}") for word in rest]
        done = subprocess.run(
            [sys.executable, *asked], env={**os.environ, **nowhere}, capture_output=True, text=True
        )
    assert done.returncode == 0, done.stderr
