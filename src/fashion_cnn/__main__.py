"""`fashion-cnn`, which is `python -m fashion_cnn`."""

import signal
import sys
from collections.abc import Sequence


def run(arguments: Sequence[str] | None = None) -> None:
    """Run a command and end the process with its exit code. Args: those of the process if None."""
    raising = signal.signal(signal.SIGINT, signal.SIG_DFL)  # Ctrl+C among imports: no traceback
    from fashion_cnn.cli import main

    signal.signal(signal.SIGINT, raising)
    sys.exit(main(arguments))


if __name__ == "__main__":
    run()
