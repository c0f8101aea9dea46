"""One training of a search: a process of its own, followed through its run folder."""

import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from fashion_cnn.errors import UsageError
from fashion_cnn.files import open_to_append
from fashion_cnn.process.interruption import Interruption, exit_status
from fashion_cnn.run.folder import Run
from fashion_cnn.run.history import EpochRecord

_LOOK_SECONDS = 0.1


def follow_training(
    words: list[str],
    run: Run,
    messages: Path,
    interruption: Interruption,
    epoch: Callable[[EpochRecord], bool],
) -> int:
    """Run `fashion-cnn` with `words` and read the run's history while it grows.

    Args:
        run: what it trains.
        messages: file to which what it says is appended.
        interruption: a signal is passed on, once; the training then saves and reports.
        epoch: gets each epoch's record, those of an earlier process first; if it returns true the
            training is stopped, orderly too.

    Returns:
        Its exit code; 128 + n where it was stopped.
    """
    command, seen, told = [sys.executable, "-m", "fashion_cnn", *words], 0, False
    # A session of its own: a terminal's Ctrl+C would reach it beside the signal passed on, and
    # the second one of two means to leave at once.
    with (
        open_to_append(messages) as file,
        subprocess.Popen(
            command, stdout=subprocess.DEVNULL, stderr=file, start_new_session=True
        ) as process,
    ):
        try:
            running = True
            while running:
                running = process.poll() is None  # first, so that the last look sees all
                for record in run.history[seen:]:
                    seen += 1
                    if epoch(record) and running and not told:
                        process.send_signal(signal.SIGTERM)
                        told = True
                if interruption.signal and running and not told:
                    process.send_signal(interruption.signal)
                    told = True
                if running:
                    time.sleep(_LOOK_SECONDS)
        except BaseException:
            process.terminate()
            raise
    return exit_status(process.returncode)


def wait_until_free(run: Run, interruption: Interruption, say: Callable[[str], None]) -> None:
    """Wait while a training that outlived its search still holds the run folder."""
    said = False
    while not interruption.signal:
        try:
            with run.lock():
                return
        except UsageError as error:
            if not said:
                say(f"waiting: {error}")
                said = True
            time.sleep(_LOOK_SECONDS)
