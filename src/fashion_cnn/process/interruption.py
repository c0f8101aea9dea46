"""Ctrl+C and SIGTERM: the first asks to stop, the second leaves at once."""

import os
import signal
import sys
import threading
import time
from types import FrameType

_ECHO: dict[int, float] = {signal.SIGINT: 0.1, signal.SIGTERM: 1.0}
"""Seconds in which a signal may come twice: `timeout`, torchrun and systemd signal a process, then
its group."""


def exit_status(returncode: int) -> int:
    """What a shell calls the end of a child: 128 + n where `subprocess` says -n, of signal n."""
    return 128 - returncode if returncode < 0 else returncode


class Interruption:
    """While entered, SIGINT and SIGTERM only set `signal`; a second one ends the process.

    What comes at once behind the first is its echo, and ends nothing.

    Attributes:
        signal: the number of the first signal, or None; one that another rank received may be set.
    """

    def __init__(self) -> None:
        self.signal: int | None = None
        self._received: tuple[int, float] | None = None
        self._before: dict[int, object] = {}

    def __enter__(self) -> "Interruption":
        if threading.current_thread() is not threading.main_thread():
            return self  # Python lets the main thread alone set handlers
        for number in (signal.SIGINT, signal.SIGTERM):
            self._before[number] = signal.signal(number, self._receive)
        return self

    def __exit__(self, *exception: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)  # type: ignore[arg-type]

    def _receive(self, number: int, frame: FrameType | None) -> None:
        now = time.monotonic()
        if not self._received:
            self._received, self.signal = (number, now), self.signal or number
            return
        first, then = self._received
        if number == first and now - then < _ECHO[number]:
            return
        if "ipykernel" in sys.modules:  # a notebook keeps its kernel, and what is in it
            raise KeyboardInterrupt
        if sys.stderr.isatty():
            os.write(2, b"\x1b[?25h\n")  # a live bar hides the cursor
        os._exit(128 + number)
