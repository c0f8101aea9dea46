"""Commands in processes of their own that need not import PyTorch and the rest first."""

import multiprocessing
import subprocess
import sys
from multiprocessing.process import BaseProcess

import pytest

from fashion_cnn.cli import main

_SERVER = multiprocessing.get_context("forkserver")
_SERVER.set_forkserver_preload(
    [
        "fashion_cnn.job",
        "fashion_cnn.on_torch.train",
        "fashion_cnn.evaluation.evaluate",
        "fashion_cnn.reporting.plots",
    ]
)


def start(*words: str) -> BaseProcess:
    """Begin `fashion-cnn WORDS`; its exit code is that of the process."""
    process = _SERVER.Process(target=_run, args=(words,), daemon=True)
    process.start()
    return process


def _run(words: tuple[str, ...]) -> None:
    sys.exit(main(words))


def wait_for_line(process: subprocess.Popen, start: str) -> None:
    """Read what a process says until a line begins so."""
    assert process.stderr
    for line in process.stderr:
        if line.startswith(start):
            return
    pytest.fail(f"{start!r} never came: exit {process.wait()}")
