"""What a newcomer meets: make on an old Python, how to go on, and the wheel."""

import importlib.metadata
import os
import subprocess
import sys
import zipfile
from pathlib import Path
from types import SimpleNamespace

import pytest

from conftest import REPOSITORY
from fashion_cnn.cli import main
from fashion_cnn.cli.train import _command as going_on
from fashion_cnn.dependencies import install_command
from fashion_cnn.process import launch
from fashion_cnn.process.machine import usable_cores, usual_threads

OLD = """#!/bin/sh
case "$1" in --version) echo "Python 3.10.9";; -c) exit 1;; *) touch started;; esac
"""


def make(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["make", "-f", REPOSITORY / "Makefile", *words], cwd=folder, capture_output=True, text=True
    )


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """A folder where make has all that it looks at before it installs anything."""
    (tmp_path / "bench").mkdir()
    for name in ("requirements.txt", "requirements-hashes.txt", "pyproject.toml", "bench/pins.py"):
        (tmp_path / name).touch()
    (tmp_path / "old").write_text(OLD)
    (tmp_path / "old").chmod(0o755)
    return tmp_path


def test_an_old_python_is_told_before_anything_is_installed(clone: Path) -> None:
    done = make(clone, "train", "PYTHON=./old")
    assert done.returncode
    assert "this needs Python 3.11 or newer, and ./old is Python 3.10.9;" in done.stderr
    assert "make PYTHON=python3.12 train" in done.stderr
    assert not (clone / "started").exists()


def test_an_environment_of_an_old_python_gives_way(clone: Path) -> None:
    (clone / ".venv/bin").mkdir(parents=True)
    (clone / ".venv/old").touch()
    (clone / "old").rename(clone / ".venv/bin/python")
    done = make(clone, ".venv/runtime", f"PYTHON={sys.executable}", "-n")
    assert "rm -rf .venv" in done.stdout
    assert f"{sys.executable} -m venv .venv" in done.stdout


def test_after_a_trial_the_words_say_how_to_go_on(
    few_data: Path, tmp_path: Path, monkeypatch, capsys
) -> None:
    words = ["train", "--epochs", "1", "--train-images", "200", "--width", "4", "--threads", "1"]
    words += ["--data-dir", str(few_data), "--output", str(tmp_path / "run"), "--no-test"]
    assert main(words) == 0
    command = f"fashion-cnn train --resume --epochs 50 --output {tmp_path / 'run'} --threads 1"
    assert f"to go on: {command}" in capsys.readouterr().err
    monkeypatch.setenv("MAKE_TARGET", "train")
    assert main([*words, "--overwrite"]) == 0
    more = f"--resume --epochs 50 --output {tmp_path / 'run'} --threads 1 --data-dir {few_data}"
    assert f"to go on: make train ARGS='{more}'" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("origin", "wanted"),
    [
        (None, "'fashion-cnn[train]'"),  # from an index
        ('{"url": "https://example.org/fashion-cnn.whl"}', "'fashion-cnn[train]'"),
        ('{"url": "file:///gone"}', "'fashion-cnn[train]'"),
        ("[]", "'fashion-cnn[train]'"),
        (f'{{"url": "{REPOSITORY.as_uri()}"}}', f"'{REPOSITORY}[train]'"),
    ],
)
def test_an_extra_comes_from_where_the_package_came_from(
    origin: str | None, wanted: str, tmp_path: Path, monkeypatch
) -> None:
    # Not a class of its own: importlib_metadata, where something has imported it, brings another.
    found = SimpleNamespace(read_text=lambda name: origin)
    monkeypatch.setattr(importlib.metadata, "distribution", lambda name: found)
    monkeypatch.chdir(tmp_path)
    assert install_command("train") == f"pip install {wanted}"
    monkeypatch.chdir(REPOSITORY)
    in_the_clone = "'.[train]'" if str(REPOSITORY) in wanted else wanted
    assert install_command("train") == f"pip install {in_the_clone}"


def test_threads_are_those_of_the_environment_unless_asked_for(monkeypatch) -> None:
    for value, wanted in {"3": 3, "2,1": 2, "": usable_cores(), "x": usable_cores()}.items():
        monkeypatch.setenv("OMP_NUM_THREADS", value)
        assert usual_threads() == launch.threads(None) == wanted
        assert launch.threads(5) == 5
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "2")  # torchrun says 1 to them all
    assert launch.threads(None) == max(1, usable_cores() // 2)


def test_the_wheel_answers_by_itself(tmp_path: Path) -> None:
    """Installed apart from the clone, it has all files that it needs, and says what it is."""
    options = ["--no-deps", "--no-build-isolation", "--disable-pip-version-check", "-q"]
    source = tmp_path / "source"  # a build leaves files behind
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        source.mkdir(exist_ok=True)
        (source / name).write_bytes((REPOSITORY / name).read_bytes())
    files = subprocess.run(
        ["git", "-C", REPOSITORY, "ls-files", "-co", "--exclude-standard", "src"],
        capture_output=True, text=True, check=True,
    ).stdout.split()  # fmt: skip
    for name in files:
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        (source / name).write_bytes((REPOSITORY / name).read_bytes())
    pip = [sys.executable, "-m", "pip"]
    subprocess.run([*pip, "wheel", source, *options, "-w", tmp_path], check=True)
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as opened:
        metadata = next(n for n in opened.namelist() if n.endswith("/METADATA"))
        text = opened.read(metadata).decode()
        site = tmp_path / "site"
        opened.extractall(site)
    assert text.count("\nProject-URL: ") >= 2
    assert "\nClassifier: Typing :: Typed" in text
    assert (site / "fashion_cnn/py.typed").exists()
    done = subprocess.run(
        [sys.executable, "-c", "import fashion_cnn as fc, numpy, pathlib\n"
         "package = pathlib.Path(fc.__file__).parent\n"
         "print(package)\n"
         "print(fc.predict(sorted((package / 'shipping/page/samples').iterdir())[9]).label)\n"
         "from fashion_cnn.studies.study import open_study; print(open_study('speedrun').name)\n"
         "from importlib import resources\n"
         "print(resources.files('fashion_cnn.reporting').joinpath('report.html.j2').is_file())"],
        capture_output=True, text=True, check=True, cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(site)},
    )  # fmt: skip
    assert done.stdout.split("\n")[:4] == [
        str(site / "fashion_cnn"), "Ankle boot", "speedrun", "True"
    ]  # fmt: skip


def test_how_to_go_on_with_several_processes_is_said_as_they_were_started(monkeypatch) -> None:
    monkeypatch.delenv("MAKE_TARGET", raising=False)
    assert going_on(["--resume"], Path("runs/a b"), []) == (
        "fashion-cnn train --resume --output 'runs/a b'"
    )
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "2")
    assert going_on(["--resume"], Path("runs/a"), []) == (
        "torchrun --standalone --nproc-per-node 2 -m fashion_cnn train --resume --output runs/a"
    )
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "1")
    assert going_on(["--resume"], Path("runs/a"), []) == "torchrun as before, with train --resume"
