"""What a bug report needs to say of a machine."""

import importlib.metadata
import os
import platform
import shutil
import sys
from collections.abc import Iterator

from fashion_cnn.data import fashion_mnist
from fashion_cnn.dependencies import install_command, libraries
from fashion_cnn.errors import DataError
from fashion_cnn.version import __version__


def examine() -> Iterator[tuple[str, str]]:
    """Yield (what, finding) pairs; a fault becomes a finding."""
    yield "fashion-cnn", __version__
    yield "python", f"{platform.python_version()} ({sys.executable})"
    yield "system", platform.platform()
    for extra, names in libraries().items():
        lacking = f"not installed; {install_command(extra)}" if extra else "missing; pip install ."
        for library in names if extra != "dev" else ():
            yield library, _version(library) or lacking
    yield from _devices()
    yield "data", _data()
    free = shutil.disk_usage(os.getcwd()).free
    yield "free space", f"{free / 1e9:.1f} GB in {os.getcwd()}"


def _version(library: str) -> str | None:
    try:
        return importlib.metadata.version(library)
    except importlib.metadata.PackageNotFoundError:
        return None


def _devices() -> Iterator[tuple[str, str]]:
    if _version("torch") is None:  # nothing is wrong: `predict`, `serve` and Keras do without
        return
    try:
        import torch

        from fashion_cnn.on_torch.device import configure, describe
        from fashion_cnn.process.machine import usable_cores

        device = configure("auto", None, False)
        found = describe(device)
    except Exception as error:  # whatever breaks PyTorch is what the report is about
        yield "device", f"PyTorch does not work: {error!r}"
        return
    yield "device", f"{found['device']}: {found['device_name']}"
    yield "threads", f"{found['threads']} of {usable_cores()} usable cores"
    yield "CUDA", torch.version.cuda or "not in this build of PyTorch"


def _data() -> str:
    try:
        directory = fashion_mnist.find_data()
        if directory is None:
            return str(fashion_mnist.nowhere())
        fashion_mnist.DataSet.open(directory).verify()
    except (DataError, OSError) as error:
        return str(error)
    return f"{directory}: all four files verified"
