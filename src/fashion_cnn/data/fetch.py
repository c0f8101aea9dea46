"""Get the data set if it is not there: from the publisher's mirrors, or out of Debian's package.

Nothing is published before its decompressed bytes have the right hash.
"""

import contextlib
import hashlib
import os
import shutil
import ssl
import subprocess
import tempfile
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Sequence
from functools import partial
from http.client import HTTPException
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from fashion_cnn.data import fashion_mnist
from fashion_cnn.data.fashion_mnist import SHA256
from fashion_cnn.data.forms.idx_pairs import read_bounded
from fashion_cnn.data.manifest import again, is_own
from fashion_cnn.errors import OUT_OF_ROOM, DataError, UsageError

MIRRORS = (
    "https://github.com/zalandoresearch/fashion-mnist/raw/master/data/fashion/",
    "https://storage.googleapis.com/tensorflow/tf-keras-datasets/",
)
"""The publisher's repository, and the copy that Keras uses."""

PACKAGE = "dataset-fashion-mnist"
TIMEOUT_SECONDS = 30.0
DEADLINE_SECONDS = 600.0  # of one file
MOST_BYTES = 40_000_000  # the largest .gz has 26.4 million


def data_directory(data_dir: str | Path | None, say: Callable[[str], None]) -> Path:
    """Find the data set, and get it if nobody named a place and it is in no usual one.

    Raises:
        DataError: it cannot be had, or a place that was named lacks it.
    """
    directory = fashion_mnist.find_data(data_dir)
    if directory is None:
        directory = fashion_mnist.LOCAL_DIRECTORY
        say(f"Fashion-MNIST is not on this machine yet; getting it into {directory}/")
        fetch(directory, say=say)
    return directory


def get_data(data_dir: str | Path | None, say: Callable[[str], None]) -> Path:
    """Find the data set and verify it; fetch it where it is missing or damaged.

    Args:
        data_dir: where it is or is to be; without it as for `find_data`, else ./data.
        say: gets a line on what is wrong and on each source tried.

    Raises:
        DataError: it cannot be had.
        UsageError: another data set is there, adopted or not.
    """
    place = Path(data_dir or fashion_mnist.named_directory() or fashion_mnist.LOCAL_DIRECTORY)
    if is_own(place):
        raise UsageError(f"{place} holds another data set, which get would overwrite")
    try:
        directory = fashion_mnist.find_data(data_dir)
        if directory is not None:
            fashion_mnist.DataSet.open(directory).verify()
            return directory
    except DataError as error:
        say(str(error))
    _check_nothing_is_lost(place)
    fetch(place, say=say)
    return place


def _check_nothing_is_lost(directory: Path) -> None:
    """Raise `UsageError` if a file that would be replaced is whole, and another data set's."""
    for path in (directory / f"{name}.gz" for name in SHA256):
        try:
            other = hashlib.sha256(read_bounded(path)).hexdigest() not in SHA256.values()
        except DataError:  # damaged or missing: that is what is mended here
            continue
        if other:
            raise UsageError(
                f"{path} is whole and not Fashion-MNIST's, and get would overwrite it; "
                f"{again(directory)}, or name another folder"
            )


def fetch(
    directory: Path,
    *,
    mirrors: Sequence[str] = MIRRORS,
    context: ssl.SSLContext | None = None,
    package: bool = True,
    say: Callable[[str], None] = lambda line: None,
) -> str:
    """Put the four files, gzipped and verified, into `directory`.

    Args:
        directory: made if missing; files of the same names are replaced, others left alone.
        mirrors: https addresses of folders with the four .gz files, tried in order.
        context: TLS settings; the default trusts the system's certificate authorities.
        package: whether to fall back on Debian's package where apt is at hand.
        say: gets a line on each source tried.

    Returns:
        The source that the files came from.

    Raises:
        DataError: no source gave the data set; the message says what each one answered.
        OSError: `directory` cannot be written.
    """
    directory.mkdir(parents=True, exist_ok=True)
    failures = []
    sources: list[tuple[str, Callable[[Path], None]]] = [
        (mirror, partial(_download, mirror, context)) for mirror in mirrors
    ]
    if package:
        sources.append((f"Debian's package {PACKAGE}", _unpack_package))
    with tempfile.TemporaryDirectory(dir=directory, prefix=".incoming-") as temporary:
        incoming = Path(temporary)
        for name, get in sources:
            say(f"trying {name}")
            try:
                get(incoming)
                fashion_mnist.DataSet.open(incoming).verify()
            except DataError as error:
                say(f"  failed: {error}")
                failures.append(f"{name}: {error}")
                continue
            for file in SHA256:
                os.replace(incoming / f"{file}.gz", directory / f"{file}.gz")
            return name
    raise DataError(
        "no source gave the data set (" + "; ".join(failures) + "); put the four .gz files into "
        f"{directory} by hand, or: apt-get install {PACKAGE}"
    )


class _StayOnHTTPS(urllib.request.HTTPRedirectHandler):
    def redirect_request(
        self, req: Any, fp: Any, code: int, msg: str, headers: Any, newurl: str
    ) -> urllib.request.Request | None:
        if urlsplit(newurl).scheme != "https":
            raise DataError(f"refused a redirect from https to {newurl}")
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _download(mirror: str, context: ssl.SSLContext | None, directory: Path) -> None:
    if urlsplit(mirror).scheme != "https":
        raise DataError("only https addresses are used")
    opener = urllib.request.build_opener(
        urllib.request.HTTPSHandler(context=context), _StayOnHTTPS()
    )
    for name in SHA256:
        url = f"{mirror}{name}.gz"
        try:
            _receive_in_time(opener, directory / f"{name}.gz", url)
        except urllib.error.HTTPError as error:
            raise DataError(f"{url}: HTTP status {error.code}") from None
        except (OSError, HTTPException, ValueError) as error:
            if isinstance(error, OSError) and error.errno in OUT_OF_ROOM:
                raise
            raise DataError(f"{url}: {getattr(error, 'reason', None) or error!r}") from None


def _receive_in_time(opener: urllib.request.OpenerDirector, path: Path, url: str) -> None:
    """Download a file, or give up at the deadline, whatever its server then does.

    In a thread, for no timeout is one of the whole: a name may be looked up, a handshake made and
    headers sent a byte at a time. A thread that is too late writes nothing.
    """
    deadline = time.monotonic() + DEADLINE_SECONDS
    failures: list[BaseException] = []

    def receive() -> None:
        try:
            with opener.open(url, timeout=TIMEOUT_SECONDS) as response:
                _receive(response, path, url, deadline)
        except BaseException as error:  # it is raised where it is waited for
            if isinstance(error, urllib.error.HTTPError):
                error.close()
            failures.append(error)

    thread = threading.Thread(target=receive, daemon=True)
    thread.start()
    thread.join(DEADLINE_SECONDS)
    if thread.is_alive():
        raise _late(url)
    if failures:
        raise failures.pop()  # or it would hold itself, and with it what it has open


def _late(url: str) -> DataError:
    return DataError(f"{url}: not complete after {DEADLINE_SECONDS:.0f} s")


def _receive(response: Any, path: Path, url: str, deadline: float) -> None:
    """Write a body to `path`, by a deadline and within a size, whatever its headers claim."""
    if "html" in response.headers.get("Content-Type", ""):
        raise DataError(f"{url}: a web page instead of the file")
    if time.monotonic() > deadline:
        raise _late(url)
    received = 0
    with path.open("wb") as file:
        while chunk := response.read1(1 << 18):
            received += len(chunk)
            if received > MOST_BYTES:
                raise DataError(f"{url}: more than {MOST_BYTES} bytes")
            if time.monotonic() > deadline:
                raise _late(url)
            file.write(chunk)
    promised = response.headers.get("Content-Length")
    if promised is not None and received != int(promised):
        raise DataError(f"{url}: the body ended after {received} of {promised} bytes")


def _unpack_package(directory: Path) -> None:
    if not (shutil.which("apt-get") and shutil.which("dpkg-deb")):
        raise DataError("no apt on this machine")
    with tempfile.TemporaryDirectory(prefix="fashion-cnn-") as temporary:
        try:
            _run_tool(temporary, "apt-get", "download", PACKAGE)
        except DataError:
            if os.geteuid() != 0:
                raise
            # A new machine has no package lists yet. One broken source fails the update though
            # ours arrived, so the download decides.
            with contextlib.suppress(DataError):
                _run_tool(temporary, "apt-get", "update")
            _run_tool(temporary, "apt-get", "download", PACKAGE)
        (package,) = Path(temporary).glob(f"{PACKAGE}_*.deb")
        _run_tool(temporary, "dpkg-deb", "-x", package.name, "unpacked")
        unpacked = Path(temporary) / "unpacked/usr/share/datasets/fashion-mnist"
        for name in SHA256:
            shutil.copyfile(unpacked / f"{name}.gz", directory / f"{name}.gz")


def _run_tool(directory: str, *command: str) -> None:
    try:
        result = subprocess.run(
            command, cwd=directory, capture_output=True, text=True, timeout=DEADLINE_SECONDS
        )
    except subprocess.TimeoutExpired:
        raise DataError(f"`{' '.join(command)}` took over {DEADLINE_SECONDS:.0f} s") from None
    except OSError as error:
        if error.errno in OUT_OF_ROOM:
            raise
        raise DataError(f"`{' '.join(command)}` cannot run: {error}") from None
    if result.returncode:
        last = (result.stderr.strip().splitlines() or ["no message"])[-1]
        raise DataError(f"`{' '.join(command)}` failed: {last}")
