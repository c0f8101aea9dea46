"""Opening image files of unknown origin, in a child process with limits."""

import contextlib
import json
import os
import signal
import struct
import subprocess
import sys
import threading
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from fashion_cnn.errors import ImageError

FILE_BYTES = 8 * 2**20
_SECONDS = 10.0  # of a clock on the wall; the child's own limit of CPU time ends most before that
_FRAME_BYTES = 2**20  # the child's answers are shorter
_CHILD = Path(__file__).with_name("decoding_child.py")


class Decoder:
    """A child process that decodes picture after picture and is replaced when one of them ends it.

    Safe to call from several threads, which then take turns.
    """

    def __init__(self) -> None:
        self._child: subprocess.Popen[bytes] | None = None
        self._owner = 0
        self._lock = threading.Lock()

    def decode(self, data: bytes) -> tuple[NDArray[np.uint8], list[str]]:
        """Open a PNG, JPEG or WEBP file, turned upright and shrunk to 256 pixels or fewer.

        Args:
            data: the file.

        Returns:
            uint8 (H, W, 4) RGBA, or (28, 28) for an opaque grey picture of that size, whose bytes
            are untouched; and lines on what was done that a person may want to know.

        Raises:
            ImageError: it is too large, not a picture, damaged, or hostile.
        """
        if not data:
            raise ImageError("an empty file")
        if len(data) > FILE_BYTES:
            raise ImageError(
                f"{len(data) / 2**20:.1f} MB; at most {FILE_BYTES // 2**20} MB are read"
            )
        with self._lock:
            answer, pixels = self._ask(data)
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

    def _end(self) -> int:
        child, self._child = self._child, None
        if child is None:
            return 0
        if self._owner == os.getpid():
            child.kill()
        # Closing flushes what the child did not read, which fails if it is gone.
        with contextlib.suppress(OSError), child:
            pass
        return child.wait()

    def _start(self) -> subprocess.Popen[bytes]:
        # -I: neither the working folder nor the environment can put modules in its way.
        self._child = subprocess.Popen(
            [sys.executable, "-I", str(_CHILD)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            start_new_session=True,  # Ctrl+C is the parent's to answer
        )
        self._owner = os.getpid()
        return self._child

    def _ask(self, data: bytes) -> tuple[dict[str, Any], bytes]:
        child = self._child
        if child is None or self._owner != os.getpid() or child.poll() is not None:
            self._end()
            child = self._start()
        assert child.stdin is not None
        assert child.stdout is not None
        late = threading.Event()
        timer = threading.Timer(_SECONDS, lambda: (late.set(), child.kill()))
        timer.daemon = True
        timer.start()
        try:
            child.stdin.write(struct.pack(">I", len(data)) + data)
            child.stdin.flush()
            return json.loads(_read(child.stdout)), _read(child.stdout)
        except (OSError, EOFError, ValueError):
            code = self._end()
            if late.is_set() or code == -signal.SIGXCPU:
                raise ImageError("takes too long to decode") from None
            raise ImageError(f"breaks its decoder (status {code})") from None
        except BaseException:
            self._end()  # or its answer to this picture would be taken for that to the next
            raise
        finally:
            timer.cancel()


class DecoderPool:
    """As many decoders as are busy at once, so that a slow picture holds up no other thread."""

    def __init__(self) -> None:
        self._idle: list[Decoder] = []  # its pop and append are atomic

    def decode(self, data: bytes) -> tuple[NDArray[np.uint8], list[str]]:
        """As `Decoder.decode`, in a child that is idle or in another."""
        try:
            decoder = self._idle.pop()
        except IndexError:
            decoder = Decoder()
        try:
            return decoder.decode(data)
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


def _read(pipe: IO[bytes]) -> bytes:
    """Read one frame: 4 bytes of length, then as many. Raises `EOFError` if it is none."""
    header = pipe.read(4)
    length = struct.unpack(">I", header)[0] if len(header) == 4 else _FRAME_BYTES
    if length >= _FRAME_BYTES or len(frame := pipe.read(length)) < length:
        raise EOFError
    return frame
