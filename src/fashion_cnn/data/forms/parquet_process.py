"""Reading Parquet files of unknown origin in a child process: pyarrow ends it for some of them."""

import io
import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, cast

from fashion_cnn.data.files import damaged
from fashion_cnn.errors import OUT_OF_ROOM, DataError, DecoderError

_CHILD = Path(__file__).with_name("parquet_child.py")
_PATIENCE = 1.0  # seconds between the end of what a child says and that of the child


class OpenedParquet:
    """A file that a child process has opened.

    Attributes:
        columns: their names.
        rows: how many there are, by the file's index.
        sizes: bytes, unpacked, of each piece of a column, by the index.
        described: what Hugging Face writes of the columns, as JSON; else "".
    """

    def __init__(self, child: "subprocess.Popen[bytes]") -> None:
        """Wait until the child has opened it. Raises `ValueError` if it does not."""
        self._child = child
        assert child.stdout
        about = json.loads(child.stdout.readline())
        self.columns: list[str] = about["columns"]
        self.rows: int = about["rows"]
        self.sizes: list[int] = about["sizes"]
        self.described: str = about["described"]

    def batches(self, columns: Sequence[str], rows_at_once: int) -> Iterator[Any]:
        """Read the columns named, once: pyarrow's record batches, each as it should be.

        Raises: whatever pyarrow does, and `ValueError` if the child does not end well.
        """
        from pyarrow import ipc

        assert self._child.stdin
        line = json.dumps([columns, rows_at_once]).encode() + b"\n"
        os.write(self._child.stdin.fileno(), line)
        out = cast(io.BufferedReader, self._child.stdout)
        if out.peek(1):  # nothing, if there is no row
            for batch in ipc.open_stream(out):
                batch.validate(full=True)
                yield batch
        if self._child.wait():
            raise ValueError("it was not read to its end")


@contextmanager
def opened(path: Path) -> Iterator[OpenedParquet]:
    """Open a file in a child process, which lives as long as the context.

    Raises:
        DataError: it is damaged; also for what the context's body raises of what it was given.
        DecoderError: the child is ended from outside.
        OSError: the disk is failing.
    """
    from pyarrow import ArrowException

    with (
        tempfile.TemporaryFile() as said,
        subprocess.Popen(
            [sys.executable, "-P", str(_CHILD), str(path)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=said,
            start_new_session=True,  # Ctrl+C is the parent's to answer
        ) as child,
    ):
        try:
            yield OpenedParquet(child)
        except (ArithmeticError, ArrowException, LookupError, OSError, TypeError, ValueError) as e:
            raise _fault(path, e, child, said) from None
        finally:
            child.kill()


def _fault(path: Path, error: Exception, child: "subprocess.Popen[bytes]", said: IO[bytes]) -> Any:
    """What to raise, by how the child ended; by the error if it lives, or ended well."""
    try:
        code = child.wait(_PATIENCE)
    except subprocess.TimeoutExpired:
        return damaged(path, error)
    if code in (-signal.SIGKILL, -signal.SIGTERM, -signal.SIGHUP, -signal.SIGINT):
        return DecoderError(
            f"the process that reads {path} was killed; is there too little memory?"
        )
    if code == 0:
        return damaged(path, error)
    said.seek(0)
    try:
        fault = json.loads(said.read().splitlines()[-1])
        why, number = fault["why"].strip(), fault["errno"]
    except (LookupError, TypeError, ValueError):  # of the library that ended it
        why, number = f"it ends the process that reads it, status {code}", None
    if number in OUT_OF_ROOM:
        return OSError(number, os.strerror(number), str(path))
    return DataError(f"{path} is damaged ({why})")
