"""The live bar, on a real pseudo-terminal."""

import dataclasses
import os
import pty
import re
import subprocess
import sys
from pathlib import Path

from fashion_cnn.run.history import EpochRecord
from fashion_cnn.training.progress import Progress


def test_the_line_of_an_epoch_fits_and_marks_the_best(capsys) -> None:
    progress = Progress()
    progress.begin(100, 844, 0)
    record = EpochRecord(100, 84_400, 1e-3, 0.1234, 0.98765, 0.3456, 0.91234, 99.96, 5000.0)
    progress.epoch(record, best=True)
    progress.epoch(dataclasses.replace(record, epoch=2, seconds=7000), best=False)
    best, other = capsys.readouterr().err.splitlines()
    assert best == (
        "epoch 100/100: train 0.1234 98.8 %, validation loss 0.3456 91.23 %, 100.0 s best"
    )
    assert other.startswith("epoch   2/100: ")
    assert other.endswith(", 116 min 40 s")
    assert max(map(len, (best, other))) <= 80


def test_a_terminal_gets_a_live_bar_with_rate_loss_and_time_left(tmp_path: Path, few_data) -> None:
    ours, theirs = pty.openpty()
    words = ["train", "--epochs", "2", "--train-images", "2000", "--width", "16", "--no-test"]
    words += ["--data-dir", str(few_data)]
    process = subprocess.Popen(
        [sys.executable, "-m", "fashion_cnn", *words, "--output", str(tmp_path / "run")],
        stdout=subprocess.DEVNULL,
        stderr=theirs,
        env={**os.environ, "TERM": "xterm", "COLUMNS": "120"},
    )
    os.close(theirs)
    screen = b""
    while True:
        try:
            part = os.read(ours, 1 << 16)
        except OSError:  # Linux's way to say that the other end is closed
            break
        if not part:
            break
        screen += part
    os.close(ours)
    assert process.wait() == 0
    text = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", screen.decode())
    assert re.search(r"epoch [12]/2 .*%.* steps/s +loss \d\.\d+ +accuracy \d+\.\d %.*left", text)
    assert re.search(r"\d:\d\d:\d\d", text), "time left"
    assert text.count("validation loss") == 2, "one line an epoch stays"
    *_, last = re.findall(r"epoch \d/2 \S* *(\d+)%", text)
    assert last == "100", "a bar that has ended is full"
    assert b"\x1b[?25h" in screen, "the cursor comes back"
