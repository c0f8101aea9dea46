"""Text that comes from anywhere reaches a person whole, and moves no cursor."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from fashion_cnn.cli.output import say, write
from fashion_cnn.text import to_utf8, visible
from fashion_cnn.training.progress import Progress


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("plain ü 日本 👍\n\tindented", "plain ü 日本 👍\n\tindented"),
        ("\x1b[2Jgone", r"\x1b[2Jgone"),
        ("title\x1b]0;x\x07", r"title\x1b]0;x\x07"),
        ("one\rtwo\x00\x7f\x9b", r"one\rtwo\x00\x7f\x9b"),
        ("gnp.\u202exe", r"gnp.\u202exe"),
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


def test_a_run_folder_may_have_any_name(few_data, tmp_path) -> None:
    folder = os.fsencode(tmp_path) + b"/caf\xe9 \x1b[31m"
    words = ["train", "--epochs", "1", "--width", "4", "--train-images", "300", "--threads", "1"]
    command = [sys.executable, "-m", "fashion_cnn", *words, "--data-dir", few_data]
    done = subprocess.run([*command, "--output", folder], capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
    assert b"\x1b" not in done.stdout + done.stderr
    page = Path(os.fsdecode(folder), "report.html").read_text("utf-8")
    assert r"caf\udce9" in page
