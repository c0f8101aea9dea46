"""The live bar, on a real pseudo-terminal."""

import os
import pty
import re
import subprocess
import sys
from pathlib import Path


def test_a_terminal_gets_a_live_bar_with_rate_loss_and_time_left(tmp_path: Path, few_data) -> None:
    ours, theirs = pty.openpty()
    words = ["train", "--epochs", "2", "--train-images", "2000", "--data-dir", str(few_data)]
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
    assert b"\x1b[?25h" in screen, "the cursor comes back"
