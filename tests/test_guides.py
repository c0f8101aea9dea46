"""Every command that the README and the site show is run: in order, on few images.

A page whose commands need more than that has a test elsewhere, and those that no test can run stand
in `NOT_RUN` with the reason.
"""

import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import urllib.request
from glob import glob
from pathlib import Path

import pytest

from exported import export_each_network_once
from fashion_cnn import pace
from fashion_cnn.cli.main import main
from fashion_cnn.run.folder import Run
from fashion_cnn.studies import study
from pages import PAGES, REPOSITORY, blocks, commands, inline
from shapes import draw_photos
from short import train_here

TINY = ["--train-images", "200", "--validation", "0.1", "--threads", "1", "--batch-size", "100"]
KNOWING = ["--train-images", "1000", "--batch-size", "50"]  # trousers, or it is not served
CUT = {"train": TINY, "benchmark": ["--rounds", "1"], "serve": ["--port", "0"]}
"""By command, what is added to make it small; a training has few epochs besides."""

FAST = ["train", "fast"]
BASELINE = ["train", "baseline", "--width", "4"]
BEFORE = {
    "README.md": [],
    "docs/README.md": [],
    "docs/assignment.md": [],
    "docs/audit.md": [FAST],
    "docs/findings.md": [],
    "docs/first-model.md": [],
    "docs/front.md": [],
    "docs/keras.md": [],
    "docs/recipes.md": [],
    "docs/test-set.md": [],
    "docs/run-folder.md": [],
    "docs/what-it-sees.md": [],
    "docs/resume.md": [[*FAST, "--name", "shifted"]],
    "docs/understand.md": [FAST],
    "docs/calibrate.md": [],
    "docs/own-network.md": [],
    "docs/export.md": [FAST],
    "docs/track.md": [FAST],
    "docs/tune.md": [],
    "docs/compare.md": [
        BASELINE,
        FAST,
        *([*FAST, *more, "--seed", seed, "--output", f"runs/{name}/seed-{seed}"]
          for seed in "01" for name, more in (("a", []), ("b", ["--flip"]))),
    ],
}  # fmt: skip
"""By page, what must have been done before."""

FRONT = {"README.md", "docs/README.md"}
"""Pages that repeat what a guide shows, word for word: it is run with that guide."""

ELSEWHERE = {
    "docs/fine-tune.md": "test_timm.py",
    "docs/install.md": "test_fetch.py",
    "docs/own-data.md": "test_own_run.py",
    "docs/tune.md": "test_search.py",
}
"""By page, the test that runs the commands of its blocks."""

HOURS = "trains for hours; tests/test_docs.py opens every study of the package"
NOT_RUN = {
    "compare runs/fast docs/results/baseline": "the record's images are not the tests' few; "
    "tests/test_compare.py compares records",
    "export 'runs/studies/speedrun-94/fast94/seed-?' --output ensemble.onnx": "the study trains "
    "for hours; docs/export.md has the same command on two runs",
    "study fast-ablation": HOURS,
    "study balanced-ablation": HOURS,
    "study findings --jobs 2 --threads 1": HOURS,
    "study sprint": HOURS,
    "study imagenet": "needs ImageNet's weights; tests/test_timm.py starts from made-up ones",
    "study few-images": HOURS,
    "train --model my_net.py:Net --init-from weights.safetensors --epochs 0 --name elsewhere": (
        "takes another script's weights; tests/test_own_network.py has some of its own"
    ),
    "train --model timm:mobilenetv2_100 --freeze 1 --epochs 5": "fetches weights; "
    "tests/test_timm.py does so from files of its own",
    "train baseline --framework keras --name on-torch": "KERAS_BACKEND=torch needs a process of "
    "its own; tests/test_keras_job.py trains in one",
}
"""Commands that are not run here, and why."""

MAKE_NOT_RUN = {
    "benchmark": "times the machine for minutes; tests/test_bench.py runs the script",
    "campaign": "thousands of trials; tests/test_campaign.py runs some",
    "docs": "`make check` builds the site",
    "pins": "asks the package index",
    "speedrun": HOURS,
    "test": "that is this",
    "train-keras": "tests/test_keras_job.py runs the script",
    "verify-records": "tests/test_records.py does the same",
}
"""Targets that are not run here, and why."""


@pytest.fixture
def folder(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A working folder with the pictures of which the pages speak."""
    export_each_network_once(monkeypatch)
    monkeypatch.setattr("fashion_cnn.benchmark._IMAGES", 32)
    monkeypatch.setattr("fashion_cnn.benchmark._SINGLES", 8)
    monkeypatch.setattr("fashion_cnn.reporting.report._MOST_HEATED", 24)
    monkeypatch.setattr(study, "_wait_for", train_here)
    shutil.copytree(REPOSITORY / "examples", "examples")
    Path("docs").symlink_to(REPOSITORY / "docs")
    draw_photos(here / "photos", 1)


def call(words: list[str], capsys: pytest.CaptureFixture[str], *, is_served: bool = False) -> None:
    """Run a command, made small; what follows a `>` into a file."""
    words, into = (words[:-2], words[-1]) if ">" in words else (words, None)
    words = [path for word in words for path in (sorted(glob(word)) or [word])]  # as a shell does
    words += CUT.get(words[0], [])
    if words[0] == "train" and "--minutes" not in words:
        words += [*KNOWING, "--epochs", "2"] if is_served else ["--epochs", "1"]
    if words[0] == "serve":
        assert serve([sys.executable, "-m", "fashion_cnn", *words]) in (0, 130), words
        return
    if "keras" in words:  # whose threads are those that the first test of a process gave it
        subprocess.run([sys.executable, "-m", "fashion_cnn", *words], check=True)
        return
    capsys.readouterr()
    assert main(words) == 0, words
    if into:
        Path(into).write_text(capsys.readouterr().out)


def serve(command: list[str]) -> int:
    """Start the server, ask it whether it is well, and end it; gives its exit code."""
    with subprocess.Popen(
        command, stderr=subprocess.PIPE, text=True, start_new_session=True
    ) as process:
        try:
            assert process.stderr
            said = ""
            while not (port := re.search(r"serving on http://[\d.]+:(\d+)/", said)):
                line = process.stderr.readline()
                assert line, said
                said += line
            where = f"http://127.0.0.1:{port[1]}/healthz"
            with urllib.request.urlopen(where, timeout=30) as answer:
                assert answer.status == 200
        finally:
            os.killpg(process.pid, signal.SIGINT)
            process.communicate(timeout=60)
    return process.returncode


def in_running_text() -> dict[str, list[list[str]]]:
    """By page, the commands of its running text that no block shows."""
    known = {tuple(words) for page in PAGES for words in commands(page)}
    found: dict[str, list[list[str]]] = {}
    for page in PAGES:
        for words in inline(page):
            if tuple(words) not in known:
                known.add(tuple(words))
                found.setdefault(page, []).append(words)
    return found


def shown(page: str) -> list[list[str]]:
    """The commands of a page that are to be run here, if anywhere."""
    of_blocks = [] if page in ELSEWHERE else commands(page)
    if page in FRONT:
        others = [words for other in BEFORE.keys() - FRONT for words in commands(other)]
        of_blocks = [words for words in of_blocks if words not in others]
    return [*of_blocks, *in_running_text().get(page, [])]


@pytest.mark.parametrize("page", BEFORE)
def test_the_commands_of_a_page_work(folder: None, page: str, capsys, monkeypatch) -> None:
    # Five minutes are one epoch; tests/test_pace.py measures for itself.
    monkeypatch.setattr(pace, "measure", lambda *_: pace.Pace(1.0, 0.0, 0.0))
    is_served = any(words[:2] == ["serve", "--model"] for words in shown(page))
    for words in BEFORE[page]:
        call(words, capsys, is_served=is_served)
    for number, text in enumerate(blocks(page, "toml")):
        name = text.partition("\n")[0].removeprefix("# ")
        few = "\n[fields]\nepochs = 1\ntrain_images = 200\nbatch_size = 100\n[variants"
        text = text.replace("[0, 1, 2]", "[0]").replace("\n[variants", few, 1)
        Path(name if name.endswith(".toml") else f"{number}.toml").write_text(text)
    for words in shown(page):
        if shlex.join(words) not in NOT_RUN:
            call(words, capsys, is_served=is_served)


def test_no_command_is_left_out() -> None:
    """What is not run is shown somewhere, and is said once."""
    every = {page: {shlex.join(words) for words in shown(page)} for page in PAGES}
    assert {page for page, found in every.items() if found - NOT_RUN.keys()} <= BEFORE.keys()
    assert NOT_RUN.keys() <= set().union(*every.values())
    for page, file in ELSEWHERE.items():
        assert f'commands("{page}")' in (REPOSITORY / "tests" / file).read_text()


def test_the_first_model_is_what_the_page_says(folder: None, capsys) -> None:
    predict, *_ = commands("docs/first-model.md")
    call(predict, capsys)
    said = capsys.readouterr().out
    assert said in blocks("docs/first-model.md", "text")
    assert said in blocks("README.md", "text")


def test_the_table_of_a_run_folder_has_every_file(folder: None, capsys) -> None:
    call([*FAST, "--name", "run"], capsys)
    call(["export", "runs/run"], capsys)
    assert Run("runs/run").exists()
    for path in Path("runs/run").iterdir():
        name = path.name + "/" * path.is_dir()
        if path.suffix != ".svg" and not name.startswith("."):
            assert f"`{name}`" in PAGES["docs/run-folder.md"], name


def targets() -> set[str]:
    """The targets of make that pages show, in blocks and in their text."""
    words = r"(?:^|`)make ((?:[^`\n#]|\n(?!`))+)"
    lines = (line for text in PAGES.values() for line in re.findall(words, text, re.MULTILINE))
    return {word for line in lines for word in shlex.split(line) if "=" not in word}


def test_make_trains_and_serves(few_data: Path, tmp_path: Path, monkeypatch) -> None:
    """In the environment of the tests, in place of one that make would install."""
    assert targets() - MAKE_NOT_RUN.keys() == {"train", "serve"}
    assert MAKE_NOT_RUN.keys() <= targets()
    monkeypatch.setenv("FASHION_CNN_DATA", str(few_data))
    programs = Path(sys.executable).parent
    make = ["make", "-C", str(REPOSITORY), "-o", ".venv/runtime", f"BIN={programs}"]
    small = shlex.join([*TINY, "--width", "4", "--output", str(tmp_path / "results")])
    subprocess.run([*make, "train", "EPOCHS=1", f"ARGS={small}"], check=True, capture_output=True)
    assert len(Run(tmp_path / "results").history) == 1
    serve([*make, "serve", "ARGS=--port 0"])
