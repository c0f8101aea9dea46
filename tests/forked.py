"""Commands in processes of their own that need not import PyTorch and the rest first."""

import multiprocessing
import os
import subprocess
import time
from multiprocessing.process import BaseProcess
from pathlib import Path

import pytest

from fashion_cnn.__main__ import run
from fashion_cnn.reporting import plots, report

_SERVER = multiprocessing.get_context("forkserver")
_SERVER.set_forkserver_preload(
    [
        "fashion_cnn.cli.main",
        "fashion_cnn.job",
        "fashion_cnn.on_torch.train",
        "fashion_cnn.evaluation.evaluate",
        "fashion_cnn.reporting.report",
        "fashion_cnn.tuning.search",
        "jinja2",
        "scipy.special",
        __name__,
    ]
)


def start(*words: str, said: Path | None = None, drawn: bool = False) -> BaseProcess:
    """Begin `fashion-cnn WORDS` here, with our environment; its exit code is that of the process.

    Args:
        said: the file that holds what it says; None for ours.
        drawn: whether a run gets its plots.
    """
    given = (words, os.getcwd(), dict(os.environ), said, drawn)
    process = _SERVER.Process(target=_run, args=given, daemon=True)
    process.start()
    return process


def _run(
    words: tuple[str, ...], here: str, environment: dict[str, str], said: Path | None, drawn: bool
) -> None:
    os.chdir(here)
    os.environ.update(environment)
    if said:
        file = os.open(said, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        os.dup2(file, 1)
        os.dup2(file, 2)
    if not drawn:
        plots.draw_run = lambda run, metrics: None
        empty = dict.fromkeys(("loss", "accuracy", "reliability", "risk"), "")
        report.charts = lambda run, metrics: empty
    run(words)


def wait_for(process: BaseProcess, said: Path, start: str) -> None:
    """Wait until a line of what it says begins so."""
    while not (said.exists() and f"\n{start}" in "\n" + said.read_text()):
        assert process.is_alive(), said.read_text()
        time.sleep(0.01)


def finish(process: BaseProcess, code: int = 0) -> None:
    process.join(timeout=120)
    assert process.exitcode == code


def wait_for_line(process: subprocess.Popen, start: str) -> None:
    """Read what a process says until a line begins so."""
    assert process.stderr
    for line in process.stderr:
        if line.startswith(start):
            return
    pytest.fail(f"{start!r} never came: exit {process.wait()}")
