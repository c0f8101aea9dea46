"""Ctrl+C and SIGTERM: the first asks to stop, the second leaves at once."""

import os
import signal
import sys
import threading
from types import FrameType


def exit_status(returncode: int) -> int:
    """What a shell calls the end of a child: 128 + n where `subprocess` says -n, of signal n."""
    return 128 - returncode if returncode < 0 else returncode


class Interruption:
    """While entered, SIGINT and SIGTERM only set `signal`; a second one ends the process.

    Attributes:
        signal: the number of the first signal, or None; one that another rank received may be set.
    """

    def __init__(self) -> None:
        self.signal: int | None = None
        self._received = False
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
        if not self._received:
            self._received, self.signal = True, self.signal or number
            return
        if "ipykernel" in sys.modules:  # a notebook keeps its kernel, and what is in it
            raise KeyboardInterrupt
        if sys.stderr.isatty():
            os.write(2, b"\x1b[?25h\n")  # a live bar hides the cursor
        os._exit(128 + number)
