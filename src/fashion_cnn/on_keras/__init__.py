"""Keras 3: model, optimisers, training; on TensorFlow unless KERAS_BACKEND names another backend.

Keras chooses its backend once, when it is first imported, which is here.
"""

import logging
import os
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

from fashion_cnn.dependencies import install_command
from fashion_cnn.errors import UsageError

BACKENDS = ("tensorflow", "torch")


@contextmanager
def _quietly() -> Iterator[None]:
    """Keep what TensorFlow says of itself while it starts off the terminal.

    Its native code writes to file descriptor 2 before it reads any log level, and its Python uses
    what newer Pythons and numpys deprecate. Set TF_CPP_MIN_LOG_LEVEL to hear all of it.
    """
    if "TF_CPP_MIN_LOG_LEVEL" in os.environ:
        yield
        return
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "2"  # warnings and notes; errors are still told
    sys.stderr.flush()
    kept, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)


def _start() -> None:
    backend = os.environ.setdefault("KERAS_BACKEND", "tensorflow")
    if backend not in BACKENDS:
        raise UsageError(f"KERAS_BACKEND is {backend!r}; it must be one of {', '.join(BACKENDS)}")
    try:
        with _quietly():
            import keras  # noqa: F401
    except ModuleNotFoundError as error:
        what = error.name or "keras"
        needed = f"pip install {what}" if what == "torch" else install_command("keras")
        raise UsageError(
            f"{what} is not installed, which Keras on {backend} needs: {needed}"
        ) from None
    # TensorFlow advises whoever opens several models in one process to open fewer.
    logging.getLogger("tensorflow").setLevel(logging.ERROR)
    # Keras 3.15 on TensorFlow 2.21 trips over this at each conversion to numpy.
    warnings.filterwarnings("ignore", "__array__ implementation doesn't accept", DeprecationWarning)


_start()
