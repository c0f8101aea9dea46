"""Text that comes from anywhere reaches a person whole, and moves no cursor."""

import ast
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from fashion_cnn.cli import main, output
from fashion_cnn.cli.output import say, write
from fashion_cnn.recipes.catalog import named
from fashion_cnn.reporting.summary import describe_recipe
from fashion_cnn.text import aligned, duration, to_utf8, visible
from fashion_cnn.training.progress import Progress


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("plain ü 日本 👍\n\tindented", "plain ü 日本 👍\n\tindented"),
        ("\x1b[2Jgone", r"\x1b[2Jgone"),
        ("title\x1b]0;x\x07", r"title\x1b]0;x\x07"),
        ("one\rtwo\x00\x7f\x9b", r"one\rtwo\x00\x7f\x9b"),
        ("gnp.\u202exe", r"gnp.\u202exe"),
        ("one\u2028two\u2029three", r"one\u2028two\u2029three"),
        (os.fsdecode(b"caf\xe9"), r"caf\udce9"),
    ],
)
def test_nothing_moves_the_cursor(capfd, text: str, wanted: str) -> None:
    assert visible(text) == wanted
    say(text)
    write(text)
    Progress().say(text)
    out, err = capfd.readouterr()
    assert (out, err) == (f"{wanted}\n", f"{wanted}\n" * 2)


def test_what_is_no_utf_8_is_written_out() -> None:
    assert to_utf8("ü" + os.fsdecode(b"\xe9")) == "ü".encode() + rb"\udce9"


@pytest.mark.parametrize(
    ("seconds", "wanted"),
    [
        *((9.44, "9.4 s"), (119.4, "119.4 s"), (119.5, "2 min 0 s"), (578, "9 min 38 s")),
        *((7199.4, "119 min 59 s"), (7199.5, "2 h 0 min"), (9000, "2 h 30 min")),
    ],
)
def test_times_for_people(seconds: float, wanted: str) -> None:
    assert duration(seconds) == wanted


def test_a_list_is_as_wide_as_the_terminal(monkeypatch, capsys) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    for words in (["recipes"], ["recipes", "best"], ["train", "--help"], ["tune", "--help"]):
        assert main(words) == 0
        lines = capsys.readouterr().out.splitlines()
        assert 60 < max(map(len, lines)) <= 80
        assert "".join(lines).count("FILE.py:NAME") == (words != ["recipes"]), "no word is broken"
    monkeypatch.setenv("COLUMNS", "140")
    assert main(["train", "--help"]) == 0
    text = capsys.readouterr().out
    assert max(map(len, text.splitlines())) > 100
    assert text.index("The network:") < text.index("--model") < text.index("Optimiser:")
    assert text.index("Augmentation:") < text.index("--flip") < text.index("Precision and")


def test_what_is_trained_is_told_by_what_differs(monkeypatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    said = describe_recipe(named("fast").replace(seed=7), {"seed": 7}, "recipe fast").splitlines()
    assert said[:2] == ["training fast", "  given: seed=7"]
    assert said[2].startswith("  recipe fast: model=strided_cnn epochs=2")
    assert max(map(len, said)) <= 80
    words = " ".join(said[2:]).split()
    assert {"label_smoothing=0.05", "precision=mixed"} < set(words), "whole, on whichever line"
    assert "flip=off" not in words, "as by default"


def test_a_run_folder_may_have_any_name(few_data, tmp_path) -> None:
    folder = os.fsencode(tmp_path) + b"/caf\xe9 \x1b[31m"
    words = ["train", "--epochs", "1", "--width", "4", "--train-images", "300", "--threads", "1"]
    command = [sys.executable, "-m", "fashion_cnn", *words, "--data-dir", few_data]
    done = subprocess.run([*command, "--output", folder], capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
    assert b"\x1b" not in done.stdout + done.stderr
    page = Path(os.fsdecode(folder), "report.html").read_text("utf-8")
    assert r"caf\udce9" in page


def test_a_data_set_may_have_any_name_in_any_terminal(few_data, tmp_path) -> None:
    folder = os.fsencode(tmp_path) + b"/caf\xe9 \x1b[31m"
    shutil.copytree(few_data, os.fsdecode(folder))
    command = [sys.executable, "-m", "fashion_cnn", "data", "verify", "--data-dir", folder]
    narrow = os.environ | {"PYTHONIOENCODING": "ascii"}
    done = subprocess.run(command, capture_output=True, env=narrow)
    assert done.returncode == 0, done.stderr
    assert rb"/caf\udce9 \x1b[31m: all four" in done.stdout


def test_a_letter_that_the_terminal_lacks_is_written_out() -> None:
    command = [sys.executable, "-m", "fashion_cnn", "recipes"]
    narrow = os.environ | {"PYTHONIOENCODING": "ascii"}
    done = subprocess.run(command, capture_output=True, env=narrow, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert r" \xb1 " in done.stdout


def test_commands_print_by_say_and_write_alone() -> None:
    for path in Path(output.__file__).parent.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            name = getattr(node, "id", getattr(node, "attr", ""))
            assert path.name == "output.py" or name not in ("print", "echo", "secho"), path


def test_a_command_is_never_folded(monkeypatch) -> None:
    """Tables are as wide as they are, sentences as the terminal; what is to be pasted is whole."""
    monkeypatch.setenv("COLUMNS", "40")
    pasted = "  fashion-cnn train fast --epochs 1 --data-dir 'my data' --learning-rate 0.005"
    sentence = "many words that do not fit on a line of forty columns at all"
    lines = aligned(f"{sentence}\n{pasted}").splitlines()
    assert lines[-1] == pasted
    assert len(lines) == 3
    assert max(map(len, lines[:2])) <= 40
