"""Gzip in bounds: of the size that it unpacks to, and of the time that this takes.

A few bytes may stand for gigabytes of zeros, and a small file be a hundred thousand empty members.
"""

import io
import os
import zlib
from pathlib import Path
from typing import IO, Any

from fashion_cnn.errors import DataError

_ALWAYS = 16 << 20  # bytes that even the smallest file may unpack to: labels in order are all alike
_MOST_TIMES = 100  # as large as packed; images shrink to a fifth, and numbers as text to a tenth
_MOST_MEMBERS = 100_000  # bgzip's, of 64 KiB, are 12,000 in the largest file of a data set
_MOST_LAYERS = 2  # a server packs once more what is packed already
_BLOCK = 1 << 14  # what a member leaves of it is copied, so an empty one must not leave much


def most_unpacked(packed: int) -> int:
    """How many bytes a file of `packed` bytes may unpack to."""
    return max(_ALWAYS, _MOST_TIMES * packed)


def unpacked(raw: io.BufferedReader, path: Path) -> io.BufferedReader:
    """An open file as it is, or what is packed in it. Reading raises as with `Gunzip`."""
    for _ in range(_MOST_LAYERS):
        if not raw.peek(2).startswith(b"\x1f\x8b"):
            break
        raw = io.BufferedReader(Gunzip(raw, path))
    return raw


class Gunzip(io.RawIOBase):
    """What an open gzip file holds, from where that stands on; wrap it in a `BufferedReader`.

    Reading raises `zlib.error` or `EOFError` for a damaged file, and `DataError` for one that
    unpacks to far more than data do, or is of too many parts.
    """

    def __init__(self, packed: IO[bytes], path: Path) -> None:
        """Args: path: for errors."""
        self._packed = packed
        self._path = path
        self._left = most_unpacked(os.fstat(packed.fileno()).st_size)
        self._members_left = _MOST_MEMBERS
        self._member: Any = None
        self._input = b""

    def readable(self) -> bool:
        """Yes."""
        return True

    def fileno(self) -> int:
        """Of the file that all is packed in."""
        return self._packed.fileno()

    def readinto(self, buffer: Any, /) -> int:
        """Fill a buffer as far as one step goes; 0 at the end."""
        while True:
            if not self._input:
                self._input = self._packed.read(_BLOCK)
            if self._member is None:
                self._input = self._input.lstrip(b"\0")  # tapes are filled up with them
                if not self._input:
                    if not (block := self._packed.read(_BLOCK)):
                        return 0
                    self._input = block
                    continue
                self._member = self._next_member()
            elif not self._input:
                raise EOFError("it ends inside what is packed")
            member = self._member
            found = member.decompress(self._input, len(buffer))
            self._input = member.unconsumed_tail
            if member.eof:
                self._input, self._member = member.unused_data, None
            if found:
                self._left -= len(found)
                if self._left < 0:
                    raise DataError(f"{self._path} unpacks to far more than data do; unpack it")
                buffer[: len(found)] = found
                return len(found)

    def _next_member(self) -> Any:
        self._members_left -= 1
        if self._members_left < 0:
            raise DataError(f"{self._path} is of over {_MOST_MEMBERS:,} packed parts; unpack it")
        return zlib.decompressobj(wbits=31)
