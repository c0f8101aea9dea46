"""Opening image files of unknown origin, in a child process with limits."""

import json
import math
import os
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fashion_cnn.errors import DecoderError, ImageError, SlowImageError

FILE_BYTES = 8 * 2**20
_SECONDS = 10.0  # of a clock on the wall; the child's own limit of CPU time ends most before that
_FRAME_BYTES = 2**20  # the child's answers are shorter
_AT_ONCE = 2**16
_TRIES = 3
_PATIENCE = 1.0  # seconds between the end of what a child says and that of the child
_FROM_OUTSIDE = (-signal.SIGKILL, -signal.SIGTERM, -signal.SIGHUP, -signal.SIGINT)
"""Statuses of a child that no picture can bring about."""
_TOO_LONG = (-signal.SIGXCPU, -signal.SIGPROF)
_CHILD = Path(__file__).with_name("decoding_child.py")
_PASSED_ON = ("DYLD_LIBRARY_PATH", "LD_LIBRARY_PATH", "LD_PRELOAD", "PATH", "TMPDIR")


def too_large(size: int | None) -> ImageError:
    """What is said of a file of so many bytes, more than are read; None where that is unknown."""
    # Rounded up: a byte more than what is read must not look like as much.
    most = FILE_BYTES // 2**20
    said = f"more than {most}" if size is None else f"{math.ceil(10 * size / 2**20) / 10:.1f}"
    return ImageError(f"{said} MB; at most {most} MB are read")


class Decoder:
    """A child process that decodes picture after picture and is replaced when one of them ends it.

    Safe to call from several threads, which then take turns.
    """

    def __init__(self) -> None:
        self._child: subprocess.Popen[bytes] | None = None
        self._pipe: _Pipe
        self._owner = 0
        self._lock = threading.Lock()

    def decode(
        self, data: bytes, cpu_seconds: float | None = None
    ) -> tuple[NDArray[np.uint8], list[str]]:
        """Open a PNG, JPEG, WEBP, AVIF or HEIC file, upright and shrunk to 256 pixels or fewer.

        Args:
            data: the file.
            cpu_seconds: of processor time that it may take; None for the most, 2 s.

        Returns:
            uint8 (H, W, 4) RGBA, or (28, 28) for an opaque grey picture of that size, whose bytes
            are untouched; and lines on what was done that a person may want to know.

        Raises:
            ImageError: it is too large, not a picture, damaged, or hostile; `SlowImageError` if it
                takes too long.
            DecoderError: the child is killed from outside, or ends before it has the picture, time
                after time.
        """
        if not data:
            raise ImageError("an empty file")
        if len(data) > FILE_BYTES:
            raise too_large(len(data))
        with self._lock:
            answer, pixels = self._ask(data, cpu_seconds)
        if "error" in answer:
            raise ImageError(answer["error"])
        width, height = answer["size"]
        shape = (height, width) if answer["mode"] == "L" else (height, width, 4)
        return np.frombuffer(pixels, np.uint8).reshape(shape), answer["notes"]

    def start(self) -> None:
        """Start the child; without, the first picture does."""
        with self._lock:
            self._start()

    def close(self) -> None:
        """End the child, if there is one; the next picture starts another."""
        with self._lock:
            self._end()

    def _end(self, patience: float = 0.0) -> int | None:
        """End the child, if there is one.

        Returns:
            The status with which it ended by itself within `patience` seconds; None if it did not.
        """
        child, self._child = self._child, None
        if child is None:
            return None
        self._pipe.close()
        try:
            return child.wait(patience)
        except subprocess.TimeoutExpired:
            if self._owner == os.getpid():
                child.kill()
            child.wait()
            return None

    def _start(self) -> None:
        ours, theirs = socket.socketpair()
        self._pipe = _Pipe(ours)
        # -I: neither the working folder nor the environment can put modules in its way. Of the
        # environment, which may hold the server's token, it gets what loading libraries takes.
        with theirs:
            self._child = subprocess.Popen(
                [sys.executable, "-I", str(_CHILD)],
                env={name: os.environ[name] for name in _PASSED_ON if name in os.environ},
                stdin=theirs.fileno(),
                stdout=theirs.fileno(),
                stderr=subprocess.DEVNULL,
                start_new_session=True,  # Ctrl+C is the parent's to answer
            )
        self._owner = os.getpid()

    def _ask(
        self, data: bytes, cpu_seconds: float | None
    ) -> tuple[dict[str, Any], bytes | bytearray]:
        code = None
        for _ in range(_TRIES):
            if self._child is None or self._owner != os.getpid() or self._child.poll() is not None:
                self._end()
                self._start()
            try:
                self._pipe.send(data, cpu_seconds)
                return json.loads(_read(self._pipe)), _read(self._pipe)
            except (OSError, EOFError, ValueError) as error:
                gone = isinstance(error, EOFError | ConnectionError)
                code = self._end(_PATIENCE if gone else 0.0)
                if isinstance(error, TimeoutError) or code in _TOO_LONG:
                    raise SlowImageError("takes too long to decode") from None
                # Its end drops the connection if it has not yet taken all of the picture.
                if code not in _FROM_OUTSIDE and not isinstance(error, ConnectionError):
                    status = "" if code is None else f" (status {code})"
                    raise ImageError(f"crashes the image decoder{status}") from None
            except BaseException:
                self._end()  # or its answer to this picture would be taken for that to the next
                raise
        raise DecoderError(
            f"the process that opens pictures ended {_TRIES} times with no answer (status {code}); "
            "is there too little memory?"
        )


class DecoderPool:
    """As many decoders as are busy at once, so that a slow picture holds up no other thread."""

    def __init__(self) -> None:
        self._idle: list[Decoder] = []  # its pop and append are atomic

    def decode(
        self, data: bytes, cpu_seconds: float | None = None
    ) -> tuple[NDArray[np.uint8], list[str]]:
        """As `Decoder.decode`, in a child that is idle or in another."""
        try:
            decoder = self._idle.pop()
        except IndexError:
            decoder = Decoder()
        try:
            return decoder.decode(data, cpu_seconds)
        finally:
            self._idle.append(decoder)

    def start(self) -> None:
        """Have a child idle: it starts while the caller does something else."""
        if not self._idle:
            decoder = Decoder()
            decoder.start()
            self._idle.append(decoder)

    def close(self) -> None:
        """End the children that are idle."""
        for decoder in self._idle:
            decoder.close()


class _Pipe:
    """The parent's end of what connects it with a child; all of an answer has one deadline."""

    def __init__(self, end: socket.socket) -> None:
        self._end = end
        self._deadline = 0.0
        self._received = bytearray()

    def send(self, data: bytes, cpu_seconds: float | None) -> None:
        """Send a file; from now on the clock runs. Raises `OSError`."""
        self._deadline = time.monotonic() + _SECONDS
        self._end.settimeout(_SECONDS)
        self._end.sendall(struct.pack(">Id", len(data), cpu_seconds or 0.0) + data)

    def read(self, count: int) -> bytearray:
        """Read so many bytes. Raises `EOFError`, or `OSError`, of which `TimeoutError` is one."""
        while len(self._received) < count:
            self._end.settimeout(max(0.001, self._deadline - time.monotonic()))  # 0: do not wait
            if not (part := self._end.recv(_AT_ONCE)):
                raise EOFError
            self._received += part
        data, self._received = self._received[:count], self._received[count:]
        return data

    def close(self) -> None:
        """Close this end."""
        self._end.close()


def _read(pipe: _Pipe) -> bytearray:
    """Read one frame: 4 bytes of length, then as many. Raises as `read`, and `ValueError`."""
    length = struct.unpack(">I", pipe.read(4))[0]
    if length >= _FRAME_BYTES:
        raise ValueError("longer than any answer")
    return pipe.read(length)
